// Files of one JSON object a line (events.jsonl, links.jsonl), read one line at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string_view>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"
#include "harness/model/format.hpp"

namespace grit {

/// The lines of a file as it was when it was opened, and lines put after them. The file is mapped and only one of its
/// lines is ever held as JSON, so that a file of many gigabytes can be read, again and again. A line that is no JSON
/// object, or is torn at the end of the file, is passed over. Copies share the mapping.
class JsonLines {
 public:
  JsonLines() = default;  // none
  JsonLines(std::vector<Json> lines) : more_(std::move(lines)) {}
  /// A file that is missing has no lines. Error: it cannot be opened or mapped. Error (usage): its first line says that
  /// it is of a newer format.
  static Result<JsonLines> open(const std::filesystem::path& file, const Format& format);

  /// One more, after all others; not written to the file.
  void append(Json line) { more_.push_back(std::move(line)); }

  using Take = std::function<void(const Json&)>;
  /// Calls with every line that is a JSON object, in their order.
  void for_each(const Take& take) const;
  /// Those whose "type" is one of these, and perhaps others: `take` looks itself. Most of the rest is told apart
  /// without being parsed, which takes a tenth of the time.
  void for_each_of(std::initializer_list<std::string_view> types, const Take& take) const;
  /// All others, likewise.
  void for_each_but(std::initializer_list<std::string_view> types, const Take& take) const;
  /// The first line; null: none.
  [[nodiscard]] Json first() const;

 private:
  template <typename Wanted>
  void for_each_line(const Wanted& wanted, const Take& take) const;

  std::shared_ptr<const class MappedFile> file_{};
  std::vector<Json> more_{};
};

}  // namespace grit

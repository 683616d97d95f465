// Reading a JSON object that came from outside and may have been tampered with: every member must be expected, present
// and in range, or the whole is refused.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// Take each member once, then ask done(). After the first problem the readers give neutral values and done() says what
/// it was.
class ClosedObject {
 public:
  /// `what` names the object in messages: "address". The JSON must outlive this reader.
  ClosedObject(const Json& json, std::string what);

  std::int64_t integer(const std::string& key, std::int64_t min, std::int64_t max);
  /// 0 .. 2^32 - 1.
  std::uint32_t u32(const std::string& key);
  /// Text without control characters, of at most max_length bytes.
  std::string text(const std::string& key, std::size_t max_length);
  /// One of these texts.
  std::string choice(const std::string& key, const std::vector<std::string>& choices);
  bool boolean(const std::string& key);
  const Json& array(const std::string& key, std::size_t max_items);
  const Json& object(const std::string& key);
  /// Marks a member as expected and gives it, of whatever type; null when it is not there.
  const Json& any(const std::string& key);

  /// Error (usage): what the first problem was, also when there are members that nobody took.
  [[nodiscard]] Status done() const;

 private:
  void problem(std::string text);

  const Json& json_;
  std::string what_;
  std::set<std::string> taken_{};
  std::string problem_{};
};

}  // namespace grit

#include "harness/record/json_lines.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "harness/base/fd.hpp"
#include "harness/record/mapped_file.hpp"

namespace grit {
namespace {

bool in(std::initializer_list<std::string_view> types, std::string_view type) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

/// May the line's "type" be a wanted one? Within a JSON text's strings quotation marks are escaped: what looks like a
/// member is one, if only of an inner object. A line that has no such member anywhere may be written with spaces.
template <typename Wanted>
bool may_have_type(std::string_view line, const Wanted& wanted) {
  constexpr std::string_view kType = R"("type":")";
  bool any = false;
  while (const void* found = ::memmem(line.data(), line.size(), kType.data(), kType.size())) {
    line.remove_prefix(static_cast<std::size_t>(static_cast<const char*>(found) - line.data()) + kType.size());
    if (wanted(line.substr(0, line.find('"')))) return true;
    any = true;
  }
  return !any;
}

}  // namespace

Result<JsonLines> JsonLines::open(const std::filesystem::path& file, const Format& format) {
  const Fd fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return JsonLines();
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) return errno_error("cannot open " + file.string());
  auto mapped = MappedFile::map(fd.get(), static_cast<std::size_t>(std::max<off_t>(status.st_size, 0)));
  if (!mapped) return with_context(mapped.error(), "cannot read " + file.string());
  JsonLines lines;
  lines.file_ = std::make_shared<const MappedFile>(std::move(*mapped));
  if (auto readable = check_format(lines.first(), format); !readable)
    return with_context(readable.error(), "cannot read " + file.string());
  return lines;
}

template <typename Wanted>
void JsonLines::for_each_line(const Wanted& wanted, const Take& take) const {
  std::string_view rest = file_ ? file_->bytes() : std::string_view();
  for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    if (!wanted(line)) continue;
    const Json json = Json::parse(line.begin(), line.end(), nullptr, false);
    if (json.is_object()) take(json);
  }
  for (const Json& json : more_)
    if (json.is_object()) take(json);
}

void JsonLines::for_each(const Take& take) const {
  for_each_line([](std::string_view) { return true; }, take);
}

void JsonLines::for_each_of(std::initializer_list<std::string_view> types, const Take& take) const {
  for_each_line([&](std::string_view line) { return may_have_type(line, [&](auto type) { return in(types, type); }); },
                take);
}

void JsonLines::for_each_but(std::initializer_list<std::string_view> types, const Take& take) const {
  for_each_line([&](std::string_view line) { return may_have_type(line, [&](auto type) { return !in(types, type); }); },
                take);
}

Json JsonLines::first() const {
  // The file's first line may be damaged; those put after it come last.
  std::string_view rest = file_ ? file_->bytes() : std::string_view();
  for (std::size_t end = rest.find('\n'); end != std::string_view::npos; end = rest.find('\n')) {
    Json json = Json::parse(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(end), nullptr, false);
    if (json.is_object()) return json;
    rest.remove_prefix(end + 1);
  }
  return more_.empty() ? Json() : more_.front();
}

}  // namespace grit

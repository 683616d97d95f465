#include "harness/burnin/console.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "harness/base/fd.hpp"
#include "harness/base/printable.hpp"

namespace grit {
namespace {

/// A panic, and what a kernel says until it is up again.
constexpr std::int64_t kRead_bytes = 256 * 1024;
constexpr std::size_t kLines = 20;
constexpr std::size_t kLine_bytes = 300;

/// kernel/panic.c
bool is_panic(const std::string& line) { return line.find("Kernel panic - not syncing") != std::string::npos; }

/// An open regular file, and how long it is.
struct ConsoleFile {
  Fd file{};
  std::int64_t size_bytes = 0;
};

ConsoleFile open_console(const std::string& pattern, const std::string& host) {
  if (pattern.empty()) return {};
  std::string path = pattern;
  for (auto at = path.find("%n"); at != std::string::npos; at = path.find("%n", at + host.size()))
    path.replace(at, 2, host);
  Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  return {std::move(file), status.st_size};
}

}  // namespace

void NodeConsoles::note_well(const std::string& host) {
  well_until_bytes_[host] = open_console(pattern_, host).size_bytes;
}

std::vector<std::string> NodeConsoles::last_lines(const std::string& host) const {
  const ConsoleFile console = open_console(pattern_, host);
  const auto known = well_until_bytes_.find(host);
  std::int64_t start = known == well_until_bytes_.end() || known->second > console.size_bytes ? 0 : known->second;
  start = std::max(start, console.size_bytes - kRead_bytes);
  std::string text(static_cast<std::size_t>(console.size_bytes - start), '\0');
  const ssize_t got = text.empty() ? 0 : ::pread(console.file.get(), text.data(), text.size(), start);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  std::vector<std::string> lines;
  std::istringstream rest(text);
  for (std::string line; std::getline(rest, line);) {
    line = printable(line.substr(0, kLine_bytes));
    line.erase(line.find_last_not_of(' ') + 1);
    if (!line.empty()) lines.push_back(std::move(line));
  }
  if (lines.size() <= kLines) return lines;
  const auto last = lines.end() - static_cast<std::ptrdiff_t>(kLines);
  std::vector<std::string> kept;
  if (const auto panic = std::find_if(lines.begin(), last, is_panic); panic != last) kept.push_back(*panic);
  kept.insert(kept.end(), last, lines.end());
  return kept;
}

const std::string& telling_kernel_line(const std::vector<std::string>& lines) {
  const auto panic = std::ranges::find_if(lines, is_panic);
  return panic == lines.end() ? lines.back() : *panic;
}

}  // namespace grit

#include "harness/burnin/console.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/printable.hpp"

namespace grit {
namespace {

constexpr off_t kRead_bytes = 64 * 1024;
constexpr std::size_t kLines = 20;
constexpr std::size_t kLine_bytes = 300;
/// The file may be another machine's, with another clock.
constexpr std::int64_t kClockSlack_ns = 5 * kNsPerS;

}  // namespace

std::vector<std::string> last_console_lines(const std::string& pattern, const std::string& host,
                                            std::int64_t since_ns) {
  if (pattern.empty()) return {};
  std::string path = pattern;
  for (auto at = path.find("%n"); at != std::string::npos; at = path.find("%n", at + host.size()))
    path.replace(at, 2, host);
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  if (status.st_mtim.tv_sec * kNsPerS + status.st_mtim.tv_nsec < since_ns - kClockSlack_ns) return {};
  std::string text(static_cast<std::size_t>(std::min(status.st_size, kRead_bytes)), '\0');
  const ssize_t got = ::pread(file.get(), text.data(), text.size(), std::max<off_t>(status.st_size - kRead_bytes, 0));
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  std::vector<std::string> lines;
  std::istringstream rest(text);
  for (std::string line; std::getline(rest, line);) {
    line = printable(line.substr(0, kLine_bytes));
    if (line.find_first_not_of(' ') != std::string::npos) lines.push_back(line);
  }
  if (lines.size() > kLines) lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(kLines));
  return lines;
}

}  // namespace grit

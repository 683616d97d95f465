#include "harness/os/proc_stat.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <charconv>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxFile_bytes = 4096;

std::optional<ProcStat> read_stat(const std::filesystem::path& file) {
  const auto text = read_file(file, kMaxFile_bytes);
  if (!text) return std::nullopt;
  const auto name_begin = text->find('('), name_end = text->rfind(')');
  if (name_begin == std::string::npos || name_end == std::string::npos || name_end < name_begin) return std::nullopt;
  const char* at = text->data() + name_end + 1;
  const char* const end = text->data() + text->size();
  if (end - at < 3) return std::nullopt;
  ProcStat stat{.name = text->substr(name_begin + 1, name_end - name_begin - 1), .state = at[1]};
  at += 2;  // behind the 3rd of the file's fields
  std::int64_t value = 0, ticks = 0;
  for (int field = 4; field <= 22; ++field) {
    while (at < end && *at == ' ') ++at;
    const auto parsed = std::from_chars(at, end, value);
    if (parsed.ec != std::errc{}) return std::nullopt;
    at = parsed.ptr;
    if (field == 4) stat.parent = static_cast<pid_t>(value);
    if (field == 6) stat.session = static_cast<pid_t>(value);
    if (field == 10) stat.minor_faults = value;
    if (field == 12) stat.major_faults = value;
    if (field == 14 || field == 15) ticks += value;
    if (field == 22) stat.start_ticks = value;
  }
  stat.cpu_ns = ticks * (kNsPerS / ::sysconf(_SC_CLK_TCK));
  return stat;
}

}  // namespace

std::optional<ProcStat> read_proc_stat(pid_t pid) { return read_stat(fmt::format("/proc/{}/stat", pid)); }
std::optional<ProcStat> read_proc_stat(pid_t pid, pid_t tid) {
  return read_stat(fmt::format("/proc/{}/task/{}/stat", pid, tid));
}

std::optional<ProcStat> read_task_stat(const std::filesystem::path& directory) { return read_stat(directory / "stat"); }

}  // namespace grit

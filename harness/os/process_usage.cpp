#include "harness/os/process_usage.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <sstream>
#include <string>
#include <vector>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxProcFile_bytes = 4096;
constexpr std::int64_t kSector_bytes = 512;  // ru_inblock and ru_oublock count these (getrusage(2))

// Fields of /proc/PID/stat after the name (proc_pid_stat(5)): state is 0.
constexpr std::size_t kMinorFaults = 7, kMajorFaults = 9, kUserTicks = 11, kSystemTicks = 12;

std::int64_t page_bytes() { return ::sysconf(_SC_PAGESIZE); }

void read_io(pid_t pid, ProcessUsage& usage) {
  const auto text = read_file(fmt::format("/proc/{}/io", pid), kMaxProcFile_bytes);
  if (!text) return;  // a kernel without CONFIG_TASK_IO_ACCOUNTING
  std::istringstream lines(*text);
  std::string key;
  for (std::int64_t value = 0; lines >> key >> value;) {
    if (key == "read_bytes:") usage.read_bytes = value;
    if (key == "write_bytes:") usage.written_bytes = value;
  }
}

}  // namespace

ProcessUsage& ProcessUsage::operator+=(const ProcessUsage& other) {
  anonymous_bytes += other.anonymous_bytes;
  faulted_bytes += other.faulted_bytes;
  cpu_ns += other.cpu_ns;
  read_bytes += other.read_bytes;
  written_bytes += other.written_bytes;
  return *this;
}

ProcessUsage& ProcessUsage::operator-=(const ProcessUsage& other) {
  anonymous_bytes -= other.anonymous_bytes;
  faulted_bytes -= other.faulted_bytes;
  cpu_ns -= other.cpu_ns;
  read_bytes -= other.read_bytes;
  written_bytes -= other.written_bytes;
  return *this;
}

Result<ProcessUsage> process_usage(pid_t pid) {
  GRIT_TRY(const std::string stat, read_file(fmt::format("/proc/{}/stat", pid), kMaxProcFile_bytes));
  GRIT_TRY(const std::string statm, read_file(fmt::format("/proc/{}/statm", pid), kMaxProcFile_bytes));
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos) return internal_error(fmt::format("/proc/{}/stat is not understood", pid));
  std::istringstream rest(stat.substr(name_end + 1));
  char state = 0;
  rest >> state;
  std::vector<std::int64_t> fields{0};
  for (std::int64_t field = 0; fields.size() <= kSystemTicks && rest >> field;) fields.push_back(field);
  if (fields.size() <= kSystemTicks) return internal_error(fmt::format("/proc/{}/stat is too short", pid));
  std::istringstream pages(statm);
  std::int64_t size = 0, resident = 0, of_files = 0;
  pages >> size >> resident >> of_files;
  ProcessUsage usage;
  usage.anonymous_bytes = (resident - of_files) * page_bytes();
  usage.faulted_bytes = (fields[kMinorFaults] + fields[kMajorFaults]) * page_bytes();
  usage.cpu_ns = (fields[kUserTicks] + fields[kSystemTicks]) * (kNsPerS / ::sysconf(_SC_CLK_TCK));
  read_io(pid, usage);
  return usage;
}

ProcessUsage process_usage(const rusage& usage) {
  const auto ns = [](const timeval& time) {
    return std::int64_t{time.tv_sec} * kNsPerS + std::int64_t{time.tv_usec} * 1000;
  };
  return {.faulted_bytes = (usage.ru_minflt + usage.ru_majflt) * page_bytes(),
          .cpu_ns = ns(usage.ru_utime) + ns(usage.ru_stime),
          .read_bytes = usage.ru_inblock * kSector_bytes,
          .written_bytes = usage.ru_oublock * kSector_bytes};
}

}  // namespace grit

#include "harness/os/process_usage.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <sstream>
#include <string>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/os/proc_stat.hpp"

namespace grit {
namespace {

constexpr std::int64_t kSector_bytes = 512;  // ru_inblock and ru_oublock count these (getrusage(2))

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
  const auto stat = read_proc_stat(pid);
  if (!stat) return usage_error(fmt::format("there is no process {}", pid));
  GRIT_TRY(const std::string statm, read_file(fmt::format("/proc/{}/statm", pid), kMaxProcFile_bytes));
  std::istringstream pages(statm);
  std::int64_t size = 0, resident = 0, of_files = 0;
  pages >> size >> resident >> of_files;
  ProcessUsage usage;
  usage.anonymous_bytes = (resident - of_files) * page_bytes();
  usage.faulted_bytes = (stat->minor_faults + stat->major_faults) * page_bytes();
  usage.cpu_ns = stat->cpu_ns;
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

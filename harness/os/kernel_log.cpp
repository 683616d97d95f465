#include "harness/os/kernel_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>

#include "harness/base/files.hpp"

namespace grit {
namespace {

constexpr const char* kDevice = "/dev/kmsg";
constexpr std::size_t kMaxRecord_bytes = 8192;
constexpr int kFacilityUser = 1 << 3;  // what user space writes is marked as its own

/// Root of a user namespace is not root of the machine, whose log this is.
bool is_root_of_the_machine() {
  if (::geteuid() != 0) return false;
  const auto map = read_file("/proc/self/uid_map", 4096);
  if (!map) return true;  // a kernel without user namespaces
  unsigned inside = 1, outside = 1, count = 0;
  return std::sscanf(map->c_str(), "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 && outside == 0 &&
         count == 4294967295U;
}

}  // namespace

Result<KernelLogReader> KernelLogReader::open() {
  Fd reader(::open(kDevice, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!reader || ::lseek(reader.get(), 0, SEEK_END) < 0)
    return unavailable_error(fmt::format("cannot read {}: {} (CAP_SYSLOG)", kDevice, std::strerror(errno)));
  return KernelLogReader(std::move(reader));
}

Result<std::optional<KernelLine>> KernelLogReader::next() {
  for (std::array<char, kMaxRecord_bytes> record{};;) {
    const auto n = ::read(fd_.get(), record.data(), record.size());
    if (n < 0 && (errno == EPIPE || errno == EINTR)) continue;  // EPIPE: lines were lost before they were read
    if (n < 0 && errno == EAGAIN) return std::nullopt;
    if (n < 0) return errno_error("cannot read the kernel's log");
    // "priority,number,time,flags;text\n", then lines that begin with a blank
    const std::string text(record.data(), static_cast<std::size_t>(n));
    const std::size_t begin = text.find(';');
    unsigned priority = 0;
    long long number = 0;
    if (begin == std::string::npos || std::sscanf(text.c_str(), "%u,%lld", &priority, &number) != 2) continue;
    constexpr unsigned kLevelMask = 7;
    return KernelLine{static_cast<int>(priority & kLevelMask), number,
                      text.substr(begin + 1, text.find('\n', begin) - begin - 1)};
  }
}

Result<KernelLog> KernelLog::open() {
  if (!is_root_of_the_machine())
    return unavailable_error("only root may write to the kernel's log: run grit as root on this node");
  Fd writer(::open(kDevice, O_WRONLY | O_CLOEXEC));
  if (!writer)
    return unavailable_error(
        fmt::format("cannot write to {}: {}. In a container, give it the device; and see sysctl "
                    "kernel.printk_devkmsg",
                    kDevice, std::strerror(errno)));
  GRIT_TRY(auto reader, KernelLogReader::open());
  return KernelLog(std::move(writer), std::move(reader));
}

Status KernelLog::write(int level, const std::string& line) {
  // Without a line end the kernel keeps the record open for more, and shows it only once the next one comes.
  const std::string record = fmt::format("<{}>{}\n", kFacilityUser | level, line);
  // One write is one record: what is left of a short one would become another.
  if (::write(writer_.get(), record.data(), record.size()) < 0) return errno_error("cannot write to the kernel's log");
  return {};
}

Result<std::optional<std::int64_t>> KernelLog::find(const std::string& line) {
  while (true) {
    GRIT_TRY(const auto read, reader_.next());
    if (!read) return std::nullopt;
    if (read->text == line) return read->number;
  }
}

}  // namespace grit

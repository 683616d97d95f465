#include "harness/os/kernel_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>

#include "harness/base/clock.hpp"
#include "harness/os/identity.hpp"

namespace grit {
namespace {

constexpr const char* kDevice = "/dev/kmsg";
constexpr std::size_t kMaxRecord_bytes = 8192;
constexpr std::int64_t kLevelMask = 7;
constexpr int kFacilityUser = 1 << 3;  // what user space writes is marked as its own

}  // namespace

std::optional<KernelLine> parse_kernel_record(std::string_view record) {
  const std::size_t head_end = record.find(';');
  if (head_end == std::string_view::npos) return std::nullopt;
  std::array<std::int64_t, 3> head{};  // priority, number, µs
  const char* at = record.data();
  const char* const end = at + head_end;
  for (std::int64_t& number : head) {
    const auto parsed = std::from_chars(at, end, number);
    if (parsed.ec != std::errc{} || number < 0) return std::nullopt;
    at = parsed.ptr == end ? end : parsed.ptr + 1;
  }
  const auto [priority, number, logged_us] = head;
  constexpr std::int64_t kMost_us = std::numeric_limits<std::int64_t>::max() / kNsPerUs;
  record.remove_prefix(head_end + 1);
  const std::string_view text = record.substr(0, record.find('\n'));
  KernelLine line{.level = static_cast<int>(priority & kLevelMask),
                  .number = number,
                  .text = std::string(text),
                  .of_kernel = priority <= kLevelMask,
                  .logged_ns = std::min(logged_us, kMost_us) * kNsPerUs};
  constexpr std::string_view kDeviceKey = "\n DEVICE=";
  if (const auto device = record.find(kDeviceKey); device != std::string_view::npos) {
    record.remove_prefix(device + kDeviceKey.size());
    line.device = std::string(record.substr(0, record.find('\n')));
  }
  return line;
}

Result<KernelLogReader> KernelLogReader::open(From from) {
  Fd reader(::open(kDevice, O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!reader || ::lseek(reader.get(), 0, from == From::end ? SEEK_END : SEEK_SET) < 0)
    return unavailable_error(
        fmt::format("cannot read {}: {}; it takes root, or CAP_SYSLOG", kDevice, std::strerror(errno)));
  return KernelLogReader(std::move(reader));
}

Status KernelLogReader::skip_to_end() {
  if (::lseek(fd_.get(), 0, SEEK_END) < 0) return errno_error("cannot go to the end of the kernel's log");
  return {};
}

Result<std::optional<KernelLine>> KernelLogReader::next() {
  for (std::array<char, kMaxRecord_bytes> record;;) {
    const auto n = ::read(fd_.get(), record.data(), record.size());
    if (n < 0 && (errno == EPIPE || errno == EINTR)) continue;  // EPIPE: lines were lost before they were read
    if (n < 0 && errno == EAGAIN) return std::nullopt;
    if (n < 0) return errno_error("cannot read the kernel's log");
    if (auto line = parse_kernel_record({record.data(), static_cast<std::size_t>(n)})) return line;
  }
}

Result<KernelLog> KernelLog::open() {
  // Root of another user namespace is not root of the machine, whose log this is.
  if (::geteuid() != 0 || !in_first_user_namespace())
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

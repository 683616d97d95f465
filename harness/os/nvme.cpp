#include "harness/os/nvme.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/nvme_ioctl.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <limits>

#include "harness/base/fd.hpp"

namespace grit {
namespace {

template <std::size_t Bytes>
std::uint64_t little_endian(std::span<const unsigned char, kNvmeHealthBytes> log, std::size_t at) {
  std::uint64_t value = 0;
  for (std::size_t i = Bytes; i > 0; --i) value = value << 8U | log[at + i - 1];
  return value;
}

/// A counter of 128 bits, at most what fits.
std::int64_t counter(std::span<const unsigned char, kNvmeHealthBytes> log, std::size_t at) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  const std::uint64_t low = little_endian<8>(log, at), high = little_endian<8>(log, at + 8);
  return static_cast<std::int64_t>(high != 0 || low > kMost ? kMost : low);
}

Failure error_of(const std::string& controller, int error) {
  if (error == EACCES || error == EPERM)
    return unavailable_error(fmt::format("only root may ask {} for its health log", controller));
  if (error == EIO || error == ENODEV || error == ENXIO || error == ETIMEDOUT)
    return internal_error(fmt::format("{} does not answer: {}", controller, std::strerror(error)));
  return unavailable_error(fmt::format("/dev/{}: {}", controller, std::strerror(error)));
}

}  // namespace

NvmeHealth nvme_health_of(std::span<const unsigned char, kNvmeHealthBytes> log) {
  constexpr int kZeroCelsius_k = 273;
  const auto kelvin = static_cast<int>(little_endian<2>(log, 1));
  NvmeHealth health{.warning_bits = log[0],
                    .spare_percent = log[3],
                    .spare_limit_percent = log[4],
                    .used_percent = log[5],
                    .media_errors = counter(log, 160),
                    .hot_minutes = static_cast<std::int64_t>(little_endian<4>(log, 196))};
  if (kelvin != 0) health.temperature_c = kelvin - kZeroCelsius_k;
  return health;
}

Result<NvmeHealth> read_nvme_health(const std::string& controller) {
  const Fd device(::open(("/dev/" + controller).c_str(), O_RDONLY | O_CLOEXEC));
  if (!device) return error_of(controller, errno);
  std::array<unsigned char, kNvmeHealthBytes> log{};
  constexpr std::uint32_t kGetLogPage = 0x02, kHealthLog = 0x02, kWords = kNvmeHealthBytes / 4;
  nvme_admin_cmd command{};
  command.opcode = kGetLogPage;
  command.nsid = 0xffffffff;  // of the whole controller
  command.addr = reinterpret_cast<std::uintptr_t>(log.data());
  command.data_len = log.size();
  command.cdw10 = (kWords - 1) << 16U | kHealthLog;
  // The time limit stays the kernel's: when it is over the kernel resets the drive.
  const int status = ::ioctl(device.get(), NVME_IOCTL_ADMIN_CMD, &command);
  if (status < 0) return error_of(controller, errno);
  if (status > 0)
    return unavailable_error(fmt::format("{} does not have a health log (status {:#x})", controller, status));
  return nvme_health_of(log);
}

}  // namespace grit

// What an NVMe drive says of its own health.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "harness/base/result.hpp"

namespace grit {

/// The SMART / Health Information log (NVM Express Base Specification, log page 0x02).
struct NvmeHealth {
  std::uint8_t warning_bits = 0;
  int spare_percent = 0, spare_limit_percent = 0;
  int used_percent = 0;  // of its life; may be more than 100
  std::optional<int> temperature_c{};
  std::int64_t media_errors = 0;
  std::int64_t hot_minutes = 0;  // spent above its critical temperature
};

/// Bits of NvmeHealth::warning_bits.
namespace nvme_warning {
constexpr std::uint8_t spare = 1, temperature = 2, reliability = 4, read_only = 8, backup = 16;
}

constexpr std::size_t kNvmeHealthBytes = 512;

/// Of the log's bytes.
NvmeHealth nvme_health_of(std::span<const unsigned char, kNvmeHealthBytes> log);

/// Asks the drive ("nvme0"), which may take as long as it hangs. Error (unavailable): not permitted, or the drive does
/// not have the log. Error (internal): the drive does not answer any more.
Result<NvmeHealth> read_nvme_health(const std::string& controller);

}  // namespace grit

// The settings of an NVIDIA GPU that a fault changes and puts back, and what shows that they act, by NVIDIA's
// management library (docs.nvidia.com/deploy/nvml-api). Only for a process that may be killed
// (harness/os/gpu_process.hpp).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "harness/base/result.hpp"
#include "harness/os/nvml.hpp"

namespace grit {

/// "GPU-6f1c...": letters, digits and dashes, as a part of a file's name.
bool is_gpu_uuid(const std::string& text);

/// "WHAT: the GPU is lost". unavailable: what a machine may be like (no permission, not supported, a GPU that is lost,
/// another driver); internal: anything else.
Failure nvml_error(std::string_view what, nvml::Code code);

/// Everything in mW.
struct GpuPower {
  unsigned limit_mw = 0, default_mw = 0;   // as it is set; as it was made for
  unsigned lowest_mw = 0, highest_mw = 0;  // that can be set
};

struct GpuClock {
  unsigned sm_mhz = 0, max_sm_mhz = 0;
  std::uint64_t reasons = 0;               // nvml::reason
  std::optional<unsigned> busy_percent{};  // of the driver's last sample period, 1/6 s to 1 s; none: not told (MIG)
};

/// A range that clocks are locked to.
struct ClockLock {
  unsigned min_mhz = 0, max_mhz = 0;
};

/// "1410", "1200,1410". Empty: it is none.
std::optional<ClockLock> clock_lock_of(std::string_view text);

/// By which the driver's counter of the time under the power cap grows.
inline constexpr std::int64_t kPowerCountStep_ns = 100'000'000;

inline constexpr unsigned kClockStep_mhz = 15;  // clocks come in steps of this at most, to which the driver rounds

/// Do its clocks look locked? There is no getter: it works, below its highest clock, and gives no reason. An idle GPU
/// never does.
bool seems_locked(const GpuClock& clock);
/// Does it work, at its highest clock or nearly? Then no lock holds it down.
bool shows_no_lock(const GpuClock& clock);

class GpuSettings {
 public:
  /// Error: no GPU of this driver has that UUID, or it is lost.
  static Result<GpuSettings> of(const Nvml& nvml, const std::string& uuid);

  /// "0000:81:00.0", as the kernel writes it; empty: the driver does not tell.
  [[nodiscard]] std::string pci_address() const;

  [[nodiscard]] Result<GpuPower> power() const;
  [[nodiscard]] Result<unsigned> power_limit_mw() const;
  /// Root only, as all that changes something here. Error, too, when another limit is read back.
  [[nodiscard]] Status set_power_limit(unsigned limit_mw) const;

  [[nodiscard]] Result<GpuClock> clock() const;
  /// It is at work at this clock, or the next one, and nothing else than a lock holds it there, such as its power
  /// limit: at most three calls, to be asked often. False where it does not tell.
  [[nodiscard]] bool is_held_at(unsigned sm_mhz) const;
  /// From Volta on. Gone with the driver.
  [[nodiscard]] Status lock_clocks(const ClockLock& lock) const;
  /// There is nothing to read back. A GPU whose clocks cannot be locked has none that are: no error.
  [[nodiscard]] Status unlock_clocks() const;

  /// How long the GPU has been held back by its power limit since the driver was loaded; counted by the driver, in
  /// steps of 100 ms. Error (unavailable): it does not tell.
  [[nodiscard]] Result<std::int64_t> power_capped_ns() const;

 private:
  GpuSettings(const Nvml& nvml, nvml::Device device, std::string uuid)
      : nvml_(&nvml), device_(device), uuid_(std::move(uuid)) {}
  template <class... Parameters, class... Arguments>
  Status call(std::string_view what, int (*nvml::Functions::*function)(nvml::Device, Parameters...),
              Arguments... arguments) const;

  const Nvml* nvml_;
  nvml::Device device_;
  std::string uuid_;
};

}  // namespace grit

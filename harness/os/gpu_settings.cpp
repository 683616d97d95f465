#include "harness/os/gpu_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>

namespace grit {

using nvml::Functions;

bool is_gpu_uuid(const std::string& text) {
  const auto is_plain = [](unsigned char one) { return std::isalnum(one) != 0 || one == '-'; };
  return text.starts_with("GPU-") && text.size() < nvml::kMostText_bytes &&
         std::all_of(text.begin(), text.end(), is_plain);
}

Failure nvml_error(std::string_view what, nvml::Code code) {
  std::string message = fmt::format("{}: {}", what, describe(code));
  switch (code) {
    case nvml::not_supported:
    case nvml::not_found:
    case nvml::driver_not_loaded:
    case nvml::function_not_found:
    case nvml::gpu_is_lost:
    case nvml::reset_required:
    case nvml::operating_system:
    case nvml::version_mismatch:
      return unavailable_error(std::move(message));
    case nvml::no_permission:
      return unavailable_error(message + ": only root may, outside of containers that drop CAP_SYS_ADMIN");
    default:
      return internal_error(std::move(message));
  }
}

std::optional<ClockLock> clock_lock_of(std::string_view text) {
  constexpr unsigned kMost_mhz = 100'000;
  const auto number = [](std::string_view digits) -> std::optional<unsigned> {
    unsigned mhz = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), mhz);
    if (error != std::errc() || end != digits.data() + digits.size() || mhz == 0 || mhz > kMost_mhz)
      return std::nullopt;
    return mhz;
  };
  const std::size_t comma = text.find(',');
  const auto least = number(text.substr(0, comma));
  const auto most = comma == std::string_view::npos ? least : number(text.substr(comma + 1));
  if (!least || !most || *least > *most) return std::nullopt;
  return ClockLock{*least, *most};
}

namespace {

bool is_at_work(const GpuClock& clock) {
  constexpr unsigned kBusyPercent = 90;
  return clock.busy_percent.value_or(0) >= kBusyPercent;
}

bool is_high(const GpuClock& clock) {
  constexpr double kOfHighest = 0.95;
  return clock.sm_mhz >= kOfHighest * clock.max_sm_mhz;
}

/// None of the reasons that the driver gives for a low clock, but for those by which it may tell of a lock.
bool nothing_but_a_lock(std::uint64_t reasons) {
  return (reasons & ~(nvml::reason::application_clocks | nvml::reason::display_clocks | nvml::reason::idle)) == 0;
}

}  // namespace

bool seems_locked(const GpuClock& clock) {
  return is_at_work(clock) && nothing_but_a_lock(clock.reasons) && !is_high(clock);
}

bool shows_no_lock(const GpuClock& clock) { return is_at_work(clock) && is_high(clock); }

Result<GpuSettings> GpuSettings::of(const Nvml& nvml, const std::string& uuid) {
  nvml::Device device = nullptr;
  const nvml::Code code = nvml.call(&Functions::device_by_uuid, uuid.c_str(), &device);
  if (code != nvml::success) return nvml_error("GPU " + uuid, code);
  return GpuSettings(nvml, device, uuid);
}

template <class... Parameters, class... Arguments>
Status GpuSettings::call(std::string_view what, int (*nvml::Functions::*function)(nvml::Device, Parameters...),
                         Arguments... arguments) const {
  const nvml::Code code = nvml_->call(function, device_, arguments...);
  if (code == nvml::success) return {};
  return nvml_error(fmt::format("GPU {}: {}", uuid_, what), code);
}

std::string GpuSettings::pci_address() const {
  nvml::PciInfo info;
  const nvml::Code code = nvml_->call(&Functions::pci_info, device_, &info);
  return code == nvml::success ? pci_address_of(info) : std::string();
}

Result<unsigned> GpuSettings::power_limit_mw() const {
  unsigned limit_mw = 0;
  GRIT_CHECK(call("its power limit", &Functions::power_setting_mw, &limit_mw));
  return limit_mw;
}

Result<GpuPower> GpuSettings::power() const {
  GpuPower power;
  GRIT_TRY(power.limit_mw, power_limit_mw());
  GRIT_CHECK(call("its default power limit", &Functions::default_power_limit_mw, &power.default_mw));
  GRIT_CHECK(
      call("the range of its power limit", &Functions::power_limit_range_mw, &power.lowest_mw, &power.highest_mw));
  return power;
}

Status GpuSettings::set_power_limit(unsigned limit_mw) const {
  GRIT_CHECK(call("setting its power limit", &Functions::set_power_limit_mw, limit_mw));
  GRIT_TRY(const unsigned now_mw, power_limit_mw());
  if (now_mw == limit_mw) return {};
  return internal_error(fmt::format("GPU {}: its power limit was set to {} mW and is {} mW", uuid_, limit_mw, now_mw));
}

Result<GpuClock> GpuSettings::clock() const {
  GpuClock clock;
  GRIT_CHECK(call("its clock", &Functions::clock, static_cast<int>(nvml::sm_clock), &clock.sm_mhz));
  GRIT_CHECK(call("its highest clock", &Functions::max_clock, static_cast<int>(nvml::sm_clock), &clock.max_sm_mhz));
  GRIT_CHECK(call("why its clock is low", &Functions::clock_reasons, &clock.reasons));
  nvml::Utilization used;
  const nvml::Code code = nvml_->call(&Functions::utilization, device_, &used);
  if (code == nvml::success)
    clock.busy_percent = used.gpu_percent;
  else if (code != nvml::not_supported)
    return nvml_error(fmt::format("GPU {}: how busy it is", uuid_), code);
  return clock;
}

bool GpuSettings::is_held_at(unsigned sm_mhz) const {
  unsigned now_mhz = 0;
  nvml::Utilization used;
  std::uint64_t reasons = 0;
  return nvml_->call(&Functions::clock, device_, static_cast<int>(nvml::sm_clock), &now_mhz) == nvml::success &&
         now_mhz <= sm_mhz + kClockStep_mhz && now_mhz + kClockStep_mhz >= sm_mhz &&
         nvml_->call(&Functions::utilization, device_, &used) == nvml::success && used.gpu_percent > 0 &&
         nvml_->call(&Functions::clock_reasons, device_, &reasons) == nvml::success && nothing_but_a_lock(reasons);
}

Status GpuSettings::lock_clocks(const ClockLock& lock) const {
  return call("locking its clocks", &Functions::lock_clocks_mhz, lock.min_mhz, lock.max_mhz);
}

Status GpuSettings::unlock_clocks() const {
  const nvml::Code code = nvml_->call(&Functions::unlock_clocks, device_);
  if (code == nvml::success || code == nvml::not_supported || code == nvml::function_not_found) return {};
  return nvml_error(fmt::format("GPU {}: unlocking its clocks", uuid_), code);
}

Result<std::int64_t> GpuSettings::power_capped_ns() const {
  nvml::FieldValue value;
  value.id = nvml::field::throttle_power_ns;
  GRIT_CHECK(call("for how long its power limit held it back", &Functions::field_values, 1, &value));
  if (const auto ns = count_of(value)) return *ns;
  return unavailable_error(
      fmt::format("GPU {}: the driver does not count for how long its power limit held it back", uuid_));
}

}  // namespace grit

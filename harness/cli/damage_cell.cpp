#include "harness/cli/damage_cell.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "harness/base/clock.hpp"
#include "harness/base/units.hpp"
#include "injectors/injector.hpp"

namespace grit {
namespace {

/// By which parameter one makes a fault larger that has no dose to ramp. Where 0 means "as much as goes", or that
/// another parameter counts, it is no size.
struct SizeParam {
  std::string_view fault, param;
  bool harm_grows = true;
};
constexpr std::array<SizeParam, 12> kSizes{{{"link_rate", "rate", false},
                                            {"link_delay", "delay"},
                                            {"link_loss", "loss"},
                                            {"link_mtu", "mtu", false},
                                            {"cpu_throttle", "share", false},
                                            {"cpu_contention", "threads"},
                                            {"affinity_squeeze", "cpus", false},
                                            {"disk_contention", "threads"},
                                            {"memory_pressure", "hold"},
                                            {"memory_bandwidth", "rate"},
                                            {"os_noise", "length"},
                                            {"clock_skew", "offset"}}};

struct Size {
  const ParamSpec* spec = nullptr;
  double value = 0;
  bool harm_grows = true;
};

std::optional<Size> size_of(const PlannedFault& fault) {
  const Injector* injector = find_injector(fault.name);
  if (injector == nullptr) return std::nullopt;
  const InjectorInfo& info = injector->info();
  const auto known =
      std::find_if(kSizes.begin(), kSizes.end(), [&](const auto& one) { return one.fault == fault.name; });
  const std::string name = !info.dose.param.empty() ? info.dose.param
                           : known != kSizes.end()  ? std::string(known->param)
                                                    : std::string();
  const auto spec =
      std::find_if(info.params.begin(), info.params.end(), [&](const ParamSpec& one) { return one.name == name; });
  const auto value = fault.params.find(name);
  if (spec == info.params.end() || value == fault.params.end() || !value->is_number()) return std::nullopt;
  const auto number = value->get<double>();
  if (number == 0) return std::nullopt;
  return Size{&*spec, number, info.dose.param.empty() ? known->harm_grows : info.dose.no_effect < number};
}

}  // namespace

DamageCell damage_cell(const PlannedFault& fault) {
  DamageCell cell{.fault = fault.name};
  if (const auto size = size_of(fault)) {
    const Unit unit = size->spec->unit;
    cell.magnitude = fmt::format("{} {}", size->spec->name, format_quantity(fault.params.at(size->spec->name), unit));
    cell.dose = unit == Unit::time_ns ? size->value / kNsPerS : size->value;
    if (unit == Unit::time_ns) cell.unit = "s";
    if (unit == Unit::bytes || unit == Unit::size_bytes) cell.unit = "bytes";
    if (unit == Unit::bits_per_s) cell.unit = "bit/s";
    if (unit == Unit::fraction) cell.unit = "share";
    cell.harm_grows = size->harm_grows;
    return cell;
  }
  const bool ends = !fault.pulses.empty() && fault.pulses.front().end_ns >= 0;
  if (!ends) return cell;
  const std::int64_t length_ns = fault.pulses.front().end_ns - fault.pulses.front().start_ns;
  cell.magnitude = format_quantity(length_ns, Unit::time_ns);
  cell.unit = "s", cell.dose = static_cast<double>(length_ns) / kNsPerS;
  return cell;
}

}  // namespace grit

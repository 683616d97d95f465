#include "harness/cli/damage_cell.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <vector>

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
constexpr std::array<SizeParam, 15> kSizes{{{"link_rate", "rate", false},
                                            {"link_delay", "delay"},
                                            {"link_loss", "loss"},
                                            {"link_mtu", "mtu", false},
                                            {"cpu_throttle", "share", false},
                                            {"cpu_contention", "threads"},
                                            {"affinity_squeeze", "cpus", false},
                                            {"disk_contention", "threads"},
                                            {"memory_pressure", "hold"},
                                            {"memory_bandwidth", "rate"},
                                            {"gpu_contention", "share"},
                                            {"pcie_contention", "share"},
                                            {"gpu_memory_pressure", "free_share", false},
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
  const Dose dose = injector->dose(Params(fault.params));
  const auto known =
      std::find_if(kSizes.begin(), kSizes.end(), [&](const auto& one) { return one.fault == fault.name; });
  const std::string name = !dose.param.empty()     ? dose.param
                           : known != kSizes.end() ? std::string(known->param)
                                                   : std::string();
  const auto spec =
      std::find_if(info.params.begin(), info.params.end(), [&](const ParamSpec& one) { return one.name == name; });
  const auto value = fault.params.find(name);
  if (spec == info.params.end() || value == fault.params.end() || !value->is_number()) return std::nullopt;
  const auto number = value->get<double>();
  if (number == 0) return std::nullopt;
  return Size{&*spec, number, dose.param.empty() ? known->harm_grows : dose.no_effect < number};
}

/// Parameters that say to which ranks, when and how long it is done, which is said otherwise or is no kind of damage;
/// and by what means, which is the cell's mechanism.
constexpr std::array<std::string_view, 7> kNotWhat{"rank", "after", "lasts", "down", "pause", "mechanism", "side"};

/// "direction in, burst 3": the parameters that are not as the fault comes, but for its size and the nodes at its other
/// end. Empty: all are.
std::string unlike_default(const PlannedFault& fault, const ParamSpec* size) {
  const Injector* injector = find_injector(fault.name);
  if (injector == nullptr) return {};
  std::vector<std::string> words;
  for (const ParamSpec& spec : injector->info().params) {
    if ((size != nullptr && spec.name == size->name) || spec.name == injector->info().peers) continue;
    if (std::find(kNotWhat.begin(), kNotWhat.end(), spec.name) != kNotWhat.end()) continue;
    const auto value = fault.params.find(spec.name);
    if (value == fault.params.end() || *value == spec.default_value) continue;
    words.push_back(fmt::format("{} {}", spec.name, format_quantity(*value, spec.unit)));
  }
  return fmt::format("{}", fmt::join(words, ", "));
}

/// How often it comes in a block that it comes in, and for how long each time.
struct Times {
  std::size_t fewest = std::numeric_limits<std::size_t>::max(), most = 0;
  std::int64_t length_ns = 0;  // the planner makes them all of one length
};

/// Empty: it stays until the block ends.
std::optional<Times> times_of(const PlannedFault& fault) {
  if (fault.pulses.empty() || fault.pulses.front().end_ns < 0) return std::nullopt;
  Times times{.length_ns = fault.pulses.front().end_ns - fault.pulses.front().start_ns};
  for (const Pulse& pulse : fault.pulses) {
    const std::size_t count = pulses_in_block(fault, pulse.block);
    times.fewest = std::min(times.fewest, count), times.most = std::max(times.most, count);
  }
  return times;
}

/// "1s", "3 x 100ms", "2 to 5 x 100ms".
std::string text_of(const Times& times) {
  const std::string length = format_quantity(times.length_ns, Unit::time_ns);
  if (times.most == 1) return length;
  return times.fewest == times.most ? fmt::format("{} x {}", times.most, length)
                                    : fmt::format("{} to {} x {}", times.fewest, times.most, length);
}

void set_dose(DamageCell& cell, const Size& size) {
  const Unit unit = size.spec->unit;
  cell.dose = unit == Unit::time_ns ? size.value / kNsPerS : size.value;
  if (unit == Unit::time_ns) cell.unit = "s";
  if (unit == Unit::bytes || unit == Unit::size_bytes) cell.unit = "bytes";
  if (unit == Unit::bits_per_s) cell.unit = "bit/s";
  if (unit == Unit::fraction) cell.unit = "share";
  cell.harm_grows = size.harm_grows;
}

std::string joined(std::vector<std::string> words) {
  std::erase(words, std::string());
  return fmt::format("{}", fmt::join(words, ", "));
}

}  // namespace

DamageCell damage_cell(const PlannedFault& fault) {
  DamageCell cell{.fault = fault.name};
  const auto size = size_of(fault);
  const auto times = times_of(fault);
  const std::string how_long = times ? text_of(*times) : "";
  cell.besides = unlike_default(fault, size ? size->spec : nullptr);
  if (size) {
    set_dose(cell, *size);
    const std::string dose = format_quantity(fault.params.at(size->spec->name), size->spec->unit);
    cell.besides = joined({cell.besides, how_long});
    cell.magnitude = joined({fmt::format("{} {}", size->spec->name, dose), cell.besides});
    return cell;
  }
  cell.magnitude = joined({how_long, cell.besides});
  if (!times || times->most > 1) return cell;
  cell.unit = "s", cell.dose = static_cast<double>(times->length_ns) / kNsPerS;
  return cell;
}

}  // namespace grit

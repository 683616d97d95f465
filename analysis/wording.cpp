#include "analysis/wording.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "harness/base/units.hpp"

namespace grit {
namespace {

/// Faults that plain words describe better than their name. One that is not here is called by its name.
struct Phrase {
  std::string_view fault;
  std::string_view words;
};
constexpr std::array kPhrases{Phrase{"link_flap", "went down"}};

/// How long a fault was in force in each window, when its pulses say so: " for 1 s", " 3 times for 200 ms".
std::string duration_text(const PlannedFault& fault) {
  if (fault.pulses.empty()) return "";
  const std::int64_t length_ns = fault.pulses.front().end_ns - fault.pulses.front().start_ns;
  for (const Pulse& pulse : fault.pulses)
    if (pulse.end_ns < 0 || pulse.end_ns - pulse.start_ns != length_ns) return "";
  const std::string length = format_duration(static_cast<double>(length_ns));
  return fault.pulses.size() == 1 ? " for " + length : fmt::format(" {} times for {}", fault.pulses.size(), length);
}

std::string place_text(const Plan& plan, const PlannedFault& fault) {
  std::string place = fmt::format("node {}", fault.node);
  for (const Node& node : plan.topology.nodes)
    if (node.index == fault.node && !node.name.empty()) place = node.name;
  return fault.device.empty() ? place : place + " " + fault.device;
}

std::string fault_text(const Plan& plan, const PlannedFault& fault) {
  const auto phrase =
      std::find_if(kPhrases.begin(), kPhrases.end(), [&](const Phrase& p) { return p.fault == fault.name; });
  if (phrase != kPhrases.end())
    return fmt::format("{} {}{}", place_text(plan, fault), phrase->words, duration_text(fault));
  return fmt::format("{} on {}{}", fault.name, place_text(plan, fault), duration_text(fault));
}

std::string cost_text(const Effect& effect) {
  const std::string_view steps = effect.statistic == "median" ? "the median step" : "steps";
  if (effect.ci_low > 0) return fmt::format("{} took {} longer", steps, percent(effect.estimate));
  if (effect.ci_high < 0) return fmt::format("{} took {} less time", steps, percent(-effect.estimate));
  return fmt::format("step time differed by {}{}", effect.estimate >= 0 ? "+" : "", percent(effect.estimate));
}

}  // namespace

std::string percent_number(double fraction) {
  const double value = 100 * fraction;
  const double size = std::abs(value);
  if (size >= 999.5) {  // three digits are all that a factor of more than ten deserves
    const double unit = std::pow(10.0, std::floor(std::log10(size)) - 2);
    return fmt::format("{}{:.0f}", value < 0 ? "−" : "", std::round(size / unit) * unit);
  }
  const int decimals = size >= 9.95 ? 0 : size >= 0.995 || size < 0.0005 ? 1 : size >= 0.0995 ? 2 : 3;
  const std::string digits = fmt::format("{:.{}f}", size, decimals);
  const bool zero = digits.find_first_not_of("0.") == std::string::npos;
  return value < 0 && !zero ? "−" + digits : digits;
}

std::string percent(double fraction) { return percent_number(fraction) + " %"; }

std::string interval_text(const Effect& effect) {
  return fmt::format("95 % CI {} .. {}", percent_number(effect.ci_low), percent(effect.ci_high));
}

std::string p_text(double p) {
  if (p < 0.001) return "p < 0.001";
  return fmt::format("p = {:.{}f}", p, p < 0.0995 ? 3 : 2);
}

std::string faults_text(const Plan& plan) {
  constexpr std::size_t kNamed = 3;
  if (plan.faults.empty()) return "No fault";
  std::string text;
  for (std::size_t i = 0; i < std::min(plan.faults.size(), kNamed); ++i) {
    const bool last = i + 1 == plan.faults.size();
    if (i > 0) text += last ? " and " : ", ";
    text += fault_text(plan, plan.faults[i]);
  }
  if (plan.faults.size() > kNamed) text += fmt::format(" and {} more faults", plan.faults.size() - kNamed);
  return text;
}

std::string effect_sentence(const Plan& plan, const Effect& effect, int fault_windows) {
  if (plan.faults.empty())
    return fmt::format("No fault was injected: {} ({}, {} pairs)", cost_text(effect), interval_text(effect),
                       effect.pairs);
  return fmt::format("{} in each of {} fault blocks: {} ({}, {}, {} pairs)", faults_text(plan), fault_windows,
                     cost_text(effect), interval_text(effect), p_text(effect.p), effect.pairs);
}

}  // namespace grit

#include "analysis/facts/wording.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "analysis/facts/node_names.hpp"
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
  const bool varies =
      std::any_of(fault.pulses.begin(), fault.pulses.end(), [](const Pulse& p) { return p.block >= 0; });
  const std::int64_t length_ns = fault.pulses.front().end_ns - fault.pulses.front().start_ns;
  for (const Pulse& pulse : fault.pulses)
    if (pulse.end_ns < 0 || pulse.end_ns - pulse.start_ns != length_ns) return "";
  const std::string length = format_duration(static_cast<double>(length_ns));
  if (varies) return fmt::format(" at random moments for {}", length);
  return fault.pulses.size() == 1 ? " for " + length : fmt::format(" {} times for {}", fault.pulses.size(), length);
}

std::string place_text(const Plan& plan, const PlannedFault& fault) {
  const std::string place = name_of_node(plan, fault.node);
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
  return "step time differed by " + signed_percent(effect.estimate);
}

std::string change_text(const std::string& name, double change) {
  const std::string_view sign = change < 0 ? "−" : "+";
  const double size = std::abs(change);
  if (name.ends_with("_ns")) return fmt::format("{} {}{}", name, sign, format_duration(size));
  if (name.find("bytes") != std::string::npos) return fmt::format("{} {}{}", name, sign, scaled_text(size, "B"));
  if (size == std::floor(size) && size < 1e15) return fmt::format("{} {}{:.0f}", name, sign, size);
  return fmt::format("{} {}{:.4g}", name, sign, size);
}

/// One fault on several nodes, or in several stages: "rank_delay on node0, node1, node2, node3 and 4 more nodes".
std::string kind_text(const Plan& plan, const std::vector<const PlannedFault*>& faults) {
  constexpr std::size_t kNamed = 4;
  std::vector<std::string> nodes;
  for (const PlannedFault* fault : faults) {
    std::string name = name_of_node(plan, fault->node);
    if (std::find(nodes.begin(), nodes.end(), name) == nodes.end()) nodes.push_back(std::move(name));
  }
  const std::size_t shown = std::min(nodes.size(), kNamed);
  return fmt::format("{} on {}{}", faults.front()->name,
                     fmt::join(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(shown), ", "),
                     nodes.size() > shown ? fmt::format(" and {} more nodes", nodes.size() - shown) : "");
}

}  // namespace

std::string scaled_text(double size, std::string_view unit) {
  constexpr std::array kPrefixes{"", "k", "M", "G", "T", "P"};
  std::size_t prefix = 0;
  for (; size >= 999.5 && prefix + 1 < kPrefixes.size(); ++prefix) size /= 1000;
  return fmt::format("{:.3g} {}{}", size, kPrefixes[prefix], unit);
}

std::string length_text(double seconds) {
  const auto minutes = static_cast<int>(seconds / 60 + 0.5);
  if (minutes < 1) return fmt::format("{:.0f} s", seconds);
  if (minutes < 60) return fmt::format("{} min", minutes);
  return fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

std::string percent_number(double fraction, Digits digits) {
  const double value = 100 * fraction;
  const double size = std::abs(value);
  if (size >= 999.5) {  // three digits are all that a factor of more than ten deserves
    const double unit = std::pow(10.0, std::floor(std::log10(size)) - 2);
    return fmt::format("{}{:.0f}", value < 0 ? "−" : "", std::round(size / unit) * unit);
  }
  const double whole_from = digits == Digits::few ? 9.95 : 99.95;
  const int decimals = size >= whole_from ? 0 : size >= 0.995 || size < 0.0005 ? 1 : size >= 0.0995 ? 2 : 3;
  const std::string text = fmt::format("{:.{}f}", size, decimals);
  const bool zero = text.find_first_not_of("0.") == std::string::npos;
  return value < 0 && !zero ? "−" + text : text;
}

std::string percent(double fraction, Digits digits) {
  return std::isfinite(fraction) ? percent_number(fraction, digits) + " %" : "unknown";
}

std::string signed_percent(double fraction, Digits digits) {
  const std::string text = percent(fraction, digits);
  const bool above = fraction > 0 && std::isfinite(fraction) && text.find_first_not_of("0. %") != std::string::npos;
  return above ? "+" + text : text;
}

std::string interval_text(const Effect& effect) {
  return fmt::format("95 % CI {} .. {}", percent_number(effect.ci_low), percent(effect.ci_high));
}

std::string recovery_interval_text(const Recovery& recovery) {
  if (!recovery.p50_ci_ns) return "";
  const auto time = [](double ns) {
    return std::isfinite(ns) ? format_duration(ns) : std::string("longer than the recovery blocks");
  };
  return fmt::format(", 90 % CI {} .. {}", time(recovery.p50_ci_ns->first), time(recovery.p50_ci_ns->second));
}

std::string p_text(double p) {
  if (p < 0.001) return "p < 0.001";
  return fmt::format("p = {:.{}f}", p, p < 0.0995 ? 3 : 2);
}

std::string faults_text(const Plan& plan) {
  constexpr std::size_t kNamed = 3;
  if (plan.faults.empty()) return "No fault";
  std::vector<std::vector<const PlannedFault*>> kinds;  // by name, in the plan's order
  for (const PlannedFault& fault : plan.faults) {
    if (fault.passive) continue;
    const auto same =
        std::find_if(kinds.begin(), kinds.end(), [&](const auto& kind) { return kind.front()->name == fault.name; });
    (same == kinds.end() ? kinds.emplace_back() : *same).push_back(&fault);
  }
  std::string text;
  for (std::size_t i = 0; i < std::min(kinds.size(), kNamed); ++i) {
    if (i > 0) text += i + 1 == kinds.size() ? " and " : ", ";
    text += kinds[i].size() == 1 ? fault_text(plan, *kinds[i].front()) : kind_text(plan, kinds[i]);
  }
  if (kinds.size() > kNamed) text += fmt::format(" and {} more kinds of faults", kinds.size() - kNamed);
  return text;
}

bool is_all_emulated(std::span<const std::string> parts) {
  return std::any_of(parts.begin(), parts.end(),
                     [](const std::string& part) { return part.starts_with("everything"); });
}

bool has_fake_gpus(std::span<const std::string> parts) {
  return std::find(parts.begin(), parts.end(), kFakeGpus) != parts.end();
}

std::string emulated_text(std::span<const std::string> parts) {
  return fmt::format("{}{}", fmt::join(parts, ", "), is_all_emulated(parts) ? "" : "; everything else is real");
}

std::string place_of(const FaultResult& fault) {
  return fault.name + " on " + fault.node + (fault.device.empty() ? std::string() : " " + fault.device);
}

std::string effect_sentence(const Plan& plan, const Effect& effect, int fault_windows) {
  if (plan.faults.empty())
    return fmt::format("No fault was injected: {} ({}, {} pairs)", cost_text(effect), interval_text(effect),
                       effect.pairs);
  return fmt::format("{} in each of {} fault blocks: {} ({}, {}, {} pairs)", faults_text(plan), fault_windows,
                     cost_text(effect), interval_text(effect), p_text(effect.p), effect.pairs);
}

std::string acted_text(const std::map<std::string, double>& acted) {
  std::string text;
  const auto in_force = acted.find("in_force_ns");  // a fault that says so moves bytes at a rate
  for (const auto& [name, change] : acted) {
    if (name == "in_force_ns") continue;
    text += (text.empty() ? "" : ", ") + change_text(name, change);
    if (in_force != acted.end() && in_force->second > 0 && name.find("bytes") != std::string::npos)
      text += fmt::format(" ({})", scaled_text(8e9 * change / in_force->second, "bit/s"));
  }
  return text;
}

std::string lateness_text(const Lateness& lateness) {
  const auto time = [](std::int64_t ns) { return format_duration(static_cast<double>(ns)); };
  return fmt::format("p50 {}, p99 {}, at most {}", time(lateness.p50_ns), time(lateness.p99_ns), time(lateness.max_ns));
}

std::string skew_text(const Skew& skew) {
  const std::string clocks =
      skew.clock_bound_ns == 0
          ? "on one clock"
          : fmt::format("±{} by their clocks", format_duration(static_cast<double>(skew.clock_bound_ns)));
  return fmt::format("{}, {}", lateness_text(skew.lateness), clocks);
}

}  // namespace grit

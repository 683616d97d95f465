#include "analysis/compare/machine_shift.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "analysis/compare/compared_run.hpp"
#include "analysis/facts/wording.hpp"
#include "analysis/stats/largest_shift.hpp"

namespace grit {
namespace {

/// One load of one machine in all runs, the old ones first.
struct Candidate {
  int node = 0;
  std::size_t kind = 0;
  std::vector<double> values{};

  [[nodiscard]] double mean(std::size_t from, std::size_t to) const {
    double sum = 0;
    for (std::size_t i = from; i < to; ++i) sum += values[i];
    return sum / static_cast<double>(to - from);
  }
};

std::vector<Candidate> candidates_of(std::span<const MachineLoads> before, std::span<const MachineLoads> after) {
  std::map<std::pair<int, std::size_t>, Candidate> all;
  for (const auto& runs : {before, after})
    for (const MachineLoads& run : runs)
      for (const auto& [node, load] : run)
        for (std::size_t kind = 0; kind < load.size(); ++kind) {
          if (std::isnan(load[kind])) continue;
          Candidate& candidate = all[{node, kind}];
          candidate.node = node, candidate.kind = kind;
          candidate.values.push_back(load[kind]);
        }
  std::vector<Candidate> known;
  for (auto& [place, candidate] : all)
    if (candidate.values.size() == before.size() + after.size()) known.push_back(std::move(candidate));
  return known;
}

}  // namespace

std::vector<MachineShift> machine_shifts(std::span<const MachineLoads> before, std::span<const MachineLoads> after,
                                         std::span<const std::size_t> places, bool slower) {
  std::vector<Candidate> candidates = candidates_of(before, after);
  if (candidates.empty()) return {};
  std::vector<std::vector<double>> values;
  std::vector<std::size_t> kinds;
  std::vector<CandidateKind> of_kind(kLoadKinds.size(), CandidateKind{0});
  for (const Candidate& candidate : candidates) {
    values.push_back(candidate.values);
    if (slower == (candidate.kind == kClock))
      for (double& value : values.back()) value = -value;
    kinds.push_back(candidate.kind);
    ++of_kind[candidate.kind].independent;
  }
  const LargestShift largest(std::move(values), std::move(kinds), of_kind, before.size(), places);
  std::vector<MachineShift> shifts;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[i];
    MachineShift shift{candidate.node, candidate.kind, candidate.mean(0, before.size()),
                       candidate.mean(before.size(), places.size()), largest.p(i)};
    shift.shown = shift.p <= kAlpha && largest.of(i) >= kLoadKinds[candidate.kind].least;
    shifts.push_back(shift);
  }
  std::stable_sort(shifts.begin(), shifts.end(), [](const MachineShift& a, const MachineShift& b) {
    return std::tuple(!a.shown, a.p) < std::tuple(!b.shown, b.p);
  });
  return shifts;
}

std::string shift_text(const MachineShift& shift, const std::vector<std::string>& node_names) {
  const auto index = static_cast<std::size_t>(shift.node);
  const std::string name =
      index < node_names.size() && !node_names[index].empty() ? node_names[index] : fmt::format("node {}", shift.node);
  return fmt::format("{}: {} {} → {} ({})", name, kLoadKinds[shift.kind].words, load_text(shift.kind, shift.before),
                     load_text(shift.kind, shift.after), p_text(shift.p));
}

std::string shown_text(std::span<const MachineShift> shifts, const std::vector<std::string>& node_names) {
  constexpr std::size_t kNamed = 2;
  std::vector<std::string> texts;
  std::size_t shown = 0;
  for (const MachineShift& shift : shifts)
    if (shift.shown && ++shown <= kNamed) texts.push_back(shift_text(shift, node_names));
  return fmt::format("{}{}", fmt::join(texts, "; "),
                     shown > kNamed ? fmt::format(" and {} more", shown - kNamed) : std::string());
}

Json to_json(std::span<const MachineShift> shifts) {
  Json json = Json::array();
  for (const MachineShift& shift : shifts)
    json.push_back({{"node", shift.node},
                    {"load", kLoadKinds[shift.kind].key},
                    {"before", shift.before},
                    {"after", shift.after},
                    {"p", shift.p},
                    {"shown", shift.shown}});
  return json;
}

}  // namespace grit

#include "analysis/facts/timing.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <tuple>

#include "analysis/records/node_clocks.hpp"
#include "harness/base/json_fields.hpp"

namespace grit {
namespace {

std::optional<std::int64_t> whole_at(const Json& event, const char* key) {
  const auto found = event.find(key);
  if (found == event.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

/// One pulse of one fault in one block.
struct Place {
  std::size_t fault = 0;
  std::int64_t block = 0, pulse = 0;
  auto operator<=>(const Place&) const = default;
};

class TimingCollector {
 public:
  TimingCollector(const Plan& plan, const BlockEnds& block_ends, const Json& clock)
      : plan_(plan),
        block_ends_(block_ends),
        clocks_(plan, clock),
        onsets_(plan.faults.size()),
        ends_(plan.faults.size()) {}

  void take(const Json& event) {
    if (!event.is_object() || !has_text(event, "type", "fault") || !truth_at(event, "ok")) return;
    const auto id = whole_at(event, "fault"), block = whole_at(event, "block"), t_ns = whole_at(event, "t_ns");
    const auto fault =
        std::find_if(plan_.faults.begin(), plan_.faults.end(), [&](const PlannedFault& f) { return f.id == id; });
    const std::int64_t pulse = whole_at(event, "pulse").value_or(0);
    if (fault == plan_.faults.end() || !block || !t_ns || pulse < 0) return;
    const Place place{static_cast<std::size_t>(fault - plan_.faults.begin()), *block, pulse};
    if (has_text(event, "action", "applied")) take_onset(place, event, *t_ns);
    if (has_text(event, "action", "reverted")) take_end(place, event, *t_ns);
  }

  FaultTiming finish() {
    FaultTiming timing;
    std::vector<std::int64_t> all_onsets, all_ends;
    for (std::size_t i = 0; i < plan_.faults.size(); ++i) {
      timing.faults.push_back({lateness_of(onsets_[i]), lateness_of(ends_[i])});
      all_onsets.insert(all_onsets.end(), onsets_[i].begin(), onsets_[i].end());
      all_ends.insert(all_ends.end(), ends_[i].begin(), ends_[i].end());
    }
    timing.onset = lateness_of(std::move(all_onsets));
    timing.end = lateness_of(std::move(all_ends));
    timing.skew = skew();
    return timing;
  }

 private:
  void take_onset(const Place& place, const Json& event, std::int64_t t_ns) {
    const auto onset = whole_at(event, "onset_ns"), planned = whole_at(event, "planned_ns");
    if (!onset || !planned) return;
    entered_ns_[place] = t_ns - *onset;
    onsets_[place.fault].push_back(*onset - *planned);
    const PlannedFault& fault = plan_.faults[place.fault];
    if (const auto aligned = clocks_.align(fault.node, t_ns))
      together_[{fault.name, place.block, *planned}][fault.node] = *aligned;
  }

  void take_end(const Place& place, const Json& event, std::int64_t t_ns) {
    const auto entered = entered_ns_.find(place);
    const PlannedFault& fault = plan_.faults[place.fault];
    if (has_text(event, "why", "pulse_end")) {
      if (entered == entered_ns_.end() || static_cast<std::size_t>(place.pulse) >= fault.pulses.size()) return;
      // A pulse counts from its anchor, which the agent alone knows.
      const std::int64_t pulse_ns = fault.pulses[static_cast<std::size_t>(place.pulse)].end_ns;
      const std::int64_t end_ns = whole_at(event, "planned_ns").value_or(pulse_ns);
      if (end_ns >= 0) ends_[place.fault].push_back(t_ns - entered->second - end_ns);
    } else if (has_text(event, "why", "block_end")) {
      const std::int64_t left_ns = block_ends_.end_ns(fault.node, place.block);
      if (left_ns > 0) ends_[place.fault].push_back(t_ns - left_ns);
    }
  }

  [[nodiscard]] std::optional<Skew> skew() const {
    std::vector<std::int64_t> spreads;
    Skew found;
    for (const auto& [what, nodes] : together_) {
      if (nodes.size() < 2) continue;
      const auto by_time = [](const auto& a, const auto& b) { return a.second.t_ns < b.second.t_ns; };
      const auto [first, last] = std::minmax_element(nodes.begin(), nodes.end(), by_time);
      spreads.push_back(last->second.t_ns - first->second.t_ns);
      found.clock_bound_ns = std::max(found.clock_bound_ns, first->second.bound_ns + last->second.bound_ns);
    }
    const auto lateness = lateness_of(std::move(spreads));
    if (!lateness) return std::nullopt;
    found.lateness = *lateness;
    return found;
  }

  const Plan& plan_;
  const BlockEnds& block_ends_;
  const NodeClocks clocks_;
  std::vector<std::vector<std::int64_t>> onsets_, ends_;  // by place in Plan::faults
  std::map<Place, std::int64_t> entered_ns_{};            // when the ranks of its node entered the block
  std::map<std::tuple<std::string, std::int64_t, std::int64_t>, std::map<std::int64_t, NodeClocks::Aligned>>
      together_{};
};

}  // namespace

BlockEnds::BlockEnds(const Plan& plan) {
  for (const PlannedFault& fault : plan.faults) {
    const auto node = static_cast<std::size_t>(std::max(fault.node, 0));
    if (node >= ends_ns_.size()) ends_ns_.resize(node + 1);
    ends_ns_[node].resize(plan.blocks.size());
  }
}

void BlockEnds::take(std::span<const StepRecord> records) {
  for (const StepRecord& record : records) {
    if (record.node >= ends_ns_.size() || record.block >= ends_ns_[record.node].size()) continue;
    std::int64_t& last = ends_ns_[record.node][record.block];
    last = std::max(last, record.end_ns);
  }
}

std::int64_t BlockEnds::end_ns(std::int64_t node, std::int64_t block) const {
  const auto at = static_cast<std::size_t>(node), in = static_cast<std::size_t>(block);
  return at < ends_ns_.size() && in < ends_ns_[at].size() ? ends_ns_[at][in] : 0;
}

std::optional<Lateness> lateness_of(std::vector<std::int64_t> values_ns) {
  if (values_ns.empty()) return std::nullopt;
  std::sort(values_ns.begin(), values_ns.end());
  const auto quantile = [&](std::size_t percent) { return values_ns[(values_ns.size() * percent + 99) / 100 - 1]; };
  return Lateness{quantile(50), quantile(99), values_ns.back(), static_cast<int>(values_ns.size())};
}

FaultTiming fault_timing(const Plan& plan, const BlockEnds& ends, const JsonLines& events, const Json& clock) {
  TimingCollector collector(plan, ends, clock);
  events.for_each_of({"fault"}, [&](const Json& event) { collector.take(event); });
  return collector.finish();
}

}  // namespace grit

#include "harness/scenario/overlap.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>

#include "harness/base/units.hpp"
#include "injectors/injector.hpp"
#include "injectors/ranks.hpp"

namespace grit {
namespace {

constexpr std::int64_t kBlockEnd = std::numeric_limits<std::int64_t>::max();

/// From the block's start, or, when neither is known, from an anchor that two faults share.
struct Interval {
  std::int64_t start_ns = 0;
  std::int64_t end_ns = 0;
  int block = -1;
};

std::vector<Interval> intervals(const PlannedFault& fault, std::int64_t from_ns) {
  std::vector<Interval> all;
  for (const Pulse& pulse : fault.pulses)
    all.push_back({from_ns + pulse.start_ns, pulse.end_ns < 0 ? kBlockEnd : from_ns + pulse.end_ns, pulse.block});
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.start_ns < b.start_ns; });
  return all;
}

bool same_anchor(const Anchor& a, const Anchor& b) {
  return a.kind == b.kind && a.step == b.step && a.fault == b.fault;
}

bool meet(const Interval& a, const Interval& b) {
  const bool same_block = a.block < 0 || b.block < 0 || a.block == b.block;
  return same_block && a.start_ns < b.end_ns && b.start_ns < a.end_ns;
}

bool nest(const Interval& a, const Interval& b) {
  const auto holds = [](const Interval& outer, const Interval& inner) {
    return outer.start_ns <= inner.start_ns && inner.end_ns <= outer.end_ns;
  };
  return holds(a, b) || holds(b, a);
}

/// The first pair of pulses that meet and are not as `allowed` says.
template <class Allowed>
bool clash(const std::vector<Interval>& a, const std::vector<Interval>& b, Allowed allowed) {
  for (const Interval& one : a) {
    for (const Interval& other : b) {
      if (other.start_ns >= one.end_ns) break;
      if (meet(one, other) && !allowed(one, other)) return true;
    }
  }
  return false;
}

/// `later` starts only when `earlier` is off for good, whenever that is.
bool comes_after(const Plan& plan, const PlannedFault& later, const PlannedFault& earlier) {
  if (later.anchor.fault < 0) return false;
  const PlannedFault& followed = plan.faults[static_cast<std::size_t>(later.anchor.fault)];
  if (comes_after(plan, followed, earlier)) return true;
  if (later.anchor.kind != Anchor::Kind::reverted) return false;
  if (followed.id == earlier.id) return true;
  if (!same_anchor(followed.anchor, earlier.anchor) || earlier.pulses.back().end_ns < 0) return false;
  return earlier.pulses.back().end_ns <= followed.pulses.back().end_ns;
}

/// The first thing that both change; empty: none, or on another device.
std::string touched_by_both(const PlannedFault& a, const PlannedFault& b) {
  const Injector* one = find_injector(a.name);
  const Injector* other = find_injector(b.name);
  if (one == nullptr || other == nullptr) return {};
  const auto& theirs = other->info().touches;
  for (const std::string& thing : one->info().touches)
    if (std::find(theirs.begin(), theirs.end(), thing) != theirs.end()) return thing;
  return {};
}

bool is_rank_by_rank(const PlannedFault& fault) {
  const Injector* injector = find_injector(fault.name);
  return injector != nullptr && injector->info().rank_by_rank;
}

/// What they change is each rank's own, and none is changed by both.
bool on_different_ranks(const PlannedFault& a, const PlannedFault& b) {
  return is_rank_by_rank(a) && is_rank_by_rank(b) &&
         !can_share_a_rank(Params(a.params).text(kRankParam), Params(b.params).text(kRankParam));
}

bool changes_gpu_settings(const PlannedFault& fault) {
  const Injector* injector = find_injector(fault.name);
  return injector != nullptr && injector->changes_gpu_settings(Params(fault.params));
}

class Overlaps {
 public:
  Overlaps(const Plan& plan, const std::vector<std::string>& where) : plan_(plan), where_(where) {}

  [[nodiscard]] Status check(const PlannedFault& a, const PlannedFault& b) const {
    // The nodes of a local cluster share the machine's GPUs.
    const bool one_machine = plan_.topology.local_cluster && changes_gpu_settings(a) && changes_gpu_settings(b);
    if ((a.node != b.node && !one_machine) || !are_one(node_of(a), a.device, b.device) || on_different_ranks(a, b))
      return {};
    const bool one_kind = a.name == b.name;
    const std::string touched = touched_by_both(a, b);
    const bool exclusive = one_kind || !touched.empty();
    if (!exclusive && a.device.empty()) return {};
    if (comes_after(plan_, a, b) || comes_after(plan_, b, a)) return {};
    const auto from_a = anchor_ns(plan_, a.anchor), from_b = anchor_ns(plan_, b.anchor);
    const bool comparable = (from_a && from_b) || same_anchor(a.anchor, b.anchor);
    if (!comparable && !exclusive) return {};
    const auto never = [](const Interval&, const Interval&) { return false; };
    if (!comparable ||
        (exclusive && clash(intervals(a, from_a.value_or(0)), intervals(b, from_b.value_or(0)), never))) {
      const char* known = comparable ? "" : ", as far as is known";
      if (one_kind)
        return usage_error(
            fmt::format("{} and {}: {} acts on {} twice at the same time{}; use one fault there, or let one "
                        "end before the other begins{}",
                        place(a), place(b), a.name, device(a, b), known,
                        is_rank_by_rank(a) ? ", or let them be of different ranks" : ""));
      return usage_error(fmt::format(
          "{} and {}: {} and {} both change {} on {} at the same time{}; let one end before the other begins", place(a),
          place(b), a.name, b.name, touched, device(a, b), known));
    }
    if (exclusive || !clash(intervals(a, from_a.value_or(0)), intervals(b, from_b.value_or(0)), nest)) return {};
    return usage_error(
        fmt::format("{} and {}: {} and {} overlap on {} without one lying within the other, so the one below would "
                    "have to come off "
                    "first; let one begin later and end earlier than the other, or both not meet",
                    place(a), place(b), a.name, b.name, device(a, b)));
  }

 private:
  [[nodiscard]] const std::string& place(const PlannedFault& fault) const {
    return where_.at(static_cast<std::size_t>(fault.id));
  }
  [[nodiscard]] const Node& node_of(const PlannedFault& fault) const {
    return plan_.topology.nodes.at(static_cast<std::size_t>(fault.node));
  }
  [[nodiscard]] std::string device(const PlannedFault& a, const PlannedFault& b) const {
    if (a.device.empty()) return node_of(a).name;
    if (a.device == b.device) return fmt::format("{} {}", node_of(a).name, a.device);
    return fmt::format("{} {} and {}, of which one stands on the other,", node_of(a).name, a.device, b.device);
  }

  const Plan& plan_;
  const std::vector<std::string>& where_;
};

}  // namespace

std::optional<std::int64_t> anchor_ns(const Plan& plan, const Anchor& anchor) {
  if (anchor.kind == Anchor::Kind::block) return 0;
  if (anchor.kind == Anchor::Kind::step) return std::nullopt;
  const PlannedFault& followed = plan.faults.at(static_cast<std::size_t>(anchor.fault));
  const auto from = anchor_ns(plan, followed.anchor);
  const bool varies =
      std::any_of(followed.pulses.begin(), followed.pulses.end(), [](const Pulse& pulse) { return pulse.block >= 0; });
  if (!from || varies) return std::nullopt;
  if (anchor.kind == Anchor::Kind::applied) return *from + followed.pulses.front().start_ns;
  if (followed.pulses.back().end_ns < 0) return std::nullopt;
  return *from + followed.pulses.back().end_ns;
}

Status check_overlaps(const Plan& plan, const std::vector<std::string>& where) {
  const Overlaps overlaps(plan, where);
  std::map<int, std::vector<const PlannedFault*>> of_node;
  std::vector<const PlannedFault*> of_gpus;  // of all nodes
  for (const PlannedFault& fault : plan.faults) {
    for (const PlannedFault* other : of_node[fault.node]) GRIT_CHECK(overlaps.check(*other, fault));
    of_node[fault.node].push_back(&fault);
    if (!changes_gpu_settings(fault)) continue;
    for (const PlannedFault* other : of_gpus) GRIT_CHECK(overlaps.check(*other, fault));
    of_gpus.push_back(&fault);
  }
  return {};
}

}  // namespace grit

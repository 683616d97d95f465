// cpu_throttle: ranks of the node get a share of one core at most, as under a container's CPU limit that was set too
// low, or a processor that throttles.
//
// Mechanisms: "cgroup2" and "cgroup1" put each rank into a control group of its own with a quota (CFS bandwidth
// control, Documentation/scheduler/sched-bwc.rst), whose throttled time the kernel counts; "duty_cycle" stops a rank
// for the rest of a period when it has used up its share (injectors/stop_cycle.hpp), which takes no privilege.
#include <fmt/format.h>
#include <unistd.h>

#include "harness/base/clock.hpp"
#include "harness/os/cgroup.hpp"
#include "harness/os/closed_object.hpp"
#include "harness/os/thread_affinity.hpp"
#include "injectors/faults.hpp"
#include "injectors/ranks.hpp"
#include "injectors/setting.hpp"
#include "injectors/stop_cycle.hpp"

namespace grit {
namespace {

constexpr const char* kDutyCycle = "duty_cycle";
constexpr std::int64_t kLeastQuota_ns = kNsPerMs;  // the kernel's min_cfs_quota_period

struct GroupedRank {
  CpuGroup group{};
  ProcessAffinity before{};
};
struct Undo {
  std::string mechanism{};
  std::vector<ProcessIdentity> ranks{};  // for duty_cycle
  std::vector<GroupedRank> groups{};     // for the others
};

Json to_json(const Undo& undo) {
  Json groups = Json::array();
  for (const GroupedRank& one : undo.groups)
    groups.push_back({{"group", to_json(one.group)}, {"before", to_json(one.before)}});
  return Json{{"mechanism", undo.mechanism}, {"ranks", to_json(undo.ranks)}, {"groups", std::move(groups)}};
}

Result<GroupedRank> grouped_rank_from_json(const Json& json) {
  ClosedObject object(json, "undo record of cpu_throttle");
  const Json& group = object.object("group");
  const Json& before = object.object("before");
  GRIT_CHECK(object.done());
  GroupedRank rank;
  GRIT_TRY(rank.group, cpu_group_from_json(group));
  GRIT_TRY(rank.before, process_affinity_from_json(before));
  return rank;
}

Result<Undo> undo_from_json(const Json& json) {
  ClosedObject object(json, "undo record of cpu_throttle");
  Undo undo;
  undo.mechanism = object.choice("mechanism", {"cgroup2", "cgroup1", kDutyCycle});
  const Json& ranks = object.array("ranks", kMaxLocalRanks);
  const Json& groups = object.array("groups", kMaxLocalRanks);
  GRIT_CHECK(object.done());
  GRIT_TRY(undo.ranks, processes_from_json(ranks));
  for (const Json& one : groups) {
    GRIT_TRY(GroupedRank rank, grouped_rank_from_json(one));
    undo.groups.push_back(std::move(rank));
  }
  const bool in_groups = undo.mechanism != kDutyCycle;
  if (undo.groups.empty() == in_groups || undo.ranks.empty() != in_groups)
    return usage_error("undo record of cpu_throttle: there must be ranks that are stopped, or ranks in groups");
  return undo;
}

CgroupVersion version_of(const std::string& mechanism) {
  return mechanism == "cgroup2" ? CgroupVersion::v2 : CgroupVersion::v1;
}

/// Enters the group and sees that the kernel shows the rank there.
Status enter(const CpuGroup& group, const ProcessIdentity& rank) {
  GRIT_TRY(const bool alive, lives(rank));
  if (!alive) return {};
  GRIT_TRY(const bool entered, enter_cpu_group(group, rank.pid));
  if (!entered) return {};
  GRIT_TRY(const bool inside, is_in_cpu_group(group, rank.pid));
  return inside ? Status{} : internal_error(fmt::format("process {} is not in {}", rank.pid, group.name));
}

/// Before Linux 6.2, and where cpuset is enabled for the groups, threads that change their group are given all CPUs of
/// the new one (cpuset_attach() in kernel/cgroup/cpuset.c): they are bound again behind every move, also one that
/// fails.
template <class Move>
Status move_bound(const ProcessAffinity& before, const Move& move) {
  GRIT_TRY(const ProcessAffinity all, with_later_threads(before));
  const Status moved = move();
  const Status bound = restore_affinity(all);
  return moved ? bound : moved;
}

class CpuThrottle final : public SettingInjector<Undo> {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "cpu_throttle",
        .summary = "Ranks of the node get a share of one CPU core at most",
        .params = {rank_param(),
                   {"share", Unit::fraction, 0.5, "of one core, that each of these ranks may use", {}, 0.01, 1.0},
                   {"period",
                    Unit::time_ns,
                    100 * kNsPerMs,
                    "in which the share is counted; the rest of it the rank stands still",
                    {},
                    static_cast<double>(2 * kNsPerMs),
                    static_cast<double>(kNsPerS)},
                   {"mechanism",
                    Unit::text,
                    "auto",
                    "control groups (version 2, 1), or SIGSTOP and SIGCONT in turn",
                    {"auto", "cgroup2", "cgroup1", kDutyCycle}}},
        .mechanisms = {"cgroup2", "cgroup1", kDutyCycle},
        .needs = {"cgroup2, cgroup1: a writable control group with the cpu controller",
                  "duty_cycle: the right to signal the node's ranks"},
        .touches = {"the control groups of the ranks", kRanksStopped},
        .undo = UndoClass::persistent,
        .machine_wide = true};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params& params) const override {
    if (quota_ns(params) < kLeastQuota_ns)
      return usage_error("cpu_throttle: `share` of `period` must be at least 1ms: choose a longer period");
    return std::string();
  }
  [[nodiscard]] std::string mechanism(const Node&, const Params& params) const override {
    const std::string asked = params.text("mechanism");
    return asked == "auto" ? "cgroup2, else cgroup1, else duty_cycle" : asked;
  }

  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override {
    std::vector<Mechanism> all;
    for (const std::string& name : info().mechanisms) {
      if (name == kDutyCycle) {
        all.push_back({name, std::nullopt});
        continue;
      }
      const auto tried = plan_cpu_group(version_of(name), ::getpid());
      all.push_back({name, tried ? std::nullopt : std::optional(tried.error().message)});
    }
    return all;
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "throttled_ns");
  }

 protected:
  [[nodiscard]] Result<Undo> snapshot(const Target& target) const override {
    GRIT_TRY(const auto ranks, chosen_ranks(target));
    const std::string asked = target.params.text("mechanism");
    std::string why_not;
    for (const std::string& name : info().mechanisms) {
      if (asked != "auto" && asked != name) continue;
      Undo undo{.mechanism = name};
      const Status planned = name == kDutyCycle ? plan_stops(ranks, undo) : plan_groups(ranks, undo);
      if (planned) return undo;
      why_not += (why_not.empty() ? "" : "; ") + name + ": " + planned.error().message;
    }
    return unavailable_error(why_not);
  }
  [[nodiscard]] Result<Undo> parse(const Json& record) const override { return undo_from_json(record); }

  [[nodiscard]] Status set(const Target& target, const Undo& undo) const override {
    for (const GroupedRank& rank : undo.groups)
      GRIT_CHECK(make_cpu_group(rank.group, quota_ns(target.params), target.params.integer("period")));
    for (const GroupedRank& rank : undo.groups)
      GRIT_CHECK(move_bound(rank.before, [&] { return enter(rank.group, rank.before.process); }));
    return {};
  }

  [[nodiscard]] Result<Reading> read(const Target&, const Undo& undo) const override {
    Reading reading;
    reading.details["mechanism"] = undo.mechanism;
    bool all_bound = true;
    for (const GroupedRank& rank : undo.groups) {
      GRIT_TRY(const auto state, read_cpu_group(rank.group));
      GRIT_TRY(const auto affinity, living_affinity(rank.before.process));
      const bool bound = !affinity || is_bound_as(rank.before, *affinity);
      all_bound = all_bound && bound;
      reading.left = reading.left || state || !bound;  // a group of ours, with or without a rank in it
      if (!state) continue;
      reading.holds = true;
      Json& details = reading.details[std::to_string(rank.before.process.pid)];
      details = {{"group", rank.group.name}, {"quota_ns", state->quota_ns}, {"period_ns", state->period_ns}};
      if (affinity) details["cpus"] = to_list(affinity->threads.front().cpus);
    }
    reading.holds = reading.holds && all_bound;  // a rank that lost its binding suffers from more than the quota
    return reading;
  }

  [[nodiscard]] Result<Reverted> restore(const Undo& undo) const override {
    if (undo.mechanism == kDutyCycle) {
      GRIT_TRY(const std::size_t reached, continue_all(undo.ranks));
      return reached > 0 ? Reverted::put_back : Reverted::gone;
    }
    Status all;
    for (const GroupedRank& rank : undo.groups)  // each of them, also when one cannot be removed
      if (auto one = move_bound(rank.before, [&] { return remove_cpu_group(rank.group); }); !one && all) all = one;
    GRIT_CHECK(all);
    return Reverted::put_back;
  }

  [[nodiscard]] Result<std::unique_ptr<Fault>> make_fault(const Target& target, Undo undo) const override {
    if (undo.mechanism == kDutyCycle)
      return make_stop_cycle(undo.ranks, quota_ns(target.params), target.params.integer("period"));
    return std::make_unique<InGroups>(*this, target, std::move(undo));
  }

 private:
  static std::int64_t quota_ns(const Params& params) {
    return static_cast<std::int64_t>(params.number("share") * static_cast<double>(params.integer("period")));
  }

  static Status plan_stops(const std::vector<NodeRank>& ranks, Undo& undo) {
    undo.ranks = undo_of(ranks).ranks;
    return check_stoppable(undo.ranks);
  }

  static Status plan_groups(const std::vector<NodeRank>& ranks, Undo& undo) {
    for (const NodeRank& rank : ranks) {
      GroupedRank grouped;
      GRIT_TRY(grouped.group, plan_cpu_group(version_of(undo.mechanism), rank.process.pid));
      GRIT_TRY(grouped.before, read_affinity(rank.process));
      undo.groups.push_back(std::move(grouped));
    }
    return {};
  }

  /// Keeps the throttled time of groups that are gone again.
  class InGroups final : public Running {
   public:
    using Running::Running;
    Status stop() override {
      // The kernel counts throttled time when it ends (unthrottle_cfs_rq()): of a group that its debt keeps throttled
      // through the whole window it would count none. The groups go all the same when this fails.
      for (const GroupedRank& rank : undo_.groups) static_cast<void>(lift_cpu_limit(rank.group));
      if (const auto now_ns = in_groups_ns()) past_ns_ += *now_ns;
      return Running::stop();
    }
    Result<Json> counters() override {
      GRIT_TRY(const std::int64_t now_ns, in_groups_ns());
      return Json{{"throttled_ns", past_ns_ + now_ns}};
    }

   private:
    [[nodiscard]] Result<std::int64_t> in_groups_ns() const {
      std::int64_t sum_ns = 0;
      for (const GroupedRank& rank : undo_.groups) {
        GRIT_TRY(const auto state, read_cpu_group(rank.group));
        if (state) sum_ns += state->throttled_ns;
      }
      return sum_ns;
    }
    std::int64_t past_ns_ = 0;
  };
};

}  // namespace

const Injector& cpu_throttle() {
  static const CpuThrottle injector;
  return injector;
}

}  // namespace grit

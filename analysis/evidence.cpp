#include "analysis/evidence.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace grit {
namespace {

std::int64_t integer_at(const Json& event, const char* key, std::int64_t otherwise = -1) {
  const auto found = event.find(key);
  return found != event.end() && found->is_number_integer() ? found->get<std::int64_t>() : otherwise;
}

std::string text_at(const Json& event, const char* key) {
  const auto found = event.find(key);
  return found != event.end() && found->is_string() ? found->get<std::string>() : std::string();
}

bool truth_at(const Json& event, const char* key) {
  const auto found = event.find(key);
  return found != event.end() && found->is_boolean() && found->get<bool>();
}

/// What is known of one pulse of one fault in one block.
struct PulseState {
  bool applied = false;  // read back as in force
  bool touched = false;
  bool in_force = false;  // it is, or it may be
};

class Collector {
 public:
  explicit Collector(const Plan& plan) : plan_(plan) {
    run_.faults.resize(plan.faults.size());
    for (FaultEvidence& fault : run_.faults) fault.blocks.resize(plan.blocks.size());
    run_.block_begun.resize(plan.blocks.size());
    run_.block_ended.resize(plan.blocks.size());
  }

  void take(const Json& event) {
    if (!event.is_object()) return;
    const std::string type = text_at(event, "type");
    if (type == "fault") take_fault(event);
    if (type == "acting") take_acting(event);
    if (type == "block") take_block(event);
    if (type == "check") take_check(event);
    if (type == "run") take_run(event);
    if (type == "rank_died") take_rank_death(event);
    if (type == "node_lost") take_node_loss(event);
    if (type == "recovered") take_recovery(event);
    if (type == "agent_restarted") take_restart(event);
    if (type == "records_lost") take_lost_records(event);
  }

  RunEvidence finish() {
    for (std::size_t fault = 0; fault < run_.faults.size(); ++fault)
      for (std::size_t block = 0; block < plan_.blocks.size(); ++block) settle_window(fault, block);
    for (auto& [where, check] : checks_) run_.checks.push_back(std::move(check));
    return std::move(run_);
  }

 private:
  using Window = std::pair<std::size_t, std::size_t>;  // place in Plan::faults, place in Plan::blocks

  std::optional<std::size_t> block_of(const Json& event) const {
    const std::int64_t block = integer_at(event, "block");
    if (block < 0 || static_cast<std::size_t>(block) >= plan_.blocks.size()) return std::nullopt;
    return static_cast<std::size_t>(block);
  }

  std::optional<Window> window_of(const Json& event) const {
    const std::int64_t id = integer_at(event, "fault");
    const auto fault =
        std::find_if(plan_.faults.begin(), plan_.faults.end(), [&](const PlannedFault& f) { return f.id == id; });
    const auto block = block_of(event);
    if (fault == plan_.faults.end() || !block || plan_.blocks[*block].kind != BlockKind::fault) return std::nullopt;
    return Window{static_cast<std::size_t>(fault - plan_.faults.begin()), *block};
  }

  WindowEvidence& evidence(const Window& window) { return run_.faults[window.first].blocks[window.second]; }

  void take_fault(const Json& event) {
    const auto window = window_of(event);
    if (!window) return;
    const std::string action = text_at(event, "action");
    const bool ok = truth_at(event, "ok");
    evidence(*window).began = true;
    if (action == "error") {
      evidence(*window).error = text_at(event, "message");
      return;
    }
    PulseState& pulse = pulses_[*window][integer_at(event, "pulse", 0)];
    if (action == "applied") {
      pulse.touched = pulse.in_force = true;
      pulse.applied = ok;
    } else if (action == "reverted") {
      pulse.touched = true;
      pulse.in_force = !ok;
      if (text_at(event, "why") == "lease") evidence(*window).lease_ended = true;
      if (!ok) evidence(*window).error = text_at(event, "message");
    }
  }

  void take_acting(const Json& event) {
    const auto window = window_of(event);
    if (!window) return;
    evidence(*window).began = true;
    evidence(*window).acting = truth_at(event, "ok");
  }

  void take_block(const Json& event) {
    const auto block = block_of(event);
    if (!block) return;
    run_.block_begun[*block] = true;
    if (text_at(event, "edge") == "end") run_.block_ended[*block] = true;
    for (FaultEvidence& fault : run_.faults)
      if (plan_.blocks[*block].kind == BlockKind::fault) fault.blocks[*block].began = true;
  }

  void take_check(const Json& event) {
    const auto block = block_of(event);
    const std::string name = text_at(event, "check");
    if (!block || name.empty()) return;
    const std::int64_t node = integer_at(event, "node");
    CheckResult& check = checks_[{name, node}];
    check.name = name;
    check.node = name_of_node(plan_, node);
    const bool failed = !truth_at(event, "ok");
    const BlockKind kind = plan_.blocks[*block].kind;
    if (kind == BlockKind::baseline) check.baseline_runs += 1, check.baseline_failures += failed ? 1 : 0;
    if (kind == BlockKind::fault) check.fault_runs += 1, check.fault_failures += failed ? 1 : 0;
  }

  /// A cause replaces its consequences in whatever order they arrive: a lost node, or Ctrl-C at grit, kills ranks; when
  /// a rank dies, MPI ends the others with SIGTERM, which these report as an interruption. Among equals the first
  /// stays.
  enum class Depth { none, consequence, cause, outer_cause };
  void note_ending(Depth depth, const std::string& ending, const std::string& reason) {
    if (depth <= ending_depth_) return;
    ending_depth_ = depth;
    run_.ending = ending;
    run_.ending_reason = reason;
  }

  void take_run(const Json& event) {
    const std::string state = text_at(event, "state");
    const std::string message = text_at(event, "message");
    if (state == "finished") run_.finished = true;
    if (state == "finished" || state == "ended early") run_.said_its_end = true;
    const std::int64_t rank = integer_at(event, "rank");
    if (state == "interrupted")
      note_ending(rank < 0 ? Depth::outer_cause : Depth::consequence, "interrupted",
                  "the run was interrupted before its last block");
    if (state != "failed") return;
    std::string reason = "the run failed";
    if (rank >= 0) reason = fmt::format("rank {} on {} gave up", rank, name_of_node(plan_, integer_at(event, "node")));
    note_ending(Depth::cause, "failed", reason + (message.empty() ? std::string() : ": " + message));
  }

  void take_rank_death(const Json& event) {
    const std::string how = text_at(event, "how");
    const std::string rank =
        fmt::format("rank {} on {} died", integer_at(event, "rank"), name_of_node(plan_, integer_at(event, "node")));
    note_ending(Depth::cause, "rank_death", how.empty() ? rank : fmt::format("{} ({})", rank, how));
  }

  void take_node_loss(const Json& event) {
    note_ending(Depth::outer_cause, "node_loss",
                fmt::format("{} was lost: its agent fell silent", name_of_node(plan_, integer_at(event, "lost_node"))));
  }

  /// An agent found the journal of a predecessor, and took off what that one had left on the node.
  void take_recovery(const Json& event) {
    const std::int64_t node = integer_at(event, "node");
    const auto problems = event.find("problems");
    if (problems != event.end() && problems->is_array() && !problems->empty()) {
      const Json& first = problems->front();
      run_.remarks.push_back(fmt::format("{}: what an earlier agent had left there could not be reverted: {}",
                                         name_of_node(plan_, node),
                                         first.is_string() ? first.get<std::string>() : first.dump()));
      return;
    }
    for (auto& [window, pulses] : pulses_)
      if (plan_.faults[window.first].node == node)
        for (auto& [index, pulse] : pulses) pulse.in_force = false;
  }

  void take_restart(const Json& event) {
    run_.remarks.push_back(
        fmt::format("the agent of {} was lost and started again", name_of_node(plan_, integer_at(event, "node"))));
  }

  void take_lost_records(const Json& event) {
    const std::int64_t count = integer_at(event, "count", 0);
    if (count <= 0) return;
    run_.records_lost += static_cast<std::uint64_t>(count);
    run_.remarks.push_back(fmt::format("{} step records of rank {} were lost: its agent could not keep up", count,
                                       integer_at(event, "rank")));
  }

  void settle_window(std::size_t fault, std::size_t block) {
    const auto found = pulses_.find({fault, block});
    if (found == pulses_.end()) return;
    WindowEvidence& window = evidence({fault, block});
    std::size_t applied = 0;
    for (const auto& [index, pulse] : found->second) {
      if (pulse.applied) ++applied;
      window.touched = window.touched || pulse.touched;
      window.unreverted = window.unreverted || pulse.in_force;
    }
    window.applied = applied >= std::max<std::size_t>(plan_.faults[fault].pulses.size(), 1);
  }

  const Plan& plan_;
  RunEvidence run_{};
  Depth ending_depth_ = Depth::none;
  std::map<Window, std::map<std::int64_t, PulseState>> pulses_{};
  std::map<std::pair<std::string, std::int64_t>, CheckResult> checks_{};
};

}  // namespace

std::string name_of_node(const Plan& plan, std::int64_t node) {
  for (const Node& candidate : plan.topology.nodes)
    if (candidate.index == node && !candidate.name.empty()) return candidate.name;
  return fmt::format("node {}", node);
}

RunEvidence collect_evidence(const Plan& plan, std::span<const Json> events) {
  Collector collector(plan);
  for (const Json& event : events) collector.take(event);
  return collector.finish();
}

}  // namespace grit

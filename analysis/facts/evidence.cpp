#include "analysis/facts/evidence.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <utility>

#include "analysis/facts/first_cause.hpp"
#include "harness/base/json_fields.hpp"

namespace grit {
namespace {

/// Adds how much numbers rose (or fell) from `before` to `after`, by "name" or "outer.name".
void add_changes(const Json& before, const Json& after, const std::string& prefix,
                 std::map<std::string, double>& total) {
  for (const auto& [key, value] : after.items()) {
    const auto old = before.find(key);
    if (old == before.end()) continue;
    if (value.is_object() && old->is_object()) add_changes(*old, value, prefix + key + ".", total);
    if (!value.is_number() || !old->is_number() || key.ends_with("_per_s")) continue;  // rates do not add up
    // Wraps like the counters themselves; integers beyond 2^53 must not lose their last digits before the difference.
    const double change =
        value.is_number_integer() && old->is_number_integer()
            ? static_cast<double>(static_cast<std::int64_t>(static_cast<std::uint64_t>(value.get<std::int64_t>()) -
                                                            static_cast<std::uint64_t>(old->get<std::int64_t>())))
            : value.get<double>() - old->get<double>();
    if (change != 0) total[prefix + key] += change;
  }
}

/// What is known of one pulse of one fault in one block.
struct PulseState {
  bool applied = false;  // read back as in force
  bool unread = false;   // it may have been: nobody could look, or it went off before that could be told
  bool touched = false;
  bool in_force = false;  // it is, or it may be
};

class Collector {
 public:
  explicit Collector(const Plan& plan) : plan_(plan) {
    run_.faults.resize(plan.faults.size());
    for (FaultEvidence& fault : run_.faults) fault.blocks.resize(plan.blocks.size());
    run_.blocks_due = plan.blocks.size();
    run_.block_begun.resize(plan.blocks.size());
    run_.block_ended.resize(plan.blocks.size());
  }

  void take(const Json& event) {
    if (!event.is_object()) return;
    causes_.take(event);
    const std::string type = text_at(event, "type");
    if (type == "fault") take_fault(event);
    if (type == "acting") take_acting(event);
    if (type == "block") take_block(event);
    if (type == "look") take_look(event);
    if (type == "check" || type == "check_change") take_check(event);
    if (type == "check_summary") take_check_summary(event);
    if (type == "run") take_run(event);
    if (type == "node_back") take_node_back(event);
    if (type == "hang") take_hang(event);
    if (type == "kernel") last_kernel_line_[integer_at(event, "node")] = text_at(event, "text");
    if (type == "recovered") take_recovery(event);
    if (type == "agent_restarted") take_restart(event);
    if (type == "observer_restarted")
      run_.remarks.push_back(fmt::format("the observer of {} was lost and started again: some records may be missing",
                                         name_of_node(plan_, integer_at(event, "node"))));
    if (type == "records_lost") take_lost_records(event);
    if (type == "idle_nic") take_idle_nic(event);
    if (type == "unrecorded") take_unrecorded(event);
    if (type == "not_ended") take_not_ended(event);
    if (type == "machine_mended") run_.machine_mended = truth_at(event, "ok");
    if (type == "residue") take_residue(event);
    if (type == "changed") take_change(event);
    if (type == "residue_unknown") take_unread(event);
    if (type == "carrier") take_carrier(event);
  }

  RunEvidence finish(const NodeClocks& clocks) {
    if (const auto first = causes_.decide(clocks)) {
      run_.ending = outcome_of(first->cause.kind);
      run_.ending_reason = ending_text(*first);
    }
    for (std::size_t fault = 0; fault < run_.faults.size(); ++fault)
      for (std::size_t block = 0; block < plan_.blocks.size(); ++block) settle_window(fault, block);
    for (auto& [where, check] : checks_) {
      settle_changes(check);
      run_.checks.push_back(std::move(check.evidence));
    }
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
    if (fault == plan_.faults.end() || !block) return std::nullopt;
    const BlockKind kind = plan_.blocks[*block].kind;
    if (!has_faults(kind) && kind != BlockKind::sham) return std::nullopt;
    return Window{static_cast<std::size_t>(fault - plan_.faults.begin()), *block};
  }

  /// Only what faults do in such blocks is measured. In link tests and sham blocks something may be left in force, too.
  [[nodiscard]] bool is_measured(const Window& window) const {
    return plan_.blocks[window.second].kind == BlockKind::fault;
  }

  WindowEvidence& evidence(const Window& window) { return run_.faults[window.first].blocks[window.second]; }

  void take_fault(const Json& event) {
    const auto window = window_of(event);
    if (!window) return;
    const std::string action = text_at(event, "action");
    const bool ok = truth_at(event, "ok");
    evidence(*window).began = is_measured(*window);
    const std::string reach = text_at(event, "reach");
    if (reach == "machine") run_.faults[window->first].reach = Reach::machine;
    if (reach == "anything") run_.faults[window->first].reach = Reach::anything;
    const bool maybe = action == "error" && truth_at(event, "may_be_in_force");
    if (action == "error") evidence(*window).error = text_at(event, "message");
    if (action == "error" && !maybe) return;
    PulseState& pulse = pulses_[*window][integer_at(event, "pulse", 0)];
    if (maybe) {
      pulse.touched = pulse.in_force = pulse.unread = true;
    } else if (action == "applied") {
      pulse.touched = pulse.in_force = true;
      pulse.applied = ok;
      pulse.unread = !event.contains("ok");
      if (pulse.unread) evidence(*window).error = text_at(event, "message");
      if (const std::string used = text_at(event, "mechanism"); !used.empty())
        run_.faults[window->first].mechanism = used;
    } else if (action == "reverted") {
      pulse.touched = true;
      pulse.in_force = !ok;
      const std::string why = text_at(event, "why");
      if (why == "lease") evidence(*window).lease_ended = is_measured(*window);
      if (why == "low_memory") note_low_memory(*window);
      if (!ok) evidence(*window).error = text_at(event, "message"), evidence(*window).revert_failed = true;
    }
  }

  void take_idle_nic(const Json& event) {
    const auto bytes = static_cast<double>(integer_at(event, "bytes")),
               all_bytes = static_cast<double>(integer_at(event, "node_bytes"));
    if (bytes < 0 || all_bytes <= 0) return;
    run_.remarks.push_back(fmt::format(
        "{} of {} carried {:.2g} % of what the node's NICs did without a fault: the job does not use it, and a fault "
        "there "
        "slows nothing (OMPI_MCA_btl_tcp_if_include or UCX_NET_DEVICES chooses the job's)",
        text_at(event, "interface"), name_of_node(plan_, integer_at(event, "node")), 100 * bytes / all_bytes));
  }

  void note_low_memory(const Window& window) {
    const PlannedFault& fault = plan_.faults[window.first];
    run_.remarks.push_back(
        fmt::format("{} on {} was taken off in block {} because less memory was free than faults must leave",
                    fault.name, name_of_node(plan_, fault.node), plan_.blocks[window.second].index));
  }

  void take_acting(const Json& event) {
    const auto window = window_of(event);
    if (!window || !is_measured(*window)) return;
    evidence(*window).began = true;
    evidence(*window).acting = truth_at(event, "ok");
    if (!event.contains("ok")) evidence(*window).unread = true;
    const auto before = event.find("before"), after = event.find("after");
    if (before != event.end() && after != event.end() && before->is_object() && after->is_object())
      add_changes(*before, *after, "", run_.faults[window->first].acted);
  }

  void take_block(const Json& event) {
    const auto block = block_of(event);
    if (!block) return;
    run_.block_begun[*block] = true;
    if (text_at(event, "edge") == "end") run_.block_ended[*block] = true;
    for (FaultEvidence& fault : run_.faults)
      if (plan_.blocks[*block].kind == BlockKind::fault) fault.blocks[*block].began = true;
  }

  void take_look(const Json& event) {
    const auto block = block_of(event);
    if (block && text_at(event, "decision") == "stop") run_.blocks_due = std::min(run_.blocks_due, *block);
  }

  /// In one block.
  struct CheckCounts {
    int readings = 0, failures = 0, not_made = 0;
    std::string obstacle{};
  };
  struct CheckState {
    CheckEvidence evidence{};
    std::size_t block = 0;
    CheckCounts changes{};  // of this block, whose summary has not come
  };

  CheckState* check_of(const Json& event) {
    const std::string name = text_at(event, "check");
    if (!block_of(event) || name.empty()) return nullptr;
    const std::int64_t node = integer_at(event, "node");
    CheckState& check = checks_[{name, node}];
    if (check.evidence.blocks.empty()) {
      check.evidence.result.name = name;
      check.evidence.result.node = name_of_node(plan_, node);
      check.evidence.result.of_links = !event.contains("of_links") || truth_at(event, "of_links");
      check.evidence.blocks.resize(plan_.blocks.size());
    }
    return &check;
  }

  void count(CheckEvidence& check, std::size_t block, const CheckCounts& counts) const {
    CheckResult& result = check.result;
    check.blocks[block].made += counts.readings;
    check.blocks[block].failed += counts.failures;
    if (result.not_made == 0) result.obstacle = counts.obstacle;
    result.not_made += counts.not_made;
    const BlockKind kind = plan_.blocks[block].kind;
    if (kind == BlockKind::baseline)
      result.baseline_runs += counts.readings, result.baseline_failures += counts.failures;
    if (kind == BlockKind::fault) result.fault_runs += counts.readings, result.fault_failures += counts.failures;
  }

  /// Without a summary (the agent died in the block) the changes are all that is known of its readings.
  void settle_changes(CheckState& check) { count(check.evidence, check.block, std::exchange(check.changes, {})); }

  /// "check": a reading, of which every one was an event before there were summaries.
  void take_check(const Json& event) {
    CheckState* check = check_of(event);
    if (check == nullptr) return;
    const std::size_t block = *block_of(event);
    if (block != check->block) settle_changes(*check);
    check->block = block;
    CheckCounts& counts = check->changes;
    if (event.contains("ok"))
      ++counts.readings, counts.failures += truth_at(event, "ok") ? 0 : 1;
    else if (counts.not_made++ == 0)
      counts.obstacle = text_at(event, "detail");
  }

  void take_check_summary(const Json& event) {
    CheckState* check = check_of(event);
    if (check == nullptr) return;
    const std::size_t block = *block_of(event);
    if (block != check->block) settle_changes(*check);
    check->changes = {};  // they are in it
    check->block = block;
    const auto number = [&](const char* key) {
      return static_cast<int>(std::clamp<std::int64_t>(integer_at(event, key, 0), 0, 1'000'000));
    };
    count(check->evidence, block,
          {number("readings"), number("failures"), number("not_made"), text_at(event, "detail")});
  }

  void take_run(const Json& event) {
    if (text_at(event, "state") == "finished") run_.finished = true;
  }

  [[nodiscard]] std::string ending_text(const FirstCause::Found& first) const {
    using Kind = EndCause::Kind;
    const std::string node = name_of_node(plan_, first.cause.node);
    switch (first.cause.kind) {
      case Kind::rank_death:
        return death_text(first);
      case Kind::node_loss:
        return loss_text(first);
      case Kind::hang:
        return hang_text();
      case Kind::corruption:
        return fmt::format("rank {} on {} got reduced values that were wrong", first.cause.rank, node);
      case Kind::failed:
        return failure_text(first);
      case Kind::not_recorded:
        return "not everything could be recorded: " + text_at(first.event, "message");
      case Kind::recorder_loss:
        return fmt::format("the recorder was lost: the agent of {} heard nothing of it for {:.1f} s", node,
                           static_cast<double>(integer_at(first.event, "silent_ns", 0)) / 1e9);
      case Kind::stood_still:
        return fmt::format("{} stood still for {:.1f} s: its job was suspended, or the node itself", node,
                           static_cast<double>(integer_at(first.event, "stood_ns", 0)) / 1e9);
      case Kind::told_to_end:
        if (first.cause.rank < 0) return fmt::format("the agent of {} was told to end", node);
        [[fallthrough]];
      case Kind::interrupted:
        return "the run was interrupted before its last block";
    }
    return {};
  }

  [[nodiscard]] std::string death_text(const FirstCause::Found& first) const {
    std::string text = fmt::format("rank {} on {} died", first.cause.rank, name_of_node(plan_, first.cause.node));
    if (const std::string how = text_at(first.event, "how"); !how.empty()) text += fmt::format(" ({})", how);
    if (first.rival)
      text += fmt::format(", and rank {} on {} so soon before or after that it cannot be told which was first",
                          first.rival->rank, name_of_node(plan_, first.rival->node));
    return text;
  }

  [[nodiscard]] std::string failure_text(const FirstCause::Found& first) const {
    const std::string node = name_of_node(plan_, first.cause.node), message = text_at(first.event, "message");
    const std::string because = message.empty() ? std::string() : ": " + message;
    if (first.cause.rank >= 0) return fmt::format("rank {} on {} gave up{}", first.cause.rank, node, because);
    if (text_at(first.event, "type") != "fault") return "the run failed" + because;
    const std::int64_t id = integer_at(first.event, "fault");
    const auto fault =
        std::find_if(plan_.faults.begin(), plan_.faults.end(), [&](const PlannedFault& f) { return f.id == id; });
    return fmt::format("{} on {} could not be taken off{}", fault == plan_.faults.end() ? "a fault" : fault->name, node,
                       because);
  }

  [[nodiscard]] std::string loss_text(const FirstCause::Found& first) const {
    const Json& event = first.event;
    const std::int64_t node = integer_at(event, "lost_node");
    const double silent_s = static_cast<double>(integer_at(event, "t_ns") - integer_at(event, "last_heard_ns")) / 1e9;
    std::string text;
    if (first.death)
      text = fmt::format("rank {} on {} died, and {:.2f} s later ", first.death->rank, name_of_node(plan_, node),
                         static_cast<double>(first.death_before_ns) / 1e9);
    text += fmt::format("{} was lost: its agent fell silent", name_of_node(plan_, node));
    if (integer_at(event, "last_heard_ns", 0) > 0) text += fmt::format(", last heard of {:.1f} s before", silent_s);
    const auto line = last_kernel_line_.find(node);
    if (line != last_kernel_line_.end())
      text += fmt::format("; the last line of its kernel's log: \"{}\"", line->second);
    return text;
  }

  void take_node_back(const Json& event) {
    run_.remarks.push_back(fmt::format("{}, taken for lost, was heard of again {:.1f} s after its last sign",
                                       name_of_node(plan_, integer_at(event, "back_node")),
                                       static_cast<double>(integer_at(event, "silent_ns", 0)) / 1e9));
  }

  /// Where a rank stood when no step had begun for too long.
  struct HungRank {
    std::string node{};
    std::int64_t step = -1;
    std::string phase{};
    bool stopped = false;
    [[nodiscard]] bool waits() const { return phase == "exposed_comm" && !stopped; }
  };

  void take_hang(const Json& event) {
    const auto ranks = event.find("ranks");
    if (ranks == event.end() || !ranks->is_array()) return;
    hang_ns_ = std::max(hang_ns_, integer_at(event, "waited_ns", 0));
    const std::string node = name_of_node(plan_, integer_at(event, "node"));
    for (const Json& rank : *ranks)
      if (rank.is_object())
        hung_ranks_[integer_at(rank, "rank")] = {node, integer_at(rank, "step"), text_at(rank, "phase"),
                                                 truth_at(rank, "stopped")};
  }

  /// The ranks that are not in the collective in which the others wait; when all wait in it, nobody is missing. Ranks
  /// of which no agent said anything are counted, too: they are not known to wait.
  [[nodiscard]] std::string hang_text() const {
    std::vector<std::string> missing;
    std::size_t waiting = 0;
    for (const auto& [rank, at] : hung_ranks_) {
      if (at.waits())
        ++waiting;
      else
        missing.push_back(fmt::format("rank {} on {} {} {}, step {}", rank, at.node,
                                      at.stopped ? "is stopped in" : "stands in", at.phase, at.step));
    }
    std::vector<std::string> unheard;
    for (const Node& node : plan_.topology.nodes)
      for (const int rank : node.ranks)
        if (!hung_ranks_.contains(rank)) unheard.push_back(fmt::format("rank {} on {}", rank, node.name));
    std::string text = fmt::format("no step ended within {:.1f} s: ", static_cast<double>(hang_ns_) / 1e9);
    if (missing.empty() && unheard.empty())
      return text + fmt::format("all {} ranks wait in a collective that everybody has entered", waiting);
    if (missing.empty())
      text += fmt::format("{} ranks wait in a collective", waiting);
    else
      text += fmt::format("{}; {} others wait in its collective", joined(std::move(missing)), waiting);
    if (!unheard.empty()) text += "; nothing was heard of " + joined(std::move(unheard));
    return text;
  }

  static std::string joined(std::vector<std::string> ranks) {
    constexpr std::size_t kNamed = 4;
    const std::size_t more = ranks.size() > kNamed ? ranks.size() - kNamed : 0;
    ranks.resize(ranks.size() - more);
    return fmt::format("{}{}", fmt::join(ranks, "; "), more > 0 ? fmt::format("; and {} more ranks", more) : "");
  }

  /// An agent found the journal of a predecessor, and took off what that one had left on the node.
  void take_recovery(const Json& event) {
    const std::int64_t node = integer_at(event, "node");
    const auto problems = event.find("problems");
    if (problems != event.end() && problems->is_array() && !problems->empty()) {
      const Json& first = problems->front();
      run_.remarks.push_back(fmt::format("{}: what an earlier agent had left there could not be reverted: {}",
                                         name_of_node(plan_, node),
                                         first.is_string() ? first.get<std::string>() : json_text(first)));
      return;
    }
    for (auto& [window, pulses] : pulses_)
      if (plan_.faults[window.first].node == node)
        for (auto& [index, pulse] : pulses) pulse.in_force = false;
  }

  /// What lives in processes and descriptors of an agent went with it, the kernel sees to that; the rest its successor
  /// has taken off, and said so (take_recovery).
  void take_restart(const Json& event) {
    const std::int64_t node = integer_at(event, "node");
    if (const auto block = block_of(event); block && is_measured({0, *block}))  // what was read there went with it
      for (std::size_t fault = 0; fault < run_.faults.size(); ++fault)
        if (plan_.faults[fault].node == node) run_.faults[fault].blocks[*block].unread = true;
    run_.remarks.push_back(fmt::format("the agent of {} was lost and started again", name_of_node(plan_, node)));
    for (auto& [window, pulses] : pulses_)
      if (plan_.faults[window.first].node == node && plan_.faults[window.first].undo != UndoClass::persistent)
        for (auto& [index, pulse] : pulses) pulse.in_force = false;
  }

  void take_lost_records(const Json& event) {
    const std::int64_t count = integer_at(event, "count", 0);
    if (count <= 0) return;
    run_.records_lost += static_cast<std::uint64_t>(count);
    run_.remarks.push_back(fmt::format("{} step records of rank {} were lost: its agent could not keep up", count,
                                       integer_at(event, "rank")));
  }

  void take_unrecorded(const Json& event) {
    const auto count = [&](const char* key) {
      return static_cast<std::uint64_t>(std::max<std::int64_t>(integer_at(event, key, 0), 0));
    };
    const std::uint64_t records = count("records"), events = count("events");
    run_.records_lost += records;
    run_.events_lost += events;
    if (records + events > 0)
      run_.remarks.push_back(fmt::format("{} step records and {} events were lost at {} and are not in this verdict",
                                         records, events, name_of_node(plan_, integer_at(event, "node"))));
  }

  void take_not_ended(const Json& event) {
    const auto list = event.find("nodes");
    if (list == event.end() || !list->is_array()) return;
    for (const Json& node : *list)
      if (node.is_number_integer())
        run_.remarks.push_back(
            fmt::format("{} did not say that it had ended, though its agent was still heard of: look whether grit runs "
                        "there, and run `grit revert` there when it does not",
                        name_of_node(plan_, node.get<std::int64_t>())));
  }

  /// Others did it; it says something of how quiet the machine was.
  void take_change(const Json& event) {
    constexpr std::size_t kNamed = 3;
    const auto list = event.find("differences");
    if (list == event.end() || !list->is_array() || list->empty()) return;
    std::vector<std::string> named;
    for (const Json& one : *list)
      if (named.size() < kNamed) named.push_back(one.is_string() ? one.get<std::string>() : json_text(one));
    run_.remarks.push_back(fmt::format(
        "changed meanwhile on {}, by others: {}{}", name_of_node(plan_, integer_at(event, "node")),
        fmt::join(named, "; "), list->size() > kNamed ? fmt::format("; and {} more", list->size() - kNamed) : ""));
  }

  void take_unread(const Json& event) {
    const auto list = event.find("unread");
    if (list == event.end() || !list->is_array()) return;
    for (const Json& one : *list)
      if (one.is_string())
        run_.remarks.push_back(fmt::format("whether anything was left behind on {} is not known, of {}",
                                           name_of_node(plan_, integer_at(event, "node")), one.get<std::string>()));
  }

  void take_carrier(const Json& event) {
    const std::string link =
        fmt::format("link {} of {}", text_at(event, "interface"), name_of_node(plan_, integer_at(event, "node")));
    const double after_s = static_cast<double>(integer_at(event, "after_ns", 0)) / 1e9;
    const std::string problem = text_at(event, "problem");
    const bool back = truth_at(event, "back");
    run_.remarks.push_back(fmt::format("{} {} {:.1f} s after the fault{}", link,
                                       back ? "came back" : "had no carrier, though it was set up again,", after_s,
                                       problem.empty() ? "" : ": " + problem));
  }

  /// A node may say it after each block and at the end; the same difference counts once.
  void take_residue(const Json& event) {
    const auto list = event.find("differences");
    if (list == event.end() || !list->is_array()) return;
    const std::string node = name_of_node(plan_, integer_at(event, "node"));
    auto place =
        std::find_if(run_.residue.begin(), run_.residue.end(), [&](const Residue& r) { return r.node == node; });
    if (place == run_.residue.end()) place = run_.residue.insert(place, Residue{node, {}});
    for (const Json& one : *list) {
      const std::string text = one.is_string() ? one.get<std::string>() : json_text(one);
      if (std::find(place->differences.begin(), place->differences.end(), text) == place->differences.end())
        place->differences.push_back(text);
    }
  }

  void settle_window(std::size_t fault, std::size_t block) {
    const auto found = pulses_.find({fault, block});
    if (found == pulses_.end()) return;
    WindowEvidence& window = evidence({fault, block});
    std::size_t applied = 0;
    for (const auto& [index, pulse] : found->second) {
      if (pulse.applied) ++applied;
      window.touched = window.touched || pulse.touched;
      window.unread = window.unread || (pulse.unread && is_measured({fault, block}));
      window.unreverted = window.unreverted || pulse.in_force;
    }
    const std::size_t planned = pulses_in_block(plan_.faults[fault], plan_.blocks[block].index);
    window.applied = is_measured({fault, block}) && applied >= std::max<std::size_t>(planned, 1);
  }

  const Plan& plan_;
  RunEvidence run_{};
  FirstCause causes_{};
  std::map<std::int64_t, HungRank> hung_ranks_{};
  std::map<std::int64_t, std::string> last_kernel_line_{};  // by node
  std::int64_t hang_ns_ = 0;
  std::map<Window, std::map<std::int64_t, PulseState>> pulses_{};
  std::map<std::pair<std::string, std::int64_t>, CheckState> checks_{};
};

}  // namespace

std::string name_of_node(const Plan& plan, std::int64_t node) {
  const auto& nodes = plan.topology.nodes;
  if (node >= 0 && static_cast<std::size_t>(node) < nodes.size()) {  // where it is, but for plans made by hand
    const Node& candidate = nodes[static_cast<std::size_t>(node)];
    if (candidate.index == node && !candidate.name.empty()) return candidate.name;
  }
  for (const Node& candidate : plan.topology.nodes)
    if (candidate.index == node && !candidate.name.empty()) return candidate.name;
  return fmt::format("node {}", node);
}

RunEvidence collect_evidence(const Plan& plan, const JsonLines& events, const Json& clock) {
  Collector collector(plan);
  events.for_each_but({"usage", "witness"}, [&](const Json& event) { collector.take(event); });
  return collector.finish(NodeClocks(plan, clock));
}

}  // namespace grit

#include "analysis/facts/evidence.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "analysis/facts/endings.hpp"
#include "analysis/facts/remarks.hpp"
#include "analysis/facts/wrong_values.hpp"
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

std::uint64_t count_at(const Json& event, const char* key) {
  return static_cast<std::uint64_t>(std::max<std::int64_t>(integer_at(event, key, 0), 0));
}

/// What is known of one pulse of one fault in one block.
struct PulseState {
  bool applied = false;  // read back as in force
  bool unread = false;   // it may have been: nobody could look, or it went off before that could be told
  bool touched = false;
  bool in_force = false;  // it is, or it may be
};

class EvidenceCollector {
 public:
  explicit EvidenceCollector(const Plan& plan) : plan_(plan) {
    run_.faults.resize(plan.faults.size());
    for (FaultEvidence& fault : run_.faults) fault.blocks.resize(plan.blocks.size());
    run_.blocks_due = plan.blocks.size();
    run_.block_begun.resize(plan.blocks.size());
    run_.block_ended.resize(plan.blocks.size());
  }

  void take(const Json& event) {
    if (!event.is_object()) return;
    endings_.take(event);
    for (std::string& remark : remarks_in(plan_, event)) run_.remarks.push_back(std::move(remark));
    const std::string type = text_at(event, "type");
    if (type == "fault") take_fault(event);
    if (type == "acting") take_acting(event);
    if (type == "block") take_block(event);
    if (type == "look") take_look(event);
    if (type == "check" || type == "check_change" || type == "check_summary") checks_.take(event);
    if (type == "run" && text_at(event, "state") == "finished") run_.finished = true;
    if (type == "recovered") take_recovery(event);
    if (type == "agent_restarted") take_restart(event);
    if (type == "records_lost") run_.records_lost += count_at(event, "count");
    if (type == "unrecorded") {
      run_.records_lost += count_at(event, "records");
      run_.events_lost += count_at(event, "events");
      run_.spans_lost += count_at(event, "spans");
    }
    if (type == "spans_lost") run_.spans_lost += count_at(event, "count");
    if (type == "workload") take_workload(event);
    if (type == "machine_mended") run_.machine_mended = truth_at(event, "ok");
    if (type == "residue") take_residue(event);
    if (type == "wrong_value") wrong_values_.take(event);
  }

  RunEvidence finish(const NodeClocks& clocks) {
    if (auto ending = endings_.decide(clocks)) {
      run_.ending = ending->outcome;
      run_.ending_reason = std::move(ending->reason);
    }
    for (std::size_t fault = 0; fault < run_.faults.size(); ++fault)
      for (std::size_t block = 0; block < plan_.blocks.size(); ++block) settle_window(fault, block);
    if (run_.spans_lost > 0)
      run_.remarks.push_back(
          fmt::format("{} spans of operations were lost: they came faster than they could be carried; what is said of "
                      "operations is of the others",
                      run_.spans_lost));
    run_.checks = checks_.finish();
    run_.wrong_data = wrong_values_.decide(plan_);
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
    const auto reading = event.find("reading");
    if (reading != event.end() && reading->is_object() && truth_at(*reading, "fake")) run_.fake_gpus = true;
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
      if (!ok) evidence(*window).error = text_at(event, "message"), evidence(*window).revert_failed = true;
    }
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

  /// An agent found the journal of a predecessor, and took off what that one had left on the node.
  void take_recovery(const Json& event) {
    const std::int64_t node = integer_at(event, "node");
    const auto problems = event.find("problems");
    if (problems != event.end() && problems->is_array() && !problems->empty()) return;  // it could not
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
    for (auto& [window, pulses] : pulses_)
      if (plan_.faults[window.first].node == node && plan_.faults[window.first].undo != UndoClass::persistent)
        for (auto& [index, pulse] : pulses) pulse.in_force = false;
  }

  void take_workload(const Json& event) {
    const auto description = event.find("description");
    if (description == event.end() || !description->is_object()) return;
    const auto gpu = description->find("gpu");
    if (gpu != description->end() && truth_at(*gpu, "fake")) run_.fake_gpus = true;
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
  Endings endings_{plan_};
  CheckReadings checks_{plan_};
  WrongValueReports wrong_values_{};
  std::map<Window, std::map<std::int64_t, PulseState>> pulses_{};
};

}  // namespace

std::string FaultEvidence::last_error() const {
  std::string error;
  for (const WindowEvidence& window : blocks)
    if (!window.error.empty()) error = window.error;
  return error.empty() ? error : ": " + error;
}

RunEvidence collect_evidence(const Plan& plan, const JsonLines& events, const Json& clock) {
  EvidenceCollector collector(plan);
  events.for_each_but({"usage", "witness"}, [&](const Json& event) { collector.take(event); });
  return collector.finish(NodeClocks(plan, clock));
}

}  // namespace grit

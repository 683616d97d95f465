#include "harness/agent/fault_windows.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "harness/model/event.hpp"

namespace grit {
namespace {

constexpr int kRevertAttempts = 3;
constexpr auto kRevertRetryDelay = std::chrono::milliseconds(200);

}  // namespace

std::string_view to_string(RevertReason reason) {
  switch (reason) {
    case RevertReason::pulse_end:
      return "pulse_end";
    case RevertReason::block_end:
      return "block_end";
    case RevertReason::lease:
      return "lease";
    case RevertReason::rank_died:
      return "rank_died";
    case RevertReason::shutdown:
      return "shutdown";
  }
  return "shutdown";
}

FaultWindows::FaultWindows(const Plan& plan, int node, std::filesystem::path journal_file, EventSink sink)
    : plan_(plan), node_(node), journal_file_(std::move(journal_file)), emit_(std::move(sink)) {}

Status FaultWindows::check_available() const {
  for (const PlannedFault& fault : plan_.faults) {
    if (fault.node != node_) continue;
    const Injector* injector = find_injector(fault.name);
    if (injector == nullptr) return usage_error("this grit has no fault called " + fault.name);
    if (auto why = injector->why_unavailable(Target{fault.device, Params(fault.params)}))
      return unavailable_error(fmt::format("{} on node {} cannot work here: {}", fault.name, node_, *why));
  }
  return {};
}

Json FaultWindows::fault_event(const Armed& armed, std::string_view action) const {
  Json event = make_event("fault", node_);
  event["fault"] = armed.fault->id;
  event["block"] = block_;
  event["pulse"] = armed.next_pulse;
  event["action"] = action;
  return event;
}

Result<FaultWindows::Armed> FaultWindows::arm_fault(const PlannedFault& fault) {
  Armed armed;
  armed.fault = &fault;
  armed.injector = find_injector(fault.name);
  GRIT_ASSERT(armed.injector != nullptr);  // check_available() passed
  armed.target = Target{fault.device, Params(fault.params)};
  armed.journal_id = fmt::format("block{}-fault{}", block_, fault.id);
  GRIT_TRY(armed.undo, armed.injector->prepare(armed.target));
  GRIT_TRY(armed.counters_before, armed.injector->counters(armed.undo));
  GRIT_TRY(armed.witness, armed.injector->witness(armed.undo));
  if (!journal_) {
    GRIT_TRY(journal_, Journal::open(journal_file_));
  }
  GRIT_CHECK(journal_->append_intent(armed.journal_id, fault.name, armed.undo));
  return armed;
}

void FaultWindows::arm(const Block& block) {
  GRIT_ASSERT(armed_.empty());
  block_ = block.index;
  entered_ns_.reset();
  if (block.kind != BlockKind::fault) return;
  for (const PlannedFault& fault : plan_.faults) {
    if (fault.node != node_) continue;
    auto armed = arm_fault(fault);
    if (armed) {
      armed_.push_back(std::move(*armed));
      continue;
    }
    Armed failed;
    failed.fault = &fault;
    Json event = fault_event(failed, "error");
    event["message"] = "not applied: " + armed.error().message;
    emit_(std::move(event));
  }
}

void FaultWindows::start(std::int64_t entered_ns) { entered_ns_ = entered_ns; }

std::optional<std::int64_t> FaultWindows::due_ns(const Armed& armed) const {
  if (!entered_ns_ || armed.next_pulse >= armed.fault->pulses.size()) return std::nullopt;
  const Pulse& pulse = armed.fault->pulses[armed.next_pulse];
  if (!armed.in_force) return *entered_ns_ + pulse.start_ns;
  const std::int64_t lease_end = armed.applied_ns + armed.fault->lease_ns;
  return pulse.end_ns < 0 ? lease_end : std::min(*entered_ns_ + pulse.end_ns, lease_end);
}

std::optional<std::int64_t> FaultWindows::next_action_ns() const {
  std::optional<std::int64_t> next;
  for (const Armed& armed : armed_)
    if (const auto due = due_ns(armed); due && (!next || *due < *next)) next = due;
  return next;
}

void FaultWindows::act(std::int64_t now_ns) {
  for (Armed& armed : armed_) {
    const auto due = due_ns(armed);
    if (!due || *due > now_ns) continue;
    if (!armed.in_force) {
      apply(armed, now_ns);
      continue;
    }
    const bool lease = now_ns >= armed.applied_ns + armed.fault->lease_ns;
    revert(armed, lease ? RevertReason::lease : RevertReason::pulse_end);
    ++armed.next_pulse;
  }
}

void FaultWindows::apply(Armed& armed, std::int64_t now_ns) {
  armed.in_force = true;  // from here on it may be: whatever fails below, revert() runs
  armed.ever_applied = true;
  armed.applied_ns = now_ns;
  const Status applied = armed.injector->apply(armed.target, armed.undo);
  const std::int64_t done_ns = monotonic_ns();
  auto reading =
      applied ? armed.injector->read_back(armed.undo) : Result<Reading>(tl::make_unexpected(applied.error()));
  if (!reading) {
    Json event = fault_event(armed, "error");
    event["message"] = "apply: " + reading.error().message;
    emit_(std::move(event));
    if (!applied) revert(armed, RevertReason::shutdown), ++armed.next_pulse;
    return;
  }
  Json event = fault_event(armed, "applied");
  event["t_ns"] = done_ns;
  event["ok"] = reading->in_force;
  event["reading"] = reading->details;
  event["onset_ns"] = done_ns - *entered_ns_;
  event["planned_ns"] = armed.fault->pulses[armed.next_pulse].start_ns;
  emit_(std::move(event));
}

void FaultWindows::revert(Armed& armed, RevertReason reason) {
  Status reverted;
  for (int attempt = 0; attempt < kRevertAttempts; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(kRevertRetryDelay);
    reverted = armed.injector->revert(armed.undo);
    if (reverted) break;
  }
  armed.in_force = false;
  const std::int64_t done_ns = monotonic_ns();
  auto reading = armed.injector->read_back(armed.undo);
  armed.mended = reverted && reading && !reading->in_force;
  Json event = fault_event(armed, "reverted");
  event["t_ns"] = done_ns;
  event["ok"] = armed.mended;
  event["why"] = to_string(reason);
  if (reading) event["reading"] = reading->details;
  if (!reverted) event["message"] = reverted.error().message;
  if (reverted && !reading) event["message"] = reading.error().message;
  emit_(std::move(event));
}

void FaultWindows::close_window(Armed& armed) {
  auto after = armed.injector->counters(armed.undo);
  Json event = make_event("acting", node_);
  event["fault"] = armed.fault->id;
  event["block"] = block_;
  event["ok"] = after && armed.injector->acted(armed.counters_before, *after);
  event["before"] = armed.counters_before;
  event["after"] = after ? *after : Json{{"error", after.error().message}};
  emit_(std::move(event));
  if (!armed.mended) {
    all_mended_ = false;
    return;  // stays pending in the journal, for `grit revert`
  }
  if (auto written = journal_->append_reverted(armed.journal_id); !written) {
    Json error = fault_event(armed, "error");
    error["message"] = "journal: " + written.error().message;
    emit_(std::move(error));
  }
}

void FaultWindows::end(RevertReason reason) {
  // Undone in the opposite order: a later fault may stand on an earlier one.
  for (auto armed = armed_.rbegin(); armed != armed_.rend(); ++armed)
    if (armed->in_force) revert(*armed, reason);
  drain_witnesses();
  for (Armed& armed : armed_) close_window(armed);
  armed_.clear();
  entered_ns_.reset();
}

std::int64_t FaultWindows::lease_deadline_ns() const {
  std::int64_t deadline = 0;
  for (const Armed& armed : armed_) {
    if (!armed.in_force) continue;
    const std::int64_t own = armed.applied_ns + armed.fault->lease_ns;
    deadline = deadline == 0 ? own : std::min(deadline, own);
  }
  return deadline;
}

std::vector<int> FaultWindows::witness_descriptors() const {
  std::vector<int> descriptors;
  for (const Armed& armed : armed_)
    if (armed.witness) descriptors.push_back(armed.witness->descriptor());
  return descriptors;
}

void FaultWindows::drain_witnesses() {
  for (const Armed& armed : armed_) {
    if (!armed.witness) continue;
    for (Json& seen : armed.witness->drain()) {
      Json event = make_event("witness", node_);
      event["fault"] = armed.fault->id;
      event["block"] = block_;
      event.update(seen);
      emit_(std::move(event));
    }
  }
}

bool FaultWindows::close() {
  end(RevertReason::shutdown);
  if (journal_ && all_mended_) {
    if (auto removed = journal_->remove_if_clean(); !removed) return false;
  }
  return all_mended_;
}

}  // namespace grit

// How one fault of a block is prepared, applied, proven and reverted. When: fault_windows.cpp.
#include <fmt/format.h>

#include <chrono>
#include <thread>

#include "harness/agent/fault_windows.hpp"
#include "harness/model/event.hpp"

namespace grit {
namespace {

constexpr int kRevertAttempts = 3;
constexpr auto kRevertRetryDelay = std::chrono::milliseconds(200);

}  // namespace

Target FaultWindows::target_of(const PlannedFault& fault) const {
  return Target{fault.device, Params(fault.params), fault.resolved, rank_pids_};
}

// A load, too, may leave something behind when it is killed.
bool FaultWindows::journalled(const Armed& armed) {
  return armed.prepared && (!armed.load || armed.injector->info().undo == UndoClass::persistent);
}

// In a sham block everything is done but this.
Status FaultWindows::switch_on(Armed& armed) {
  if (sham_) return {};
  return armed.load ? armed.load->start() : armed.injector->apply(armed.target, armed.undo);
}
Status FaultWindows::switch_off(Armed& armed) {
  if (sham_) return {};
  const Status stopped = armed.load ? armed.load->stop() : Status{};
  const Status reverted = journalled(armed) ? armed.injector->revert(armed.undo) : Status{};
  return stopped ? reverted : stopped;
}
Result<Reading> FaultWindows::read_back(Armed& armed) {
  return armed.load ? armed.load->read_back() : armed.injector->read_back(armed.undo);
}
Result<Json> FaultWindows::counters(Armed& armed) {
  return armed.load ? armed.load->counters() : armed.injector->counters(armed.undo);
}

Json FaultWindows::fault_event(const Armed& armed, std::string_view action) const {
  Json event = make_event("fault", node_);
  event["fault"] = armed.fault->id;
  event["block"] = block_;
  event["pulse"] = armed.next_pulse;
  event["action"] = action;
  return event;
}

void FaultWindows::report_error(const Armed& armed, const std::string& message) {
  Json event = fault_event(armed, "error");
  event["message"] = message;
  emit_(std::move(event));
}

/// The undo record, made and on disk; counters and witness, once a block.
Status FaultWindows::prepare(Armed& armed) {
  GRIT_TRY(armed.undo, armed.injector->prepare(armed.target));
  GRIT_TRY(armed.load, armed.injector->make_load(armed.target, armed.undo));
  if (armed.counters_before.is_null()) {
    GRIT_TRY(armed.counters_before, counters(armed));
    GRIT_TRY(armed.witness, armed.injector->witness(armed.undo));
  }
  armed.prepared = true;
  if (!journalled(armed)) return {};
  armed.prepared = false;  // until it is on disk
  if (!journal_) {
    GRIT_TRY(journal_, Journal::open(journal_file_));
  }
  armed.journal_id = fmt::format("block{}-fault{}-pulse{}", block_, armed.fault->id, armed.next_pulse);
  GRIT_CHECK(journal_->append_intent(armed.journal_id, armed.fault->name, armed.undo));
  armed.prepared = true;
  return {};
}

void FaultWindows::arm_fault(const PlannedFault& fault) {
  Armed armed;
  armed.fault = &fault;
  armed.injector = find_injector(fault.name);
  GRIT_ASSERT(armed.injector != nullptr);  // check_available() passed
  armed.target = target_of(fault);
  armed.shares_device = shares_device(fault);
  while (fault.pulses[armed.next_pulse].block >= 0 && fault.pulses[armed.next_pulse].block != block_)
    ++armed.next_pulse;
  const Status prepared = armed.shares_device ? Status{} : prepare(armed);
  if (prepared)
    armed_.push_back(std::move(armed));
  else
    report_error(armed, "not applied: " + prepared.error().message);
}

void FaultWindows::apply(Armed& armed, std::int64_t due_ns) {
  if (!armed.prepared) {
    if (auto prepared = prepare(armed); !prepared) {
      report_error(armed, "not applied: " + prepared.error().message);
      next_pulse(armed);
      return;
    }
  }
  armed.in_force = true;  // from here on it may be: whatever fails below, revert() runs
  armed.applied_ns = monotonic_ns();
  const Status applied = switch_on(armed);
  const std::int64_t done_ns = monotonic_ns();
  auto reading = applied ? read_back(armed) : Result<Reading>(tl::make_unexpected(applied.error()));
  if (reading) {
    if (!armed.first_applied_ns) armed.first_applied_ns = done_ns;
    report_applied(armed, *reading, done_ns, due_ns);
    return;
  }
  report_error(armed, "apply: " + reading.error().message);
  if (applied) return;
  revert(armed, RevertReason::shutdown);
  next_pulse(armed);
}

void FaultWindows::report_applied(const Armed& armed, const Reading& reading, std::int64_t done_ns,
                                  std::int64_t due_ns) {
  Json event = fault_event(armed, "applied");
  event["t_ns"] = done_ns;
  event["ok"] = reading.in_force;
  event["reading"] = reading.details;
  const Json& mechanism_in = armed.undo.contains("mechanism") ? armed.undo : reading.details;
  event["mechanism"] = mechanism_in.value("mechanism", armed.fault->mechanism);
  event["onset_ns"] = done_ns - *entered_ns_;
  event["planned_ns"] = due_ns - *entered_ns_;
  emit_(std::move(event));
}

void FaultWindows::revert(Armed& armed, RevertReason reason, std::optional<std::int64_t> planned_ns) {
  if (!armed.load && !armed.counters_acting) {  // a counter may be part of what the fault has made, and go with it
    auto now = counters(armed);
    if (now && armed.injector->acted(armed.counters_before, *now)) armed.counters_acting = std::move(*now);
  }
  Status reverted;
  for (int attempt = 0; attempt < kRevertAttempts; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(kRevertRetryDelay);
    reverted = switch_off(armed);
    if (reverted) break;
  }
  armed.in_force = false;
  armed.reverted_ns = monotonic_ns();
  auto reading = read_back(armed);
  const bool irreversible = armed.injector->info().irreversible;
  armed.mended = reverted && (irreversible || (reading && !reading->in_force));
  Json event = fault_event(armed, "reverted");
  event["t_ns"] = *armed.reverted_ns;
  event["ok"] = armed.mended;
  event["why"] = to_string(reason);
  if (planned_ns) event["planned_ns"] = *planned_ns;
  if (reading) event["reading"] = reading->details;
  if (irreversible) event["message"] = "nothing to revert: what it does is done once and for all";
  if (!reverted) event["message"] = reverted.error().message;
  if (reverted && !reading && !irreversible) event["message"] = reading.error().message;
  emit_(std::move(event));
  if (armed.shares_device) journal_reverted(armed);
}

/// Off for good, or until it is prepared again. What is not proven to be off stays pending, for `grit revert`.
void FaultWindows::journal_reverted(Armed& armed) {
  if (!armed.mended) all_mended_ = false;
  if (!armed.mended || !journalled(armed)) return;
  armed.prepared = false;
  if (auto written = journal_->append_reverted(armed.journal_id); !written)
    report_error(armed, "journal: " + written.error().message);
}

void FaultWindows::close_window(Armed& armed) {
  if (armed.counters_before.is_null()) return;  // its moment never came
  auto after = armed.counters_acting ? Result<Json>(*armed.counters_acting) : counters(armed);
  Json event = make_event("acting", node_);
  event["fault"] = armed.fault->id;
  event["block"] = block_;
  event["ok"] = after && armed.injector->acted(armed.counters_before, *after);
  event["before"] = armed.counters_before;
  event["after"] = after ? *after : Json{{"error", after.error().message}};
  emit_(std::move(event));
  journal_reverted(armed);
}

}  // namespace grit

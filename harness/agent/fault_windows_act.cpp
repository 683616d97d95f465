// How one fault of a block is prepared, applied, proven and reverted. When: fault_windows.cpp.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <system_error>
#include <utility>

#include "harness/agent/fault_windows.hpp"
#include "harness/base/clock.hpp"
#include "harness/model/event.hpp"

namespace grit {
namespace {

/// How soon a reading that does not hold is repeated: after a fourth of the time that it has taken so far, within
/// these.
constexpr std::int64_t kFirstLook_ns = 50 * kNsPerUs;
constexpr std::int64_t kLastLook_ns = 20 * kNsPerMs;
/// A stop that fails is said to have failed after so many attempts. Their distance doubles from then on, up to the
/// last.
constexpr int kStopAttempts = 3;
constexpr std::int64_t kStopAgain_ns = 200 * kNsPerMs;
constexpr std::int64_t kLastStopAgain_ns = 5 * kNsPerS;

}  // namespace

Result<Target> FaultWindows::target_of(const PlannedFault& fault, const Injector& injector) const {
  GRIT_TRY(Json resolved, injector.resolved_on(plan_.topology, fault.node, fault.resolved));
  return Target{fault.device, Params(fault.params), std::move(resolved), ranks_};
}

Json FaultWindows::fault_event(const Armed& armed, std::string_view action) const {
  Json event = make_event("fault", node_);
  event["fault"] = armed.fault->id;
  event["block"] = block_;
  event["pulse"] = armed.next_pulse;
  event["action"] = action;
  const InjectorInfo& info = armed.injector->info();
  if (armed.injector->is_machine_wide(armed.target.params))
    event["reach"] = "machine";
  else if (info.outlives_reboot)
    event["reach"] = "anything";
  return event;
}

void FaultWindows::report_error(const Armed& armed, const std::string& message) {
  Json event = fault_event(armed, "error");
  event["message"] = message;
  emit_(std::move(event));
}

/// It was started, and nobody could look whether it is in force: it may be.
void FaultWindows::report_unread(const Armed& armed, const std::string& message) {
  Json event = fault_event(armed, "error");
  event["message"] = message;
  event["may_be_in_force"] = true;
  emit_(std::move(event));
}

/// The fault made, unless it is, and its undo record on disk; the witness once a block. Nothing is injected into a node
/// that is not as it was: the next snapshot would take the fault before for what was there.
Status FaultWindows::prepare(Armed& armed) {
  if (!all_mended()) return unavailable_error("a fault before it could not be reverted on this node");
  if (armed.prepared.fault) return {};
  GRIT_TRY(Prepared made, armed.injector->prepare(armed.target));
  if (!armed.witness) {
    GRIT_TRY(armed.witness, made.fault->witness());
  }
  if (!made.undo.is_null()) {
    if (!journal_) {
      GRIT_TRY(journal_, Journal::open(journal_file_));
    }
    armed.journal_id = fmt::format("block{}-fault{}-pulse{}", block_, armed.fault->id, armed.next_pulse);
    GRIT_CHECK(journal_->append_intent(armed.journal_id, armed.fault->name, made.undo));
  }
  armed.prepared = std::move(made);
  return {};
}

void FaultWindows::arm_fault(const PlannedFault& fault) {
  Armed armed;
  armed.fault = &fault;
  armed.injector = find_injector(fault.name);
  GRIT_ASSERT(armed.injector != nullptr);  // check_available() passed
  auto target = target_of(fault, *armed.injector);
  GRIT_ASSERT(target);  // check_available() passed
  armed.target = std::move(*target);
  armed.shares_device = shares_device(fault);
  while (fault.pulses[armed.next_pulse].block >= 0 && fault.pulses[armed.next_pulse].block != block_)
    ++armed.next_pulse;
  const Status prepared = armed.shares_device && all_mended() ? Status{} : prepare(armed);
  if (prepared)
    armed_.push_back(std::move(armed));
  else
    report_error(armed, "not applied: " + prepared.error().message);
}

void FaultWindows::run(Armed& armed, std::function<Then()> work) {
  if (armed.injector->call_limit_ns(armed.target.params) == 0) return work()();
  const auto task = std::make_shared<std::packaged_task<Then()>>(std::move(work));
  armed.busy = task->get_future();
  const auto body = [task, done = done_.get()] {
    (*task)();  // from here on the future is ready: whoever is woken takes it at once
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(done, &one, sizeof one);
  };
  try {
    armed.thread = std::jthread(body);
  } catch (const std::system_error&) {
    body();  // no thread can be had: everything else waits, which is better than a fault that stays
  }
}

void FaultWindows::wait_for(Armed& armed) {
  while (armed.busy.valid()) armed.busy.get()();
}

void FaultWindows::begin(Armed& armed, std::int64_t due_ns) {
  if (const Status ready = prepare(armed); !ready) {
    report_error(armed, "not applied: " + ready.error().message);
    return next_pulse(armed);
  }
  armed.in_force = true;  // from here on it may be: whatever fails below, revert() runs
  armed.applied_ns = monotonic_ns();
  run(armed, [this, &armed, due_ns, sham = sham_]() -> Then {
    Fault& fault = *armed.prepared.fault;
    Status status;
    if (!armed.counters_acting) {
      auto before = fault.counters();
      if (before)
        armed.counters_before = std::move(*before);
      else
        status = tl::make_unexpected(before.error());
    }
    if (status && !sham) {
      armed.something_on = true;
      status = fault.start();
    } else if (status) {
      const auto something = fault.start_null();
      armed.something_on = !something || *something;
      if (!something) status = tl::make_unexpected(something.error());
    }
    const std::int64_t done_ns = monotonic_ns();
    auto reading = status ? fault.read() : Result<Reading>(tl::make_unexpected(status.error()));
    return [this, &armed, status, reading = std::move(reading), done_ns, due_ns] {
      started(armed, status, reading, done_ns, due_ns);
    };
  });
}

void FaultWindows::started(Armed& armed, const Status& status, Result<Reading> reading, std::int64_t done_ns,
                           std::int64_t due_ns) {
  if (reading) return settle(armed, std::move(*reading), done_ns, due_ns);
  if (armed.something_on)
    report_unread(armed, "apply: " + reading.error().message);
  else
    report_error(armed, "not applied: " + reading.error().message);
  if (status) return;
  revert(armed, RevertReason::apply_failed);
  next_pulse(armed);
}

/// Its onset is when the reading holds; one that does not is repeated as long as the fault says.
void FaultWindows::settle(Armed& armed, Reading reading, std::int64_t done_ns, std::int64_t due_ns) {
  const std::int64_t waited_ns = done_ns - *armed.applied_ns;
  if (reading.holds || sham_ || waited_ns >= armed.prepared.fault->patience_ns()) {
    armed.settling.reset();
    return report_applied(armed, fault_event(armed, "applied"), reading, done_ns, due_ns);
  }
  armed.settling = Settling{.due_ns = due_ns,
                            .next_look_ns = done_ns + std::clamp(waited_ns / 4, kFirstLook_ns, kLastLook_ns),
                            .reading = std::move(reading)};
}

void FaultWindows::look_again(Armed& armed) {
  run(armed, [this, &armed]() -> Then {
    auto reading = armed.prepared.fault->read();
    return [this, &armed, reading = std::move(reading), done_ns = monotonic_ns()] {
      const std::int64_t due_ns = armed.settling->due_ns;
      if (reading) return settle(armed, *reading, done_ns, due_ns);
      armed.settling.reset();
      report_unread(armed, "apply: " + reading.error().message);
    };
  });
}

void FaultWindows::report_applied(Armed& armed, Json event, const Reading& reading, std::int64_t done_ns,
                                  std::int64_t due_ns) {
  if (!armed.first_applied_ns) armed.first_applied_ns = done_ns;
  event["t_ns"] = done_ns;
  event["ok"] = reading.holds;
  event["reading"] = reading.details;
  const Json& undo = armed.prepared.undo;
  const Json& mechanism_in = undo.contains("mechanism") ? undo : reading.details;
  event["mechanism"] = mechanism_in.value("mechanism", armed.fault->mechanism);
  event["onset_ns"] = done_ns - *entered_ns_;
  event["planned_ns"] = due_ns - *entered_ns_;
  emit_(std::move(event));
}

/// It goes off before its reading held, and before the time that it may take was over: whether it was in force is not
/// known, unless this last look shows it.
void FaultWindows::report_cut_off(Armed& armed, Json event, const Reading& last, std::int64_t done_ns,
                                  const Settling& settling) {
  const std::int64_t waited_ns = done_ns - *armed.applied_ns, patience_ns = armed.prepared.fault->patience_ns();
  if (last.holds || waited_ns >= patience_ns)
    return report_applied(armed, std::move(event), last, done_ns, settling.due_ns);
  event["t_ns"] = done_ns;
  event["reading"] = last.details;
  event["message"] = fmt::format("it went off after {} ms, before its reading held; it may take {} ms to show",
                                 waited_ns / kNsPerMs, patience_ns / kNsPerMs);
  emit_(std::move(event));
}

void FaultWindows::revert(Armed& armed, RevertReason reason, std::optional<std::int64_t> planned_ns) {
  Json event = fault_event(armed, "reverted");
  event["why"] = to_string(reason);
  if (planned_ns) event["planned_ns"] = *planned_ns;
  if (!armed.settling) return stop(armed, {.event = std::move(event), .since_ns = monotonic_ns()});
  // Read once more: what it did may be why it ends, as when the rank that it kills is gone.
  const auto settling = *std::exchange(armed.settling, std::nullopt);
  run(armed, [this, &armed, event, settling, applied = fault_event(armed, "applied")]() -> Then {
    const auto last = armed.prepared.fault->read();
    return
        [this, &armed, event, settling, applied, reading = last ? *last : settling.reading, done_ns = monotonic_ns()] {
          report_cut_off(armed, applied, reading, done_ns, settling);
          stop(armed, {.event = event, .since_ns = monotonic_ns()});
        };
  });
}

/// Once; as often as it makes sense at once where the fault shares its device, as what it stands on may come off next.
void FaultWindows::stop(Armed& armed, Stopping stopping) {
  run(armed, [this, &armed, stopping = std::move(stopping)]() mutable -> Then {
    Fault& fault = *armed.prepared.fault;
    const auto look_whether_it_acted = [&] {
      if (armed.counters_acting || armed.counters_before.is_null()) return;
      auto now = fault.counters();
      if (now && armed.injector->acted(armed.counters_before, *now)) armed.counters_acting = std::move(*now);
    };
    look_whether_it_acted();  // a counter may be part of what the fault has made, and go with it
    Status status;
    do {
      ++stopping.attempts;
      status = armed.something_on ? fault.stop() : Status{};
    } while (!status && armed.shares_device && stopping.attempts < kStopAttempts);
    armed.reverted_ns = monotonic_ns();
    auto reading = fault.read();
    look_whether_it_acted();  // or be known only when it is over
    return
        [this, &armed, stopping, status, reading = std::move(reading)] { stopped(armed, stopping, status, reading); };
  });
}

void FaultWindows::stop_again(Armed& armed) {
  Stopping stopping = std::move(*armed.stopping);
  armed.stopping.reset();
  stop(armed, std::move(stopping));
}

/// It is off when the kernel shows so. Else it is stopped again some time later; it is said not to have come off when
/// that has failed often enough, or when what its stop set off takes longer than the fault says.
void FaultWindows::stopped(Armed& armed, Stopping stopping, const Status& status, const Result<Reading>& reading) {
  const bool off = status && (armed.injector->info().irreversible || (reading && !reading->left));
  const bool was_reported = stopping.reported;
  if (!off) {
    const bool may_vanish = status && reading && !armed.shares_device &&
                            *armed.reverted_ns - stopping.since_ns < armed.prepared.fault->patience_ns();
    stopping.reported = was_reported || (stopping.attempts >= kStopAttempts && !may_vanish);
    const int doublings = std::clamp(stopping.attempts - kStopAttempts, 0, 10);
    stopping.due_ns = *armed.reverted_ns + std::min(kStopAgain_ns << doublings, kLastStopAgain_ns);
    armed.stopping = stopping;
    if (was_reported || !stopping.reported) return;
  }
  armed.in_force = false;
  armed.something_on = armed.something_on && !off;
  armed.mended = off;
  report_reverted(armed, std::move(stopping.event), status, reading);
  if (armed.shares_device || was_reported) journal_reverted(armed);
}

void FaultWindows::report_reverted(Armed& armed, Json event, const Status& status, const Result<Reading>& reading) {
  const bool irreversible = armed.injector->info().irreversible;
  event["t_ns"] = *armed.reverted_ns;
  event["ok"] = armed.mended;
  if (reading) event["reading"] = reading->details;
  if (irreversible) event["message"] = "nothing to revert: what it does is done once and for all";
  if (!status) event["message"] = status.error().message;
  if (status && !reading && !irreversible) event["message"] = reading.error().message;
  emit_(std::move(event));
}

/// Off for good, or until it is prepared again. What is not proven to be off stays pending, for `grit revert`.
void FaultWindows::journal_reverted(Armed& armed) {
  if (!armed.mended || !armed.prepared.fault) return;
  const bool journalled = !armed.prepared.undo.is_null();
  armed.prepared = {};
  if (!journalled) return;
  if (auto written = journal_->append_reverted(armed.journal_id); !written)
    report_error(armed, "journal: " + written.error().message);
}

void FaultWindows::close_window(Armed& armed) {
  if (!std::exchange(armed.window_closed, true) && !armed.counters_before.is_null()) {
    auto after = armed.counters_acting  ? Result<Json>(*armed.counters_acting)
                 : armed.prepared.fault ? armed.prepared.fault->counters()
                                        : Result<Json>(armed.counters_before);
    Json event = make_event("acting", node_);
    event["fault"] = armed.fault->id;
    event["block"] = block_;
    if (after) event["ok"] = armed.injector->acted(armed.counters_before, *after);
    event["before"] = armed.counters_before;
    event["after"] = after ? *after : Json{{"error", after.error().message}};
    emit_(std::move(event));
  }
  journal_reverted(armed);
}

}  // namespace grit

// When the faults of a block come and go. How one is applied, proven and reverted: fault_windows_act.cpp.
#include "harness/agent/fault_windows.hpp"

#include <fmt/format.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

#include "harness/model/event.hpp"
#include "harness/os/memory.hpp"
#include "injectors/traits.hpp"

namespace grit {
namespace {

template <class T>
bool is_ready(const std::future<T>& future) {
  return future.valid() && future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

}  // namespace

std::string_view to_string(RevertReason reason) {
  switch (reason) {
    case RevertReason::pulse_end:
      return "pulse_end";
    case RevertReason::block_end:
      return "block_end";
    case RevertReason::nested:
      return "nested";
    case RevertReason::low_memory:
      return "low_memory";
    case RevertReason::lease:
      return "lease";
    case RevertReason::rank_died:
      return "rank_died";
    case RevertReason::apply_failed:
      return "apply_failed";
    case RevertReason::shutdown:
      return "shutdown";
  }
  return "shutdown";
}

FaultWindows::FaultWindows(const Plan& plan, int node, std::filesystem::path journal_file, EventSink sink,
                           NodeRanks ranks)
    : plan_(plan),
      node_(node),
      journal_file_(std::move(journal_file)),
      emit_(std::move(sink)),
      ranks_(std::move(ranks)),
      done_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Status FaultWindows::check_available() const {
  GRIT_CHECK(check_guards(guard_rails(plan_)));
  for (const PlannedFault& fault : plan_.faults) {
    if (fault.node != node_) continue;
    const Injector* injector = find_injector(fault.name);
    if (injector == nullptr) return usage_error("this grit has no fault called " + fault.name);
    GRIT_TRY(const Target target, target_of(fault, *injector));
    if (auto why = injector->why_unavailable(target))
      return unavailable_error(fmt::format("{} on node {} cannot work here: {}", fault.name, node_, *why));
  }
  return {};
}

void FaultWindows::arm(const Block& block) {
  std::erase_if(armed_, [](const Armed& armed) { return armed.mended; });  // of blocks before, late
  block_ = block.index;
  entered_ns_.reset();
  sham_ = block.kind == BlockKind::sham;
  if (!armed_in(block.kind)) return;
  for (const PlannedFault& fault : plan_.faults)
    if (fault.node == node_ && pulses_in_block(fault, block_) > 0) arm_fault(fault);
}

/// What slow faults have done meanwhile. What follows from it may keep such a fault's thread busy again.
void FaultWindows::collect() {
  for (Armed& armed : armed_)
    if (is_ready(armed.busy)) armed.busy.get()();
}

void FaultWindows::start(std::int64_t entered_ns) { entered_ns_ = entered_ns; }

void FaultWindows::step_begun(std::int64_t step, std::int64_t now_ns) {
  for (Armed& armed : armed_)
    if (armed.fault->anchor.kind == Anchor::Kind::step && !armed.anchored_ns && step >= armed.fault->anchor.step)
      armed.anchored_ns = now_ns;
}

bool FaultWindows::waits_for_step() const {
  return std::any_of(armed_.begin(), armed_.end(), [](const Armed& armed) {
    return armed.fault->anchor.kind == Anchor::Kind::step && !armed.anchored_ns;
  });
}

bool FaultWindows::shares_device(const PlannedFault& fault) const {
  const auto& nodes = plan_.topology.nodes;
  return std::any_of(plan_.faults.begin(), plan_.faults.end(), [&](const PlannedFault& other) {
    return other.id != fault.id && other.node == fault.node && !fault.device.empty() &&
           are_one(nodes.at(static_cast<std::size_t>(fault.node)), other.device, fault.device);
  });
}

const FaultWindows::Armed* FaultWindows::armed_of(int fault) const {
  const auto found =
      std::find_if(armed_.begin(), armed_.end(), [&](const Armed& armed) { return armed.fault->id == fault; });
  return found == armed_.end() ? nullptr : &*found;
}

/// The moment from which its pulses count; nothing as long as it has not come.
std::optional<std::int64_t> FaultWindows::anchor_ns(const Armed& armed) const {
  const Anchor& anchor = armed.fault->anchor;
  if (anchor.kind == Anchor::Kind::block) return entered_ns_;
  if (anchor.kind == Anchor::Kind::step) return armed.anchored_ns;
  const Armed* followed = armed_of(anchor.fault);
  if (followed == nullptr) return std::nullopt;
  if (anchor.kind == Anchor::Kind::applied) return followed->first_applied_ns;
  const bool over = !followed->in_force && followed->next_pulse >= followed->fault->pulses.size();
  return over ? followed->reverted_ns : std::nullopt;
}

/// A slow fault that changes the same thing is still coming off: what it puts back would go over what this one sets.
bool FaultWindows::waits_for_its_kind(const Armed& armed) const {
  if (armed.injector->info().touches.empty() || armed.injector->call_limit_ns(armed.target.params) == 0) return false;
  return std::any_of(armed_.begin(), armed_.end(), [&](const Armed& other) {
    return &other != &armed && other.injector == armed.injector && (other.busy.valid() || other.stopping);
  });
}

std::optional<std::int64_t> FaultWindows::due_ns(const Armed& armed) const {
  if (!entered_ns_ || taking_off_ || armed.window_closed || under_way(armed) ||
      armed.next_pulse >= armed.fault->pulses.size())
    return std::nullopt;
  const auto from_ns = anchor_ns(armed);
  if (!from_ns) return std::nullopt;
  const Pulse& pulse = armed.fault->pulses[armed.next_pulse];
  if (!armed.in_force && waits_for_its_kind(armed)) return std::nullopt;
  if (!armed.in_force) return *from_ns + pulse.start_ns;
  const std::int64_t lease_end = *armed.applied_ns + armed.fault->lease_ns;
  return pulse.end_ns < 0 ? lease_end : std::min(*from_ns + pulse.end_ns, lease_end);
}

/// At one moment: first what ends, the last applied first; then what begins, the longer first, for the other to stand
/// on.
bool FaultWindows::goes_first(const Action& one, const Action& other) const {
  if (one.due_ns != other.due_ns) return one.due_ns < other.due_ns;
  if (one.armed->in_force != other.armed->in_force) return one.armed->in_force;
  if (one.armed->in_force) return *one.armed->applied_ns > *other.armed->applied_ns;
  const auto end_ns = [&](const Armed& armed) {
    const std::int64_t end = armed.fault->pulses[armed.next_pulse].end_ns;
    return end < 0 ? std::numeric_limits<std::int64_t>::max() : *anchor_ns(armed) + end;
  };
  return end_ns(*one.armed) > end_ns(*other.armed);
}

std::optional<FaultWindows::Action> FaultWindows::next_action() {
  std::optional<Action> first;
  for (Armed& armed : armed_) {
    const auto due = due_ns(armed);
    if (!due) continue;
    const Action action{*due, &armed};
    if (!first || goes_first(action, *first)) first = action;
  }
  return first;
}

std::optional<std::int64_t> FaultWindows::next_action_ns() const {
  std::optional<std::int64_t> next;
  const auto consider = [&](std::optional<std::int64_t> due) {
    if (due && (!next || *due < *next)) next = due;
  };
  for (const Armed& armed : armed_) {
    consider(due_ns(armed));
    if (armed.settling && !armed.busy.valid()) consider(armed.settling->next_look_ns);
    if (armed.stopping) consider(armed.stopping->due_ns);
    if (is_ready(armed.busy)) consider(monotonic_ns());
  }
  return next;
}

void FaultWindows::act(std::int64_t now_ns) {
  collect();
  for (Armed& armed : armed_) {
    if (armed.settling && !armed.busy.valid() && armed.settling->next_look_ns <= now_ns) look_again(armed);
    if (armed.stopping && armed.stopping->due_ns <= now_ns) stop_again(armed);
  }
  if (taking_off_) return take_off(*taking_off_);
  for (auto action = next_action(); action && action->due_ns <= now_ns; action = next_action()) {
    Armed& armed = *action->armed;
    if (!armed.in_force) {
      begin(armed, action->due_ns);
      continue;
    }
    revert_above(armed);
    const bool lease = now_ns >= *armed.applied_ns + armed.fault->lease_ns;
    if (lease)
      revert(armed, RevertReason::lease);
    else
      revert(armed, RevertReason::pulse_end, action->due_ns - *entered_ns_);
    next_pulse(armed);
  }
}

/// The next of its pulses that comes in this block.
void FaultWindows::next_pulse(Armed& armed) const {
  const auto& pulses = armed.fault->pulses;
  do ++armed.next_pulse;
  while (armed.next_pulse < pulses.size() && pulses[armed.next_pulse].block >= 0 &&
         pulses[armed.next_pulse].block != block_);
}

/// What was applied after it to the same device would be put back into a state that is none any more.
void FaultWindows::revert_above(const Armed& armed) {
  for (Armed* above : in_force_last_first()) {
    if (above == &armed) return;
    if (armed.fault->device.empty() || above->fault->device != armed.fault->device) continue;
    wait_for(*above);
    if (!above->in_force) continue;
    revert(*above, RevertReason::nested);
    next_pulse(*above);
  }
}

std::vector<FaultWindows::Armed*> FaultWindows::in_force_last_first() {
  std::vector<Armed*> all;
  for (Armed& armed : armed_)
    if (armed.in_force) all.push_back(&armed);
  std::sort(all.begin(), all.end(),
            [](const Armed* one, const Armed* other) { return *one->applied_ns > *other->applied_ns; });
  return all;
}

void FaultWindows::keep_memory_free() {
  std::vector<Armed*> holders;
  for (Armed* armed : in_force_last_first())
    if (fault_traits(plan_.topology, *armed->fault).memory_bytes > 0) holders.push_back(armed);
  if (holders.empty()) return;
  const auto memory = read_memory();
  if (!memory) return;
  const std::int64_t floor_bytes = plan_.allowed.free_memory_bytes >= 0
                                       ? plan_.allowed.free_memory_bytes
                                       : default_free_memory_bytes(memory->total_bytes);
  if (memory->available_bytes >= floor_bytes) return;
  for (Armed* armed : holders) {
    if (under_way(*armed)) continue;  // the next time
    revert(*armed, RevertReason::low_memory);
    armed->next_pulse = armed->fault->pulses.size();
  }
}

void FaultWindows::take_off(RevertReason reason) {
  taking_off_ = reason;
  for (Armed* armed : in_force_last_first())
    if (!under_way(*armed)) revert(*armed, reason);
}

void FaultWindows::end(RevertReason reason) {
  take_off(reason);
  for (Armed& armed : armed_)
    while (armed.in_force || armed.busy.valid()) {  // what is slow, or has to be tried again
      if (armed.busy.valid()) {
        wait_for(armed);
      } else if (armed.stopping) {
        std::this_thread::sleep_for(std::chrono::nanoseconds(armed.stopping->due_ns - monotonic_ns()));
        stop_again(armed);
      } else {
        revert(armed, reason);
      }
    }
  drain_witnesses();
  for (Armed& armed : armed_) close_window(armed);
  std::erase_if(armed_, [](const Armed& armed) { return armed.mended; });
  entered_ns_.reset();
  taking_off_.reset();
}

void FaultWindows::keep_trying(std::int64_t patience_ns) {
  const std::int64_t deadline_ns = monotonic_ns() + patience_ns;
  for (Armed& armed : armed_)
    for (wait_for(armed); armed.stopping && armed.stopping->due_ns <= deadline_ns; wait_for(armed)) {
      std::this_thread::sleep_for(std::chrono::nanoseconds(armed.stopping->due_ns - monotonic_ns()));
      stop_again(armed);
    }
}

bool FaultWindows::all_mended() const {
  return std::all_of(armed_.begin(), armed_.end(), [](const Armed& armed) { return armed.mended; });
}

std::int64_t FaultWindows::lease_deadline_ns() const {
  std::int64_t deadline = 0;
  for (const Armed& armed : armed_) {
    if (!armed.in_force) continue;
    const std::int64_t own = *armed.applied_ns + armed.fault->lease_ns;
    deadline = deadline == 0 ? own : std::min(deadline, own);
  }
  return deadline;
}

std::vector<int> FaultWindows::witness_descriptors() const {
  std::vector<int> descriptors{done_.get()};
  for (const Armed& armed : armed_)
    if (armed.witness) descriptors.push_back(armed.witness->descriptor());
  return descriptors;
}

void FaultWindows::drain_witnesses() {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t got = ::read(done_.get(), &count, sizeof count);
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
  if (journal_ && all_mended()) {
    if (auto removed = journal_->remove_if_clean(); !removed) return false;
  }
  return all_mended();
}

}  // namespace grit

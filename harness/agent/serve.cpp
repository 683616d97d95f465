// The loop: the blocks that the ranks enter and leave, and the faults that are due in them.
#include "harness/agent/serve.hpp"

#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "harness/agent/doing.hpp"
#include "harness/model/event.hpp"

namespace grit {
namespace {

constexpr std::int64_t kTick_ns = 100 * kNsPerMs;  // how often free memory and carriers are looked at
constexpr std::int64_t kIdleTick_ns =
    kNsPerS;  // when no fault and no end keeps the agent busy; whether its observer was stopped
constexpr std::int64_t kObserverPatience_ns = 2 * kNsPerS;  // what it looks at between two blocks
/// A poll(2) that takes so much longer than it should: no load delays a process for so long, and an agent that alone is
/// stopped is replaced before.
constexpr std::int64_t kStoodStill_ns = 5 * kNsPerS;
constexpr std::int64_t kStepLook_ns = kNsPerMs;  // how often a rank's step is looked at when something waits for it

void swallow(int fd) {
  std::uint64_t counter = 0;
  [[maybe_unused]] const ssize_t got = ::read(fd, &counter, sizeof counter);
}

}  // namespace

void Agent::emit(Json event) { observer_.send(event); }

bool Agent::waits_for_look() const {
  return !in_block_ && look_before(config_.plan, block_) && segment_.control().look_passed.load() < block_;
}

bool Agent::last_block_is_observed() const {
  return observed_block_ >= block_ - 1 || monotonic_ns() - block_end_ns_ > kObserverPatience_ns;
}

void Agent::arm(int block) {
  block_ = block;
  if (!has_recorder() || block >= static_cast<int>(config_.plan.blocks.size()) || waits_for_look() ||
      !last_block_is_observed() || waits_for_carrier())
    return;
  const Doing doing(segment_.control(), AgentDoing::arming);
  keep_spare();
  const Block& planned = config_.plan.blocks[static_cast<std::size_t>(block)];
  // Before and after every block, though only the faults' blocks need it: what is done before the ones and not before
  // the others is measured as their effect. On 2 cores with 8 processes this alone made fault blocks 0.3 % slower.
  processes_before_ = read_processes();
  if (windows_.armed_in(planned.kind)) carriers_.faults_come(fault_interfaces_);
  windows_.arm(planned);
  segment_.control().agent_ready_block.store(block, std::memory_order_release);
}

/// The first to leave wakes the agent; the others are still in the same step, or between the collective and its record.
bool Agent::all_left_block() const {
  const auto slots = segment_.slots();
  return std::all_of(slots.begin(), slots.end(), [this](const RankSlot& slot) {
    return slot.block_left.load(std::memory_order_acquire) >= block_ || slot.end.load() == RankEnd::finished;
  });
}

void Agent::follow_blocks() {
  if (ended_at_ns_ != 0) return;
  const RankSlot& first = segment_.slots()[0];
  const auto block_event = [&](std::string_view edge, std::int64_t t_ns) {
    Json event = make_event("block", config_.node, t_ns);
    event["block"] = block_;
    event["kind"] = to_string(config_.plan.blocks[static_cast<std::size_t>(block_)].kind);
    event["edge"] = edge;
    emit(std::move(event));
  };
  if (!in_block_ && segment_.control().agent_ready_block.load() < block_ &&
      block_ < static_cast<int>(config_.plan.blocks.size()))
    arm(block_);
  if (!in_block_ && first.block_entered.load(std::memory_order_acquire) == block_) {
    in_block_ = true;
    windows_.start(first.block_entered_ns.load());
    act();  // before anything else is written or sent: a fault that starts with the block is due now
    block_event("begin", first.block_entered_ns.load());
  }
  if (in_block_ && all_left_block()) {
    const Doing doing(segment_.control(), AgentDoing::ending_a_block);
    windows_.end(RevertReason::block_end);
    carriers_.faults_are_off(monotonic_ns());
    segment_.control().lease_deadline_ns.store(0);
    block_event("end", monotonic_ns());
    compare_processes();
    in_block_ = false;
    block_end_ns_ = monotonic_ns();
    arm(block_ + 1);
  }
}

void Agent::act() {
  if (in_block_ && windows_.waits_for_step())
    windows_.step_begun(segment_.slots()[0].step_in_block.load(std::memory_order_relaxed), monotonic_ns());
  for (auto due = windows_.next_action_ns(); due && *due <= monotonic_ns(); due = windows_.next_action_ns()) {
    const Doing doing(segment_.control(), AgentDoing::applying_or_reverting);
    windows_.act(monotonic_ns());
    segment_.control().lease_deadline_ns.store(windows_.lease_deadline_ns());
  }
}

std::int64_t Agent::tick_ns() const {
  const bool idle = windows_.lease_deadline_ns() == 0 && !carriers_.waits() && deaths_at_ns_ == 0 && ended_at_ns_ == 0;
  return idle ? kIdleTick_ns : kTick_ns;
}

void Agent::tick() {
  const std::int64_t now_ns = monotonic_ns();
  if (now_ns - last_tick_ns_ < tick_ns()) return;
  last_tick_ns_ = now_ns;
  {
    const Doing doing(segment_.control(), AgentDoing::applying_or_reverting);
    windows_.keep_memory_free();
  }
  segment_.control().lease_deadline_ns.store(
      windows_.lease_deadline_ns());  // a lease that is over is nobody's to act on
  watch_observer();
  watch_carriers();
  miss_recorder(now_ns);
}

void Agent::poll_once() {
  std::vector<pollfd> items{{wake_.get(), POLLIN, 0},
                            {timer_.get(), POLLIN, 0},
                            {signals_.get(), POLLIN, 0},
                            {observer_.descriptor(), POLLIN, 0}};
  const bool watched = deaths_at_ns_ == 0 && ended_at_ns_ == 0;
  for (std::size_t i = 0; i < ranks_.size() && watched; ++i)  // one that has finished would be readable for ever
    if (ranks_[i] && segment_.slots()[i].end.load() != RankEnd::finished) items.push_back({ranks_[i].get(), POLLIN, 0});
  for (const int fd : windows_.witness_descriptors()) items.push_back({fd, POLLIN, 0});

  auto due = windows_.next_action_ns();
  const bool leaving = segment_.slots()[0].block_left.load(std::memory_order_relaxed) == block_;
  if (in_block_ && (windows_.waits_for_step() || leaving))
    due = std::min(due.value_or(std::numeric_limits<std::int64_t>::max()), monotonic_ns() + kStepLook_ns);
  if (due) {
    itimerspec at{};
    at.it_value.tv_sec = *due / kNsPerS;
    at.it_value.tv_nsec = *due % kNsPerS;
    ::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &at, nullptr);
  }
  const std::int64_t asleep_ns = monotonic_ns();
  ::poll(items.data(), items.size(), static_cast<int>(tick_ns() / kNsPerMs));
  if (monotonic_ns() - asleep_ns > tick_ns() + kStoodStill_ns) stood_still(asleep_ns);
  if (items[0].revents != 0) swallow(wake_.get());
  if (items[1].revents != 0) swallow(timer_.get());
  if (items[2].revents != 0 && stopping_at_ns_ == 0) stopping_at_ns_ = monotonic_ns();
  if (items[3].revents != 0) watch_observer();
}

void Agent::serve() {
  while ((watch_ranks() || carriers_.waits()) && stopping_at_ns_ == 0) {
    segment_.control().agent_beat_ns.store(monotonic_ns());
    poll_once();
    follow_blocks();
    act();
    windows_.drain_witnesses();
    tick();
  }
  finish();
}

}  // namespace grit

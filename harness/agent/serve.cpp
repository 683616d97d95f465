#include "harness/agent/serve.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <functional>
#include <iterator>
#include <limits>
#include <thread>

#include "harness/agent/journal.hpp"
#include "harness/agent/journal_files.hpp"
#include "harness/agent/own_place.hpp"
#include "harness/base/files.hpp"
#include "harness/model/ending.hpp"
#include "harness/model/event.hpp"
#include "harness/os/process.hpp"

namespace grit {
namespace {

constexpr std::int64_t kTick_ns = 100 * kNsPerMs;  // how often free memory and carriers are looked at
constexpr std::int64_t kIdleTick_ns =
    kNsPerS;  // when no fault and no end keeps the agent busy; whether its observer was stopped
constexpr std::int64_t kObserverPatience_ns = 2 * kNsPerS;  // what it looks at between two blocks
constexpr std::int64_t kGoodbye_ns = 8 * kNsPerS;           // longer than the observer takes at most
constexpr std::int64_t kHeirReverts_ns = 5 * kNsPerS;       // before its successor gives the node's lock up
constexpr std::int64_t kRanksDie_ns = 5 * kNsPerS;  // after SIGKILL; a rank that waits for a device may take longer
constexpr std::int64_t kRanksLeave_ns = 200 * kNsPerMs;  // after SIGTERM, whose handler says a line and ends them
constexpr std::int64_t kKeepTrying_ns = 10 * kNsPerS;    // to take off what did not come off, before the agent ends
constexpr std::int64_t kOrder_ns = 2 * kNsPerS;  // from the report of a rank's end to the recorder's order, at most
/// The observer misses the recorder after 7 s and says so. One that is itself replaced again and again, as where the
/// ranks leave it no CPU, never gets so far.
constexpr std::int64_t kRecorderGone_ns = 20 * kNsPerS;
/// A poll(2) that takes so much longer than it should: no load delays a process for so long, and an agent that alone is
/// stopped is replaced before.
constexpr std::int64_t kStoodStill_ns = 5 * kNsPerS;
/// How long what the kernel itself puts back (IPv6 addresses, links of other nodes of this machine) may take.
constexpr std::int64_t kSettle_ns = 2 * kNsPerS;
constexpr std::int64_t kSettleInRun_ns = 200 * kNsPerMs;  // the ranks wait meanwhile
constexpr auto kSettleStep = std::chrono::milliseconds(50);
constexpr std::int64_t kStepLook_ns = kNsPerMs;  // how often a rank's step is looked at when something waits for it

void swallow(int fd) {
  std::uint64_t counter = 0;
  [[maybe_unused]] const ssize_t got = ::read(fd, &counter, sizeof counter);
}

/// What still differs after a while; at once when nothing does.
std::vector<std::string> lasting_differences(const NodeState& before, const std::function<NodeState()>& read,
                                             std::int64_t patience_ns) {
  const std::int64_t deadline_ns = monotonic_ns() + patience_ns;
  auto found = differences(before, read());
  while (!found.empty() && monotonic_ns() < deadline_ns) {
    std::this_thread::sleep_for(kSettleStep);
    found = differences(before, read());
  }
  return found;
}

std::vector<int> pids_of(const Segment& segment) {
  std::vector<int> pids;
  for (const RankSlot& slot : segment.slots()) pids.push_back(slot.pid);
  return pids;
}

/// Whose state a fault may change: the ranks and their helpers.
std::vector<int> with_helpers(std::vector<int> pids) {
  std::vector<ProcessIdentity> ranks;
  for (const int pid : pids)
    if (auto identity = identify_process(pid)) ranks.push_back(std::move(*identity));
  const auto helpers = helpers_of(ranks);
  if (!helpers) return pids;
  for (const auto& of_rank : *helpers)
    for (const ProcessIdentity& helper : of_rank) pids.push_back(helper.pid);
  return pids;
}

bool has_one_thread() {
  std::error_code error;
  const std::filesystem::directory_iterator threads("/proc/self/task", error);
  return !error && std::distance(begin(threads), end(threads)) == 1;
}

/// Says what the agent is at while it lives; then again what it was at before.
class Doing {
 public:
  Doing(NodeControl& control, AgentDoing what) : control_(control), before_(control.agent_doing.exchange(what)) {}
  Doing(const Doing&) = delete;
  Doing& operator=(const Doing&) = delete;
  ~Doing() { control_.agent_doing.store(before_); }

 private:
  NodeControl& control_;
  AgentDoing before_;
};

}  // namespace

Agent::Agent(AgentConfig config, Segment segment, Fd wake, NodeLock lock, ObserverProcess observer)
    : config_(std::move(config)),
      segment_(std::move(segment)),
      wake_(std::move(wake)),
      lock_(std::move(lock)),
      observer_(std::move(observer)),
      windows_(
          config_.plan, config_.node, journal_file(config_.journal_directory, config_.plan, config_.node),
          [this](Json event) { emit(std::move(event)); }, node_ranks(segment_)) {}

Result<std::unique_ptr<Agent>> Agent::open(AgentConfig config, Segment segment, Fd wake) {
  // Nobody may judge it by what its predecessor was at, or had in force: that is taken off below.
  NodeControl& control = segment.control();
  control.agent_doing.store(AgentDoing::waiting);
  control.lease_deadline_ns.store(0);
  control.agent_beat_ns.store(monotonic_ns());
  GRIT_CHECK(leave_ranks_their_cpus(pids_of(segment)));
  // The heir of a predecessor may hold it while it reverts.
  const bool had_one_before = control.agent_generation.load() > 0 || config.plan.attempt > 1;
  GRIT_TRY(NodeLock lock, NodeLock::acquire(had_one_before ? kHeirReverts_ns : 0));
  GRIT_TRY(ObserverProcess observer, ObserverProcess::fork(config, segment));
  std::unique_ptr<Agent> agent(
      new Agent(std::move(config), std::move(segment), std::move(wake), std::move(lock), std::move(observer)));
  agent->keep_spare();
  GRIT_CHECK(agent->recover());
  agent->look_for_reach();
  agent->node_before_ = read_node_state();
  GRIT_CHECK(agent->windows_.check_available());
  GRIT_CHECK(agent->check_machine_wide());
  GRIT_CHECK(agent->open_descriptors());
  agent->note_dangers();
  agent->join_run();
  return agent;
}

/// Only where something would have to be taken off; in a local cluster all goes with its namespaces.
void Agent::note_dangers() {
  const bool any_persistent = std::any_of(
      config_.plan.faults.begin(), config_.plan.faults.end(),
      [this](const PlannedFault& fault) { return fault.node == config_.node && fault.undo == UndoClass::persistent; });
  const bool any_outlives = any_persistent && !config_.plan.topology.local_cluster;
  if (any_outlives) {
    auto heir = Heir::fork(config_.journal_directory, segment_);  // before memory is locked, which a fork would copy
    if (heir)
      heir_ = std::move(*heir);
    else
      warnings_.push_back(heir.error().message);
  }
  const auto kept = keep_in_memory();
  if (!any_outlives) return;
  for (std::string& reason : ends_with_the_job(heir_ ? heir_->cgroups() : read_file("/proc/self/cgroup").value_or(""),
                                               config_.journal_directory))
    warnings_.push_back(std::move(reason));
  if (!kept) warnings_.push_back(kept.error().message);
  for (const std::string& warning : warnings_) {
    Json event = make_event("agent_unprotected", config_.node);
    event["message"] = warning;
    emit(std::move(event));
  }
}

/// Journals in this node's directory belong to runs that are over (we hold the node) or to our predecessor.
Status Agent::recover() {
  GRIT_TRY(const auto files, find_journals(config_.journal_directory));
  const Doing doing(segment_.control(),
                    AgentDoing::applying_or_reverting);  // its keeper waits as long as that may take
  const auto tell = [&](const std::string& journal, const Result<RevertReport>& report) {
    Json event = make_event("recovered", config_.node);
    event["journal"] = journal;
    event["reverted"] = report ? report->reverted : 0;
    event["gone"] = report ? report->gone : 0;
    event["problems"] = report ? Json(report->problems) : Json::array({report.error().message});
    emit(std::move(event));
  };
  std::string left;  // the first; one that cannot be reverted keeps nobody from the others
  for (const auto& file : files.of_this_node) {
    segment_.control().agent_beat_ns.store(monotonic_ns());
    auto report = revert_journal(file, ::geteuid());
    tell(file.string(), report);
    if ((report && report->problems.empty()) || !left.empty()) continue;
    left = fmt::format("{}: {}", file.string(), report ? report->problems.front() : report.error().message);
  }
  // Of a predecessor that had begun a journal: its heir has reverted all of it.
  const bool none = files.of_this_node.empty() && files.of_this_boot.empty();
  if (none && segment_.control().agent_generation.load() > 0) tell("", RevertReport{});
  if (!left.empty()) return internal_error("an earlier run left something behind that cannot be reverted: " + left);
  segment_.control().lease_deadline_ns.store(0);
  return {};
}

Status Agent::open_descriptors() {
  timer_ = Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_) return errno_error("timerfd_create");
  sigset_t term;  // blocked from the agent's first moment (agent_main)
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  signals_ = Fd(::signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals_) return errno_error("signalfd");
  for (const RankSlot& slot : segment_.slots()) {
    Fd rank(static_cast<int>(::syscall(SYS_pidfd_open, slot.pid, 0)));
    if (!rank && errno != ESRCH) return errno_error(fmt::format("cannot watch rank {}", slot.rank));
    ranks_.push_back(std::move(rank));  // empty: it is dead already, which watch_ranks() will say
  }
  return {};
}

void Agent::join_run() {
  const std::uint32_t generation = segment_.control().agent_generation.fetch_add(1) + 1;
  const RankSlot& first = segment_.slots()[0];
  const int entered = first.block_entered.load(), left = first.block_left.load();
  if (generation > 1) {
    Json event = make_event("agent_restarted", config_.node);
    event["generation"] = generation;
    event["block"] = entered;
    emit(std::move(event));
  } else if (config_.node == 0) {
    Json event = make_event("run", config_.node);
    event["state"] = "started";
    emit(std::move(event));
  }
  if (const std::int64_t since_ns = segment_.control().still_since_ns.exchange(0); since_ns != 0)
    return stood_still(since_ns);
  if (left < entered) {  // our predecessor died in this block: its faults are off, the block goes on without
    block_ = entered;
    in_block_ = true;
  } else {
    arm(left + 1);
  }
}

void Agent::emit(Json event) { observer_.send(event); }

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
  processes_before_ = read_process_state(with_helpers(pids_of(segment_)));
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

bool Agent::last_block_is_observed() const {
  return observed_block_ >= block_ - 1 || monotonic_ns() - block_end_ns_ > kObserverPatience_ns;
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

void Agent::miss_recorder(std::int64_t now_ns) {
  const std::int64_t silent_ns = now_ns - std::max(segment_.control().recorder_heard_ns.load(), opened_ns_);
  if (ended_at_ns_ != 0 || silent_ns < kRecorderGone_ns) return;
  Json event = make_event("recorder_lost", config_.node);
  event["silent_ns"] = silent_ns;
  emit(std::move(event));
  end_run("recorder_lost");
}

bool Agent::watch_ranks() {
  const auto slots = segment_.slots();
  bool any_runs = false;
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    const RankEnd end = slots[i].end.load();
    if (end == RankEnd::finished) continue;
    pollfd process{ranks_[i].get(), POLLIN, 0};
    const bool gone = !ranks_[i] || ::poll(&process, 1, 0) == 1;
    if (!gone) any_runs = true;
    if (!gone || deaths_at_ns_ != 0 || ended_at_ns_ != 0) continue;
    deaths_at_ns_ = monotonic_ns();
    note_end(slots[i], deaths_at_ns_);  // the observer, which no revert keeps waiting, tells the others
    const Doing doing(segment_.control(), AgentDoing::applying_or_reverting);
    windows_.take_off(RevertReason::rank_died);
    segment_.control().lease_deadline_ns.store(windows_.lease_deadline_ns());
  }
  const std::int64_t now_ns = monotonic_ns();
  if (any_runs && deaths_at_ns_ != 0 && now_ns - deaths_at_ns_ >= kOrder_ns)
    end_run("a rank of this node ended, and no order of the recorder came");
  return any_runs && (ended_at_ns_ == 0 || now_ns - ended_at_ns_ < kRanksDie_ns);
}

void Agent::end_run(const std::string& why) {
  if (ended_at_ns_ != 0) return;
  ended_at_ns_ = monotonic_ns();
  // Its observer lets it revert for as long as a lease allows.
  const Doing doing(segment_.control(), AgentDoing::applying_or_reverting);
  windows_.take_off(RevertReason::shutdown);  // a command that takes long does not keep the ranks alive
  Json event = make_event("ended", config_.node);
  event["why"] = why;
  event["ranks"] = Json::array();
  const auto slots = segment_.slots();
  segment_.control().agent_ends_ranks_ns.store(monotonic_ns());
  for (std::size_t i = 0; i < ranks_.size(); ++i)
    if (pollfd end{ranks_[i].get(), POLLIN, 0}; ranks_[i] && ::poll(&end, 1, 0) == 0)
      event["ranks"].push_back(slots[i].rank);
  // grit itself made the local cluster: there it says the code.
  if (const int code = ranks_exit_code(why); code != 0 && !config_.plan.topology.local_cluster) ranks_leave_with(code);
  for (const Fd& rank : ranks_)
    if (rank) ::syscall(SYS_pidfd_send_signal, rank.get(), SIGKILL, nullptr, 0);
  emit(std::move(event));
  windows_.end(RevertReason::shutdown);
  segment_.control().lease_deadline_ns.store(0);
}

void Agent::stood_still(std::int64_t since_ns) {
  observer_.watch_anew();
  const auto slots = segment_.slots();
  const bool finished = std::all_of(slots.begin(), slots.end(),
                                    [](const RankSlot& slot) { return slot.end.load() == RankEnd::finished; });
  if (finished || ended_at_ns_ != 0) return;  // nothing more is measured, and the end has its cause
  Json event = make_event("stood_still", config_.node, since_ns);
  event["stood_ns"] = monotonic_ns() - since_ns;
  emit(std::move(event));
  end_run("stood_still");
}

/// By themselves, if they can: one that is stopped, or waits for a device, is then killed.
void Agent::ranks_leave_with(int code) {
  segment_.control().leave_with.store(code);
  std::vector<pollfd> ends;
  for (const Fd& rank : ranks_) {
    if (!rank || ::syscall(SYS_pidfd_send_signal, rank.get(), SIGTERM, nullptr, 0) != 0) continue;
    ends.push_back({rank.get(), POLLIN, 0});
  }
  const std::int64_t deadline_ns = monotonic_ns() + kRanksLeave_ns;
  for (pollfd& end : ends) {
    const std::int64_t left_ns = std::max<std::int64_t>(deadline_ns - monotonic_ns(), 0);
    ::poll(&end, 1, static_cast<int>(left_ns / kNsPerMs));
  }
}

bool Agent::waits_for_look() const {
  return !in_block_ && look_before(config_.plan, block_) && segment_.control().look_passed.load() < block_;
}

void Agent::watch_observer() {
  while (const auto news = observer_.receive()) {
    if (news->end) end_run(*news->end);
    if (news->observed_block) observed_block_ = std::max(observed_block_, *news->observed_block);
  }
  if (observer_.is_gone(segment_.control().observer_beat_ns.load())) replace_observer();
}

void Agent::replace_observer() {
  keep_spare();
  if (!spare_) return;  // the next tick tries again
  spare_->watch_anew();
  spare_->adopt(observer_);
  observer_ = std::move(*spare_);
  spare_.reset();
  emit(make_event("observer_restarted", config_.node));
}

void Agent::keep_spare() {
  if (spare_ || !has_one_thread()) return;
  auto another = ObserverProcess::fork(config_, segment_, true);
  if (another)
    spare_ = std::move(*another);
  else
    fmt::print(stderr, "grit agent: {}\n", another.error().message);
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

void Agent::report_residue(const std::vector<std::string>& found) {
  residue_ = true;
  Json event = make_event("residue", config_.node);
  event["block"] = block_;
  event["differences"] = found;
  emit(std::move(event));
}

void Agent::compare_processes() {
  if (processes_before_.empty()) return;
  const auto found = lasting_differences(
      processes_before_, [&] { return read_process_state(with_helpers(pids_of(segment_))); }, kSettleInRun_ns);
  const BlockKind kind = config_.plan.blocks[static_cast<std::size_t>(block_)].kind;
  if (windows_.armed_in(kind) && !found.empty()) report_residue(found);
}

bool Agent::node_is_as_before() {
  // A local cluster that is being torn down takes its links away, and all that was done to them.
  const bool torn_down = config_.plan.topology.local_cluster && (deaths_at_ns_ != 0 || ended_at_ns_ != 0);
  if (torn_down) return !residue_;
  NodeState now = read_node_state();
  NodeChanges found = changes(node_before_, now, reach_);
  for (const std::int64_t deadline_ns = monotonic_ns() + kSettle_ns;
       !found.within_reach.empty() && monotonic_ns() < deadline_ns;) {
    std::this_thread::sleep_for(kSettleStep);
    now = read_node_state();
    found = changes(node_before_, now, reach_);
  }
  if (const auto unread = unread_within(node_before_, now, reach_); !unread.empty()) {
    Json event = make_event("residue_unknown", config_.node);
    event["unread"] = unread;
    emit(std::move(event));
  }
  if (!found.elsewhere.empty()) {
    Json event = make_event("changed", config_.node);
    event["differences"] = found.elsewhere;
    emit(std::move(event));
  }
  if (!found.within_reach.empty()) report_residue(found.within_reach);
  return !residue_;
}

void Agent::finish() {
  follow_blocks();
  if (stopping_at_ns_ != 0) {
    emit(make_event("agent_stopped", config_.node, stopping_at_ns_));
    end_run("agent_stopped");
  }
  const Doing doing(segment_.control(), AgentDoing::ending);
  windows_.end(RevertReason::shutdown);
  windows_.keep_trying(kKeepTrying_ns);
  if (node_is_as_before()) windows_.close();  // else the journal stays, for whoever mends the node
  segment_.control().lease_deadline_ns.store(0);
  if (config_.node == 0) {
    const auto slots = segment_.slots();
    const bool all_finished = std::all_of(slots.begin(), slots.end(),
                                          [](const RankSlot& slot) { return slot.end.load() == RankEnd::finished; });
    Json event = make_event("run", config_.node);
    event["state"] = all_finished ? "finished" : "ended early";
    emit(std::move(event));
  }
  if (observer_.dropped() > 0) {
    Json event = make_event("unrecorded", config_.node);
    event["records"] = 0;
    event["events"] = observer_.dropped();
    emit(std::move(event));
  }
  { const NodeLock let_go = std::move(lock_); }  // nothing is done to the node any more; the recorder may be gone
  segment_.control().agent_beat_ns.store(monotonic_ns());
  if (observer_.say_goodbye(kGoodbye_ns)) return;
  // Without that word a run that ended well would be one that lost a node.
  replace_observer();
  if (!observer_.say_goodbye(kGoodbye_ns)) fmt::print(stderr, "grit agent: the observer did not end\n");
}

}  // namespace grit

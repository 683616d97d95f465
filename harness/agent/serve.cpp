#include "harness/agent/serve.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <functional>
#include <limits>
#include <thread>

#include "analysis/report/finish.hpp"
#include "harness/agent/journal.hpp"
#include "harness/agent/journal_files.hpp"
#include "harness/model/event.hpp"
#include "harness/os/process.hpp"

namespace grit {
namespace {

constexpr std::int64_t kTick_ns = 100 * kNsPerMs;  // how often records are collected
constexpr std::int64_t kHeartbeat_ns = kNsPerS;
constexpr std::int64_t kCheck_ns = 500 * kNsPerMs;
constexpr std::int64_t kRanksDie_ns = 5 * kNsPerS;  // after SIGKILL; a rank that waits for a device may take longer
constexpr std::int64_t kOrder_ns = 2 * kNsPerS;     // from the report of a rank's end to the recorder's order, at most
constexpr std::int64_t kGoodbye_ns = 6 * kNsPerS;   // how long the recorder waits for the other agents
/// How long the recorder may be silent: it speaks once a second, and when it died its successor may need some seconds
/// to start. Longer than what makes a node lost, so that a recorder that lives names the node before the node ends
/// itself.
constexpr std::int64_t kRecorderSilence_ns = 15 * kNsPerS;
/// How long what the kernel itself puts back (IPv6 addresses, links of other nodes of this machine) may take.
constexpr std::int64_t kSettle_ns = 2 * kNsPerS;
constexpr std::int64_t kSettleInRun_ns = 200 * kNsPerMs;  // the ranks wait meanwhile
constexpr auto kSettleStep = std::chrono::milliseconds(50);
constexpr std::int64_t kStepLook_ns = kNsPerMs;  // how often a rank's step is looked at when something waits for it
constexpr std::size_t kBatch = 512;

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

std::vector<RankProcess> processes_of(const Segment& segment) {
  std::vector<RankProcess> processes;
  for (const RankSlot& slot : segment.slots()) processes.push_back({slot.rank, slot.pid});
  return processes;
}

std::vector<int> pids_of(const Segment& segment) {
  std::vector<int> pids;
  for (const RankSlot& slot : segment.slots()) pids.push_back(slot.pid);
  return pids;
}

}  // namespace

Agent::Agent(AgentConfig config, Segment segment, Fd wake, NodeLock lock)
    : config_(std::move(config)),
      segment_(std::move(segment)),
      wake_(std::move(wake)),
      lock_(std::move(lock)),
      windows_(
          config_.plan, config_.node, journal_file(config_.journal_directory, config_.plan, config_.node),
          [this](Json event) { emit(std::move(event)); }, node_ranks(segment_)),
      check_log_(config_.node, [this](Json event) { emit(std::move(event)); }),
      usage_(processes_of(segment_)),
      batch_(kBatch) {}

Result<std::unique_ptr<Agent>> Agent::open(AgentConfig config, Segment segment, Fd wake) {
  GRIT_TRY(NodeLock lock, NodeLock::acquire());
  std::unique_ptr<Agent> agent(new Agent(std::move(config), std::move(segment), std::move(wake), std::move(lock)));
  GRIT_CHECK(agent->start_recording());
  GRIT_CHECK(agent->recover());
  agent->node_before_ = read_node_state();
  GRIT_CHECK(agent->windows_.check_available());
  GRIT_CHECK(agent->open_descriptors());
  agent->open_kernel_log();
  agent->join_run();
  return agent;
}

Status Agent::start_recording() {
  if (config_.recorder) {
    GRIT_TRY(recorder_, Recorder::open(config_.run_directory, config_.listen_address, config_.endpoint, config_.keys,
                                       static_cast<int>(config_.plan.topology.nodes.size())));
    config_.endpoint = recorder_->endpoint();
  }
  GRIT_TRY(uplink_, Uplink::connect(config_.endpoint, config_.keys, config_.node));
  recorder_heard_ns_ = monotonic_ns();
  return {};
}

/// Journals in this node's directory belong to runs that are over (we hold the node) or to our predecessor.
Status Agent::recover() {
  GRIT_TRY(const auto files, journals_of_this_node(config_.journal_directory));
  for (const auto& file : files) {
    auto report = revert_journal(file, ::geteuid());
    Json event = make_event("recovered", config_.node);
    event["journal"] = file.string();
    event["reverted"] = report ? report->reverted : 0;
    event["problems"] = report ? Json(report->problems) : Json::array({report.error().message});
    emit(std::move(event));
    if (report && report->problems.empty()) continue;
    const std::string why = report ? report->problems.front() : report.error().message;
    return internal_error(
        fmt::format("an earlier run left something behind that cannot be reverted ({}): {}", file.string(), why));
  }
  segment_.control().lease_deadline_ns.store(0);
  return {};
}

Status Agent::open_descriptors() {
  timer_ = Fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!timer_) return errno_error("timerfd_create");
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &term, nullptr);
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
  } else if (config_.recorder) {
    Json event = make_event("run", config_.node);
    event["state"] = "started";
    emit(std::move(event));
  }
  if (left < entered) {  // our predecessor died in this block: its faults are off, the block goes on without
    block_ = entered;
    in_block_ = true;
  } else {
    arm(left + 1);
  }
}

void Agent::emit(Json event) {
  if (auto sent = uplink_->send_event(event); !sent) fmt::print(stderr, "grit agent: {}\n", sent.error().message);
}

void Agent::arm(int block) {
  block_ = block;
  if (block >= static_cast<int>(config_.plan.blocks.size()) || waits_for_look()) return;
  const Block& planned = config_.plan.blocks[static_cast<std::size_t>(block)];
  // Before and after every block, though only the faults' blocks need it: what is done before the ones and not before
  // the others is measured as their effect. On 2 cores with 8 processes this alone made fault blocks 0.3 % slower.
  processes_before_ = read_process_state(pids_of(segment_));
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
  if (!in_block_ && segment_.control().agent_ready_block.load() < block_ && !waits_for_look()) arm(block_);
  if (!in_block_ && first.block_entered.load(std::memory_order_acquire) == block_) {
    in_block_ = true;
    windows_.start(first.block_entered_ns.load());
    act();  // before anything else is written or sent: a fault that starts with the block is due now
    block_event("begin", first.block_entered_ns.load());
    report_usage("begin");
    run_checks(CheckTime::block_begins);
  }
  if (in_block_ && all_left_block()) {
    windows_.end(RevertReason::block_end);
    segment_.control().lease_deadline_ns.store(0);
    report_usage("end");
    run_checks(CheckTime::block_ends);
    drain_records();  // before the word that they are all there (look())
    block_event("end", monotonic_ns());
    compare_processes();
    in_block_ = false;
    arm(block_ + 1);
  }
}

void Agent::act() {
  if (in_block_ && windows_.waits_for_step())
    windows_.step_begun(segment_.slots()[0].step_in_block.load(std::memory_order_relaxed), monotonic_ns());
  for (auto due = windows_.next_action_ns(); due && *due <= monotonic_ns(); due = windows_.next_action_ns()) {
    windows_.act(monotonic_ns());
    segment_.control().lease_deadline_ns.store(windows_.lease_deadline_ns());
  }
}

void Agent::drain_records() {
  for (RankSlot& slot : segment_.slots())
    for (std::size_t got = pop_records(slot, batch_); got > 0; got = pop_records(slot, batch_))
      if (auto sent = uplink_->send_records({batch_.data(), got}); !sent)
        fmt::print(stderr, "grit agent: {}\n", sent.error().message);
}

void Agent::run_checks(CheckTime time) {
  const Node& node = config_.plan.topology.nodes[static_cast<std::size_t>(config_.node)];
  check_memory_.resize(config_.plan.checks.size());
  for (std::size_t i = 0; i < config_.plan.checks.size(); ++i) {
    const ScenarioPlugin& planned = config_.plan.checks[i];
    const Check* check = find_check(planned.name);
    GRIT_ASSERT(check != nullptr);
    if (time == CheckTime::block_begins) check_memory_[i].clear();
    if (time != CheckTime::in_block && !check->info().counts) continue;
    const auto outcome = check->run(node, Params(planned.params), check_memory_[i]);
    if (time == CheckTime::block_begins) continue;  // what it counts from
    check_log_.take(i, planned.name, block_, outcome);
  }
  if (time == CheckTime::block_ends) check_log_.end_block(block_);
}

void Agent::report_usage(std::string_view edge) {
  usage_.look(monotonic_ns());
  Json event = make_event("usage", config_.node);
  event["block"] = block_;
  event["edge"] = edge;
  event.update(usage_.read());
  emit(std::move(event));
}

void Agent::tick() {
  const std::int64_t now_ns = monotonic_ns();
  if (now_ns - last_tick_ns_ >= kTick_ns) {
    last_tick_ns_ = now_ns;
    drain_records();
    windows_.keep_memory_free();
    usage_.look(now_ns);
    watch_for_hang(now_ns);
  }
  if (now_ns - last_heartbeat_ns_ >= kHeartbeat_ns) {
    last_heartbeat_ns_ = now_ns;
    uplink_->heartbeat();
  }
  if (in_block_ && !config_.plan.checks.empty() && now_ns - last_check_ns_ >= kCheck_ns) {
    last_check_ns_ = now_ns;
    run_checks(CheckTime::in_block);
  }
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
    windows_.end(RevertReason::rank_died);
    segment_.control().lease_deadline_ns.store(0);
    Json event = make_event(end == RankEnd::running ? "rank_died" : "run", config_.node);
    event["rank"] = slots[i].rank;
    event["pid"] = slots[i].pid;
    if (end != RankEnd::running) event["state"] = end == RankEnd::interrupted ? "interrupted" : "failed";
    emit(std::move(event));
  }
  const std::int64_t now_ns = monotonic_ns();
  if (any_runs && deaths_at_ns_ != 0 && now_ns - deaths_at_ns_ >= kOrder_ns)
    end_run("a rank of this node ended, and no order of the recorder came");
  return any_runs && (ended_at_ns_ == 0 || now_ns - ended_at_ns_ < kRanksDie_ns);
}

void Agent::end_run(const std::string& why) {
  if (ended_at_ns_ != 0) return;
  ended_at_ns_ = monotonic_ns();
  windows_.end(RevertReason::shutdown);
  segment_.control().lease_deadline_ns.store(0);
  Json event = make_event("ended", config_.node);
  event["why"] = why;
  event["ranks"] = Json::array();
  const auto slots = segment_.slots();
  for (std::size_t i = 0; i < ranks_.size(); ++i)
    if (ranks_[i] && ::syscall(SYS_pidfd_send_signal, ranks_[i].get(), SIGKILL, nullptr, 0) == 0)
      event["ranks"].push_back(slots[i].rank);
  emit(std::move(event));
}

void Agent::take_orders() {
  while (const auto message = uplink_->receive()) {
    recorder_heard_ns_ = monotonic_ns();
    if (message->kind != MessageKind::end) continue;
    const auto cause = parse_json(message->payload);
    const auto type = cause && cause->is_object() ? cause->find("type") : Json::const_iterator();
    const bool named = cause && cause->is_object() && type != cause->end() && type->is_string();
    end_run(named ? type->get<std::string>() : "ordered");
  }
  const std::int64_t silent_ns = monotonic_ns() - recorder_heard_ns_;
  if (silent_ns < kRecorderSilence_ns || ended_at_ns_ != 0) return;
  Json event = make_event("recorder_lost", config_.node);
  event["silent_ns"] = silent_ns;
  emit(std::move(event));
  end_run("recorder_lost");
}

void Agent::poll_once() {
  std::vector<zmq_pollitem_t> items{{nullptr, wake_.get(), ZMQ_POLLIN, 0},
                                    {nullptr, timer_.get(), ZMQ_POLLIN, 0},
                                    {nullptr, signals_.get(), ZMQ_POLLIN, 0}};
  items.push_back({uplink_->socket(), 0, ZMQ_POLLIN, 0});
  for (const Fd& rank : ranks_)
    if (rank && deaths_at_ns_ == 0 && ended_at_ns_ == 0) items.push_back({nullptr, rank.get(), ZMQ_POLLIN, 0});
  const auto witnesses = windows_.witness_descriptors();
  if (kernel_log_) items.push_back({nullptr, kernel_log_->descriptor(), ZMQ_POLLIN, 0});
  for (const int fd : witnesses) items.push_back({nullptr, fd, ZMQ_POLLIN, 0});
  if (recorder_)
    for (void* socket : recorder_->sockets()) items.push_back({socket, 0, ZMQ_POLLIN, 0});

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
  ::zmq_poll(items.data(), static_cast<int>(items.size()), kTick_ns / kNsPerMs);
  if (items[0].revents != 0) swallow(wake_.get());
  if (items[1].revents != 0) swallow(timer_.get());
  if (items[2].revents != 0) stopping_ = true;
}

Status Agent::serve() {
  while (watch_ranks() && !stopping_) {
    poll_once();
    take_orders();
    follow_blocks();
    act();
    windows_.drain_witnesses();
    tick();
    look();
    watch_kernel_log();
    if (recorder_)
      if (auto pumped = recorder_->pump(); !pumped) fmt::print(stderr, "grit agent: {}\n", pumped.error().message);
  }
  finish();
  return recorder_ ? finish_recording() : Status();
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
      processes_before_, [&] { return read_process_state(pids_of(segment_)); }, kSettleInRun_ns);
  const BlockKind kind = config_.plan.blocks[static_cast<std::size_t>(block_)].kind;
  if (windows_.armed_in(kind) && !found.empty()) report_residue(found);
}

bool Agent::node_is_as_before() {
  // A local cluster that is being torn down takes its links away, and all that was done to them.
  const bool torn_down = config_.plan.topology.local_cluster && (deaths_at_ns_ != 0 || ended_at_ns_ != 0);
  if (torn_down) return !residue_;
  const auto found = lasting_differences(node_before_, read_node_state, kSettle_ns);
  if (!found.empty()) report_residue(found);
  return !residue_;
}

void Agent::finish() {
  follow_blocks();
  if (stopping_) {
    emit(make_event("agent_stopped", config_.node));
    end_run("agent_stopped");
  }
  windows_.end(RevertReason::shutdown);
  if (node_is_as_before()) windows_.close();  // else the journal stays, for whoever mends the node
  segment_.control().lease_deadline_ns.store(0);
  if (in_block_) check_log_.end_block(block_);
  drain_records();
  for (const RankSlot& slot : segment_.slots()) {
    if (slot.lost.load() == 0) continue;
    Json event = make_event("records_lost", config_.node);
    event["rank"] = slot.rank;
    event["count"] = slot.lost.load();
    emit(std::move(event));
  }
  if (recorder_) {
    const auto slots = segment_.slots();
    const bool all_finished = std::all_of(slots.begin(), slots.end(),
                                          [](const RankSlot& slot) { return slot.end.load() == RankEnd::finished; });
    Json event = make_event("run", config_.node);
    event["state"] = all_finished ? "finished" : "ended early";
    emit(std::move(event));
  }
  uplink_->goodbye();
  if (!recorder_) uplink_->close(static_cast<int>(kGoodbye_ns / kNsPerMs));
}

Status Agent::finish_recording() {
  const std::int64_t deadline_ns = monotonic_ns() + kGoodbye_ns;
  while (!recorder_->all_said_goodbye() && monotonic_ns() < deadline_ns) {
    std::vector<zmq_pollitem_t> items;
    for (void* socket : recorder_->sockets()) items.push_back({socket, 0, ZMQ_POLLIN, 0});
    ::zmq_poll(items.data(), static_cast<int>(items.size()), kTick_ns / kNsPerMs);
    if (auto pumped = recorder_->pump(); !pumped) fmt::print(stderr, "grit agent: {}\n", pumped.error().message);
  }
  uplink_->close(0);
  auto verdict = finish_run(config_.run_directory);
  return verdict ? Status() : Status(with_context(verdict.error(), "cannot finish the run"));
}

}  // namespace grit

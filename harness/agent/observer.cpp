#include "harness/agent/observer.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <optional>
#include <vector>

#include "harness/agent/hang_watch.hpp"
#include "harness/agent/nic_traffic.hpp"
#include "harness/agent/node_checks.hpp"
#include "harness/agent/rank_usage.hpp"
#include "harness/agent/span_carrier.hpp"
#include "harness/agent/uplink.hpp"
#include "harness/base/json_fields.hpp"
#include "harness/base/own_pause.hpp"
#include "harness/model/event.hpp"
#include "harness/os/kernel_log.hpp"
#include "harness/os/netlink.hpp"
#include "harness/os/process.hpp"

namespace grit {
namespace {

/// How often ranks' states are sampled and their rings looked at: so often that a block has kSamplesABlock, within
/// these.
constexpr std::int64_t kShortestTick_ns = 100 * kNsPerMs, kLongestTick_ns = 500 * kNsPerMs;
constexpr std::int64_t kSamplesABlock = 50;
/// How often the recorder hears of this node at least: by its records, else by a heartbeat. Nothing waits for them, and
/// what a message costs on both sides hardly depends on how many records are in it. They go at once when a ring is a
/// fourth full, and when a block ends.
constexpr std::int64_t kSpeak_ns = 2 * kNsPerS;
constexpr std::size_t kManyRecords = kRingCapacity / 4;
/// With more than that waiting, of that time at most, steps are so short that a ring is looked at in every shortest
/// tick.
constexpr std::size_t kFewRecords = kRingCapacity / 64;
constexpr std::size_t kFewSpans = kSpanCapacity / 8;  // the same of spans
constexpr std::int64_t kBusy_ns = 2 * kNsPerS;        // an agent that has not gone around its loop for so long is busy
constexpr int kGoodbye_ms = 6000;                     // how long what is queued for the recorder may take at the end
/// How long the recorder may be silent: it speaks every two seconds, and when it died its successor may need some
/// seconds to start. Longer than what makes a node lost, so that a recorder that lives names the node before the node
/// ends itself.
constexpr std::int64_t kRecorderSilence_ns = 7 * kNsPerS;
/// A gap between two turns of this loop: its agent, which ends an observer that is silent for 4 s, was stopped, too.
constexpr std::int64_t kBothStopped_ns = 5 * kNsPerS;
/// How long the agent may take to end the ranks, which is the first thing it does when it has asked its faults to come
/// off: what it is at meanwhile, such as a link that comes up, takes a second or two. With the 5 s after which a node
/// is lost, all is over in 10 s.
constexpr std::int64_t kObedience_ns = 4 * kNsPerS;
constexpr int kWorstKernelLevel = 4;   // warnings and worse (syslog(2)); a link that goes down is 6, and seen elsewhere
constexpr int kMostKernelLines = 200;  // a node in trouble can write thousands

std::vector<RankProcess> processes_of(const Segment& segment) {
  std::vector<RankProcess> processes;
  for (const RankSlot& slot : segment.slots()) processes.push_back({slot.rank, slot.pid});
  return processes;
}

class Observer {
 public:
  Observer(const AgentConfig& config, const Segment& segment, Fd line, Uplink uplink,
           Result<std::optional<CheckRunner>> runner)
      : config_(config),
        segment_(segment),
        line_(std::move(line)),
        uplink_(std::move(uplink)),
        spans_(segment, uplink_, static_cast<int>(config.plan.topology.nodes.size())),
        agent_(static_cast<int>(::syscall(SYS_pidfd_open, ::getppid(), 0))),
        usage_(processes_of(segment)),
        checks_(config.plan, config.node, std::move(runner), [this](const Json& event) { emit(event); }) {
    for (RankSlot& slot : segment.slots()) {
      Fd process(static_cast<int>(::syscall(SYS_pidfd_open, slot.pid, 0)));
      if (process || errno == ESRCH) running_.push_back({&slot, std::move(process)});
    }
  }

  void run() {
    open_kernel_log();
    watch_ranks();
    while (!agent_done_ && !agent_gone_) {
      poll_once();
      pause_.turn(monotonic_ns());
      if (!agent_gone_) tick();
      segment_.control().observer_beat_ns.store(monotonic_ns());
    }
    if (agent_done_ || agent_ended_) {
      watch_ranks();
      checks_.end_block();
      drain_records();
      spans_.finish();
      report_lost_records();
      report_dropped();
      uplink_.goodbye();
    }
    uplink_.close(kGoodbye_ms);
  }

 private:
  struct Running {
    RankSlot* slot = nullptr;
    Fd process{};  // pidfd; empty: it had ended when the observer began
  };
  static bool runs(const Running& rank) { return rank.slot->end.load() != RankEnd::finished; }

  void poll_once() {
    enum : std::size_t { kAgent, kRecorder, kKernel, kChecks, kRanks };
    std::vector<pollfd> items{{line_.get(), POLLIN, 0},
                              {uplink_.descriptor(), POLLIN, 0},
                              {kernel_log_ ? kernel_log_->descriptor() : -1, POLLIN, 0},
                              {checks_.descriptor(), POLLIN, 0}};
    for (const Running& rank : running_) items.push_back({rank.process.get(), POLLIN, 0});
    const bool message = uplink_.has_message();
    if (::poll(items.data(), items.size(), message ? 0 : patience_ms()) <= 0 && !message) return;
    if (items[kAgent].revents != 0) take_from_agent();
    if (message || items[kRecorder].revents != 0) take_orders();
    if (items[kKernel].revents != 0) watch_kernel_log();
    const auto ended = [](const pollfd& item) { return item.revents != 0; };
    if (!agent_gone_ && std::any_of(items.begin() + kRanks, items.end(), ended)) watch_ranks();
  }

  /// Until the next tick, or a check is due.
  [[nodiscard]] int patience_ms() const {
    const std::int64_t due_ns = std::max<std::int64_t>(checks_.next_ns() - monotonic_ns(), 0);
    return static_cast<int>(std::min(tick_ns_, due_ns) / kNsPerMs) + 1;
  }

  void emit(const Json& event) {
    if (auto sent = uplink_.send_event(event); !sent) fmt::print(stderr, "grit observer: {}\n", sent.error().message);
  }

  /// False: it has no room, for it has not taken what was said before. Orders come again.
  bool tell_agent(const Json& what) {
    const std::string text = json_text(what);
    return ::send(line_.get(), text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0;
  }

  void order_end(const std::string& why) {
    if (!order_) order_ = {why, monotonic_ns()};
    tell_agent(Json{{"end", why}});
  }

  void take_from_agent() {
    for (;;) {
      const ssize_t size = ::recv(line_.get(), nullptr, 0, MSG_PEEK | MSG_TRUNC | MSG_DONTWAIT);
      if (size < 0) {
        agent_gone_ = errno != EAGAIN && errno != EINTR;
        return;
      }
      std::string text(static_cast<std::size_t>(size), '\0');
      const ssize_t got = ::recv(line_.get(), text.data(), text.size(), MSG_DONTWAIT);
      agent_gone_ = got == 0;  // no message is empty
      if (got <= 0) return;
      if (text == kObserverGoodbye) {
        agent_done_ = true;
        return;
      }
      if (const auto event = parse_json(text); event && event->is_object()) take_event(*event);
    }
  }

  void take_event(const Json& event) {
    const bool is_block = has_text(event, "type", "block");
    if (is_block && has_text(event, "edge", "end")) {
      block_ = event.value("block", block_);
      report_usage("end");
      checks_.end_block();
      report_idle_nics();
      drain_records();  // before the word that they are all there (NodeControl::left_by_all)
      spans_.carry(monotonic_ns(), true);
      emit(event);
      tell_agent(Json{{"observed", block_}});
      return;
    }
    emit(event);
    if (!is_block) return;
    block_ = event.value("block", block_);
    report_usage("begin");
    checks_.begin_block(block_);
    if (!traffic_told_ && is_baseline()) traffic_before_ = read_traffic();
  }

  void take_orders() {
    while (const auto message = uplink_.receive()) {
      recorder_heard_ns_ = monotonic_ns();
      segment_.control().recorder_heard_ns.store(recorder_heard_ns_);
      if (!recorder_told_) recorder_told_ = tell_agent(Json{{"recorder", true}});
      if (message->kind == MessageKind::taken) {
        spans_.taken(recorder_heard_ns_);
        if (!agent_gone_) spans_.carry(recorder_heard_ns_);  // else they are its successor's
      }
      if (message->kind != MessageKind::end) continue;
      const auto cause = parse_json(message->payload);
      const std::string type = cause && cause->is_object() ? text_at(*cause, "type") : std::string();
      order_end(type.empty() ? "ordered" : type);
    }
  }

  void watch_recorder(std::int64_t now_ns) {
    const std::int64_t silent_ns = pause_.silence_ns(recorder_heard_ns_, now_ns);
    if (silent_ns < kRecorderSilence_ns) return;
    if (!recorder_lost_) {
      Json event = make_event("recorder_lost", config_.node);
      event["silent_ns"] = silent_ns;
      emit(event);
    }
    recorder_lost_ = true;
    order_end("recorder_lost");
  }

  /// To follow the order is the agent's, and it knows how. One that does not leaves the ranks running.
  void enforce_order(std::int64_t now_ns) {
    if (!order_ || pause_.silence_ns(order_->heard_ns, now_ns) < kObedience_ns) return;
    // Ranks that have finished wait for the agent alone, and have the verdict to say.
    const bool any_runs = std::any_of(running_.begin(), running_.end(), runs);
    if (any_runs && segment_.control().agent_ends_ranks_ns.load() == 0) end_ranks(now_ns);
    if (agent_gets_nowhere(now_ns)) end_agent();
  }

  void end_ranks(std::int64_t now_ns) {
    NodeControl& control = segment_.control();
    control.agent_ends_ranks_ns.store(now_ns);
    control.end_told.store(1);
    Json event = make_event("ended", config_.node, now_ns);
    event["why"] = order_->why;
    event["enforced"] = true;
    event["ranks"] = Json::array();
    for (const Running& rank : running_)
      if (runs(rank) && rank.process && ::syscall(SYS_pidfd_send_signal, rank.process.get(), SIGKILL, nullptr, 0) == 0)
        event["ranks"].push_back(rank.slot->rank);
    emit(event);
  }

  /// It is stopped, or has hung beyond what it may be at. One that reverts has its time: its successor would begin
  /// anew.
  [[nodiscard]] bool agent_gets_nowhere(std::int64_t now_ns) const {
    const NodeControl& control = segment_.control();
    const std::int64_t beat_ns = control.agent_beat_ns.load();
    const AgentDoing doing = control.agent_doing.load();
    const bool reverts = doing != AgentDoing::waiting && doing != AgentDoing::arming;
    const auto agent = identify_process(::getppid());
    const auto state = agent ? process_state(*agent) : Result<std::optional<ProcessState>>(std::nullopt);
    const bool stopped = state && *state && ((*state)->state == 'T' || (*state)->state == 't');
    return stopped || lease_overdue(control, kLeaseGrace_ns, now_ns) ||
           (!reverts && beat_ns != 0 && now_ns - beat_ns > kObedience_ns);
  }

  /// What it had in force goes with it, is reverted by its heir, or is in its journal.
  void end_agent() {
    if (agent_ended_ || !agent_ || ::syscall(SYS_pidfd_send_signal, agent_.get(), SIGKILL, nullptr, 0) != 0) return;
    agent_ended_ = true;
    Json event = make_event("residue_unknown", config_.node);
    event["unread"] = Json::array({"everything: its agent did not follow the order to end, and was ended"});
    emit(event);
  }

  void tick() {
    const std::int64_t now_ns = monotonic_ns();
    if (now_ns - last_tick_ns_ >= tick_ns_) {
      last_tick_ns_ = now_ns;
      look_at_rings(now_ns);
      watch_recorder(now_ns);
      enforce_order(now_ns);
      usage_.look(now_ns);
      watch_for_hang(now_ns);
      watch_agent(now_ns);
    }
    if (now_ns - uplink_.last_sent_ns() >= kSpeak_ns) uplink_.heartbeat();
    checks_.turn(now_ns);
  }

  void watch_ranks() {
    std::erase_if(running_, [this](const Running& rank) {
      pollfd process{rank.process.get(), POLLIN, 0};
      if (rank.process && ::poll(&process, 1, 0) != 1) return false;
      tell_end(*rank.slot);
      return true;
    });
  }

  /// The first of the node's ranks that ends without having finished, unless its agent has ended it. The agent takes
  /// the faults off then, but it may be in another revert: nobody waits for that to hear of the death.
  void tell_end(RankSlot& slot) {
    const RankEnd end = slot.end.load();
    if (end == RankEnd::finished) return;
    NodeControl& control = segment_.control();
    const std::int64_t ended_ns = note_end(slot, monotonic_ns()), killed_ns = control.agent_ends_ranks_ns.load();
    if ((killed_ns != 0 && ended_ns >= killed_ns) || control.end_told.load() != 0) return;
    Json event = make_event(end == RankEnd::running ? "rank_died" : "run", config_.node, ended_ns);
    event["rank"] = slot.rank;
    event["pid"] = slot.pid;
    if (end != RankEnd::running) event["state"] = end == RankEnd::interrupted ? "interrupted" : "failed";
    emit(event);
    control.end_told.store(1);
  }

  void drain_records() {
    drained_at_ns_ = monotonic_ns();
    tell_wrong_values();
    for (RankSlot& slot : segment_.slots()) {
      const std::size_t before = batch_.size();
      batch_.resize(before + slot.steps.waiting());
      batch_.resize(before + slot.steps.pop(std::span(batch_).subspan(before)));
      if (batch_.size() >= kManyRecords) send_batch();
    }
    send_batch();
  }

  void tell_wrong_values() {
    for (RankSlot& slot : segment_.slots())
      while (const auto wrong = slot.wrong_values.take()) emit(wrong_value_event(*wrong, config_.node, slot.rank));
  }

  void send_batch() {
    if (auto sent = uplink_.send_records(batch_); !sent)
      fmt::print(stderr, "grit observer: {}\n", sent.error().message);
    batch_.clear();
  }

  void look_at_rings(std::int64_t now_ns) {
    std::size_t most = 0;
    for (const RankSlot& slot : segment_.slots()) most = std::max(most, slot.steps.waiting());
    const bool fast = most > kFewRecords || spans_.most_waiting() > kFewSpans;
    tick_ns_ = fast ? kShortestTick_ns
                    : std::clamp(config_.plan.design.block_ns / kSamplesABlock, kShortestTick_ns, kLongestTick_ns);
    if (now_ns - drained_at_ns_ >= kSpeak_ns || most >= kManyRecords) drain_records();
    spans_.carry(now_ns);
  }

  void report_lost_records() {
    std::uint64_t spans = spans_.dropped();
    for (const RankSlot& slot : segment_.slots()) {
      spans += slot.spans.lost.load();
      if (slot.steps.lost.load() == 0) continue;
      Json event = make_event("records_lost", config_.node);
      event["rank"] = slot.rank;
      event["count"] = slot.steps.lost.load();
      emit(event);
    }
    if (spans == 0) return;
    Json event = make_event("spans_lost", config_.node);
    event["count"] = spans;
    emit(event);
  }

  /// What there was no room for in the queue to a recorder that took nothing; by now it has some again.
  void report_dropped() {
    if (uplink_.dropped_records() + uplink_.dropped_events() == 0) return;
    Json event = make_event("unrecorded", config_.node);
    event["records"] = uplink_.dropped_records();
    event["events"] = uplink_.dropped_events();
    emit(event);
  }

  void report_usage(std::string_view edge) {
    usage_.look(monotonic_ns());
    Json event = make_event("usage", config_.node);
    event["block"] = block_;
    event["edge"] = edge;
    event.update(usage_.read());
    emit(event);
  }

  [[nodiscard]] bool is_baseline() const {
    const auto& blocks = config_.plan.blocks;
    return block_ >= 0 && static_cast<std::size_t>(block_) < blocks.size() &&
           blocks[static_cast<std::size_t>(block_)].kind == BlockKind::baseline;
  }

  NicBytes read_traffic() {
    if (!netlink_) {
      auto opened = Netlink::open();
      if (!opened) return {};
      netlink_ = std::move(*opened);
    }
    return read_nic_bytes(*netlink_, config_.plan.topology.nodes[static_cast<std::size_t>(config_.node)]);
  }

  /// After the first whole baseline block: what a NIC carries does not change with the block.
  void report_idle_nics() {
    if (traffic_told_ || traffic_before_.empty() || !is_baseline()) return;
    traffic_told_ = true;
    for (const IdleNic& idle : idle_nics(config_.plan, config_.node, traffic_before_, read_traffic())) {
      Json event = make_event("idle_nic", config_.node);
      event["block"] = block_;
      event["interface"] = idle.nic;
      event["bytes"] = idle.bytes;
      event["node_bytes"] = idle.node_bytes;
      emit(event);
    }
  }

  /// No rank of this node gets anywhere: says where each stands. The recorder then ends the
  /// run.
  void watch_for_hang(std::int64_t now_ns) {
    if (const auto waited_ns = hang_.look(segment_.slots(), now_ns)) report_hang(*waited_ns);
  }

  void report_hang(std::int64_t waited_ns) {
    Json event = make_event("hang", config_.node);
    event["block"] = block_;
    event["waited_ns"] = waited_ns;
    event["ranks"] = Json::array();
    for (const RankSlot& slot : segment_.slots()) {
      const auto identity = identify_process(slot.pid);
      const auto state = identity ? process_state(*identity) : Result<std::optional<ProcessState>>(std::nullopt);
      event["ranks"].push_back({{"rank", slot.rank},
                                {"step", slot.step_in_block.load()},
                                {"phase", to_string(static_cast<Phase>(slot.phase.load()))},
                                {"stopped", state && *state && (*state)->state == 'T'}});
    }
    emit(event);
  }

  /// Once for each time that it is busy: a fault's own command, a link that takes long to come up.
  void watch_agent(std::int64_t now_ns) {
    const std::int64_t since_ns = segment_.control().agent_beat_ns.load();
    if (since_ns == 0 || pause_.silence_ns(since_ns, now_ns) < kBusy_ns || since_ns == agent_busy_since_ns_) return;
    agent_busy_since_ns_ = since_ns;
    Json event = make_event("agent_busy", config_.node);
    event["since_ns"] = since_ns;
    event["doing"] = to_string(segment_.control().agent_doing.load());
    emit(event);
  }

  void open_kernel_log() {
    // The nodes of a local cluster have one kernel between them.
    if (config_.plan.topology.local_cluster && config_.node != 0) return;
    if (auto log = KernelLogReader::open()) kernel_log_ = std::move(*log);
  }

  /// What the kernel said last may be all that is known of a node that is lost: it is sent on at once.
  void watch_kernel_log() {
    while (kernel_log_) {
      const auto line = kernel_log_->next();
      if (!line) kernel_log_.reset();
      if (!line || !*line) return;
      if ((*line)->level > kWorstKernelLevel || ++kernel_lines_ > kMostKernelLines) continue;
      Json event = make_event("kernel", config_.node);
      event["level"] = (*line)->level;
      event["text"] = (*line)->text;
      if (kernel_lines_ == kMostKernelLines) event["last"] = true;  // later ones are not sent
      emit(event);
    }
  }

  const AgentConfig& config_;
  const Segment& segment_;
  Fd line_;
  Uplink uplink_;
  SpanCarrier spans_;
  Fd agent_;  // pidfd
  RankUsage usage_;
  NodeChecks checks_;
  std::vector<StepRecord> batch_{};
  std::vector<Running> running_{};
  std::optional<Netlink> netlink_{};  // for traffic
  NicBytes traffic_before_{};         // when the first baseline block began
  bool traffic_told_ = false;
  std::optional<KernelLogReader> kernel_log_{};  // empty: it may not be read here
  int kernel_lines_ = 0;
  int block_ = 0;
  bool agent_done_ = false, agent_gone_ = false;
  bool agent_ended_ = false;  // by this observer
  bool recorder_lost_ = false, recorder_told_ = false;
  struct Order {
    std::string why{};
    std::int64_t heard_ns = 0;
  };
  std::optional<Order> order_{};  // the first to end the node's part of the run
  OwnPause pause_{kBothStopped_ns};
  std::int64_t recorder_heard_ns_ = monotonic_ns();
  std::int64_t tick_ns_ = kShortestTick_ns;
  std::int64_t last_tick_ns_ = 0, drained_at_ns_ = 0;
  HangWatch hang_{config_.plan.design.hang_ns};
  std::int64_t agent_busy_since_ns_ = 0;
};

}  // namespace

Status observe(const AgentConfig& config, const Segment& segment, Fd line) {
  std::vector<int> rank_pids;
  for (const RankSlot& slot : segment.slots()) rank_pids.push_back(slot.pid);
  auto runner = start_checks(config.plan, config.node, std::move(rank_pids));  // before there are threads
  GRIT_TRY(Uplink uplink, Uplink::connect(config.endpoint, config.keys, config.node));
  Observer(config, segment, std::move(line), std::move(uplink), std::move(runner)).run();
  return {};
}

}  // namespace grit

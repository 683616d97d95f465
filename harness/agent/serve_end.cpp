// How an agent ends its node's part of a run, and itself.
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "harness/agent/doing.hpp"
#include "harness/agent/serve.hpp"
#include "harness/model/ending.hpp"
#include "harness/model/event.hpp"

namespace grit {
namespace {

constexpr std::int64_t kGoodbye_ns = 8 * kNsPerS;        // longer than the observer takes at most
constexpr std::int64_t kRanksLeave_ns = 200 * kNsPerMs;  // after SIGTERM, whose handler says a line and ends them
constexpr std::int64_t kKeepTrying_ns = 10 * kNsPerS;    // to take off what did not come off, before the agent ends

}  // namespace

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

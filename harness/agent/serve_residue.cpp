// What faults have left: on the ranks' processes after each block, on the node at the end.
#include <chrono>
#include <functional>
#include <thread>

#include "harness/agent/serve.hpp"
#include "harness/model/event.hpp"
#include "harness/os/process.hpp"

namespace grit {
namespace {

/// How long what the kernel itself puts back (IPv6 addresses, links of other nodes of this machine) may take.
constexpr std::int64_t kSettle_ns = 2 * kNsPerS;
constexpr std::int64_t kSettleInRun_ns = 200 * kNsPerMs;  // the ranks wait meanwhile
constexpr auto kSettleStep = std::chrono::milliseconds(50);

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

}  // namespace

std::vector<int> Agent::pids_of(const Segment& segment) {
  std::vector<int> pids;
  for (const RankSlot& slot : segment.slots()) pids.push_back(slot.pid);
  return pids;
}

NodeState Agent::read_processes() const { return read_process_state(with_helpers(pids_of(segment_))); }

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
      processes_before_, [this] { return read_processes(); }, kSettleInRun_ns);
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

}  // namespace grit

// Before the first block: the agent takes the node, reverts what was left there, and says what is in danger.
#include <fmt/format.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "harness/agent/doing.hpp"
#include "harness/agent/journal.hpp"
#include "harness/agent/journal_files.hpp"
#include "harness/agent/own_place.hpp"
#include "harness/agent/serve.hpp"
#include "harness/base/files.hpp"
#include "harness/model/event.hpp"

namespace grit {
namespace {

constexpr std::int64_t kHeirReverts_ns = 5 * kNsPerS;  // before its successor gives the node's lock up

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
  GRIT_TRY(NodeLock lock, NodeLock::acquire(had_one_before ? kHeirReverts_ns : kEarlierRunEnds_ns));
  GRIT_TRY(ObserverProcess observer, ObserverProcess::fork(config, segment));
  std::unique_ptr<Agent> agent(
      new Agent(std::move(config), std::move(segment), std::move(wake), std::move(lock), std::move(observer)));
  agent->keep_spare();
  GRIT_CHECK(agent->recover());
  agent->look_for_reach();
  agent->node_before_ = read_node_state();
  {
    // The library of a GPU that is asleep may take longer to start than the agent's keeper would wait otherwise.
    const Doing doing(agent->segment_.control(), AgentDoing::applying_or_reverting);
    GRIT_CHECK(agent->windows_.check_available());
  }
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

void Agent::look_for_reach() {
  for (const PlannedFault& fault : config_.plan.faults) {
    if (fault.node != config_.node) continue;
    const Injector* injector = find_injector(fault.name);
    if (injector != nullptr && injector->runs_commands(Params(fault.params))) reach_.everything = true;
    if (injector != nullptr && injector->info().takes_nic) fault_interfaces_.insert(fault.device);
  }
  auto reach = reach_of(fault_interfaces_);
  reach_.interfaces = reach ? std::move(reach->interfaces) : fault_interfaces_;
}

Status Agent::check_machine_wide() const {
  const auto why = lock_.why_not_machine_wide();
  for (const PlannedFault& fault : config_.plan.faults) {
    const Injector* injector = find_injector(fault.name);
    if (why && fault.node == config_.node && injector != nullptr && injector->is_machine_wide(Params(fault.params)))
      return unavailable_error(fmt::format("{}: {}", fault.name, *why));
  }
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

}  // namespace grit

#include "harness/agent/agent.hpp"

#include <sched.h>

#include <csignal>
#include <memory>

#include "harness/agent/serve.hpp"

namespace grit {
namespace {

Result<Ready> start_agent(const Json& configuration) {
  GRIT_TRY(AgentConfig config, agent_config_from_json(configuration));
  GRIT_TRY(Segment segment, Segment::attach(Fd(kAgentSegmentFd)));
  GRIT_TRY(auto opened, Agent::open(std::move(config), std::move(segment), Fd(kAgentWakeFd)));
  const std::shared_ptr<Agent> agent = std::move(opened);
  return Ready{Json{{"warnings", agent->warnings()}}, [agent] { agent->serve(); }};
}

}  // namespace

int agent_main() {
  // Told to end while it reverts what was left behind, it does so when that is done.
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &term, nullptr);
  // Faults come on, and above all off, in time however busy the node is: also when a fault is what keeps it busy. Not
  // permitted to ordinary users: then as the scheduler pleases. Threads and workers are ordinary again.
  const sched_param least{.sched_priority = 1};
  ::sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &least);
  return kept_process_main("grit-agent", kAgentDescriptors, start_agent);
}

}  // namespace grit

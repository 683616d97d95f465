#include "harness/agent/agent.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <csignal>

#include "harness/agent/serve.hpp"
#include "harness/base/files.hpp"

namespace grit {
namespace {

Result<std::unique_ptr<Agent>> start(int bootstrap) {
  GRIT_TRY(const Json json, read_configuration(bootstrap));
  GRIT_TRY(AgentConfig config, agent_config_from_json(json));
  GRIT_TRY(Segment segment, Segment::attach(Fd(kAgentSegmentFd)));
  return Agent::open(std::move(config), std::move(segment), Fd(kAgentWakeFd));
}

}  // namespace

int agent_main() {
  // Whatever else was inherited is mpirun's: holding it open would keep mpirun waiting for us.
  ::close_range(static_cast<unsigned>(kAgentWakeFd) + 1, ~0U, 0);
  ::prctl(PR_SET_NAME, "grit-agent");
  // Faults come on, and above all off, in time however busy the node is: also when a fault is what keeps it busy. Not
  // permitted to ordinary users: then as the scheduler pleases. Threads and workers are ordinary again.
  const sched_param least{.sched_priority = 1};
  ::sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &least);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGXFSZ, SIG_IGN);  // a full file is an error to report, not a death
  ::signal(SIGHUP, SIG_IGN);
  ::signal(SIGINT, SIG_IGN);

  Fd bootstrap(kBootstrapFd);
  auto agent = start(bootstrap.get());
  // Nobody may listen any more, when the rank died meanwhile. Serving on finds that out and reverts.
  answer(bootstrap.get(), agent ? Result<Json>(Json{{"warnings", (*agent)->warnings()}})
                                : Result<Json>(tl::make_unexpected(agent.error())));
  bootstrap.reset();
  if (!agent) return static_cast<int>(agent.error().kind);
  (*agent)->serve();
  return 0;
}

}  // namespace grit

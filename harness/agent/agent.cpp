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

Result<std::string> read_to_end(int fd) {
  std::string text;
  char chunk[65536];
  for (;;) {
    const ssize_t got = ::read(fd, chunk, sizeof chunk);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return errno_error("cannot read the configuration");
    if (got == 0) return text;
    text.append(chunk, static_cast<std::size_t>(got));
  }
}

Result<std::unique_ptr<Agent>> start(int bootstrap) {
  GRIT_TRY(const std::string text, read_to_end(bootstrap));
  GRIT_TRY(const Json json, parse_json(text));
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

  Fd bootstrap(kAgentBootstrapFd);
  auto agent = start(bootstrap.get());
  const Json reply = agent ? Json{{"endpoint", (*agent)->endpoint()}}
                           : Json{{"error", agent.error().message}, {"kind", static_cast<int>(agent.error().kind)}};
  const Status told = write_all(bootstrap.get(), json_text(reply));
  bootstrap.reset();
  if (!agent) return static_cast<int>(agent.error().kind);
  // Nobody listens any more: the rank died meanwhile. Serving on finds that out and reverts.
  if (!told) fmt::print(stderr, "grit agent: {}\n", told.error().message);
  if (auto served = (*agent)->serve(); !served) {
    fmt::print(stderr, "grit agent: {}\n", served.error().message);
    return 0;  // it did what it could: a successor would fail alike
  }
  return 0;
}

}  // namespace grit

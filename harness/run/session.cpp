#include "harness/run/session.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "harness/agent/agent_process.hpp"
#include "harness/agent/journal.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/cluster/discovery.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/clock_sync.hpp"
#include "harness/run/interrupt.hpp"
#include "harness/run/progress.hpp"
#include "harness/run/rank_loop.hpp"
#include "workloads/fabric/mpi.hpp"

namespace grit {
namespace {

constexpr std::int64_t kAgentEndTimeout_ns = 60 * kNsPerS;

/// The node's shared memory: made by its first rank, mapped by the others through /proc.
Result<Segment> open_segment(const Job& job) {
  std::optional<Segment> segment;
  std::string where;
  Status made;
  if (job.local_rank() == 0) {
    auto created = Segment::create(job.local_size());
    if (created) {
      segment = std::move(*created);
      where = fmt::format("/proc/{}/fd/{}", ::getpid(), segment->descriptor());
    } else {
      made = tl::make_unexpected(created.error());
    }
  }
  where = job.broadcast_local(where);
  if (job.local_rank() != 0 && !where.empty()) {
    Fd fd(::open(where.c_str(), O_RDWR | O_CLOEXEC));
    auto attached = fd ? Segment::attach(std::move(fd)) : Result<Segment>(errno_error("cannot open " + where));
    if (attached)
      segment = std::move(*attached);
    else
      made = tl::make_unexpected(attached.error());
  }
  GRIT_CHECK(job.agree(made));
  RankSlot& slot = segment->slots()[static_cast<std::size_t>(job.local_rank())];
  slot.pid = ::getpid();
  slot.rank = job.rank();
  job.barrier_local();
  return std::move(*segment);
}

/// Where the recorder listens: the management interface of node 0, and nothing else.
Result<std::string> listen_address(const Topology& topology) {
  if (topology.nodes.size() == 1) return std::string("127.0.0.1");
  for (const Nic& nic : topology.nodes.front().nics) {
    if (nic.role != NicRole::management) continue;
    for (const std::string& address : nic.addresses)
      if (address.find(':') == std::string::npos) return address.substr(0, address.find('/'));
  }
  return unavailable_error(
      "node " + topology.nodes.front().name +
      " has no management interface with an IPv4 address for the agents to report to; name it with the "
      "environment variable GRIT_MANAGEMENT_NICS, e.g. GRIT_MANAGEMENT_NICS=eno1");
}

/// Starts the recorder's agent, then, knowing its endpoint, the other nodes' agents.
Result<std::unique_ptr<AgentProcess>> start_agents(const Job& job, const Plan& plan,
                                                   const std::filesystem::path& run_directory, const Segment& segment) {
  AgentConfig config{.plan = plan, .node = job.node(), .recorder = job.rank() == 0, .run_directory = run_directory};
  config.journal_directory = default_journal_directory();
  std::unique_ptr<AgentProcess> agent;
  const auto start = [&]() -> Status {
    GRIT_TRY(agent, AgentProcess::start(std::move(config), segment));
    return {};
  };
  Json handed_out;
  Status started;
  if (job.rank() == 0) {
    started = [&]() -> Status {
      GRIT_TRY(config.listen_address, listen_address(plan.topology));
      GRIT_TRY(config.keys, make_run_keys());
      const RunKeys all = config.keys;
      GRIT_CHECK(start());
      RunKeys clients = all;
      clients.server_secret.clear();
      handed_out = Json{{"endpoint", agent->endpoint()}, {"keys", to_json(clients)}};
      return {};
    }();
  }
  GRIT_CHECK(job.agree(started));
  GRIT_TRY(const Json received, parse_json(job.broadcast(handed_out.dump())));
  if (job.rank() != 0 && job.local_rank() == 0) {
    config.endpoint = received.at("endpoint").get<std::string>();
    auto keys = run_keys_from_json(received.at("keys"));
    if (keys)
      config.keys = *keys, started = start();
    else
      started = tl::make_unexpected(keys.error());
  }
  GRIT_CHECK(job.agree(started));
  return agent;
}

Status write_clock(const std::filesystem::path& run_directory, const Json& before, const Json& after) {
  return write_file_durably(run_directory / "clock.json", Json{{"before", before}, {"after", after}}.dump(1) + "\n");
}

/// "Open MPI v4.1.4, package: Debian OpenMPI ..."
std::string mpi_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  return text.data();  // Open MPI's length counts the terminating zero
}

Status write_environments(const Job& job, const std::filesystem::path& run_directory) {
  Json mine;
  if (job.local_rank() == 0) {
    mine = Json{{"node", job.node()}, {"environment", describe_environment()}};
    mine["environment"]["versions"]["mpi"] = mpi_version();
  }
  Status written;
  for (const std::string& text : job.gather(mine.dump())) {
    if (job.rank() != 0) continue;
    GRIT_TRY(const Json one, parse_json(text));
    if (one.is_null()) continue;
    const auto file = run_directory / "env" / fmt::format("node{}.json", one.at("node").get<int>());
    if (auto done = write_file_durably(file, one.at("environment").dump(1) + "\n"); !done) written = done;
  }
  return job.agree(written);
}

Result<std::unique_ptr<Workload>> build_workload(const Job& job, const Plan& plan, Fabric& fabric, Segment& segment,
                                                 const std::filesystem::path& run_directory) {
  WorkloadContext context;
  context.fabric = &fabric;
  context.accelerator_clock = &segment.control().accelerator_clock_ppm;
  context.phase = PhaseSink(&segment.slots()[static_cast<std::size_t>(job.local_rank())].phase);
  context.dials = &segment.slots()[static_cast<std::size_t>(job.local_rank())].dials;
  context.checkpoint_directory = run_directory / "checkpoint";
  auto workload = make_workload(plan.workload.name, Params(plan.workload.params), context);
  GRIT_CHECK(job.agree(workload ? Status() : Status(tl::make_unexpected(workload.error()))));
  return workload;
}

}  // namespace

Result<Topology> discover_topology(const Job& job, const std::filesystem::path& run_directory) {
  Json mine;
  Status found;
  if (job.local_rank() == 0) {
    auto node = discover_node(DiscoveryHints{run_directory});
    if (node)
      node->index = job.node(), mine = to_json(*node);
    else
      found = tl::make_unexpected(node.error());
  }
  GRIT_CHECK(job.agree(found));
  std::vector<std::vector<int>> ranks_of(static_cast<std::size_t>(job.node_count()));
  const std::vector<std::string> node_of = job.gather(std::to_string(job.node()));
  for (std::size_t rank = 0; rank < node_of.size(); ++rank)
    ranks_of.at(std::stoul(node_of[rank])).push_back(static_cast<int>(rank));
  Topology topology;
  for (const std::string& text : job.gather(mine.dump())) {
    GRIT_TRY(const Json one, parse_json(text));
    if (one.is_null()) continue;
    GRIT_TRY(Node node, node_from_json(one));
    node.ranks = ranks_of.at(static_cast<std::size_t>(node.index));
    topology.nodes.push_back(std::move(node));
  }
  return topology;
}

Status run_session(const Job& job, const Plan& plan, const std::filesystem::path& run_directory) {
  GRIT_CHECK(write_environments(job, run_directory));
  GRIT_TRY(Segment segment, open_segment(job));
  RankSlot& slot = segment.slots()[static_cast<std::size_t>(job.local_rank())];
  GRIT_TRY(const auto agent, start_agents(job, plan, run_directory, segment));
  const InterruptGuard interrupts(slot);
  auto fabric = make_mpi_fabric(job.world());
  GRIT_TRY(const auto workload, build_workload(job, plan, *fabric, segment, run_directory));

  const Json clock_before = measure_clock_offsets(job);
  std::optional<ProgressLine> progress;
  if (job.rank() == 0) progress.emplace(plan, progress_style_from_environment());
  std::optional<LinkTest> links;
  if (plan.design.link_test) links.emplace(job, plan.topology, run_directory);
  RankLoop loop({job, plan, segment.control(), slot, *workload, agent.get(), progress ? &*progress : nullptr,
                 links ? &*links : nullptr});
  if (auto done = loop.run(); !done) {
    slot.end.store(RankEnd::failed);
    fmt::print(stderr, "grit: rank {}: {}\n", job.rank(), done.error().message);
    MPI_Abort(job.world(), static_cast<int>(done.error().kind));  // the other ranks wait in a collective
  }
  const Json clock_after = measure_clock_offsets(job);
  Status written;
  if (job.rank() == 0) written = write_clock(run_directory, clock_before, clock_after);
  slot.end.store(RankEnd::finished);
  job.barrier();
  if (agent) {
    agent->wake();
    if (!agent->wait_for_end(kAgentEndTimeout_ns) && written)
      written = internal_error(fmt::format("the agent of node {} did not end within 60 s", job.node()));
  }
  return job.agree(written);
}

}  // namespace grit

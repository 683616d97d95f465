#include "harness/run/session.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <memory>

#include "harness/agent/agent_process.hpp"
#include "harness/agent/journal.hpp"
#include "harness/base/caught.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/cluster/discovery.hpp"
#include "harness/cluster/local.hpp"
#include "harness/os/descriptor_offer.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/clock_sync.hpp"
#include "harness/run/interrupt.hpp"
#include "harness/run/progress.hpp"
#include "harness/run/rank_loop.hpp"
#include "workloads/fabric/mpi.hpp"

namespace grit {
namespace {

constexpr std::int64_t kAgentEndTimeout_ns = 60 * kNsPerS;

/// The node's first rank makes it; a failure is every rank's, with nothing handed out.
Result<std::optional<Segment>> create_segment(const Job& job, std::optional<DescriptorOffer>& offer) {
  std::optional<Segment> segment;
  const auto create = [&]() -> Status {
    if (job.local_rank() != 0) return {};
    GRIT_TRY(segment, Segment::create(job.local_size()));
    GRIT_TRY(offer, DescriptorOffer::open(job.local_size()));
    return {};
  };
  GRIT_CHECK(job.each(create));
  return segment;
}

/// What a rank of the node is to its agent: a process in the agent's pid namespace.
Status seat(const Segment& segment, int local_rank, int pid) {
  if (local_rank < 0 || static_cast<std::size_t>(local_rank) >= segment.slots().size())
    return internal_error(fmt::format("process {} says that it is local rank {}", pid, local_rank));
  if (pid == 0)
    return unavailable_error(fmt::format(
        "the process of local rank {} cannot be seen from the node's first rank: all ranks of a node must be "
        "in one pid namespace (a container each hides them)",
        local_rank));
  segment.slots()[static_cast<std::size_t>(local_rank)].pid = pid;
  return {};
}

/// The node's shared memory: made by its first rank, which hands it to the others.
Result<Segment> open_segment(const Job& job) {
  std::optional<DescriptorOffer> offer;
  GRIT_TRY(std::optional<Segment> segment, create_segment(job, offer));
  const std::string address = job.broadcast_local(offer ? offer->address() : "");
  std::optional<DescriptorRequest> request;
  const auto ask = [&]() -> Status {
    if (job.local_rank() == 0) return seat(*segment, 0, ::getpid());
    GRIT_TRY(request, DescriptorRequest::ask(address, job.local_rank()));
    return {};
  };
  GRIT_CHECK(job.each(ask));
  const auto hand_out = [&]() -> Status {
    if (job.local_rank() != 0) return {};
    GRIT_TRY(const auto takers, offer->hand_out(segment->descriptor(), job.local_size() - 1));
    for (const auto& taker : takers) GRIT_CHECK(seat(*segment, taker.label, taker.pid));
    return {};
  };
  GRIT_CHECK(job.each(hand_out));
  const auto take = [&]() -> Status {
    if (job.local_rank() == 0) return {};
    GRIT_TRY(Fd descriptor, request->take());
    GRIT_TRY(segment, Segment::attach(std::move(descriptor)));
    return {};
  };
  GRIT_CHECK(job.each(take));
  segment->slots()[static_cast<std::size_t>(job.local_rank())].rank = job.rank();
  job.barrier_local();
  return std::move(*segment);
}

/// Starts the recorder's agent, then, knowing its endpoint, the other nodes' agents.
Status start_agents(const Job& job, const Plan& plan, const std::filesystem::path& run_directory,
                    const Segment& segment, std::unique_ptr<AgentProcess>& agent) {
  AgentConfig config{.plan = plan, .node = job.node(), .recorder = job.rank() == 0, .run_directory = run_directory};
  config.journal_directory = default_journal_directory();
  const auto start = [&]() -> Status {
    GRIT_TRY(agent, AgentProcess::start(std::move(config), segment));
    return {};
  };
  Json handed_out;
  const auto start_recorder = [&]() -> Status {
    if (job.rank() != 0) return {};
    GRIT_TRY(config.listen_address, recorder_address(plan.topology));
    GRIT_TRY(config.keys, make_run_keys());
    const RunKeys all = config.keys;
    GRIT_CHECK(start());
    RunKeys clients = all;
    clients.server_secret.clear();
    handed_out = Json{{"endpoint", agent->endpoint()}, {"keys", to_json(clients)}};
    return {};
  };
  GRIT_CHECK(job.each(start_recorder));
  const std::string received = job.broadcast(json_text(handed_out));
  const auto start_others = [&]() -> Status {
    if (job.rank() == 0 || job.local_rank() != 0) return {};
    GRIT_TRY(const Json told, parse_json(received));
    config.endpoint = told.at("endpoint").get<std::string>();
    GRIT_TRY(config.keys, run_keys_from_json(told.at("keys")));
    return start();
  };
  GRIT_CHECK(job.each(start_others));
  return {};
}

Status write_clock(const std::filesystem::path& run_directory, const Json& before, const Json& after) {
  return write_file_durably(run_directory / "clock.json",
                            json_text(Json{{"before", before}, {"after", after}}, 1) + "\n");
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
  for (const std::string& text : job.gather(json_text(mine))) {
    if (job.rank() != 0) continue;
    GRIT_TRY(const Json one, parse_json(text));
    if (one.is_null()) continue;
    const auto file = run_directory / "env" / fmt::format("node{}.json", one.at("node").get<int>());
    if (auto done = write_file_durably(file, json_text(one.at("environment"), 1) + "\n"); !done) written = done;
  }
  return job.agree(written);
}

Result<std::unique_ptr<Workload>> build_workload(const Job& job, const Plan& plan, Fabric& fabric, Segment& segment,
                                                 const std::filesystem::path& run_directory) {
  WorkloadContext context;
  context.fabric = &fabric;
  context.accelerator_clock = &segment.control().accelerator_clock_ppm;
  context.phase = PhaseSink(&segment.slots()[static_cast<std::size_t>(job.local_rank())].phase);
  // A local cluster's nodes are one machine.
  context.ranks_sharing_memory = in_local_cluster() ? job.size() : job.local_size();
  context.dials = &segment.slots()[static_cast<std::size_t>(job.local_rank())].dials;
  context.checkpoint_directory = run_directory / "checkpoint";
  std::unique_ptr<Workload> workload;
  const auto build = [&]() -> Status {
    GRIT_TRY(workload, make_workload(plan.workload.name, Params(plan.workload.params), context));
    return {};
  };
  GRIT_CHECK(job.each(build));
  return workload;
}

/// From the agents to the last step. Every rank returns the same, or an error that not all have.
Status run_beside_agent(const Job& job, const Plan& plan, const std::filesystem::path& run_directory, Segment& segment,
                        std::unique_ptr<AgentProcess>& agent) {
  GRIT_CHECK(start_agents(job, plan, run_directory, segment, agent));
  RankSlot& slot = segment.slots()[static_cast<std::size_t>(job.local_rank())];
  auto fabric = make_mpi_fabric(job.world());
  GRIT_TRY(const auto workload, build_workload(job, plan, *fabric, segment, run_directory));

  const Json clock_before = measure_clock_offsets(job);
  // For a run that is cut short.
  GRIT_CHECK(job.first([&] { return write_clock(run_directory, clock_before, nullptr); }));
  std::optional<ProgressLine> progress;
  if (job.rank() == 0) progress.emplace(plan, progress_style_from_environment());
  std::optional<LinkTest> links;
  if (plan.design.link_test) links.emplace(job, plan.topology, run_directory);
  RankLoop loop({job, plan, segment.control(), slot, *workload, agent.get(), progress ? &*progress : nullptr,
                 links ? &*links : nullptr});
  if (auto done = caught([&] { return loop.run(); }); !done) {
    slot.end.store(RankEnd::failed);
    job.abort(done.error());  // at once: faults may be in force, and the other ranks wait in a collective
  }
  const Json clock_after = measure_clock_offsets(job);
  return job.first([&] { return write_clock(run_directory, clock_before, clock_after); });
}

Status end_agent(AgentProcess* agent) {
  if (agent == nullptr) return {};
  agent->wake();
  if (agent->wait_for_end(kAgentEndTimeout_ns)) return {};
  return internal_error("the node's agent did not end within 60 s");
}

}  // namespace

Result<std::string> recorder_address(const Topology& topology) {
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
  for (const std::string& text : job.gather(json_text(mine))) {
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
  std::unique_ptr<AgentProcess> agent;
  const InterruptGuard interrupts(slot);
  const Status done = caught([&] {
    Status ran = caught([&] { return run_beside_agent(job, plan, run_directory, segment, agent); });
    // Said while this node's agent still runs: one that is told to end, or sees a rank end, ends the ranks of all
    // nodes.
    if (!ran) job.all_failed_or_abort(ran.error()), ran = Failure(job.say(ran.error()));
    job.barrier();  // as long as one may still die, the agents must end those that would wait for it here
    slot.end.store(RankEnd::finished);
    const Status agents = job.each([&] { return end_agent(agent.get()); });
    return ran ? agents : ran;
  });
  if (!done) job.all_failed_or_abort(done.error());
  return done;
}

}  // namespace grit

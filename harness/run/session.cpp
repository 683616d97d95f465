#include "harness/run/session.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>

#include "harness/agent/agent_process.hpp"
#include "harness/agent/journal.hpp"
#include "harness/base/caught.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/base/json_fields.hpp"
#include "harness/base/printable.hpp"
#include "harness/cluster/discovery.hpp"
#include "harness/cluster/local.hpp"
#include "harness/model/attempt.hpp"
#include "harness/model/event.hpp"
#include "harness/os/descriptor_offer.hpp"
#include "harness/os/pci_link.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/clock_sync.hpp"
#include "harness/run/interrupt.hpp"
#include "harness/run/progress.hpp"
#include "harness/run/rank_fabric.hpp"
#include "harness/run/rank_loop.hpp"
#include "harness/run/rendezvous.hpp"
#include "harness/run/take_up.hpp"

namespace grit {
namespace {

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

/// Whether this node has the very directory that rank 0 has made, on a file system that they share. run.json is of this
/// run alone: its times and its command line are in it.
bool sees_run_directory(const Job& job, const std::filesystem::path& run_directory) {
  const auto mine = read_file(run_directory / "run.json");
  const std::string first = job.broadcast(mine.value_or(std::string()));
  return job.node() == 0 || (!first.empty() && mine && *mine == first);
}

/// For what has no name, on a node that does not see the run directory: on a disk, as a rule.
std::filesystem::path scratch_directory() {
  const char* chosen = ::secure_getenv("TMPDIR");
  return chosen == nullptr ? "/var/tmp" : chosen;
}

/// What a rank keeps: on node 0 the recorder, on each node's first rank its agent; nothing on the others.
struct Kept {
  std::unique_ptr<RecorderProcess> recorder{};
  std::unique_ptr<AgentProcess> agent{};
};

/// Of many nodes with the same gap one says so: the first with a fault.
int first_faulty_node(const Plan& plan) {
  int first = -1;
  for (const PlannedFault& fault : plan.faults)
    if (first < 0 || fault.node < first) first = fault.node;
  return first;
}

/// How long after the order to end a node may take: a minute, in which its agent reverts, tries again and compares; and
/// where a fault has a time limit of its own, three stops and the readings after them, each of which may take that.
std::int64_t end_patience_ns(const Plan& plan) {
  std::int64_t longest_ns = 0;
  for (const PlannedFault& fault : plan.faults)
    longest_ns = std::max(longest_ns, integer_at(fault.params, "timeout", 0));
  return 60 * kNsPerS + 6 * longest_ns;
}

/// Operations that a rank begins in a step and leaves spans of: those of one rank of a pipeline of 96 layers with
/// tensor parallelism and 16 micro-batches, 4 sums a layer and micro-batch, are 6144.
constexpr std::size_t kMostSpansOfStep = 8192;

struct RunDirectories {
  std::filesystem::path of_rank_0{};
  std::filesystem::path seen{};  // the same, or empty on a node that does not see it
};

/// Rank 0 starts the recorder; when it is known where all nodes reach that, each node's first rank starts its agent.
/// What was started is in `kept` also when something failed.
Status start_processes(const Job& job, const Plan& plan, const RunDirectories& directories, int port,
                       const Segment& segment, Kept& kept) {
  Json handed_out;
  const auto start_recorder = [&]() -> Status {
    if (job.rank() != 0) return {};
    RecorderConfig config{.nodes = job.node_count(), .run_directory = directories.of_rank_0};
    config.end_patience_ns = end_patience_ns(plan);
    for (const Block& block : plan.blocks) config.corrupts_data.push_back(corrupts_data_in(plan, block.index));
    // There, and where the job may start again, the grit that started it does.
    config.judges = !plan.topology.local_cluster && plan.design.restarts == 0;
    GRIT_TRY(config.endpoints, recorder_endpoints(plan.topology, port));
    GRIT_TRY(config.keys, make_run_keys());
    RunKeys clients = config.keys;
    GRIT_TRY(kept.recorder, RecorderProcess::start(std::move(config), segment));
    clients.server_secret.clear();
    handed_out = Json{{"endpoints", kept.recorder->endpoints()}, {"keys", to_json(clients)}};
    return {};
  };
  GRIT_CHECK(job.each(start_recorder));
  GRIT_TRY(const Json received, parse_json(job.broadcast(json_text(handed_out))));
  const auto endpoints = received.at("endpoints").get<std::vector<std::string>>();
  GRIT_TRY(const std::string endpoint,
           agree_on_endpoint(job, endpoints, job.local_rank() == 0 ? try_endpoints(endpoints) : EndpointTrial{}));
  const auto start_agent = [&]() -> Status {
    if (job.local_rank() != 0) return {};
    AgentConfig config{.plan = plan, .node = job.node(), .run_directory = directories.seen};
    config.journal_directory = default_journal_directory();
    config.endpoint = endpoint;
    GRIT_TRY(config.keys, run_keys_from_json(received.at("keys")));
    GRIT_TRY(kept.agent, AgentProcess::start(std::move(config), segment));
    return {};
  };
  GRIT_CHECK(job.each(start_agent));
  const bool says = kept.agent && first_faulty_node(plan) == job.node();
  for (const std::string& warning : says ? kept.agent->warnings() : std::vector<std::string>())
    fmt::print(stderr, "grit: warning: {}\n", printable(warning));
  return {};
}

/// Agents end when they have taken everything off and sent what they had, the recorder when it has heard of all that.
/// ran: false when perhaps not every node has an agent.
Status wait_for_end(const Job& job, const Kept& kept, bool ran) {
  const auto agent_ends = [&]() -> Status {
    if (!kept.agent) return {};
    kept.agent->wake();
    if (!kept.agent->wait_for_end()) return internal_error("the node's agent gets nowhere with its end");
    return {};
  };
  GRIT_CHECK(job.each(agent_ends));
  return job.each([&]() -> Status {
    if (!kept.recorder) return {};
    if (!ran) kept.recorder->nobody_else_comes();
    if (!kept.recorder->wait_for_end()) return internal_error("the recorder gets nowhere with its end");
    return {};
  });
}

/// `gpus`: of each rank that has one.
Status write_clock(const std::filesystem::path& run_directory, const Json& before, const Json& after,
                   const Json& gpus = Json::array()) {
  Json clock{{"format", formats::kClock.number}, {"before", before}, {"after", after}};
  if (!gpus.empty()) clock["gpus"] = gpus;
  return write_file_durably(run_directory / "clock.json", json_text(clock, 1) + "\n");
}

/// On rank 0; elsewhere nothing.
Result<Json> clocks_of_gpus(const Job& job, const RankFabric& fabric) {
  Json all = Json::array();
  for (const std::string& text : job.gather(json_text(fabric.clock_of_gpu(job.rank())))) {
    GRIT_TRY(Json one, parse_json(text));
    if (!one.is_null()) all.push_back(std::move(one));
  }
  return all;
}

/// "Open MPI v4.1.4, package: Debian OpenMPI ..."
std::string mpi_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);
  return text.data();  // Open MPI's length counts the terminating zero
}

Status write_environments(const Job& job, const std::filesystem::path& run_directory) {
  std::string mine;
  if (job.local_rank() == 0) {
    Json environment = describe_environment();
    environment["format"] = formats::kEnvironment.number;
    environment["versions"]["mpi"] = mpi_version();
    mine = json_text(environment, 1) + "\n";
  }
  Status written;
  int node = 0;  // nodes are numbered by their first ranks, which alone say something
  for (const std::string& text : job.gather(mine)) {
    if (text.empty()) continue;
    const auto file = run_directory / "env" / fmt::format("node{}.json", node++);
    if (auto done = write_file_durably(file, text); !done) written = done;
  }
  return job.agree(written);
}

Result<std::unique_ptr<Workload>> build_workload(const Job& job, const Plan& plan, const GroupCommunicators& groups,
                                                 const RankFabric& fabric, Segment& segment,
                                                 const std::filesystem::path& run_directory) {
  WorkloadContext context;
  context.communicator = &groups.world();
  context.groups = &groups;
  context.accelerator_clock = &segment.control().accelerator_clock_ppm;
  context.gpu = fabric.gpu.get();
  context.ranks_sharing_gpu = fabric.ranks_of_gpu;
  if (fabric.gpu != nullptr) context.gpu_free_bytes = fabric.free_bytes_of_gpu;
  context.phase = PhaseSink(&segment.slots()[static_cast<std::size_t>(job.local_rank())].phase);
  // A local cluster's nodes are one machine.
  context.ranks_sharing_memory = in_local_cluster() ? job.size() : job.local_size();
  context.dials = &segment.slots()[static_cast<std::size_t>(job.local_rank())].dials;
  context.wrong_values = &segment.slots()[static_cast<std::size_t>(job.local_rank())].wrong_values;
  context.checkpoint_directory = run_directory.empty() ? scratch_directory() : run_directory;
  if (plan.design.restarts > 0) {
    context.checkpoint_directory = checkpoint_directory(run_directory, plan.attempt);
    context.keeps_checkpoints = true;
    context.checkpoint_of = plan.first_step - 1;
  }
  std::unique_ptr<Workload> workload;
  const auto build = [&]() -> Status {
    GRIT_TRY(workload, make_workload(plan.workload.name, Params(plan.workload.params), context));
    return {};
  };
  GRIT_CHECK(job.each(build));
  return workload;
}

/// What a step of it is made of, for whoever reads the run.
Status write_workload(const std::filesystem::path& run_directory, const Workload& workload, bool is_fake) {
  Json event = make_event("workload", 0);
  event["description"] = workload.description();
  if (is_fake) event["description"]["gpu"]["fake"] = true;  // perhaps on another rank only
  // Beside the recorder, which appends to it, too: a line is one write(2).
  GRIT_TRY(EventsWriter events, EventsWriter::open(run_directory / "events.jsonl"));
  return events.append(event);
}

/// From the agents to the last step. Every rank returns the same, or an error that not all have.
Status run_beside_agent(const Job& job, const Plan& plan, const RunDirectories& directories, int port, Segment& segment,
                        Kept& kept, const std::function<void()>& begun) {
  GRIT_CHECK(start_processes(job, plan, directories, port, segment, kept));
  RankSlot& slot = segment.slots()[static_cast<std::size_t>(job.local_rank())];
  std::vector<CollectiveRecord> span_ring(kMostSpansOfStep);
  SpanSink spans(span_ring);
  GRIT_TRY(const RankFabric fabric, make_rank_fabric(job, plan, spans));
  if (fabric.gpu != nullptr) slot.gpu.store(pci_number(fabric.gpu->accelerator()->facts().pci_address));
  GRIT_TRY(const GroupCommunicators groups, GroupCommunicators::split(fabric.world(), mesh_of(plan)));
  GRIT_TRY(const auto workload, build_workload(job, plan, groups, fabric, segment, directories.seen));
  GRIT_TRY(BlockEnd block_end, BlockEnd::make(job.world(), PhaseSink(&slot.phase)));

  const auto& run_directory = directories.of_rank_0;
  GRIT_CHECK(job.first([&] { return write_workload(run_directory, *workload, fabric.is_fake); }));
  const Json clock_before = measure_clock_offsets(job);
  // For a run that is cut short.
  GRIT_CHECK(job.first([&] { return write_clock(run_directory, clock_before, nullptr); }));
  std::optional<ProgressLine> progress;
  if (job.rank() == 0) progress.emplace(plan, progress_style_from_environment());
  std::optional<LinkTest> links;
  if (plan.design.link_test) links.emplace(job, plan.topology, run_directory);
  RankLoop loop({job, plan, segment.control(), slot, *workload, block_end, spans, kept.agent.get(),
                 progress ? &*progress : nullptr, run_directory, links ? &*links : nullptr});
  begun();
  const auto work = [&]() -> Status {
    if (plan.first_step > 0) GRIT_CHECK(workload->resume());
    GRIT_CHECK(loop.run());
    return workload->finish();
  };
  if (auto done = caught(work); !done) {
    note_end(slot, monotonic_ns());  // before anything that follows from it, on whichever node
    slot.end.store(RankEnd::failed);
    job.abort(done.error());  // at once: faults may be in force, and the other ranks wait in a collective
  }
  const Json clock_after = measure_clock_offsets(job);
  const Result<Json> gpus = clocks_of_gpus(job, fabric);
  return job.first([&]() -> Status {
    if (!gpus) return tl::make_unexpected(gpus.error());
    return write_clock(run_directory, clock_before, clock_after, *gpus);
  });
}

}  // namespace

Result<Topology> discover_topology(const Job& job, const std::filesystem::path& run_directory) {
  // As rank 0 sees it: another node may have started in another working directory.
  const std::filesystem::path directory = job.broadcast(std::filesystem::absolute(run_directory).string());
  std::string mine;
  Status found;
  if (job.local_rank() == 0) {
    auto node = discover_node({directory, default_journal_directory()});
    if (node)
      node->index = job.node(), mine = json_text(to_json(*node));
    else
      found = tl::make_unexpected(node.error());
  }
  GRIT_CHECK(job.agree(found));
  const std::vector<std::string> node_of = job.gather(std::to_string(job.node()));
  Topology topology;
  found = [&]() -> Status {
    for (const std::string& text : job.gather(mine)) {  // in the order of nodes: the others say nothing
      if (text.empty()) continue;
      GRIT_TRY(const Json one, parse_json(text));
      GRIT_TRY(Node node, node_from_json(one));
      topology.nodes.push_back(std::move(node));
    }
    for (std::size_t rank = 0; rank < node_of.size(); ++rank)
      topology.nodes.at(std::stoul(node_of[rank])).ranks.push_back(static_cast<int>(rank));
    return {};
  }();
  GRIT_CHECK(job.agree(found));
  return topology;
}

Status run_session(const Job& job, const Plan& given, const std::filesystem::path& run_directory, int port,
                   const std::function<void()>& begun) {
  GRIT_CHECK(write_environments(job, run_directory));
  const auto seen_directory = sees_run_directory(job, run_directory) ? run_directory : std::filesystem::path();
  Plan plan = given;
  if (plan.design.restarts > 0) {
    GRIT_CHECK(prepare_checkpoints(job, run_directory, !seen_directory.empty(), plan.attempt));
    if (plan.attempt > 1) {
      GRIT_TRY(plan, take_up(job, given, run_directory));
    }
  }
  GRIT_TRY(Segment segment, open_segment(job));
  RankSlot& slot = segment.slots()[static_cast<std::size_t>(job.local_rank())];
  Kept kept;
  const InterruptGuard interrupts(slot, segment.control());
  const Status done = caught([&] {
    bool has_begun = false;
    const auto begins = [&] { begun(), has_begun = true; };
    Status ran = caught([&] {
      return run_beside_agent(job, plan, {run_directory, seen_directory}, port, segment, kept, begins);
    });
    // Said while this node's agent still runs: one that is told to end, or sees a rank end, ends the ranks of all
    // nodes.
    if (!ran) {
      job.all_failed_or_abort(ran.error());
      if (job.rank() == 0 && !has_begun)  // that it cannot be written is no other error
        static_cast<void>(write_file_durably(run_directory / kRefusedFile, ran.error().message + "\n"));
      ran = Failure(job.say(ran.error()));
    }
    job.barrier();  // as long as one may still die, the agents must end those that would wait for it here
    slot.end.store(RankEnd::finished);
    const Status ended = wait_for_end(job, kept, ran.has_value());
    return ran ? ended : ran;
  });
  if (!done) job.all_failed_or_abort(done.error());
  return done;
}

}  // namespace grit

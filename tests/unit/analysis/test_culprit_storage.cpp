// Nodes that wait for storage: each for its own where it has a machine of its own, and else for the machine's, which is
// no single node's.
#include <cmath>
#include <map>
#include <random>
#include <set>

#include "analysis/blame/culprit.hpp"
#include "analysis/records/step_graph.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/culprit_fixture.hpp"
#include "tests/unit/analysis/simulated_mesh.hpp"
#include "tests/unit/analysis/simulated_steps.hpp"

using namespace grit;
using namespace grit::testing;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

using WaitOf = std::function<double(int node, int step)>;
using MachineOf = std::function<std::string(int node)>;

std::string host_of_its_own(int node) { return "host" + std::to_string(node); }
std::string one_host(int) { return "host"; }

/// A job whose ranks wait for their batches from storage in blocks with the fault, which the kernel counts as blocked.
class StorageJob {
 public:
  /// `machine`: of each node; empty: a local cluster.
  explicit StorageJob(MachineOf machine, JobShape shape = {}) : machine_(std::move(machine)), job_(shaped(shape)) {}

  std::optional<Culprit> run(const WaitOf& wait_ns, const Harm& more = {}) {
    std::map<std::pair<int, int>, double> waited_ns;  // by fault block, in their order, and rank
    int block = -1;
    job_.run([&](int node, int rank, int step, RankStep& own) {
      if (rank == 0 && step == 0) ++block;
      const double ns = wait_ns(node, step);
      own.input += ns;
      waited_ns[{block, rank}] += ns;
      if (more) more(node, rank, step, own);
    });
    std::map<int, int> fault_blocks;  // by Block::index
    for (const Block& one : job_.plan.blocks)
      if (one.kind == BlockKind::fault) fault_blocks.emplace(one.index, static_cast<int>(fault_blocks.size()));
    job_.count_blocks([&](const Block& of, int rank) {
      Json counted = counters(50, 2);
      const bool fault = of.kind == BlockKind::fault;
      counted["blocked_ns"] = 5e6 + (fault ? waited_ns[{fault_blocks.at(of.index), rank}] : 0);
      return counted;
    });
    count_machine(
        job_, [](int, bool) { return 20e6; }, machine_);
    return culprit_of(job_);
  }

 private:
  [[nodiscard]] JobShape shaped(JobShape shape) const {
    shape.local_cluster = !machine_;
    return shape;
  }

  MachineOf machine_;
  SimulatedJob job_;
};

void check_storage_of_all(const std::optional<Culprit>& culprit) {
  REQUIRE(culprit);
  INFO(culprit->text << ": " << culprit->suspects.at(0).why);
  CHECK(culprit->named == 0);
  CHECK_THAT(culprit->text, StartsWith("no single culprit: all nodes alike: a shared resource, storage, explains "));
  const Suspect& first = culprit->suspects.at(0);
  CHECK(first.node == -1);
  CHECK(first.nodes.empty());
  CHECK(first.node_name.empty());
  CHECK(first.resource == "storage");
  CHECK(first.share_explained > 0.85);
}

/// What the kernel counted for the ranks of a mesh that wait as harm.input_ns says.
std::optional<Culprit> culprit_of_mesh(SimulatedMesh& job, const MeshHarm& harm) {
  job.run(harm);
  if (harm.input_ns)
    count_blocks(job.plan, job.events, [&](const Block& of, int rank) {
      Json counted = counters(50, 2);
      double blocked_ns = 5e6;
      for (int step = 0; of.kind == BlockKind::fault && step < static_cast<int>(job.plan.design.block_steps); ++step)
        blocked_ns += harm.input_ns(rank, step);
      counted["blocked_ns"] = blocked_ns;
      return counted;
    });
  OwnWork work = own_work(job.plan, job.records, nullptr);
  add_graphs(work, job.plan, job.records, job.spans, NodeClocks(job.plan, nullptr));
  const std::optional<JsonLines> links;
  return find_culprit({job.plan, work, job.records, Json(), job.spans, job.events, links, job.pairs, {}});
}

}  // namespace

TEST_CASE("nodes of one machine that wait unevenly for its storage: nobody is named, but on their own the one is") {
  std::mt19937_64 random(3);
  const auto uneven = [&](int node, int) {
    const double share = static_cast<double>(random() % 1000) / 1000;
    return node == 2 ? 12e6 + 12e6 * share : 6e6 * share;
  };
  SECTION("a local cluster") {
    const auto culprit = StorageJob({}).run(uneven);
    check_storage_of_all(culprit);
    CHECK(culprit->suspects.at(0).phase == "input");
    // Who waited most is said, though it is not to blame.
    CHECK_THAT(culprit->suspects.at(0).why, Contains("longer on node2"));
  }
  SECTION("containers of one host") { check_storage_of_all(StorageJob(one_host).run(uneven)); }
  SECTION("machines of their own") {
    const auto culprit = StorageJob(host_of_its_own).run(uneven);
    REQUIRE(culprit);
    INFO(culprit->text);
    CHECK(culprit->named == 1);
    CHECK_THAT(culprit->text, StartsWith("node2, storage, explains "));
  }
}

TEST_CASE("nodes of one machine that wait for its storage one after another have no turns, on their own they have") {
  std::mt19937_64 random(5);
  int turn = 0;
  const auto by_turns = [&](int node, int) {
    if (node == 0) turn = static_cast<int>(random() % 4);
    return node == turn ? 20e6 : 0.0;
  };
  SECTION("one machine") { check_storage_of_all(StorageJob({}, {.steps = 30}).run(by_turns)); }
  SECTION("machines of their own") {
    const auto culprit = StorageJob(host_of_its_own, {.steps = 30}).run(by_turns);
    REQUIRE(culprit);
    INFO(culprit->text);
    CHECK(culprit->named == 1);
    CHECK(culprit->suspects.at(0).node == -1);
    CHECK_THAT(culprit->text,
               Contains(" in turn, storage, explains ") || StartsWith("one node after another, storage"));
  }
}

TEST_CASE("a node that computes slowly beside a machine's busy storage is named, with what is its own of the loss") {
  double slower_ns = 0;
  std::map<int, double> waits_ns;
  const auto run = [&] {
    return StorageJob({}).run([&](int node, int) { return waits_ns.at(node); },
                              [&](int node, int, int, RankStep& own) { own.forward += node == 1 ? slower_ns : 0; });
  };
  SECTION("it explains most") {
    // With 20 ms of its own and 8 ms of waiting it comes last; nobody's waiting but its own delays a step.
    slower_ns = 20e6, waits_ns = {{0, 4e6}, {1, 8e6}, {2, 12e6}, {3, 6e6}};
    const auto culprit = run();
    REQUIRE(culprit);
    INFO(culprit->text);
    CHECK(culprit->named == 1);
    CHECK_THAT(culprit->text, StartsWith("node1, compute, explains "));
    CHECK(std::abs(culprit->suspects.at(0).share_explained - 20.0 / 28) < 0.08);
    REQUIRE(culprit->suspects.size() > 1);
    CHECK(culprit->suspects.at(1).resource == "storage");
    CHECK(culprit->suspects.at(1).node == -1);
    CHECK(std::abs(culprit->suspects.at(1).share_explained - 8.0 / 28) < 0.08);
  }
  SECTION("the storage explains most, and it waits for that, too") {
    slower_ns = 8e6, waits_ns = {{0, 4e6}, {1, 14e6}, {2, 20e6}, {3, 4e6}};
    const auto culprit = run();
    REQUIRE(culprit);
    INFO(culprit->text);
    REQUIRE(culprit->named == 2);
    CHECK_THAT(culprit->text,
               StartsWith("all nodes alike, storage, explains ") && Contains("of the loss; node1, compute, explains "));
    CHECK(culprit->suspects.at(0).node == -1);
    CHECK(std::abs(culprit->suspects.at(0).share_explained - 14.0 / 22) < 0.08);
    CHECK(culprit->suspects.at(1).node == 1);
    CHECK(std::abs(culprit->suspects.at(1).share_explained - 8.0 / 22) < 0.08);
  }
}

TEST_CASE("however a machine's storage serves its nodes, none is named for it, and a slow one beside it is",
          "[statistics]") {
  // In each block another node waits most, by some times; and single waits have Pareto's tail with an index of 1.5.
  int storage = 0, slow_named = 0, wrong = 0;
  constexpr int kRuns = 40;
  for (int seed = 1; seed <= 2 * kRuns; ++seed) {
    const bool slow = seed > kRuns;
    std::mt19937_64 random(static_cast<std::uint64_t>(seed));
    std::normal_distribution<double> normal{0, 1};
    std::uniform_real_distribution<double> uniform{0, 1};
    std::vector<double> of_block(4);
    const auto culprit =
        StorageJob({}, {.steps = 20})
            .run(
                [&](int node, int step) {
                  if (node == 0 && step == 0)
                    for (double& scale : of_block) scale = 3e6 * std::exp(0.8 * normal(random));
                  return of_block[static_cast<std::size_t>(node)] *
                         std::min(std::pow(1 - uniform(random), -1 / 1.5), 1e2);
                },
                [&](int node, int, int, RankStep& own) { own.forward += slow && node == 1 ? 15e6 : 0; });
    REQUIRE(culprit);
    bool is_slow_named = false;
    for (int i = 0; i < culprit->named; ++i) {
      const Suspect& suspect = culprit->suspects[static_cast<std::size_t>(i)];
      const bool right = slow && suspect.node == 1 && suspect.resource == "compute";
      is_slow_named = is_slow_named || right;
      wrong += right || (slow && suspect.resource == "storage" && suspect.node_name.empty()) ? 0 : 1;
    }
    slow_named += is_slow_named ? 1 : 0;
    const Suspect& first = culprit->suspects.at(0);
    storage += !slow && culprit->named == 0 && first.resource == "storage" && first.share_explained >= 0.5 ? 1 : 0;
  }
  CAPTURE(storage, slow_named, wrong);
  CHECK(wrong == 0);
  CHECK(storage >= kRuns - 2);
  CHECK(slow_named >= kRuns - 4);
}

TEST_CASE("of several machines the nodes of the one whose storage is slow are named together") {
  const MachineOf two_each = [](int node) { return node < 2 ? "first" : "second"; };
  SECTION("its nodes wait, however unevenly") {
    const auto culprit = StorageJob(two_each).run([](int node, int) { return node == 0 ? 18e6 : node == 1 ? 3e6 : 0; });
    REQUIRE(culprit);
    INFO(culprit->text);
    REQUIRE(culprit->named == 1);
    CHECK_THAT(culprit->text, StartsWith("node0 and node1, storage, explains "));
    CHECK(culprit->suspects.at(0).node == -1);
    CHECK(culprit->suspects.at(0).nodes == std::vector{0, 1});
    CHECK(culprit->suspects.at(0).share_explained > 0.85);
  }
  SECTION("both machines wait: it is all nodes'") {
    check_storage_of_all(StorageJob(two_each).run([](int node, int) {
      return std::map<int, double>{{0, 18e6}, {1, 3e6}, {2, 4e6}, {3, 14e6}}.at(node);
    }));
  }
  SECTION("all machines wait, and on some of them a node is alone: it is all nodes'") {
    const MachineOf some = [](int node) { return node < 2 ? "first" : host_of_its_own(node); };
    check_storage_of_all(StorageJob(some).run([](int node, int) { return 15e6 + 1e6 * ((node * 3) % 4); }));
  }
  SECTION("a node alone on its machine is named, beside others that share one") {
    const MachineOf some = [](int node) { return node < 2 ? "first" : host_of_its_own(node); };
    const auto culprit = StorageJob(some).run([](int node, int) { return node == 2 ? 18e6 : 0; });
    REQUIRE(culprit);
    INFO(culprit->text);
    CHECK(culprit->named == 1);
    CHECK_THAT(culprit->text, StartsWith("node2, storage, explains "));
  }
}

TEST_CASE("a loader that is short of CPUs is its node's also where the others wait for storage") {
  // More than who waits most for storage, or less.
  const double late_ns = GENERATE(30e6, 18e6);
  SimulatedJob job({});
  const auto waits_ns = [](int node) { return node == 2 ? 24e6 : 4e6; };
  job.run([&](int node, int, int, RankStep& own) { own.input += node == 1 ? late_ns : waits_ns(node); });
  job.count([&](bool fault, int rank) {
    Json counted = counters(50, fault && rank == 1 ? 12 * late_ns / 1e6 : 2);
    counted["blocked_ns"] = fault && rank != 1 ? 12 * waits_ns(rank) : 0;
    return counted;
  });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text << ": " << culprit->suspects.at(0).why);
  CHECK(culprit->named == 1);
  CHECK_THAT(culprit->text, StartsWith("node1, compute, explains "));
  CHECK(std::abs(culprit->suspects.at(0).share_explained - late_ns / std::max(late_ns, 24e6)) < 0.1);
}

TEST_CASE("what the kernel did not count is storage only where checkpoints say so") {
  SimulatedJob job({});
  SECTION("checkpoints of nodes that share a disk") {
    job.run([](int node, int, int step, RankStep& own) {
      if (step % 4 == 3) own.checkpoint = node == 2 ? 60e6 : 5e6;
    });
    const auto culprit = culprit_of(job);
    check_storage_of_all(culprit);
    CHECK(culprit->suspects.at(0).phase == "checkpoint");
  }
  SECTION("input") {
    job.run([](int node, int, int, RankStep& own) { own.input += node == 2 ? 18e6 : 0; });
    const auto culprit = culprit_of(job);
    REQUIRE(culprit);
    CHECK_THAT(culprit->text, StartsWith("node2, unknown, explains "));
  }
}

TEST_CASE("of a storage that was slow before as well, and is no slower now, hardly ever anything is said",
          "[statistics]") {
  // Waits of up to 9 ms, in some blocks more and in others less, with the fault and without it; the network is slow.
  constexpr int kRuns = 30;
  int said = 0, right = 0;
  for (int seed = 1; seed <= kRuns; ++seed) {
    std::mt19937_64 random(static_cast<std::uint64_t>(seed));
    std::uniform_real_distribution<double> uniform{0, 1};
    SimulatedJob job({.pairs = 10, .steps = 20}, static_cast<std::uint64_t>(seed));
    job.run({}, [](int) { return 10e6; });
    std::vector<double> blocked_ns(job.plan.blocks.size() * 4, 0), of_block_ns;
    for (std::size_t i = 0; i < job.plan.blocks.size(); ++i) of_block_ns.push_back(9e6 * uniform(random));
    for (StepRecord& record : job.records) {
      // It waits for its batch while it would wait for others, for 10 ms at least.
      const auto ns = static_cast<std::int64_t>(of_block_ns[record.block] * uniform(random));
      record.input_ns += ns, record.exposed_comm_ns -= ns, record.collective_entry_ns += ns;
      blocked_ns[record.block * std::size_t{4} + record.rank] += static_cast<double>(ns);
    }
    job.count_blocks([&](const Block& of, int rank) {
      Json counted = counters(50, 2);
      counted["blocked_ns"] = blocked_ns[static_cast<std::size_t>(of.index * 4 + rank)];
      return counted;
    });
    const auto culprit = culprit_of(job);
    REQUIRE(culprit);
    right += culprit->text.starts_with("network, node cannot be told, explains ") ? 1 : 0;
    for (const Suspect& suspect : culprit->suspects) said += suspect.resource == "storage" ? 1 : 0;
  }
  CAPTURE(said, right);
  CHECK(said <= 4);  // 5 % by chance
  CHECK(right >= kRuns - 2);
}

TEST_CASE("work without the waits for storage: shorter by these alone, and communication is as it was") {
  SimulatedJob job({});
  job.run([](int node, int, int, RankStep& own) { own.input += node == 2 ? 20e6 : 8e6, own.checkpoint = 5e6; });
  const OwnWork whole = own_work(job.plan, job.records, nullptr);
  const std::size_t all[]{0, 1, 2, 3}, one[]{2};
  const OwnWork rest = whole.without_storage(job.plan, job.records, {}, nullptr, all);
  const OwnWork without_one = whole.without_storage(job.plan, job.records, {}, nullptr, one);
  for (const Block& block : job.plan.blocks) {
    const BlockWork &before = whole.block(block.index), &after = rest.block(block.index);
    CHECK(after.step_ns == before.step_ns);
    CHECK(after.communication_ns() == Approx(before.communication_ns()));
    CHECK(rest.rank(block.index, 2).phase_ns(0) == 0);
    CHECK(rest.rank(block.index, 2).phase_ns(1) == whole.rank(block.index, 2).phase_ns(1));
    if (block.kind != BlockKind::fault) continue;
    CHECK(std::abs(after.storage_ns - 25e6) < 1.5e6);
    CHECK(std::abs(without_one.block(block.index).storage_ns - 12e6) < 1.5e6);  // the others still wait
  }
}

TEST_CASE("what a rank waited for storage is taken off its longest works of a step") {
  StepGraph graph;
  graph.steps = 2;
  graph.start_ns = {0, 0};
  graph.first_event = {0, 5, 6};
  for (const float work_ns : {5.0F, 1.0F, 9.0F, 2.0F, 7.0F, 4.0F}) graph.events.push_back({.work_ns = work_ns});
  graph.events[4].step = 1;
  graph.storage_ns = {8, 10, 3, 0};  // of rank 0, then of rank 1
  take_off_storage(graph, {true, false});
  std::vector<float> works_ns;
  for (const StepGraph::Event& event : graph.events) works_ns.push_back(event.work_ns);
  // 9 and 5 to 3 each; there is no more than 7 in the second step; the other rank keeps what it has.
  CHECK(works_ns == std::vector<float>{3, 1, 3, 2, 0, 4});
}

TEST_CASE("on a mesh, too, what nodes of one machine wait for its storage for is no single node's") {
  struct Case {
    AxisValues sizes;
    std::vector<double> waits_ns;  // by rank
  };
  // In a pipeline the first stage alone reads batches.
  const Case one =
      GENERATE(Case{{{Axis::dp, 2}, {Axis::tp, 2}}, {4e6, 3e6, 20e6, 5e6}}, Case{{{Axis::pp, 4}}, {20e6, 0, 0, 0}},
               Case{{{Axis::dp, 4}, {Axis::ep, 4}}, {0, 20e6, 3e6, 6e6}});
  const auto waits_ns = [&](int rank, int) { return one.waits_ns[static_cast<std::size_t>(rank)]; };
  SimulatedMesh job({.sizes = one.sizes, .ranks = 4});
  SECTION("input") { check_storage_of_all(culprit_of_mesh(job, {.input_ns = waits_ns})); }
  SECTION("checkpoints") {
    check_storage_of_all(culprit_of_mesh(
        job, {.checkpoint_ns = [&](int rank, int step) { return step % 2 == 1 ? 2 * waits_ns(rank, step) : 0; }}));
  }
  SECTION("a slow node beside it is named") {
    const auto culprit =
        culprit_of_mesh(job, {.factor = [](int rank, int) { return rank == 1 ? 1.6 : 1; }, .input_ns = waits_ns});
    REQUIRE(culprit);
    INFO(culprit->text);
    std::set<int> nodes;
    for (int i = 0; i < culprit->named; ++i)
      for (const int node : culprit->suspects[static_cast<std::size_t>(i)].nodes) nodes.insert(node);
    CHECK(nodes == std::set<int>{1});
    for (const Suspect& suspect : culprit->suspects) CHECK((suspect.node < 0 || suspect.resource == "compute"));
  }
}

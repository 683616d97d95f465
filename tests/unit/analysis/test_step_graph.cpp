// Steps as graphs: played forward as they were measured, and with some nodes put right.
#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/records/graph_gains.hpp"
#include "analysis/records/operation_key.hpp"
#include "analysis/records/own_work.hpp"
#include "analysis/records/step_graph.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/mesh_trials.hpp"
#include "tests/unit/analysis/simulated_mesh.hpp"
#include "tests/unit/analysis/simulated_steps.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

std::vector<BlockGraphs> graphs_of(const SimulatedMesh& job, const Json& clock = nullptr) {
  return step_graphs(job.plan, job.mesh, job.records, job.spans, NodeClocks(job.plan, clock));
}

std::size_t left_out(const std::vector<BlockGraphs>& graphs) {
  std::size_t steps = 0;
  for (const BlockGraphs& block : graphs) steps += block.chosen - block.whole;
  return steps;
}

/// How long a stretch of all of a job's steps from the first one of a block took: from its first start to the last
/// thing that a rank did in an operation.
double length_ns(const SimulatedMesh& job, int block, std::uint32_t steps) {
  std::int64_t first_ns = INT64_MAX, last_ns = 0;
  std::uint32_t first_step = UINT32_MAX;
  for (const StepRecord& record : job.records)
    if (static_cast<int>(record.block) == block)
      first_ns = std::min(first_ns, record.start_ns), first_step = std::min(first_step, record.step);
  for (const CollectiveRecord& span : job.spans)
    if (span.step >= first_step && span.step < first_step + steps)
      last_ns = std::max({last_ns, span.entry_ns, span.wait_ns > 0 ? span.exit_ns : span.entry_ns});
  return static_cast<double>(last_ns - first_ns);
}

double mean_step_ns(const SimulatedMesh& job, BlockKind kind) {
  double sum_ns = 0, steps = 0;
  for (const StepRecord& record : job.records)
    if (job.plan.blocks[record.block].kind == kind)
      sum_ns += static_cast<double>(record.end_ns - record.start_ns), ++steps;
  return sum_ns / steps;
}

/// All ranks in one group that sums once a step, as SimulatedJob has it.
std::vector<CollectiveRecord> spans_of(const SimulatedJob& job) {
  std::vector<CollectiveRecord> spans;
  for (const StepRecord& record : job.records)
    spans.push_back({.rank = record.rank,
                     .step = record.step,
                     .sequence = record.step,
                     .bytes = 1 << 20,
                     .entry_ns = record.collective_entry_ns,
                     .exit_ns = record.collective_exit_ns,
                     .wait_ns = record.collective_entry_ns});
  return spans;
}

}  // namespace

TEST_CASE("the spans of a collective have one key, and so have a send and its receive") {
  const CollectiveRecord one{.rank = 1, .sequence = 7, .group = 3}, other{.rank = 2, .sequence = 7, .group = 3};
  CHECK(key_of(one) == key_of(other));
  const CollectiveRecord sent{.rank = 1, .sequence = 7, .peer = 2, .group = 3, .operation = CollectiveOperation::send};
  const CollectiveRecord received{
      .rank = 2, .sequence = 7, .peer = 1, .group = 3, .operation = CollectiveOperation::receive};
  CHECK(key_of(sent) == key_of(received));
  CHECK(key_of(sent) != key_of(one));
  const CollectiveRecord back{.rank = 2, .sequence = 7, .peer = 1, .group = 3, .operation = CollectiveOperation::send};
  CHECK(key_of(sent) != key_of(back));
}

TEST_CASE("a graph played forward with what was measured takes as long as was measured") {
  const MeshKind kind = GENERATE(from_range(mesh_kinds()));
  CAPTURE(kind.name);
  SimulatedMesh job({.sizes = kind.sizes, .ranks = kind.ranks, .ranks_per_node = kind.ranks_per_node, .pairs = 1});
  job.run();
  const auto graphs = graphs_of(job);
  for (const Block& block : job.plan.blocks) {
    const BlockGraphs& of_block = graphs[static_cast<std::size_t>(block.index)];
    REQUIRE(of_block.graphs.size() == 3);
    CHECK(of_block.whole == 12);
    const auto played = play(of_block.graphs.front(), {}, Tokens::as_routed);
    REQUIRE(played);
    CHECK(std::abs(played->end_ns - length_ns(job, block.index, kStretchSteps)) < 2000);
    const CriticalPath path = critical_path(of_block.graphs.front(), *played, {}, Tokens::as_routed);
    CHECK(std::abs(path.work_ns + path.transfer_ns - played->end_ns) < 2000);
    CHECK(path.work_ns > 0.5 * played->end_ns);
  }
}

TEST_CASE("what a node put right gains is what its fault costs, on every mesh") {
  const MeshKind kind = GENERATE(from_range(mesh_kinds()));
  CAPTURE(kind.name);
  const MeshShape shape{.sizes = kind.sizes, .ranks = kind.ranks, .ranks_per_node = kind.ranks_per_node, .pairs = 6};
  SimulatedMesh job(shape);
  const int slow = job.nodes() - 1;  // of the last stage, which works most: others would be in its shadow
  job.run({.factor = [&](int rank, int) { return job.node_of(rank) == slow ? 1.2 : 1; }});
  OwnWork work = own_work(job.plan, job.records, nullptr);
  add_graphs(work, job.plan, job.records, job.spans, NodeClocks(job.plan, nullptr));
  REQUIRE(work.graphs());
  const double cost_ns = mean_step_ns(job, BlockKind::fault) - mean_step_ns(job, BlockKind::baseline);
  REQUIRE(cost_ns > 0.05 * mean_step_ns(job, BlockKind::baseline));
  const auto gain = [&](std::size_t node) {
    double sum_ns = 0, pairs = 0;
    for (const Block& block : job.plan.blocks) {
      REQUIRE(work.can_replay(block.index));
      const std::size_t nodes[] = {node};
      const double sign = block.kind == BlockKind::fault ? 1 : -1;
      sum_ns += sign * work.gain_ns(block.index, nodes);
      pairs += 0.5;
    }
    return sum_ns / pairs / cost_ns;
  };
  const auto last = static_cast<std::size_t>(slow);
  CHECK(gain(last) > 0.75);
  CHECK(gain(last) < 1.3);
  for (std::size_t node = 0; node < last; ++node) CHECK(std::abs(gain(node)) < 0.25);
}

TEST_CASE("clocks that are apart do not change a graph when it is known by how much") {
  const MeshShape shape{.sizes = {{Axis::pp, 4}}, .ranks = 4, .pairs = 1};
  SimulatedMesh together(shape);
  together.run();
  MeshShape apart = shape;
  apart.clock_offset_ns = {0, 700'000'000, -900'000'000, 5'000'000};
  SimulatedMesh job(apart);
  job.run();
  Json clock;
  for (const char* when : {"before", "after"})
    for (std::size_t node = 0; node < apart.clock_offset_ns.size(); ++node)
      clock[when].push_back(
          {{"node", node}, {"offset_ns", apart.clock_offset_ns[node]}, {"bound_ns", 1000}, {"at_ns", 1}});
  const auto a = graphs_of(together), b = graphs_of(job, clock);
  REQUIRE(b[0].graphs.size() == a[0].graphs.size());
  CHECK(std::abs(play(a[0].graphs[1], {}, Tokens::as_routed)->end_ns -
                 play(b[0].graphs[1], {}, Tokens::as_routed)->end_ns) < 2000);
  CHECK(left_out(graphs_of(job)) == 24);  // nobody measured the clocks
}

TEST_CASE("a step that lacks a span or a record is left out and counted, and the step that it begins with") {
  SimulatedMesh job({.sizes = {{Axis::dp, 2}, {Axis::pp, 2}}, .ranks = 4, .pairs = 1});
  job.run();
  CHECK(left_out(graphs_of(job)) == 0);
  CollectiveRecord& span = job.spans[40];
  REQUIRE(span.step == 1);
  SECTION("a span of one rank") {
    job.spans.erase(job.spans.begin() + 40);
    CHECK(left_out(graphs_of(job)) == 2);
  }
  SECTION("all spans of the last sum of gradients") {
    OperationKey key;
    for (const CollectiveRecord& one : job.spans)
      if (one.step == 1 && one.peer < 0) key = key_of(one);
    std::erase_if(job.spans, [&](const CollectiveRecord& one) { return key_of(one) == key; });
    CHECK(left_out(graphs_of(job)) == 1);  // the step that would begin with it
  }
  SECTION("a span that did not end") {
    span.exit_ns = 0;
    CHECK(left_out(graphs_of(job)) == 2);
  }
  SECTION("a step record of one rank") {
    job.records.erase(job.records.begin());
    CHECK(left_out(graphs_of(job)) == 1);
  }
}

TEST_CASE("of all ranks in one group graphs and step records give the same gains") {
  const auto seed = GENERATE(1, 2, 3);
  SimulatedJob job({.nodes = 4, .pairs = 2, .steps = 16}, static_cast<std::uint64_t>(seed));
  job.plan.design.settle_steps = 0;
  job.run([](int node, int, int, RankStep& own) { own.forward += node == 2 ? 3e6 : 0; });
  const OwnWork by_records = own_work(job.plan, job.records, nullptr);
  const NodeClocks clocks(job.plan, nullptr);
  const GraphGains by_graphs(job.plan, mesh_of(job.plan),
                             step_graphs(job.plan, mesh_of(job.plan), job.records, spans_of(job), clocks),
                             by_records.most_last());
  for (const Block& block : job.plan.blocks) {
    REQUIRE(by_graphs.has(block.index));
    const std::vector<std::vector<std::size_t>> sets{{0}, {1}, {2}, {3}, {1, 2}, {0, 3}};
    for (const auto& nodes : sets) {
      CAPTURE(block.index, nodes);
      CHECK(std::abs(by_graphs.gain_ns(block.index, nodes) - by_records.gain_ns(block.index, nodes)) < 100);
    }
    double turns_ns = 0, graph_turns_ns = 0;
    for (std::size_t node = 0; node < 4; ++node) {
      turns_ns += by_records.node_gain_ns(block.index, node, 1);
      graph_turns_ns += by_graphs.node_gain_ns(block.index, node, 1);
    }
    CHECK(std::abs(graph_turns_ns - turns_ns) < 100);
    const double longest_ns = by_records.block(block.index).longest_ns, step_ns = by_records.block(block.index).step_ns;
    CHECK(std::abs(by_graphs.work_share(block.index) - longest_ns / step_ns) < 0.01);
  }
}

TEST_CASE("of a router that favours one expert graphs tell what it costs") {
  SimulatedMesh job({.sizes = {{Axis::dp, 4}, {Axis::ep, 4}}, .ranks = 4, .pairs = 6});
  job.run({.imbalance = 0.5});
  OwnWork work = own_work(job.plan, job.records, nullptr);
  add_graphs(work, job.plan, job.records, job.spans, NodeClocks(job.plan, nullptr));
  REQUIRE(work.graphs());
  const double cost_ns = mean_step_ns(job, BlockKind::fault) - mean_step_ns(job, BlockKind::baseline);
  double routed_ns = 0, pairs = 0;
  for (const Block& block : job.plan.blocks) {
    const bool fault = block.kind == BlockKind::fault;
    routed_ns += (fault ? 1 : -1) * work.block(block.index).routed_ns;
    pairs += 0.5;
    CHECK(std::abs(work.graphs()->rank_routed_share(block.index, 0) - (fault ? 0.5 : 0)) < 0.15);
  }
  CHECK(routed_ns / pairs > 0.8 * cost_ns);
  CHECK(routed_ns / pairs < 1.2 * cost_ns);
}

// Who is blamed on a mesh, where ranks do not all meet in one group.
#include "analysis/blame/culprit.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/mesh_trials.hpp"

using namespace grit;
using namespace grit::testing;
using Catch::Matchers::Contains;

namespace {

std::optional<Culprit> culprit_of(const SimulatedMesh& job, const std::vector<CollectiveRecord>& spans) {
  OwnWork work = own_work(job.plan, job.records, nullptr);
  add_graphs(work, job.plan, job.records, spans, NodeClocks(job.plan, nullptr));
  const JsonLines events;
  const std::optional<JsonLines> links;
  return find_culprit({job.plan, work, job.records, Json(), spans, events, links, job.pairs, {}});
}
std::optional<Culprit> culprit_of(const SimulatedMesh& job) { return culprit_of(job, job.spans); }

std::vector<int> named_nodes(const std::optional<Culprit>& culprit) {
  std::vector<int> nodes;
  if (!culprit) return nodes;
  for (int i = 0; i < culprit->named; ++i) {
    const auto& of = culprit->suspects[static_cast<std::size_t>(i)].nodes;
    nodes.insert(nodes.end(), of.begin(), of.end());
  }
  std::sort(nodes.begin(), nodes.end());
  return nodes;
}

MeshHarm slow(std::set<int> ranks, double factor = 1.2) {
  return {.factor = [ranks = std::move(ranks), factor](int rank, int) { return ranks.contains(rank) ? factor : 1; }};
}

}  // namespace

TEST_CASE("a slow stage is named though all others wait elsewhere") {
  const int stage = GENERATE(0, 1, 3);
  SimulatedMesh job({.sizes = {{Axis::pp, 4}}, .ranks = 4});
  job.run(slow({stage}));
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text);
  CHECK(named_nodes(culprit) == std::vector{stage});
  CHECK(culprit->suspects.front().resource == "compute");
  CHECK(culprit->suspects.front().share_explained > 0.7);
}

TEST_CASE("a slow rank is named inside of its tensor group") {
  SimulatedMesh job({.sizes = {{Axis::dp, 2}, {Axis::tp, 4}}, .ranks = 8, .ranks_per_node = 2});
  job.run(slow({5}));
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text);
  CHECK(named_nodes(culprit) == std::vector{2});
  CHECK(culprit->suspects.front().rank == 5);
}

TEST_CASE("two slow nodes of different stages are both named") {
  SimulatedMesh job({.sizes = {{Axis::dp, 4}, {Axis::pp, 2}}, .ranks = 8, .uneven_stages = 0});
  job.run(slow({1, 5}));
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text);
  CHECK(named_nodes(culprit) == std::vector{1, 5});
}

TEST_CASE("of two slow nodes that is named first which the step hangs on") {
  SimulatedMesh job({.sizes = {{Axis::dp, 4}, {Axis::pp, 2}}, .ranks = 8});
  job.run(slow({1, 6}));  // of two pipelines, the second one in the stage that works longer
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text);
  REQUIRE(culprit->named > 0);
  CHECK(culprit->suspects.front().nodes == std::vector{6});
  for (const int node : named_nodes(culprit)) CHECK((node == 1 || node == 6));
}

TEST_CASE("of a stage of two nodes that both became slow both are named") {
  SimulatedMesh job({.sizes = {{Axis::dp, 2}, {Axis::pp, 4}}, .ranks = 8});
  job.run(slow({2, 3}));
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text);
  CHECK(named_nodes(culprit) == std::vector{2, 3});
}

TEST_CASE("nodes of a mesh that stall one after another are slow in turn") {
  MeshTrialRun run({.mesh = {"", {{Axis::dp, 2}, {Axis::tp, 2}, {Axis::pp, 2}}, 8, 1}, .truth = MeshTruth::in_turn});
  const auto culprit = culprit_of(run.job());
  REQUIRE(culprit);
  INFO(culprit->text);
  REQUIRE(culprit->named == 1);
  CHECK(!run.is_wrong(culprit->suspects.front()));
}

TEST_CASE("on a mesh where all became slow alike no node is named") {
  const MeshKind kind = GENERATE(from_range(mesh_kinds()));
  CAPTURE(kind.name);
  if (kind.ranks > 16) return;  // takes long
  SimulatedMesh job({.sizes = kind.sizes, .ranks = kind.ranks, .ranks_per_node = kind.ranks_per_node, .pairs = 6});
  job.run({.factor = [](int, int) { return 1.2; }});
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text);
  CHECK(named_nodes(culprit).empty());
}

TEST_CASE("a router that sends one expert more is named, and no node") {
  const bool two = GENERATE(false, true);
  SimulatedMesh job({.sizes = two ? AxisValues{{Axis::dp, 8}, {Axis::ep, 4}} : AxisValues{{Axis::dp, 4}, {Axis::ep, 4}},
                     .ranks = two ? 8 : 4});
  job.run({.imbalance = 0.5});
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text);
  REQUIRE(culprit->named == 1);
  CHECK(culprit->suspects.front().resource == "router");
  CHECK(culprit->suspects.front().nodes.empty());
  CHECK_THAT(culprit->suspects.front().why, Contains(two ? "the experts of ranks 0, 4" : "the experts of rank 0"));
  CHECK_THAT(culprit->text, Contains("no node is bad"));
}

TEST_CASE("a router that prefers another expert in each layer is named, and no node") {
  SimulatedMesh job({.sizes = {{Axis::dp, 4}, {Axis::ep, 4}}, .ranks = 4});
  job.run({.imbalance = 0.8, .rotates = true});
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text);
  REQUIRE(culprit->named == 1);
  CHECK(culprit->suspects.front().resource == "router");
  CHECK_THAT(culprit->suspects.front().why, Contains("experts of one rank after another"));
}

TEST_CASE("a slow node beside an uneven router is named as well") {
  SimulatedMesh job({.sizes = {{Axis::dp, 8}, {Axis::ep, 4}}, .ranks = 8});
  MeshHarm harm = slow({2}, 1.25);
  harm.imbalance = 0.5;
  job.run(harm);
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text);
  CHECK(named_nodes(culprit) == std::vector{2});
}

TEST_CASE("slow links of a mesh are the network's, and no node's work") {
  const MeshTruth truth = GENERATE(MeshTruth::all_links, MeshTruth::node_links);
  MeshTrialRun run({.mesh = {"", {{Axis::dp, 2}, {Axis::pp, 4}}, 8, 1}, .truth = truth, .strength = 0.5});
  const auto culprit = culprit_of(run.job());
  REQUIRE(culprit);
  INFO(culprit->text);
  for (int i = 0; i < culprit->named; ++i) CHECK(!run.is_wrong(culprit->suspects[static_cast<std::size_t>(i)]));
  REQUIRE(!culprit->suspects.empty());
  CHECK(culprit->suspects.front().resource == "network");
}

TEST_CASE("without spans, or with too few of them, a mesh names nobody and says why") {
  SimulatedMesh job({.sizes = {{Axis::pp, 4}}, .ranks = 4});
  job.run(slow({1}));
  const auto without = culprit_of(job, {});
  REQUIRE(without);
  CHECK(without->named == 0);
  CHECK_THAT(without->text, Contains("cannot be told") && Contains("no spans") && Contains("pp 4"));
  std::vector<CollectiveRecord> some;
  for (std::size_t i = 0; i < job.spans.size(); ++i)
    if (i % 50 != 0) some.push_back(job.spans[i]);
  const auto holes = culprit_of(job, some);
  REQUIRE(holes);
  CHECK(holes->named == 0);
  CHECK_THAT(holes->text, Contains("cannot be told") && Contains("spans"));
  // A few lost ones do no harm.
  some = job.spans;
  for (const std::size_t lost : {100, 5000, 9000}) some.erase(some.begin() + static_cast<std::ptrdiff_t>(lost));
  CHECK(named_nodes(culprit_of(job, some)) == std::vector{1});
}

TEST_CASE("on meshes the right node is named or none, in noise that no rule was made for", "[statistics]") {
  TrialCounts all;
  for (const MeshKind& kind : mesh_kinds())
    for (const auto& [name, noise] : mesh_noises())
      for (const MeshTruth truth : {MeshTruth::one_node, MeshTruth::all_links}) {
        if (kind.ranks > 8) continue;
        MeshTrialRun({.mesh = kind, .noise = noise, .truth = truth, .strength = 0.2}).count(all);
      }
  CAPTURE(all.runs, all.right, all.wrong);
  CHECK(all.runs == 48);
  CHECK(all.wrong <= 1);
  CHECK(10 * all.right >= 9 * all.runs);
}

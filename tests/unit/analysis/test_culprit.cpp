// Who is blamed for what, in simulated runs whose culprit is known; and that nobody is, when nobody is to blame.
#include <cmath>
#include <map>
#include <random>

#include "analysis/blame/culprit.hpp"
#include "analysis/blame/expected.hpp"
#include "analysis/blame/held_up.hpp"
#include "analysis/blame/links.hpp"
#include "analysis/facts/usage_growth.hpp"
#include "analysis/records/own_work.hpp"
#include "analysis/stats/median.hpp"
#include "analysis/stats/noise_floor.hpp"
#include "harness/model/expected_culprit.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/culprit_fixture.hpp"
#include "tests/unit/analysis/culprit_trials.hpp"
#include "tests/unit/analysis/simulated_steps.hpp"

using namespace grit;
using namespace grit::testing;

TEST_CASE("a slower accelerator: its node, compute, nearly all of the loss") {
  SimulatedJob job({});
  job.run([](int node, int, int, RankStep& step) {
    if (node == 2) step.forward *= 1.4, step.backward *= 1.4;
  });
  job.count([](bool, int) { return counters(50, 2); });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  CHECK(culprit->named);
  const Suspect& suspect = culprit->suspects.at(0);
  CHECK(suspect.node == 2);
  CHECK(suspect.node_name == "node2");
  CHECK(suspect.rank == 2);
  CHECK(suspect.phase == "backward");
  CHECK(suspect.resource == "compute");
  CHECK(suspect.share_explained > 0.9);
  CHECK(std::abs(suspect.excess_ns - 9.6e6) < 1e6);
  CHECK(culprit->text.starts_with("node2, compute, explains "));
  CHECK(suspect.why.find("last at the collective in 100 % of the fault steps") != std::string::npos);
}

TEST_CASE("one slow rank of a node with several, and a node whose ranks are all slow") {
  const bool whole_node = GENERATE(false, true);
  CAPTURE(whole_node);
  SimulatedJob job({.nodes = 3, .ranks_per_node = 4});
  job.run([&](int node, int rank, int, RankStep& step) {
    if (node == 1 && (whole_node || rank == 6)) step.forward += 5e6;
  });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  CHECK(culprit->named);
  CHECK(culprit->suspects.at(0).node == 1);
  CHECK(culprit->suspects.at(0).rank == (whole_node ? -1 : 6));
  CHECK(culprit->text.starts_with(whole_node ? "node1, compute" : "rank 6 on node1, compute"));
}

TEST_CASE("a tenth is enough, in steps that vary by a tenth") {
  SimulatedJob job({.steps = 20, .noise = 0.1});
  job.run([](int node, int, int, RankStep& step) {
    if (node == 3) step.forward += 3.7e6;
  });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  CHECK(culprit->named);
  CHECK(culprit->suspects.at(0).node == 3);
}

TEST_CASE("noise alone makes nobody a suspect", "[statistics]") {
  int named = 0;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SimulatedJob job({.noise = 0.1}, seed);
    job.run({});
    const auto culprit = culprit_of(job);
    if (!culprit) continue;  // the fault blocks happened to be faster
    for (const Suspect& suspect : culprit->suspects)
      if (suspect.node >= 0) ++named;
  }
  CHECK(named <= 3);
}

TEST_CASE("in noise that no rule was made for the wrong one is hardly ever named, and mostly the right one",
          "[statistics]") {
  using testing::Truth;
  testing::TrialCounts all;
  for (const testing::NoiseKind& kind : testing::noise_kinds())
    for (int truth = 0; truth <= static_cast<int>(Truth::few_cpus); ++truth) {
      testing::Trial trial{kind, static_cast<Truth>(truth)};
      for (trial.seed = 1; trial.seed <= 8 && trial.makes_sense(); ++trial.seed) count_trial(all, trial);
      trial.nodes = 16, trial.ranks_per_node = 4, trial.seed = 1;
      if (trial.makes_sense()) count_trial(all, trial);
    }
  CAPTURE(all.runs, all.right, all.wrong);
  CHECK(20 * all.wrong <= all.runs);
  CHECK(10 * all.right >= 9 * all.runs);
}

TEST_CASE("which machine is short of CPUs is not told by waits that are as long by chance") {
  const auto count = [](testing::Truth truth, int nodes, std::size_t kind) {
    testing::TrialCounts counts;
    testing::Trial trial{testing::noise_kinds().at(kind), truth, nodes};
    for (trial.seed = 1; trial.seed <= 25; ++trial.seed) count_trial(counts, trial);
    return counts;
  };
  const std::size_t quiet = 0, busy = testing::noise_kinds().size() - 1;
  REQUIRE(testing::noise_kinds().at(busy).name == "busy machines");
  for (const int nodes : {4, 24}) {
    CAPTURE(nodes);
    // The network is slow, and every machine's waits differ from block to block by more than the loss.
    CHECK(count(testing::Truth::network, nodes, busy).wrong <= 1);
    // One machine is: it, or nobody, but neither the network nor another one.
    CHECK(count(testing::Truth::few_cpus, nodes, busy).wrong <= 1);
    CHECK(count(testing::Truth::few_cpus, nodes, quiet).right == 25);
  }
}

TEST_CASE("each in turn is told from two slow nodes also where only the two with most work hold up the others") {
  // Nodes 1 and 3 work for half as long again, so that a pause of node 0 or 2 makes no step longer.
  testing::TrialCounts in_turn, two_nodes;
  testing::Trial trial{testing::noise_kinds().at(3)};
  REQUIRE(trial.kind.name == "two roles");
  for (trial.seed = 1; trial.seed <= 30; ++trial.seed) {
    trial.truth = testing::Truth::in_turn;
    count_trial(in_turn, trial);
    trial.truth = testing::Truth::two_nodes;
    count_trial(two_nodes, trial);
  }
  CHECK(in_turn.wrong <= 1);
  CHECK(2 * in_turn.right >= in_turn.runs);
  CHECK(two_nodes.wrong <= 1);
  CHECK(10 * two_nodes.right >= 8 * two_nodes.runs);
}

TEST_CASE("two slow nodes are found also where they have most of the ranks") {
  SimulatedJob job({.unequal = true});  // 1, 2, 3 and 1 ranks
  job.run([](int node, int, int, RankStep& step) {
    if (node == 1 || node == 2) step.forward += 8e6;
  });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text);
  REQUIRE(culprit->named == 2);
  CHECK(culprit->suspects.at(0).node + culprit->suspects.at(1).node == 3);
}

TEST_CASE("two nodes that are slow: both are named, each with its share") {
  const double second_ns = GENERATE(8e6, 5e6);
  SimulatedJob job({});
  job.run([&](int node, int, int, RankStep& step) {
    if (node == 0) step.forward += 8e6;
    if (node == 3) step.forward += second_ns;
  });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text);
  REQUIRE(culprit->named == 2);
  const Suspect &first = culprit->suspects.at(0), &second = culprit->suspects.at(1);
  CHECK(first.node + second.node == 3);
  // Neither explains anything until the other is put right: of 8 ms each has half of what both share, and one the rest.
  const double shared = second_ns / 8e6 / 2;
  CHECK(std::abs(std::min(first.share_explained, second.share_explained) - shared) < 0.05);
  CHECK(std::abs(std::max(first.share_explained, second.share_explained) - (1 - shared)) < 0.05);
  CHECK(first.resource == "compute");
  CHECK(culprit->text.find("of the loss; node") != std::string::npos);
}

TEST_CASE("a quarter of the nodes is slow: the group is named, and what it alone has in common") {
  SimulatedJob job({.nodes = 16, .steps = 20});
  for (std::size_t node = 0; node < 16; ++node)
    job.plan.topology.nodes[node].kernel = node % 4 == 1 ? "6.1.0-9" : "6.1.0-8";
  job.run([](int node, int, int, RankStep& step) {
    if (node % 4 == 1) step.forward += 6e6;
  });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text);
  REQUIRE(culprit->named == 1);
  const Suspect& suspect = culprit->suspects.at(0);
  CHECK(suspect.nodes == std::vector{1, 5, 9, 13});
  CHECK(suspect.node == -1);
  CHECK(suspect.share_explained > 0.9);
  CHECK(suspect.why.find("which alone have kernel 6.1.0-9") != std::string::npos);
}

TEST_CASE("ranks that are slow one after the other: each in turn, and no node") {
  const int nodes = GENERATE(2, 4, 16);
  CAPTURE(nodes);
  std::mt19937_64 random(5);
  SimulatedJob job({.nodes = nodes, .pairs = 8, .steps = 30});
  std::vector<int> turn(30);
  job.run([&](int node, int, int step, RankStep& own) {
    if (node == 0) turn[static_cast<std::size_t>(step)] = static_cast<int>(random() % static_cast<std::size_t>(nodes));
    if (turn[static_cast<std::size_t>(step)] == node) own.forward += 9e6;
  });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text << ": " << culprit->suspects.at(0).why);
  REQUIRE(culprit->named == 1);
  CHECK(culprit->suspects.at(0).node == -1);
  // Of each by itself it must be shown.
  CHECK(culprit->suspects.at(0).nodes.size() >= static_cast<std::size_t>(nodes) * 3 / 4);
  CHECK(culprit->suspects.at(0).share_explained > 0.8);
  CHECK(culprit->suspects.at(0).resource == "compute");
  CHECK(culprit->text.find(" in turn, compute, explains ") != std::string::npos);
}

TEST_CASE(
    "two of four nodes that stall in the same step, others in the next: in turn, also where the last alone explains "
    "little") {
  std::mt19937_64 random(7);
  SimulatedJob job({.pairs = 8, .steps = 30});
  std::vector<int> first(30), second(30);
  job.run([&](int node, int, int step, RankStep& own) {
    const auto at = static_cast<std::size_t>(step);
    if (node == 0)
      first[at] = static_cast<int>(random() % 4), second[at] = (first[at] + 1 + static_cast<int>(random() % 3)) % 4;
    if (first[at] == node || second[at] == node) own.forward += 9e6;
  });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text << ": " << culprit->suspects.at(0).why);
  REQUIRE(culprit->named == 1);
  CHECK(culprit->suspects.at(0).node == -1);
  CHECK(culprit->suspects.at(0).share_explained > 0.8);
  CHECK(culprit->suspects.at(0).why.find("with the last 2 of each step") != std::string::npos);
  CHECK(culprit->text.find(" in turn, compute, explains ") != std::string::npos);
}

TEST_CASE("pauses that hit each rank in turn, inside of collectives or not, are not the network's") {
  // Two pauses of 150 ms a block, at random of any rank; one of them while the rank waits in a collective, where only
  // the agent sees it.
  std::mt19937_64 random(11);
  SimulatedJob job({.pairs = 10, .steps = 30});
  std::map<std::pair<int, int>, double> stopped_ms;  // by fault block, in their order, and rank
  int block = -1, victim = 0;
  job.run(
      [&](int node, int, int step, RankStep& own) {
        if (node == 0 && step == 0) ++block;
        if (node == 0 && step == 10) victim = static_cast<int>(random() % 4), stopped_ms[{block, victim}] += 150;
        if (step == 10 && node == victim) own.forward += 150e6;
      },
      [&](int step) {
        if (step != 20) return 0.0;
        stopped_ms[{block, static_cast<int>(random() % 4)}] += 150;
        return 150e6;
      });
  std::map<int, int> fault_blocks;  // by Block::index
  for (const Block& one : job.plan.blocks)
    if (one.kind == BlockKind::fault) fault_blocks.emplace(one.index, static_cast<int>(fault_blocks.size()));
  job.count_blocks([&](const Block& of, int rank) {
    const bool fault = of.kind == BlockKind::fault;
    return counters(50, 2, fault ? stopped_ms[{fault_blocks.at(of.index), rank}] : 0);
  });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text << ": " << culprit->suspects.at(0).why);
  CHECK(culprit->named == 1);
  // Of no node by itself it is shown with four pauses in ten blocks.
  CHECK(culprit->text.starts_with("one node after another, compute, explains "));
  CHECK(culprit->suspects.at(0).nodes.empty());
  CHECK(culprit->suspects.at(0).share_explained > 0.9);
  for (const Suspect& suspect : culprit->suspects) CHECK(suspect.resource != "network");
}

TEST_CASE("ranks that are all stopped at the same time are not slow by turns") {
  SimulatedJob job({.pairs = 8, .steps = 30});
  job.run({}, [](int step) { return step == 20 ? 150e6 : 0.0; });
  job.count([](bool fault, int) { return counters(50, 2, fault ? 150 : 0); });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text << ": " << culprit->suspects.at(0).why);
  CHECK(culprit->named == 0);
  CHECK(culprit->text.starts_with("no single culprit: all nodes alike: a shared resource, compute, explains "));
  // Their own work did not grow, and is no reason.
  CHECK(culprit->suspects.at(0).why.find("own work grew") == std::string::npos);
  CHECK(culprit->suspects.at(0).why.starts_with("all nodes alike: "));
}

TEST_CASE("one rank that is slow in some blocks more than in others is not each in turn") {
  std::mt19937_64 random(3);
  SimulatedJob job({.pairs = 8, .steps = 30});
  job.run([&](int node, int, int, RankStep& own) {
    if (node == 2 && random() % 10 == 0) own.forward += 40e6;
  });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  INFO(culprit->text);
  CHECK(culprit->text.starts_with("node2, compute, explains "));
}

TEST_CASE("all nodes slow alike: a shared resource, and which by what the kernel counted") {
  const bool waiting = GENERATE(false, true);
  SimulatedJob job({});
  job.run([](int, int, int, RankStep& step) { step.optimizer += 6e6; });
  job.count([&](bool fault, int) { return counters(fault && !waiting ? 150 : 50, fault && waiting ? 100 : 2); });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  CHECK_FALSE(culprit->named);
  CHECK(culprit->suspects.at(0).node == -1);
  CHECK(culprit->suspects.at(0).resource == (waiting ? "compute" : "memory"));
  CHECK(culprit->text.starts_with("no single culprit: all nodes alike: a shared resource, "));
}

TEST_CASE("memory: the phases that stream through it take more CPU time on one node") {
  SimulatedJob job({});
  job.run([](int node, int, int, RankStep& step) {
    if (node == 1) step.optimizer *= 3;
  });
  job.count([](bool fault, int rank) { return counters(fault && rank == 1 ? 130 : 50, 2); });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  CHECK(culprit->named);
  CHECK(culprit->suspects.at(0).node == 1);
  CHECK(culprit->suspects.at(0).phase == "optimizer");
  CHECK(culprit->suspects.at(0).resource == "memory");
}

TEST_CASE("waiting for a CPU is compute, in whatever phase") {
  SimulatedJob job({});
  job.run([](int node, int, int, RankStep& step) {
    if (node == 1) step.optimizer *= 3;
  });
  job.count([](bool fault, int rank) { return counters(50, fault && rank == 1 ? 80 : 2); });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  CHECK(culprit->suspects.at(0).resource == "compute");
}

TEST_CASE("without the kernel's counters the optimizer's growth is of no known resource") {
  SimulatedJob job({});
  job.run([](int node, int, int, RankStep& step) {
    if (node == 1) step.optimizer *= 3;
  });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  CHECK(culprit->suspects.at(0).resource == "unknown");
}

TEST_CASE("storage: checkpoints that take longer, on one node that has a machine of its own") {
  SimulatedJob job({.local_cluster = false});
  job.run([](int node, int, int step_in_block, RankStep& step) {
    if (step_in_block % 4 == 3) step.checkpoint = node == 2 ? 60e6 : 5e6;
  });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  CHECK(culprit->named);
  CHECK(culprit->suspects.at(0).node == 2);
  CHECK(culprit->suspects.at(0).resource == "storage");
}

TEST_CASE("where one machine's links and all own work become slow together, it is not the network") {
  for (const bool local_cluster : {true, false}) {
    SimulatedJob job({.local_cluster = local_cluster});
    const auto checkpoints = [](int, int, int step_in_block, RankStep& step) {
      if (step_in_block % 4 == 3) step.checkpoint = 60e6;
    };
    job.run(checkpoints, [](int) { return 20e6; });
    const auto culprit = culprit_of(job, links_of([](int, int) { return 3.0; }));
    REQUIRE(culprit);
    INFO(culprit->text);
    CHECK_FALSE(culprit->named);
    // Several machines share a network as well, and that may be what is slow.
    const auto is_network = [](const Suspect& suspect) { return suspect.resource == "network"; };
    CHECK(std::any_of(culprit->suspects.begin(), culprit->suspects.end(), is_network) != local_cluster);
    if (local_cluster) CHECK(culprit->suspects.at(0).resource == "storage");
    if (local_cluster) CHECK(culprit->suspects.at(0).share_explained > 0.9);
  }
}

TEST_CASE("slow communication with normal own work is the network, and the link test tells whose") {
  SimulatedJob job({});
  job.run({}, [](int) { return 15e6; });
  const auto node1 = [](int a, int b) { return a == 1 || b == 1 ? 6.0 : 1.0; };
  const auto somewhat = [](int a, int b) { return a == 1 || b == 1 ? 2.0 : 1.0; };

  SECTION("a node's links") {
    const auto culprit = culprit_of(job, links_of(node1));
    REQUIRE(culprit);
    CHECK(culprit->named);
    CHECK(culprit->suspects.at(0).node == 1);
    CHECK(culprit->suspects.at(0).phase == "exposed_comm");
    CHECK(culprit->text.starts_with("node1, network, explains "));
    CHECK(culprit->suspects.at(0).share_explained > 0.9);
  }
  SECTION("the links of two nodes: each has its share") {
    const auto culprit = culprit_of(
        job, links_of([](int a, int b) { return 1 + (a == 1 || b == 1 ? 8.0 : 0) + (a == 3 || b == 3 ? 4.0 : 0); }));
    REQUIRE(culprit);
    INFO(culprit->text);
    REQUIRE(culprit->named == 2);
    CHECK(culprit->suspects.at(0).node == 1);
    CHECK(culprit->suspects.at(1).node == 3);
    CHECK(std::abs(culprit->suspects.at(0).share_explained - 2.0 / 3) < 0.05);
    CHECK(culprit->text.find("; node3, network, explains ") != std::string::npos);
  }
  SECTION("one link that holds up what else its two nodes exchange") {
    const auto culprit = culprit_of(job, links_of([](int a, int b) {
                                      if (a == 1 && b == 3) return 20.0;
                                      return a == 1 || b == 1 || a == 3 || b == 3 ? 4.0 : 1.0;
                                    }));
    REQUIRE(culprit);
    CHECK(culprit->text.starts_with("link node1–node3, network, explains "));
    CHECK(culprit->suspects.at(0).nodes == std::vector{1, 3});
    CHECK(culprit->suspects.at(0).why.find("over others 4.0 times") != std::string::npos);
  }
  SECTION("slow links of a node are the network's also where ranks wait for CPUs") {
    job.count([](bool fault, int) { return counters(50, fault ? 150 : 2); });
    CHECK(culprit_of(job, links_of(node1))->suspects.at(0).resource == "network");
    // But not where its own ranks wait longer than others.
    job.events.clear();
    job.count([](bool fault, int rank) { return counters(50, fault ? (rank == 1 ? 900 : 150) : 2); });
    CHECK(culprit_of(job, links_of(node1))->suspects.at(0).resource == "compute");
  }
  SECTION("one link alone") {
    const auto culprit = culprit_of(job, links_of([](int a, int b) { return a == 1 && b == 3 ? 4.0 : 1.0; }));
    REQUIRE(culprit);
    CHECK(culprit->named);
    CHECK(culprit->suspects.at(0).node == -1);
    CHECK(culprit->text.starts_with("link node1–node3, network, explains "));
  }
  SECTION("all links") {
    const auto culprit = culprit_of(job, links_of([](int, int) { return 4.0; }));
    REQUIRE(culprit);
    CHECK_FALSE(culprit->named);
    CHECK(culprit->text.starts_with("no single culprit: all links alike: a shared resource, network, "));
  }
  SECTION("two nodes have one link: whose end is slow cannot be told, so the link is named") {
    CHECK(judge_links(link_figures(link_lines(links_of([](int, int) { return 4.0; }, 2))))->nodes.empty());
    SimulatedJob two({.nodes = 2});
    two.run({}, [](int) { return 15e6; });
    for (const double times : {1.3, 4.0}) {  // hardly more than noise, and plainly
      const auto culprit = culprit_of(two, links_of([&](int, int) { return times; }, 2));
      REQUIRE(culprit);
      CHECK(culprit->text.starts_with("link node0–node1, network, explains "));
    }
    // It is the only one, so that it is slow says nothing against CPUs that are short.
    two.count([](bool fault, int) { return counters(50, fault ? 150 : 2); });
    CHECK(culprit_of(two, links_of([](int, int) { return 6.0; }, 2))->suspects.at(0).resource == "compute");
  }
  SECTION("without a link test the node cannot be told") {
    const auto culprit = culprit_of(job);
    REQUIRE(culprit);
    CHECK(culprit->named);
    CHECK(culprit->suspects.at(0).node == -1);
    CHECK(culprit->text.starts_with("network, node cannot be told, explains "));
  }
  SECTION("but a check that fails on one node alone tells") {
    const auto culprit =
        culprit_of(job, kNoFile, kNoFile, {{"link_up", "node2", 10, 0, 10, 4}, {"link_up", "node0", 10, 0, 10, 0}});
    REQUIRE(culprit);
    CHECK(culprit->suspects.at(0).node == 2);
  }
  SECTION("but not one that looks at other things than links") {
    CheckResult disk{"disk_smart", "node2", 10, 0, 10, 4};
    disk.of_links = false;
    const auto culprit = culprit_of(job, kNoFile, kNoFile, {disk});
    REQUIRE(culprit);
    CHECK(culprit->text.starts_with("network, node cannot be told, explains "));
  }
  SECTION("and waiting for CPUs is not the network") {
    job.count([](bool fault, int) { return counters(50, fault ? 150 : 2); });
    const auto culprit = culprit_of(job, links_of([](int, int) { return 2.0; }));
    REQUIRE(culprit);
    CHECK_FALSE(culprit->named);
    CHECK(culprit->suspects.at(0).resource == "compute");
  }
  SECTION("unless nobody else took them: ranks that poll wait for each other's turns") {
    job.count([](bool fault, int) { return counters(50, fault ? 150 : 2); });
    const double others_ns = GENERATE(0.0, 200e6);  // in a block with the fault
    double busy_ns = 1e9;
    for (Json& event : job.events) {
      const Block& block = job.plan.blocks[event["block"].get<std::size_t>()];
      if (event["edge"] == "end") busy_ns += 50e6 + (block.kind == BlockKind::fault ? others_ns : 0);
      event["cpu_busy_ns"] = busy_ns;
    }
    const auto culprit = culprit_of(job, links_of(somewhat));
    REQUIRE(culprit);
    CHECK(culprit->suspects.at(0).resource == (others_ns > 0 ? "compute" : "network"));
  }
  SECTION("nor when others took as much as at other times, of which a longer step has more") {
    // One CPU, always; under the fault one more; or on a machine whose two CPUs were busy all along, whose ranks wait
    // for turns to poll as often as before, or more often.
    struct Case {
      double others_cpus[2];
      int cores;
      double wait_share[2];
      const char* resource;
    };
    const Case one = GENERATE(Case{{1, 1}, 8, {0.005, 0.25}, "network"}, Case{{1, 2}, 8, {0.005, 0.25}, "compute"},
                              Case{{1.9, 1.9}, 2, {0.4, 0.4}, "network"}, Case{{1.9, 1.9}, 2, {0.1, 0.4}, "compute"});
    for (Node& node : job.plan.topology.nodes) node.cores = one.cores;
    const OwnWork work = own_work(job.plan, job.records, kNoFile);
    const auto length_ns = [&](int block) {
      return work.block(block).step_ns * static_cast<double>(work.block(block).steps);
    };
    const auto first = [&](BlockKind kind) {
      return std::find_if(job.plan.blocks.begin(), job.plan.blocks.end(),
                          [&](const Block& b) { return b.kind == kind; })
          ->index;
    };
    job.count([&](bool fault, int) {
      const int block = first(fault ? BlockKind::fault : BlockKind::baseline);
      return counters(50, 1e-6 * one.wait_share[fault] * length_ns(block));
    });
    double busy_ns = 1e9;
    for (Json& event : job.events) {
      const int block = event["block"].get<int>();
      const bool fault = job.plan.blocks[static_cast<std::size_t>(block)].kind == BlockKind::fault;
      if (event["edge"] == "end") busy_ns += 50e6 + one.others_cpus[fault] * length_ns(block);
      event["cpu_busy_ns"] = busy_ns;
    }
    const auto culprit = culprit_of(job, links_of(somewhat));
    REQUIRE(culprit);
    INFO(culprit->text << ": " << culprit->suspects.at(0).why);
    CHECK(culprit->suspects.at(0).resource == one.resource);
  }
  SECTION("nor are ranks of other nodes others, where these are one machine that is no local cluster") {
    job.plan.topology.local_cluster = false;
    job.count([](bool fault, int) { return counters(fault ? 350 : 50, fault ? 150 : 2); });
    const bool known = GENERATE(true, false);
    double busy_ns = 1e9;
    for (Json& event : job.events) {
      const bool fault = job.plan.blocks[event["block"].get<std::size_t>()].kind == BlockKind::fault;
      if (event["edge"] == "end") busy_ns += 4 * (fault ? 350e6 : 50e6);
      event["cpu_busy_ns"] = busy_ns;
      if (known) event["machine"] = "d41f0f7e";
    }
    const auto culprit = culprit_of(job, links_of(somewhat));
    REQUIRE(culprit);
    INFO(culprit->text << ": " << culprit->suspects.at(0).why);
    CHECK(culprit->suspects.at(0).resource == (known ? "network" : "compute"));
  }
  SECTION("but of memory, when what others take CPUs for is faulting pages in") {
    job.count([](bool fault, int) { return counters(50, fault ? 150 : 2); });
    const bool touches_pages = GENERATE(false, true);
    double busy_ns = 1e9, faults = 0;
    for (Json& event : job.events) {
      const bool fault = job.plan.blocks[event["block"].get<std::size_t>()].kind == BlockKind::fault;
      if (event["edge"] == "end") busy_ns += fault ? 450e6 : 50e6, faults += fault && touches_pages ? 10'000 : 20;
      event["cpu_busy_ns"] = busy_ns;
      event["page_faults"] = faults;
    }
    const auto culprit = culprit_of(job);
    REQUIRE(culprit);
    INFO(culprit->suspects.at(0).why);
    CHECK(culprit->suspects.at(0).resource == (touches_pages ? "memory" : "compute"));
  }
  SECTION("pages that ranks of other nodes of the machine fault in are not others'") {
    job.plan.topology.local_cluster = true;
    job.count([](bool fault, int) {
      Json counted = counters(50, fault ? 150 : 2);
      counted["minor_faults"] = fault ? 3000 : 1000;
      return counted;
    });
    double busy_ns = 1e9, faults = 0;
    for (Json& event : job.events) {
      const bool fault = job.plan.blocks[event["block"].get<std::size_t>()].kind == BlockKind::fault;
      if (event["edge"] == "end") busy_ns += fault ? 650e6 : 200e6, faults += fault ? 12'000 : 4'000;
      event["cpu_busy_ns"] = busy_ns;
      event["page_faults"] = faults;
    }
    const auto culprit = culprit_of(job);
    REQUIRE(culprit);
    INFO(culprit->text << ": " << culprit->suspects.at(0).why);
    CHECK(culprit->suspects.at(0).resource == "compute");
  }
}

TEST_CASE("other work that takes CPUs in bursts holds up collectives, and is not the network's") {
  // Steps of 40 ms: 12 of them are half a second. A rank waits for 0.5 ms a step longer, and each holds up all others.
  SimulatedJob job({.noise = 0.002});
  job.run({}, [](int) { return 2e6; });
  job.count([](bool fault, int) { return counters(50, fault ? 6 : 0); });
  for (Node& node : job.plan.topology.nodes) node.cores = 2;

  SECTION("others are seen to take them") {
    count_machine(job, [](int, bool fault) { return fault ? 300e6 : 20e6; });
    const auto culprit = culprit_of(job);
    REQUIRE(culprit);
    INFO(culprit->text << ": " << culprit->suspects.at(0).why);
    CHECK(culprit->named == 0);
    CHECK(culprit->text.starts_with("no single culprit: all nodes alike: a shared resource, compute, explains "));
    CHECK(culprit->suspects.at(0).share_explained > 0.9);
    CHECK(culprit->suspects.at(0).why.find("other processes of the machine took") != std::string::npos);
  }
  SECTION("nobody takes more") {
    count_machine(job, [](int, bool) { return 20e6; });
    const auto culprit = culprit_of(job);
    REQUIRE(culprit);
    CHECK(culprit->text.starts_with("network, node cannot be told, explains "));
  }
  SECTION("of CPUs that were all busy nobody can be seen to take more: only a link test tells") {
    count_machine(job, [](int, bool) { return 1000e6; });
    const auto culprit = culprit_of(job);
    REQUIRE(culprit);
    INFO(culprit->text);
    CHECK(culprit->named == 0);
    CHECK(culprit->suspects.at(0).resource == "unknown");
    CHECK(culprit->text.starts_with("no single culprit: the network, or CPUs that others took (which of them cannot "));
    CHECK(culprit->suspects.at(0).why.find("link_test = true") != std::string::npos);
    const auto no_link = culprit_of(job, links_of([](int, int) { return 1.0; }));
    REQUIRE(no_link);
    CHECK(no_link->suspects.at(0).resource == "unknown");
    CHECK(no_link->suspects.at(0).why.find("CPUs to spare") != std::string::npos);
    const auto slow_node = culprit_of(job, links_of([](int a, int b) { return a == 1 || b == 1 ? 8.0 : 1.0; }));
    REQUIRE(slow_node);
    CHECK(slow_node->text.starts_with("node1, network, explains "));
  }
}

TEST_CASE("on machines of their own the counters of the suspect's machine count") {
  const auto own_machine = [](int node) { return "boot" + std::to_string(node); };
  SECTION("a burst of other work on one of them: that node, and not the network") {
    SimulatedJob job({.noise = 0.002, .local_cluster = false});
    job.run({}, [](int) { return 2e6; });
    job.count([](bool fault, int rank) { return counters(50, fault && rank == 2 ? 24 : 0); });
    count_machine(
        job, [](int node, bool fault) { return fault && node == 2 ? 300e6 : 20e6; }, own_machine);
    const auto culprit = culprit_of(job);
    REQUIRE(culprit);
    INFO(culprit->text << ": " << culprit->suspects.at(0).why);
    CHECK(culprit->text.starts_with("node2, compute, explains "));
    CHECK(culprit->suspects.at(0).share_explained > 0.9);
  }
  SECTION("pages faulted in there: memory") {
    SimulatedJob job({.local_cluster = false});
    job.run([](int node, int, int, RankStep& step) {
      if (node == 2) step.forward += 8e6;
    });
    job.count([](bool fault, int rank) { return counters(50, fault && rank == 2 ? 96 : 2); });
    count_machine(
        job, [](int node, bool fault) { return fault && node == 2 ? 300e6 : 20e6; }, own_machine);
    for (Json& event : job.events) {
      const bool fault = job.plan.blocks[event["block"].get<std::size_t>()].kind == BlockKind::fault;
      event["page_faults"] = fault && event["edge"] == "end" && event["node"] == 2 ? 11'000 : 1'000;
    }
    const auto culprit = culprit_of(job);
    REQUIRE(culprit);
    INFO(culprit->suspects.at(0).why);
    CHECK(culprit->suspects.at(0).node == 2);
    CHECK(culprit->suspects.at(0).resource == "memory");
  }
}

TEST_CASE("one link that stalls in each block with the fault is named, however much means of transfers vary") {
  const auto entry = [](int block, int a, int b, double longest_ns, double ms) {
    return Json{
        {"block", block}, {"kind", block % 2 == 0 ? "link_fault" : "link_baseline"}, {"a", a},
        {"b", b},         {"latency_ns", {{"median", 1e5}, {"max", longest_ns}}},    {"bits_per_s", 4.2e6 / ms * 1e3}};
  };
  // One transfer of each block and link; how long they take on average differs by up to three times between blocks.
  Json links = Json::array();
  for (const int block : {1, 2, 3, 4})
    for (int a = 0; a < 4; ++a)
      for (int b = a + 1; b < 4; ++b) {
        links.push_back(entry(block, a, b, 8e6, 1.2 + (a * 5 + b * 3 + block * 7) % 4));
        if (block % 2 == 0 && a == 1 && b == 3) links.push_back(entry(block, a, b, 410e6, 20));
      }
  const auto found = judge_links(link_figures(link_lines(Json{{"links", links}})));
  REQUIRE(found);
  INFO(found->text);
  CHECK(found->a == 1);
  CHECK(found->b == 3);
  CHECK(found->text.find("this link alone stalled, for 410 ms and more") != std::string::npos);
  // In one of the blocks it was another link.
  for (Json& one : links)
    if (one["block"] == 4 && one["latency_ns"]["max"] == 410e6) one["a"] = 0;
  const auto chance = judge_links(link_figures(link_lines(Json{{"links", links}})));
  CHECK_FALSE((chance && chance->named()));
}

TEST_CASE("with many ranks and few pairs hardly any stands out by chance, and names are few", "[statistics]") {
  std::mt19937_64 random(9);
  std::normal_distribution<double> normal{0, 1};
  for (const std::size_t ranks : {64U, 1024U, 16384U}) {
    constexpr std::size_t kPairs = 6;
    std::size_t beyond = 0;
    const std::size_t runs = 65536 / ranks;
    for (std::size_t run = 0; run < runs; ++run) {
      std::vector<std::vector<double>> noise(ranks);
      std::vector<double> excess;
      for (auto& of_rank : noise) {
        double before = normal(random);
        std::vector<double> own;
        for (std::size_t pair = 0; pair < kPairs; ++pair) {
          const double baseline = normal(random);
          if (pair > 0) of_rank.push_back(baseline - before);
          own.push_back(normal(random) - baseline);
          before = baseline;
        }
        excess.push_back(median(own));
      }
      const auto floors = noise_floors_ns(noise, kPairs);
      for (std::size_t rank = 0; rank < ranks; ++rank) beyond += excess[rank] > floors[rank] ? 1 : 0;
    }
    CAPTURE(ranks);
    CHECK(beyond <= runs / 20 + 1);
  }
}

TEST_CASE("a rank stopped while it waits in a collective is not the network") {
  SimulatedJob job({});
  job.run({}, [](int step) { return step == 6 ? 200e6 : 0.0; });
  job.count([](bool fault, int rank) { return counters(50, 2, fault && rank == 1 ? 190 : 0); });
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  CHECK(culprit->named);
  CHECK(culprit->suspects.at(0).node == 1);
  CHECK(culprit->suspects.at(0).resource == "compute");
  CHECK(culprit->suspects.at(0).share_explained > 0.8);
}

TEST_CASE("arrivals are not claimed closer than the clocks' bounds") {
  SimulatedJob job({.clock_offset_ns = {0, 7'000'000'000, -3'000'000'000, 50'000'000}, .local_cluster = false});
  job.run([](int node, int, int, RankStep& step) {
    if (node == 1) step.forward += 5e6;
  });
  const auto clock_with = [&](std::int64_t bound_ns, bool all = true) {
    Json clock{{"before", Json::array()}, {"after", Json::array()}};
    const std::int64_t offsets[] = {0, 7'000'000'000, -3'000'000'000, 50'000'000};
    for (int node = 0; node < (all ? 4 : 3); ++node)
      for (const auto& [when, at] : {std::pair("before", 0LL), std::pair("after", 4'000'000'000'000LL)})
        clock[when].push_back(
            {{"node", node}, {"offset_ns", offsets[node]}, {"bound_ns", node == 0 ? 0 : bound_ns}, {"at_ns", at}});
    return clock;
  };
  const auto last_of = [&](const Json& clock, std::size_t node) {
    const OwnWork work = own_work(job.plan, job.records, clock);
    std::uint32_t last = 0;
    for (const Block& block : job.plan.blocks)
      if (block.kind == BlockKind::fault) last += work.arrivals(block.index, node).last;
    return last;
  };
  CHECK(last_of(clock_with(20'000), 1) == 8 * 11);
  CHECK(last_of(clock_with(4'000'000), 1) == 0);      // 5 ms are less than 2 × 4 ms
  CHECK(last_of(clock_with(20'000, false), 1) == 0);  // a node whose clock nobody measured
  CHECK(last_of(kNoFile, 1) == 0);
  const auto culprit = culprit_of(job, kNoFile, clock_with(4'000'000));
  REQUIRE(culprit);  // its own work is on its own clock
  CHECK(culprit->suspects.at(0).node == 1);
  CHECK(culprit->suspects.at(0).why.find("last at the collective") == std::string::npos);
}

TEST_CASE("torn, doubled and foreign records do no harm") {
  SimulatedJob job({});
  job.run([](int node, int, int, RankStep& step) {
    if (node == 2) step.forward += 8e6;
  });
  job.records.resize(job.records.size() - 3);  // the last step lacks ranks
  StepRecord foreign = job.records.front();
  foreign.rank = 77;
  job.records.push_back(foreign);
  foreign.rank = 1, foreign.block = 9999;
  job.records.push_back(foreign);
  foreign.block = 0, foreign.step_in_block = 0xffffffff;
  job.records.push_back(foreign);
  foreign.step_in_block = 3, foreign.exposed_comm_ns = -5;
  job.records.push_back(foreign);
  job.records.push_back(job.records[40]);
  const auto culprit = culprit_of(job);
  REQUIRE(culprit);
  CHECK(culprit->suspects.at(0).node == 2);
  CHECK(culprit->suspects.at(0).share_explained > 0.9);
  job.records.clear();
  CHECK_FALSE(culprit_of(job).has_value());
}

TEST_CASE("a step's counters are the block's by all of its steps, also by those of which a record is missing") {
  SimulatedJob job({});  // eleven steps of a block are measured, and one before them is not
  job.run({});
  job.count([](bool, int) { return counters(120, 24); });
  std::erase_if(job.records, [&](const StepRecord& record) {
    return job.plan.blocks[record.block].kind == BlockKind::fault && record.rank == 1 && record.step_in_block % 2 == 0;
  });
  const OwnWork work = own_work(job.plan, job.records, kNoFile);
  const JsonLines events = job.events;
  const UsageGrowth usage(job.plan, work, events, {{0, 1}});
  for (const int block : {0, 1}) {
    const auto of_block = usage.of_block(block, 0);
    REQUIRE(of_block);
    CHECK(of_block->cpu_ns == Approx(10e6));
    CHECK(of_block->run_wait_ns == Approx(2e6));
  }
}

TEST_CASE("of fewer pairs than could show anything nobody is named") {
  for (const int left : {5, 4, 1}) {
    SimulatedJob job({});
    job.run([](int node, int, int, RankStep& step) {
      if (node == 2) step.forward += 8e6;
    });
    std::erase_if(job.records, [&](const StepRecord& record) {  // no step of the other pairs has a record of every rank
      return record.rank == 0 && job.plan.blocks[record.block].pair >= left;
    });
    CAPTURE(left);
    const auto culprit = culprit_of(job);
    REQUIRE(culprit);
    CHECK(culprit->named == (left == 5 ? 1 : 0));
    if (left == 5) continue;
    CHECK(culprit->suspects.empty());
    CHECK(culprit->text.starts_with("cannot be told: in only " + std::to_string(left) + " of the 8 pairs"));
  }
}

TEST_CASE("blocks that came without pairs count for nothing") {
  SimulatedJob job({});
  job.run([](int node, int, int, RankStep& step) {
    if (node == 2) step.forward += 8e6;
  });
  job.pairs.clear();
  CHECK_FALSE(culprit_of(job).has_value());
}

TEST_CASE("an expected culprit is met, not met, or cannot be told") {
  Plan plan = SimulatedJob({}).plan;
  PlannedFault fault, passive;
  fault.node = 1, passive.node = 2;
  passive.passive = true;
  plan.faults = {fault, passive};
  plan.expect.culprit = ExpectedCulprit{NodeSelector{.kind = NodeSelector::Kind::any}, "network"};
  const auto met = [&](Culprit culprit) { return names_expected(plan, culprit, true); };
  Suspect suspect{.node = 1, .node_name = "node1", .resource = "network", .share_explained = 0.9};
  CHECK(expected_text(plan, *plan.expect.culprit) == "culprit node1, network");
  CHECK(met({true, "", {suspect}}) == true);
  CHECK_FALSE(names_expected(plan, std::nullopt, true).has_value());
  CHECK_FALSE(names_expected(plan, Culprit{true, "", {suspect}}, false).has_value());
  suspect.node = 2;
  CHECK(met({true, "", {suspect}}) == false);  // it was only the other end
  suspect.node = -1, suspect.phase = "exposed_comm";
  CHECK_FALSE(met({true, "", {suspect}}).has_value());
  suspect.phase = "exposed_comm";
  CHECK(met({false, "", {suspect}}) == false);  // all alike
  plan.expect.culprit->on = NodeSelector{.kind = NodeSelector::Kind::list, .nodes = {0, 1, 2, 3}};
  CHECK(met({false, "", {suspect}}) == true);
  CHECK(expected_text(plan, *plan.expect.culprit) == "culprit all nodes, network");
  suspect.node = 2;
  CHECK(met({true, "", {suspect}}) == false);  // all are expected, and only one is named
  suspect.node = -1;
  plan.expect.culprit->on = NodeSelector{.kind = NodeSelector::Kind::any};
  suspect.node = 1, suspect.resource = "compute";
  CHECK(met({true, "", {suspect}}) == false);
  suspect.resource = "unknown";
  CHECK_FALSE(met({true, "", {suspect}}).has_value());
  suspect.resource = "network", suspect.share_explained = 0.4;
  CHECK_FALSE(met({false, "", {suspect}}).has_value());
  // Several culprits: all of them must be expected ones.
  plan.expect.culprit = ExpectedCulprit{NodeSelector{.kind = NodeSelector::Kind::list, .nodes = {1, 3}}, ""};
  const Suspect first{.node = 1, .nodes = {1}, .share_explained = 0.5};
  CHECK(met({2, "", {first, {.node = 3, .nodes = {3}, .share_explained = 0.4}}}) == true);
  CHECK(met({2, "", {first, {.node = 2, .nodes = {2}, .share_explained = 0.4}}}) == false);
  CHECK(met({1, "", {first, {.node = 2, .nodes = {2}, .share_explained = 0.1}}}) == true);
  CHECK(met({1, "", {{.nodes = {1, 3}, .share_explained = 0.9}}}) == true);  // by turns
  CHECK(met({1, "", {{.nodes = {1, 2, 3}, .share_explained = 0.9}}}) == false);
  plan.expect.culprit->on = NodeSelector{.kind = NodeSelector::Kind::list, .nodes = {0, 1, 2, 3}};
  CHECK(met({1, "", {{.nodes = {0, 1, 2, 3}, .share_explained = 0.9}}}) == true);
  plan.expect.culprit->resource = "network";
  CHECK_FALSE(met({0, "", {{.phase = "exposed_comm", .resource = "unknown", .share_explained = 0.9}}}).has_value());
  plan.expect.culprit = ExpectedCulprit{std::nullopt, "memory"};
  CHECK(met({false, "", {{.resource = "memory", .share_explained = 0.9}}}) == true);
}

// The kinds of `grit measure` that need MPI, on the nodes of a local cluster.
#include <optional>

#include "harness/model/burnin_observation.hpp"
#include "tests/catch.hpp"
#include "tests/cluster/program.hpp"

using namespace grit;
using grit::test::Program;
using grit::test::TemporaryDirectory;

namespace {

/// What a cell of these kinds finds on all nodes of a new cluster; each runs `before` first, and measures under `by`.
BurninCellResult measured(int nodes, const std::string& kinds, const std::string& before = "true",
                          const std::string& by = "") {
  BurninCellResult result;
  std::string hosts;
  for (int node = 0; node < nodes; ++node) {
    result.cell.hosts.push_back("node" + std::to_string(node));
    hosts += (node == 0 ? "" : ",") + result.cell.hosts.back();
  }
  const TemporaryDirectory run;
  const std::string line = before + "; exec " + by + GRIT_BINARY " measure --kinds " + kinds + " --hosts " + hosts +
                           " --length-ns 1000000000 --limit-ns 100000000000";
  Program program({CLUSTER_HELPER, "run", std::to_string(nodes), run.path(), "/bin/sh", "-c", line});
  INFO(program.out() << program.err());
  CHECK(program.wait() == 0);
  CHECK(program.left_no_process());
  read_burnin_lines(program.out(), result);
  return result;
}

std::optional<BurninObservation> figure(const BurninCellResult& result, const std::string& measure,
                                        const std::string& host) {
  for (const BurninObservation& one : result.observations)
    if (one.measure == measure && one.host == host) return one;
  return std::nullopt;
}

}  // namespace

TEST_CASE("a link is measured in both directions, and the slow one is told from the other") {
  const std::string slow =
      "test $(hostname) = node1 && tc qdisc replace dev eth0 root tbf rate 100mbit burst 256kb latency 100ms";
  const BurninCellResult result = measured(2, "link", slow);
  for (const auto& [host, peer] : {std::pair{"node0", "node1"}, std::pair{"node1", "node0"}}) {
    CAPTURE(host);
    for (const char* measure : {"link_latency", "link_rate", "link_loss"}) {
      CAPTURE(measure);
      const auto one = figure(result, measure, host);
      REQUIRE(one);
      CHECK(one->peer == peer);
    }
    CHECK(figure(result, "link_latency", host)->value > 0);
    CHECK(figure(result, "link_loss", host)->exposure > 0);
  }
  CHECK(result.errors.empty());
  const double slowed = figure(result, "link_rate", "node1")->value,
               other = figure(result, "link_rate", "node0")->value;
  CHECK(slowed < 130e6);
  CHECK(slowed > 10e6);
  CHECK(other > 2 * slowed);
}

TEST_CASE("segments that are lost on the way are counted where they were sent") {
  // Of what node0 gets, and node1 sends, one packet in fifty.
  const BurninCellResult result = measured(2, "link", "true", CLUSTER_HELPER " lossy node0 0.02 ");
  const auto loss = figure(result, "link_loss", "node1"), back = figure(result, "link_loss", "node0");
  REQUIRE(loss);
  REQUIRE(back);
  CHECK(loss->value > 0);
  CHECK(loss->value < loss->exposure / 2);
  CHECK(loss->value / loss->exposure > 5 * back->value / back->exposure);
}

TEST_CASE("nodes sum and train together, each says its figures, and nothing is wrong") {
  const BurninCellResult result = measured(3, "compute,collective,training");
  for (const char* host : {"node0", "node1", "node2"}) {
    CAPTURE(host);
    for (const char* measure : {"compute", "collective", "training_own", "training_step"}) {
      CAPTURE(measure);
      REQUIRE(figure(result, measure, host));
      CHECK(figure(result, measure, host)->value > 0);
    }
    CHECK(figure(result, "training_own", host)->value <= figure(result, "training_step", host)->value);
    CHECK(figure(result, "collective", host)->value == figure(result, "collective", "node0")->value);
    CHECK(figure(result, "training_step", host)->value == figure(result, "training_step", "node0")->value);
  }
  int checked = 0;
  for (const BurninObservation& one : result.observations) {
    if (one.measure != "wrong_results") continue;
    ++checked;
    CHECK(one.value == 0);
    CHECK(one.exposure > 0);
  }
  CHECK(checked == 9);  // three kinds on three nodes
  CHECK(result.errors.empty());
}

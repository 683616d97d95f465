// What is said of the nodes of simulated burn-ins over their cycles, and how often that is wrong.
#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "analysis/burnin/drift.hpp"
#include "tests/catch.hpp"

namespace grit {
namespace {

using Course = std::function<double(std::size_t node, std::size_t cycle)>;  // by how much worse, as a logarithm

struct CycleSettings {
  std::size_t nodes = 8, cycles = 12;
  double noise = 0.004;  // standard deviation of a visit; of tails the scale of Student's t
  double tails = 0;      // degrees of freedom; 0: normal
  Course worse = [](std::size_t, std::size_t) { return 0.0; };
};

/// Nodes that differ for good, and in each cycle by noise.
class SimulatedCycles {
 public:
  SimulatedCycles(std::mt19937_64& random, const CycleSettings& settings) {
    config_.rounds = {{.name = "solo", .kinds = {"compute"}}};
    std::vector<double> offsets;
    for (std::size_t node = 0; node < settings.nodes; ++node) {
      offsets.push_back(0.02 * normal_(random));
      classes_[name(node)] = "one class";
    }
    for (std::size_t cycle = 0; cycle < settings.cycles; ++cycle) {
      for (std::size_t node = 0; node < settings.nodes; ++node) {
        const double unit =
            settings.tails > 0 ? std::student_t_distribution<double>(settings.tails)(random) : normal_(random);
        add("compute", node, 3e9 * std::exp(-(offsets[node] + settings.worse(node, cycle) + settings.noise * unit)));
      }
      end_cycle();
    }
  }
  SimulatedCycles() { config_.rounds = {{.name = "solo", .kinds = {"compute"}}}; }

  static std::string name(std::size_t node) { return fmt::format("n{:04}", node); }
  BurninObservation& add(const std::string& measure, std::size_t node, double value, const std::string& cell = "") {
    BurninObservation one{.measure = measure, .host = name(node), .value = value};
    one.cell = cell.empty() ? fmt::format("solo/0/{}", one.host) : cell;
    classes_[one.host] = "one class";
    observations_.push_back(std::move(one));
    return observations_.back();
  }
  void end_cycle() {
    constexpr std::int64_t kHour_ns = 3'600'000'000'000;
    cycles_.push_back({observations_.size(), static_cast<std::int64_t>(cycles_.size()) * kHour_ns});
  }
  [[nodiscard]] std::vector<BurninDrift> drifts() const {
    return burnin_drift({.config = &config_, .machine_class = &classes_, .observations = &observations_}, cycles_);
  }
  [[nodiscard]] BurninDrift drift() const {
    const auto all = drifts();
    REQUIRE(all.size() == 1);
    return all.front();
  }

 private:
  BurninConfig config_{};
  std::map<std::string, std::string> classes_{};
  std::vector<BurninObservation> observations_{};
  std::vector<BurninCycle> cycles_{};
  std::normal_distribution<double> normal_{0, 1};
};

/// Of how many burn-ins a node is named, node 0 is, and the fleet is said to drift.
struct Counts {
  int any = 0, first = 0, fleet = 0;
};

Counts count(const CycleSettings& settings, int burnins) {
  std::mt19937_64 random(20261129);
  Counts counts;
  for (int i = 0; i < burnins; ++i) {
    const BurninDrift drift = SimulatedCycles(random, settings).drift();
    counts.any += drift.slower.empty() ? 0 : 1;
    counts.fleet += drift.is_beyond_noise ? 1 : 0;
    for (const BurninDrift::Node& node : drift.slower) counts.first += node.host == SimulatedCycles::name(0) ? 1 : 0;
  }
  return counts;
}

}  // namespace

TEST_CASE("of nodes that do not drift hardly any is named, nor is the fleet", "[statistics]") {
  constexpr int kBurnins = 400;
  // Noise as large as the tolerance, too: there it is not the tolerance that keeps a node from being named.
  for (const double noise : {0.004, 0.03})
    for (const double tails : {0.0, 4.0})
      for (const std::size_t cycles : {4U, 6U, 9U, 30U})
        for (const std::size_t nodes : {4U, 24U}) {
          const Counts counts = count({.nodes = nodes, .cycles = cycles, .noise = noise, .tails = tails}, kBurnins);
          CAPTURE(noise, tails, cycles, nodes, counts.any, counts.fleet);
          CHECK(counts.any <= kDriftWrong * kBurnins);
          CHECK(counts.fleet <= kDriftWrong * kBurnins);
        }
}

TEST_CASE("a node that got worse by just the tolerance is named as rarely as stated", "[statistics]") {
  constexpr int kBurnins = 400;
  const double tolerance = -std::log1p(-0.03);
  for (const double tails : {0.0, 4.0})
    for (const std::size_t cycles : {6U, 20U}) {
      // All but the first three cycles are worse, of half of the nodes: these are at the edge, and the fleet is
      // between.
      const Counts counts =
          count({.nodes = 9,
                 .cycles = cycles,
                 .tails = tails,
                 .worse = [&](std::size_t node, std::size_t cycle) { return node < 4 && cycle >= 3 ? tolerance : 0; }},
                kBurnins);
      CAPTURE(tails, cycles, counts.any);
      CHECK(counts.any <= kDriftWrong * kBurnins);
    }
}

TEST_CASE("a node that loses half a per cent a cycle is found, and nobody else", "[statistics]") {
  constexpr int kBurnins = 200;
  for (const std::size_t nodes : {8U, 64U}) {
    const Counts counts =
        count({.nodes = nodes,
               .cycles = 16,
               .worse = [](std::size_t node,
                           std::size_t cycle) { return node == 0 ? 0.005 * static_cast<double>(cycle) : 0; }},
              kBurnins);
    CAPTURE(nodes, counts.first, counts.any);
    CHECK(counts.first >= 0.95 * kBurnins);
    CHECK(counts.any == counts.first);
    CHECK(counts.fleet <= kDriftWrong * kBurnins);
  }
}

TEST_CASE("a fleet that drifts as a whole names nobody, and is said to drift", "[statistics]") {
  constexpr int kBurnins = 200;
  for (const double a_cycle : {0.005, -0.005}) {
    const Counts counts = count(
        {.cycles = 16, .worse = [&](std::size_t, std::size_t cycle) { return a_cycle * static_cast<double>(cycle); }},
        kBurnins);
    CHECK(counts.any == 0);
    CHECK(counts.fleet == kBurnins);
  }
}

TEST_CASE("how a node drifted is told in parts of its first cycle, beside its fleet") {
  std::mt19937_64 random(1);
  const SimulatedCycles burnin(random, {.noise = 1e-5, .worse = [](std::size_t node, std::size_t cycle) {
                                          const double all = 0.001 * static_cast<double>(cycle);
                                          return node == 3 && cycle >= 5 ? all + 0.06 : all;
                                        }});
  const BurninDrift drift = burnin.drift();
  CHECK(drift.measure == "compute");
  CHECK(drift.round == "solo");
  CHECK(drift.cycles == 12);
  CHECK(drift.nodes_told == 8);
  CHECK(drift.is_beyond_noise);
  CHECK(drift.shift == Approx(1 - std::exp(-0.010)).margin(1e-4));
  REQUIRE(drift.slower.size() == 1);
  CHECK(drift.slower[0].host == SimulatedCycles::name(3));
  CHECK(drift.slower[0].worse == Approx(1 - std::exp(-0.070)).margin(1e-4));
  CHECK(drift.slower[0].beyond_fleet == Approx(1 - std::exp(-0.06)).margin(1e-4));
  REQUIRE(drift.points.size() == 12);
  CHECK(drift.points[0].middle == 0);
  CHECK(drift.points[11].cycle == 12);
  CHECK(drift.points[11].at_ns == 11 * 3'600'000'000'000);
  CHECK(drift.points[11].nodes == 8);
  CHECK(drift.points[11].high == Approx(1 - std::exp(-0.071)).margin(1e-4));  // of eight nodes the band has all
  CHECK(drift.slower[0].path.size() == 12);
}

TEST_CASE("of few cycles nothing is told of drift, and of one there is no course") {
  const auto burnin = [](std::size_t cycles) {
    std::mt19937_64 random(1);
    return SimulatedCycles(random, {.cycles = cycles, .noise = 1e-4, .worse = [](std::size_t node, std::size_t cycle) {
                                      return node == 0 && cycle > 0 ? 0.5 : 0.01 * static_cast<double>(cycle);
                                    }});
  };
  CHECK(burnin(1).drifts().empty());
  for (const std::size_t cycles : {2U, 3U}) {
    const BurninDrift drift = burnin(cycles).drift();
    CHECK(drift.points.size() == cycles);
    CHECK(drift.nodes_told == 0);
    CHECK(drift.slower.empty());
    CHECK_FALSE(drift.is_beyond_noise);
  }
  CHECK(burnin(4).drift().nodes_told == 8);
}

TEST_CASE("a cycle that was disturbed names nobody, be it the first or the last") {
  for (const std::size_t disturbed : {0U, 1U, 10U, 11U})
    for (const double by : {0.4, -0.4}) {
      std::mt19937_64 random(1);
      const SimulatedCycles burnin(random, {.worse = [&](std::size_t node, std::size_t cycle) {
                                     return node == 2 && cycle == disturbed ? by : 0;
                                   }});
      CAPTURE(disturbed, by);
      CHECK(burnin.drift().slower.empty());
    }
}

TEST_CASE("the course of a long burn-in of many nodes stays small") {
  std::mt19937_64 random(1);
  const SimulatedCycles burnin(random, {.nodes = 300, .cycles = 250, .worse = [](std::size_t node, std::size_t cycle) {
                                          return node < 40 ? 0.002 * static_cast<double>(cycle) : 0;
                                        }});
  const BurninDrift drift = burnin.drift();
  CHECK(drift.cycles == 250);
  REQUIRE(drift.points.size() == kMostDriftPoints);
  CHECK(drift.points.front().cycle == 1);
  CHECK(drift.points.back().cycle == 250);
  for (std::size_t i = 1; i < drift.points.size(); ++i) {
    const int step = drift.points[i].cycle - drift.points[i - 1].cycle;
    CHECK((step == 4 || step == 5));
  }
  CHECK(drift.points.back().high > 0.3);  // fifteen nodes at each end are outside of the band, and forty have drifted
  CHECK(drift.points.back().low > -0.03);
  REQUIRE(drift.slower.size() == kMostDriftNodes);
  CHECK(drift.more_slower == 24);
  CHECK(drift.slower.front().path.size() == kMostDriftPoints);
}

TEST_CASE("what confirms, and a cycle that is not whole, are left out of the course") {
  SimulatedCycles burnin;
  for (std::size_t cycle = 0; cycle < 4; ++cycle) {
    for (std::size_t node = 0; node < 5; ++node) {
      burnin.add("compute", node, 3e9);
      burnin.add("compute", node, 1e9).confirms = true;
    }
    burnin.end_cycle();
  }
  for (std::size_t node = 0; node < 5; ++node) burnin.add("compute", node, 1e9);
  const BurninDrift drift = burnin.drift();
  REQUIRE(drift.points.size() == 4);
  for (const BurninDrift::Point& point : drift.points) CHECK((point.low == 0 && point.high == 0));
}

TEST_CASE("figures of groups are held against groups of the same size") {
  SimulatedCycles burnin;
  for (std::size_t cycle = 0; cycle < 5; ++cycle) {
    for (std::size_t node = 0; node < 8; ++node) {
      if (cycle != 3 || node != 0) burnin.add("training_own", node, 0.1, "training/0/n0001+3");
      burnin.add("training_own", node, 0.2, "training/1/n0001+7");
    }
    burnin.end_cycle();
  }
  const BurninDrift drift = burnin.drift();
  REQUIRE(drift.points.size() == 5);
  for (const BurninDrift::Point& point : drift.points) CHECK((point.low == 0 && point.high == 0 && point.nodes == 8));
}

TEST_CASE("of links both ends have a course, and nobody is named by it") {
  SimulatedCycles burnin;
  for (std::size_t cycle = 0; cycle < 8; ++cycle) {
    for (std::size_t node = 0; node < 6; ++node) {
      const std::size_t peer = (node + 1 + cycle % 5) % 6;
      const bool is_slow = (node == 0 || peer == 0) && cycle > 3;
      burnin.add("link_rate", node, is_slow ? 1e9 : 9e9, "links/0/a+b").peer = SimulatedCycles::name(peer);
    }
    burnin.end_cycle();
  }
  const BurninDrift drift = burnin.drift();
  CHECK(drift.points.front().nodes == 6);
  CHECK(drift.points.back().high > 0.5);
  CHECK(drift.nodes_told == 0);
  CHECK(drift.slower.empty());
}

}  // namespace grit

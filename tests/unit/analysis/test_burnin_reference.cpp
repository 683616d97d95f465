// How a whole fleet differs from a burn-in of before.
#include <fmt/format.h>

#include <string>
#include <vector>

#include "analysis/burnin/judgement.hpp"
#include "tests/catch.hpp"

namespace grit {
namespace {

/// Eight nodes whose figure was 100 in the reference; now it is `now` of it, but for some that are as they were.
std::vector<BurninFinding> shifts(const std::string& measure, double now, std::size_t as_before = 0,
                                  std::optional<double> tolerance = {}) {
  constexpr std::size_t kNodes = 8;
  BurninConfig config;
  config.limits[measure].tolerance = tolerance;
  std::map<std::string, std::string> classes;
  std::vector<BurninObservation> observations;
  BurninReference reference;
  for (std::size_t i = 0; i < kNodes; ++i) {
    const std::string host = fmt::format("n{}", i);
    classes[host] = "EPYC";
    reference.nodes[host][measure] = 100 + static_cast<double>(i);
    const double ratio = i < as_before ? 1 : now;
    observations.push_back({.measure = measure, .host = host, .value = ratio * (100 + static_cast<double>(i))});
    observations.back().cell = "solo/0/" + host;
  }
  return fleet_shift(
      {.config = &config, .machine_class = &classes, .observations = &observations, .reference = &reference});
}

BurninStatus status_of(const std::vector<BurninFinding>& findings) {
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].of_reference);
  CHECK(findings[0].host.empty());
  return findings[0].status;
}

}  // namespace

TEST_CASE("a fleet that got slower by more than the tolerance for sure is shown to be", "[burnin]") {
  CHECK(status_of(shifts("compute", 0.95)) == BurninStatus::shown);  // 3 % are tolerated
  CHECK(status_of(shifts("compute", 0.98)) == BurninStatus::clear);
  CHECK(status_of(shifts("compute", 1.10)) == BurninStatus::clear);
  CHECK(status_of(shifts("compute", 0.95, 0, 0.06)) == BurninStatus::clear);
  CHECK(status_of(shifts("compute", 0.95, 0, 0.04)) == BurninStatus::shown);
  CHECK(status_of(shifts("compute", 0.95, 1)) == BurninStatus::clear);  // seven of eight are not sure enough
  CHECK(status_of(shifts("training_own", 1.06)) == BurninStatus::shown);
  CHECK(status_of(shifts("training_own", 1.04)) == BurninStatus::clear);
  const auto shown = shifts("compute", 0.95);
  CHECK(shown[0].worse == Approx(0.05));
  CHECK(shown[0].peers == 8);
  CHECK(shown[0].why.find("5.0 % worse than then") != std::string::npos);
}

TEST_CASE("of figures that all nodes of a group share a fleet's shift is only told", "[burnin]") {
  const auto told = shifts("collective", 0.5);
  CHECK(status_of(told) == BurninStatus::clear);
  CHECK(told[0].worse == Approx(0.5));
}

}  // namespace grit

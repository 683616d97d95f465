#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <random>

#include "analysis/burnin/groups.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

/// Nodes in groups, three visits each of one measure, by rate.
class GroupedFleet {
 public:
  /// `slower`: by the number of a node's group and its number in it, as a logarithm.
  GroupedFleet(int groups, int members, const std::string& measure, const std::function<double(int, int)>& slower) {
    config_.rounds.assign(1, {.name = "solo", .kinds = {"compute"}});
    for (int group = 0; group < groups; ++group)
      for (int member = 0; member < members; ++member) {
        const std::string host = fmt::format("n{:02}-{:02}", group, member);
        classes_[host] = "one class";
        groups_[host] = fmt::format("s{}", group);
        for (int visit = 0; visit < 3; ++visit)
          observations_.push_back({.measure = measure,
                                   .host = host,
                                   .value = 1e9 * std::exp(-slower(group, member) - 0.1 * visit),
                                   .cell = fmt::format("solo/{}/{}", visit, host),
                                   .visit = visit});
      }
  }

  [[nodiscard]] std::vector<BurninFinding> slow() const {
    return slow_groups(
        {.config = &config_, .machine_class = &classes_, .group = &groups_, .observations = &observations_});
  }
  std::map<std::string, std::string>& groups() { return groups_; }

 private:
  BurninConfig config_{};
  std::map<std::string, std::string> classes_{}, groups_{};
  std::vector<BurninObservation> observations_{};
};

/// A little unlike each other, the same each time.
double own_of(int group, int member) { return 0.001 * ((7 * group + 5 * member) % 11); }

}  // namespace

TEST_CASE("A group whose members are all slower than the others' is named, and no other") {
  const GroupedFleet fleet(4, 8, "compute",
                           [](int group, int member) { return own_of(group, member) + (group == 2 ? 0.1 : 0); });
  const auto slow = fleet.slow();
  REQUIRE(slow.size() == 1);
  CHECK(slow[0].group == "s2");
  CHECK(slow[0].host.empty());
  CHECK(slow[0].measure == "compute");
  CHECK(slow[0].status == BurninStatus::shown);
  CHECK(slow[0].worse == Approx(1 - std::exp(-0.1)).margin(0.005));
  CHECK(slow[0].peers == 24);
  CHECK(slow[0].why.starts_with("matrix products: the 8 nodes of s2 are 9.4 % worse in the middle than the 24 others"));
}

TEST_CASE("A group is not named for what is tolerated, for some of its members, or where it is most of all") {
  const auto count = [](int groups, int members, const std::function<double(int, int)>& slower) {
    return GroupedFleet(groups, members, "compute", slower).slow().size();
  };
  CHECK(count(4, 8, [](int group, int member) { return own_of(group, member) + (group == 2 ? 0.02 : 0); }) == 0);
  CHECK(count(4, 8, [](int group, int member) { return own_of(group, member) + (group == 2 && member < 2 ? 1 : 0); }) ==
        0);
  CHECK(count(4, 8, [](int group, int) { return group == 2 ? 0.03 : 0; }) == 0);  // all at the tolerance: ties
  CHECK(count(2, 8, [](int group, int) { return group == 1 ? 0.1 : 0; }) == 1);
  CHECK(count(4, 4, [](int group, int) { return group == 1 ? 0.1 : 0; }) == 1);  // 1 of 1,820, at 1 of 400
  CHECK(count(4, 2, [](int group, int) { return group == 1 ? 0.1 : 0; }) == 0);  // 1 of 28
  GroupedFleet most(4, 8, "compute", [](int group, int) { return group < 3 ? 0.1 : 0; });
  for (auto& [host, group] : most.groups()) group = group == "s3" ? "s3" : "s0";
  CHECK(most.slow().empty());
}

TEST_CASE("Without a topology no group is named, and two slow groups both are") {
  GroupedFleet fleet(6, 8, "link_rate",
                     [](int group, int member) { return own_of(group, member) + (group < 2 ? 0.5 : 0); });
  REQUIRE(fleet.slow().size() == 2);
  CHECK(fleet.slow()[0].group == "s0");
  CHECK(fleet.slow()[1].group == "s1");
  fleet.groups().clear();
  CHECK(fleet.slow().empty());
}

TEST_CASE("Of healthy fleets with very heavy tails no more than one in a hundred has a slow group") {
  std::mt19937_64 random(5);
  std::student_t_distribution<double> tail(2);
  int named = 0;
  for (int i = 0; i < 2000; ++i)
    named += GroupedFleet(4, 8, "compute", [&](int, int) { return 10 * tail(random); }).slow().empty() ? 0 : 1;
  CHECK(named <= 32);  // of 20 expected at most: 2.7 standard errors
  CHECK(named >= 1);   // the level is used
}

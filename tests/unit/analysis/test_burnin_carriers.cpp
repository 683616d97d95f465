#include <optional>

#include "analysis/burnin/carriers.hpp"
#include "harness/base/clock.hpp"
#include "harness/model/burnin_measures.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

using Hosts = std::vector<std::string>;

/// A cell of `hosts` that began at `from_s` and took two seconds; each of them was read at its begin and end.
struct Cell {
  std::map<std::string, std::pair<int, int>> lost{};  // by host: at the begin, at the end; -1: not read
  int from_s = 0;
  bool is_run = false;  // an ordinary run, with faults
  int session = 1;
  std::string boot = "b1", netns = "4:100";
  int ifindex = 2;
  std::string nic = "eth0";
};

class FleetOfCarriers {
 public:
  explicit FleetOfCarriers(std::size_t hosts, std::optional<double> at_most = std::nullopt) : hosts_(hosts) {
    if (at_most) config_.limits[std::string(kCarrierLosses)].at_most = at_most;
  }
  FleetOfCarriers& take(const Cell& cell) {
    BurninCellResult result{.session = cell.session, .started_ns = cell.from_s * kNsPerS, .took_ns = 2 * kNsPerS};
    if (!cell.is_run) result.cell.kinds = {"compute"};
    for (const auto& [host, lost] : cell.lost) {
      result.cell.hosts.push_back(host);
      result.boot_ids[host] = cell.boot;
      // The nodes' own clocks are an hour ahead.
      const auto read = [&](int count, std::int64_t at_s) {
        if (count < 0) return;
        result.carriers[host].push_back({.netns = cell.netns,
                                         .read_ns = (at_s + 3600) * kNsPerS,
                                         .nics = {{.nic = cell.nic, .ifindex = cell.ifindex, .lost = count}}});
      };
      read(lost.first, cell.from_s);
      read(lost.second, cell.from_s + 2);
    }
    history_.take(result);
    return *this;
  }
  [[nodiscard]] std::vector<BurninFinding> findings() const { return history_.judge(config_, hosts_); }
  [[nodiscard]] Hosts with(BurninStatus status) const {
    Hosts hosts;
    for (const BurninFinding& one : findings())
      if (one.status == status) hosts.push_back(one.host);
    return hosts;
  }

 private:
  std::size_t hosts_;
  BurninConfig config_{};
  CarrierHistory history_{};
};

/// Three good nodes, read before and after.
FleetOfCarriers& good_ones(FleetOfCarriers& fleet, int from_s, int counted = 1) {
  return fleet.take(
      {.lost = {{"n2", {counted, counted}}, {"n3", {counted, counted}}, {"n4", {counted, counted}}}, .from_s = from_s});
}

}  // namespace

TEST_CASE("A link that lost its carrier between two cells of its node is named, with when", "[burnin]") {
  FleetOfCarriers fleet(4);
  good_ones(fleet, 0).take({.lost = {{"n1", {3, 3}}}, .from_s = 10}).take({.lost = {{"n1", {4, 4}}}, .from_s = 310});
  good_ones(fleet, 320);
  const auto findings = fleet.findings();
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].measure == "carrier_losses");
  CHECK(findings[0].host == "n1");
  CHECK(findings[0].status == BurninStatus::shown);
  CHECK_THAT(findings[0].why,
             Catch::Matchers::StartsWith("its link eth0 lost its carrier 1 time between 1970-01-01 00:00:12 and "
                                         "1970-01-01 00:05:10 UTC, which no fault of the burn-in did"));
}

TEST_CASE("A link that lost its carrier within a cell that measures is named", "[burnin]") {
  FleetOfCarriers fleet(4);
  good_ones(fleet, 0).take({.lost = {{"n1", {0, 2}}, {"n2", {1, 1}}}, .from_s = 10});
  good_ones(fleet, 20);
  CHECK(fleet.with(BurninStatus::shown) == Hosts{"n1"});
  CHECK_THAT(fleet.findings()[0].why, Catch::Matchers::Contains("2 times between 1970-01-01 00:00:10 and"));
}

TEST_CASE("What a run's own faults took down is not counted, and what happens before and after it is", "[burnin]") {
  // Within a run that takes links down there is no reading at the end.
  const auto with_run = [](int before_run, int after_run, int end_of_run) {
    FleetOfCarriers fleet(4);
    good_ones(fleet, 0).take({.lost = {{"n1", {1, 1}}}, .from_s = 10});
    fleet.take({.lost = {{"n1", {before_run, end_of_run}}}, .from_s = 20, .is_run = true});
    fleet.take({.lost = {{"n1", {after_run, after_run}}}, .from_s = 60});
    good_ones(fleet, 70);
    return fleet.with(BurninStatus::shown);
  };
  CHECK(with_run(1, 7, -1).empty());
  CHECK(with_run(-1, 7, -1).empty());  // it died before it could be read
  CHECK(with_run(2, 7, -1) == Hosts{"n1"});
  // One whose faults leave links alone is read at its end, too.
  CHECK(with_run(1, 2, 1) == Hosts{"n1"});
  CHECK(with_run(1, 2, 2) == Hosts{"n1"});
  CHECK(with_run(1, 1, 1).empty());
}

TEST_CASE("Counts that are not of the same interface in the same boot and session are not compared", "[burnin]") {
  const auto named_after = [](Cell then) {
    FleetOfCarriers fleet(4);
    good_ones(fleet, 0).take({.lost = {{"n1", {1, 1}}}, .from_s = 10});
    then.from_s = 20;
    fleet.take(then);
    good_ones(fleet, 30);
    return fleet.with(BurninStatus::shown);
  };
  const std::map<std::string, std::pair<int, int>> more{{"n1", {5, 5}}};
  CHECK(named_after({.lost = more}) == Hosts{"n1"});
  CHECK(named_after({.lost = more, .session = 2}).empty());
  CHECK(named_after({.lost = more, .boot = "b2"}).empty());
  CHECK(named_after({.lost = more, .netns = "4:101"}).empty());
  CHECK(named_after({.lost = more, .ifindex = 3}).empty());
  CHECK(named_after({.lost = more, .nic = "eth1"}).empty());
  CHECK(named_after({.lost = {{"n1", {0, 0}}}}).empty());  // it was made anew
}

TEST_CASE("A config may allow some losses", "[burnin]") {
  for (const int losses : {2, 3}) {
    FleetOfCarriers fleet(4, 2);
    good_ones(fleet, 0).take({.lost = {{"n1", {1, 1}}}, .from_s = 10});
    fleet.take({.lost = {{"n1", {2, losses + 1}}}, .from_s = 20});
    good_ones(fleet, 30);
    CHECK(fleet.with(BurninStatus::shown) == (losses > 2 ? Hosts{"n1"} : Hosts{}));
    CHECK(fleet.with(BurninStatus::unclear).empty());
  }
}

TEST_CASE("Nobody is blamed where most links lost their carrier at the same time", "[burnin]") {
  FleetOfCarriers fleet(4);
  good_ones(fleet, 0).take({.lost = {{"n1", {1, 1}}}, .from_s = 10}).take({.lost = {{"n1", {2, 2}}}, .from_s = 20});
  good_ones(fleet, 30, 2);
  const auto findings = fleet.findings();
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].host.empty());
  CHECK(is_fleet_without_carrier(findings[0]));
  CHECK_THAT(findings[0].why, Catch::Matchers::Contains("of 4 of the 4 nodes"));
}

TEST_CASE("Most links at one time and one more at another: that one is named", "[burnin]") {
  FleetOfCarriers fleet(4);
  good_ones(fleet, 0).take({.lost = {{"n1", {1, 1}}}, .from_s = 10}).take({.lost = {{"n1", {2, 2}}}, .from_s = 20});
  good_ones(fleet, 30, 2).take({.lost = {{"n1", {2, 3}}}, .from_s = 40});
  good_ones(fleet, 50, 2);
  CHECK(fleet.with(BurninStatus::shown) == Hosts{"n1", ""});
}

TEST_CASE("A link that lost its carrier is not clear before others were read", "[burnin]") {
  FleetOfCarriers fleet(4);
  good_ones(fleet, 0).take({.lost = {{"n1", {1, 1}}}, .from_s = 10}).take({.lost = {{"n1", {2, 2}}}, .from_s = 20});
  CHECK(fleet.with(BurninStatus::shown).empty());
  REQUIRE(fleet.with(BurninStatus::unclear) == Hosts{"n1"});
  CHECK(fleet.findings()[0].visits > 0);  // it is measured, as far as that goes
  CHECK_THAT(fleet.findings()[0].why, Catch::Matchers::Contains("too few others were read before and after it"));
  fleet.take({.lost = {{"n2", {1, 1}}}, .from_s = 30});
  CHECK(fleet.with(BurninStatus::shown) == Hosts{"n1"});
  CHECK(fleet.with(BurninStatus::unclear).empty());
}

TEST_CASE("Half of the nodes and fewer are named each, and it is said how many others there are", "[burnin]") {
  FleetOfCarriers fleet(4);
  fleet.take({.lost = {{"n1", {1, 1}}, {"n2", {1, 1}}, {"n3", {1, 1}}, {"n4", {1, 1}}}, .from_s = 0});
  fleet.take({.lost = {{"n1", {2, 2}}, {"n2", {2, 2}}, {"n3", {1, 1}}, {"n4", {1, 1}}}, .from_s = 10});
  CHECK(fleet.with(BurninStatus::shown) == Hosts{"n1", "n2"});
  CHECK_THAT(fleet.findings()[0].why, Catch::Matchers::Contains("1 other node's did at that time, too"));
}

TEST_CASE("Nodes that say nothing of their carriers, as in logs of earlier versions, are not spoken of", "[burnin]") {
  FleetOfCarriers fleet(2);
  for (int i = 0; i < 3; ++i) fleet.take({.lost = {{"n1", {-1, -1}}, {"n2", {-1, -1}}}, .from_s = 10 * i});
  CHECK(fleet.findings().empty());
}

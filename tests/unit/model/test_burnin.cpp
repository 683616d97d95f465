#include <cmath>

#include "harness/model/burnin.hpp"
#include "tests/catch.hpp"

namespace grit {
namespace {

BurninConfig some_config() {
  return {.name = "own",
          .summary = "what is asked",
          .rounds = {{.name = "solo", .kinds = {"compute", "memory"}, .visits = 3, .length_ns = 800, .limit_ns = 60},
                     {.name = "stress",
                      .scenario = "training_under_stress",
                      .options = {{"load", "cpu"}},
                      .shape = BurninShape::group,
                      .sizes = {2, 0},
                      .ranks_per_node = 2,
                      .alone = false}},
          .limits = {{"compute", {.tolerance = 0.03, .at_least = 1e9}}, {"link_latency", {.at_most = 1e-4}}},
          .checks = {{"link_up", {{"nic", "eth0"}}}},
          .checks_source = "return {}",
          .must_match = {"cores"},
          .false_bad = 0.02,
          .confirm_visits = 4,
          .looks = 2,
          .cycles = 5};
}

BurninCellResult some_result() {
  BurninCellResult result{.cell = {.id = "links/confirm-1/n1+n2",
                                   .round = "links",
                                   .visit = 1,
                                   .confirms = true,
                                   .hosts = {"n1", "n2"},
                                   .suspect = "n1",
                                   .length_ns = 7,
                                   .kinds = {"link"}},
                          .end = BurninCellEnd::timed_out,
                          .status = 143};
  result.observations = {{"link_loss", "n1", "n2", 3, 1e6, "links/confirm-1/n1+n2", 1, true}};
  result.facts = {{"n1", {{"kernel", "6.1"}}}};
  result.alarms = {{"n1", "link_up", "eth0", "critical", "down", true}};
  result.alarm_free = {{"n2", {"clock"}}};
  result.skipped = {{"n2", {"storage: no disk is here"}}};
  result.errors = {{"n1", "the disk is full"}};
  result.boot_ids = {{"n1", "b0"}};
  result.carriers = {{"n1", {{"4:1", 5, {{"eth0", 2, 7}}}, {"4:1", 9, {{"eth0", 2, 8}, {"eth1", 3, 0}}}}}};
  result.session = 2;
  result.words = "mpirun says \"no\"";
  result.kernel_lines = {{"n1", {"Kernel panic"}}};
  result.command = {"mpirun", "-n", "2"};
  result.started_ns = 1'700'000'000'000'000'001;
  result.took_ns = 5;
  return result;
}

BurninReport some_report() {
  BurninReport report{.config = some_config(), .launcher = "srun", .started_utc = "20261129T000000Z", .took_ns = 3};
  report.complete = true;
  report.nodes = {{.host = "n1",
                   .group = "leaf1",
                   .machine_class = "one",
                   .state = BurninNodeState::bad,
                   .reason = "slow",
                   .findings = {{.measure = "compute", .host = "n1", .status = BurninStatus::shown, .worse = 0.05}},
                   .figures = {{"compute", 1e9}},
                   .facts = {{"kernel", "6.1"}},
                   .skipped = {"storage"},
                   .remarks = {"odd"}}};
  report.links = {{.measure = "link_rate", .host = "n1", .peer = "n2", .status = BurninStatus::cleared, .visits = 4}};
  report.groups = {{.measure = "link_rate", .group = "leaf1", .status = BurninStatus::shown}};
  report.fleet = {{.measure = "compute", .of_reference = true, .why = "all are slower"}};
  report.observations = some_result().observations;
  report.round_took_ns = {{"solo", 9}};
  report.lost = {some_result()};
  report.drift = {{.measure = "compute",
                   .round = "solo",
                   .machine_class = "EPYC",
                   .cycles = 90,
                   .points = {{.cycle = 1, .at_ns = 5, .nodes = 2}, {90, 7, 2, 0.25, 0.125, 0.5}},
                   .shift = 0.25,
                   .is_beyond_noise = true,
                   .nodes_told = 2,
                   .slower = {{"n1", 0.5, 0.25, {1, 90}, {0, 0.5}}},
                   .more_slower = 1}};
  return report;
}

BurninReport of_states(std::vector<BurninNodeState> states) {
  BurninReport report{.complete = true};
  for (const BurninNodeState state : states) report.nodes.push_back({.state = state});
  return report;
}

}  // namespace

TEST_CASE("a burn-in's config, results and report come back from JSON as they were", "[burnin]") {
  const auto config = burnin_config_from_json(*parse_json(json_text(to_json(some_config()))));
  REQUIRE(config);
  CHECK(to_json(*config) == to_json(some_config()));
  CHECK(config->limits.at("compute").at_least == 1e9);
  CHECK_FALSE(config->limits.at("compute").spread);
  CHECK(config->rounds[1].shape == BurninShape::group);
  CHECK_FALSE(config->rounds[1].alone);
  const auto result = burnin_cell_result_from_json(*parse_json(json_text(to_json(some_result()))));
  REQUIRE(result);
  CHECK(to_json(*result) == to_json(some_result()));
  CHECK(result->end == BurninCellEnd::timed_out);
  CHECK(result->observations[0].exposure == 1e6);
  CHECK(result->cell.kinds == std::vector<std::string>{"link"});
  const auto report = burnin_report_from_json(*parse_json(json_text(to_json(some_report()))));
  REQUIRE(report);
  CHECK(to_json(*report) == to_json(some_report()));
  CHECK(report->nodes[0].findings[0].status == BurninStatus::shown);
  CHECK(report->drift[0].slower[0].path == std::vector<double>{0, 0.5});
}

TEST_CASE("a burn-in's JSON: what is missing is as by default, what is wrong is said", "[burnin]") {
  const auto bare = burnin_config_from_json(Json{{"name", "x"}});
  REQUIRE(bare);
  CHECK(bare->confirm_visits == BurninConfig{}.confirm_visits);
  CHECK_FALSE(burnin_config_from_json(Json{{"name", 3}}));
  CHECK_FALSE(burnin_cell_result_from_json(Json()));
  const auto word = burnin_cell_result_from_json(Json{{"end", "exploded"}});
  REQUIRE_FALSE(word);
  CHECK(word.error().kind == ErrorKind::usage);
  CHECK(word.error().message.find("exploded") != std::string::npos);
  CHECK_FALSE(burnin_report_from_json(Json{{"format", 99}}));
  BurninReport odd = some_report();
  odd.nodes[0].findings[0].worse_high = INFINITY;
  const auto read = burnin_report_from_json(*parse_json(json_text(to_json(odd))));
  REQUIRE(read);
  CHECK(std::isnan(read->nodes[0].findings[0].worse_high));
}

TEST_CASE("nodes are asked for their facts before they are told apart in cells of several", "[burnin]") {
  const auto names = [](std::vector<BurninRound> rounds) {
    BurninConfig config{.rounds = std::move(rounds)};
    put_facts_first(config);
    std::vector<std::string> found;
    for (const BurninRound& round : config.rounds) found.push_back(round.name);
    return found;
  };
  const BurninRound links{.name = "links", .kinds = {"link"}, .shape = BurninShape::pair};
  const BurninRound stress{.name = "stress", .scenario = "training_under_stress", .shape = BurninShape::group};
  CHECK(names({links}) == std::vector<std::string>{"facts", "links"});
  CHECK(names({stress, {.name = "facts", .kinds = {"facts"}}}) ==
        std::vector<std::string>{"facts_first", "stress", "facts"});
  CHECK(names({{.name = "solo", .kinds = {"compute"}}, links}) == std::vector<std::string>{"solo", "links"});
  CHECK(names({}).empty());
  BurninConfig config{.rounds = {links}};
  put_facts_first(config);
  CHECK(config.rounds[0].kinds == std::vector<std::string>{"facts"});
  CHECK(config.rounds[0].shape == BurninShape::node);
  CHECK(config.rounds[0].limit_ns > config.rounds[0].length_ns);
}

TEST_CASE("a burn-in's exit code: bad before not tested before good", "[burnin]") {
  using State = BurninNodeState;
  CHECK(exit_code(of_states({State::good, State::good})) == 0);
  CHECK(exit_code(of_states({State::good, State::not_tested, State::bad})) == 1);
  for (const State state : {State::not_tested, State::apart, State::suspect, State::testing, State::untested})
    CHECK(exit_code(of_states({State::good, state})) == 2);
  for (const auto& [status, code] :
       {std::pair{BurninStatus::shown, 1}, std::pair{BurninStatus::unclear, 2}, std::pair{BurninStatus::suspect, 2},
        std::pair{BurninStatus::apart, 2}, std::pair{BurninStatus::cleared, 0}}) {
    BurninReport link = of_states({State::good});
    link.links = {{.host = "n1", .peer = "n2", .status = status}};
    CHECK(exit_code(link) == code);
  }
  BurninReport group = of_states({State::apart});
  group.groups = {{.group = "leaf1", .status = BurninStatus::shown}};
  CHECK(exit_code(group) == 1);
  BurninReport cut = of_states({State::good});
  cut.complete = false;
  CHECK(exit_code(cut) == 2);
  BurninReport fleet = of_states({State::good});
  fleet.fleet = {{.measure = "check:x", .status = BurninStatus::shown}};
  CHECK(exit_code(fleet) == 0);  // it names nobody
  fleet.complete = false;
  CHECK(exit_code(fleet) == 2);
}

TEST_CASE("a fleet most of whose links were down at the same time is not all well, and no node of it is bad",
          "[burnin]") {
  BurninReport report = of_states({BurninNodeState::good, BurninNodeState::good});
  report.fleet = {{.measure = "carrier_losses", .status = BurninStatus::shown}};
  CHECK(is_fleet_without_carrier(report.fleet[0]));
  CHECK(exit_code(report) == 2);
  report.nodes[0].state = BurninNodeState::bad;
  CHECK(exit_code(report) == 1);
}

TEST_CASE("a fleet that is slower than its reference is not all well, and no node of it is bad", "[burnin]") {
  BurninReport report = of_states({BurninNodeState::good, BurninNodeState::good});
  report.fleet = {{.measure = "compute", .group = "EPYC", .of_reference = true}};
  CHECK(exit_code(report) == 0);  // within the tolerance, or not for sure
  report.fleet[0].status = BurninStatus::shown;
  CHECK(is_slower_fleet(report.fleet[0]));
  CHECK(exit_code(report) == 2);
  report.nodes[0].state = BurninNodeState::bad;
  CHECK(exit_code(report) == 1);
}

}  // namespace grit

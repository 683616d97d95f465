#include <fmt/format.h>

#include <fstream>

#include "harness/scenario/load.hpp"
#include "tests/catch.hpp"
#include "tests/unit/scenario/fixture.hpp"

using namespace grit::test;
using Catch::Matchers::Contains;
using grit::NodeSelector;
using grit::Scenario;

namespace {

Scenario loaded(std::string_view lua, const Overrides& overrides = {}) {
  auto scenario = load_text(lua, overrides);
  INFO((scenario ? std::string() : scenario.error().message));
  REQUIRE(scenario.has_value());
  return std::move(*scenario);
}

NodeSelector selector(std::string_view on) {
  const Scenario scenario = loaded(scenario_with(fmt::format("faults = {{ f {{ on = {} }} }},", on)));
  REQUIRE(scenario.faults.size() == 1);
  return scenario.faults[0].on;
}

std::string selector_error(std::string_view on) {
  return load_error(scenario_with(fmt::format("faults = {{ f {{ on = {} }} }},", on)));
}

/// A scenario whose design, or expect, is this Lua text.
std::string with_design(std::string_view design, std::string_view expect = "{ slowdown = { at_least = '10%' } }") {
  return fmt::format(
      "local grit = require 'grit'\nreturn grit.scenario {{ name = 'x', workload = grit.workload.ddp {{}},"
      " design = {}, expect = {} }}",
      design, expect);
}

constexpr std::string_view kOptions = R"(options = {
    node = { "any", help = "the node" },
    down = { "1s", unit = "time", help = "how long" },
    wait = "500ms",
    times = { 2, unit = "count" },
  },
  faults = function(o)
    return { grit.fault.link_flap { on = o.node, down = o.down, after = o.wait, count = o.times } }
  end,)";

}  // namespace

TEST_CASE("a scenario is loaded whole, in base units") {
  const Scenario scenario = loaded(scenario_with(kOptions));
  CHECK(scenario.name == "x");
  CHECK(contains(scenario.file, "x.lua"));
  CHECK(contains(scenario.source, "grit.scenario"));
  CHECK(scenario.workload.name == "ddp");
  CHECK(scenario.workload.params.at("bucket").is_number_integer());
  REQUIRE(scenario.faults.size() == 1);
  CHECK(scenario.faults[0].name == "link_flap");
  CHECK(scenario.faults[0].on.kind == NodeSelector::Kind::any);
  CHECK(scenario.faults[0].params.at("down") == 1'000'000'000);
  CHECK(scenario.faults[0].params.at("after") == 500'000'000);
  CHECK(scenario.faults[0].timing.count == 2);
  CHECK(scenario.faults[0].params.at("nic") == "data");
  CHECK(contains(scenario.faults[0].where, "x.lua:11"));
  CHECK(scenario.design.pairs == 8);
  CHECK(scenario.design.block_ns == 3'000'000'000);
  CHECK(scenario.expect.slowdown_at_least == 0.1);
  CHECK_FALSE(scenario.expect.slowdown_at_most.has_value());
  REQUIRE(scenario.options.size() == 4);
  CHECK(scenario.options[0].name == "down");  // sorted: Lua tables have no order
  CHECK(scenario.options[0].help == "how long");
  CHECK(scenario.options[0].unit == "time");
}

TEST_CASE("an override (--set) replaces an option's value") {
  const Scenario scenario = loaded(scenario_with(kOptions), {{"down", "300ms"}, {"node", "1,3"}});
  CHECK(scenario.faults[0].params.at("down") == 300'000'000);
  CHECK(scenario.faults[0].on.nodes == std::vector<int>{1, 3});
  CHECK(scenario.options[0].value == "300ms");
  CHECK(scenario.options[0].default_value == "1s");
}

TEST_CASE("a wrong --set is an error with the nearest option") {
  CHECK(contains(load_error(scenario_with(kOptions), {{"dwon", "1s"}}),
                 "--set dwon: scenario x has no such option; did you mean \"down\"?"));
  CHECK(contains(load_error(scenario_with(kOptions), {{"down", "5"}}), "option \"down\": \"5\" is not valid as time"));
  CHECK(contains(load_error(scenario_with(kOptions), {{"wait", "soon"}}),
                 "option \"wait\": \"soon\" is not valid as time"));
  CHECK(contains(load_error(scenario_with(kOptions), {{"node", "\xff"}}), "not UTF-8"));
  CHECK(contains(load_error(scenario_with(""), {{"a", "1"}}), "there are none"));
}

TEST_CASE("options are checked where they are declared") {
  CHECK(contains(load_error(scenario_with("options = { a = { '1s', unit = 'tme' } },")),
                 "x.lua:3: option \"a\" has the unknown unit \"tme\"; did you mean \"time\"?"));
  CHECK(contains(load_error(scenario_with("options = { a = { 'x', unit = 'time' } },")), "not valid as time"));
  CHECK(contains(load_error(scenario_with("options = { a = { '1s', hepl = 'x' } },")), "did you mean \"help\"?"));
  CHECK(contains(load_error(scenario_with("options = { a = {} },")), "the default of option \"a\""));
  CHECK(contains(load_error(scenario_with("options = { a = print },")), "option \"a\" must be text"));
  CHECK(contains(load_error(scenario_with("options = { down = '1s' },\nfaults = function(o)\n return o.dwon end,")),
                 "x.lua:6: unknown option \"dwon\"; did you mean \"down\"?"));
}

TEST_CASE("unknown names are errors with line and suggestion") {
  CHECK(contains(load_error(scenario_with("fautls = {},")),
                 "x.lua:3: unknown key \"fautls\" of scenario; did you mean \"faults\"?"));
  CHECK(contains(load_error(scenario_with("faults = {\n grit.fault.link_flop {} },")),
                 "x.lua:5: unknown fault \"link_flop\"; did you mean \"link_flap\"?"));
  CHECK(contains(load_error(scenario_with("faults = {\n\n grit.fault.link_flap { dwon = '1s' } },")),
                 "x.lua:6: unknown parameter \"dwon\" of fault link_flap; did you mean \"down\"?"));
  CHECK(contains(load_error(scenario_with("checks = { grit.check.link_pu {} },")), "did you mean \"link_up\"?"));
  const auto with_site_check = [](const std::string& check) {
    return load_error(scenario_with("faults = { grit.fault.site_check { check = '" + check + "', limit = '1s' } },"));
  };
  CHECK(
      contains(with_site_check("presure"), "fault site_check: unknown check \"presure\"; did you mean \"pressure\"?"));
  CHECK(contains(with_site_check("command"), "the check command takes parameters, which cannot be given here"));
  // What a check says itself of its parameters.
  CHECK(contains(load_error(scenario_with("checks = { grit.check.command { command = 'a\\nb' } },")),
                 "check command: `command` must be one line"));
  CHECK(contains(
      load_error(scenario_with("checks = { grit.check.openmetrics { file = '/m', critical = 'rate(m[10s]) >' } },")),
      "check openmetrics: rule \"rate(m[10s]) >\": at character 15"));
  CHECK(contains(load_error("local grit = require 'grit'\ngrit.workload.dpp {}"),
                 "x.lua:2: unknown workload \"dpp\"; did you mean \"ddp\"?"));
  CHECK(contains(load_error("local grit = require 'grit'\n\ngrit.scenarios {}"),
                 "x.lua:3: unknown function of grit \"scenarios\"; did you mean \"scenario\"?"));
  CHECK(contains(load_error("require('grit').workload.ddp { model = 'gpt2-smal' }"), "did you mean \"gpt2-small\"?"));
}

TEST_CASE("quantities need their unit") {
  CHECK(contains(load_error(scenario_with("faults = { grit.fault.link_flap { down = 1 } },")),
                 "x.lua:4: parameter \"down\" of fault link_flap: \"1\" is not valid as time: its unit is missing"));
  CHECK(contains(load_error(scenario_with("faults = { grit.fault.link_flap { down = '1sec' } },")), "unknown unit"));
  CHECK(contains(load_error(scenario_with("faults = { grit.fault.link_flap { down = true } },")), "takes time"));
  CHECK(
      contains(load_error(scenario_with("faults = { grit.fault.link_flap { down = '101h' } },")), "longer than 100h"));
  CHECK(
      contains(load_error(scenario_with("faults = { grit.fault.link_flap { count = 1.5 } },")), "not a whole number"));
  CHECK(contains(load_error(scenario_with("faults = { grit.fault.link_flap { down = '1us' } },")), "below its least"));
  CHECK(contains(load_error(scenario_with("faults = { grit.fault.link_flap { nic = 7 } },")), "write it in quotes"));
  CHECK(contains(load_error(scenario_with("faults = { grit.fault.link_flap { side = 'admni' } },")), "\"admin\""));
  CHECK(contains(load_error("require('grit').workload.ddp { overlap = 'yes' }"), "neither true nor false"));
  CHECK(contains(load_error("require('grit').workload.ddp { model = '\\xff' }"), "not UTF-8"));
}

TEST_CASE("the size of a packet or of a block is a plain number to everybody") {
  CHECK(loaded(scenario_with("faults = { grit.fault.link_mtu { mtu = 1000 } },")).faults.at(0).params["mtu"] == 1000);
  CHECK(loaded(scenario_with("faults = { grit.fault.link_mtu { mtu = '1kB' } },")).faults.at(0).params["mtu"] == 1000);
  CHECK(
      loaded(scenario_with("faults = { grit.fault.ethernet_flood { packet = 64 } },")).faults.at(0).params["packet"] ==
      64);
  CHECK(
      loaded(scenario_with("faults = { grit.fault.disk_contention { block = 4096 } },")).faults.at(0).params["block"] ==
      4096);
  CHECK(
      contains(load_error(scenario_with("faults = { grit.fault.link_mtu { mtu = '1000 octets' } },")), "unknown unit"));
}

TEST_CASE("node selectors") {
  CHECK(selector("2").nodes == std::vector<int>{2});
  CHECK(selector("'2'").nodes == std::vector<int>{2});
  CHECK(selector("{ 3, 1 }").nodes == std::vector<int>{3, 1});
  CHECK(selector("{ '3', 1 }").nodes == std::vector<int>{3, 1});
  CHECK(selector("'1, 3'").nodes == std::vector<int>{1, 3});
  CHECK(selector("'any'").kind == NodeSelector::Kind::any);
  CHECK(selector("'all'").kind == NodeSelector::Kind::all);
  CHECK(selector("'25%'").kind == NodeSelector::Kind::fraction);
  CHECK(selector("'25%'").share == 0.25);
  CHECK(selector("nil").kind == NodeSelector::Kind::any);
}

TEST_CASE("nodes are also chosen by coordinates of the mesh") {
  const NodeSelector by_stage = selector("{ pp = 1, tp = '0' }");
  CHECK(by_stage.kind == NodeSelector::Kind::coordinates);
  CHECK(by_stage.at == grit::AxisValues{{grit::Axis::pp, 1}, {grit::Axis::tp, 0}});
  CHECK(contains(selector_error("{ tpp = 1 }"),
                 "x.lua:2: unknown axis \"tpp\" of \"on\" of fault link_flap; did you mean \"tp\"?"));
  CHECK(contains(selector_error("{ stage = 1 }"), "there are: dp, tp, pp, ep, edp"));
  CHECK(contains(selector_error("{ 2, pp = 1 }"), "without a name"));
  CHECK(contains(selector_error("{ pp = -1 }"), "pp of \"on\" of fault link_flap: "));
  CHECK(contains(selector_error("{ pp = 'last' }"), "pp of \"on\" of fault link_flap: "));
  CHECK(contains(selector_error("{ pp = 3000000000 }"), "no jobs of so many ranks"));
}

TEST_CASE("faults on ranks choose them by coordinates, which say the nodes, too") {
  const auto fault = [](std::string_view text) {
    return loaded(scenario_with(fmt::format("faults = {{ {} }},", text))).faults.at(0);
  };
  const auto error = [](std::string_view text) {
    return load_error(scenario_with(fmt::format("faults = {{ {} }},", text)));
  };
  const grit::ScenarioFault by_rank = fault("delay { rank = { dp = 0, tp = 1 } }");
  CHECK(by_rank.ranks == grit::AxisValues{{grit::Axis::dp, 0}, {grit::Axis::tp, 1}});
  CHECK(by_rank.on.kind == NodeSelector::Kind::coordinates);
  CHECK(by_rank.on.at == by_rank.ranks);
  CHECK_FALSE(by_rank.params.contains("rank"));
  const grit::ScenarioFault by_place = fault("delay { rank = '1,3' }");
  CHECK(by_place.ranks.empty());
  CHECK(by_place.on.kind == NodeSelector::Kind::any);
  CHECK(by_place.params["rank"] == "1,3");
  CHECK(contains(error("delay { on = 1, rank = { tp = 0 } }"),
                 "the coordinates of `rank` say the nodes, too: leave out `on`"));
  CHECK(contains(error("delay { rank = {} }"), "names no axis: write { tp = 1 }"));
  CHECK(contains(error("delay { rank = { td = 1 } }"),
                 "unknown axis \"td\" of parameter \"rank\" of fault rank_delay; did you mean \"tp\"?"));
  CHECK(contains(error("f { rank = { tp = 1 } }"), "unknown parameter \"rank\" of fault link_flap"));
}

TEST_CASE("a mesh is sizes of axes that the workload uses") {
  const auto mesh = [](std::string_view text) { return loaded(scenario_with(fmt::format("mesh = {},", text))).mesh; };
  const auto error = [](std::string_view text) { return load_error(scenario_with(fmt::format("mesh = {},", text))); };
  CHECK(loaded(scenario_with("")).mesh.empty());
  CHECK(mesh("{}").empty());
  CHECK(mesh("{ dp = 8 }") == grit::AxisValues{{grit::Axis::dp, 8}});
  CHECK(mesh("{ dp = '8', tp = 1, pp = 1, ep = 1 }").size() == 4);
  CHECK(loaded(scenario_with("options = { n = { 4, unit = 'count' } }, mesh = function(o) return { dp = o.n } end,"),
               {{"n", "6"}})
            .mesh.at(grit::Axis::dp) == 6);
  for (const char* axis : {"tp", "pp", "ep"})
    CHECK(contains(
        error(fmt::format("{{ {} = 2 }}", axis)),
        fmt::format("mesh: {0} = 2, but the workload ddp shares its work over dp alone: leave {0} out", axis)));
  CHECK(contains(error("{ dpp = 2 }"), "unknown axis \"dpp\" of mesh; did you mean \"dp\"?"));
  CHECK(contains(error("{ edp = 2 }"), "unknown axis \"edp\" of mesh"));
  CHECK(contains(error("8"), "mesh must be a table"));
  CHECK(contains(error("{ dp = -8 }"), "dp of mesh: "));
  CHECK(contains(error("{ 8 }"), "without a name"));
}

TEST_CASE("wrong node selectors say what there is") {
  for (const char* on : {"'some'", "''", "{}", "-1", "1.5", "'1,,2'", "'0%'", "'101%'", "true", "{ 1, 1 }", "'1,1'",
                         "{ n = 1 }", "{ 'any' }", "9e18", "'1,'"}) {
    INFO(on);
    const std::string message = selector_error(on);
    CHECK(contains(message, "x.lua:2: "));
    CHECK(contains(message, "\"on\" of fault link_flap"));
  }
  CHECK(contains(selector_error("'some'"), R"("any", "all", "25%", or what grit.node "any" gave)"));
}

TEST_CASE("parts have the right kind") {
  const std::string head = "local grit = require 'grit'\nreturn grit.scenario { name = 'x', ";
  CHECK(contains(load_error(head + "}"), "x.lua:2: the scenario has no workload"));
  CHECK(contains(load_error(head + "workload = 'ddp' }"), "workload must be a grit.workload.<name>"));
  CHECK(contains(load_error(head + "workload = grit.check.link_up {} }"),
                 "must be a grit.workload.<name> { ... }, not a grit.check"));
  CHECK(contains(load_error(scenario_with("faults = grit.fault.link_flap {},")), "faults must be a list"));
  CHECK(contains(load_error(scenario_with("faults = { 'link_flap' },")), "faults[1] must be a grit.fault.<name>"));
  CHECK(contains(load_error(scenario_with("faults = { f {}, nil, f {} },")), "not a plain list"));
  CHECK(contains(load_error(scenario_with("faults = { f },")), "faults[1] must be"));
  CHECK(contains(load_error(scenario_with("faults = { f 'eth0' },")), "takes one table"));
  CHECK(contains(load_error(scenario_with("faults = { f { 'eth0' } },")), "without a name"));
  CHECK(contains(load_error(scenario_with("options = 'x',")), "options must be a table"));
}

TEST_CASE("every part may be a function of the options") {
  const Scenario scenario = loaded(R"(
local grit = require "grit"
return grit.scenario {
  name = "x",
  options = { model = "gpt2-medium", length = "40 steps", least = "20%", nic = "eth0" },
  workload = function(o) return grit.workload.ddp { model = o.model } end,
  checks = function(o) return { grit.check.link_up { nic = o.nic } } end,
  design = function(o) return { block = o.length, pairs = "7" } end,
  expect = function(o) return { slowdown = { at_least = o.least } } end,
})");
  CHECK(scenario.workload.params.at("model") == "gpt2-medium");
  REQUIRE(scenario.checks.size() == 1);
  CHECK(scenario.checks[0].params.at("nic") == "eth0");
  CHECK(scenario.design.block_steps == 40);
  CHECK(scenario.design.block_ns == 0);
  CHECK(scenario.design.pairs == 7);
  CHECK(scenario.expect.slowdown_at_least == 0.2);
  CHECK(scenario.faults.empty());
}

TEST_CASE("the design") {
  CHECK(loaded(with_design("{ block = 40 }")).design.block_steps == 40);
  CHECK(loaded(with_design("{ block = '40' }")).design.block_steps == 40);
  CHECK(loaded(with_design("{ block = '1s', settle = 0, warmup = '9 steps' }")).design.warmup_steps == 9);
  CHECK(contains(load_error(with_design("{ block = '3s', pairs = 5 }")), "2/2^5 = 0.0625); use at least 6 pairs"));
  CHECK(contains(load_error(with_design("{ block = '3s', pairs = 0 }")), "design.pairs is 0"));
  CHECK(contains(load_error(with_design("{ block = '3s', pairs = 1e9 }")), "design.pairs is 1000000000"));
  CHECK(contains(load_error(with_design("{ pairs = 8 }")), "design has no block length"));
  CHECK(contains(load_error(with_design("nil")), "design has no block length"));
  CHECK(contains(load_error(with_design("{ block = '3s', pais = 8 }")), "did you mean \"pairs\"?"));
  CHECK(contains(load_error(with_design("{ block = '3 sec' }")), "design.block: \"3 sec\" is not valid as time"));
  CHECK(contains(load_error(with_design("{ block = 0 }")), "design.block"));
  CHECK(contains(load_error(with_design("{ block = '0s' }")), "longer than 0"));
  CHECK(contains(load_error(with_design("{ block = '3 steps', settle = 3 }")), "nothing would be measured"));
  CHECK(contains(load_error(with_design("{ block = '3s', settle = '1s' }")), "design.settle"));
  CHECK(contains(load_error(with_design("'3s'")), "design must be a table"));
}

TEST_CASE("expectations") {
  const Scenario scenario = loaded(with_design("{ block = 9 }", "{ slowdown = { at_least = '5%', at_most = '20%' } }"));
  CHECK(scenario.expect.slowdown_at_least == 0.05);
  CHECK(scenario.expect.slowdown_at_most == 0.2);
  const auto error = [](std::string_view expect) { return load_error(with_design("{ block = 9 }", expect)); };
  CHECK(contains(error("nil"), "no expectations"));
  CHECK(contains(error("{}"), "no expectations"));
  CHECK(contains(error("{ slowdown = {} }"), "no expectations"));
  CHECK(contains(error("{ slowdwon = {} }"), "did you mean \"slowdown\"?"));
  CHECK(contains(error("{ slowdown = { at_lest = '5%' } }"), "did you mean \"at_least\"?"));
  CHECK(contains(error("{ slowdown = { at_least = 0.1 } }"), "unit is missing"));
  CHECK(contains(error("{ slowdown = { at_least = '20%', at_most = '10%' } }"), "no result could meet both"));
  CHECK(contains(error("{ outcome = 'rank_deaht' }"), "hang, rank_death, node_loss, corruption"));
  CHECK(contains(error("{ outcome = 'hang', slowdown = { at_least = '20%' } }"), "measures no slowdown"));
  CHECK(contains(error("{ outcome = 'hang', culprit = { node = 1 } }"), "both outcome and culprit"));
  CHECK(contains(error("{ outcome = 'hang', recovers = { within = '5s' } }"), "both outcome and recovers"));
  CHECK(loaded(with_design("{ block = 9, hang = '7s' }", "{ outcome = 'hang' }")).expect.outcome == "hang");
  CHECK(loaded(with_design("{ block = 9, hang = '7s' }", "{ outcome = 'hang' }")).design.hang_ns == 7'000'000'000);
}

TEST_CASE("a p99, a throughput and checks can be expected") {
  const auto with_check = [](std::string_view expect) {
    return with_design("{ block = 9 }, checks = { grit.check.link_up {} }", expect);
  };
  const Scenario scenario =
      loaded(with_check("{ p99 = { at_least = '50%' }, throughput = { at_least = '80%', at_most = '95%' }, checks = { "
                        "link_up = 'fails' } }"));
  CHECK(scenario.expect.p99_at_least == 0.5);
  CHECK_FALSE(scenario.expect.p99_at_most);
  CHECK(scenario.expect.throughput_at_least == 0.8);
  CHECK(scenario.expect.throughput_at_most == 0.95);
  CHECK(scenario.expect.checks == std::map<std::string, bool>{{"link_up", true}});
  CHECK_FALSE(scenario.expect.slowdown_at_least);
  CHECK_FALSE(loaded(with_check("{ checks = { link_up = 'passes' } }")).expect.checks.at("link_up"));
  const auto error = [&](std::string_view expect) { return load_error(with_check(expect)); };
  CHECK(
      contains(error("{ checks = { link_upp = 'fails' } }"), "makes no check \"link_upp\"; did you mean \"link_up\"?"));
  CHECK(contains(error("{ checks = { link_up = 'breaks' } }"), "a check \"fails\" or \"passes\""));
  CHECK(contains(error("{ checks = {} }"), "expect.checks is empty"));
  CHECK(contains(error("{ p99 = {} }"), "expect.p99 is empty"));
  CHECK(contains(error("{ p99 = { at_lest = '5%' } }"), "did you mean \"at_least\"?"));
  CHECK(contains(error("{ throughput = '5%' }"), "expect.throughput must be a table"));
  CHECK(contains(error("{ throughput = { at_least = '95%', at_most = '90%' } }"), "no result could meet both"));
  CHECK(contains(error("{ culprit = { node = 1 } }"), "no expectations"));
  CHECK(contains(error("{ outcome = 'hang', checks = { link_up = 'fails' } }"), "both outcome and checks"));
  CHECK(contains(load_error(with_design("{ block = 9 }", "{ checks = { link_up = 'fails' } }")),
                 "add checks = { grit.check.link_up {} }"));
}

TEST_CASE("a file is one scenario") {
  CHECK(contains(load_error("return 7"), "must end with: return grit.scenario"));
  CHECK(contains(load_error(""), "must end with"));
  const std::string made =
      "local grit = require 'grit'\nlocal s = { name = 'a', workload = grit.workload.ddp {}, "
      "design = { block = 9 }, expect = { slowdown = { at_most = '5%' } } }\n";
  CHECK(load_text(made + "return grit.scenario(s)").has_value());
  CHECK(contains(load_error(made + "grit.scenario(s)\nreturn grit.scenario(s)"),
                 "x.lua:4: grit.scenario was called twice"));
  CHECK(contains(load_error(made + "grit.scenario(s)"), "must end with"));
}

TEST_CASE("names of scenarios are identifiers") {
  for (const char* name : {"''", "'a b'", "'../x'", "'9lives'", "nil"}) {
    INFO(name);
    const std::string lua = fmt::format("local grit = require 'grit'\nreturn grit.scenario {{ name = {} }}", name);
    CHECK(contains(load_error(lua), "x.lua:2: the scenario's name is"));
  }
}

TEST_CASE("files that cannot be read are named") {
  const TempDirectory directory;
  const auto missing = grit::load_scenario(directory.path() / "no.lua", {});
  REQUIRE_FALSE(missing.has_value());
  CHECK(contains(missing.error().message, "there is no scenario file"));
  const auto folder = grit::load_scenario(directory.path(), {});
  REQUIRE_FALSE(folder.has_value());
  CHECK(contains(folder.error().message, "is not a file"));
  std::ofstream(directory.path() / "big.lua") << std::string((1 << 20) + 1, ' ');
  const auto big = grit::load_scenario(directory.path() / "big.lua", {});
  REQUIRE_FALSE(big.has_value());
  CHECK(big.error().kind == grit::ErrorKind::usage);
}

TEST_CASE("a long path is named whole") {
  const TempDirectory directory;
  const auto deep = directory.path() / std::string(80, 'd');
  std::filesystem::create_directory(deep);
  std::ofstream(deep / "x.lua") << "error('mine')";
  const auto scenario = grit::load_scenario(deep / "x.lua", {});
  REQUIRE_FALSE(scenario.has_value());
  CHECK(scenario.error().message == (deep / "x.lua").string() + ":1: mine");
}

TEST_CASE("a design can look several times, and measure shams, recovery and links") {
  const Scenario scenario =
      loaded(with_design("{ block = '1s', max_pairs = 16, sham = true, recovery = '2s', link_test = true }",
                         "{ slowdown = { at_least = '10%' }, recovers = { within = '2s' },"
                         " culprit = { node = '1,3', resource = 'network' } }"));
  CHECK(scenario.design.pairs == 8);
  CHECK(scenario.design.max_pairs == 16);
  CHECK(scenario.design.sham);
  CHECK(scenario.design.link_test);
  CHECK(scenario.design.recovery_ns == 2'000'000'000);
  CHECK(scenario.expect.recovers_within_ns == 2'000'000'000);
  REQUIRE(scenario.expect.culprit);
  CHECK(scenario.expect.culprit->resource == "network");
  CHECK(scenario.expect.culprit->on->nodes == std::vector{1, 3});
}

TEST_CASE("what a design with looks, shams and recovery cannot be is refused, with what it can") {
  const auto error = [](std::string_view design, std::string_view expect = "{ slowdown = { at_least = '10%' } }") {
    return load_error(with_design(design, expect));
  };
  CHECK_THAT(error("{ block = '1s', max_pairs = 4 }"), Contains("design.pairs (8) to"));
  CHECK_THAT(error("{ block = '1s', pairs = 6, max_pairs = 12 }"), Contains("the first needs more than 6 pairs"));
  CHECK_THAT(error("{ block = '1s', sham = 'maybe' }"), Contains("true or false"));
  CHECK_THAT(
      error("{ block = '1s', recovery = '1s' }", "{ slowdown = { at_least = '1%' }, recovers = { within = '5s' } }"),
      Contains("design.recovery") && Contains("at least as long"));
  CHECK_THAT(error("{ block = '1s' }", "{ slowdown = { at_least = '1%' }, recovers = '5s' }"), Contains("within"));
  CHECK_THAT(error("{ block = '1s' }", "{ slowdown = { at_least = '1%' }, culprit = { resource = 'gremlins' } }"),
             Contains("compute, network, memory, storage"));
  CHECK_THAT(error("{ block = '1s' }", "{ slowdown = { at_least = '1%' }, culprit = {} }"), Contains("name a node"));
}

namespace {

/// What `expression` is, as text, when the scenario's options are these; or the error.
std::string value_of(std::string_view options, std::string_view expression, const Overrides& overrides = {}) {
  const auto scenario = load_text(
      fmt::format("local grit = require 'grit'\nlocal said\nlocal function say(o) said = tostring({}) end\n"
                  "local result = grit.scenario {{ name = 'x', options = {{ {} }},\n"
                  "  workload = function(o) say(o) return grit.workload.ddp {{}} end,\n"
                  "  faults = function(o) return {{ grit.fault.rank_delay {{ label = said }} }} end,\n"
                  "  design = {{ block = '3s' }}, expect = {{ slowdown = {{ at_least = '10%' }} }} }}\nreturn result\n",
                  expression, options),
      overrides);
  return scenario ? scenario->faults.at(0).timing.label : scenario.error().message;
}

}  // namespace

TEST_CASE("an option with a unit is a quantity: it is computed with and compared") {
  const std::string_view options =
      "d = '30ms', s = '50%', r = '1Gbit/s', b = { '64KiB', help = 'x' }, n = 4, f = '0.5ns'";
  struct Case {
    std::string_view expression, says;
  };
  for (const Case& one : std::initializer_list<Case>{
           {"o.d", "30ms"},
           {"o.d * 2", "60ms"},
           {"2 * o.d", "60ms"},
           {"o.d * 0.5", "15ms"},
           {"o.d * o.s", "15ms"},
           {"o.s * o.d", "15ms"},
           {"o.s * o.s", "25%"},
           {"o.d / 4", "7.5ms"},
           {"o.d / o.s", "60ms"},
           {"o.d / grit.time '10ms'", "3.0"},
           {"o.d / '10ms'", "3.0"},
           {"o.d + '20ms'", "50ms"},
           {"o.d + o.d - '1ms'", "59ms"},
           {"o.d >= grit.time '30ms'", "true"},
           {"o.d > grit.time '30ms'", "false"},
           {"o.d < '1s'", "true"},
           {"o.d == grit.time '0.03s'", "true"},
           {"o.d ~= grit.time '31ms'", "true"},
           {"grit.time '90min' == grit.time '1.5h'", "true"},
           {"o.r / 8", "125Mbit/s"},
           {"o.b * 2", "128KiB"},
           {"o.b == grit.size '64KiB'", "true"},
           {"o.n * 2", "8"},
           {"o.n >= 4", "true"},
           // As text, as in scenarios that were written when all options were text.
           {"o.d .. '!'", "30ms!"},
           {"'in ' .. o.d", "in 30ms"},
           {"o.d:gsub('ms', '')", "30"},
           {"tonumber((o.d:gsub('ms', ''))) * 2", "60"},
           {"string.rep(o.d, 2)", "30ms30ms"},
           {"('sleep %s'):format(o.d)", "sleep 30ms"},
           {"o.n .. ''", "4"},
           {"o.f", "0.5ns"},  // no whole number of ns, so no time: text
       }) {
    CAPTURE(one.expression);
    CHECK(value_of(options, one.expression) == one.says);
  }
  CHECK(value_of(options, "o.d * 2", {{"d", "0.5s"}}) == "1s");
  CHECK(value_of(options, "o.d", {{"d", "1500 ms"}}) == "1500 ms");  // as it was written
  CHECK(value_of("n = 4", "o.n", {{"n", "any"}}) == "any");          // a node may be a number or not
  CHECK(value_of("n = { '4', unit = 'count' }", "o.n + 1") == "5");
  CHECK(value_of("x = { true }", "o.x == false", {{"x", "false"}}) == "true");
}

TEST_CASE("a size, which needs no unit, fits where bytes with one are asked for") {
  const Scenario scenario =
      loaded(scenario_with("options = { s = { '1000', unit = 'size' } },\n"
                           "faults = function(o) return { grit.fault.memory_pressure { hold = o.s * 3 },\n"
                           "grit.fault.memory_pressure { hold = o.s } } end,"));
  CHECK(scenario.faults.at(0).params.at("hold") == 3000);
  CHECK(scenario.faults.at(1).params.at("hold") == 1000);
}

TEST_CASE("what cannot be computed with a quantity is refused with its line") {
  struct Case {
    std::string_view expression, says;
  };
  for (const Case& one : std::initializer_list<Case>{
           {"o.d + o.s", "a time and a fraction cannot be added"},
           {"o.d + 1", "a time and a number cannot be added"},
           {"o.d + 'soon'", "\"soon\" is not valid as time"},
           {"o.d - '31ms'", "would be negative"},
           {"o.d * -1", "would be negative"},
           {"o.d * o.d", "a time and a time cannot be multiplied"},
           {"1 / o.d", "a number cannot be divided by a time"},
           {"o.d < 30", "a time and a number cannot be compared"},
           {"o.d * 1e300", "does not fit"},
           {"o.d * (1 << 62)", "does not fit"},
           {"grit.time '30'", "its unit is missing"},
           {"o.d .. {}", "cannot be concatenated"},
       }) {
    CAPTURE(one.expression);
    const std::string said = value_of("d = '30ms', s = '50%'", one.expression);
    CHECK(contains(said, one.says));
    CHECK(contains(said, "x.lua:3: "));
  }
}

TEST_CASE("a default's unit types its option, and what is given must be of it") {
  const std::string options =
      "options = { delay = '1s', share = '10%', rate = '8GB/s', node = '2', free = { '25%', unit = 'text' } },";
  const Scenario scenario = loaded(scenario_with(options), {{"node", "any"}, {"free", "2"}});
  std::vector<std::string> units;
  for (const grit::ScenarioOption& option : scenario.options) units.push_back(option.unit);
  CHECK(units == std::vector<std::string>{"time", "text", "", "bit rate", "fraction"});
  CHECK(contains(load_error(scenario_with(options), {{"delay", "soon"}}),
                 "option \"delay\": \"soon\" is not valid as time"));
  CHECK(contains(load_error(scenario_with(options), {{"share", "2"}}), "as its default, 10%, is (unit = \"text\""));
}

TEST_CASE("an option that is compared with text, which is never equal to it, is refused and not quietly another") {
  const auto with = [](std::string_view condition) {
    return scenario_with(fmt::format(
        "options = {{ down = '1s', n = {{ '4', unit = 'count' }}, how = 'tcp', node = 2, rate = '1Gbit/s' }},\n"
        "faults = function(o)\n  -- o.down == \"1s\" in a comment\n  local s = [[ o.down == '1s' ]] .. \"o.down == "
        "'1s'\"\n"
        "  if {} then return {{}} end\n  return {{ f {{}} }}\nend,",
        condition));
  };
  struct Case {
    std::string_view condition, says;
  };
  for (const Case& one : std::initializer_list<Case>{
           {"o.down == '1s'", "which is a time: compare with grit.time \"1s\", or tostring(o.down)"},
           {"o.down ~= \"1s\"", "compare with grit.time"},
           {"'1s' == o.down", "compare with grit.time"},
           {"o.rate == [[1Gbit/s]]", "compare with grit.bit_rate \"1Gbit/s\""},
           {"not (o.n == '4')", "which is a number: compare with 4"},
           {"o.node == '2'", "which is a number: compare with 2"},
       }) {
    CAPTURE(one.condition);
    const std::string said = load_error(with(one.condition));
    CHECK(contains(said, one.says));
    CHECK(contains(said, "x.lua:8: "));
  }
  for (const char* right :
       {"o.down == grit.time '1s'", "tostring(o.down) == '1s'", "o.how == 'tcp'", "o.node == 'any'",
        "o.down:sub(1, 1) == '1'", "'1' == o.down:sub(1, 1)", "('x').down == '1s'", "o.n == 4", "s.down == '1s'",
        // Other tables of the same name, and text that is part of more.
        "({o = o}).o.down == grit.time '1s' or ({o = {down = 'x'}}).o.down == '1s'", "grit.time '1s' == o.down",
        "'in ' .. o.down == 'in 1s'", "o.n == '4' + 0", "'4' + 0 == o.n", "tostring'1s' == o.how",
        "(function(o) return o.down == '1s' end)({down = '1s'})",
        "(function() local o = {down = '1s'} return o.down == '1s' end)()",
        "(function() for _, o in ipairs {{down = '1s'}} do return o.down == '1s' end end)()"}) {
    CAPTURE(right);
    CHECK(load_text(with(right)).has_value());
  }
}

TEST_CASE("a function that is none of the options may call anything as they are called") {
  const auto with = [](std::string_view function) {
    return fmt::format(
        "local grit = require 'grit'\nlocal list = {{ {} }}\nreturn grit.scenario {{ name = 'x', options = {{ down = "
        "'1s' }},\n"
        "workload = function(o) return grit.workload.ddp {{ bucket = o.down == grit.time '1s' and '1MB' or '2MB' }} "
        "end,\n"
        "design = {{ block = '3s' }}, expect = {{ slowdown = {{ at_least = '10%' }} }} }}",
        function);
  };
  CHECK(load_text(with("pick = function(o) return o.down == '1s' end")).has_value());
  CHECK(load_text(with("} local function is(o, p) return '1s' == o.down end list = { is")).has_value());
  CHECK(contains(load_error(scenario_with("options = { down = '1s' }, checks = function(o) local a = { b = function() "
                                          "return 1 end } if o.down == '1s' then return {} end return {} end,")),
                 "text is never equal"));
}

TEST_CASE("every value that takes a quantity takes a typed one") {
  const Scenario scenario = loaded(R"(
local grit = require "grit"
return grit.scenario {
  name = "x",
  options = { t = "1s", f = "25%", n = { "7", unit = "count" }, r = "1Gbit/s", b = "1MB", c = "1TFLOP/s" },
  workload = function(o) return grit.workload.ddp { bucket = o.b, peak = o.c / 2, checkpoint_every = o.n } end,
  faults = function(o)
    return { grit.fault.link_flap { on = o.f, down = o.t / 4, after = o.t, count = o.n - 6 },
             grit.fault.cpu_throttle { share = o.f * 2 },
             grit.fault.ethernet_flood { rate = o.r * 2 },
             grit.fault.kernel_log { text = "after " .. o.t } }
  end,
  design = function(o) return { block = o.t * 3, pairs = o.n, hang = o.t * 20, recovery = o.t } end,
  expect = function(o) return { slowdown = { at_least = o.f }, recovers = { within = o.t / 2 } } end,
})");
  CHECK(scenario.workload.params.at("bucket") == 1'000'000);
  CHECK(scenario.workload.params.at("peak") == 5e11);
  CHECK(scenario.faults[0].on.share == 0.25);
  CHECK(scenario.faults[0].params.at("down") == 250'000'000);
  CHECK(scenario.faults[0].timing.count == 1);
  CHECK(scenario.faults[1].params.at("share") == 0.5);
  CHECK(scenario.faults[2].params.at("rate") == 2'000'000'000);
  CHECK(scenario.faults[3].params.at("text") == "after 1s");
  CHECK(scenario.design.block_ns == 3'000'000'000);
  CHECK(scenario.design.pairs == 7);
  CHECK(scenario.design.hang_ns == 20'000'000'000);
  CHECK(scenario.expect.slowdown_at_least == 0.25);
  CHECK(scenario.expect.recovers_within_ns == 500'000'000);
}

TEST_CASE("an option may say which values it takes") {
  const std::string options =
      "options = { how = { 'tcp', choices = { 'tcp', 'udp' } }, share = { '20%', min = '10%', max = '50%' } },";
  CHECK(load_text(scenario_with(options), {{"how", "udp"}, {"share", "50%"}}).has_value());
  CHECK(contains(load_error(scenario_with(options), {{"how", "utp"}}), "option \"how\""));
  CHECK(contains(load_error(scenario_with(options), {{"how", "utp"}}), "udp"));
  CHECK(contains(load_error(scenario_with(options), {{"share", "51%"}}), "above its greatest value 50%"));
  CHECK(contains(load_error(scenario_with(options), {{"share", "9%"}}), "below its least value 10%"));
  CHECK(contains(load_error(scenario_with("options = { a = { 'x', min = 1 } },")), "min is for quantities"));
  CHECK(contains(load_error(scenario_with("options = { a = { 'x', choices = { 'y' } } },")), "option \"a\""));
}

TEST_CASE("what a scenario takes is told without more of it than its options") {
  const std::string source =
      "-- Why is it slow?\n--\n--   grit run x\nlocal grit = require 'grit'\nreturn grit.scenario { name = 'x', "
      "summary = 'slow?',"
      " options = { down = { '1s', help = 'how long' }, node = 'any' }, workload = function() error('never called') "
      "end }";
  const auto brief = grit::brief_of_scenario("x.lua", source);
  REQUIRE(brief.has_value());
  CHECK(brief->name == "x");
  CHECK(brief->summary == "slow?");
  CHECK(brief->comment == std::vector<std::string>{"Why is it slow?", "", "  grit run x"});
  REQUIRE(brief->options.size() == 2);
  CHECK(brief->options[0].unit == "time");
  CHECK(brief->options[0].help == "how long");
  CHECK_FALSE(grit::brief_of_scenario("x.lua", "return 7").has_value());
}

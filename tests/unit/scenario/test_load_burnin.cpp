// Configurations of burn-ins: what they say, and what is said of those that are wrong.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "harness/model/burnin_measures.hpp"
#include "harness/scenario/load_burnin.hpp"
#include "harness/scenario/load_checks.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

namespace grit {
namespace {

using Catch::Matchers::Contains;
using Catch::Matchers::WithinRel;

Result<BurninConfig> load(const std::string& text) {
  const test::TempDirectory directory;
  const auto file = directory.path() / "mine.lua";
  std::ofstream(file) << text;
  return load_burnin(file);
}

/// A burn-in with these keys; the round "links" stands on line 5.
std::string with(const std::string& more, const std::string& of_round = "") {
  return fmt::format(
      "local grit = require 'grit'\nreturn {{\n  name = 'mine',\n  rounds = {{\n    {{ name = 'links', kinds = {{ "
      "'link' "
      "}}, {} }},\n    {{ name = 'solo', kinds = {{ 'compute' }} }},\n  }},\n  {}\n}}\n",
      of_round, more);
}

BurninConfig loaded(const std::string& text) {
  const auto config = load(text);
  INFO((config ? std::string() : config.error().message));
  REQUIRE(config.has_value());
  return *config;
}

std::string error_of(const std::string& text) {
  const auto config = load(text);
  INFO(text);
  REQUIRE_FALSE(config.has_value());
  CHECK(config.error().kind == ErrorKind::usage);
  return config.error().message;
}

TEST_CASE("a burn-in says what is done, and the rest is as documented") {
  const BurninConfig config = loaded(with("summary = 'a question'"));
  CHECK(config.name == "mine");
  CHECK(config.summary == "a question");
  REQUIRE(config.rounds.size() == 2);
  const BurninRound& links = config.rounds[0];
  CHECK(links.shape == BurninShape::pair);
  CHECK(links.sizes.empty());
  CHECK(links.visits == 1);
  CHECK(links.ranks_per_node == 1);
  CHECK(links.length_ns == 1'000'000'000);
  CHECK(links.limit_ns == 60'000'000'000);
  CHECK(links.alone);
  CHECK(config.rounds[1].shape == BurninShape::node);
  CHECK(config.limits.empty());
  CHECK(config.checks.empty());
  CHECK(config.checks_source.empty());
  CHECK(config.must_match == std::vector<std::string>{"cores", "numa_nodes", "memory_bytes", "gpus", "nics",
                                                      "nic_speed", "nic_mtu", "pcie_width", "pcie_speed"});
  CHECK(config.false_bad == 0.01);
  CHECK(config.confirm_visits == 6);
  CHECK(config.looks == 3);
  CHECK(config.cycles == 1);
}

TEST_CASE("every key of a round and of a burn-in is read") {
  const BurninConfig config = loaded(R"(return { name = "mine", rounds = {
    { name = "groups", kinds = { "collective", "training" }, shape = "group", sizes = { 2, "4", 0 }, visits = 3,
      ranks_per_node = 2, length = "250ms", limit = "7s", alone = false },
    { name = "stress", scenario = "training_under_stress", options = { load = "memory", pairs = 6 }, sizes = { 4 } },
    { name = "flap", scenario = "./x.lua", shape = "pair" } },
    must_match = { "kernel" }, false_bad = "5%", confirm_visits = 4, looks = 2, cycles = 7 })");
  const BurninRound& groups = config.rounds[0];
  CHECK(groups.kinds == std::vector<std::string>{"collective", "training"});
  CHECK(groups.sizes == std::vector<int>{2, 4, 0});
  CHECK(groups.visits == 3);
  CHECK(groups.ranks_per_node == 2);
  CHECK(groups.length_ns == 250'000'000);
  CHECK(groups.limit_ns == 7'000'000'000);
  CHECK_FALSE(groups.alone);
  const BurninRound& stress = config.rounds[1];
  CHECK(stress.scenario == "training_under_stress");
  CHECK(stress.options == std::map<std::string, std::string>{{"load", "memory"}, {"pairs", "6"}});
  CHECK(stress.shape == BurninShape::group);
  CHECK(stress.kinds.empty());
  CHECK(stress.length_ns == 0);
  CHECK(config.rounds[2].shape == BurninShape::pair);
  CHECK(config.must_match == std::vector<std::string>{"kernel"});
  CHECK(config.false_bad == 0.05);
  CHECK(config.confirm_visits == 4);
  CHECK(config.looks == 2);
  CHECK(config.cycles == 7);
  CHECK(loaded(with("must_match = {}")).must_match.empty());
}

TEST_CASE("limits are held in the measure's own unit") {
  const BurninConfig config = loaded(with(R"(limits = {
    compute = { tolerance = "3%", spread = "0.5%", at_least = "1.5TFLOP/s" }, memory = { at_least = "20GB/s" },
    link_rate = { at_least = "90Gbit/s" }, link_latency = { tolerance = "150%", at_most = "50us" },
    link_loss = { tolerance = "0.05%" }, link_after_flap = { at_least = "80%" } })"));
  REQUIRE(config.limits.size() == 6);
  CHECK_THAT(config.limits.at("compute").tolerance.value_or(0), WithinRel(0.03));
  CHECK_THAT(config.limits.at("compute").spread.value_or(0), WithinRel(0.005));
  CHECK_THAT(config.limits.at("compute").at_least.value_or(0), WithinRel(1.5e12));
  CHECK_THAT(config.limits.at("memory").at_least.value_or(0), WithinRel(20e9));
  CHECK_THAT(config.limits.at("link_rate").at_least.value_or(0), WithinRel(90e9));
  CHECK_THAT(config.limits.at("link_latency").at_most.value_or(0), WithinRel(50e-6));
  CHECK_THAT(config.limits.at("link_latency").tolerance.value_or(0), WithinRel(1.5));
  CHECK_THAT(config.limits.at("link_loss").tolerance.value_or(0), WithinRel(0.0005));
  CHECK_THAT(config.limits.at("link_after_flap").at_least.value_or(0), WithinRel(0.8));
  CHECK_FALSE(config.limits.at("memory").tolerance.has_value());
}

TEST_CASE("every measure takes its limits") {
  for (const BurninMeasure& measure : kBurninMeasures) {
    INFO(measure.name);
    const auto tolerance = load(with(fmt::format("limits = {{ {} = {{ tolerance = '4%' }} }}", measure.name)));
    CHECK(tolerance.has_value() ==
          (measure.better != BurninBetter::none_at_all && measure.better != BurninBetter::counted));
    const std::string unit = measure.unit == "s"         ? "2s"
                             : measure.unit == "FLOP/s"  ? "2TFLOP/s"
                             : measure.unit == "bit/s"   ? "2Gbit/s"
                             : measure.unit == "bytes/s" ? "2GB/s"
                             : measure.unit == "count"   ? "2"
                                                         : "2%";
    const auto limit = [&](const char* key) {
      return load(with(fmt::format("limits = {{ {} = {{ {} = '{}' }} }}", measure.name, key, unit))).has_value();
    };
    CHECK(limit("at_least") == (measure.better == BurninBetter::higher));
    CHECK(limit("at_most") == (measure.better == BurninBetter::lower || measure.better == BurninBetter::counted));
  }
}

TEST_CASE("the checks of a burn-in become a file of checks that means the same") {
  const BurninConfig config = loaded(R"(local grit = require "grit"
    return { name = "mine", rounds = { { name = "facts", kinds = { "facts", "checks" } } }, checks = {
      grit.check.link_up {}, grit.check.link_up { name = 'the "other"\n', nic = "eth1", every = "5s" },
      grit.check.kernel_log { ignore = "a\\.b", mild_xids = "13,31" }, grit.check.link_carrier { per_outage = true },
      grit.check.link_settings { speed = "400Gbit/s" } } })");
  REQUIRE(config.checks.size() == 5);
  const test::TempDirectory directory;
  std::ofstream(directory.path() / "checks.lua") << config.checks_source;
  const auto again = load_checks(directory.path() / "checks.lua");
  INFO(config.checks_source);
  INFO((again ? std::string() : again.error().message));
  REQUIRE(again.has_value());
  REQUIRE(again->size() == config.checks.size());
  for (std::size_t i = 0; i < again->size(); ++i) {
    CHECK((*again)[i].name == config.checks[i].name);
    CHECK((*again)[i].params == config.checks[i].params);
  }
}

TEST_CASE("a name that is not known is said with its line and the nearest") {
  CHECK_THAT(error_of(with("", "visit = 3")),
             Contains("mine.lua:5: unknown key \"visit\" of round \"links\"; did you mean \"visits\"?"));
  CHECK_THAT(error_of(with("cycle = 3")),
             Contains("mine.lua:8: unknown key \"cycle\" of the burn-in; did you mean \"cycles\"?"));
  CHECK_THAT(error_of(with("limits = { compte = { tolerance = '3%' } }")),
             Contains("mine.lua:8: unknown measure \"compte\"") && Contains("did you mean \"compute\"?"));
  CHECK_THAT(error_of(with("limits = { compute = { tolerence = '3%' } }")),
             Contains("mine.lua:8: unknown key \"tolerence\"") && Contains("did you mean \"tolerance\"?"));
  CHECK_THAT(error_of(with("must_match = { 'memory_byte' }")),
             Contains("mine.lua:8: unknown fact \"memory_byte\"") && Contains("did you mean \"memory_bytes\"?"));
  CHECK_THAT(error_of("return { name = 'mine', rounds = {\n  { name = 'solo',\n    kinds = { 'compte' } } } }"),
             Contains("mine.lua:3: unknown kind \"compte\" of round \"solo\"; did you mean \"compute\"?"));
  CHECK_THAT(error_of(with("", "shape = 'pairs'")), Contains("mine.lua:5: unknown shape \"pairs\""));
  CHECK_THAT(error_of(with("checks = { grit.check.lnk_up {} }")),
             Contains("mine.lua:8: unknown check \"lnk_up\"; did you mean \"link_up\"?"));
}

TEST_CASE("the line is that of the round when a key is in several") {
  CHECK_THAT(error_of("return { name = 'mine', rounds = {\n  { name = 'a', kinds = { 'link' }, visits = 2 },\n"
                      "  { name = 'b', kinds = { 'link' }, visits = 0 } } }"),
             Contains("mine.lua:3: \"visits\" of round \"b\" is 0; it is 1 to 1000"));
  // Split over lines, the round's own.
  CHECK_THAT(error_of("return { name = 'mine', rounds = {\n  { name = 'one', kinds = { 'link' },\n  visits = 2 },\n"
                      "  { name = 'two', kinds = { 'link' },\n  visits = 0 } } }"),
             Contains("mine.lua:4: \"visits\" of round \"two\" is 0"));
  // A comment is no place, and what a program made has none: the last line that ran.
  CHECK_THAT(
      error_of("-- visits: one each\nlocal key = 'vis' .. 'its'\nreturn { name = 'mine', rounds = { { name = 'r' "
               ".. 1, kinds = { 'link' }, [key] = 0 } } }"),
      Contains("mine.lua:3: \"visits\""));
}

TEST_CASE("values that make no sense are refused") {
  CHECK_THAT(error_of(with("", "visits = 1.5")), Contains("\"visits\" of round \"links\""));
  CHECK_THAT(error_of(with("", "visits = 1001")), Contains("is 1001; it is 1 to 1000"));
  CHECK_THAT(error_of(with("", "length = 'soon'")), Contains("\"length\" of round \"links\""));
  CHECK_THAT(error_of(with("", "length = 0")), Contains("must be longer than 0"));
  CHECK_THAT(error_of(with("", "limit = '1s'")), Contains("is 1s, and measuring alone takes 1s"));
  CHECK_THAT(error_of(with("", "alone = 'perhaps'")), Contains("\"alone\" of round \"links\""));
  CHECK_THAT(error_of(with("", "sizes = { 2 }")), Contains("is for groups") && Contains("of the shape pair"));
  CHECK_THAT(error_of(with("", "shape = 'node'")),
             Contains("kind \"link\" of round \"links\" is measured in cells of "));
  CHECK_THAT(error_of(with("", "options = { a = 1 }")), Contains("is for rounds with a scenario"));
  CHECK_THAT(error_of(with("", "scenario = 'healthy'")), Contains("has kinds and a scenario"));
  CHECK_THAT(error_of(with("confirm_visits = 1")), Contains("is 1; it is 2 to 1000"));
  CHECK_THAT(error_of(with("looks = 0")), Contains("is 0; it is 1 to 10"));
  CHECK_THAT(error_of(with("false_bad = 0")), Contains("is 0%; it is above 0% and at most 50%"));
  CHECK_THAT(error_of(with("false_bad = 0.01")), Contains("\"false_bad\" of the burn-in"));
  CHECK_THAT(error_of(with("limits = { compute = { tolerance = '101%' } }")), Contains("at most 100%"));
  CHECK_THAT(error_of(with("limits = { compute = { at_most = '1TFLOP/s' } }")),
             Contains("more is better here; write at_least"));
  CHECK_THAT(error_of(with("limits = { link_latency = { at_least = '1us' } }")), Contains("write at_most"));
  CHECK_THAT(error_of(with("limits = { wrong_results = { tolerance = '1%' } }")), Contains("is too many"));
  CHECK_THAT(error_of(with("limits = { compute = { at_least = '20GB/s' } }")), Contains("FLOP"));
  CHECK_THAT(error_of(with("must_match = { 'cores', 'cores' }")), Contains("names \"cores\" twice"));
  CHECK_THAT(error_of(with("checks = { grit.check.link_up {} }")), Contains("no round has the kind checks"));
}

std::string error_of_rounds(const std::string& rounds) {
  return error_of(fmt::format("local grit = require 'grit'\nreturn {{ name = 'mine', rounds = {} }}", rounds));
}

TEST_CASE("rounds that cannot be are refused") {
  CHECK_THAT(error_of_rounds("{}"), Contains("has no rounds"));
  CHECK_THAT(error_of_rounds("{ 'links' }"), Contains("round 1 must be a table"));
  CHECK_THAT(error_of_rounds("{ a = {} }"), Contains("it has the key \"a\""));
  CHECK_THAT(error_of_rounds("{ { kinds = { 'link' } } }"), Contains("the name of round 1 is \"\""));
  CHECK_THAT(error_of_rounds("{ { name = 'a/b', kinds = { 'link' } } }"),
             Contains("mine.lua:2: the name of round 1 is \"a/b\""));
  CHECK_THAT(error_of_rounds("{ { name = 'a' } }"), Contains("round \"a\" has neither kinds nor a scenario"));
  CHECK_THAT(error_of_rounds("{ { name = 'a', kinds = {} } }"), Contains("has neither kinds nor a scenario"));
  CHECK_THAT(error_of_rounds("{ { name = 'a', kinds = { 'link' } }, { name = 'a', kinds = { 'link' } } }"),
             Contains("two rounds are called \"a\""));
  CHECK_THAT(error_of_rounds("{ { name = 'a', kinds = { 'link', 'compute' } } }"),
             Contains("kind \"compute\" of round \"a\"") && Contains("give it a round of its own"));
  CHECK_THAT(error_of_rounds("{ { name = 'a', kinds = { 'training' }, sizes = { 1 } } }"),
             Contains("1 nodes; a group has 2"));
  CHECK_THAT(error_of_rounds("{ { name = 'a', kinds = { 'compute' }, ranks_per_node = 2 } }"),
             Contains("one process measures a node alone"));
  CHECK_THAT(error_of_rounds("{ { name = 'a', scenario = 'healthy', length = '1s' } }"), Contains("its design says"));
}

TEST_CASE("what is no burn-in is called so") {
  CHECK_THAT(error_of("return 7"), Contains("mine.lua:1: the file must end with: return { name = \"quick\""));
  CHECK_THAT(error_of("local grit = require 'grit'\nreturn { grit.check.link_up {} }"),
             Contains("the burn-in holds a value without a name"));
  CHECK_THAT(error_of("return { rounds = {} }"), Contains("the burn-in's name is \"\""));
  CHECK_THAT(error_of("return {"), Contains("mine.lua:1:"));
  CHECK_THAT(
      error_of("local grit = require 'grit'\nreturn grit.scenario { name = 'x', workload = grit.workload.ddp {}, "
               "design = { block = '2s' }, expect = { slowdown = { at_least = '5%' } } }"),
      Contains("this is a scenario"));
  const auto missing = load_burnin("/nonexistent/mine.lua");
  REQUIRE_FALSE(missing.has_value());
  CHECK_THAT(missing.error().message, Contains("there is no burn-in file /nonexistent/mine.lua"));
}

TEST_CASE("the burn-ins that grit comes with load, each with what its name promises") {
  const std::filesystem::path directory = std::filesystem::path(GRIT_SOURCE_DIR) / "scenarios" / "burnin";
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    INFO(entry.path());
    const auto config = load_burnin(entry.path());
    INFO((config ? std::string() : config.error().message));
    REQUIRE(config.has_value());
    CHECK(config->name == entry.path().stem().string());
    CHECK_FALSE(config->summary.empty());
    CHECK(config->false_bad == 0.01);
    names.push_back(config->name);
  }
  std::sort(names.begin(), names.end());
  CHECK(names == std::vector<std::string>{"full", "quick", "soak"});
}

}  // namespace
}  // namespace grit

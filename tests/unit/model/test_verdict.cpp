#include <limits>

#include "harness/model/format.hpp"
#include "harness/model/verdict.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

Verdict full_verdict() {
  Verdict verdict;
  verdict.scenario = "link_flap";
  verdict.kind = VerdictKind::reproduced;
  verdict.sentence = "node1 eth0 went down";
  verdict.reasons = {"one", "two"};
  verdict.emulated = {"compute"};
  verdict.effect = Effect{0.53, 0.47, 0.6, 0.016, 8, 0.04, "mean"};
  verdict.faults = {{"link_flap",
                     "node1",
                     "eth0",
                     "admin",
                     8,
                     8,
                     7,
                     7,
                     1,
                     true,
                     {{"carrier_changes", 16.0}},
                     Lateness{1, 2, 3, 8},
                     Lateness{4, 5, 6, 8}},
                    {"os_noise", "node0", "", "", 8, 8, 8, 8, 0, {}, {}, {}, {}}};
  verdict.expectations = {{"slowdown at least 10 %", true}, {"slowdown at most 5 %", std::nullopt}};
  verdict.effects = {*verdict.effect, Effect{-0.1, -0.2, -0.05, 0.016, 8, 0.04, "throughput"}};
  verdict.as_randomised = Effect{0.4, 0.3, 0.5, 0.016, 9, 0.04, "mean"};
  verdict.recovery = Recovery{.blocks = 8, .recovered = 7, .p50_ns = 1e9};
  verdict.recovery->p50_ci_ns = {0.9e9, std::numeric_limits<double>::infinity()};
  verdict.checks = {{"link_up", "node1", 8, 0, 9, 3}};
  verdict.checks[0].pairs = 8, verdict.checks[0].pairs_worse = 3;
  verdict.residue = {{"node1", {"qdiscs: new: eth0 tbf"}}};
  verdict.onset = Lateness{1'000, 2'000, 3'000, 16};
  verdict.end = Lateness{4'000, 5'000, 6'000, 16};
  verdict.skew = Skew{{100, 200, 300, 8}, 50};
  verdict.baseline_step_ns = 53e6;
  return verdict;
}

}  // namespace

TEST_CASE("a verdict's JSON has what a script needs, under the documented keys") {
  const Json json = to_json(full_verdict());
  CHECK(json.at("verdict") == "reproduced");
  CHECK(json.at("outcome") == "completed");
  CHECK(json.at("emulated") == Json::array({"compute"}));
  CHECK(json.at("effect").at("estimate") == 0.53);
  CHECK(json.at("effect").at("pairs") == 8);
  CHECK(json.at("effect").at("minimum_detectable") == 0.04);
  CHECK(json.at("effects").at(1).at("statistic") == "throughput");
  CHECK(json.at("as_randomised").at("pairs") == 9);
  CHECK(json.at("recovery").at("p50_ci_ns") == Json::array({0.9e9, nullptr}));  // null: longer than the blocks
  CHECK(json.at("checks").at(0).at("pairs_worse") == 3);
  REQUIRE(json.contains("culprit"));
  CHECK(json.at("culprit").is_null());
  CHECK(json.at("baseline_step_s").get<double>() == Approx(0.053));
  const Json& fault = json.at("faults").at(0);
  CHECK(fault.at("applied") == true);  // in all eight windows
  CHECK(fault.at("acting") == false);  // in seven of eight
  CHECK(fault.at("acting_windows") == 7);
  CHECK(fault.at("reverted") == false);
  CHECK(fault.at("unreverted_windows") == 1);
  CHECK(fault.at("harmful") == true);
  CHECK(fault.at("acted").at("carrier_changes") == 16);
  CHECK(fault.at("onset").at("p99_ns") == 2);
  CHECK(json.at("residue").at(0).at("differences").at(0) == "qdiscs: new: eth0 tbf");
  CHECK(json.at("onset").at("max_ns") == 3'000);
  CHECK(json.at("end").at("count") == 16);
  CHECK(json.at("skew").at("p50_ns") == 100);
  CHECK(json.at("skew").at("clock_bound_ns") == 50);
  CHECK(json.at("faults").at(1).at("harmful").is_null());
  CHECK(json.at("faults").at(1).at("onset").is_null());
  CHECK(json.at("expectations").at(1).at("met").is_null());
}

TEST_CASE("a fault without any window is not applied") {
  Verdict verdict;
  verdict.faults = {FaultResult{}};
  const Json json = to_json(verdict);
  CHECK(json.at("faults").at(0).at("applied") == false);
  CHECK(json.at("faults").at(0).at("reverted") == false);
  CHECK(json.at("effect").is_null());
}

TEST_CASE("a verdict survives its JSON") {
  for (const Verdict& verdict : {full_verdict(), Verdict{}}) {
    const Json json = to_json(verdict);
    const auto parsed = parse_json(json.dump());
    REQUIRE(parsed);
    const auto back = verdict_from_json(*parsed);
    REQUIRE(back);
    CHECK(to_json(*back) == json);
    CHECK(back->effect.has_value() == verdict.effect.has_value());
    CHECK(back->faults.size() == verdict.faults.size());
  }
}

TEST_CASE("what is no verdict is a usage error that says what to do") {
  Json wrong_format = to_json(full_verdict());
  wrong_format["format"] = formats::kVerdict.number + 1;
  Json wrong_kind = to_json(full_verdict());
  wrong_kind["verdict"] = "perhaps";
  Json wrong_type = to_json(full_verdict());
  wrong_type["effect"]["p"] = "small";
  for (const Json& json : {Json(), Json::array(), Json::object(), wrong_format, wrong_kind, wrong_type}) {
    const auto verdict = verdict_from_json(json);
    REQUIRE_FALSE(verdict);
    CHECK(verdict.error().kind == ErrorKind::usage);
    CHECK_FALSE(verdict.error().message.empty());
  }
}

TEST_CASE("a verdict of another version: what it lacks keeps its default, what it has more is passed over") {
  Verdict verdict = full_verdict();
  verdict.effects = {*verdict.effect, *verdict.effect};
  verdict.culprit = Culprit{.named = 1, .text = "node1", .suspects = {{.node = 1, .node_name = "node1"}}};
  const Json whole = to_json(verdict);
  for (const char* object : {"", "/faults/0", "/checks/0", "/suspects/0"})
    for (const auto& [key, value] : whole.at(Json::json_pointer(object)).items()) {
      CAPTURE(object, key);
      Json json = whole;
      json[Json::json_pointer(object)].erase(key);
      CHECK(verdict_from_json(json).has_value() == (*object != '\0' || (key != "verdict" && key != "sentence")));
    }
  Json older = whole;
  older["format"] = 1;
  older.erase("culprits");
  older["faults"][0]["weather"] = "fair";
  older["effects"].insert(older["effects"].begin(), nullptr);
  const auto read = verdict_from_json(older);
  REQUIRE(read.has_value());
  CHECK(to_json(*read) == whole);
}

TEST_CASE("exit codes of verdicts") {
  CHECK(exit_code(VerdictKind::reproduced) == 0);
  CHECK(exit_code(VerdictKind::not_reproduced) == 1);
  CHECK(exit_code(VerdictKind::inconclusive) == 2);
}

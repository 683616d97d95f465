#include "tests/catch.hpp"
#include "tests/unit/workloads/mesh_of.hpp"
#include "workloads/training/settings.hpp"
#include "workloads/training/workloads.hpp"

using namespace grit;
using Catch::Matchers::Contains;

namespace {

using grit::test::mesh_of;

/// The workload's defaults, but for what is given.
Params params_of(const char* workload, const Json& given) {
  Json values = Json::object();
  for (const ParamSpec& spec : find_workload(workload)->params) values[spec.name] = spec.default_value;
  values.update(given);
  return Params(values);
}

Json formula_of(const char* workload, const AxisValues& sizes, const Json& given = Json::object()) {
  const auto checked = check_workload(workload, params_of(workload, given), mesh_of(sizes));
  INFO((checked ? "" : checked.error().message));
  REQUIRE(checked);
  return checked->by_formula;
}

std::string refused(const char* workload, const AxisValues& sizes, const Json& given = Json::object()) {
  const auto checked = check_workload(workload, params_of(workload, given), mesh_of(sizes));
  REQUIRE_FALSE(checked);
  CHECK(checked.error().kind == ErrorKind::usage);
  return checked.error().message;
}

}  // namespace

TEST_CASE("each workload has its own operations on its own axes") {
  const auto operations = [](const Json& formula) {
    std::vector<std::string> found;
    for (const Json& one : formula.at("stages").at(0).at("traffic")) {
      const std::string name = one.at("operation").get<std::string>() + " " + one.at("axis").get<std::string>();
      if (std::find(found.begin(), found.end(), name) == found.end()) found.push_back(name);
    }
    std::sort(found.begin(), found.end());
    return found;
  };
  using Names = std::vector<std::string>;
  CHECK(operations(formula_of("fsdp", {{Axis::dp, 4}})) == Names{"all_gather dp", "reduce_scatter dp"});
  CHECK(operations(formula_of("tensor", {{Axis::dp, 2}, {Axis::tp, 2}})) == Names{"all_reduce dp", "all_reduce tp"});
  CHECK(operations(formula_of("tensor", {{Axis::tp, 2}}, {{"sequence_parallel", true}})) ==
        Names{"all_gather tp", "all_reduce tp", "reduce_scatter tp"});
  CHECK(operations(formula_of("pipeline", {{Axis::pp, 4}})) == Names{"receive pp", "send pp"});
  CHECK(operations(formula_of("moe", {{Axis::dp, 4}, {Axis::ep, 2}})) ==
        Names{"all_reduce dp", "all_reduce edp", "all_to_all ep"});
  CHECK(operations(formula_of("transformer", {{Axis::dp, 2}, {Axis::tp, 2}, {Axis::pp, 2}}, {{"sharded", true}})) ==
        Names{"all_gather dp", "all_reduce tp", "receive pp", "reduce_scatter dp", "send pp"});
}

TEST_CASE("what a step is by formula: parameters, FLOPs, and the bubble") {
  const Json formula = formula_of("pipeline", {{Axis::pp, 4}}, {{"micro_batches", 8}, {"scale", 1.0}});
  REQUIRE(formula.at("stages").size() == 4);
  CHECK(formula.at("bubble_share").get<double>() == Approx(3.0 / 11));
  std::int64_t parameters = 0;
  double flops = 0;
  double largest_idle = 0;
  for (const Json& stage : formula.at("stages")) {
    parameters += stage.at("parameters").get<std::int64_t>();
    flops += stage.at("flops").get<double>();
    largest_idle = std::max(largest_idle, stage.at("idle_share").get<double>());
  }
  // GPT-2's 124,439,808 and the head's own weights; 6 FLOPs a token for each that is multiplied.
  CHECK(parameters == 124'439'808 + 50'257 * 768);
  CHECK(flops == Approx(6.0 * 123.7e6 * 8 * 1024).epsilon(0.01));
  CHECK(largest_idle > 3.0 / 11);  // the head makes the last stage slower than the others
}

TEST_CASE("a mesh that does not divide the model is refused, with what would do") {
  CHECK_THAT(refused("tensor", {{Axis::tp, 8}}), Contains("tp = 8") && Contains("tp can be 1, 2, 3, 4, 6, 12"));
  CHECK_THAT(refused("pipeline", {{Axis::pp, 5}}), Contains("12 transformer blocks"));
  CHECK_THAT(refused("pipeline", {{Axis::pp, 4}}, {{"chunks", 2}}), Contains("2 chunk(s)"));
  CHECK_THAT(refused("pipeline", {{Axis::pp, 4}}, {{"chunks", 3}, {"micro_batches", 6}}), Contains("4 or 8"));
  CHECK_THAT(refused("moe", {{Axis::dp, 3}, {Axis::ep, 3}}), Contains("64 experts") && Contains("ep = 3"));
  CHECK_THAT(refused("moe", {{Axis::dp, 2}, {Axis::ep, 2}}, {{"model", "gpt2-small"}}), Contains("no experts"));
  CHECK_THAT(refused("moe", {{Axis::dp, 2}, {Axis::ep, 2}}, {{"balance", 9.0}}), Contains("balance = 8"));
  CHECK_THAT(refused("tensor", {{Axis::tp, 2}}, {{"sequence_parallel", true}, {"sequence", 1023}}),
             Contains("1022 or 1024 tokens"));
  CHECK_THAT(refused("fsdp", {{Axis::dp, 2}}, {{"model", "gpt2-smal"}}), Contains("gpt2-small"));
}

TEST_CASE("fewer micro-batches than stages are allowed, and said") {
  const auto few = check_workload("pipeline", params_of("pipeline", {{"micro_batches", 2}}), mesh_of({{Axis::pp, 4}}));
  REQUIRE(few);
  REQUIRE(few->remarks.size() == 1);
  CHECK_THAT(few->remarks[0], Contains("2 micro-batch(es) for 4 pipeline stages") && Contains("60 %"));
  const auto enough = check_workload("pipeline", params_of("pipeline", Json::object()), mesh_of({{Axis::pp, 4}}));
  REQUIRE(enough);
  CHECK(enough->remarks.empty());
}

TEST_CASE("a workload without a formula says nothing, and an unknown one is an error") {
  const auto ddp = check_workload("ddp", params_of("ddp", Json::object()), mesh_of({{Axis::dp, 4}}));
  REQUIRE(ddp);
  CHECK(ddp->by_formula.is_null());
  CHECK(ddp->remarks.empty());
  CHECK_FALSE(check_workload("dpp", Params(), Mesh()));
}

// A job of a known law, measured small and predicted large: against the same law run large.
#include <fmt/format.h>

#include <cmath>

#include "analysis/simulate/upward.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/lawful_job.hpp"

using namespace grit;
using namespace grit::testing;
using Catch::Matchers::Contains;

namespace {

const Json kNoClock;

/// What a job's files say, kept.
struct Files {
  explicit Files(const LawfulJob& job) : job_(job), events_(job.events) {}
  [[nodiscard]] MeasuredFiles get() const { return {job_.plan, job_.records, job_.spans, events_, kNoClock}; }

 private:
  const LawfulJob& job_;
  JsonLines events_;
};

Prediction predict(const LawfulJob& job, int dp, std::uint64_t seed = 1) {
  const Files files(job);
  auto upward = Upward::fit(files.get(), dp, seed);
  INFO((upward ? std::string() : upward.error().message));
  REQUIRE(upward.has_value());
  REQUIRE(upward->play(0, {.step = [](const SimulatedStep&) {}}, [](double) {}).has_value());
  auto prediction = upward->predict([](double) {});
  INFO((prediction ? std::string() : prediction.error().message));
  REQUIRE(prediction.has_value());
  return *prediction;
}

std::string error_of(const LawfulJob& job, int dp) {
  const Files files(job);
  const auto upward = Upward::fit(files.get(), dp, 1);
  REQUIRE_FALSE(upward.has_value());
  CHECK(upward.error().kind == ErrorKind::usage);
  return upward.error().message;
}

bool covers(const Predicted& predicted, double truth) { return predicted.low <= truth && truth <= predicted.high; }

}  // namespace

TEST_CASE("with as many ranks as were measured the measured steps come out") {
  for (const int tp : {1, 2}) {
    const LawfulJob job({.tp = tp, .steps = 8});
    const Files files(job);
    auto upward = Upward::fit(files.get(), 4, 1);
    REQUIRE(upward.has_value());
    std::size_t steps = 0;
    std::vector<CollectiveRecord> spans;
    double most_ns = 0;
    const auto compare = [&](const SimulatedStep& step) {
      const StepRecord& record = *step.program->record;
      CHECK(static_cast<int>(record.rank) == step.rank);
      most_ns = std::max(most_ns,
                         std::abs(step.end_ns - step.start_ns - static_cast<double>(record.end_ns - record.start_ns)));
      ++steps;
    };
    REQUIRE(upward
                ->play(5e9, {.step = compare, .span = [&](const CollectiveRecord& span) { spans.push_back(span); }},
                       [](double) {})
                .has_value());
    CHECK(steps == job.records.size());
    CHECK(most_ns < 100);
    CHECK(spans.size() == job.spans.size());
    CHECK(upward->spans() == job.spans.size());
    // They are spans of a run again, with the same programs.
    const auto again = MeasuredRun::read(job.plan, job.records, spans, kNoClock);
    REQUIRE(again.has_value());
    CHECK(again->program(3, 1).operations.size() == upward->run().program(3, 1).operations.size());
    const auto prediction = upward->predict([](double) {});
    REQUIRE(prediction.has_value());
    CHECK(prediction->replay_error < 1e-6);
    CHECK(prediction->step_ns.value == Approx(prediction->measured_step_ns).epsilon(1e-6));
    CHECK(prediction->cost->value == Approx(*prediction->measured_cost).margin(1e-6));
  }
}

TEST_CASE("the fit finds the law that made the records") {
  const LawfulJob job(
      {.dp = 16, .steps = 40, .spread = 0.05, .noise = 0.03, .autocorrelation = 0.7, .common = 0.03, .stalls = 0});
  const Prediction prediction = predict(job, 16);
  CHECK(prediction.link.latency_ns == Approx(20e3).epsilon(0.15));
  CHECK(prediction.link.ns_per_byte == Approx(0.5).epsilon(0.05));
  CHECK(prediction.spread == Approx(0.05).epsilon(0.6));  // of 16 ranks, drawn
  CHECK(prediction.autocorrelation == Approx(0.7).margin(0.1));
  CHECK(prediction.common_share == Approx(0.5).margin(0.15));
}

TEST_CASE("a fault of the links costs more where more of the step goes through them") {
  const Law law{.dp = 4, .ns_per_byte = 2, .slower = 0, .bytes_slower = 1};
  Law more = law;
  more.dp = 16;
  const LawfulJob small(law, 4), large(more, 5);
  const Prediction prediction = predict(small, 16);
  CHECK(prediction.step_ns.value == Approx(large.step_ns(BlockKind::baseline)).epsilon(0.05));
  CHECK(prediction.cost->value == Approx(large.cost()).margin(0.05));
  CHECK(prediction.cost->value > *prediction.measured_cost);
}

TEST_CASE("within a replica nothing grows") {
  const LawfulJob small({.dp = 2, .tp = 4}, 6), large({.dp = 8, .tp = 4}, 7);
  const Prediction prediction = predict(small, 8);
  CHECK(prediction.ranks == 32);
  CHECK(prediction.step_ns.value == Approx(large.step_ns(BlockKind::baseline)).epsilon(0.08));
}

TEST_CASE("what cannot be simulated is refused, with what can") {
  const LawfulJob job({.steps = 8});
  CHECK_THAT(error_of(job, 2), Contains("only more"));
  CHECK_THAT(error_of(job, 10), Contains("--dp 12"));
  CHECK_THAT(error_of(LawfulJob({.dp = 1, .tp = 4, .steps = 8}), 4), Contains("one replica"));
  LawfulJob without = job;
  without.spans.clear();
  CHECK_THAT(error_of(without, 8), Contains("no spans"));
  LawfulJob sends = job;
  sends.spans.front().operation = CollectiveOperation::send;
  CHECK_THAT(error_of(sends, 8), Contains("point to point"));
  LawfulJob uneven = job;
  uneven.plan.topology.nodes[0].ranks = {0, 1};
  uneven.plan.topology.nodes[1].ranks = {};
  CHECK_THAT(error_of(uneven, 8), Contains("different numbers of ranks"));
}

TEST_CASE("lost spans take their steps with them and no more") {
  LawfulJob job({.steps = 12});
  const double before_ns = predict(job, 16).step_ns.value;
  for (std::size_t i = 0; i < job.spans.size(); i += 400) job.spans.erase(job.spans.begin() + static_cast<long>(i));
  const Prediction prediction = predict(job, 16);
  CHECK(prediction.step_ns.value == Approx(before_ns).epsilon(0.03));
}

TEST_CASE("beyond what was validated the prediction says so") {
  const LawfulJob job({.steps = 8});
  const auto says = [](const Prediction& prediction, const char* words) {
    for (const std::string& warning : prediction.warnings)
      if (warning.find(words) != std::string::npos) return true;
    return false;
  };
  CHECK_FALSE(says(predict(job, 4 * kValidatedFactor), "was held against a real run"));
  CHECK(says(predict(job, 8 * kValidatedFactor), "was held against a real run"));
  CHECK(says(predict(job, 128), "can show"));
}

TEST_CASE("faults stay on their nodes, and other nodes are copies without a name of their own") {
  const LawfulJob job({.tp = 2});
  const auto grown = LargerMesh::grow(job.plan, 8);
  REQUIRE(grown.has_value());
  const Plan larger = grown->plan(job.plan);
  CHECK(larger.topology.nodes.size() == 8);
  CHECK(rank_count(larger.topology) == 16);
  CHECK(larger.topology.nodes[1].name == "node1");
  CHECK(larger.topology.nodes[7].name == "simulated7");
  CHECK(larger.faults[0].node == 1);
  CHECK(mesh_of(larger).size(Axis::tp) == 2);
  for (int unit = 0; unit < 4; ++unit)
    for (int seat = 0; seat < 2; ++seat)
      CHECK(mesh_of(larger).coordinates(grown->rank(unit, seat)) ==
            mesh_of(job.plan).coordinates(grown->measured_rank(unit, seat)));
}

TEST_CASE("jobs of a law are predicted without bias, and intervals hold their truth in nine of ten", "[statistics]") {
  // One job's ranks differ by chance from another's, the one with the fault too, so the truth is what such jobs show on
  // average, and so is the prediction that is held against it.
  constexpr int kJobs = 40;
  double step_ns = 0, cost = 0, measured_cost = 0;
  for (std::uint64_t seed = 0; seed < kJobs; ++seed) {
    const LawfulJob large({.dp = 16, .pairs = 6, .steps = 16}, 1000 + seed);
    step_ns += large.step_ns(BlockKind::baseline) / kJobs, cost += large.cost() / kJobs;
  }
  double predicted_step_ns = 0, predicted_cost = 0;
  int steps_held = 0, costs_held = 0;
  for (std::uint64_t seed = 0; seed < kJobs; ++seed) {
    const LawfulJob small({.dp = 4, .pairs = 6, .steps = 16}, seed);
    const Prediction prediction = predict(small, 16);
    predicted_step_ns += prediction.step_ns.value / kJobs, predicted_cost += prediction.cost->value / kJobs;
    measured_cost += *prediction.measured_cost / kJobs;
    steps_held += covers(prediction.step_ns, step_ns) ? 1 : 0;
    costs_held += covers(*prediction.cost, cost) ? 1 : 0;
  }
  CHECK(predicted_step_ns == Approx(step_ns).epsilon(0.02));
  CHECK(predicted_cost == Approx(cost).margin(0.02));
  CHECK(cost < measured_cost - 0.02);  // more healthy ranks are slow by themselves
  CHECK(steps_held >= 35);
  CHECK(costs_held >= 35);
}

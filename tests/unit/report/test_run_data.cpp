#include <algorithm>

#include "analysis/report/run_data.hpp"
#include "tests/catch.hpp"
#include "tests/unit/report/sample_run.hpp"

using namespace grit;

TEST_CASE("run data of a whole run has every step, block, window and pair") {
  const auto input = test::sample_run();
  const RunData data = summarize(input);
  CHECK(data.ranks == 4);
  CHECK(data.steps.size() * 4 == input.steps.size());
  CHECK(data.blocks.size() == input.plan.blocks.size());
  CHECK(data.pairs.size() == 8);
  CHECK(data.phases.size() == 8);
  REQUIRE(data.windows.size() == 8);
  CHECK(data.steps.front().start_s == Approx(0).margin(1e-9));
  for (const FaultWindow& window : data.windows) {
    CHECK(window.reverted);
    CHECK(window.label == "link_flap on node1 eth0");
    CHECK(window.end_s - window.start_s == Approx(1.0).epsilon(0.01));
    CHECK(input.plan.blocks[static_cast<std::size_t>(window.block)].kind == BlockKind::fault);
  }
  REQUIRE(data.pairs.size() == 8);
  for (const PairPoint& pair : data.pairs) CHECK(pair.effect() > 0.2);
}

TEST_CASE("phases and the rest of a step add up to its time") {
  const auto input = test::sample_run(test::SampleFault::gpu_throttle);
  const RunData data = summarize(input);
  const auto find = [&](std::uint32_t rank, BlockKind kind) {
    return *std::find_if(data.phases.begin(), data.phases.end(),
                         [&](const PhaseRow& row) { return row.rank == rank && row.kind == kind; });
  };
  double steps_ns = 0;
  int steps = 0;
  for (const StepRecord& record : input.steps) {
    if (record.rank != 1 || record.step_in_block < input.plan.design.settle_steps) continue;
    if (input.plan.blocks[record.block].kind != BlockKind::fault) continue;
    steps_ns += static_cast<double>(record.end_ns - record.start_ns);
    ++steps;
  }
  CHECK(find(1, BlockKind::fault).steps == steps);
  CHECK(find(1, BlockKind::fault).total_ns() == Approx(steps_ns / steps));
  // The throttled rank works longer, its peers wait longer.
  CHECK(find(1, BlockKind::fault).mean_ns[2] > 1.5 * find(1, BlockKind::baseline).mean_ns[2]);
  CHECK(find(0, BlockKind::fault).mean_ns[2] == Approx(find(0, BlockKind::baseline).mean_ns[2]).epsilon(0.05));
  CHECK(find(0, BlockKind::fault).mean_ns[3] > 2 * find(0, BlockKind::baseline).mean_ns[3]);
}

TEST_CASE("clocks of different machines are lined up, those of namespaces are left alone") {
  auto input = test::sample_run();
  const RunData aligned = summarize(input);
  constexpr std::int64_t kOffsetNs = 123'456'789'000;
  for (StepRecord& record : input.records) {
    if (record.node != 2) continue;
    record.start_ns += kOffsetNs;
    record.end_ns += kOffsetNs;
    record.collective_entry_ns += kOffsetNs;
    record.collective_exit_ns += kOffsetNs;
  }
  CHECK(summarize(input).steps.back().end_s > aligned.steps.back().end_s + 100);
  input.plan.topology.local_cluster = false;
  const RunData data = summarize(input);
  CHECK(data.steps.back().end_s == Approx(aligned.steps.back().end_s).epsilon(1e-3));
  CHECK(data.windows.front().start_s == Approx(aligned.windows.front().start_s).epsilon(1e-3));
  CHECK(data.axis.seconds(2, kOffsetNs + 5'000'000'000'000) ==
        Approx(data.axis.seconds(0, 5'000'000'000'000)).margin(1e-3));
}

TEST_CASE("a window that nothing closed ends with its block and says so") {
  auto input = test::sample_run();
  int block = -1;
  test::edit_events(input, [&](std::vector<Json>& events) {
    const auto reverted = std::find_if(events.begin(), events.end(),
                                       [](const Json& event) { return event.value("action", "") == "reverted"; });
    block = reverted->at("block").get<int>();
    events.erase(reverted);
  });
  const RunData data = summarize(input);
  REQUIRE(data.windows.size() == 8);
  CHECK(data.windows[0].block == block);
  CHECK_FALSE(data.windows[0].reverted);
  CHECK(data.windows[0].end_s == Approx(data.blocks[static_cast<std::size_t>(block)].end_s));
  CHECK(data.windows[1].reverted);
}

TEST_CASE("an incomplete block makes no pair, and its last step is not measured") {
  const RunData data = summarize(test::partial_run());
  CHECK(data.pairs.size() == 1);
  REQUIRE(data.blocks.size() == 4);
  CHECK(data.blocks.back().measured == 0);
  CHECK(data.blocks[1].measured > 0);
  CHECK_FALSE(data.steps.back().measured);
}

TEST_CASE("thinning out keeps the slowest step, the order and the limit") {
  std::vector<StepPoint> points(50'000);
  for (std::uint32_t i = 0; i < points.size(); ++i) {
    points[i].step = i;
    points[i].max_ns = 50e6 + (i * 7919) % 1000;
  }
  points[31'234].max_ns = 2e9;
  const std::vector<StepPoint> thin = thin_out(points, 20'000);
  CHECK(thin.size() <= 20'000);
  CHECK(thin.size() > 15'000);
  CHECK(std::is_sorted(thin.begin(), thin.end(), [](const auto& a, const auto& b) { return a.step < b.step; }));
  CHECK(std::any_of(thin.begin(), thin.end(), [](const StepPoint& point) { return point.step == 31'234; }));
  CHECK(thin_out(points, 50'000).size() == 50'000);
  CHECK(thin_out({}, 10).empty());
}

TEST_CASE("events of odd shapes are passed over") {
  auto input = test::sample_run();
  const std::size_t windows = summarize(input).windows.size();
  for (const char* text : {R"({"type": 3})", R"([])", R"({"type": "fault", "ok": "yes", "action": 1})",
                           R"({"type": "fault", "ok": true, "action": "reverted", "fault": 99})", R"("x")"})
    input.events.append(Json::parse(text));
  CHECK(summarize(input).windows.size() == windows);
  CHECK(render_html(input).has_value());
}

#include <algorithm>
#include <filesystem>
#include <optional>

#include "harness/base/files.hpp"
#include "harness/base/json_fields.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/run_figures.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/analysis/fixture.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

namespace fs = std::filesystem;

/// What a run leaves, in a directory that goes away.
class LeftRun {
 public:
  LeftRun(const Plan& plan, const std::vector<StepRecord>& records, const std::vector<Json>& events) {
    REQUIRE(write_file_durably(directory() / "plan.json", json_text(to_json(plan)) + "\n"));
    auto steps = StepsWriter::open(directory() / "steps.npy");
    REQUIRE(steps);
    REQUIRE(steps->append(records));
    auto log = EventsWriter::open(directory() / "events.jsonl");
    REQUIRE(log);
    for (const Json& event : events) REQUIRE(log->append(event));
  }
  [[nodiscard]] const fs::path& directory() const { return place_.path(); }

 private:
  test::TempDirectory place_{};
};

std::optional<double> figure_value(const BurninLine& line, const std::string& measure) {
  for (const BurninObservation& one : line.observations)
    if (one.measure == measure) return one.value;
  return std::nullopt;
}

/// A load on both nodes, under which those of node1 work three times as long.
Plan stress_plan() {
  Plan plan = small_plan(4);
  plan.faults[0].name = "cpu_contention";
  plan.faults.push_back(plan.faults[0]);
  plan.faults[1].id = 1;
  plan.faults[1].node = 0;
  return plan;
}

std::vector<StepRecord> stress_records(const Plan& plan) {
  std::vector<StepRecord> records = records_of(plan, [](const Block&, int) { return 40'000'000; });
  for (StepRecord& record : records) {
    const bool is_fault = plan.blocks[record.block].kind == BlockKind::fault;
    const std::int64_t own_ns = is_fault && record.node == 1 ? 30'000'000 : 10'000'000;
    record.forward_ns = own_ns;
    record.exposed_comm_ns = record.end_ns - record.start_ns - own_ns;
  }
  return records;
}

/// A flap on node1, each fault block with a recovery block behind it.
Plan flap_plan() {
  Plan plan = small_plan(2);
  plan.design.recovery_ns = 10 * kNsPerS;
  std::vector<Block> blocks;
  for (const Block& block : plan.blocks) {
    blocks.push_back({static_cast<int>(blocks.size()), block.pair, block.kind});
    if (block.kind == BlockKind::fault)
      blocks.push_back({static_cast<int>(blocks.size()), block.pair, BlockKind::recovery});
  }
  plan.blocks = blocks;
  return plan;
}

/// Steps of recovery blocks last as `recovering_ns` has it of the time since the block's begin; after the first of them
/// all others take `later_ns`.
std::vector<StepRecord> flap_records(const Plan& plan, const std::function<std::int64_t(std::int64_t)>& recovering_ns,
                                     std::int64_t later_ns = 100 * kNsPerMs) {
  bool has_flapped = false;
  std::vector<StepRecord> records;
  std::uint32_t step_of_run = 0;
  std::int64_t now_ns = kNsPerS;
  for (const Block& block : plan.blocks) {
    const std::int64_t begin_ns = now_ns, end_ns = begin_ns + 10 * kNsPerS;
    for (std::uint32_t step = 0; now_ns < end_ns; ++step, ++step_of_run) {
      const bool recovers = block.kind == BlockKind::recovery;
      has_flapped = has_flapped || recovers;
      const std::int64_t took_ns = recovers      ? recovering_ns(now_ns - begin_ns)
                                   : has_flapped ? later_ns
                                                 : 100 * kNsPerMs;
      for (std::uint32_t rank = 0; rank < kRanks; ++rank)
        records.push_back({.rank = rank,
                           .node = rank / 2,
                           .block = static_cast<std::uint32_t>(block.index),
                           .step = step_of_run,
                           .step_in_block = step,
                           .start_ns = now_ns,
                           .end_ns = now_ns + took_ns});
      now_ns += took_ns;
    }
  }
  return records;
}

}  // namespace

TEST_CASE("Under load each node's own work is told, not what it waits for others") {
  const Plan plan = stress_plan();
  const LeftRun run(plan, stress_records(plan), events_of(plan));
  const auto lines = figures_of_run(run.directory());
  REQUIRE(lines);
  REQUIRE(lines->size() == 2);
  CHECK((*lines)[0].host == "node0");
  CHECK((*lines)[1].host == "node1");
  CHECK(figure_value((*lines)[0], "stress_own").value() == Approx(0.010).epsilon(0.01));
  CHECK(figure_value((*lines)[1], "stress_own").value() == Approx(0.030).epsilon(0.01));
  for (const BurninLine& line : *lines) {
    CHECK(line.error.empty());
    CHECK(figure_value(line, "wrong_results").value() == 0);
    CHECK_FALSE(figure_value(line, "link_after_flap"));
  }
}

TEST_CASE("Sums that were wrong are counted on the node that found them") {
  const Plan plan = stress_plan();
  auto records = stress_records(plan);
  for (StepRecord& record : records)
    if (record.rank == 2 && record.step_in_block == 5 && record.block < 3) record.corrupted = 2;
  const LeftRun run(plan, records, events_of(plan));
  const auto lines = figures_of_run(run.directory());
  REQUIRE(lines);
  CHECK(figure_value((*lines)[0], "wrong_results").value() == 0);
  CHECK(figure_value((*lines)[1], "wrong_results").value() == 6);
}

TEST_CASE("A fault that was not applied, or not taken off, is the error of its node and of no other") {
  const Plan plan = stress_plan();
  const int block = nth_fault_block(plan, 1);
  for (const char* action : {"applied", "reverted"}) {
    CAPTURE(action);
    auto events = events_of(plan);
    for (Json& event : events)
      if (is_fault_event(event, action) && event.at("fault") == 1 && event.at("block") == block) event["ok"] = false;
    const LeftRun run(plan, stress_records(plan), events);
    const auto lines = figures_of_run(run.directory());
    REQUIRE(lines);
    CHECK_FALSE((*lines)[0].error.empty());
    CHECK((*lines)[0].observations.empty());
    CHECK((*lines)[0].error.find("cpu_contention") != std::string::npos);
    CHECK((*lines)[0].error.starts_with("NOT REVERTED") == (std::string_view(action) == "reverted"));
    CHECK((*lines)[1].error.empty());
    CHECK(figure_value((*lines)[1], "stress_own"));
  }
}

TEST_CASE("After a flap the pace counts from five seconds on, against that before the fault") {
  const Plan plan = flap_plan();
  const auto share_of = [&](const std::function<std::int64_t(std::int64_t)>& recovering_ns) {
    const LeftRun run(plan, flap_records(plan, recovering_ns), events_of(plan));
    const auto lines = figures_of_run(run.directory());
    REQUIRE(lines);
    CHECK_FALSE(figure_value((*lines)[0], "link_after_flap"));  // its link was not taken down
    CHECK_FALSE(figure_value((*lines)[1], "stress_own"));
    return figure_value((*lines)[1], "link_after_flap").value();
  };
  // Slow for four seconds, as TCP is, and then as before: nothing is wrong.
  CHECK(share_of([](std::int64_t since_ns) { return since_ns < 4 * kNsPerS ? kNsPerS : 100 * kNsPerMs; }) ==
        Approx(1.0).epsilon(0.01));
  CHECK(share_of([](std::int64_t) { return 200 * kNsPerMs; }) == Approx(0.5).epsilon(0.01));
}

TEST_CASE("A link that stays slow after its first flap is not held against what it does from then on") {
  for (const bool flaps_first : {false, true}) {
    Plan plan = flap_plan();
    if (flaps_first)  // then the warm-up alone has seen the link as it was
      std::erase_if(plan.blocks,
                    [](const Block& block) { return block.kind == BlockKind::baseline && block.pair == 0; });
    for (std::size_t i = 0; i < plan.blocks.size(); ++i) plan.blocks[i].index = static_cast<int>(i);
    const auto slow = [](std::int64_t) { return 200 * kNsPerMs; };
    const LeftRun run(plan, flap_records(plan, slow, 200 * kNsPerMs), events_of(plan));
    const auto lines = figures_of_run(run.directory());
    REQUIRE(lines);
    CHECK(figure_value((*lines)[1], "link_after_flap").value() == Approx(0.5).epsilon(0.01));
  }
}

TEST_CASE("A run that did not finish, or is none, has no figures") {
  const Plan plan = stress_plan();
  const auto cut = without(events_of(plan), [](const Json& event) { return has_text(event, "state", "finished"); });
  const LeftRun run(plan, stress_records(plan), cut);
  const auto lines = figures_of_run(run.directory());
  REQUIRE_FALSE(lines);
  CHECK(lines.error().kind == ErrorKind::usage);
  CHECK_FALSE(figures_of_run("/nowhere"));
}

TEST_CASE("A run leaves carriers alone unless a fault takes a link down, or may") {
  Plan plan = small_plan(2);
  const auto leaves_alone = [&](const std::string& name) {
    plan.faults[0].name = name;
    return leaves_carriers_alone(plan);
  };
  for (const char* name : {"cpu_contention", "memory_bandwidth", "ethernet_flood", "link_loss", "link_rate"})
    CHECK(leaves_alone(name));
  for (const char* name : {"link_flap", "link_down", "link_mtu", "command"}) CHECK_FALSE(leaves_alone(name));
  plan.faults.push_back(plan.faults[0]);
  plan.faults[1].name = "link_flap";
  CHECK_FALSE(leaves_alone("cpu_contention"));
}

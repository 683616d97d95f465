// gpu_throttle of GPUs that exist in a text file (tests/fakes/nvml), as the agent applies it and `grit revert` takes
// off what a killed agent has left.
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <thread>

#include "harness/agent/fault_windows.hpp"
#include "harness/agent/journal_files.hpp"
#include "harness/os/pci_link.hpp"
#include "harness/record/segment.hpp"
#include "tests/fakes/nvml/fake_gpus.hpp"
#include "tests/text.hpp"
#include "tests/two_nodes.hpp"

using namespace grit;
using grit::test::contains;
using grit::test::ms;
using grit::test::ok;

namespace {

const std::string kGpu =
    "gpus 1\ngpu0.sm_mhz 1980\ngpu0.max_mhz 1980\ngpu0.reasons 0\ngpu0.used_percent 99\n"
    "gpu0.limit_mw 699999\ngpu0.default_limit_mw 700000\ngpu0.lowest_mw 200000\ngpu0.capped_below_mw 600000\n";

Plan plan_with(const char* mechanism) {
  Plan plan;
  plan.topology.nodes = {Node{.index = 0, .name = "node0"}};
  PlannedFault fault;
  fault.name = "gpu_throttle";
  fault.params = ok(complete_params(find_injector("gpu_throttle")->info().params, {{"mechanism", mechanism}}));
  fault.pulses = {Pulse{0, -1}};
  fault.lease_ns = 30 * kNsPerS;
  plan.faults = {fault};
  plan.blocks = {Block{0, 0, BlockKind::fault}};
  return plan;
}

struct GpuJournal {
  test::TempDirectory directory{};
  std::filesystem::path file = directory.path() / "journal.jsonl";
  GpuJournal() { REQUIRE(::chmod(directory.path().c_str(), 0700) == 0); }
};

/// The node's only rank, on the fake's first GPU.
NodeRanks rank_on_gpu() {
  static const Segment segment = ok(Segment::create(1));
  RankSlot& slot = segment.slots()[0];
  slot.gpu.store(pci_number("0000:00:00.0"));
  return {.all = {{.slot = &slot}}, .control = &segment.control()};
}

/// What the agent's loop does, for a while.
void go_on(FaultWindows& windows, std::int64_t lasts_ns) {
  for (const std::int64_t until_ns = monotonic_ns() + lasts_ns; monotonic_ns() < until_ns;) {
    if (const auto next_ns = windows.next_action_ns(); next_ns && *next_ns <= monotonic_ns())
      windows.act(monotonic_ns());
    windows.drain_witnesses();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// One block of it; what was reported, "applied", "reverted", "acting" or "error" -> its event.
std::map<std::string, Json> block_of(const Plan& plan, const GpuJournal& place, BlockKind kind = BlockKind::fault) {
  std::map<std::string, Json> story;
  FaultWindows windows(
      plan, 0, place.file,
      [&](const Json& event) { story[event.value("action", event["type"].get<std::string>())] = event; },
      rank_on_gpu());
  windows.arm({.index = 0, .pair = 0, .kind = kind});
  windows.start(monotonic_ns());
  go_on(windows, ms(250));
  windows.end(RevertReason::block_end);
  CHECK(windows.close());
  return story;
}

}  // namespace

TEST_CASE("gpu_throttle in the agent: applied, acting and reverted, while a sham does not act") {
  test::FakeGpus gpus;
  gpus.write(kGpu);
  const GpuJournal place;
  for (const char* mechanism : {"clocks", "power"}) {
    auto story = block_of(plan_with(mechanism), place);
    INFO(Json(story).dump());
    CHECK_FALSE(story.contains("error"));
    for (const char* what : {"applied", "acting", "reverted"}) CHECK(story[what]["ok"] == true);
    CHECK(story["applied"]["mechanism"] == mechanism);
    CHECK(story["applied"]["reach"] == "machine");
    CHECK(gpus.setting("gpu0.lock_mhz") == 0);
    CHECK(std::filesystem::is_empty(place.directory.path()));
    CHECK(block_of(plan_with(mechanism), place, BlockKind::sham)["acting"]["ok"] == false);
  }
  CHECK(gpus.setting("gpu0.limit_mw") == 699'999);
}

TEST_CASE("gpu_throttle in the agent: one that begins when another ends waits until that is off") {
  test::FakeGpus gpus;
  gpus.write(kGpu + "hang nvmlDeviceSetPowerManagementLimit 0.1\n");
  const GpuJournal place;
  Plan plan = plan_with("power");
  PlannedFault after = plan.faults[0];
  after.id = 1;
  after.params["power"] = 0.5;
  plan.faults[0].pulses = {Pulse{0, ms(400)}};
  after.pulses = {Pulse{ms(400), ms(800)}};
  plan.faults.push_back(after);
  std::vector<Json> events;
  FaultWindows windows(
      plan, 0, place.file, [&](const Json& event) { events.push_back(event); }, rank_on_gpu());
  windows.arm(plan.blocks[0]);
  windows.start(monotonic_ns());
  go_on(windows, ms(1400));
  windows.end(RevertReason::block_end);
  CHECK(windows.close());
  INFO(Json(events).dump());
  CHECK(std::all_of(events.begin(), events.end(), [](const Json& one) { return one.value("ok", false); }));
  CHECK(events.size() == 6);  // of each: applied, reverted, acting
  CHECK(gpus.setting("gpu0.limit_mw") == 699'999);
}

TEST_CASE("gpu_throttle in the agent: a GPU that is lost under it leaves the record, until it answers again") {
  test::FakeGpus gpus;
  gpus.write(kGpu);
  const GpuJournal place;
  std::string story;
  {
    const Plan plan = plan_with("power");
    FaultWindows windows(plan, 0, place.file, [&](const Json& event) { story += event.dump() + "\n"; });
    windows.arm(plan.blocks[0]);
    windows.start(monotonic_ns());
    go_on(windows, ms(100));
    gpus.write(kGpu + "gpu0.return 15\n");
    windows.end(RevertReason::block_end);
    go_on(windows, ms(2000));
    CHECK_FALSE(windows.close());
  }
  INFO(story);
  CHECK(contains(story, "the GPU is lost"));
  const RevertReport lost = ok(revert_journal(place.file, ::geteuid()));
  CHECK(lost.reverted == 0);
  REQUIRE(lost.problems.size() == 1);
  CHECK(contains(lost.problems[0], "the GPU is lost"));
  CHECK(gpus.setting("gpu0.limit_mw") == 490'000);
  gpus.write(kGpu);
  CHECK(ok(revert_journal(place.file, ::geteuid())).reverted == 1);
  CHECK(gpus.setting("gpu0.limit_mw") == 699'999);
  CHECK_FALSE(std::filesystem::exists(place.file));
}

TEST_CASE(
    "gpu_throttle in the agent: killed, and what it left is reverted from its journal, from other namespaces too") {
  test::FakeGpus gpus;
  for (const char* mechanism : {"clocks", "power"}) {
    gpus.write(kGpu);
    const GpuJournal place;
    const Plan plan = plan_with(mechanism);
    const pid_t agent = ::fork();
    REQUIRE(agent >= 0);
    if (agent == 0) {
      FaultWindows windows(plan, 0, place.file, [](const Json&) {});
      windows.arm(plan.blocks[0]);
      windows.start(monotonic_ns());
      for (;;) go_on(windows, kNsPerS);
    }
    const auto is_on = [&] { return gpus.setting("gpu0.limit_mw") == 490'000 || gpus.setting("gpu0.lock_mhz") == 990; };
    for (const std::int64_t until_ns = monotonic_ns() + 20 * kNsPerS; !is_on() && monotonic_ns() < until_ns;)
      ::usleep(1000);
    ::kill(agent, SIGKILL);
    REQUIRE(::waitpid(agent, nullptr, 0) == agent);
    REQUIRE(is_on());
    test::in_namespaces([&] {
      CHECK(ok(revert_journal(place.file, ::geteuid())).reverted == 1);
      CHECK_FALSE(is_on());
    });
    CHECK_FALSE(is_on());
  }
  CHECK(gpus.setting("gpu0.limit_mw") == 699'999);
}

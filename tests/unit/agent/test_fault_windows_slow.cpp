// Faults whose effect needs time to show, or that take long to start or stop: they hold up no other fault.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "harness/agent/fault_windows.hpp"
#include "tests/two_nodes.hpp"
#include "tests/unit/record/support.hpp"

using namespace grit;
using grit::test::ok;

namespace {

using grit::test::ms;

PlannedFault planned(const std::string& name, Json params, std::vector<Pulse> pulses) {
  PlannedFault fault;
  fault.name = name;
  fault.device = find_injector(name)->info().takes_nic ? "eth0" : "";
  fault.params = ok(complete_params(find_injector(name)->info().params, std::move(params)));
  fault.pulses = std::move(pulses);
  fault.lease_ns = 30 * kNsPerS;
  return fault;
}

/// Two blocks of a node with one NIC, in real time, and what was reported.
class Run {
 public:
  explicit Run(std::vector<PlannedFault> faults) {
    REQUIRE(::chmod(directory_.path().c_str(), 0700) == 0);
    plan_.topology.nodes = {Node{.index = 0, .name = "node0", .nics = {Nic{.name = "eth0", .role = NicRole::data}}}};
    for (PlannedFault& fault : faults) fault.id = static_cast<int>(&fault - faults.data());
    plan_.faults = std::move(faults);
    plan_.blocks = {Block{0, 0, BlockKind::fault}, Block{1, 1, BlockKind::fault}};
  }

  void block(std::size_t index, std::int64_t lasts_ns) {
    windows_.arm(plan_.blocks[index]);
    windows_.start(monotonic_ns());
    goes_on(lasts_ns);
    windows_.end(RevertReason::block_end);
  }
  /// What the agent's loop does, for a while.
  void goes_on(std::int64_t lasts_ns) {
    const std::int64_t start_ns = monotonic_ns();
    while (monotonic_ns() < start_ns + lasts_ns) {
      const auto next_ns = windows_.next_action_ns();
      if (next_ns && *next_ns <= monotonic_ns()) {
        const std::int64_t before_ns = monotonic_ns();
        windows_.act(before_ns);
        longest_act_ns_ = std::max(longest_act_ns_, monotonic_ns() - before_ns);
      }
      windows_.drain_witnesses();
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
  }
  /// So long after the first block's start; for how long the caller waited.
  std::int64_t takes_off_after(std::int64_t lasts_ns) {
    windows_.arm(plan_.blocks[0]);
    windows_.start(monotonic_ns());
    goes_on(lasts_ns);
    const std::int64_t before_ns = monotonic_ns();
    windows_.take_off(RevertReason::rank_died);
    return monotonic_ns() - before_ns;
  }
  bool close() { return windows_.close(); }
  void keep_trying(std::int64_t patience_ns) { windows_.keep_trying(patience_ns); }

  /// The nth event of a fault with this action.
  [[nodiscard]] Json event(int fault, const std::string& action, int nth = 0) const {
    for (const Json& one : events_)
      if (one["type"] == "fault" && one["fault"] == fault && one["action"] == action && nth-- == 0) return one;
    return nullptr;
  }
  [[nodiscard]] std::string file(const char* name) const { return (directory_.path() / name).string(); }
  [[nodiscard]] std::int64_t longest_act_ns() const { return longest_act_ns_; }

 private:
  test::TempDirectory directory_{};
  Plan plan_{};
  std::vector<Json> events_{};
  std::int64_t longest_act_ns_ = 0;
  FaultWindows windows_{plan_, 0, directory_.path() / "a.jsonl", [this](Json event) { events_.push_back(event); }};
};

Json touching(const std::string& file, const std::string& apply, const std::string& revert = "rm -f ") {
  return {{"apply", apply + file + " >/dev/null 2>&1 &"},
          {"evidence", "test -e " + file},
          {"counter", "ls " + file + " 2>/dev/null | wc -l"},
          {"revert", revert + file}};
}

}  // namespace

TEST_CASE("fault windows: a fault whose effect needs time to show begins when its reading holds") {
  const test::TempDirectory files;
  const std::string file = (files.path() / "late").string();
  Run run({planned("command", touching(file, "sleep 0.3; touch "), {{0, ms(1200)}})});
  run.block(0, ms(1500));
  const Json applied = run.event(0, "applied");
  INFO(applied.dump());
  REQUIRE(applied["ok"] == true);
  CHECK(applied["planned_ns"] == 0);
  CHECK(applied["onset_ns"].get<std::int64_t>() >= ms(300));
  REQUIRE(run.event(0, "reverted")["ok"] == true);
  REQUIRE_FALSE(std::filesystem::exists(file));
  REQUIRE(run.close());
}

TEST_CASE("fault windows: one whose effect never shows is reported so when its patience ends, and comes off") {
  const test::TempDirectory files;
  Json never = touching((files.path() / "never").string(), "true ");
  never["timeout"] = ms(200);
  Run run({planned("command", never, {{0, ms(600)}})});
  run.block(0, ms(800));
  const Json applied = run.event(0, "applied");
  INFO(applied.dump());
  REQUIRE(applied["ok"] == false);
  CHECK(applied["onset_ns"].get<std::int64_t>() >= ms(200));
  REQUIRE(run.event(0, "reverted")["ok"] == true);
  REQUIRE(run.close());
}

TEST_CASE("fault windows: one that goes off before its reading could hold is not said to have had no effect") {
  const test::TempDirectory files;
  Run run(
      {planned("command", touching((files.path() / "late").string(), "true "), {{0, ms(300)}})});  // it may take 5 s
  run.block(0, ms(400));
  const Json applied = run.event(0, "applied");
  INFO(applied.dump());
  CHECK_FALSE(applied.contains("ok"));
  CHECK_THAT(applied["message"].get<std::string>(), Catch::Contains("before its reading held"));
  CHECK(run.event(0, "reverted")["why"] == "pulse_end");
  CHECK(run.event(0, "reverted")["ok"] == true);
  REQUIRE(run.close());
}

TEST_CASE("fault windows: one whose start was cut off half-way may have been in force, and comes off for that reason") {
  const test::TempDirectory files;
  const std::string file = (files.path() / "half").string();
  Json half = touching(file, "true ");
  half["apply"] = "touch " + file + "; sleep 5";
  half["timeout"] = ms(300);
  Run run({planned("command", half, {{0, ms(2000)}})});
  run.block(0, ms(1500));
  const Json error = run.event(0, "error");
  INFO(error.dump());
  CHECK(error["may_be_in_force"] == true);
  CHECK(run.event(0, "reverted")["why"] == "apply_failed");
  CHECK(run.event(0, "reverted")["ok"] == true);
  REQUIRE_FALSE(std::filesystem::exists(file));
  REQUIRE(run.close());
}

TEST_CASE("fault windows: one whose counters could not be read was never started") {
  const test::TempDirectory files;
  const std::string file = (files.path() / "never").string();
  Json blind = touching(file, "touch ");
  blind["counter"] = "echo none";
  Run run({planned("command", blind, {{0, ms(200)}})});
  run.block(0, ms(400));
  const Json error = run.event(0, "error");
  INFO(error.dump());
  CHECK_THAT(error["message"].get<std::string>(), Catch::StartsWith("not applied: "));
  CHECK_FALSE(error.contains("may_be_in_force"));
  REQUIRE(run.close());
}

TEST_CASE("fault windows: commands that take long hold up no other fault's start or end") {
  test::in_namespaces([] {
    test::without_dad();
    const test::TwoNodes nodes;
    const test::TempDirectory files;
    const std::string file = (files.path() / "slow").string();
    Json slow{{"apply", "sleep 0.5; touch " + file},
              {"evidence", "test -e " + file},
              {"counter", "ls " + file + " 2>/dev/null | wc -l"},
              {"revert", "sleep 0.5; rm -f " + file}};
    Run run({planned("command", slow, {{0, ms(700)}}),
             planned("link_mtu", {{"mtu", 1300}}, {{ms(100), ms(300)}, {ms(800), ms(1000)}})});
    run.block(0, ms(1400));
    REQUIRE(run.event(0, "applied")["ok"] == true);
    REQUIRE(run.event(0, "reverted")["ok"] == true);
    // Both pulses of the other fault began while a command slept.
    CHECK(run.event(1, "applied", 0)["t_ns"] < run.event(0, "applied")["t_ns"]);
    CHECK(run.event(1, "applied", 1)["t_ns"] < run.event(0, "reverted")["t_ns"]);
    REQUIRE(run.event(1, "reverted", 1)["ok"] == true);
    CHECK(run.longest_act_ns() < ms(400));  // on a busy machine; the commands sleep for 500 ms
    REQUIRE(run.close());
  });
}

TEST_CASE("fault windows: a command whose start failed is reverted without holding up other faults") {
  test::in_namespaces([] {
    test::without_dad();
    const test::TwoNodes nodes;
    Run run({planned("command",
                     {{"apply", "exit 1"}, {"evidence", "false"}, {"counter", "echo 1"}, {"revert", "sleep 0.6"}},
                     {{0, ms(1000)}}),
             planned("link_mtu", {{"mtu", 1300}}, {{ms(100), ms(200)}})});
    run.block(0, ms(1000));
    REQUIRE(run.event(0, "error")["message"].get<std::string>().starts_with("apply: "));
    REQUIRE(run.event(0, "reverted")["ok"] == true);
    CHECK(run.event(1, "reverted")["t_ns"] < run.event(0, "reverted")["t_ns"]);
    CHECK(run.longest_act_ns() < ms(500));  // on a busy machine; the command sleeps for 600 ms
    REQUIRE(run.close());
  });
}

TEST_CASE("fault windows: what is to come off while a command runs comes off without waiting for it") {
  test::in_namespaces([] {
    test::without_dad();
    const test::TwoNodes nodes;
    const test::TempDirectory files;
    const std::string file = (files.path() / "slow").string();
    Json slow = touching(file, "true ");
    slow["apply"] = "sleep 0.8; touch " + file;
    Run run({planned("command", slow, {{0, ms(5000)}}),
             planned("link_mtu", {{"mtu", 1300}}, {{ms(50), ms(5000)}, {ms(5100), ms(5200)}})});
    const std::int64_t waited_ns = run.takes_off_after(ms(300));
    CHECK(waited_ns < ms(400));
    REQUIRE(run.event(1, "reverted")["why"] == "rank_died");
    REQUIRE(run.event(0, "reverted").is_null());
    run.goes_on(ms(900));  // nobody ends the block: the loop does it
    REQUIRE(run.event(0, "reverted")["ok"] == true);
    REQUIRE(run.event(0, "reverted")["why"] == "rank_died");
    REQUIRE_FALSE(std::filesystem::exists(file));
    REQUIRE(run.event(1, "applied", 1).is_null());
    REQUIRE(run.close());
  });
}

TEST_CASE("fault windows: what a revert sets off may take as long as what an apply does") {
  const test::TempDirectory files;
  const std::string file = (files.path() / "lingers").string();
  Json lingers = touching(file, "true ");
  lingers["apply"] = "touch " + file;
  lingers["revert"] = "(sleep 0.9; rm -f " + file + ") >/dev/null 2>&1 &";
  Run run({planned("command", lingers, {{0, ms(100)}})});
  run.block(0, ms(300));
  const Json reverted = run.event(0, "reverted");
  INFO(reverted.dump());
  REQUIRE(reverted["ok"] == true);
  REQUIRE_FALSE(std::filesystem::exists(file));
  REQUIRE(run.event(0, "reverted", 1).is_null());
  REQUIRE(run.close());
}

TEST_CASE("fault windows: what did not come off is tried again, after its block and before the agent ends") {
  const bool between_blocks = GENERATE(true, false);
  const test::TempDirectory files;
  const std::string file = (files.path() / "stuck").string(), key = (files.path() / "key").string();
  Json stuck = touching(file, "true ");
  stuck["apply"] = "touch " + file;
  stuck["revert"] = "test -e " + key + " && rm -f " + file;
  Run run({planned("command", stuck, {{0, ms(100)}})});
  run.block(0, ms(200));
  REQUIRE(run.event(0, "reverted")["ok"] == false);
  run.block(1, ms(200));
  REQUIRE_THAT(run.event(0, "error")["message"].get<std::string>(), Catch::Contains("could not be reverted"));
  REQUIRE(run.event(0, "reverted", 1).is_null());  // said once
  std::ofstream(key).close();
  if (between_blocks)
    run.goes_on(ms(3000));
  else
    run.keep_trying(ms(5000));
  const Json mended = run.event(0, "reverted", 1);
  INFO(mended.dump());
  REQUIRE(mended["ok"] == true);
  REQUIRE(mended["block"] == 0);
  REQUIRE_FALSE(std::filesystem::exists(file));
  run.block(1, ms(200));  // all is well again
  REQUIRE(run.event(0, "applied", 1)["ok"] == true);
  REQUIRE(run.close());
}

TEST_CASE("fault windows: after a revert that failed nothing more is injected into the node") {
  test::in_namespaces([] {
    test::without_dad();
    const test::TwoNodes nodes;
    const test::TempDirectory files;
    Run run({planned("command", touching((files.path() / "stays").string(), "touch ", "exit 1; "), {{0, ms(300)}}),
             planned("link_mtu", {{"mtu", 1300}}, {{ms(100), ms(200)}})});
    run.block(0, ms(400));
    REQUIRE(run.event(1, "applied")["ok"] == true);
    REQUIRE(run.event(0, "reverted")["ok"] == false);
    run.block(1, ms(400));
    REQUIRE(run.event(1, "applied", 1).is_null());
    REQUIRE(run.event(0, "applied", 1).is_null());
    REQUIRE_THAT(run.event(1, "error")["message"].get<std::string>(), Catch::Contains("could not be reverted"));
    REQUIRE_FALSE(run.close());
  });
}

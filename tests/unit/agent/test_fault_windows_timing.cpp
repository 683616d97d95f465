// Which fault comes and goes when, on a real link: anchors, nesting, blocks, the floor of free memory, guard rails.
#include <sys/stat.h>

#include <chrono>
#include <thread>

#include "harness/agent/fault_windows.hpp"
#include "tests/two_nodes.hpp"
#include "tests/unit/record/support.hpp"

using namespace grit;
using grit::test::ok;

namespace {

using Strings = std::vector<std::string>;

PlannedFault planned_at(const std::string& name, Json params, std::vector<Pulse> pulses, Anchor anchor = {}) {
  PlannedFault fault;
  fault.name = name;
  fault.device = find_injector(name)->info().takes_nic ? "eth0" : "";
  fault.undo = find_injector(name)->info().undo;
  fault.params = ok(complete_params(find_injector(name)->info().params, std::move(params)));
  fault.pulses = std::move(pulses);
  fault.anchor = anchor;
  fault.lease_ns = 10 * kNsPerS;
  return fault;
}

Plan plan_of(std::vector<PlannedFault> faults) {
  Plan plan;
  plan.topology.nodes = {Node{.index = 0, .name = "node0", .nics = {Nic{.name = "eth0", .role = NicRole::data}}}};
  plan.faults = std::move(faults);
  for (std::size_t i = 0; i < plan.faults.size(); ++i) plan.faults[i].id = static_cast<int>(i);
  plan.blocks = {Block{0, 0, BlockKind::fault}, Block{1, 1, BlockKind::fault}};
  return plan;
}

PlannedFault mtu(std::vector<Pulse> pulses, Anchor anchor = {}) {
  return planned_at("link_mtu", {{"mtu", 1300}}, std::move(pulses), anchor);
}
PlannedFault down(std::vector<Pulse> pulses, Anchor anchor = {}) {
  return planned_at("link_down", Json::object(), std::move(pulses), anchor);
}

/// A node with one NIC and the faults of a plan; moments are counted from the block's start and come when they are
/// called, not when the clock says so.
class Bench {
 public:
  explicit Bench(Plan plan)
      : plan_(std::move(plan)), windows_(plan_, 0, directory_.path() / "a.jsonl", [this](Json event) { take(event); }) {
    REQUIRE(::chmod(directory_.path().c_str(), 0700) == 0);
  }

  void begin(int block = 0) {
    windows_.arm(plan_.blocks[static_cast<std::size_t>(block)]);
    start_ns_ = monotonic_ns();
    windows_.start(start_ns_);
  }
  void at(std::int64_t ms) { windows_.act(start_ns_ + ms * kNsPerMs); }
  FaultWindows& windows() { return windows_; }
  /// What happened since it was last asked: "link_mtu applied", "link_down reverted nested".
  Strings happened() { return std::exchange(happened_, {}); }
  [[nodiscard]] bool up() { return link().up(); }
  [[nodiscard]] std::int64_t mtu_bytes() { return link().mtu_bytes; }
  /// Ends the block and the run: everything is as it was, and no journal is left.
  void finish(const Strings& before) {
    windows_.end(RevertReason::block_end);
    REQUIRE(windows_.close());
    REQUIRE_FALSE(std::filesystem::exists(directory_.path() / "a.jsonl"));
    test::wait_for_dad(nodes_.node);
    REQUIRE(test::changes_since(before) == "");
  }
  test::TwoNodes& nodes() { return nodes_; }

 private:
  Link link() { return ok(nodes_.node.link("eth0")); }
  void take(const Json& event) {
    if (event["type"] != "fault") return;
    const std::string action = event["action"];
    const std::string& name = plan_.faults[event["fault"].get<std::size_t>()].name;
    happened_.push_back(name + " " + action + (action == "reverted" ? " " + event["why"].get<std::string>() : ""));
    INFO(event.dump());
    CHECK(event.value("ok", false));
  }

  test::TwoNodes nodes_{};
  test::TempDirectory directory_{};
  Plan plan_;
  Strings happened_{};
  FaultWindows windows_;
  std::int64_t start_ns_ = 0;
};

template <class Work>
void on_a_bench(Plan plan, Work work) {
  test::in_namespaces([&] {
    Bench bench(std::move(plan));
    const auto before = test::dump_network();
    work(bench);
    bench.finish(before);
  });
}

using grit::test::ms;

/// Takes one of the effective capabilities of this process (up to number 31) away, and gives it back.
class WithoutCapability {
 public:
  explicit WithoutCapability(int capability) {
    REQUIRE(::syscall(SYS_capget, &header_, had_) == 0);
    __user_cap_data_struct less[_LINUX_CAPABILITY_U32S_3] = {had_[0], had_[1]};
    less[0].effective &= ~(1U << capability);
    REQUIRE(::syscall(SYS_capset, &header_, less) == 0);
  }
  WithoutCapability(const WithoutCapability&) = delete;
  WithoutCapability& operator=(const WithoutCapability&) = delete;
  ~WithoutCapability() { ::syscall(SYS_capset, &header_, had_); }

 private:
  __user_cap_header_struct header_{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct had_[_LINUX_CAPABILITY_U32S_3]{};
};

}  // namespace

TEST_CASE("fault windows: a fault counts from a step, and stays off when that step never begins") {
  on_a_bench(plan_of({down({{ms(10), ms(5'000)}}, {.kind = Anchor::Kind::step, .step = 3})}), [](Bench& bench) {
    bench.begin();
    REQUIRE(bench.windows().waits_for_step());
    bench.windows().step_begun(2, monotonic_ns());
    bench.at(1'000);
    REQUIRE(bench.up());
    REQUIRE_FALSE(bench.windows().next_action_ns());
    bench.windows().step_begun(4, monotonic_ns());  // 3 was so short that nobody saw it
    REQUIRE_FALSE(bench.windows().waits_for_step());
    bench.at(2'000);
    REQUIRE_FALSE(bench.up());
    bench.windows().end(RevertReason::block_end);
    REQUIRE(bench.happened() == Strings{"link_down applied", "link_down reverted block_end"});
    bench.begin(1);  // the next block counts anew
    bench.at(2'000);
    REQUIRE(bench.happened().empty());
  });
}

TEST_CASE("fault windows: a fault follows the end of another, and another its beginning") {
  const auto writer = planned_at("memory_bandwidth", {{"buffer", 1 << 20}, {"threads", 1}}, {{ms(5), ms(3'000)}},
                                 {.kind = Anchor::Kind::applied, .fault = 0});
  const auto after = down({{0, ms(5'000)}}, {.kind = Anchor::Kind::reverted, .fault = 0});
  on_a_bench(plan_of({mtu({{0, ms(20)}, {ms(40), ms(50)}}), writer, after}), [](Bench& bench) {
    bench.begin();
    bench.at(5);
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    bench.at(10'000);  // all that is due by then, in its order
    const auto seen = bench.happened();
    const auto place = [&](const char* what) { return std::find(seen.begin(), seen.end(), what) - seen.begin(); };
    REQUIRE(place("link_mtu applied") == 0);
    REQUIRE(place("memory_bandwidth applied") < place("memory_bandwidth reverted pulse_end"));
    REQUIRE(std::count(seen.begin(), seen.end(), "link_mtu applied") == 2);
    REQUIRE(std::find(seen.rbegin(), seen.rend(), "link_mtu reverted pulse_end") <
            std::find(seen.rbegin(), seen.rend(), "link_mtu applied"));
    REQUIRE(place("link_down applied") > place("link_mtu reverted pulse_end"));
  });
}

TEST_CASE("fault windows: of two on one device the later is undone first, to what was there when it began") {
  on_a_bench(plan_of({mtu({{0, ms(100)}}), down({{ms(20), ms(60)}})}), [](Bench& bench) {
    bench.begin();
    bench.at(0);
    REQUIRE(bench.mtu_bytes() == 1300);
    bench.at(20);
    REQUIRE_FALSE(bench.up());
    bench.at(60);
    REQUIRE(bench.up());
    REQUIRE(bench.mtu_bytes() == 1300);  // the fault below is still there
    bench.at(100);
    REQUIRE(bench.mtu_bytes() == 1500);
    REQUIRE(bench.happened() == Strings{"link_mtu applied", "link_down applied", "link_down reverted pulse_end",
                                        "link_mtu reverted pulse_end"});
  });
}

TEST_CASE("fault windows: what stands on a fault that goes off goes off before it") {
  const auto above = down({{0, ms(60'000)}}, {.kind = Anchor::Kind::step, .step = 1});
  on_a_bench(plan_of({mtu({{0, ms(100)}}), above}), [](Bench& bench) {
    bench.begin();
    bench.at(0);
    bench.windows().step_begun(1, monotonic_ns());
    bench.at(50);
    REQUIRE_FALSE(bench.up());
    bench.at(100);
    REQUIRE(bench.up());
    REQUIRE(bench.mtu_bytes() == 1500);
    REQUIRE(bench.happened() == Strings{"link_mtu applied", "link_down applied", "link_down reverted nested",
                                        "link_mtu reverted pulse_end"});
  });
}

TEST_CASE("fault windows: a stop that fails is tried again some time later, and holds up nothing meanwhile") {
  on_a_bench(plan_of({down({{0, ms(1'000)}})}), [](Bench& bench) {
    bench.begin();
    bench.at(0);
    const std::int64_t before_ns = monotonic_ns();
    {
      const WithoutCapability none(CAP_NET_ADMIN);
      bench.at(1'000);
    }
    REQUIRE(monotonic_ns() - before_ns < ms(150));
    REQUIRE(bench.happened() == Strings{"link_down applied"});
    REQUIRE_FALSE(bench.up());
    REQUIRE(bench.windows().next_action_ns().value_or(0) >= before_ns + ms(200));
    bench.at(10'000);
    REQUIRE(bench.happened() == Strings{"link_down reverted pulse_end"});
    REQUIRE(bench.up());
    REQUIRE_FALSE(bench.windows().next_action_ns());
  });
  on_a_bench(plan_of({down({{0, ms(1'000)}})}), [](Bench& bench) {  // the block ends before that
    bench.begin();
    bench.at(0);
    {
      const WithoutCapability none(CAP_NET_ADMIN);
      bench.at(1'000);
    }
    bench.windows().end(RevertReason::block_end);
    REQUIRE(bench.happened() == Strings{"link_down applied", "link_down reverted pulse_end"});
  });
}

TEST_CASE("fault windows: of two that begin together the longer begins first") {
  on_a_bench(plan_of({down({{0, ms(20)}}), mtu({{0, ms(100)}})}), [](Bench& bench) {
    bench.begin();
    bench.at(0);
    bench.windows().end(RevertReason::block_end);
    REQUIRE(bench.happened() == Strings{"link_mtu applied", "link_down applied", "link_down reverted block_end",
                                        "link_mtu reverted block_end"});
  });
}

TEST_CASE("fault windows: a pulse of one block comes in that block only") {
  on_a_bench(plan_of({mtu({{0, ms(10), 1}, {ms(20), ms(30), 0}})}), [](Bench& bench) {
    bench.begin(0);
    bench.at(15);
    REQUIRE(bench.happened().empty());
    bench.at(25);
    REQUIRE(bench.mtu_bytes() == 1300);
    bench.at(40);
    REQUIRE(bench.happened().size() == 2);
    bench.windows().end(RevertReason::block_end);
    bench.begin(1);
    bench.at(5);
    REQUIRE(bench.mtu_bytes() == 1300);
    bench.at(40);
    REQUIRE(bench.happened().size() == 2);
  });
}

TEST_CASE("fault windows: below the floor of free memory, what holds memory is off for the rest of the block") {
  Plan plan = plan_of(
      {planned_at("memory_bandwidth", {{"buffer", 1 << 20}, {"threads", 1}}, {{0, ms(100)}, {ms(200), ms(300)}}),
       mtu({{0, -1}})});
  plan.allowed.free_memory_bytes = std::int64_t{1} << 60;  // more than there is
  on_a_bench(plan, [](Bench& bench) {
    bench.begin();
    bench.windows().keep_memory_free();  // nothing is in force yet
    bench.at(0);
    bench.windows().keep_memory_free();
    bench.at(250);
    REQUIRE(bench.happened() ==
            Strings{"link_mtu applied", "memory_bandwidth applied", "memory_bandwidth reverted low_memory"});
    REQUIRE(bench.mtu_bytes() == 1300);
  });
}

TEST_CASE("fault windows: the agent looks at the guard rails itself") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    Plan plan = plan_of({down({{0, ms(10)}})});
    plan.topology.nodes[0].nics[0].role = NicRole::management;
    const auto check = [&] {
      return FaultWindows(plan, 0, "/nonexistent/a.jsonl", [](const Json&) {}).check_available();
    };
    const auto refused = check();
    REQUIRE_FALSE(refused);
    REQUIRE(refused.error().message.find("--allow-management") != std::string::npos);
    plan.allowed.management = true;
    ok(check());
  });
}

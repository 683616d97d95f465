// No undo on disk, no fault: the order that is promised, on a real link.
#include <sys/stat.h>

#include "harness/agent/fault_windows.hpp"
#include "tests/two_nodes.hpp"
#include "tests/unit/agent/plan_with_flap.hpp"
#include "tests/unit/record/support.hpp"

using namespace grit;
using grit::test::ok;
using grit::test::plan_with_flap;

namespace {

/// One fault block, its fault due at once; whether the link was still up then, and what was reported.
struct BlockOutcome {
  bool up_in_block = false;
  bool closed = false;
  std::vector<std::string> actions{};
};

BlockOutcome run_block(test::TwoNodes& nodes, const std::filesystem::path& journal) {
  BlockOutcome outcome;
  const Plan plan = plan_with_flap();
  FaultWindows windows(plan, 0, journal, [&](Json event) {
    if (event["type"] == "fault") outcome.actions.push_back(event["action"].get<std::string>());
  });
  ok(windows.check_available());
  windows.arm(plan.blocks[0]);
  windows.start(monotonic_ns());
  windows.act(monotonic_ns());
  outcome.up_in_block = ok(nodes.node.link("eth0")).up();
  windows.end(RevertReason::block_end);
  outcome.closed = windows.close();
  return outcome;
}

}  // namespace

TEST_CASE("fault windows: a fault is applied with its undo on disk, and the journal goes when it is off") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const auto before = test::dump_network();
    const test::TempDirectory directory;
    REQUIRE(::chmod(directory.path().c_str(), 0700) == 0);
    const BlockOutcome outcome = run_block(nodes, directory.path() / "a.jsonl");
    REQUIRE_FALSE(outcome.up_in_block);
    REQUIRE(outcome.actions == std::vector<std::string>{"applied", "reverted"});
    REQUIRE(outcome.closed);
    REQUIRE_FALSE(std::filesystem::exists(directory.path() / "a.jsonl"));
    test::wait_for_dad(nodes.node);
    REQUIRE(test::changes_since(before) == "");
  });
}

TEST_CASE("fault windows: with the journal on a full or read-only disk nothing is applied") {
  test::in_namespaces([] {
    test::TwoNodes nodes;
    const auto before = test::dump_network();
    const auto refused_on = [&](unsigned long flags, const char* options) {
      const test::TempDirectory directory;
      const test::Tmpfs disk(directory.path(), flags, options);
      const BlockOutcome outcome = run_block(nodes, directory.path() / "a.jsonl");
      REQUIRE(outcome.up_in_block);
      REQUIRE(outcome.actions == std::vector<std::string>{"error"});
      REQUIRE(test::changes_since(before) == "");
    };
    refused_on(0, "size=4k,mode=0700");
    refused_on(MS_RDONLY, "mode=0700");
  });
}

// What every fault promises (DESIGN §6, §7), tried with each of them in turn: GRIT_FAULT names it (ctest runs one test
// a fault). As root, and, with GRIT_ROOTLESS=1, as an ordinary user; GRIT_MECHANISM picks one of its mechanisms.
//
//   GRIT_FAULT=link_flap build/release/tests/conformance_tests
#include <sys/prctl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <random>

#include "harness/agent/fault_windows.hpp"
#include "harness/agent/journal_files.hpp"
#include "tests/conformance/node.hpp"
#include "tests/conformance/rows.hpp"
#include "tests/conformance/syscall_failures.hpp"
#include "tests/unit/record/support.hpp"

using namespace grit;
using grit::test::ok;

namespace {

constexpr uid_t kNobody = 65534;
constexpr std::int64_t kGone_ns = 2 * kNsPerS;  // by when everything must be off after a kill

std::string fault_name() {
  const char* name = std::getenv("GRIT_FAULT");
  return name == nullptr ? "link_flap" : name;
}

int count_from(const char* variable, int otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : std::atoi(text);
}

/// GRIT_MECHANISM: one of the fault's mechanisms instead of the best that works here.
test::Row chosen_row() {
  test::Row row = test::row_of(fault_name());
  if (const char* mechanism = std::getenv("GRIT_MECHANISM")) row.params["mechanism"] = mechanism;
  return row;
}

Plan plan_for(const Injector& injector, const test::Row& row) {
  PlannedFault fault;
  fault.name = row.name;
  fault.device = injector.info().takes_nic ? "eth0" : "";
  fault.undo = injector.info().undo;
  fault.params = ok(complete_params(injector.info().params, row.params));
  fault.resolved = row.resolved;
  fault.pulses = {Pulse{0, -1}};
  fault.lease_ns = 30 * kNsPerS;
  Plan plan;
  plan.scenario_name = "conformance";
  plan.faults = {fault};
  plan.blocks = {Block{0, 0, BlockKind::fault}};
  return plan;
}

/// What one window of the fault reported.
struct Seen {
  int applied = 0, reverted = 0, errors = 0;
  bool acting = false;
  bool mended = false;
  std::string story;
};

Seen run_window(const Plan& plan, const std::filesystem::path& journal, int rank_pid, std::int64_t dwell_ns) {
  Seen seen;
  FaultWindows windows(plan, 0, journal,
                       [&](const Json& event) {
                         seen.story += event.dump() + "\n";
                         const bool fine = event.value("ok", false);
                         if (event["type"] == "acting") seen.acting = fine;
                         if (event["type"] != "fault") return;
                         if (event["action"] == "applied") seen.applied += fine ? 1 : 0;
                         if (event["action"] == "reverted") seen.reverted += fine ? 1 : 0;
                         if (event["action"] == "error") ++seen.errors;
                       },
                       {rank_pid});
  windows.arm(plan.blocks[0]);
  windows.start(monotonic_ns());
  windows.act(monotonic_ns());
  std::this_thread::sleep_for(std::chrono::nanoseconds(dwell_ns));
  windows.end(RevertReason::block_end);
  seen.mended = windows.close();
  return seen;
}

/// What the next grit on this node does first.
std::string take_off_what_is_left(const std::filesystem::path& directory) {
  std::string problems;
  for (const auto& file : std::filesystem::directory_iterator(directory)) {
    const auto report = revert_journal(file.path(), ::geteuid());
    if (!report) problems += report.error().message + "\n";
    for (const std::string& problem : report ? report->problems : std::vector<std::string>{})
      problems += problem + "\n";
  }
  return problems;
}

/// Waits until no other process than the rank is a child of ours (orphans become ours: PR_SET_CHILD_SUBREAPER).
void reap_all_but(pid_t rank, std::int64_t deadline_ns) {
  for (;;) {
    siginfo_t ended{};
    while (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid > 0) {
      if (ended.si_pid == rank) return;  // a fault has killed it; it is last to be looked at
      ::waitpid(ended.si_pid, nullptr, 0);
      ended = siginfo_t{};
    }
    const auto text = read_file(fmt::format("/proc/{}/task/{}/children", ::getpid(), ::getpid()));
    if (!text || text->empty() || *text == fmt::format("{} ", rank)) return;
    INFO("still running: " << *text << "; the rank is " << rank);
    REQUIRE(monotonic_ns() < deadline_ns);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// Runs `body` in a node made for it, with the fault available; as an ordinary user when asked to.
void in_node(const std::function<void(const Injector&, const Plan&, test::Node&, const std::filesystem::path&)>& body) {
  const Injector* injector = find_injector(fault_name());
  REQUIRE(injector != nullptr);
  const Plan plan = plan_for(*injector, chosen_row());
  const bool rootless = std::getenv("GRIT_ROOTLESS") != nullptr;
  const pid_t child = ::fork();
  if (child == 0) {
    if (rootless && ::geteuid() == 0 && (::setgid(kNobody) != 0 || ::setuid(kNobody) != 0)) ::_exit(2);
    ::prctl(PR_SET_DUMPABLE, 1);  // lost with the change of user; /proc/self would belong to root
    try {
      test::in_namespaces([&] {
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        const test::TempDirectory journals;
        REQUIRE(::chmod(journals.path().c_str(), 0700) == 0);
        test::without_dad();
        test::Node node;
        const std::string switch_path = fmt::format("/proc/{}/fd/{}", ::getpid(), node.network.switch_netns.get());
        REQUIRE(::setenv("GRIT_LOCAL_CLUSTER", "1", 0) == 0);  // what is the machine's stays as it is; a guest says 0
        REQUIRE(::setenv("GRIT_SWITCH_NETNS", switch_path.c_str(), 1) == 0);
        const PlannedFault& fault = plan.faults[0];
        const Target target{fault.device, Params(fault.params), fault.resolved, {node.rank.pid()}};
        if (const auto why = injector->why_unavailable(target)) {
          test::skip(fmt::format("{}: {}", fault.name, *why));
          return;
        }
        body(*injector, plan, node, journals.path());
      });
    } catch (...) {
      std::fflush(nullptr);
      ::_exit(1);
    }
    std::fflush(nullptr);
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == 0);
}

}  // namespace

TEST_CASE("conformance: inject, evidence, revert leaves the node as it was", "[window]") {
  in_node([](const Injector&, const Plan& plan, test::Node& node, const std::filesystem::path& journals) {
    const auto before = node.state();
    for (int i = 0; i < 2; ++i) {  // a fault of yesterday is none of today's
      const Seen seen = run_window(plan, journals / "a.jsonl", node.rank.pid(), 400 * kNsPerMs);
      INFO(seen.story);
      REQUIRE(seen.applied == 1);
      REQUIRE(seen.errors == 0);
      REQUIRE(seen.reverted == 1);
      REQUIRE(seen.mended);
      if (chosen_row().acts) REQUIRE(seen.acting);
      REQUIRE(std::filesystem::is_empty(journals));
      node.rank.replace_if_dead();
      test::wait_for_dad(node.network.node);
      REQUIRE(test::differences(before, node.state()) == "");
    }
  });
}

TEST_CASE("conformance: reverting twice is safe, and so is reverting what was never applied", "[twice]") {
  in_node([](const Injector& injector, const Plan& plan, test::Node& node, const std::filesystem::path&) {
    const auto before = node.state();
    const PlannedFault& fault = plan.faults[0];
    const Target target{fault.device, Params(fault.params), fault.resolved, {node.rank.pid()}};
    const Json undo = ok(injector.prepare(target));
    ok(injector.check_undo(undo));
    ok(injector.revert(undo));
    REQUIRE(test::differences(before, node.state()) == "");
    if (const auto load = ok(injector.make_load(target, undo))) {
      REQUIRE(test::differences(before, node.state()) == "");
      ok(load->stop());
      ok(load->start());
      ok(load->stop());
      ok(load->stop());
    } else if (injector.info().undo == UndoClass::persistent) {
      ok(injector.apply(target, undo));
    }
    ok(injector.revert(undo));
    ok(injector.revert(undo));
    node.rank.replace_if_dead();
    test::wait_for_dad(node.network.node);
    REQUIRE(test::differences(before, node.state()) == "");
  });
}

TEST_CASE("conformance: an undo record that was tampered with is refused", "[tampered]") {
  in_node([](const Injector& injector, const Plan& plan, test::Node& node, const std::filesystem::path&) {
    const PlannedFault& fault = plan.faults[0];
    const Json undo = ok(injector.prepare({fault.device, Params(fault.params), fault.resolved, {node.rank.pid()}}));
    Json more = undo;
    more["unknown"] = 1;
    REQUIRE_FALSE(injector.check_undo(more).has_value());
    REQUIRE_FALSE(injector.check_undo(Json::array()).has_value());
    for (const auto& [key, value] : undo.items()) {
      Json less = undo;
      less.erase(key);
      INFO("without " << key);
      REQUIRE_FALSE(injector.check_undo(less).has_value());
      Json other = undo;
      other[key] = value.is_string() ? Json(7) : Json("x\n");
      INFO("with another type of " << key);
      REQUIRE_FALSE(injector.check_undo(other).has_value());
    }
  });
}

TEST_CASE("conformance: killed at any moment, everything is off within 2 s", "[kill]") {
  in_node([](const Injector&, const Plan& plan, test::Node& node, const std::filesystem::path& journals) {
    const auto before = node.state();
    std::mt19937 random(static_cast<unsigned>(count_from("GRIT_SEED", 1)));
    const int kills = count_from("GRIT_KILLS", 20);
    for (int i = 0; i < kills; ++i) {
      const auto after = std::chrono::microseconds(random() % 60'000);
      const pid_t agent = ::fork();
      REQUIRE(agent >= 0);
      if (agent == 0) {
        for (;;) run_window(plan, journals / "a.jsonl", node.rank.pid(), 20 * kNsPerMs);
      }
      std::this_thread::sleep_for(after);
      ::kill(agent, SIGKILL);
      const std::int64_t killed_ns = monotonic_ns();
      REQUIRE(::waitpid(agent, nullptr, 0) == agent);
      reap_all_but(node.rank.pid(), killed_ns + kGone_ns);
      INFO("kill " << i << " after " << after.count() << " us");
      REQUIRE(take_off_what_is_left(journals) == "");
      REQUIRE(monotonic_ns() - killed_ns < kGone_ns);
      REQUIRE(std::filesystem::is_empty(journals));
      node.rank.replace_if_dead();
      test::wait_for_dad(node.network.node);
      REQUIRE(test::differences(before, node.state()) == "");
    }
  });
}

TEST_CASE("conformance: a system call that fails anywhere in arming, applying or reverting leaves nothing", "[fail]") {
  in_node([](const Injector&, const Plan& plan, test::Node& node, const std::filesystem::path& journals) {
    const auto before = node.state();
    const auto window = [&] {
      return run_window(plan, journals / "a.jsonl", node.rank.pid(), 5 * kNsPerMs).mended ? 0 : 1;
    };
    const int most = count_from("GRIT_FAILURES", 4096), sampled = count_from("GRIT_STRIDE", 7);
    int nth = 1, tried = 0, stride = 1;
    for (bool happened = true; happened && tried < 4096; nth += stride, ++tried) {
      if (tried >= most) stride = sampled;  // fewer where it takes too long
      const test::FailedCall failed = test::fail_nth_call(nth, window);
      happened = failed.happened;
      reap_all_but(node.rank.pid(), monotonic_ns() + kGone_ns);
      INFO("call " << nth << ", system call " << failed.number << ", status " << failed.wait_status);
      REQUIRE(WIFEXITED(failed.wait_status));
      REQUIRE(take_off_what_is_left(journals) == "");  // a journal that could not be written at last stays: safe
      REQUIRE(std::filesystem::is_empty(journals));
      node.rank.replace_if_dead();
      test::wait_for_dad(node.network.node);
      const std::string left = test::differences(before, node.state());
      INFO(fmt::format("call {}, system call {}, status {}", nth, failed.number, failed.wait_status));
      REQUIRE(left == "");
    }
    REQUIRE(tried > 2);
    fmt::print("{}: {} runs with a failed system call\n", fault_name(), tried - 1);
  });
}

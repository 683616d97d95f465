// What every fault promises, tried with each of them in turn: GRIT_FAULT names it (ctest runs one test
// a fault). As root, and, with GRIT_ROOTLESS=1, as an ordinary user; GRIT_MECHANISM picks one of its mechanisms.
//
//   GRIT_FAULT=link_flap build/release/tests/conformance_tests
#include <sys/prctl.h>
#include <sys/stat.h>

#include <cstdlib>
#include <random>
#include <sstream>

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

/// GRIT_MECHANISM: one of the fault's mechanisms instead of the best that works here. GRIT_PARAMS: more parameters.
test::Row chosen_row() {
  test::Row row = test::row_of(fault_name());
  if (const char* mechanism = std::getenv("GRIT_MECHANISM")) row.params["mechanism"] = mechanism;
  if (const char* more = std::getenv("GRIT_PARAMS")) row.params.update(Json::parse(more));
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

Target target_in(const test::Node& node, const Plan& plan) {
  const PlannedFault& fault = plan.faults[0];
  return {fault.device, Params(fault.params), fault.resolved, node_ranks(node.segment)};
}

/// Everything in a record that can be tampered with: the record itself, and each object in it.
std::vector<Json::json_pointer> objects_in(const Json& record) {
  std::vector<Json::json_pointer> all;
  const std::function<void(const Json&, const Json::json_pointer&)> walk = [&](const Json& here,
                                                                               const Json::json_pointer& at) {
    if (here.is_object()) all.push_back(at);
    if (here.is_object())
      for (const auto& [key, value] : here.items()) walk(value, at / key);
    if (here.is_array() && !here.empty()) walk(here[0], at / 0);
  };
  walk(record, Json::json_pointer());
  return all;
}

/// Makes a record one of other processes (start_ticks), or of another boot (boot_id).
void make_another(Json& record, const char* key) {
  if (record.is_object() && record.contains(key))
    record[key] = record[key].is_string() ? Json("00000000-0000-0000-0000-000000000000")
                                          : Json(record[key].get<std::int64_t>() + 1);
  if (record.is_structured())
    for (Json& part : record) make_another(part, key);
}

void wait_until_it_holds(Fault& fault) {
  const std::int64_t deadline_ns = monotonic_ns() + fault.patience_ns();
  while (!ok(fault.read()).holds && monotonic_ns() < deadline_ns)
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

/// What one window of the fault reported.
struct Seen {
  int applied = 0, reverted = 0, errors = 0;
  bool acting = false;
  bool mended = false;
  std::string story;
};

Seen run_window(const Plan& plan, const std::filesystem::path& journal, const test::Node& node, std::int64_t dwell_ns,
                BlockKind kind = BlockKind::fault) {
  Seen seen;
  FaultWindows windows(
      plan, 0, journal,
      [&](const Json& event) {
        seen.story += event.dump() + "\n";
        const bool fine = event.value("ok", false);
        if (event["type"] == "acting") seen.acting = fine;
        if (event["type"] != "fault") return;
        if (event["action"] == "applied") seen.applied += fine ? 1 : 0;
        if (event["action"] == "reverted") seen.reverted += fine ? 1 : 0;
        if (event["action"] == "error") ++seen.errors;
      },
      node_ranks(node.segment));
  windows.arm({.index = 0, .pair = 0, .kind = kind});
  windows.start(monotonic_ns());
  // As the agent does: until the reading holds, and then for so long.
  for (std::int64_t until_ns = monotonic_ns() + dwell_ns;;) {
    windows.drain_witnesses();
    if (const auto due_ns = windows.next_action_ns(); due_ns && *due_ns <= monotonic_ns()) {
      windows.act(monotonic_ns());
      until_ns = monotonic_ns() + dwell_ns;
    } else if (monotonic_ns() >= until_ns) {
      break;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
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

/// Waits until no other process than the ranks is a child of ours (orphans become ours: PR_SET_CHILD_SUBREAPER).
void reap_all_but_ranks(const test::Node& node, std::int64_t deadline_ns) {
  for (;;) {
    const std::string text = read_file(fmt::format("/proc/{0}/task/{0}/children", ::getpid())).value_or("");
    std::istringstream children(text);
    int others = 0;
    for (pid_t child = 0; children >> child;)
      if (!node.is_rank(child) && ::waitpid(child, nullptr, WNOHANG) != child)
        ++others;  // a dead rank stays for a look
    if (others == 0) return;
    INFO("still running: " << text << "; the ranks are " << node.rank.pid() << " and " << node.other_rank.pid());
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
        const test::Row row = chosen_row();
        if (row.prior) row.prior(node);
        if (const auto why = injector->why_unavailable(target_in(node, plan))) {
          INFO(*why);
          REQUIRE_FALSE((std::getenv("GRIT_MECHANISM") == nullptr ? row.anywhere : row.every_mechanism));
          test::skip(fmt::format("{}: {}", plan.faults[0].name, *why));
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
    const auto as_before = [&] {
      node.replace_dead_ranks();
      test::wait_for_dad(node.network.node);
      return test::differences(before, node.state());
    };
    const Seen sham = run_window(plan, journals / "a.jsonl", node, 200 * kNsPerMs, BlockKind::sham);
    INFO(sham.story);
    REQUIRE(sham.errors == 0);
    REQUIRE(sham.mended);
    REQUIRE_FALSE(sham.acting);  // nothing was done, so nothing can have come of it
    REQUIRE(as_before() == "");
    for (int i = 0; i < 2; ++i) {  // a fault of yesterday is none of today's
      const Seen seen = run_window(plan, journals / "a.jsonl", node, 400 * kNsPerMs);
      INFO(seen.story);
      REQUIRE(seen.applied == 1);
      REQUIRE(seen.errors == 0);
      REQUIRE(seen.reverted == 1);
      REQUIRE(seen.mended);
      if (chosen_row().acts) REQUIRE(seen.acting);
      REQUIRE(std::filesystem::is_empty(journals));
      REQUIRE(as_before() == "");
    }
  });
}

TEST_CASE("conformance: reverting twice is safe, and so is reverting what was never applied", "[twice]") {
  in_node([](const Injector& injector, const Plan& plan, test::Node& node, const std::filesystem::path&) {
    const auto before = node.state();
    const Prepared made = ok(injector.prepare(target_in(node, plan)));
    const bool journalled = !made.undo.is_null();
    const auto revert_twice = [&] {
      for (int i = 0; i < 2 && journalled; ++i) ok(injector.revert(made.undo));
    };
    if (journalled) ok(injector.check_undo(made.undo));
    revert_twice();
    REQUIRE(test::differences(before, node.state()) == "");
    ok(made.fault->stop());
    REQUIRE(test::differences(before, node.state()) == "");
    ok(made.fault->start());
    wait_until_it_holds(*made.fault);
    revert_twice();
    ok(made.fault->stop());
    ok(made.fault->stop());
    revert_twice();
    node.replace_dead_ranks();
    test::wait_for_dad(node.network.node);
    REQUIRE(test::differences(before, node.state()) == "");
  });
}

TEST_CASE("conformance: an undo record that was tampered with is refused", "[tampered]") {
  in_node([](const Injector& injector, const Plan& plan, test::Node& node, const std::filesystem::path&) {
    const Json undo = ok(injector.prepare(target_in(node, plan))).undo;
    if (undo.is_null()) return;  // there is none
    ok(injector.check_undo(undo));
    REQUIRE_FALSE(injector.check_undo(Json::array()).has_value());
    for (const auto& at : objects_in(undo)) {
      INFO("in the object at \"" << at.to_string() << "\"");
      Json more = undo;
      more[at]["unknown"] = 1;
      REQUIRE_FALSE(injector.check_undo(more).has_value());
      for (const auto& [key, value] : undo[at].items()) {
        Json other = undo;
        other[at][key] = value.is_string() ? Json(7) : Json("x\n");
        INFO("with another type of " << key);
        REQUIRE_FALSE(injector.check_undo(other).has_value());
      }
    }
    for (const auto& [key, value] : undo.items()) {
      Json less = undo;
      less.erase(key);
      INFO("without " << key);
      REQUIRE_FALSE(injector.check_undo(less).has_value());
    }
  });
}

TEST_CASE("conformance: the undo record of other processes, or of another boot, is not acted upon", "[identity]") {
  in_node([](const Injector& injector, const Plan& plan, test::Node& node, const std::filesystem::path&) {
    const auto before = node.state();
    for (const char* key : {"start_ticks", "boot_id"}) {
      const Prepared made = ok(injector.prepare(target_in(node, plan)));
      Json another = made.undo;
      make_another(another, key);
      // A control group is known by its own name, drawn at random, and not by the process in it.
      const bool by_name = made.undo.is_object() && !made.undo.value("groups", Json::array()).empty();
      if (another == made.undo || by_name || injector.info().irreversible) continue;
      ok(made.fault->start());
      wait_until_it_holds(*made.fault);
      const auto reverted = injector.revert(another);
      INFO("another " << key << "; " << (reverted ? "" : reverted.error().message));
      REQUIRE((!reverted || *reverted == Reverted::gone));
      REQUIRE(ok(made.fault->read()).holds);
      ok(made.fault->stop());
      test::wait_for_dad(node.network.node);
      REQUIRE(test::differences(before, node.state()) == "");
    }
  });
}

TEST_CASE("conformance: ranks that end before or under the fault are no error", "[ended]") {
  in_node([](const Injector& injector, const Plan& plan, test::Node& node, const std::filesystem::path& journals) {
    const auto before = node.state();
    const auto as_before = [&] {
      node.replace_dead_ranks();
      test::wait_for_dad(node.network.node);
      return test::differences(before, node.state());
    };
    for (const bool waited_for : {false, true}) {
      node.other_rank.kill();
      if (waited_for) node.other_rank.wait_for();
      const Seen seen = run_window(plan, journals / "a.jsonl", node, 20 * kNsPerMs);
      INFO(seen.story);
      REQUIRE(seen.applied == 1);
      REQUIRE(seen.errors == 0);
      REQUIRE(seen.mended);
      REQUIRE(as_before() == "");
    }

    for (const bool waited_for : {false, true}) {
      const Prepared made = ok(injector.prepare(target_in(node, plan)));
      ok(made.fault->start());
      wait_until_it_holds(*made.fault);
      for (const test::StandInRank* rank : {&node.rank, &node.other_rank}) {
        rank->kill();
        if (waited_for) rank->wait_for();
      }
      ok(made.fault->read());
      ok(made.fault->counters());
      ok(made.fault->stop());
      if (!injector.info().irreversible) REQUIRE_FALSE(ok(made.fault->read()).left);
      if (!made.undo.is_null()) ok(injector.revert(made.undo));
      REQUIRE(as_before() == "");
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
        for (;;) run_window(plan, journals / "a.jsonl", node, 20 * kNsPerMs);
      }
      std::this_thread::sleep_for(after);
      ::kill(agent, SIGKILL);
      const std::int64_t killed_ns = monotonic_ns();
      REQUIRE(::waitpid(agent, nullptr, 0) == agent);
      reap_all_but_ranks(node, killed_ns + kGone_ns);
      INFO("kill " << i << " after " << after.count() << " us");
      REQUIRE(take_off_what_is_left(journals) == "");
      REQUIRE(monotonic_ns() - killed_ns < kGone_ns);
      REQUIRE(std::filesystem::is_empty(journals));
      const auto left = [&] {
        node.replace_dead_ranks();
        test::wait_for_dad(node.network.node);
        return test::differences(before, node.state());
      };
      std::string now = left();
      for (; !now.empty() && monotonic_ns() - killed_ns < kGone_ns; now = left())  // a rank may be about to end
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      REQUIRE(now == "");
    }
  });
}

TEST_CASE("conformance: a system call that fails anywhere in arming, applying or reverting leaves nothing", "[fail]") {
  in_node([](const Injector&, const Plan& plan, test::Node& node, const std::filesystem::path& journals) {
    const auto before = node.state();
    const auto window = [&] { return run_window(plan, journals / "a.jsonl", node, 5 * kNsPerMs).mended ? 0 : 1; };
    const int most = count_from("GRIT_FAILURES", 4096), sampled = count_from("GRIT_STRIDE", 7);
    int nth = 1, tried = 0, stride = 1;
    for (bool happened = true; happened && tried < 4096; nth += stride, ++tried) {
      if (tried >= most) stride = sampled;  // fewer where it takes too long
      const test::FailedCall failed = test::fail_nth_call(nth, window);
      happened = failed.happened;
      reap_all_but_ranks(node, monotonic_ns() + kGone_ns);
      INFO("call " << nth << ", system call " << failed.number << ", status " << failed.wait_status);
      REQUIRE(WIFEXITED(failed.wait_status));
      const auto left = [&] {
        node.replace_dead_ranks();
        test::wait_for_dad(node.network.node);
        return test::differences(before, node.state());
      };
      REQUIRE(left() == "");                           // one failure does not keep the agent itself from taking it off
      REQUIRE(take_off_what_is_left(journals) == "");  // a journal that could not be written at last stays: safe
      REQUIRE(std::filesystem::is_empty(journals));
      REQUIRE(left() == "");
    }
    REQUIRE(tried > 2);
    fmt::print("{}: {} runs with a failed system call\n", fault_name(), tried - 1);
  });
}

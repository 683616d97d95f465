#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <functional>
#include <thread>

#include "harness/agent/observer_process.hpp"
#include "harness/agent/recorder.hpp"
#include "harness/base/clock.hpp"
#include "harness/model/event.hpp"
#include "tests/catch.hpp"
#include "tests/read_events.hpp"
#include "tests/unit/agent/any_port.hpp"
#include "tests/unit/record/support.hpp"

namespace grit {
namespace {

using test::kAnyPort;

/// A node of one rank, which is this process, its observer, and a recorder in this process.
struct Node {
  test::TempDirectory directory{};
  RunKeys keys = *make_run_keys();
  Segment segment = *Segment::create(1);
  std::optional<Recorder> recorder = *Recorder::open(directory.path(), {kAnyPort}, keys, 1);
  AgentConfig config{};

  Node() {
    segment.slots()[0].pid = ::getpid();
    segment.slots()[0].rank = 0;
    config.endpoint = recorder->endpoints().front();
    config.keys = keys;
    config.plan.topology.nodes.resize(1);
    config.plan.design.hang_ns = 300 * kNsPerMs;
  }
  [[nodiscard]] std::size_t count(std::string_view type) const {
    std::size_t found = 0;
    const std::vector<Json> events = *read_events(directory.path() / "events.jsonl");
    for (const Json& event : events) found += event.at("type") == type ? 1 : 0;
    return found;
  }
  bool pump_until(const std::function<bool()>& condition) {
    const std::int64_t deadline_ns = monotonic_ns() + 20 * kNsPerS;
    while (monotonic_ns() < deadline_ns) {
      REQUIRE(recorder->pump());
      if (condition()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }
};

TEST_CASE("events and records go up, and a block's end is told when its records are on their way") {
  Node node;
  auto observer = ObserverProcess::fork(node.config, node.segment);
  REQUIRE(observer);
  for (std::uint32_t step = 0; step < 100; ++step) node.segment.slots()[0].steps.push(test::numbered(step));
  Json event = make_event("block", 0);
  event.update(Json{{"block", 3}, {"edge", "end"}});
  observer->send(event);
  std::optional<int> observed;
  REQUIRE(node.pump_until([&] {
    while (const auto news = observer->receive())
      if (news->observed_block) observed = news->observed_block;
    return observed.has_value() && node.count("block") == 1;
  }));
  CHECK(observed == 3);
  CHECK(test::read_steps(node.directory.path() / "steps.npy")->size() == 100);  // they came before the word
  std::thread goodbye([&] { CHECK(observer->say_goodbye(20 * kNsPerS)); });
  CHECK(node.pump_until([&] { return node.recorder->is_over(); }));
  goodbye.join();
}

TEST_CASE("an order of the recorder comes down, and without a recorder the observer gives it itself") {
  Node node;
  auto observer = ObserverProcess::fork(node.config, node.segment);
  REQUIRE(observer);
  std::optional<std::string> end;
  const auto told = [&] {
    while (const auto news = observer->receive())
      if (news->end) end = news->end;
    return end.has_value();
  };
  SECTION("told") {
    observer->send(make_event("agent_stopped", 0));
    CHECK(node.pump_until(told));
    CHECK(end == "agent_stopped");
  }
  SECTION("left alone") {
    REQUIRE(node.pump_until([&] { return node.recorder->last_heard_ns(0) != 0; }));
    node.recorder.reset();
    const std::int64_t deadline_ns = monotonic_ns() + 20 * kNsPerS;
    while (!told() && monotonic_ns() < deadline_ns) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    CHECK(end == "recorder_lost");
  }
}

TEST_CASE("a spare observer begins when it is told something, and ends with its agent when it is not") {
  Node node;
  std::optional<ObserverProcess> spare = *ObserverProcess::fork(node.config, node.segment, true);
  const std::int64_t since_ns = monotonic_ns();
  REQUIRE(node.pump_until([&] { return monotonic_ns() - since_ns > kNsPerS / 2; }));
  CHECK(node.segment.control().observer_beat_ns.load() == 0);
  SECTION("told") {
    spare->send(make_event("witness", 0));
    CHECK(node.pump_until([&] { return node.count("witness") == 1; }));
    CHECK(node.segment.control().observer_beat_ns.load() != 0);
  }
  SECTION("not told") {
    const pid_t pid = spare->pid();
    spare.reset();
    CHECK(::kill(pid, 0) != 0);
    CHECK(node.segment.control().observer_beat_ns.load() == 0);
  }
}

TEST_CASE("the ranks of an agent that does not follow the order to end are ended all the same, and it, too") {
  const bool finished = GENERATE(false, true);  // then a rank waits for its agent alone, and has the verdict to say
  CAPTURE(finished);
  Node node;
  const pid_t rank = ::fork();
  if (rank == 0) {
    ::pause();
    ::_exit(0);
  }
  node.segment.slots()[0].pid = rank;
  if (finished) node.segment.slots()[0].end = RankEnd::finished;
  const pid_t agent = ::fork();
  if (agent == 0) {
    auto observer = ObserverProcess::fork(node.config, node.segment);
    if (observer) observer->send(make_event("agent_stopped", 0));  // what ends the run
    ::raise(SIGSTOP);
    ::_exit(0);
  }
  REQUIRE(node.pump_until([&] { return node.count("end_ordered") == 1; }));
  const std::int64_t ordered_ns = monotonic_ns();
  const auto was_killed = [&](pid_t pid) {
    int status = 0;
    return node.pump_until([&] { return ::waitpid(pid, &status, WNOHANG) == pid; }) && WIFSIGNALED(status);
  };
  CHECK(was_killed(agent));
  if (finished) {
    CHECK(::waitpid(rank, nullptr, WNOHANG) == 0);
    ::kill(rank, SIGKILL);
  }
  CHECK(was_killed(rank));
  CHECK(node.pump_until([&] { return node.recorder->is_over(); }));
  CHECK(monotonic_ns() - ordered_ns < 10 * kNsPerS);
  CHECK(node.count("ended") == (finished ? 0 : 1));
  CHECK(node.count("residue_unknown") == 1);
  CHECK(node.count("rank_died") + node.count("node_lost") == 0);
}

TEST_CASE("an observer that dies or is stopped is noticed, and its successor gets what waited") {
  Node node;
  auto observer = ObserverProcess::fork(node.config, node.segment);
  REQUIRE(observer);
  REQUIRE(node.pump_until([&] { return node.segment.control().observer_beat_ns.load() != 0; }));
  CHECK_FALSE(observer->is_gone(node.segment.control().observer_beat_ns.load()));
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));  // not more often than once a second
  const int how = GENERATE(SIGKILL, SIGSTOP);
  REQUIRE(node.pump_until([&] { return node.recorder->last_heard_ns(0) != 0; }));
  ::kill(observer->pid(), how);
  REQUIRE(node.pump_until([&] { return observer->is_gone(node.segment.control().observer_beat_ns.load()); }));
  observer->send(make_event("witness", 0));
  auto another = ObserverProcess::fork(node.config, node.segment);
  REQUIRE(another);
  another->adopt(*observer);
  another->send(make_event("residue", 0));
  CHECK(node.pump_until([&] { return node.count("witness") == 1 && node.count("residue") == 1; }));
}

TEST_CASE("an observer that dies before it has said goodbye is none that has") {
  const Node node;
  auto observer = ObserverProcess::fork(node.config, node.segment);
  REQUIRE(observer);
  REQUIRE(::kill(observer->pid(), SIGKILL) == 0);
  CHECK_FALSE(observer->say_goodbye(5 * kNsPerS));
}

TEST_CASE("an observer that takes nothing does not hold up its agent: events wait, and then are dropped and counted") {
  Node node;
  auto observer = ObserverProcess::fork(node.config, node.segment);
  REQUIRE(observer);
  ::kill(observer->pid(), SIGSTOP);
  Json event = make_event("witness", 0);
  event["what"] = std::string(100'000, 'x');
  for (std::size_t i = 0; i < 2 * ObserverProcess::kBacklog_bytes / 100'000; ++i) observer->send(event);
  CHECK(observer->dropped() > 0);  // and here we are, though it took nothing
}

TEST_CASE("a rank's end is told at once, with the time at which it was first seen, whatever its agent is busy with") {
  Node node;
  RankSlot& slot = node.segment.slots()[0];
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::pause();
    ::_exit(0);
  }
  REQUIRE(pid > 0);
  slot.pid = pid;
  auto observer = ObserverProcess::fork(node.config, node.segment);
  REQUIRE(observer);
  REQUIRE(node.pump_until([&] { return node.segment.control().observer_beat_ns.load() != 0; }));
  const std::int64_t before_ns = monotonic_ns();
  std::string type = "rank_died";
  std::size_t told = 1;
  std::int64_t from_ns = before_ns, to_ns = before_ns + kNsPerS;
  SECTION("it dies; here there is no agent at all") {}
  SECTION("it says that it has failed, and dies later") {
    to_ns = note_end(slot, before_ns);
    slot.end = RankEnd::failed;
    type = "run";
  }
  SECTION("it has finished") {
    slot.end = RankEnd::finished;
    told = 0;
  }
  SECTION("its agent ends it") {
    node.segment.control().agent_ends_ranks_ns = before_ns;
    told = 0;
  }
  ::kill(pid, SIGKILL);
  REQUIRE(node.pump_until([&] { return ::waitpid(pid, nullptr, WNOHANG) == pid; }));
  if (told == 0) {
    std::thread goodbye([&] { CHECK(observer->say_goodbye(20 * kNsPerS)); });
    CHECK(node.pump_until([&] { return node.recorder->is_over(); }));
    goodbye.join();
    CHECK(node.count("rank_died") + node.count("run") == 0);
    return;
  }
  REQUIRE(node.pump_until([&] { return node.count(type) == told; }));
  const std::vector<Json> events = *read_events(node.directory.path() / "events.jsonl");
  for (const Json& event : events) {
    if (event.at("type") != type) continue;
    CHECK(event.at("t_ns").get<std::int64_t>() >= from_ns);
    CHECK(event.at("t_ns").get<std::int64_t>() <= to_ns);
  }
}

TEST_CASE("ranks that begin no step are told where they stand") {
  Node node;
  node.segment.slots()[0].block_entered = 2;
  auto observer = ObserverProcess::fork(node.config, node.segment);
  REQUIRE(observer);
  CHECK(node.pump_until([&] { return node.count("hang") == 1; }));
}

}  // namespace
}  // namespace grit

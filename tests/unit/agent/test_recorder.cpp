#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>

#include "harness/agent/recorder.hpp"
#include "harness/model/event.hpp"
#include "tests/catch.hpp"
#include "tests/read_events.hpp"
#include "tests/unit/record/support.hpp"

namespace grit {
namespace {

using test::read_steps;
using test::TempDirectory;

constexpr auto kAnyPort = "tcp://127.0.0.1:*";

/// Pumps until the condition holds (true) or a long time is over; counts the errors.
bool pump_until(Recorder& recorder, const std::function<bool()>& condition, int* errors = nullptr) {
  for (int i = 0; i < 20'000; ++i) {
    if (!recorder.pump() && errors != nullptr) ++*errors;
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

std::size_t count_events(const std::filesystem::path& directory, std::string_view type) {
  std::size_t count = 0;
  const std::vector<Json> events = *read_events(directory / "events.jsonl");
  for (const Json& event : events)
    if (event.at("type") == type) ++count;
  return count;
}

TEST_CASE("what two agents report is in the run directory") {
  const TempDirectory directory;
  const RunKeys keys = *make_run_keys();
  auto recorder = Recorder::open(directory.path(), {kAnyPort}, keys, 2);
  REQUIRE(recorder);
  CHECK(recorder->last_heard_ns(0) == 0);
  auto first = Uplink::connect(recorder->endpoints().front(), keys, 0);
  auto second = Uplink::connect(recorder->endpoints().front(), keys, 1);
  REQUIRE(first->send_records(test::numbered(0, 700)));
  REQUIRE(first->send_event(make_event("block", 0, 5)));
  first->goodbye();
  REQUIRE(pump_until(*recorder, [&] { return count_events(directory.path(), "block") == 1; }));
  CHECK_FALSE(recorder->all_said_goodbye());
  REQUIRE(second->send_event(make_event("block", 1, 6)));
  second->goodbye();
  REQUIRE(pump_until(*recorder, [&] { return recorder->all_said_goodbye(); }));

  const auto steps = read_steps(directory.path() / "steps.npy");
  REQUIRE(steps);
  CHECK(steps->size() == 700);
  CHECK(test::all_numbered(*steps));
  CHECK(count_events(directory.path(), "block") == 2);
  CHECK(recorder->last_heard_ns(1) > 0);
  // Nodes that said goodbye are not lost, however long they are silent.
  REQUIRE(recorder->pump(monotonic_ns() + 10 * Recorder::kFirstContact_ns));
  CHECK(recorder->lost_nodes().empty());
  CHECK(recorder->malformed() == 0);
}

TEST_CASE("a node whose connection is gone is lost, once, one never heard of gets longer, a busy one is not") {
  const TempDirectory directory;
  const RunKeys keys = *make_run_keys();
  auto recorder = Recorder::open(directory.path(), {kAnyPort}, keys, 3);
  REQUIRE(recorder);
  std::optional<Uplink> talker = *Uplink::connect(recorder->endpoints().front(), keys, 1);
  auto busy = Uplink::connect(recorder->endpoints().front(), keys, 2);
  REQUIRE(pump_until(*recorder, [&] { return recorder->last_heard_ns(1) != 0 && recorder->last_heard_ns(2) != 0; }));
  const std::int64_t heard_ns = recorder->last_heard_ns(1);
  REQUIRE(recorder->pump(heard_ns + 2 * Recorder::kSilence_ns));
  CHECK(recorder->lost_nodes().empty());
  talker.reset();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // the closed connection is seen

  REQUIRE(recorder->pump(heard_ns + Recorder::kSilence_ns));
  CHECK(recorder->lost_nodes().empty());
  REQUIRE(recorder->pump(heard_ns + Recorder::kSilence_ns + 1));
  CHECK(recorder->lost_nodes() == std::vector{1});
  REQUIRE(recorder->pump(heard_ns + 2 * Recorder::kSilence_ns));
  CHECK(count_events(directory.path(), "node_lost") == 1);
  const std::vector<Json> events = *read_events(directory.path() / "events.jsonl");
  const auto event =
      std::find_if(events.begin(), events.end(), [](const Json& e) { return e.at("type") == "node_lost"; });
  REQUIRE(event != events.end());
  CHECK(event->at("lost_node") == 1);
  CHECK(event->at("last_heard_ns") == heard_ns);

  REQUIRE(recorder->pump(heard_ns + 2 * Recorder::kFirstContact_ns));
  CHECK(recorder->lost_nodes() == std::vector{0, 1});
  CHECK(count_events(directory.path(), "node_lost") == 2);
}

TEST_CASE("heartbeats that waited while the recorder itself was paused keep a node alive") {
  const TempDirectory directory;
  const RunKeys keys = *make_run_keys();
  auto recorder = Recorder::open(directory.path(), {kAnyPort}, keys, 1);
  REQUIRE(recorder);
  auto talker = Uplink::connect(recorder->endpoints().front(), keys, 0);
  REQUIRE(pump_until(*recorder, [&] { return recorder->last_heard_ns(0) != 0; }));
  const std::int64_t later_ns = recorder->last_heard_ns(0) + 2 * Recorder::kSilence_ns;
  talker->heartbeat();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // it is now in the recorder's queue
  REQUIRE(recorder->pump(later_ns));
  CHECK(recorder->last_heard_ns(0) == later_ns);
  CHECK(recorder->lost_nodes().empty());
}

TEST_CASE("nodes that are not of this run and events that are not JSON objects are counted, not written") {
  const TempDirectory directory;
  const RunKeys keys = *make_run_keys();
  auto recorder = Recorder::open(directory.path(), {kAnyPort}, keys, 1);
  REQUIRE(recorder);
  auto foreign = Uplink::connect(recorder->endpoints().front(), keys, 1);
  REQUIRE(foreign->send_records(test::numbered(0, 5)));
  auto known = Uplink::connect(recorder->endpoints().front(), keys, 0);
  REQUIRE(known->send_event(Json("only text")));
  known->goodbye();
  CHECK(pump_until(*recorder, [&] { return recorder->all_said_goodbye() && recorder->malformed() == 3; }));
  CHECK(read_steps(directory.path() / "steps.npy")->empty());
  CHECK(read_events(directory.path() / "events.jsonl")->empty());
}

TEST_CASE("a restarted recorder listens at the old endpoint and continues the files") {
  const TempDirectory directory;
  const RunKeys keys = *make_run_keys();
  std::optional<Recorder> recorder = *Recorder::open(directory.path(), {kAnyPort}, keys, 1);
  const std::string endpoint = recorder->endpoints().front();
  auto uplink = Uplink::connect(endpoint, keys, 0);
  REQUIRE(uplink->send_records(test::numbered(0, 10)));
  const auto steps = [&] { return *read_steps(directory.path() / "steps.npy"); };
  REQUIRE(pump_until(*recorder, [&] { return steps().size() == 10; }));
  recorder.reset();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // the uplink notices
  recorder = *Recorder::open(directory.path(), {endpoint}, keys, 1);
  CHECK(recorder->endpoints().front() == endpoint);
  REQUIRE(uplink->send_records(test::numbered(10, 10)));
  REQUIRE(pump_until(*recorder, [&] { return steps().size() == 20; }));
  CHECK(test::all_numbered(steps()));
  CHECK_FALSE(Recorder::open(directory.path(), {"nonsense"}, keys, 1));
}

/// What an agent hears within a while; heartbeats are passed over.
std::optional<Json> order_to(Recorder& recorder, Uplink& uplink) {
  std::optional<Json> order;
  pump_until(recorder, [&] {
    while (const auto message = uplink.receive())
      if (message->kind == MessageKind::end) order = *parse_json(message->payload);
    return order.has_value();
  });
  return order;
}

TEST_CASE("what ends a run ends it on all nodes, with the event that told it") {
  const TempDirectory directory;
  const RunKeys keys = *make_run_keys();
  std::optional<Recorder> recorder = *Recorder::open(directory.path(), {kAnyPort}, keys, 2);
  const std::string endpoint = recorder->endpoints().front();
  auto first = Uplink::connect(endpoint, keys, 0);
  auto second = Uplink::connect(endpoint, keys, 1);
  REQUIRE(pump_until(*recorder, [&] { return recorder->last_heard_ns(0) != 0 && recorder->last_heard_ns(1) != 0; }));
  REQUIRE(first->send_event(make_event("block", 0, 5)));
  std::string told = "rank_died";
  std::int64_t patience_ns = kNsPerS / 2;

  SECTION("a rank dies: at once") {
    Json event = make_event("rank_died", 1, 7);
    event["rank"] = 1;
    REQUIRE(second->send_event(event));
  }
  SECTION("a hang: when the others have said where their ranks stand") {
    told = "hang";
    patience_ns = 3 * Recorder::kOthersReport_ns;
    REQUIRE(second->send_event(make_event("hang", 1, 7)));
    REQUIRE(pump_until(*recorder, [&] { return recorder->cause().has_value(); }));
    CHECK(count_events(directory.path(), "end_ordered") == 0);
  }
  SECTION("a fault that could not be taken off") {
    told = "fault";
    Json event = make_event("fault", 1, 7);
    event.update(Json{{"action", "reverted"}, {"ok", false}});
    REQUIRE(second->send_event(event));
  }
  SECTION("wrong sums in the records") {
    told = "corruption";
    auto records = test::numbered(0, 10);
    records[7].corrupted = 2;
    REQUIRE(second->send_records(records));
  }
  SECTION("a recorder that died before it passed on what it had written down") {
    Json event = make_event("rank_died", 1, 7);
    event["rank"] = 1;
    recorder.reset();
    REQUIRE(EventsWriter::open(directory.path() / "events.jsonl")->append(event));
    recorder = *Recorder::open(directory.path(), {endpoint}, keys, 2);
    patience_ns = 20 * kNsPerS;
    first->heartbeat();
    second->heartbeat();
  }
  const std::int64_t before_ns = monotonic_ns();
  for (Uplink* uplink : {&*first, &*second}) {
    const auto order = order_to(*recorder, *uplink);
    REQUIRE(order);
    CHECK(order->at("type") == told);
  }
  CHECK(monotonic_ns() - before_ns < patience_ns + kNsPerS);
  CHECK(count_events(directory.path(), "end_ordered") == 1);
}

TEST_CASE("a lost node ends the run, and is heard of again") {
  const TempDirectory directory;
  const RunKeys keys = *make_run_keys();
  auto recorder = Recorder::open(directory.path(), {kAnyPort}, keys, 1);
  std::optional<Uplink> talker = *Uplink::connect(recorder->endpoints().front(), keys, 0);
  REQUIRE(pump_until(*recorder, [&] { return recorder->last_heard_ns(0) != 0; }));
  talker.reset();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // the closed connection is seen
  REQUIRE(recorder->pump(recorder->last_heard_ns(0) + Recorder::kSilence_ns + 1));
  CHECK(count_events(directory.path(), "end_ordered") == 1);
  talker = *Uplink::connect(recorder->endpoints().front(), keys, 0);
  REQUIRE(pump_until(*recorder, [&] { return recorder->lost_nodes().empty(); }));
  CHECK(count_events(directory.path(), "node_back") == 1);
  CHECK(order_to(*recorder, *talker)->at("type") == "node_lost");
}

/// In a child, because a limit on file sizes stands for the full disk.
std::string record_across_a_full_disk(const std::filesystem::path& directory) {
  ::signal(SIGXFSZ, SIG_IGN);
  const RunKeys keys = *make_run_keys();
  auto recorder = Recorder::open(directory, {kAnyPort}, keys, 1);
  if (!recorder) return recorder.error().message;
  auto uplink = Uplink::connect(recorder->endpoints().front(), keys, 0);
  const rlimit small{20'000, RLIM_INFINITY}, large{10'000'000, RLIM_INFINITY};
  ::setrlimit(RLIMIT_FSIZE, &small);
  int errors = 0;
  for (std::uint32_t i = 0; i < 10; ++i) {  // batch by batch: 100 records are 10 400 bytes
    if (!uplink->send_records(test::numbered(100 * i, 100))) return "not sent";
    const std::uint64_t handled = 100 * (i + 1);
    const auto done = [&] {
      return read_steps(directory / "steps.npy")->size() + recorder->unwritten_records() == handled;
    };
    if (!pump_until(*recorder, done, &errors)) return "a batch was neither written nor counted";
  }
  if (errors != 1) return std::to_string(errors) + " errors instead of one";
  if (recorder->unwritten_records() != 900) return "900 records cannot have been written";
  if (!uplink->send_event(make_event("block", 0, 1))) return "event not sent";
  if (!pump_until(*recorder, [&] { return count_events(directory, "block") == 1; })) return "the event is not there";
  ::setrlimit(RLIMIT_FSIZE, &large);
  if (!uplink->send_records(test::numbered(100, 100))) return "not sent";
  if (!pump_until(*recorder, [&] { return read_steps(directory / "steps.npy")->size() == 200; }))
    return "did not go on";
  return test::all_numbered(*read_steps(directory / "steps.npy")) ? "" : "the records are not in order";
}

TEST_CASE("a full disk is an error once; what is lost is counted and recording goes on") {
  const TempDirectory directory;
  CHECK(test::in_child([&] { return record_across_a_full_disk(directory.path()); }) == "");
}

}  // namespace
}  // namespace grit

#include <algorithm>
#include <chrono>
#include <functional>
#include <thread>

#include "harness/agent/recorder.hpp"
#include "harness/model/event.hpp"
#include "tests/catch.hpp"
#include "tests/read_events.hpp"
#include "tests/unit/agent/any_port.hpp"
#include "tests/unit/record/support.hpp"

namespace grit {
namespace {

using test::read_steps;
using test::TempDirectory;

using test::kAnyPort;

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

/// Turn after turn, as its loop goes, until that moment; true: without an error.
bool pump_through(Recorder& recorder, std::int64_t now_ns, std::int64_t until_ns) {
  bool fine = true;
  for (; now_ns < until_ns; now_ns += kNsPerS) fine = recorder.pump(now_ns).has_value() && fine;
  return recorder.pump(until_ns).has_value() && fine;
}

std::vector<int> lost_nodes(const std::filesystem::path& directory) {
  std::vector<int> lost;
  const std::vector<Json> events = *read_events(directory / "events.jsonl");
  for (const Json& event : events)
    if (event.at("type") == "node_lost") lost.push_back(event.at("lost_node"));
  return lost;
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
  CHECK_FALSE(recorder->is_over());
  REQUIRE(second->send_event(make_event("block", 1, 6)));
  second->goodbye();
  REQUIRE(pump_until(*recorder, [&] { return recorder->is_over(); }));

  const auto steps = read_steps(directory.path() / "steps.npy");
  REQUIRE(steps);
  CHECK(steps->size() == 700);
  CHECK(test::all_numbered(*steps));
  CHECK(count_events(directory.path(), "block") == 2);
  CHECK(recorder->last_heard_ns(1) > 0);
  // Nodes that said goodbye are not lost, however long they are silent.
  REQUIRE(pump_through(*recorder, monotonic_ns(), monotonic_ns() + 2 * Recorder::kFirstContact_ns));
  CHECK(lost_nodes(directory.path()).empty());
  recorder->finish();
  CHECK(count_events(directory.path(), "unrecorded") == 0);
}

TEST_CASE("a node whose connection is gone is lost, once, one never heard of gets longer, and a busy one is not") {
  const TempDirectory directory;
  const RunKeys keys = *make_run_keys();
  auto recorder = Recorder::open(directory.path(), {kAnyPort}, keys, 3);
  REQUIRE(recorder);
  std::optional<Uplink> talker = *Uplink::connect(recorder->endpoints().front(), keys, 1);
  auto busy = Uplink::connect(recorder->endpoints().front(), keys, 2);
  REQUIRE(pump_until(*recorder, [&] { return recorder->last_heard_ns(1) != 0 && recorder->last_heard_ns(2) != 0; }));
  const std::int64_t heard_ns = recorder->last_heard_ns(1);
  REQUIRE(pump_through(*recorder, heard_ns, heard_ns + 2 * Recorder::kSilence_ns));
  CHECK(lost_nodes(directory.path()).empty());
  talker.reset();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // the closed connection is seen

  REQUIRE(recorder->pump(heard_ns + Recorder::kSilence_ns));
  CHECK(lost_nodes(directory.path()).empty());
  REQUIRE(recorder->pump(heard_ns + Recorder::kSilence_ns + 1));
  CHECK(lost_nodes(directory.path()) == std::vector{1});
  REQUIRE(recorder->pump(heard_ns + 2 * Recorder::kSilence_ns));
  CHECK(lost_nodes(directory.path()) == std::vector{1});
  const std::vector<Json> events = *read_events(directory.path() / "events.jsonl");
  const auto event =
      std::find_if(events.begin(), events.end(), [](const Json& e) { return e.at("type") == "node_lost"; });
  REQUIRE(event != events.end());
  CHECK(event->at("lost_node") == 1);
  CHECK(event->at("last_heard_ns") == heard_ns);

  REQUIRE(pump_through(*recorder, heard_ns + 2 * Recorder::kSilence_ns, heard_ns + 2 * Recorder::kFirstContact_ns));
  CHECK(lost_nodes(directory.path()) == std::vector{1, 0});
}

TEST_CASE("a standstill of the whole machine loses no node: all have their full time again after it") {
  const TempDirectory directory;
  const RunKeys keys = *make_run_keys();
  auto recorder = Recorder::open(directory.path(), {kAnyPort}, keys, 2);
  REQUIRE(recorder);
  // Its connection is gone and it has said nothing: as of all agents, right after the machine has gone on.
  std::optional<Uplink> talker = *Uplink::connect(recorder->endpoints().front(), keys, 0);
  REQUIRE(pump_until(*recorder, [&] { return recorder->last_heard_ns(0) != 0; }));
  talker.reset();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // the closed connection is seen
  const std::int64_t woken_ns = recorder->last_heard_ns(0) + 40 * kNsPerS;
  REQUIRE(pump_through(*recorder, woken_ns, woken_ns + Recorder::kSilence_ns));
  CHECK(lost_nodes(directory.path()).empty());
  CHECK_FALSE(recorder->cause());
  REQUIRE(recorder->pump(woken_ns + Recorder::kSilence_ns + 1));
  CHECK(lost_nodes(directory.path()) == std::vector{0});
}

TEST_CASE("heartbeats that waited while the recorder itself was paused keep a node alive") {
  const TempDirectory directory;
  const RunKeys keys = *make_run_keys();
  auto recorder = Recorder::open(directory.path(), {kAnyPort}, keys, 1);
  REQUIRE(recorder);
  auto talker = Uplink::connect(recorder->endpoints().front(), keys, 0);
  REQUIRE(pump_until(*recorder, [&] { return recorder->last_heard_ns(0) != 0; }));
  // Less than a pause, turn after turn, in none of which it listened.
  const std::int64_t heard_ns = recorder->last_heard_ns(0);
  const std::int64_t later_ns = heard_ns + Recorder::kSilence_ns + 1;
  REQUIRE(recorder->pump(later_ns - kOwnPause_ns));
  REQUIRE(recorder->last_heard_ns(0) == heard_ns);
  talker->heartbeat();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // it is now in the recorder's queue
  REQUIRE(recorder->pump(later_ns));
  CHECK(recorder->last_heard_ns(0) == later_ns);
  CHECK(lost_nodes(directory.path()).empty());
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
  REQUIRE(pump_until(*recorder, [&] { return recorder->is_over(); }));
  // What a foreign node sends comes over another connection, and leaves no trace before the end that could be awaited.
  for (int i = 0; i < 100; ++i) {
    REQUIRE(recorder->pump());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  recorder->finish();
  CHECK(read_steps(directory.path() / "steps.npy")->empty());
  const std::vector<Json> events = *read_events(directory.path() / "events.jsonl");
  REQUIRE(events.size() == 2);
  CHECK(events[0].at("type") == "goodbye");
  CHECK(events[1].at("type") == "unrecorded");
  CHECK(events[1].at("events") == 3);  // the other node's hello and records, and the text
}

TEST_CASE("a restarted recorder listens at the old endpoint and continues the files") {
  const TempDirectory directory;
  const RunKeys keys = *make_run_keys();
  std::optional<Recorder> recorder = *Recorder::open(directory.path(), {kAnyPort}, keys, 1);
  const std::string endpoint = recorder->endpoints().front();
  auto uplink = Uplink::connect(endpoint, keys, 0);
  REQUIRE(uplink->send_spans(test::numbered_spans(0, 10)));
  REQUIRE(uplink->send_records(test::numbered(0, 10)));
  const auto steps = [&] { return *read_steps(directory.path() / "steps.npy"); };
  REQUIRE(pump_until(*recorder, [&] { return steps().size() == 10; }));
  recorder.reset();
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // the uplink notices
  recorder = *Recorder::open(directory.path(), {endpoint}, keys, 1);
  CHECK(recorder->endpoints().front() == endpoint);
  REQUIRE(uplink->send_spans(test::numbered_spans(10, 10)));
  REQUIRE(uplink->send_records(test::numbered(10, 10)));
  REQUIRE(pump_until(*recorder, [&] { return steps().size() == 20; }));
  CHECK(test::all_numbered(steps()));
  const auto spans = CollectivesFile::open(directory.path() / "collectives.npy");
  CHECK(spans->records().size() == 20);
  CHECK(test::all_numbered(spans->records()));
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

TEST_CASE("wrong sums end no run in a block in which a fault makes them, and do in any other") {
  const TempDirectory directory;
  const RunKeys keys = *make_run_keys();
  Recorder recorder = *Recorder::open(directory.path(), {kAnyPort}, keys, 1);
  recorder.expects_wrong_sums({false, true});
  auto uplink = Uplink::connect(recorder.endpoints().front(), keys, 0);
  const auto send_wrong = [&](std::uint32_t block) {
    auto records = test::numbered(0, 10);
    for (StepRecord& record : records) record.block = block, record.corrupted = 1;
    REQUIRE(uplink->send_records(records));
  };
  send_wrong(1);
  const auto steps = [&] { return read_steps(directory.path() / "steps.npy")->size(); };
  REQUIRE(pump_until(recorder, [&] { return steps() == 10; }));
  CHECK_FALSE(recorder.cause().has_value());
  send_wrong(0);
  REQUIRE(pump_until(recorder, [&] { return recorder.cause().has_value(); }));
  CHECK(recorder.cause()->at("type") == "corruption");
  CHECK(recorder.cause()->at("block") == 0);
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
  const std::int64_t heard_ns = recorder->last_heard_ns(0);
  REQUIRE(pump_through(*recorder, heard_ns, heard_ns + Recorder::kSilence_ns + 1));
  CHECK(count_events(directory.path(), "end_ordered") == 1);
  talker = *Uplink::connect(recorder->endpoints().front(), keys, 0);
  REQUIRE(pump_until(*recorder, [&] { return count_events(directory.path(), "node_back") == 1; }));
  CHECK(order_to(*recorder, *talker)->at("type") == "node_lost");
}

Json died_on(int node) {
  Json event = make_event("rank_died", node, 7);
  event["rank"] = node;
  return event;
}

TEST_CASE("nodes that are heard of and do not end after the order are given up in time, and named") {
  const TempDirectory directory;
  const RunKeys keys = *make_run_keys();
  auto recorder = Recorder::open(directory.path(), {kAnyPort}, keys, 3);
  recorder->give_up_after(20 * kNsPerS);
  std::vector<Uplink> agents;
  for (int node = 0; node < 3; ++node)
    agents.push_back(std::move(*Uplink::connect(recorder->endpoints().front(), keys, node)));
  REQUIRE(agents[0].send_event(died_on(0)));
  REQUIRE(pump_until(*recorder, [&] { return recorder->cause() && recorder->last_heard_ns(2) != 0; }));
  agents[1].goodbye();
  const std::int64_t ordered_ns = monotonic_ns();
  REQUIRE(pump_until(*recorder, [&] { return count_events(directory.path(), "goodbye") == 1; }));
  REQUIRE(pump_through(*recorder, ordered_ns, ordered_ns + 19 * kNsPerS));
  CHECK(count_events(directory.path(), "not_ended") == 0);
  CHECK_FALSE(recorder->is_over());
  REQUIRE(pump_through(*recorder, ordered_ns + 19 * kNsPerS, ordered_ns + 30 * kNsPerS));
  CHECK(recorder->is_over());
  const std::vector<Json> events = *read_events(directory.path() / "events.jsonl");
  const auto told = std::find_if(events.begin(), events.end(), [](const Json& e) { return e["type"] == "not_ended"; });
  REQUIRE(told != events.end());
  CHECK(told->at("nodes") == Json::array({0, 2}));
  CHECK(count_events(directory.path(), "not_ended") == 1);
}

TEST_CASE("a recorder that was started again knows who said goodbye, and where the ranks were") {
  const TempDirectory directory;
  const RunKeys keys = *make_run_keys();
  std::optional<Recorder> recorder = *Recorder::open(directory.path(), {kAnyPort}, keys, 2);
  const std::string endpoint = recorder->endpoints().front();
  auto first = Uplink::connect(endpoint, keys, 0);
  auto second = Uplink::connect(endpoint, keys, 1);
  Json left = make_event("block", 0, 5);
  left.update(Json{{"block", 3}, {"edge", "end"}});
  for (Uplink* uplink : {&*first, &*second}) {
    REQUIRE(uplink->send_event(left));
    left["node"] = 1;
  }
  first->goodbye();
  REQUIRE(pump_until(*recorder, [&] { return count_events(directory.path(), "goodbye") == 1; }));
  REQUIRE(pump_until(*recorder, [&] { return recorder->left_by_all() == 3; }));
  first->close(0);
  recorder.reset();
  recorder = *Recorder::open(directory.path(), {endpoint}, keys, 2);
  CHECK(recorder->left_by_all() == 3);
  const std::int64_t now_ns = monotonic_ns();
  REQUIRE(pump_through(*recorder, now_ns, now_ns + Recorder::kFirstContact_ns + kNsPerS));
  const std::vector<int> lost = lost_nodes(directory.path());
  CHECK(std::find(lost.begin(), lost.end(), 0) == lost.end());
}

/// On a disk of 1.2 MB, the reserve among it, of which the run fills the rest.
std::string record_on_a_full_disk(const std::filesystem::path& directory) {
  const RunKeys keys = *make_run_keys();
  auto recorder = Recorder::open(directory, {kAnyPort}, keys, 1);
  if (!recorder) return recorder.error().message;
  std::string before;
  recorder->before_order([&](const Json& cause) { before = cause.at("type").get<std::string>(); });
  auto uplink = Uplink::connect(recorder->endpoints().front(), keys, 0);
  int errors = 0;
  const auto sent = [&](std::uint32_t batch) {
    auto records = test::numbered(512 * batch, 512);
    for (StepRecord& record : records) record.corrupted = 0;  // wrong sums would end the run first
    return uplink->send_records(records);
  };
  std::uint32_t batches = 0;
  while (batches < 10 && !recorder->cause()) {  // 53 kB each
    if (!sent(batches++)) return "not sent";
    pump_until(
        *recorder, [&] { return recorder->cause() || read_steps(directory / "steps.npy")->size() == 512 * batches; },
        &errors);
  }
  if (!recorder->cause() || recorder->cause()->at("type") != "not_recorded") return "the run does not end";
  if (recorder->cause()->at("message").get<std::string>().find("the disk is full") == std::string::npos)
    return recorder->cause()->dump();
  if (order_to(*recorder, *uplink)->at("type") != "not_recorded") return "no order";
  if (before != "not_recorded") return "nothing was called before the order";
  if (errors != 1) return std::to_string(errors) + " errors instead of one";
  // What the end is told in is kept, records are not: there is no room for both.
  if (!sent(batches++) || !uplink->send_spans(test::numbered_spans(0, 3))) return "not sent";
  for (int i = 0; i < 100; ++i)
    if (!uplink->send_event(make_event("kernel", 0, i))) return "event not sent";
  uplink->goodbye();
  if (!pump_until(
          *recorder, [&] { return recorder->is_over(); }, &errors))
    return "no goodbye";
  recorder->finish();
  if (count_events(directory, "kernel") != 100 || count_events(directory, "end_ordered") != 1)
    return "events are missing";
  const auto steps = *read_steps(directory / "steps.npy");
  const std::vector<Json> events = *read_events(directory / "events.jsonl");
  if (events.back().at("type") != "unrecorded") return events.back().dump();
  if (events.back().at("records") != 512 * batches - steps.size()) return "the lost records are not counted";
  if (events.back().at("events") != 0) return "events are said to be lost";
  if (events.back().at("spans") != 3) return "the lost spans are not counted";
  if (errors != 1) return std::to_string(errors) + " errors instead of one";
  for (std::size_t i = 0; i < steps.size(); ++i)
    if (steps[i].step != i) return "the records are not in order";
  return "";
}

TEST_CASE("a full disk ends the run, and what was lost is said") {
  const TempDirectory directory;
  const std::string report =
      test::on_small_disk(directory.path(), "size=1200k", 0, [&] { return record_on_a_full_disk(directory.path()); });
  if (report.starts_with(test::kCannot))
    test::skip(report);
  else
    CHECK(report == "");
}

}  // namespace
}  // namespace grit

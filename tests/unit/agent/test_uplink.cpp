#include <arpa/inet.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <chrono>
#include <functional>
#include <thread>
#include <zmq.hpp>

#include "harness/agent/uplink.hpp"
#include "harness/base/clock.hpp"
#include "harness/model/event.hpp"
#include "harness/os/reachable.hpp"
#include "tests/catch.hpp"
#include "tests/unit/agent/any_port.hpp"
#include "tests/unit/record/support.hpp"

namespace grit {
namespace {

using Catch::Matchers::Contains;

constexpr auto kHere = "127.0.0.1";
using test::kAnyPort;
constexpr std::int64_t kPatience_ns = 20 * kNsPerS;

void nap(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

/// Receives until `enough` says so or patience ends; returns all that came.
std::vector<Message> receive_until(RecorderSocket& recorder,
                                   const std::function<bool(const std::vector<Message>&)>& enough) {
  std::vector<Message> messages;
  const std::int64_t deadline_ns = monotonic_ns() + kPatience_ns;
  while (!enough(messages) && monotonic_ns() < deadline_ns) {
    if (auto message = recorder.receive())
      messages.push_back(std::move(*message));
    else
      nap(1);
  }
  return messages;
}

bool last_is(const std::vector<Message>& messages, MessageKind kind) {
  return !messages.empty() && messages.back().kind == kind;
}

const auto kUntilGoodbye = [](const std::vector<Message>& messages) { return last_is(messages, MessageKind::goodbye); };

/// A client that speaks ZeroMQ but is not an Uplink, and whose failed handshakes can be seen.
class Stranger {
 public:
  explicit Stranger(const std::string& endpoint, const RunKeys* keys = nullptr) {
    dealer_.set(zmq::sockopt::linger, 0);
    if (keys != nullptr) {
      dealer_.set(zmq::sockopt::curve_serverkey, keys->server_public);
      dealer_.set(zmq::sockopt::curve_publickey, keys->client_public);
      dealer_.set(zmq::sockopt::curve_secretkey, keys->client_secret);
    }
    REQUIRE(::zmq_socket_monitor(dealer_.handle(), "inproc://monitor",
                                 ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) == 0);
    monitor_.set(zmq::sockopt::linger, 0);
    monitor_.connect("inproc://monitor");
    dealer_.connect(endpoint);
  }
  Stranger(const Stranger&) = delete;
  Stranger& operator=(const Stranger&) = delete;
  ~Stranger() { ::zmq_socket_monitor(dealer_.handle(), nullptr, 0); }

  void send(const std::vector<std::string>& frames) {
    for (std::size_t i = 0; i < frames.size(); ++i)
      dealer_.send(zmq::buffer(frames[i]), i + 1 < frames.size() ? zmq::send_flags::sndmore : zmq::send_flags::none);
  }
  /// Was it turned away? (A failed handshake, or the connection closed by the other side.)
  bool turned_away() {
    zmq::message_t event;
    return monitor_.recv(event, zmq::recv_flags::dontwait).has_value();
  }

 private:
  zmq::context_t context_{1};
  zmq::socket_t dealer_{context_, zmq::socket_type::dealer};
  zmq::socket_t monitor_{context_, zmq::socket_type::pair};
};

TEST_CASE("run keys survive their JSON, whole and without the server's secret") {
  const auto keys = make_run_keys();
  REQUIRE(keys);
  const auto back = run_keys_from_json(to_json(*keys));
  REQUIRE(back);
  CHECK(to_json(*back) == to_json(*keys));
  CHECK(keys->server_public != make_run_keys()->server_public);

  RunKeys client = *keys;
  client.server_secret.clear();
  CHECK(run_keys_from_json(to_json(client)));
  CHECK_FALSE(RecorderSocket::bind({kAnyPort}, client));

  Json wrong = to_json(*keys);
  wrong["client_secret"] = make_run_keys()->client_secret;
  CHECK_THAT(run_keys_from_json(wrong).error().message, Contains("client_secret"));
  wrong = to_json(*keys);
  wrong["server_public"] = "short";
  CHECK_THAT(run_keys_from_json(wrong).error().message, Contains("server_public"));
  wrong.erase("server_public");
  CHECK(run_keys_from_json(wrong).error().kind == ErrorKind::usage);
}

TEST_CASE("the recorder listens on named addresses of this machine only") {
  const RunKeys keys = *make_run_keys();
  for (const char* endpoint : {"tcp://0.0.0.0:*", "tcp://[::]:*", "tcp://*:*", "tcp://localhost:*", "127.0.0.1", ""})
    CHECK(RecorderSocket::bind({endpoint}, keys).error().kind == ErrorKind::usage);
  const std::string nobodys = "tcp://192.0.2.1:*";  // TEST-NET-1
  CHECK(RecorderSocket::bind({nobodys}, keys).error().kind == ErrorKind::unavailable);
  CHECK(RecorderSocket::bind({nobodys, kAnyPort}, keys)->endpoints().size() == 1);

  auto recorder = RecorderSocket::bind({kAnyPort}, keys);
  REQUIRE(recorder);
  CHECK_THAT(recorder->endpoints().front(), Catch::Matchers::StartsWith("tcp://127.0.0.1:"));
  const int port = parse_endpoint(recorder->endpoints().front())->port;
  const Error taken = RecorderSocket::bind({kAnyPort, recorder->endpoints().front()}, keys).error();
  CHECK(taken.kind == ErrorKind::unavailable);
  CHECK_THAT(taken.message, Contains(fmt::format("127.0.0.1 port {}", port)) && Contains("--port"));

  const Fd probe(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in elsewhere{};
  elsewhere.sin_family = AF_INET;
  elsewhere.sin_port = htons(static_cast<std::uint16_t>(port));
  elsewhere.sin_addr.s_addr = ::inet_addr("127.0.0.2");
  CHECK(::connect(probe.get(), reinterpret_cast<const sockaddr*>(&elsewhere), sizeof elsewhere) != 0);
}

TEST_CASE("an agent on IPv4 and one on IPv6 reach the same recorder, whoever connects and says nothing") {
  const RunKeys keys = *make_run_keys();
  auto recorder = RecorderSocket::bind({kAnyPort, "tcp://[::1]:*"}, keys);
  REQUIRE(recorder);
  const auto endpoints = recorder->endpoints();
  REQUIRE(endpoints.size() == 2);
  std::vector<Endpoint> probed;
  for (const std::string& endpoint : endpoints) probed.push_back(*parse_endpoint(endpoint));
  for (int i = 0; i < 100; ++i)
    for (const Status& reached : try_to_connect(probed, kNsPerS)) REQUIRE(reached);
  auto v4 = Uplink::connect(endpoints[0], keys, 0), v6 = Uplink::connect(endpoints[1], keys, 1);
  REQUIRE((v4 && v6));
  const auto heard = receive_until(*recorder, [](const auto& messages) { return messages.size() >= 2; });
  REQUIRE(heard.size() == 2);
  CHECK(heard[0].node + heard[1].node == 1);
  CHECK(recorder->send(0, MessageKind::heartbeat));
  CHECK(recorder->send(1, MessageKind::heartbeat));
  CHECK(recorder->malformed() + recorder->refused() == 0);
}

TEST_CASE("with the run's key everything arrives, in order") {
  const RunKeys keys = *make_run_keys();
  auto recorder = RecorderSocket::bind({kAnyPort}, keys);
  REQUIRE(recorder);
  auto uplink = Uplink::connect(recorder->endpoints().front(), keys, 3);
  REQUIRE(uplink);
  const std::uint32_t count = 2 * Uplink::kRecordsPerMessage + 1;
  REQUIRE(uplink->send_event(make_event("run", 3, 7)));
  REQUIRE(uplink->send_records(test::numbered(0, count)));
  REQUIRE(uplink->send_spans(test::numbered_spans(0, 3)));
  uplink->heartbeat();
  uplink->goodbye();
  const auto messages = receive_until(*recorder, kUntilGoodbye);

  std::vector<MessageKind> kinds;
  std::vector<StepRecord> records;
  for (const Message& message : messages) {
    CHECK(message.node == 3);
    kinds.push_back(message.kind);
    if (message.kind == MessageKind::event) CHECK(parse_json(message.payload) == make_event("run", 3, 7));
    if (message.kind == MessageKind::spans) CHECK(message.payload.size() == 3 * sizeof(CollectiveRecord));
    if (message.kind != MessageKind::records) continue;
    const auto* first = message.payload.data();
    for (std::size_t at = 0; at < message.payload.size(); at += sizeof(StepRecord))
      std::memcpy(&records.emplace_back(), first + at, sizeof(StepRecord));
  }
  using Kind = MessageKind;
  CHECK(kinds == std::vector{Kind::hello, Kind::event, Kind::records, Kind::records, Kind::records, Kind::spans,
                             Kind::heartbeat, Kind::goodbye});
  CHECK(records.size() == count);
  CHECK(test::all_numbered(records));
  CHECK(recorder->refused() == 0);
  CHECK(recorder->malformed() == 0);
  CHECK(uplink->dropped_messages() == 0);
}

TEST_CASE("nobody without the run's client key gets anything through") {
  const RunKeys keys = *make_run_keys();
  auto recorder = RecorderSocket::bind({kAnyPort}, keys);
  REQUIRE(recorder);
  std::vector<Message> messages;
  const auto until = [&](const std::function<bool()>& condition) {
    const std::int64_t deadline_ns = monotonic_ns() + kPatience_ns;
    while (!condition() && monotonic_ns() < deadline_ns) {
      if (auto message = recorder->receive()) messages.push_back(std::move(*message));
      nap(1);
    }
    return condition();
  };

  SECTION("a stranger with the server's public key and a key pair of his own") {
    RunKeys stolen = *make_run_keys();
    stolen.server_public = keys.server_public;
    auto stranger = Uplink::connect(recorder->endpoints().front(), stolen, 1);
    REQUIRE(stranger);
    REQUIRE(stranger->send_event(make_event("run", 1)));
    CHECK(until([&] { return recorder->refused() >= 1; }));
  }
  SECTION("the client of another run") {
    const RunKeys other = *make_run_keys();
    Stranger stranger(recorder->endpoints().front(), &other);
    stranger.send({"goodbye", "1", ""});
    CHECK(until([&] { return stranger.turned_away(); }));
  }
  SECTION("no CURVE at all") {
    Stranger stranger(recorder->endpoints().front());
    stranger.send({"goodbye", "1", ""});
    CHECK(until([&] { return stranger.turned_away(); }));
  }
  SECTION("bytes that are not ZeroMQ") {
    const Fd raw(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in there{};
    there.sin_family = AF_INET;
    there.sin_port = htons(static_cast<std::uint16_t>(parse_endpoint(recorder->endpoints().front())->port));
    there.sin_addr.s_addr = ::inet_addr(kHere);
    REQUIRE(::connect(raw.get(), reinterpret_cast<const sockaddr*>(&there), sizeof there) == 0);
    REQUIRE(::send(raw.get(), "GET / HTTP/1.1\r\n\r\n", 18, MSG_NOSIGNAL) == 18);
  }
  CHECK(messages.empty());

  auto uplink = Uplink::connect(recorder->endpoints().front(), keys, 2);
  REQUIRE(uplink);
  uplink->goodbye();
  const auto good = receive_until(*recorder, kUntilGoodbye);
  REQUIRE(good.size() == 2);
  for (const Message& message : good) CHECK(message.node == 2);
}

TEST_CASE("malformed messages are counted and dropped, and the good ones between them arrive") {
  const RunKeys keys = *make_run_keys();
  auto recorder = RecorderSocket::bind({kAnyPort}, keys);
  REQUIRE(recorder);
  Stranger insider(recorder->endpoints().front(), &keys);
  const std::vector<std::vector<std::string>> wrong{
      {"event"},
      {"event", "0"},
      {"event", "0", "{}", "more"},
      {"no such kind", "0", "{}"},
      {"event", "-1", "{}"},
      {"event", "one", "{}"},
      {"event", "99999999999999999999", "{}"},
      {"event", "", "{}"},
      {"records", "0", std::string(sizeof(StepRecord) + 1, 'x')},
  };
  for (const auto& frames : wrong) {
    insider.send(frames);
    insider.send({"event", "0", "{}"});
  }
  insider.send({"goodbye", "0", ""});
  const auto messages = receive_until(*recorder, kUntilGoodbye);
  CHECK(messages.size() == wrong.size() + 1);
  CHECK(recorder->malformed() == wrong.size());

  insider.send({"event", "0", std::string(static_cast<std::size_t>(kLargestMessage_bytes) + 1, 'x')});
  const std::int64_t deadline_ns = monotonic_ns() + kPatience_ns;
  while (!insider.turned_away() && monotonic_ns() < deadline_ns) CHECK_FALSE(recorder->receive());
  insider.send({"goodbye", "0", ""});
  CHECK(receive_until(*recorder, kUntilGoodbye).size() == 1);  // he is let in again, the large one is gone
}

TEST_CASE("an event too large for the recorder is refused where it is made") {
  const RunKeys keys = *make_run_keys();
  auto recorder = RecorderSocket::bind({kAnyPort}, keys);
  REQUIRE(recorder);
  auto uplink = Uplink::connect(recorder->endpoints().front(), keys, 0);
  REQUIRE(uplink);
  Json event = make_event("witness", 0);
  event["what"] = std::string(static_cast<std::size_t>(kLargestMessage_bytes), 'x');
  CHECK_FALSE(uplink->send_event(event));
  CHECK(uplink->dropped_messages() == 1);
  CHECK(uplink->dropped_events() == 1);
  uplink->goodbye();
  CHECK(receive_until(*recorder, kUntilGoodbye).size() == 2);
}

int number_of(const Message& message) { return parse_json(message.payload)->at("number").get<int>(); }

Json numbered_event(int number) {
  Json event = make_event("run", 0);
  event["number"] = number;
  return event;
}

TEST_CASE("the recorder comes back on the same port: the uplink reconnects and delivers what waited, in order") {
  const RunKeys keys = *make_run_keys();
  std::optional<RecorderSocket> recorder = *RecorderSocket::bind({kAnyPort}, keys);
  const std::string endpoint = recorder->endpoints().front();
  auto uplink = Uplink::connect(endpoint, keys, 0);
  REQUIRE(uplink);
  REQUIRE(uplink->send_event(numbered_event(-1)));
  REQUIRE(receive_until(*recorder, [](const auto& all) { return last_is(all, MessageKind::event); }).size() == 2);

  recorder.reset();
  nap(500);  // the uplink sees the closed connection; what it sent before that would be gone with the old recorder
  for (int number = 0; number < 100; ++number) REQUIRE(uplink->send_event(numbered_event(number)));
  recorder = *RecorderSocket::bind({endpoint}, keys);
  uplink->goodbye();
  const auto messages = receive_until(*recorder, kUntilGoodbye);
  REQUIRE(messages.size() == 101);
  for (int number = 0; number < 100; ++number) CHECK(number_of(messages[static_cast<std::size_t>(number)]) == number);
}

/// A port of loopback that is taken, with nobody listening: connections are refused.
struct DeadPort {
  Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::string endpoint{};
  DeadPort() {
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = ::inet_addr(kHere);
    socklen_t size = sizeof here;
    REQUIRE(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&here), size) == 0);
    REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&here), &size) == 0);
    endpoint = fmt::format("tcp://{}:{}", kHere, ntohs(here.sin_port));
  }
};

TEST_CASE("with no recorder the backlog is bounded, what is dropped is counted, and an error says so once") {
  const DeadPort nobody;
  auto uplink = Uplink::connect(nobody.endpoint, *make_run_keys(), 0);
  REQUIRE(uplink);
  int errors = 0;
  for (int i = 0; i < Uplink::kBacklogMessages + 50; ++i)
    if (!uplink->send_event(numbered_event(i))) ++errors;
  CHECK(errors == 1);
  CHECK(uplink->dropped_messages() == 51);                                         // the hello has a place, too
  CHECK(uplink->send_records(test::numbered(0, Uplink::kRecordsPerMessage + 1)));  // said already
  CHECK(uplink->dropped_records() == Uplink::kRecordsPerMessage + 1);
  const std::int64_t before_ns = monotonic_ns();
  uplink->close(100);
  CHECK(monotonic_ns() - before_ns < kPatience_ns);
  uplink->goodbye();  // after close: counted, not sent
  CHECK(uplink->dropped_messages() == 54);
}

TEST_CASE("the recorder answers: every agent by its own connection, also after it came back on the same port") {
  const RunKeys keys = *make_run_keys();
  std::optional<RecorderSocket> recorder = *RecorderSocket::bind({kAnyPort}, keys);
  const std::string endpoint = recorder->endpoints().front();
  auto first = Uplink::connect(endpoint, keys, 0);
  auto second = Uplink::connect(endpoint, keys, 1);
  const auto hear = [](Uplink& uplink) {
    const std::int64_t deadline_ns = monotonic_ns() + kPatience_ns;
    while (monotonic_ns() < deadline_ns) {
      if (auto message = uplink.receive()) return message;
      nap(1);
    }
    return std::optional<Message>();
  };
  CHECK_FALSE(first->receive());
  recorder->send(0, MessageKind::heartbeat);  // never heard of: goes nowhere
  const auto both = [](const std::vector<Message>& all) { return all.size() == 2; };
  for (int round = 0; round < 2; ++round) {
    REQUIRE(receive_until(*recorder, both).size() == 2);
    recorder->send(1, MessageKind::end, R"({"type":"rank_died"})");
    recorder->send(0, MessageKind::heartbeat);
    const auto beat = hear(*first), order = hear(*second);
    REQUIRE((beat && order));
    CHECK(beat->kind == MessageKind::heartbeat);
    CHECK(order->kind == MessageKind::end);
    CHECK(order->payload == R"({"type":"rank_died"})");
    CHECK_FALSE(first->receive());
    if (round == 1) break;
    recorder.reset();
    nap(500);
    first->heartbeat();
    second->heartbeat();
    recorder = *RecorderSocket::bind({endpoint}, keys);
  }
}

TEST_CASE("close() hands over what is queued") {
  const RunKeys keys = *make_run_keys();
  auto recorder = RecorderSocket::bind({kAnyPort}, keys);
  REQUIRE(recorder);
  std::thread agent([&] {
    auto uplink = Uplink::connect(recorder->endpoints().front(), keys, 0);
    for (int i = 0; i < 1000; ++i) GRIT_ASSERT(uplink->send_event(numbered_event(i)));
    uplink->goodbye();
    uplink->close(20'000);
  });
  const auto messages = receive_until(*recorder, kUntilGoodbye);
  agent.join();
  CHECK(messages.size() == 1002);
}

TEST_CASE("an uplink needs an endpoint and keys that are well formed") {
  const RunKeys keys = *make_run_keys();
  CHECK(Uplink::connect("somewhere", keys, 0).error().kind == ErrorKind::usage);
  RunKeys wrong = keys;
  wrong.client_secret.resize(1);
  CHECK(Uplink::connect("tcp://127.0.0.1:5", wrong, 0).error().kind == ErrorKind::usage);
}

}  // namespace
}  // namespace grit

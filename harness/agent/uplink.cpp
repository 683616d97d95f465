#include "harness/agent/uplink.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "harness/agent/uplink_wire.hpp"
#include "harness/base/clock.hpp"
#include "harness/os/reachable.hpp"

namespace grit {
namespace {

constexpr int kReconnectFirst_ms = 50;
constexpr int kReconnectLongest_ms = 1000;
constexpr int kConnectTimeout_ms = 3000;  // the kernel's own, over two minutes, would outlast a run

}  // namespace

// The socket after the context: it can end only when it is closed.
struct Uplink::State {
  zmq::context_t context{1};
  zmq::socket_t dealer{context, zmq::socket_type::dealer};
  std::string node{};
  std::uint64_t dropped_messages = 0;
  std::uint64_t dropped_records = 0;
  std::uint64_t dropped_events = 0;
  bool said_full = false;
  std::int64_t last_sent_ns = 0;

  void open(const std::string& endpoint, const RunKeys& keys);
  bool send(MessageKind kind, std::string_view payload);
  Status say_dropped(std::string_view what);
};

void Uplink::State::open(const std::string& endpoint, const RunKeys& keys) {
  dealer.set(zmq::sockopt::linger, 0);
  dealer.set(zmq::sockopt::curve_serverkey, keys.server_public);
  dealer.set(zmq::sockopt::curve_publickey, keys.client_public);
  dealer.set(zmq::sockopt::curve_secretkey, keys.client_secret);
  // The queue is the backlog. ZMQ_IMMEDIATE stays off: with it the queue would be thrown away at every lost connection.
  dealer.set(zmq::sockopt::sndhwm, kBacklogMessages);
  dealer.set(zmq::sockopt::reconnect_ivl, kReconnectFirst_ms);
  dealer.set(zmq::sockopt::reconnect_ivl_max, kReconnectLongest_ms);
  dealer.set(zmq::sockopt::connect_timeout, kConnectTimeout_ms);
  dealer.set(zmq::sockopt::heartbeat_ivl, kConnectionBeat_ms);
  dealer.set(zmq::sockopt::heartbeat_timeout, kConnectionSilence_ms);
  dealer.set(zmq::sockopt::ipv6, endpoint.find('[') != std::string::npos);
  dealer.connect(endpoint);
}

/// False: there was no room and nothing was sent.
bool Uplink::State::send(MessageKind kind, std::string_view payload) {
  try {
    using zmq::send_flags;
    if (!dealer.handle() || !dealer.send(zmq::buffer(to_string(kind)), send_flags::sndmore | send_flags::dontwait)) {
      ++dropped_messages;
      return false;
    }
    // The first frame found room for the message: the others never wait.
    dealer.send(zmq::buffer(node), send_flags::sndmore | send_flags::dontwait);
    dealer.send(zmq::buffer(payload), send_flags::dontwait);
    last_sent_ns = monotonic_ns();
    return true;
  } catch (const zmq::error_t&) {
    ++dropped_messages;
    return false;
  }
}

Status Uplink::State::say_dropped(std::string_view what) {
  if (std::exchange(said_full, true)) return {};
  return internal_error(
      fmt::format("{} dropped: the recorder has not taken anything for {} messages; is its node reachable?", what,
                  kBacklogMessages));
}

Uplink::Uplink(std::unique_ptr<State> state) : state_(std::move(state)) {}
Uplink::Uplink(Uplink&& other) noexcept = default;
Uplink& Uplink::operator=(Uplink&& other) noexcept = default;
Uplink::~Uplink() = default;

Result<Uplink> Uplink::connect(const std::string& endpoint, const RunKeys& keys, int node_index) {
  GRIT_TRY(const Endpoint where, parse_endpoint(endpoint));
  if (where.port == 0) return usage_error("'" + endpoint + "' names no port to connect to");
  GRIT_CHECK(check_client_keys(keys));
  try {
    auto state = std::make_unique<State>();
    state->node = std::to_string(node_index);
    state->open(endpoint, keys);
    state->send(MessageKind::hello, "");
    return Uplink(std::move(state));
  } catch (const zmq::error_t& error) {
    return usage_error(fmt::format("cannot connect to the recorder at {}: {}", endpoint, error.what()));
  }
}

Status Uplink::send_event(const Json& event) {
  const std::string text = json_text(event);
  // The recorder would close the connection on a larger one.
  if (static_cast<std::int64_t>(text.size()) > kLargestMessage_bytes) {
    ++state_->dropped_messages;
    ++state_->dropped_events;
    return internal_error(
        fmt::format("an event of {} bytes was dropped: the limit is {}", text.size(), kLargestMessage_bytes));
  }
  if (state_->send(MessageKind::event, text)) return {};
  ++state_->dropped_events;
  return state_->say_dropped("an event was");
}

Status Uplink::send_records(std::span<const StepRecord> records) {
  static_assert(kRecordsPerMessage * sizeof(StepRecord) <= static_cast<std::size_t>(kLargestMessage_bytes));
  bool all_sent = true;
  while (!records.empty()) {
    const auto part = records.first(std::min(records.size(), kRecordsPerMessage));
    records = records.subspan(part.size());
    if (state_->send(MessageKind::records, {reinterpret_cast<const char*>(part.data()), part.size_bytes()})) continue;
    all_sent = false;
    state_->dropped_records += part.size();
  }
  return all_sent ? Status() : state_->say_dropped("step records were");
}

bool Uplink::send_spans(std::span<const CollectiveRecord> spans) {
  GRIT_ASSERT(spans.size() <= kSpansPerMessage);
  return state_->send(MessageKind::spans, {reinterpret_cast<const char*>(spans.data()), spans.size_bytes()});
}

std::optional<Message> Uplink::receive() {
  try {
    if (!state_->dealer.handle()) return std::nullopt;
    for (;;) {
      const auto frames = receive_frames(state_->dealer);
      if (frames.empty()) return std::nullopt;
      if (auto message = parse_message(frames)) return message;
    }
  } catch (const zmq::error_t&) {
    return std::nullopt;  // EINTR: the caller's loop comes back
  }
}

int Uplink::descriptor() const { return state_->dealer.get(zmq::sockopt::fd); }

bool Uplink::has_message() const { return (state_->dealer.get(zmq::sockopt::events) & ZMQ_POLLIN) != 0; }

std::int64_t Uplink::last_sent_ns() const { return state_->last_sent_ns; }

void Uplink::heartbeat() { state_->send(MessageKind::heartbeat, ""); }

void Uplink::goodbye() { state_->send(MessageKind::goodbye, ""); }

void Uplink::close(int linger_ms) {
  try {
    if (state_->dealer.handle()) state_->dealer.set(zmq::sockopt::linger, linger_ms);
    state_->dealer.close();
    state_->context.close();  // waits for the linger time at most
  } catch (const zmq::error_t&) {
    return;  // EINTR: what is left is dropped when the object goes
  }
}

std::uint64_t Uplink::dropped_messages() const { return state_->dropped_messages; }

std::uint64_t Uplink::dropped_events() const { return state_->dropped_events; }

std::uint64_t Uplink::dropped_records() const { return state_->dropped_records; }

}  // namespace grit

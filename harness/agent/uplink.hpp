// How agents report to the recorder and hear from it: ZeroMQ (DEALER and ROUTER over TCP), encrypted and authenticated
// by CURVE (RFC 26) with keys made for one run. Whoever lacks the run's client key gets nothing through.
//
// A message has three frames: kind, node index in decimal, payload. To the recorder: all kinds but `end`. From it:
// heartbeats, `taken`, the receipt for a message of spans, and `end`, the order to take all faults off and to end the
// node's ranks. Orders are for ending, never for timing: no fault waits for one.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"
#include "harness/model/collective_record.hpp"
#include "harness/model/step_record.hpp"

namespace grit {

/// CURVE key pairs of one run in Z85 (RFC 32), 40 characters each. server_secret is for the recorder alone; it is empty
/// in what the other agents get.
struct RunKeys {
  std::string server_public{};
  std::string server_secret{};
  std::string client_public{};
  std::string client_secret{};
};

/// Error (unavailable): libzmq was built without CURVE.
Result<RunKeys> make_run_keys();

Json to_json(const RunKeys& keys);
/// Error (usage): a key is missing, is not Z85, or a secret does not belong to its public key.
Result<RunKeys> run_keys_from_json(const Json& json);

enum class MessageKind { hello, event, records, heartbeat, goodbye, end, spans, taken };
std::string_view to_string(MessageKind kind);

/// What is received. Payload: a JSON object for event and end (its cause: the event that told it), whole StepRecords
/// for records, whole CollectiveRecords for spans, empty for the others.
struct Message {
  MessageKind kind = MessageKind::hello;
  int node = 0;
  std::string payload{};
};

/// libzmq asks for a sign of life so often, and takes the connection for gone when none comes within
/// kConnectionSilence_ms.
constexpr int kConnectionBeat_ms = 2000;
constexpr int kConnectionSilence_ms = 3000;
constexpr std::int64_t kLargestMessage_bytes = std::int64_t{8} << 20;

/// The recorder's end. Serves its own authentication (ZAP, RFC 27) in receive(), without a thread: call it whenever one
/// of sockets() is readable.
class RecorderSocket {
 public:
  /// Listens on these endpoints (harness/os/reachable.hpp) of this machine, of both address families; the port "*"
  /// takes a free one on each. An address that this machine does not have now (an IPv6 one whose link is down, or that
  /// is not yet known to be nobody else's) is left out, as long as there is another. Error (usage): not an endpoint, or
  /// a wildcard address. Error (unavailable): it has none of them, or a port is taken or not allowed.
  static Result<RecorderSocket> bind(const std::vector<std::string>& endpoints, const RunKeys& keys);

  RecorderSocket(RecorderSocket&& other) noexcept;
  RecorderSocket& operator=(RecorderSocket&& other) noexcept;
  RecorderSocket(const RecorderSocket&) = delete;
  RecorderSocket& operator=(const RecorderSocket&) = delete;
  ~RecorderSocket();

  /// Those it listens on, with their ports: "tcp://10.77.0.1:40123". At least one.
  [[nodiscard]] const std::vector<std::string>& endpoints() const;
  /// For zmq_poll with ZMQ_POLLIN: messages, and strangers to be judged.
  [[nodiscard]] std::array<void*, 2> sockets() const;

  /// The next well-formed message, or nothing when there is none now. Never blocks. What is malformed is counted and
  /// dropped; a frame above kLargestMessage_bytes makes libzmq close the connection it came by.
  std::optional<Message> receive();

  /// To the agent of a node, by the connection its last message came by. False: there is none, or it is gone: closed,
  /// or libzmq's own heartbeats, which a thread of the other process answers however busy that is, found no answer for
  /// kConnectionSilence_ms. Never blocks; what does not go through now is dropped: say it again.
  bool send(int node, MessageKind kind, std::string_view payload = {});

  [[nodiscard]] std::uint64_t malformed() const;  // messages dropped
  [[nodiscard]] std::uint64_t refused() const;    // handshakes with a key that is not this run's

 private:
  struct State;
  explicit RecorderSocket(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// An agent's end. Nothing here blocks but close(). While the recorder cannot be reached messages wait, at most
/// kBacklogMessages of them; further ones are dropped and counted. They are delivered, in order, when it is back on the
/// same endpoint; what a dead recorder had already taken is gone with it.
class Uplink {
 public:
  static constexpr int kBacklogMessages = 2048;  // of records: 14 MB
  static constexpr std::size_t kRecordsPerMessage = 64;
  static constexpr std::size_t kSpansPerMessage = 512;  // 28 KB

  /// Starts connecting, to go on by itself until it succeeds, and queues a hello. Error (usage): the endpoint or a key
  /// is malformed.
  static Result<Uplink> connect(const std::string& endpoint, const RunKeys& keys, int node_index);

  Uplink(Uplink&& other) noexcept;
  Uplink& operator=(Uplink&& other) noexcept;
  Uplink(const Uplink&) = delete;
  Uplink& operator=(const Uplink&) = delete;
  /// Like close(0).
  ~Uplink();

  /// Error (internal): the message was dropped because the backlog is full (said once, counted always), or it is larger
  /// than kLargestMessage_bytes.
  Status send_event(const Json& event);
  Status send_records(std::span<const StepRecord> records);
  /// One message, of kSpansPerMessage at most. False: it was dropped. Who sends them keeps few on their way
  /// (span_carrier.hpp), so that they are never in the way of anything else.
  bool send_spans(std::span<const CollectiveRecord> spans);
  /// What the recorder says; nothing when there is nothing now. Never blocks.
  std::optional<Message> receive();
  /// For poll(2) with POLLIN. It becomes readable only once for what has come: before each poll ask has_message(), and
  /// when either says so call receive() until there is nothing (ZMQ_FD, zmq_getsockopt(3)).
  [[nodiscard]] int descriptor() const;
  [[nodiscard]] bool has_message() const;
  /// When a message last went out (CLOCK_MONOTONIC): each is a sign of life as good as a heartbeat.
  [[nodiscard]] std::int64_t last_sent_ns() const;
  /// Errors are only counted: the recorder's "node lost" says the same.
  void heartbeat();
  void goodbye();

  /// Waits at most this long for queued messages to be handed to the kernel, then drops the rest. Sending is over.
  void close(int linger_ms);

  [[nodiscard]] std::uint64_t dropped_messages() const;  // of all kinds
  [[nodiscard]] std::uint64_t dropped_events() const;
  [[nodiscard]] std::uint64_t dropped_records() const;

 private:
  struct State;
  explicit Uplink(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace grit

// The recorder: what the agents report goes into the run directory as it comes, so that a run that is cut short at any
// moment is finished by the same code from the same files. It knows who is alive, and what it is told that ends a run
// (harness/model/ending.hpp) it makes the end of the run everywhere.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/agent/uplink.hpp"
#include "harness/base/clock.hpp"
#include "harness/record/run_dir.hpp"

namespace grit {

class Recorder {
 public:
  /// A node that has been heard of, is silent for longer and whose connection is gone is lost. Agents send a heartbeat
  /// every two seconds, but one that does something slow (a fault's own command, a link that takes long to come up) is
  /// busy and not lost: its connection lives.
  static constexpr std::int64_t kSilence_ns = 5 * kNsPerS;
  /// The same for one that was never heard of: its agent may still be starting.
  static constexpr std::int64_t kFirstContact_ns = 30 * kNsPerS;

  /// Listens on the endpoints as RecorderSocket::bind() does, and opens steps.npy and events.jsonl of the run
  /// directory, continuing what is there. After a restart give it the endpoints() of its predecessor, to which the
  /// agents come back. Nodes are 0 .. nodes - 1.
  static Result<Recorder> open(const std::filesystem::path& run_directory, const std::vector<std::string>& endpoints,
                               const RunKeys& keys, int nodes);

  [[nodiscard]] const std::vector<std::string>& endpoints() const { return socket_.endpoints(); }
  /// For zmq_poll with ZMQ_POLLIN; call pump() when one is readable, and now and then to notice silent nodes.
  [[nodiscard]] std::array<void*, 2> sockets() const { return socket_.sockets(); }

  /// How long after the first report of a hang the run ends: the other agents then say where their ranks stand, too.
  static constexpr std::int64_t kOthersReport_ns = kNsPerS;
  /// How often each agent hears of the recorder, and how often it is told to end until it says goodbye.
  static constexpr std::int64_t kBeat_ns = 2 * kNsPerS;
  static constexpr std::int64_t kOrderAgain_ns = 200 * kNsPerMs;

  /// Writes what has arrived; returns how many messages. Silent nodes get a "node_lost" event, and "node_back" when
  /// they are heard of again. An error says that writing failed (a full disk), once for each file; what could not be
  /// written is counted and later batches are tried anew. Then heartbeats, or orders to end, to all agents that are
  /// due.
  Result<std::size_t> pump(std::int64_t now_ns = monotonic_ns());

  /// When a node's last message was taken in, CLOCK_MONOTONIC of this node; 0: never.
  [[nodiscard]] std::int64_t last_heard_ns(int node) const {
    return nodes_[static_cast<std::size_t>(node)].last_heard_ns;
  }
  [[nodiscard]] bool all_said_goodbye() const;
  /// The event for which the run is being ended; nothing: it goes on.
  [[nodiscard]] const std::optional<Json>& cause() const { return cause_; }
  /// The last block that the ranks of every node which is not lost have left; their records of it are written down.
  [[nodiscard]] int left_by_all() const;
  /// Every node has said goodbye or is lost: nothing more will come.
  [[nodiscard]] bool is_over() const;
  /// Whoever was heard of at all has said goodbye or is lost.
  [[nodiscard]] bool is_quiet() const;
  /// Declared lost so far, in the order of their index.
  [[nodiscard]] std::vector<int> lost_nodes() const;

  [[nodiscard]] std::uint64_t malformed() const { return socket_.malformed() + malformed_; }
  [[nodiscard]] std::uint64_t refused() const { return socket_.refused(); }
  [[nodiscard]] std::uint64_t unwritten_records() const { return unwritten_records_; }
  [[nodiscard]] std::uint64_t unwritten_events() const { return unwritten_events_; }

 private:
  struct NodeState {
    std::int64_t last_heard_ns = 0;
    int left_block = -1;  // Block::index, of its last "block" event with edge "end"
    bool said_goodbye = false;
    bool lost = false;
  };

  Recorder(RecorderSocket socket, StepsWriter steps, EventsWriter events, int nodes);
  Status take(const Message& message, std::int64_t now_ns);
  Status write_event(const Json& event);
  Status take_event(NodeState& node, Json event, std::int64_t now_ns);
  Status find_corruption(std::int64_t now_ns);
  void note_cause(const Json& event, std::int64_t now_ns);
  Status speak(std::int64_t now_ns);
  void note_end_of_block(NodeState& node, const Json& event);
  Status write_batch();
  Status find_lost_nodes(std::int64_t now_ns);

  RecorderSocket socket_;
  StepsWriter steps_;
  EventsWriter events_;
  std::vector<NodeState> nodes_;
  std::vector<StepRecord> batch_{};
  std::int64_t opened_ns_ = monotonic_ns();
  std::uint64_t malformed_ = 0;
  std::uint64_t unwritten_records_ = 0;
  std::uint64_t unwritten_events_ = 0;
  std::optional<Json> cause_{};
  std::int64_t end_at_ns_ = 0;  // from when on the order goes out; with a cause
  std::int64_t spoke_at_ns_ = 0;
  bool end_ordered_ = false;
  bool corruption_told_ = false;
  bool said_steps_ = false;
  bool said_events_ = false;
};

}  // namespace grit

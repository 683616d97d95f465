// The recorder: what the agents report goes into the run directory as it comes, so that a run that is cut short at any
// moment is finished by the same code from the same files. It knows who is alive, and what it is told that ends a run
// (harness/model/ending.hpp) it makes the end of the run everywhere.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/agent/uplink.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/own_pause.hpp"
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

  /// Listens on the endpoints as RecorderSocket::bind() does, and opens steps.npy, collectives.npy and
  /// events.jsonl of the run directory, continuing what is there. After a restart give it the endpoints() of its predecessor, to which the
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
  /// they are heard of again. An error says that writing failed (a full disk), once: that ends the run. Step records
  /// are not kept from then on; events are, as long as they fit into the space that was put aside for them. Then
  /// heartbeats, or orders to end, to all agents that are due.
  Result<std::size_t> pump(std::int64_t now_ns = monotonic_ns());

  /// Called with the event that ends the run, right before the first order to end goes out.
  void before_order(std::function<void(const Json& cause)> call) { before_order_ = std::move(call); }
  /// How long after the order nodes may take that are heard of and do not say goodbye, before nobody waits for them;
  /// a minute unless it is said.
  void give_up_after(std::int64_t patience_ns) { end_patience_ns_ = patience_ns; }
  static constexpr std::int64_t kEndPatience_ns = 60 * kNsPerS;  // unless told otherwise
  /// By Block::index, those in which a fault of the plan makes sums wrong; elsewhere wrong sums end the run.
  void expects_wrong_sums(std::vector<bool> in_blocks) { wrong_sums_expected_ = std::move(in_blocks); }

  /// Nothing more is taken in: writes down how much was lost, if anything was.
  void finish();

  /// When a node's last message was taken in, CLOCK_MONOTONIC of this node; 0: never.
  [[nodiscard]] std::int64_t last_heard_ns(int node) const {
    return nodes_[static_cast<std::size_t>(node)].last_heard_ns;
  }
  /// The event for which the run is being ended; nothing: it goes on.
  [[nodiscard]] const std::optional<Json>& cause() const { return cause_; }
  /// The last block that the ranks of every node which is not lost have left; their records of it are written down.
  [[nodiscard]] int left_by_all() const;
  /// Every node has said goodbye, is lost or given up: nothing more will come.
  [[nodiscard]] bool is_over() const;
  /// Whoever was heard of at all has said goodbye, is lost or given up.
  [[nodiscard]] bool is_quiet() const;

 private:
  struct NodeState {
    std::int64_t last_heard_ns = 0;  // CLOCK_MONOTONIC of this node; 0: never
    int left_block = -1;             // Block::index, of its last "block" event with edge "end"
    bool said_goodbye = false;
    bool lost = false;
    bool given_up = false;
    [[nodiscard]] bool has_ended() const { return said_goodbye || lost || given_up; }
  };

  Recorder(RecorderSocket socket, StepsWriter steps, CollectivesWriter collectives, EventsWriter events, int nodes);
  void remember(const Json& event, std::int64_t now_ns);
  Status take(const Message& message, std::int64_t now_ns);
  Status write_event(const Json& event);
  Status cannot_write(const Error& why);
  Status take_event(NodeState& node, Json event, std::int64_t now_ns);
  Status find_corruption(std::int64_t now_ns);
  void note_cause(const Json& event, std::int64_t now_ns);
  Status speak(std::int64_t now_ns);
  void note_end_of_block(NodeState& node, const Json& event);
  Status write_batches();
  Status find_lost_nodes(std::int64_t now_ns);
  Status give_up_nodes(std::int64_t now_ns);

  RecorderSocket socket_;
  StepsWriter steps_;
  CollectivesWriter collectives_;
  EventsWriter events_;
  std::vector<NodeState> nodes_;
  Fd reserve_{};  // space on the disk for what must still be told when it is full
  std::vector<StepRecord> batch_{};
  std::vector<CollectiveRecord> spans_{};  // the same of spans
  std::int64_t opened_ns_ = monotonic_ns();
  OwnPause pause_{kOwnPause_ns};  // after one, which may have broken connections, nodes have their full time again
  std::function<void(const Json&)> before_order_{};
  std::int64_t end_patience_ns_ = kEndPatience_ns;
  std::vector<bool> wrong_sums_expected_{};
  std::uint64_t malformed_ = 0;
  std::uint64_t unwritten_records_ = 0;
  std::uint64_t unwritten_spans_ = 0;
  std::uint64_t unwritten_events_ = 0;
  std::optional<Json> cause_{};
  std::int64_t end_at_ns_ = 0;  // from when on the order goes out; with a cause
  std::int64_t spoke_at_ns_ = 0;
  std::optional<std::int64_t> end_ordered_ns_{};
  bool corruption_told_ = false;
  bool unwritable_ = false;  // writing has failed: that ends the run
};

}  // namespace grit

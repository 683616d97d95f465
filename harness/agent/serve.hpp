// What an agent does while its ranks run: one poll loop over shared memory, timers, kernel notifications and sockets.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "harness/agent/agent_process.hpp"
#include "harness/agent/check_log.hpp"
#include "harness/agent/fault_windows.hpp"
#include "harness/agent/node_lock.hpp"
#include "harness/agent/rank_usage.hpp"
#include "harness/agent/recorder.hpp"
#include "harness/agent/uplink.hpp"
#include "harness/health/check.hpp"
#include "harness/os/kernel_log.hpp"
#include "harness/os/node_state.hpp"
#include "harness/record/segment.hpp"

namespace grit {

class Agent {
 public:
  /// Takes the node, reverts what earlier runs and agents left, connects to the recorder. The lease deadline in shared
  /// memory is then cleared. Error (unavailable): another run is going on here, or a planned fault cannot work here.
  static Result<std::unique_ptr<Agent>> open(AgentConfig config, Segment segment, Fd wake);

  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;
  ~Agent() = default;

  /// Where the recorder listens.
  [[nodiscard]] const std::string& endpoint() const { return config_.endpoint; }
  /// Returns when all ranks of the node have ended, everything is off and everything is written.
  Status serve();

 private:
  Agent(AgentConfig config, Segment segment, Fd wake, NodeLock lock);
  Status start_recording();
  Status recover();
  Status open_descriptors();
  void join_run();

  void poll_once();
  void follow_blocks();
  void arm(int block);
  /// Before a block that comes only when the run is not clear yet; the recorder's agent finds out.
  [[nodiscard]] bool waits_for_look() const;
  void look();
  void act();
  void tick();
  enum class CheckTime { block_begins, in_block, block_ends };
  void run_checks(CheckTime time);
  void report_usage(std::string_view edge);
  void drain_records();
  /// No rank of this node has begun a step for the plan's limit: says where each stands. The recorder then ends the
  /// run.
  void watch_for_hang(std::int64_t now_ns);
  /// What the recorder orders; without a word of it for too long, the same as an order to end.
  void take_orders();
  /// Takes the faults off and ends the node's ranks, once.
  void end_run(const std::string& why);
  [[nodiscard]] bool all_left_block() const;
  void report_hang(std::int64_t waited_ns);
  void open_kernel_log();
  void watch_kernel_log();
  /// False when no rank of this node runs any more.
  bool watch_ranks();
  void finish();
  /// What the block's faults left on the ranks' processes, which will be gone when the run ends.
  void compare_processes();
  /// True when the node looks as it did before the first fault; else an event names what does not.
  bool node_is_as_before();
  void report_residue(const std::vector<std::string>& found);
  Status finish_recording();
  void emit(Json event);

  AgentConfig config_;
  Segment segment_;
  Fd wake_;
  NodeLock lock_;
  std::optional<Recorder> recorder_{};
  std::optional<Uplink> uplink_{};
  std::optional<KernelLogReader> kernel_log_{};  // empty: it may not be read here
  int kernel_lines_ = 0;
  FaultWindows windows_;
  CheckLog check_log_;
  RankUsage usage_;
  std::vector<CheckMemory> check_memory_{};  // by place in Plan::checks
  Fd timer_{};                               // the next fault action
  Fd signals_{};                             // SIGTERM: revert and end
  std::vector<Fd> ranks_{};                  // pidfds; empty once the process has ended
  std::vector<StepRecord> batch_{};
  NodeState node_before_{};       // when the agent opened, after what it found there was reverted
  NodeState processes_before_{};  // when the block was armed
  bool residue_ = false;
  int block_ = 0;  // the armed block, or the one the ranks are in
  bool in_block_ = false;
  bool stopping_ = false;
  std::int64_t last_tick_ns_ = 0, last_heartbeat_ns_ = 0, last_check_ns_ = 0, deaths_at_ns_ = 0;
  std::int64_t look_since_ns_ = 0;   // when it began to wait for the records that a look needs; 0: it does not
  std::uint64_t progress_ = 0;       // changes when a rank of this node begins a step
  std::int64_t progress_at_ns_ = 0;  // when it last did
  std::int64_t hang_at_ns_ = 0;      // when a hang was reported; 0: none
  std::int64_t recorder_heard_ns_ = 0;
  std::int64_t ended_at_ns_ = 0;  // when this node's part of the run was ended; 0: it was not
};

}  // namespace grit

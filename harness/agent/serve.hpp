// What an agent does while its ranks run: one real-time poll loop over shared memory, timers and kernel notifications.
// It waits for nobody: no file but the journal's, between blocks, no name service, no network, and nothing of the
// observer, through which it speaks.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "harness/agent/agent_process.hpp"
#include "harness/agent/carrier_watch.hpp"
#include "harness/agent/fault_windows.hpp"
#include "harness/agent/heir.hpp"
#include "harness/agent/node_lock.hpp"
#include "harness/agent/observer_process.hpp"
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

  /// Returns when all ranks of the node have ended, everything is off and everything is written.
  void serve();
  /// What its user should know before the first step.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  Agent(AgentConfig config, Segment segment, Fd wake, NodeLock lock, ObserverProcess observer);
  void emit(Json event);

  // serve_open.cpp
  void note_dangers();
  Status recover();
  void look_for_reach();
  [[nodiscard]] Status check_machine_wide() const;
  Status open_descriptors();
  void join_run();

  // serve.cpp
  /// Before a block that comes only when the run is not clear yet; the first rank finds out.
  [[nodiscard]] bool waits_for_look() const;
  /// What the last block was is looked at before the next one can begin, or it takes too long.
  [[nodiscard]] bool last_block_is_observed() const;
  void arm(int block);
  [[nodiscard]] bool all_left_block() const;
  void follow_blocks();
  void act();
  [[nodiscard]] std::int64_t tick_ns() const;
  void tick();
  void poll_once();

  // serve_watches.cpp
  /// False when no rank of this node runs any more.
  bool watch_ranks();
  /// What the observer says, and another one when it is gone.
  void watch_observer();
  void replace_observer();
  /// While no fault's thread runs, which would make a fork unsafe.
  void keep_spare();
  /// Since this agent started: without a recorder nothing is injected.
  [[nodiscard]] bool has_recorder() const { return segment_.control().recorder_heard_ns.load() > opened_ns_; }
  void miss_recorder(std::int64_t now_ns);
  [[nodiscard]] bool waits_for_carrier() const;
  void watch_carriers();

  // serve_end.cpp
  /// Takes the faults off and ends the node's ranks, once.
  void end_run(const std::string& why);
  void ranks_leave_with(int code);
  /// Nothing of the job ran here from then until now, as when it was suspended: its faults may have been in force for
  /// that long, what it has measured since is of no use, and others may have given the node up. Says so and ends.
  void stood_still(std::int64_t since_ns);
  void finish();

  // serve_residue.cpp
  [[nodiscard]] static std::vector<int> pids_of(const Segment& segment);
  /// What faults may change of the ranks' processes and their helpers'.
  [[nodiscard]] NodeState read_processes() const;
  void report_residue(const std::vector<std::string>& found);
  /// What the block's faults left on the ranks' processes, which will be gone when the run ends.
  void compare_processes();
  /// True when the node looks as it did before the first fault; else an event names what does not.
  bool node_is_as_before();

  AgentConfig config_;
  Segment segment_;
  Fd wake_;
  NodeLock lock_;
  ObserverProcess observer_;
  std::optional<ObserverProcess> spare_{};  // an observer that begins when the other is gone
  std::optional<Heir> heir_{};              // where something would have to be taken off
  FaultWindows windows_;
  Fd timer_{};               // the next fault action
  Fd signals_{};             // SIGTERM: revert and end
  std::vector<Fd> ranks_{};  // pidfds; empty once the process has ended
  FaultReach reach_{};       // of the plan's faults on this node
  std::set<std::string> fault_interfaces_{};
  CarrierWatch carriers_{};
  NodeState node_before_{};       // when the agent opened, after what it found there was reverted
  NodeState processes_before_{};  // when the block was armed
  std::vector<std::string> warnings_{};
  bool residue_ = false;
  int block_ = 0;  // the armed block, or the one the ranks are in
  bool in_block_ = false;
  std::int64_t opened_ns_ = monotonic_ns();
  std::int64_t last_tick_ns_ = 0, deaths_at_ns_ = 0;
  std::int64_t stopping_at_ns_ = 0;  // when SIGTERM was seen; 0: it was not
  int observed_block_ = -1;          // the observer is done with the end of this block
  std::int64_t block_end_ns_ = 0;    // when the last one ended
  std::int64_t ended_at_ns_ = 0;     // when this node's part of the run was ended; 0: it was not
};

}  // namespace grit

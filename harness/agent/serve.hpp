// What an agent does while its ranks run: one poll loop over shared memory, timers, kernel notifications and sockets.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "harness/agent/agent_process.hpp"
#include "harness/agent/fault_windows.hpp"
#include "harness/agent/node_lock.hpp"
#include "harness/agent/recorder.hpp"
#include "harness/agent/uplink.hpp"
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
  void act();
  void tick();
  void run_checks();
  void drain_records();
  /// False when no rank of this node runs any more.
  bool watch_ranks();
  void finish();
  Status finish_recording();
  void emit(Json event);

  AgentConfig config_;
  Segment segment_;
  Fd wake_;
  NodeLock lock_;
  std::optional<Recorder> recorder_{};
  std::optional<Uplink> uplink_{};
  FaultWindows windows_;
  Fd timer_{};               // the next fault action
  Fd signals_{};             // SIGTERM: revert and end
  std::vector<Fd> ranks_{};  // pidfds; empty once the process has ended
  std::vector<StepRecord> batch_{};
  int block_ = 0;  // the armed block, or the one the ranks are in
  bool in_block_ = false;
  bool stopping_ = false;
  std::int64_t last_tick_ns_ = 0, last_heartbeat_ns_ = 0, last_check_ns_ = 0, deaths_at_ns_ = 0;
};

}  // namespace grit

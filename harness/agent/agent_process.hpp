// Starting a node's agent and the run's recorder from a rank, and what travels to them.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "harness/agent/kept_process.hpp"
#include "harness/agent/uplink.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/json.hpp"
#include "harness/model/plan.hpp"
#include "harness/record/segment.hpp"

namespace grit {

/// For so long a lease (NodeControl::lease_deadline_ns) may be overdue before the heir or the observer acts: the rank's
/// thread ends such an agent within 2 s, but a thread may be stopped with its rank, or have ended with it.
constexpr std::int64_t kLeaseGrace_ns = 3 * kNsPerS;

/// All an agent must know. Travels over an inherited socket: the run's secret key is never on a command line, in the
/// environment or in a file.
struct AgentConfig {
  Plan plan{};
  int node = 0;
  std::string endpoint{};  // the recorder's
  RunKeys keys{};
  std::filesystem::path run_directory{};  // empty: on another node, and not seen from here
  std::filesystem::path journal_directory{};
};

Json to_json(const AgentConfig& config);
Result<AgentConfig> agent_config_from_json(const Json& json);

/// All the recorder must know.
struct RecorderConfig {
  int nodes = 1;
  std::vector<std::string> endpoints{};  // to listen on; of the first start with "*" where any free port will do
  RunKeys keys{};
  std::filesystem::path run_directory{};
  std::int64_t end_patience_ns = 60 * kNsPerS;  // Recorder::give_up_after()
  std::vector<bool> corrupts_data{};            // Recorder::expects_wrong_sums()
  bool judges = false;                          // the run, when the first rank, who else would, is dead
};

Json to_json(const RecorderConfig& config);
Result<RecorderConfig> recorder_config_from_json(const Json& json);

constexpr int kAgentSegmentFd = kFirstInheritedFd;
constexpr int kAgentWakeFd = kFirstInheritedFd + 1;
constexpr int kAgentDescriptors = 2;
constexpr int kRecorderSegmentFd = kFirstInheritedFd;
constexpr int kRecorderDescriptors = 1;

/// A node's agent as its first rank sees it. One that holds a fault beyond its lease is replaced, too; the new one
/// first reverts what the journal says. When none can be started any more, the node's ranks end: nobody could take
/// faults off.
class AgentProcess {
 public:
  /// Waits until it is ready. `segment` must outlive this object. Error: as of KeptProcess::start().
  static Result<std::unique_ptr<AgentProcess>> start(AgentConfig config, const Segment& segment);

  /// The process id of the agent that runs now.
  [[nodiscard]] pid_t pid() const { return process_->pid(); }
  /// What the agent says its user should know before the first step.
  [[nodiscard]] const std::vector<std::string>& warnings() const { return warnings_; }
  /// Tells the agent that something changed in shared memory: one write(2), at block boundaries only.
  void wake() const;
  /// Until it has ended by itself, which it does when all ranks of its node have finished; false: it gets nowhere.
  [[nodiscard]] bool wait_for_end() const { return process_->wait_for_end(segment_.control().agent_beat_ns); }

 private:
  AgentProcess(AgentConfig config, const Segment& segment) : config_(std::move(config)), segment_(segment) {}
  void end_ranks(const Error& why) const;

  AgentConfig config_;
  const Segment& segment_;
  Fd wake_fd_{};
  std::vector<Fd> ranks_{};  // pidfds
  std::vector<std::string> warnings_{};
  std::unique_ptr<KeptProcess> process_{};
};

/// The run's recorder as the first rank sees it.
class RecorderProcess {
 public:
  /// As AgentProcess::start().
  static Result<std::unique_ptr<RecorderProcess>> start(RecorderConfig config, const Segment& segment);
  /// Tells it that agents it has not heard of do not come any more: it ends when the others have said goodbye.
  void nobody_else_comes() const { process_->ask_to_end(); }
  /// Where it listens, and does again after a restart.
  [[nodiscard]] const std::vector<std::string>& endpoints() const { return config_.endpoints; }
  [[nodiscard]] bool wait_for_end() const { return process_->wait_for_end(segment_.control().recorder_beat_ns); }

 private:
  RecorderProcess(RecorderConfig config, const Segment& segment) : config_(std::move(config)), segment_(segment) {}

  RecorderConfig config_;
  const Segment& segment_;
  std::unique_ptr<KeptProcess> process_{};
};

}  // namespace grit

// Starting an agent from a rank, and what travels between the two.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>

#include "harness/agent/uplink.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/json.hpp"
#include "harness/model/plan.hpp"
#include "harness/record/segment.hpp"

namespace grit {

/// All an agent must know. Travels over an inherited socket: the run's secret key is never on a command line, in the
/// environment or in a file.
struct AgentConfig {
  Plan plan{};
  int node = 0;
  bool recorder = false;
  std::string listen_address{};  // recorder: the management interface's own address
  std::string endpoint{};        // the recorder's; with recorder set and not empty: listen there again (a restart)
  RunKeys keys{};
  std::filesystem::path run_directory{};  // empty: on another node, and not seen from here
  std::filesystem::path journal_directory{};
};

Json to_json(const AgentConfig& config);
Result<AgentConfig> agent_config_from_json(const Json& json);

/// Descriptors an agent finds open when it starts.
constexpr int kAgentBootstrapFd = 3;
constexpr int kAgentSegmentFd = 4;
constexpr int kAgentWakeFd = 5;

/// A node's agent as its first rank sees it. While this object lives a thread of it sleeps on the agent: when the agent
/// dies, or holds a fault beyond its lease, a new one is started, which first reverts what the journal says.
class AgentProcess {
 public:
  /// Starts the agent in a session of its own and waits until it is ready. `segment` must outlive this object.
  /// Error: what the agent says is missing (unavailable), or that it did not start.
  static Result<std::unique_ptr<AgentProcess>> start(AgentConfig config, const Segment& segment);

  AgentProcess(const AgentProcess&) = delete;
  AgentProcess& operator=(const AgentProcess&) = delete;
  /// Ends the agent if it still runs (SIGTERM, then SIGKILL after 5 s).
  ~AgentProcess();

  [[nodiscard]] const std::string& endpoint() const { return config_.endpoint; }
  /// The process id of the agent that runs now.
  [[nodiscard]] pid_t pid() const { return pid_.load(); }
  /// Tells the agent that something changed in shared memory: one write(2), at block boundaries only.
  void wake() const;
  /// Waits until the agent has ended by itself, which it does when all ranks of its node have finished.
  /// False: it did not within the time; it is then ended.
  bool wait_for_end(std::int64_t timeout_ns);

 private:
  AgentProcess(AgentConfig config, const Segment& segment) : config_(std::move(config)), segment_(segment) {}
  Status spawn();
  [[nodiscard]] Fd open_log() const;
  void watch();
  [[nodiscard]] bool lease_overdue() const;

  AgentConfig config_;
  const Segment& segment_;
  Fd wake_fd_{};
  std::atomic<pid_t> pid_{-1};
  std::atomic<bool> stop_{false};
  std::atomic<bool> ended_{false};
  std::thread watcher_{};
};

}  // namespace grit

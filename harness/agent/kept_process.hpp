// A process of grit's own that a rank starts and keeps: its node's agent, the run's recorder.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "harness/base/fd.hpp"
#include "harness/base/json.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// Where such a process finds KeptProcess::Setup::descriptors when it starts, in their order.
constexpr int kFirstInheritedFd = 4;

/// Where it finds the socket over which it is told its configuration.
constexpr int kBootstrapFd = kFirstInheritedFd - 1;

/// While this object lives a thread of it sleeps on the process: when it dies, is stopped (SIGSTOP) for a second, or is
/// of no use any more, a new one is started with the same configuration. The process is not blamed for a time in which
/// the thread itself was stopped.
class KeptProcess {
 public:
  struct Setup {
    std::string command{};        // grit's hidden subcommand
    std::filesystem::path log{};  // for its standard error, appended to; where that cannot be made: nowhere
    std::vector<int> descriptors{};
    std::function<Json()> configuration{};        // asked at each start
    std::function<void(const Json&)> answered{};  // what it says when it is ready, at each start
    /// Asked five times a second, in the thread: true ends it by SIGKILL, for a successor.
    std::function<bool()> is_useless{};
    /// Until when one that starts may take to be ready, beyond the usual 20 s; asked again and again. Without: no
    /// longer.
    std::function<std::int64_t()> busy_until_ns = [] { return std::int64_t{0}; };
    /// Called once, in the thread, when it could not be started again.
    std::function<void(const Error&)> lost{};
  };

  /// Starts it in a session of its own and waits until it is ready. What `setup` refers to outlives this object.
  /// Error: what it says is missing (unavailable), or that it did not start.
  static Result<std::unique_ptr<KeptProcess>> start(Setup setup);

  KeptProcess(const KeptProcess&) = delete;
  KeptProcess& operator=(const KeptProcess&) = delete;
  /// Ends the process if it still runs (SIGTERM, then SIGKILL after 5 s).
  ~KeptProcess();

  /// The id of the one that runs now.
  [[nodiscard]] pid_t pid() const { return pid_.load(); }
  /// Asks the process to end (SIGTERM); it decides when.
  void ask_to_end() const;
  /// Waits until it has ended by itself, its work done. `beat_ns` is the moment of the last sign that it gave of its
  /// going on; false: none for a minute.
  [[nodiscard]] bool wait_for_end(const std::atomic<std::int64_t>& beat_ns) const;

 private:
  explicit KeptProcess(Setup setup) : setup_(std::move(setup)) {}
  Status spawn();
  Status spawn_successor();
  [[nodiscard]] Result<std::string> read_reply(int fd) const;
  void kill_and_reap();
  void watch();

  Setup setup_;
  std::atomic<pid_t> pid_{-1};  // -1: none runs
  std::atomic<bool> stop_{false};
  std::atomic<bool> ended_{false};
  std::thread watcher_{};
};

/// A process of this kind that can begin its work.
struct Ready {
  Json answer{};                  // for KeptProcess::Setup::answered
  std::function<void()> serve{};  // returns when the work is done
};

/// The main of such a process: reads its configuration, lets `start` make it ready, answers, serves. It inherits so
/// many `descriptors`, and ignores the signals that a terminal or a batch system sends to a whole job. SIGTERM is
/// blocked in all of its threads from the start: `serve` takes it when it can. Returns the exit code: 0, or the kind of
/// start's error.
int kept_process_main(const char* name, int descriptors, const std::function<Result<Ready>(const Json&)>& start);

}  // namespace grit

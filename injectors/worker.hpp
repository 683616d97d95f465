// A process that does a fault's work: made idle, started by one futex wake, ended by SIGKILL. It dies with the process
// that made it (PR_SET_PDEATHSIG, prctl(2)), so nothing of it can stay behind.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/os/process_usage.hpp"
#include "injectors/injector.hpp"

namespace grit {

/// Shared between a worker and its maker. The meaning of the counters is each fault's own.
struct WorkerPage {
  static constexpr int kCounters = 96;
  std::atomic<std::uint32_t> ready{0};    // futex: the worker has set itself up (1), or failed (2, see error)
  std::atomic<std::uint32_t> started{0};  // futex: 1 from start() on
  std::atomic<std::uint32_t> resting{0};  // futex: it is to come to rest (1), and has (2)
  std::atomic<std::int64_t> counters[kCounters]{};
  char error[256]{};

  /// In the worker: Worker::fork() may return. wait_for_start() says it too.
  void set_ready();
  /// In the worker: everything is set up; returns when start() was called.
  void wait_for_start();
  /// In the worker: is it to come to rest? Waits so long for that.
  [[nodiscard]] bool is_to_rest(std::int64_t wait_ns = 0);
  /// In the worker: nothing of its work is under way any more. Waits for the SIGKILL.
  [[noreturn]] void rest();
  /// In the worker: it cannot go on. Ends the process.
  [[noreturn]] void fail(const std::string& why);
};

class Worker {
 public:
  /// Forks. `body` runs in the child, which keeps only standard error and `keep_fds` open, has the name `name` (at most
  /// 15 bytes) and is the OOM killer's first choice. It calls wait_for_start() once and ends when it returns. Do not
  /// use anything of the parent's threads in it. Returns when the child has called wait_for_start(); error: it failed
  /// (then its own words), or was not ready within 10 s. `end_limit_ns`: how long its end is waited for, where a driver
  /// may keep it from ending; 0: as long as it takes.
  static Result<Worker> fork(const std::string& name, const std::function<void(WorkerPage&)>& body,
                             const std::vector<int>& keep_fds = {}, std::int64_t end_limit_ns = 0);
  Worker(Worker&& other) noexcept;
  Worker& operator=(Worker&& other) noexcept;
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;
  ~Worker();  // SIGKILL, and waits for it

  void start();
  /// Before end(), where a SIGKILL in the midst of its work could harm others. False: it did not within the limit.
  [[nodiscard]] bool comes_to_rest(std::int64_t limit_ns) const;
  /// SIGKILL; gives what the kernel has counted for it in all. Nothing when it was ended before, or has not ended
  /// within the limit: it then keeps its pid(), and is left behind with this object.
  ProcessUsage end();
  [[nodiscard]] bool running() const;  // it was started and its process lives
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] WorkerPage& page() const { return *page_; }

 private:
  Worker() = default;
  void forget();
  pid_t pid_ = -1;
  WorkerPage* page_ = nullptr;
  std::int64_t end_limit_ns_ = 0;
};

/// What the kernel counts for a fault's workers and the fault tells as its own counters; from the moment the workers
/// stand by, so that nothing moves before they are started.
enum class KernelCounter { faulted_bytes, cpu_ns, read_bytes, written_bytes };

/// A fault made of workers that do the same kind of work: start() starts all, stop() ends all; another start() makes
/// new ones. Its counters are the sums of `counter_names` over the workers' pages and what `kernel_counters` asks for,
/// over all starts; a fault with other ones derives from it.
class WorkerFault : public Fault {
 public:
  using Body = std::function<void(WorkerPage&)>;
  static Result<std::unique_ptr<WorkerFault>> make(std::string name, std::vector<Body> bodies,
                                                   std::vector<std::string> counter_names,
                                                   std::vector<KernelCounter> kernel_counters = {});
  Status start() override;
  Status stop() override;
  Result<Reading> read() override;  // holds: all workers run; details: pids and counters
  Result<Json> counters() override;
  [[nodiscard]] const std::vector<Worker>& workers() const { return workers_; }

 protected:
  WorkerFault(std::string name, std::vector<Body> bodies, std::vector<std::string> counter_names,
              std::vector<KernelCounter> kernel_counters = {});
  Status make_workers();
  /// Since they stood by, over all starts; anonymous_bytes: of those that live now.
  [[nodiscard]] ProcessUsage usage() const;

 private:
  /// May they be real-time when they are killed? Not where memory or page cache goes with them, which a CPU has to give
  /// back page by page: nothing else, such as the heartbeat of the node, would run on that CPU meanwhile.
  [[nodiscard]] virtual bool ends_at_once() const { return false; }
  /// As of Worker::fork(). One that has not ended by then is an error of stop(), which may be called again.
  [[nodiscard]] virtual std::int64_t end_limit_ns() const { return 0; }

  Status keep(const std::vector<std::size_t>& left);

  std::string name_;
  std::vector<Body> bodies_;
  std::vector<std::string> counter_names_;
  std::vector<KernelCounter> kernel_counters_;
  std::vector<std::int64_t> past_;  // of workers that have ended
  ProcessUsage past_usage_{};
  std::vector<Worker> workers_;
  std::vector<ProcessUsage> idle_usage_{};  // of each worker, when it stood by
  bool started_ = false;
};

}  // namespace grit

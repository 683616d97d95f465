// A process that asks NVIDIA's management library for this one. A call of that library may wait for seconds, or for
// ever, when a GPU is ill: the process is then killed, and left behind where even that does not end it.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "harness/base/fd.hpp"
#include "harness/base/json.hpp"
#include "harness/base/result.hpp"
#include "harness/os/nvml.hpp"

namespace grit {

/// What runs in the process.
class GpuService {
 public:
  GpuService() = default;
  GpuService(const GpuService&) = delete;
  GpuService& operator=(const GpuService&) = delete;
  virtual ~GpuService() = default;
  virtual Result<Json> answer(const Json& question) = 0;
  /// Called between questions, every kGpuTick_ns.
  virtual void tick() {}
};

inline constexpr std::int64_t kGpuTick_ns = 50'000'000;
/// What starting the library may take: where nothing keeps the GPUs awake (persistence mode), each of them is first
/// brought up, which takes some seconds with a node's eight. An answer after that takes milliseconds.
inline constexpr std::int64_t kGpuStart_ns = 30'000'000'000;

class GpuProcess {
 public:
  /// Makes the service in the new process, when the library is loaded and started. It has no descriptor of this
  /// process but standard error.
  using Make = std::function<std::unique_ptr<GpuService>(const Nvml&)>;
  /// Forks. The process ends with the thread that called this (PR_SET_PDEATHSIG, prctl(2)). Error (unavailable): there
  /// is no such library or driver, and why, or it did not start within the limit; another one: Nvml::load().
  static Result<GpuProcess> start(const Make& make, std::int64_t limit_ns = kGpuStart_ns);
  GpuProcess(GpuProcess&& other) noexcept;
  GpuProcess& operator=(GpuProcess&& other) noexcept;
  ~GpuProcess();

  /// Error: the service's own; (unavailable) no answer within the limit, or the process has ended: it is killed then,
  /// and running() no more.
  Result<Json> ask(const Json& question, std::int64_t limit_ns);
  [[nodiscard]] bool running() const { return pid_ > 0; }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  friend Result<Json> ask_apart(const std::function<Result<Json>()>& work, std::int64_t limit_ns);
  /// Serves in the new process until `line` is closed.
  using Body = std::function<void(int line)>;
  static Result<GpuProcess> fork_to(const Body& body);
  GpuProcess(pid_t pid, Fd line) : pid_(pid), line_(std::move(line)) {}
  Result<Json> receive(std::int64_t limit_ns, const char* too_late);
  void end();

  pid_t pid_ = -1;
  Fd line_{};
};

/// One question to a process of its own; the library is started within kGpuStart_ns, and then answers within the limit.
Result<Json> ask_gpus(const std::function<Result<Json>(const Nvml&)>& work, std::int64_t limit_ns);

/// The same without NVIDIA's management library: for other libraries whose calls may never return (CUDA). Error: the
/// work's own; (unavailable) no answer within the limit: the process was killed.
Result<Json> ask_apart(const std::function<Result<Json>()>& work, std::int64_t limit_ns);

}  // namespace grit

// A load of workers whose effect is on the scheduler: its counters are what the kernel's scheduler counted.
#pragma once

#include "harness/os/process.hpp"
#include "injectors/worker.hpp"

namespace grit {

/// Counters beside those of WorkerLoad: "on_cpu_ns" (the workers' time on a CPU while in force), "ranks_waited_ns" (how
/// long the ranks' threads were runnable without a CPU), "in_force_ns".
class TimedLoad : public WorkerLoad {
 public:
  static Result<std::unique_ptr<Load>> make(std::string name, std::vector<Body> bodies,
                                            std::vector<std::string> counter_names, const std::vector<int>& rank_pids);
  Status start() override;
  Status stop() override;
  Result<Json> counters() override;

 protected:
  using WorkerLoad::WorkerLoad;
  Status prepare(const std::vector<int>& rank_pids);

 private:
  Result<std::int64_t> on_cpu_ns() const;
  std::vector<ProcessIdentity> ranks_{};
  std::int64_t since_ns_ = 0;  // 0: not in force
  std::int64_t on_cpu_then_ns_ = 0;
  std::int64_t past_on_cpu_ns_ = 0;  // of earlier starts
  std::int64_t past_ns_ = 0;
};

}  // namespace grit

// A fault of workers whose effect is on the scheduler: its counters are what the kernel's scheduler counted.
#pragma once

#include "harness/os/process.hpp"
#include "injectors/worker.hpp"

namespace grit {

/// Counters beside those of WorkerFault: "on_cpu_ns" (the workers' time on a CPU while in force), "ranks_waited_ns"
/// (how long the ranks' threads were runnable without a CPU), "in_force_ns".
class TimedFault : public WorkerFault {
 public:
  static Result<std::unique_ptr<Fault>> make(std::string name, std::vector<Body> bodies,
                                             std::vector<std::string> counter_names, const NodeRanks& ranks);
  Status start() override;
  Status stop() override;
  Result<Json> counters() override;

 protected:
  using WorkerFault::WorkerFault;
  Status prepare(const NodeRanks& ranks);

 private:
  Result<std::int64_t> on_cpu_ns() const;
  std::vector<ProcessIdentity> ranks_{};
  std::int64_t since_ns_ = 0;  // 0: not in force
  std::int64_t on_cpu_then_ns_ = 0;
  std::int64_t past_on_cpu_ns_ = 0;  // of earlier starts
  std::int64_t past_ns_ = 0;
};

}  // namespace grit

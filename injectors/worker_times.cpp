#include "injectors/worker_times.hpp"

#include "harness/base/clock.hpp"

namespace grit {

Result<std::unique_ptr<Fault>> TimedFault::make(std::string name, std::vector<Body> bodies,
                                                std::vector<std::string> counter_names, const NodeRanks& ranks) {
  std::unique_ptr<TimedFault> fault(new TimedFault(std::move(name), std::move(bodies), std::move(counter_names)));
  GRIT_CHECK(fault->prepare(ranks));
  return fault;
}

Status TimedFault::prepare(const NodeRanks& ranks) {
  for (const NodeRank& rank : ranks.all) ranks_.push_back(rank.process);
  GRIT_CHECK(make_workers());
  GRIT_CHECK(on_cpu_ns());  // a kernel that does not count is found before the block
  return {};
}

Result<std::int64_t> TimedFault::on_cpu_ns() const {
  std::int64_t sum_ns = 0;
  for (const Worker& worker : workers()) {
    GRIT_TRY(const ProcessIdentity identity, identify_process(worker.pid()));  // it is our child: nobody else's pid
    GRIT_TRY(const auto times, scheduler_times(identity));
    if (times) sum_ns += times->on_cpu_ns;
  }
  return sum_ns;
}

Status TimedFault::start() {
  if (since_ns_ != 0) return {};
  if (workers().empty()) GRIT_CHECK(make_workers());
  GRIT_TRY(on_cpu_then_ns_, on_cpu_ns());
  since_ns_ = monotonic_ns();
  return WorkerFault::start();
}

Status TimedFault::stop() {
  const auto now_ns = on_cpu_ns();  // before they end; they end also when it cannot be read
  if (since_ns_ != 0) {
    if (now_ns) past_on_cpu_ns_ += *now_ns - on_cpu_then_ns_;
    past_ns_ += monotonic_ns() - since_ns_;
    since_ns_ = 0;
  }
  return WorkerFault::stop();
}

Result<Json> TimedFault::counters() {
  GRIT_TRY(Json all, WorkerFault::counters());
  std::int64_t worked_ns = past_on_cpu_ns_, waited_ns = 0;
  if (since_ns_ != 0) {
    GRIT_TRY(const std::int64_t now_ns, on_cpu_ns());
    worked_ns += now_ns - on_cpu_then_ns_;
  }
  for (const ProcessIdentity& rank : ranks_) {
    GRIT_TRY(const auto times, scheduler_times(rank));
    if (times) waited_ns += times->run_delay_ns;
  }
  all["on_cpu_ns"] = worked_ns;
  all["ranks_waited_ns"] = waited_ns;
  all["in_force_ns"] = past_ns_ + (since_ns_ == 0 ? 0 : monotonic_ns() - since_ns_);
  return all;
}

}  // namespace grit

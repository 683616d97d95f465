// Where the time of a step goes, and what was wrong in it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "harness/base/clock.hpp"
#include "harness/base/result.hpp"
#include "harness/model/step_record.hpp"
#include "workloads/compute/compute.hpp"
#include "workloads/workload.hpp"

namespace grit {

/// Fills the record of the step under way. A rank does one thing at a time: what passes until it does the next is
/// added to that phase; nothing while it is idle.
class StepAccount {
 public:
  explicit StepAccount(PhaseSink sink = PhaseSink()) : sink_(sink) {}

  /// The step begins. `record` outlives it.
  void begin(StepRecord& record) {
    record_ = &record;
    record.corrupted = 0;
    record.input_ns = record.forward_ns = record.backward_ns = record.exposed_comm_ns = 0;
    record.optimizer_ns = record.checkpoint_ns = 0;
    record.collective_entry_ns = record.collective_exit_ns = 0;
    first_operation_ns_ = 0;
    waits_.clear();
    given_.clear();
    before_gradients_ = 0;
    phase_ = Phase::idle;
    enter(Phase::idle);
    record.start_ns = since_ns_;
  }

  /// It is over. Where no gradients were summed, the first and last of all its operations stand for them; where there
  /// was none at all, the end.
  void end() {
    enter(Phase::idle);
    record_->end_ns = since_ns_;
    if (record_->collective_entry_ns != 0) return;
    record_->collective_entry_ns = first_operation_ns_ != 0 ? first_operation_ns_ : since_ns_;
    record_->collective_exit_ns = first_operation_ns_ != 0 ? last_operation_ns_ : since_ns_;
  }

  [[nodiscard]] Phase phase() const { return phase_; }

  void enter(Phase phase) {
    const std::int64_t now_ns = monotonic_ns();
    if (std::int64_t* total_ns = of(phase_)) *total_ns += now_ns - since_ns_;
    if (!given_.empty() && (phase_ == Phase::exposed_comm || phase_ == Phase::input))
      waits_.push_back({{since_ns_, now_ns}, phase_});
    since_ns_ = now_ns;
    phase_ = phase;
    sink_.enter(phase);
  }

  /// So much of the present phase was no own work: the same thread computes and moves data.
  void count_as_communication(std::int64_t duration_ns) {
    if (std::int64_t* total_ns = of(phase_)) *total_ns -= duration_ns;
    record_->exposed_comm_ns += duration_ns;
  }

  /// Work of this phase was given to a device that does it later (Compute::is_late()).
  void work_given() {
    GRIT_ASSERT(of(phase_) != nullptr);
    given_.push_back(phase_);
  }
  /// When all of that was done, in the order in which it was given; the phase is exposed_comm. Waiting for operations
  /// and input in the time in which the device worked is moved to the work's own phase.
  void work_done(std::span<const WorkTime> times) {
    enter(Phase::exposed_comm);  // the wait that goes on now counts, too
    GRIT_ASSERT(times.size() == given_.size());
    std::size_t first = 0;  // wait that may overlap; both lists are in order
    for (std::size_t i = 0; i < times.size(); ++i) {
      while (first < waits_.size() && waits_[first].time.end_ns <= times[i].begin_ns) ++first;
      for (std::size_t wait = first; wait < waits_.size() && waits_[wait].time.begin_ns < times[i].end_ns; ++wait)
        move_overlap(times[i], waits_[wait], given_[i]);
    }
    // The rank came to its first sum when its device had done what is before that.
    for (const WorkTime& time : times.first(before_gradients_))
      record_->collective_entry_ns = std::max(record_->collective_entry_ns, time.end_ns);
    given_.clear();
    waits_.clear();
  }

  /// To be called in the phase exposed_comm, when an operation is about to begin and when one was waited for.
  void operation_begins() {
    if (first_operation_ns_ == 0) first_operation_ns_ = since_ns_;
  }
  void operation_ended() { last_operation_ns_ = monotonic_ns(); }
  /// The sum of the step's gradients: before the first of its operations, and after the last.
  void gradients_begin() {
    if (record_->collective_entry_ns != 0) return;
    record_->collective_entry_ns = monotonic_ns();
    before_gradients_ = given_.size();
  }
  void gradients_end() { record_->collective_exit_ns = monotonic_ns(); }

  /// StepRecord::block
  [[nodiscard]] std::uint32_t block() const { return record_->block; }

  void add_wrong(std::uint64_t values) {
    std::uint32_t& wrong = record_->corrupted;
    wrong +=
        static_cast<std::uint32_t>(std::min<std::uint64_t>(values, std::numeric_limits<std::uint32_t>::max() - wrong));
  }

 private:
  struct Wait {
    WorkTime time{};
    Phase phase = Phase::exposed_comm;
  };

  void move_overlap(const WorkTime& work, const Wait& wait, Phase phase) {
    const std::int64_t both_ns = std::min(work.end_ns, wait.time.end_ns) - std::max(work.begin_ns, wait.time.begin_ns);
    if (both_ns <= 0) return;
    *of(phase) += both_ns;
    *of(wait.phase) -= both_ns;
  }

  [[nodiscard]] std::int64_t* of(Phase phase) const {
    switch (phase) {
      case Phase::input:
        return &record_->input_ns;
      case Phase::forward:
        return &record_->forward_ns;
      case Phase::backward:
        return &record_->backward_ns;
      case Phase::exposed_comm:
        return &record_->exposed_comm_ns;
      case Phase::optimizer:
        return &record_->optimizer_ns;
      case Phase::checkpoint:
        return &record_->checkpoint_ns;
      case Phase::idle:
      case Phase::between_blocks:
        break;
    }
    return nullptr;
  }

  PhaseSink sink_;
  StepRecord* record_ = nullptr;
  Phase phase_ = Phase::idle;
  std::int64_t since_ns_ = 0;
  std::int64_t first_operation_ns_ = 0;
  std::int64_t last_operation_ns_ = 0;
  std::vector<Phase> given_{};        // to a device, and not known to be done
  std::vector<Wait> waits_{};         // since then
  std::size_t before_gradients_ = 0;  // works given before the first sum of gradients began
};

/// A phase from construction to destruction, and then the one before again.
class InPhase {
 public:
  InPhase(StepAccount& account, Phase phase) : account_(account), before_(account.phase()) { account.enter(phase); }
  InPhase(const InPhase&) = delete;
  InPhase& operator=(const InPhase&) = delete;
  ~InPhase() { account_.enter(before_); }

 private:
  StepAccount& account_;
  Phase before_;
};

}  // namespace grit

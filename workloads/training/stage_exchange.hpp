// What a pipeline stage exchanges with its neighbours.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "harness/base/result.hpp"
#include "workloads/pipeline_schedule.hpp"
#include "workloads/training/checked_group.hpp"
#include "workloads/training/settings.hpp"

namespace grit {

/// Actions between two exchanges, as indices of the schedule.
struct ActionGroup {
  std::size_t first = 0;
  std::size_t end = 0;
};

/// The messages of pipeline_schedule.hpp, in its order. A send is waited for when its buffer is needed again: of each
/// direction there are two. What waiting takes, and so what the stage idles, is exposed communication.
class StageExchange {
 public:
  /// `group`: of pp, outlives it; nullptr: there is one stage, and there are no messages.
  StageExchange(const TrainingSettings& settings, std::vector<PipelineAction> schedule, CheckedGroup* group);

  [[nodiscard]] std::span<const ActionGroup> groups() const { return groups_; }
  [[nodiscard]] std::span<const PipelineAction> actions(const ActionGroup& group) const {
    return std::span(schedule_).subspan(group.first, group.end - group.first);
  }

  /// Begins the receives of the first group.
  Status begin_step();
  /// Returns when what the group's actions need is there.
  Status await_inputs(const ActionGroup& group);
  /// Begins the sends of the group that was done, and the receives of the next one.
  Status after(std::size_t group);
  /// Returns when all sends are complete.
  Status end_step();

  /// What it allocates.
  static double bytes(const TrainingSettings& settings);

 private:
  static constexpr std::size_t kPasses = 2;
  static constexpr std::size_t kSendBuffers = 2;  // of a pass
  struct Message {
    bool open = false;
    PendingOperation pending{};
    DeviceBuffer buffer{};
  };

  Status begin_receives(const ActionGroup& group);
  /// The next one of the pass, when it is free.
  Result<Message*> next_send(Pass pass);

  std::vector<PipelineAction> schedule_;
  std::vector<ActionGroup> groups_;
  CheckedGroup* group_;
  std::size_t elements_;  // of a message
  std::array<Message, kPasses> receives_{};
  std::array<std::array<Message, kSendBuffers>, kPasses> sends_{};
  std::array<std::size_t, kPasses> sent_{};
};

}  // namespace grit

// The phases of a step: the one table of their names, and where a record has them.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "harness/model/step_record.hpp"

namespace grit {

struct StepPhase {
  std::string_view name;   // in files
  std::string_view words;  // for people
};

/// In the order in which a rank goes through them; "other" is what no phase of the step accounts for.
inline constexpr std::array<StepPhase, 7> kPhases{{{"input", "input"},
                                                   {"forward", "forward"},
                                                   {"backward", "backward"},
                                                   {"exposed_comm", "exposed communication"},
                                                   {"optimizer", "optimizer"},
                                                   {"checkpoint", "checkpoint"},
                                                   {"other", "other"}}};
/// Waiting for others; all other phases are a rank's own work.
inline constexpr std::size_t kExposedComm = 3;

/// StepPhase::name of each.
inline constexpr auto kStepPhases = [] {
  std::array<std::string_view, kPhases.size()> names{};
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = kPhases[i].name;
  return names;
}();

/// StepPhase::words of each.
inline constexpr auto kPhaseNames = [] {
  std::array<std::string_view, kPhases.size()> words{};
  for (std::size_t i = 0; i < words.size(); ++i) words[i] = kPhases[i].words;
  return words;
}();

/// StepPhase::name of those that are a rank's own work.
inline constexpr auto kOwnPhases = [] {
  std::array<std::string_view, kPhases.size() - 1> names{};
  for (std::size_t i = 0, own = 0; i < kPhases.size(); ++i)
    if (i != kExposedComm) names[own++] = kPhases[i].name;
  return names;
}();

/// How long a step was in each phase, as kPhases.
inline std::array<std::int64_t, kPhases.size()> phase_times_ns(const StepRecord& record) {
  const std::int64_t known_ns = record.input_ns + record.forward_ns + record.backward_ns + record.exposed_comm_ns +
                                record.optimizer_ns + record.checkpoint_ns;
  return {record.input_ns,
          record.forward_ns,
          record.backward_ns,
          record.exposed_comm_ns,
          record.optimizer_ns,
          record.checkpoint_ns,
          std::max<std::int64_t>(record.end_ns - record.start_ns - known_ns, 0)};
}

}  // namespace grit

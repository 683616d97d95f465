// The progress line: trial, block, step time, faults in force, time left. Written by rank 0 between blocks, never in a
// step.
#pragma once

#include <string>

#include "harness/model/plan.hpp"

namespace grit {

enum class ProgressStyle {
  off,
  plain,     // a line now and then
  terminal,  // one line that is rewritten
};

/// From the environment variable GRIT_PROGRESS (off | plain | terminal), which the launching grit sets; plain without
/// it.
ProgressStyle progress_style_from_environment();

class ProgressLine {
 public:
  ProgressLine(const Plan& plan, ProgressStyle style);
  /// A block begins; step_ns is the mean step time of the block before (0: not known yet).
  void block(const Block& block, double step_ns);
  /// All blocks are done.
  void end();

 private:
  void write(const std::string& text);
  const Plan& plan_;
  ProgressStyle style_;
  std::int64_t started_ns_ = 0;
  std::int64_t last_written_ns_ = 0;
};

}  // namespace grit

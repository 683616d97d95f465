// Ctrl-C and mpirun's SIGTERM: the rank says so in shared memory before it goes, so that the run ends as "interrupted"
// and not as a rank that died. What a rank writes to after another has died, it must not die of: it would be the second
// death that looks like the first.
#pragma once

#include "harness/record/segment.hpp"

namespace grit {

/// Of a process that was interrupted: 128 and SIGINT, as shells say it.
constexpr int kInterruptedCode = 130;

/// While it lives, SIGINT and SIGTERM mark the slot and end the process: with 130, or with NodeControl::leave_with and,
/// on rank 0, NodeControl::last_words. SIGPIPE (a peer's connection or the launcher's pipe is closed) is ignored. One
/// at a time; both must outlive it.
class InterruptGuard {
 public:
  InterruptGuard(RankSlot& slot, NodeControl& control);
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  ~InterruptGuard();
};

}  // namespace grit

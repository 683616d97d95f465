// Ctrl-C and mpirun's SIGTERM: the rank says so in shared memory before it goes, so that the run ends as "interrupted"
// and not as a rank that died. What a rank writes to after another has died, it must not die of: it would be the second
// death that looks like the first.
#pragma once

#include "harness/record/segment.hpp"

namespace grit {

/// While it lives, SIGINT and SIGTERM mark the slot and end the process with 130, and SIGPIPE (a peer's connection or
/// the launcher's pipe is closed) is ignored. One at a time.
class InterruptGuard {
 public:
  explicit InterruptGuard(RankSlot& slot);
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
  ~InterruptGuard();
};

}  // namespace grit

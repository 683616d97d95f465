// What the kernel counts for a node's ranks: evidence of what their time went into (analysis/blame/resource_class.hpp).
#pragma once

#include <cstdint>
#include <vector>

#include "harness/base/fd.hpp"
#include "harness/base/json.hpp"
#include "harness/os/process.hpp"

namespace grit {

/// A process of the node and its rank.
struct RankProcess {
  int rank = -1;
  int pid = 0;
};

/// Outside of any rank's hot path: a few files of /proc for each rank at the edges of blocks, one read in between. A
/// rank's figures are of all of its threads and, added up, of its helpers (helpers_of()): a data loader that waits for
/// a CPU or a disk is why its rank waits for data, and a thread that writes checkpoints why the next one comes late.
class RankUsage {
 public:
  explicit RankUsage(const std::vector<RankProcess>& ranks);

  /// Adds the time since the last look to what a rank is found in: stopped (state T; of its main thread, as all of them
  /// are then), or waiting for storage (D; of each thread, and of each helper's main thread). No counter tells these,
  /// so they are sampled; states that come and go between two looks are missed.
  void look(std::int64_t now_ns);

  /// The fields of a "usage" event (harness/model/event.hpp) but for its block, all counted since the processes began.
  /// What the kernel does not say is left out. Threads and helpers are looked for anew.
  [[nodiscard]] Json read();

 private:
  struct Watched {
    int rank = -1;
    ProcessIdentity identity{};
    Fd stat{};  // of its main thread, whose state is the process's, and less work for the kernel; kept open
    std::vector<ProcessIdentity> helpers{};
    std::vector<Fd> beside{};  // likewise: its other threads, and its helpers' main threads
    std::int64_t stopped_ns = 0, blocked_ns = 0;
  };
  void find_beside();

  std::vector<Watched> ranks_{};
  std::int64_t looked_at_ns_ = 0;
};

}  // namespace grit

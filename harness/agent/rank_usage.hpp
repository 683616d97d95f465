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
/// rank's figures are its own and, added up, those of its helpers (helpers_of()): a data loader that waits for a CPU or
/// a disk is why its rank waits for data.
class RankUsage {
 public:
  explicit RankUsage(const std::vector<RankProcess>& ranks);

  /// Adds the time since the last look to what a rank is found in: stopped (state T; of itself only), or waiting for
  /// storage (D). No counter tells these, so they are sampled; states that come and go between two looks are missed.
  void look(std::int64_t now_ns);

  /// The fields of a "usage" event (harness/model/event.hpp) but for its block, all counted since the processes began.
  /// What the kernel does not say is left out. Helpers are looked for anew.
  [[nodiscard]] Json read();

 private:
  struct Watched {
    int rank = -1;
    ProcessIdentity identity{};
    Fd stat{};  // of its main thread, whose state is the process's, and less work for the kernel; kept open
    struct Helper {
      ProcessIdentity identity{};
      Fd stat{};
    };
    std::vector<Helper> helpers{};
    std::int64_t stopped_ns = 0, blocked_ns = 0;
  };
  void find_helpers();

  std::vector<Watched> ranks_{};
  std::int64_t looked_at_ns_ = 0;
};

}  // namespace grit

// From the log of a burn-in back to where it was.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "harness/burnin/log.hpp"
#include "harness/burnin/scheduler.hpp"

namespace grit {

struct ReplayedBurnin {
  /// Cells that have begun, or were to, and of which there is no result; by id. None after it was given up.
  std::map<std::string, BurninCell> pending{};
  /// Of the last thing that happened: the log may not have come to them.
  std::vector<BurninChange> last_changes{};
};

/// `scheduler` is one that nothing has happened to yet; it takes what the log has, and gives up where that was. Error
/// (usage): a result that does not follow from what was before it.
Result<ReplayedBurnin> replay_burnin(const OpenedBurninLog& opened, BurninScheduler& scheduler);

}  // namespace grit

// From the log of a burn-in back to where it was.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/burnin/log.hpp"
#include "harness/burnin/scheduler.hpp"

namespace grit {

/// Why a burn-in whose time is over is given up.
inline constexpr std::string_view kNoTimeLeft = "no time was left";

struct ReplayedBurnin {
  /// Cells that have begun, or were to, and of which there is no result; by id. None after it was given up.
  std::map<std::string, BurninCell> pending{};
  /// Of the last thing that happened: the log may not have come to them.
  std::vector<BurninChange> last_changes{};
};

/// `scheduler` is one that nothing has happened to yet; it takes what the log has, and gives up where that was. Error
/// (usage): a result that does not follow from what was before it.
Result<ReplayedBurnin> replay_burnin(const OpenedBurninLog& opened, BurninScheduler& scheduler);

/// What the front end that was killed did not come to: its time was over, and the log does not say so. Then it is given
/// up here, in the log, too, and nothing is pending, so that nobody is asked for a place to run it in.
Status give_up_without_time(OpenedBurninLog& opened, BurninScheduler& scheduler, ReplayedBurnin& replayed);

}  // namespace grit

#include "harness/burnin/replay.hpp"

#include <fmt/format.h>

#include <utility>

namespace grit {

Result<ReplayedBurnin> replay_burnin(const OpenedBurninLog& opened, BurninScheduler& scheduler) {
  ReplayedBurnin replayed;
  const auto note_offered = [&] {
    for (BurninCell& cell : scheduler.next()) {
      std::string id = cell.id;
      replayed.pending.emplace(std::move(id), std::move(cell));
    }
  };
  note_offered();
  for (std::size_t i = 0; i <= opened.results.size(); ++i) {
    if (opened.given_up && opened.given_up->results == i)
      replayed.last_changes = scheduler.give_up(opened.given_up->why);
    if (i == opened.results.size()) break;
    const BurninCellResult& result = opened.results[i];
    if (replayed.pending.erase(result.cell.id) == 0)
      return usage_error(
          fmt::format("it does not follow from its own head, as if another version of grit had written it: cell {} was "
                      "not to be run",
                      result.cell.id));
    replayed.last_changes = scheduler.take(result);
    note_offered();
  }
  if (opened.ended || opened.given_up) replayed.pending.clear();
  return replayed;
}

Status give_up_without_time(OpenedBurninLog& opened, BurninScheduler& scheduler, ReplayedBurnin& replayed) {
  const std::int64_t limit_ns = opened.head.time_limit_ns;
  if (limit_ns <= 0 || opened.earlier_ns < limit_ns || opened.ended || opened.given_up || scheduler.done()) return {};
  GRIT_CHECK(opened.log.given_up(std::string(kNoTimeLeft)));
  opened.given_up = {.results = opened.results.size(), .why = std::string(kNoTimeLeft)};
  for (BurninChange& change : scheduler.give_up(std::string(kNoTimeLeft)))
    replayed.last_changes.push_back(std::move(change));
  replayed.pending.clear();
  return {};
}

}  // namespace grit

#include "harness/cli/finished_runs.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "harness/record/run_dir.hpp"
#include "harness/run/set_aside.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

NotRun not_run(const Damage& damage) {
  switch (damage.state) {
    case Damage::State::not_here:
      return {damage.name, "not run here", damage.reason};
    case Damage::State::failed:
      return {damage.name, "failed", damage.reason};
    default:
      return {damage.name, "not run yet", "this scorecard was not finished"};
  }
}

class Finder {
 public:
  /// Is there any run, new or not?
  Result<bool> add(const fs::path& place) {
    std::error_code unreadable;
    if (fs::exists(place / "damages.json", unreadable)) {
      GRIT_CHECK(add_scorecard(place));
      return true;
    }
    if (fs::exists(place / "plan.json", unreadable)) {
      add_run(place);
      return true;
    }
    GRIT_TRY(const std::vector<fs::path> below, directories_in(place));
    bool any = false;
    for (const fs::path& one : below) {
      GRIT_TRY(const bool has_runs, add(one));
      any = any || has_runs;
    }
    return any;
  }

  FinishedRuns found{};

 private:
  static Result<std::vector<fs::path>> directories_in(const fs::path& place) {
    std::vector<fs::path> all;
    std::error_code error, vanished;
    for (fs::directory_iterator entry(place, error), end; !error && entry != end; entry.increment(error))
      if (fs::is_directory(entry->symlink_status(vanished)) && !is_set_aside(entry->path()))
        all.push_back(entry->path());
    if (error) return unavailable_error(fmt::format("{} cannot be read: {}", place.string(), error.message()));
    std::sort(all.begin(), all.end());
    return all;
  }

  /// What `grit score SCENARIO` has left in a directory: the runs that count, and what was not run.
  Status add_scorecard(const fs::path& place) {
    GRIT_TRY(const Json document, read_document(place / "damages.json", formats::kDamages));
    GRIT_TRY(Damages damages, damages_from_json(document));
    if (!is_new(place)) return {};
    for (const Damage& damage : damages.all) {
      if (damage.state == Damage::State::finished)
        add_run(place / damage.name);
      else
        found.not_run.push_back(not_run(damage));
    }
    found.damages = std::move(damages);
    return {};
  }

  void add_run(const fs::path& run) {
    if (is_new(run)) found.runs.push_back(run);
  }

  bool is_new(const fs::path& place) {
    std::error_code error;
    const fs::path canonical = fs::weakly_canonical(place, error);
    return seen_.insert(error ? fs::absolute(place, error).lexically_normal() : canonical).second;
  }

  std::set<fs::path> seen_{};
};

}  // namespace

Result<FinishedRuns> find_finished_runs(const std::vector<std::string>& places) {
  Finder finder;
  for (const std::string& place : places) {
    GRIT_TRY(const bool has_runs, finder.add(place));
    if (!has_runs)
      return usage_error(fmt::format("{} is no run directory and has none in it (a run has a plan.json)", place));
  }
  std::error_code unreadable;
  const bool one_scorecard = places.size() == 1 && fs::exists(fs::path(places.front()) / "damages.json", unreadable);
  if (!one_scorecard) finder.found.damages.reset();
  return std::move(finder.found);
}

}  // namespace grit

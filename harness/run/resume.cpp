// A series that was cut off: what became of the trial during which that happened?
#include <fmt/format.h>

#include <array>

#include "analysis/report/finish.hpp"
#include "analysis/series/search.hpp"
#include "analysis/series/trial.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/model/format.hpp"
#include "harness/os/identity.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/series.hpp"
#include "harness/run/set_aside.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

/// How a run can have ended so that its files say it. "failed" and "interrupted" only say that it was cut off.
constexpr std::array<std::string_view, 5> kTellingOutcomes{"completed", "hang", "rank_death", "node_loss",
                                                           "corruption"};

/// What the files of the trial's run say; empty when they do not tell how it ended.
Result<std::optional<TrialResult>> by_its_files(const fs::path& directory) {
  std::error_code unreadable;
  if (!fs::exists(directory / "plan.json", unreadable)) return std::optional<TrialResult>();
  GRIT_TRY(const Verdict verdict, finish_run(directory));
  GRIT_TRY(TrialResult result, trial_result(directory, verdict));
  for (const std::string_view telling : kTellingOutcomes)
    if (result.outcome == telling) return std::optional(std::move(result));
  return std::optional<TrialResult>();
}

TrialResult assumed(const SearchSpec& search, std::string on_what_grounds) {
  return TrialResult{.outcome = search.outcome.empty() ? "node_loss" : search.outcome,
                     .sentence = on_what_grounds,
                     .applied = false,
                     .assumed = std::move(on_what_grounds)};
}

class Settlement {
 public:
  Settlement(Series& series, const fs::path& directory, CutOff cut_off)
      : series_(series),
        trial_(series.trials.back()),
        run_(directory / trial_directory(trial_.number)),
        cut_off_(cut_off) {}

  Status settle() {
    GRIT_TRY(trial_.result, by_its_files(run_));
    if (trial_.result) return {};
    GRIT_TRY(const std::string boot, boot_id());
    if (boot != trial_.boot_id) {
      trial_.result = assumed(series_.search, "this machine restarted during the trial");
      trial_.result->outcome = "node_loss";
      return {};
    }
    const bool escalation = series_.search.kind == SearchSpec::Kind::escalate;
    if (!escalation || cut_off_ == CutOff::repeat) return repeat();
    if (cut_off_ == CutOff::happened) {
      trial_.result = assumed(series_.search, "the trial was cut off, and --cut-off happened says by its dose");
      return {};
    }
    return usage_error(
        fmt::format("trial {} ({}) was cut off, and nothing says why: this machine has not restarted since. Did the "
                    "dose do it? Then "
                    "--cut-off happened: the escalation ends here. Was it somebody else, you for example? Then "
                    "--cut-off repeat: the trial "
                    "is run again",
                    trial_.number, trial_subject(series_, trial_)));
  }

 private:
  Status repeat() {
    GRIT_CHECK(set_aside(run_));
    series_.trials.pop_back();
    return {};
  }

  Series& series_;
  Trial& trial_;
  fs::path run_;
  CutOff cut_off_;
};

}  // namespace

Result<Series> take_up_series(const fs::path& directory, CutOff cut_off) {
  auto document = read_json(directory / "series.json");
  if (!document) return with_context(document.error(), directory.string() + " is not the directory of a series");
  GRIT_TRY(Series series, series_from_json(*document));
  if (const int format = document->value("format", 1); format < formats::kSeries.number)
    return usage_error(
        fmt::format("{} is of format {}, of an older grit that planned trials by other rules: more of them would not "
                    "belong to it. Report it as it is (grit report {}), or begin a new series: grit run {}",
                    (directory / "series.json").string(), format, shell_word(directory.string()),
                    shell_word((directory / "scenario.lua").string())));
  series.interrupted = false;
  series.error.clear();
  if (series.trials.empty()) return series;
  Trial& last = series.trials.back();
  if (last.result && last.result->outcome == "interrupted") {  // by Ctrl-C, which said so
    GRIT_CHECK(set_aside(directory / trial_directory(last.number)));
    series.trials.pop_back();
  } else if (!last.result) {
    GRIT_CHECK(Settlement(series, directory, cut_off).settle());
  }
  return series;
}

}  // namespace grit

#include "harness/run/damage_runs.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <ctime>

#include "analysis/verdict/verdict.hpp"
#include "harness/agent/node_lock.hpp"
#include "harness/base/files.hpp"
#include "harness/base/printable.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/base/units.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/execution.hpp"
#include "harness/run/held_signals.hpp"
#include "harness/run/set_aside.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

/// The first thing that somebody must mend, as the verdict says it.
std::string what_is_left(const Verdict& verdict) {
  for (const std::string& reason : verdict.reasons)
    if (reason.starts_with(kNotReverted) || reason.starts_with(kLeftBehind)) return reason;
  return verdict.sentence;
}

class DamageRunner {
 public:
  DamageRunner(const DamageSetup& setup, DamagePlan plan) : setup_(setup), plan_(std::move(plan)) {
    end_.directory = plan_.directory;
    end_.damages = plan_.damages;
    to_run_ = to_do().size();
  }

  Result<DamagesEnd> run() {
    GRIT_CHECK(make_directory());
    for (std::size_t i = 0; i < plan_.all.size(); ++i) {
      if (!plan_.all[i].wanted || damage(i).state != Damage::State::to_do) continue;
      if (end_.interrupted = HeldSignals::any(); end_.interrupted) break;
      GRIT_CHECK(run_one(i));
      if (end_.interrupted) break;
      GRIT_CHECK(save());
      say(outcome_line(i));
    }
    return std::move(end_);
  }

 private:
  Damage& damage(std::size_t index) { return end_.damages.all[index]; }

  Status make_directory() {
    std::error_code unreadable;
    if (!fs::exists(end_.directory / "damages.json", unreadable)) {
      GRIT_CHECK(create_run_directory(end_.directory));
      for (const char* of_a_run : {"env", "journal"}) fs::remove(end_.directory / of_a_run, unreadable);
    }
    GRIT_CHECK(check_run_directory(end_.directory));
    return save();
  }

  Status save() const {
    return write_file_durably(end_.directory / "damages.json", json_text(to_json(end_.damages), 1) + "\n");
  }

  void say(const std::string& line) const {
    if (!setup_.json) fmt::print(stderr, "grit: {}\n", printable(line));
  }

  /// Error: nothing more may, or can, be run.
  Status run_one(std::size_t index) {
    const fs::path run = end_.directory / damage(index).name;
    GRIT_CHECK(set_aside(run));
    const auto directory = run_on_local_cluster(execution(index, run));
    if (!directory) return refused(index, directory.error(), run);
    GRIT_TRY(const Json document, read_json(run / "verdict.json"));
    GRIT_TRY(const Verdict verdict, verdict_from_json(document));
    if (left_something_behind(verdict))
      return internal_error(fmt::format("{}: {}; nothing more is injected: mend that first, then go on (the run: {})",
                                        damage(index).name, what_is_left(verdict), run.string()));
    end_.interrupted = verdict.outcome == "interrupted";
    Damage& one = damage(index);
    one.state = verdict.outcome == "completed" ? Damage::State::finished : Damage::State::failed;
    if (end_.interrupted) one.state = Damage::State::to_do;
    if (one.state == Damage::State::failed)
      one.reason = fmt::format("the run ended by {}: {}", verdict.outcome, verdict.sentence);
    acted_ = acted_line(verdict);
    return {};
  }

  /// The ranks said that it cannot be done here, or what is wrong with it. Any other error is of all runs; and after an
  /// internal one nobody knows what is still in force.
  Status refused(std::size_t index, const Error& error, const fs::path& run) {
    const std::string words = why_refused(run);
    if (words.empty() || error.kind == ErrorKind::internal) return with_context(error, damage(index).name);
    Damage& one = damage(index);
    one.state = error.kind == ErrorKind::unavailable ? Damage::State::not_here : Damage::State::failed;
    one.reason = words;
    std::error_code ignored;  // nothing was measured, and the reason is kept: no directory that looks like a run
    if (one.state == Damage::State::not_here) fs::remove_all(run, ignored);
    return {};
  }

  static std::string acted_line(const Verdict& verdict) {
    std::string text;
    for (const FaultResult& fault : verdict.faults)
      if (fault.windows > 0 && text.empty())
        text = fmt::format("{} of {} injections applied, {} acting", fault.applied, fault.windows, fault.acting);
    return text;
  }

  /// The designs of what is still to be run.
  [[nodiscard]] std::vector<Design> to_do() const {
    std::vector<Design> designs;
    for (std::size_t i = 0; i < plan_.all.size(); ++i)
      if (plan_.all[i].wanted && end_.damages.all[i].state == Damage::State::to_do)
        designs.push_back(plan_.all[i].plan->design);
    return designs;
  }

  [[nodiscard]] std::string left() const {
    const std::vector<Design> designs = to_do();
    if (designs.empty()) return "the last one";
    const auto takes_ns = runs_take_ns(designs);
    return takes_ns ? fmt::format("{} to go, {}", designs.size(), until_text(std::time(nullptr), *takes_ns))
                    : fmt::format("{} to go", designs.size());
  }

  std::string outcome_line(std::size_t index) {
    const Damage& one = damage(index);
    const std::string what = one.state == Damage::State::finished   ? acted_
                             : one.state == Damage::State::not_here ? "not run here: " + one.reason
                                                                    : "FAILED: " + one.reason;
    return fmt::format("{}: {}; {}", one.name, what, left());
  }

  [[nodiscard]] Execution execution(std::size_t index, const fs::path& run) {
    const Plan& plan = *plan_.all[index].plan;
    std::vector<std::string> words{"grit", "run", plan_.damages.file};
    for (const auto& [name, value] : plan_.damages.sets) words.insert(words.end(), {"--set", name + "=" + value});
    words.insert(words.end(), {"--set", std::string(kDamageOption) + "=" + damage(index).name});
    return Execution{
        .plan = plan,
        .scenario_source = setup_.source,
        .scenario_file = plan_.damages.file,
        .run_directory = run,
        .command_line = std::move(words),
        .json = setup_.json,
        .port = setup_.port,
        .heading = fmt::format("damage {} of {}: {}", to_run_ - to_do().size() + 1, to_run_, damage(index).name)};
  }

  const DamageSetup& setup_;
  DamagePlan plan_;
  DamagesEnd end_{};
  std::size_t to_run_ = 0;  // in this call
  std::string acted_{};     // of the last run
};

/// Error (unavailable): nothing is there, and nothing can be run.
Status check_any(const DamagePlan& plan) {
  std::vector<std::string> reasons;
  for (const PlannedDamage& one : plan.all) {
    if (is_to_run(one) || one.damage.state == Damage::State::finished) return {};
    reasons.push_back(one.damage.name + ": " + one.damage.reason);
  }
  return unavailable_error(
      fmt::format("none of it can be done here, so there is nothing to score: {}", fmt::join(reasons, "; ")));
}

}  // namespace

Result<DamagesEnd> run_damages(const DamageSetup& setup) {
  GRIT_TRY(DamagePlan plan, plan_damages(setup));
  GRIT_CHECK(check_any(plan));
  GRIT_TRY(const NodeLock lock, NodeLock::acquire());
  const HeldSignals signals;
  if (!setup.json) {
    for (const std::string& line : describe_damages(plan, std::time(nullptr)))
      fmt::print(stderr, "grit: {}\n", printable(line));
    fmt::print(stderr, "grit: in {0}; after an interruption the same command with --out {0} goes on\n",
               printable(shell_word(plan.directory.string())));
  }
  return DamageRunner(setup, std::move(plan)).run();
}

}  // namespace grit

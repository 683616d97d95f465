#include "analysis/verdict/verdict.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "analysis/blame/culprit.hpp"
#include "analysis/facts/baseline_drift.hpp"
#include "analysis/facts/counted_pairs.hpp"
#include "analysis/facts/evidence.hpp"
#include "analysis/facts/timing.hpp"
#include "analysis/facts/wording.hpp"
#include "analysis/stats/sign_flip.hpp"
#include "analysis/verdict/cost.hpp"
#include "analysis/verdict/recovery.hpp"
#include "harness/model/expected_culprit.hpp"

namespace grit {
namespace {

double median_baseline_ns(const Plan& plan, const RunTimes& times) {
  std::vector<double> means;
  for (std::size_t i = 0; i < plan.blocks.size(); ++i)
    if (plan.blocks[i].kind == BlockKind::baseline && times.blocks[i].complete)
      means.push_back(times.blocks[i].mean_ns);
  if (means.empty()) return 0;
  std::sort(means.begin(), means.end());
  const std::size_t middle = means.size() / 2;
  return means.size() % 2 == 1 ? means[middle] : (means[middle - 1] + means[middle]) / 2;
}

/// What the verdict needs of the records.
struct RunSums {
  RunTimes times;
  BlockEnds ends;
  OwnWork work;
};

/// Stretch by stretch: the records then come from memory once, and for all but the first sum from the cache.
RunSums sum_run(const Plan& plan, std::span<const StepRecord> records, const Json& clock) {
  constexpr std::size_t kStretch = 2048;  // 208 KiB
  BlockTimesSum times(plan, records.size());
  BlockEnds ends(plan);
  OwnWorkSum work(plan, NodeClocks(plan, clock), records.size());
  for (std::size_t first = 0; first < records.size(); first += kStretch) {
    const auto stretch = records.subspan(first, std::min(kStretch, records.size() - first));
    times.take(stretch);
    ends.take(stretch);
    work.take(stretch);
  }
  return {times.finish(), std::move(ends), work.finish()};
}

class Judge {
 public:
  Judge(const Plan& plan, std::span<const StepRecord> records, const JsonLines& events, const Json& clock,
        const std::optional<JsonLines>& links)
      : plan_(plan),
        records_(records),
        events_(events),
        links_(links),
        sums_(sum_run(plan, records, clock)),
        evidence_(collect_evidence(plan, events, clock)),
        timing_(fault_timing(plan, sums_.ends, events, clock)) {
    verdict_.residue = evidence_.residue;
    verdict_.onset = timing_.onset;
    verdict_.end = timing_.end;
    verdict_.skew = timing_.skew;
    verdict_.scenario = plan.scenario_name;
    verdict_.emulated = plan.emulated;
    verdict_.baseline_step_ns = median_baseline_ns(plan, sums_.times);
    verdict_.comes_and_goes = comes_and_goes(plan);
  }

  Judgement run() {
    count_windows();
    pairs_ = blocks_.pairs();
    looks_ = static_cast<int>(looks_of(plan_.design).size());
    verdict_.looks = looks_;
    verdict_.look = look_before(plan_, static_cast<int>(evidence_.blocks_due)).value_or(looks_);
    effects_ = paired_effects(pairs_.usable, looks_);
    if (!effects_.empty()) {
      verdict_.effect = shown_effect();
      verdict_.lost_each_time = lost_each_time(plan_, effects_.front(), verdict_.baseline_step_ns);
    }
    set_harm();
    set_checks();
    set_sham_and_recovery();
    set_culprit();
    report_unreverted();
    report_residue();
    set_outcome();
    report_ineffective_faults();
    report_left_out_pairs();
    evaluate_expectations();
    report_remarks();
    set_kind();
    set_sentence();
    return {std::move(verdict_), std::move(sums_.times), std::move(sums_.work)};
  }

 private:
  void reason(std::string text) { verdict_.reasons.push_back(std::move(text)); }

  /// What is odd about many nodes or faults: the first few of a kind, and how many more there are. What may still be in
  /// force or was left behind is never cut.
  void reasons_of(const std::vector<std::string>& texts, std::string_view what) {
    constexpr std::size_t kMost = 12;
    for (std::size_t i = 0; i < std::min(kMost, texts.size()); ++i) reason(texts[i]);
    if (texts.size() > kMost) reason(fmt::format("and {} more {}", texts.size() - kMost, what));
  }

  void count_windows() {
    for (std::size_t i = 0; i < plan_.faults.size(); ++i) {
      const PlannedFault& fault = plan_.faults[i];
      FaultResult result;
      result.name = fault.name;
      result.node = name_of_node(plan_, fault.node);
      result.device = fault.device;
      const std::string& used = evidence_.faults[i].mechanism;
      result.mechanism = used.empty() ? fault.mechanism : used;
      result.acted = evidence_.faults[i].acted;
      result.onset = timing_.faults[i].onset;
      result.end = timing_.faults[i].end;
      for (std::size_t block = 0; block < plan_.blocks.size(); ++block) {
        const WindowEvidence& window = evidence_.faults[i].blocks[block];
        result.unreverted += window.unreverted ? 1 : 0;  // in link tests and sham blocks, too
        if (plan_.blocks[block].kind != BlockKind::fault || !(blocks_.began(block) || window.began)) continue;
        result.windows += 1;
        result.applied += window.applied ? 1 : 0;
        result.acting += window.acting ? 1 : 0;
        result.unread += window.may_have_taken_effect() ? 1 : 0;
        result.reverted += window.touched && !window.unreverted ? 1 : 0;
      }
      verdict_.faults.push_back(std::move(result));
    }
  }

  /// Sham blocks and what comes after the faults, of the pairs that count.
  void set_sham_and_recovery() {
    const auto effects = paired_effects(blocks_.sham_pairs(pairs_), looks_);
    for (const Effect& effect : effects)  // of the statistic that it is held against
      if (!verdict_.sham || (verdict_.effect && effect.statistic == verdict_.effect->statistic)) verdict_.sham = effect;
    verdict_.recovery = recovery_after(plan_, records_, sums_.times, pairs_.numbers(), looks_);
  }

  /// The effect is that of all faults together: with one it is that one's, of several nobody knows whose
  /// (grit.search.minimal tells them apart). A passive end does nothing itself.
  void set_harm() {
    const auto acts = [](const PlannedFault& fault) { return !fault.passive; };
    if (effects_.empty() || std::count_if(plan_.faults.begin(), plan_.faults.end(), acts) != 1) return;
    const bool harmful = std::any_of(effects_.begin(), effects_.end(), [](const Effect& e) { return e.ci_low > 0; });
    const bool harmless = std::all_of(effects_.begin(), effects_.end(), [](const Effect& e) { return e.ci_high <= 0; });
    for (std::size_t i = 0; i < plan_.faults.size(); ++i)
      if (acts(plan_.faults[i]) && (harmful || harmless)) verdict_.faults[i].harmful = harmful;
  }

  using Rule = std::optional<bool> (*)(std::span<const Effect>, double);

  /// The figures are of a statistic by which the expectation is met or not, so that they say the same.
  [[nodiscard]] const Effect& shown_effect() const {
    const Effect& leading = leading_effect(effects_);
    const std::pair<std::optional<double>, Rule> expected[]{{plan_.expect.slowdown_at_least, slowdown_at_least},
                                                            {plan_.expect.slowdown_at_most, slowdown_at_most}};
    for (const auto& [bound, rule] : expected)
      if (bound && rule(effects_, *bound)) return decisive_effect(leading, *bound, rule);
    return leading;
  }

  /// `preferred`, where it alone gives the answer that all statistics together give; else one that does.
  [[nodiscard]] const Effect& decisive_effect(const Effect& preferred, double bound, Rule rule) const {
    const std::optional<bool> answer = rule(effects_, bound);
    if (rule({&preferred, 1}, bound) == answer) return preferred;
    for (const Effect& effect : effects_)
      if (rule({&effect, 1}, bound) == answer) return effect;
    return preferred;
  }

  /// Of each pair that counts one value a check: the share of its readings that failed under the fault, less that
  /// without. A coin decided which block was which, so the pairs' signs are tested, of all checks together.
  void set_checks() {
    std::map<int, std::pair<std::size_t, std::size_t>> blocks;  // baseline and fault block, by pair
    for (std::size_t i = 0; i < plan_.blocks.size(); ++i) {
      if (plan_.blocks[i].kind == BlockKind::baseline) blocks[plan_.blocks[i].pair].first = i;
      if (plan_.blocks[i].kind == BlockKind::fault) blocks[plan_.blocks[i].pair].second = i;
    }
    std::vector<std::vector<double>> differences;
    std::vector<int> looked_at;  // pairs, by check
    for (const CheckEvidence& check : evidence_.checks) {
      std::vector<double>& row = differences.emplace_back();
      looked_at.push_back(0);
      for (const int pair : pairs_.numbers()) {
        const auto &baseline = check.blocks[blocks[pair].first], &fault = check.blocks[blocks[pair].second];
        const bool both = baseline.made > 0 && fault.made > 0;
        row.push_back(both ? static_cast<double>(fault.failed) / fault.made -
                                 static_cast<double>(baseline.failed) / baseline.made
                           : 0);
        if (both) ++looked_at.back();
      }
    }
    const std::vector<double> p = p_among_all(differences);
    for (std::size_t i = 0; i < evidence_.checks.size(); ++i) {
      verdict_.checks.push_back(evidence_.checks[i].result);
      // Of n pairs the smallest p is 1 / 2^n: fewer than would reach the level can say neither yes nor no.
      if (std::exp2(-looked_at[i]) * looks_ <= kFamilyAlpha) verdict_.checks.back().p = std::min(1.0, p[i] * looks_);
    }
  }

  [[nodiscard]] bool slowdown_shown() const {
    return std::any_of(effects_.begin(), effects_.end(), [](const Effect& e) { return e.ci_low > 0; });
  }

  void set_culprit() {
    if (!slowdown_shown()) return;
    const std::vector<int> pairs = pairs_.numbers();
    std::vector<CheckResult> failing;  // a reading that failed once is no evidence against its node
    std::copy_if(verdict_.checks.begin(), verdict_.checks.end(), std::back_inserter(failing),
                 [](const CheckResult& check) { return check.fails_more(); });
    verdict_.culprit = find_culprit({plan_, sums_.work, events_, links_, pairs, failing});
  }

  void evaluate_culprit() {
    if (!plan_.expect.culprit) return;
    const std::string text = expected_text(plan_, *plan_.expect.culprit);
    const auto met = names_expected(plan_, verdict_.culprit, slowdown_shown());
    verdict_.expectations.push_back({text, met});
    if (!met && slowdown_shown())
      reason(fmt::format("cannot tell whether {} is right: {}", text,
                         verdict_.culprit ? verdict_.culprit->text : "there is nothing to go by"));
  }

  [[nodiscard]] std::string last_error(std::size_t fault) const {
    std::string error;
    for (const WindowEvidence& window : evidence_.faults[fault].blocks)
      if (!window.error.empty()) error = window.error;
    return error.empty() ? error : ": " + error;
  }

  static std::string place(const FaultResult& fault) {
    return fault.name + " on " + fault.node + (fault.device.empty() ? std::string() : " " + fault.device);
  }

  /// What faults change of their nodes goes with these where they are namespaces, as on a local cluster that did not
  /// end well, whether or not every agent lived to say so.
  [[nodiscard]] bool went_with_its_node(std::size_t fault) const {
    const auto& blocks = evidence_.faults[fault].blocks;
    const bool failed =
        std::any_of(blocks.begin(), blocks.end(), [](const auto& window) { return window.revert_failed; });
    const bool of_the_node = evidence_.faults[fault].reach == Reach::node;
    return plan_.topology.local_cluster && of_the_node && !evidence_.finished && !failed;
  }

  /// After the cluster's end a process that outlives it takes off what is the machine's.
  [[nodiscard]] bool was_mended_later(std::size_t fault) const {
    return plan_.topology.local_cluster && evidence_.faults[fault].reach == Reach::machine && evidence_.machine_mended;
  }

  /// How somebody mends the node. A local cluster's journals lie in the run directory, and its nodes are gone.
  [[nodiscard]] std::string how_to_revert(const std::string& node) const {
    if (plan_.topology.local_cluster)
      return "Run `grit revert --journal FILE` for each file in `journal` of the run directory";
    return fmt::format("Run `grit revert` on {} before it is used for anything else", node);
  }

  void report_unreverted() {
    for (std::size_t i = 0; i < verdict_.faults.size(); ++i) {
      FaultResult& fault = verdict_.faults[i];
      if (fault.unreverted == 0) continue;
      if (went_with_its_node(i)) {
        reason(place(fault) +
               ": still in force when the run was cut off; its node was a namespace, which went with the run");
        fault.unreverted = 0;  // nobody has anything to mend
        continue;
      }
      if (was_mended_later(i)) {
        reason(place(fault) + ": still in force when the run was cut off; taken off when the cluster had ended");
        fault.unreverted = 0;
        continue;
      }
      reason(fmt::format("{}: {} may still be in force (after {} windows){}. {}", kNotReverted, place(fault),
                         fault.unreverted, last_error(i), how_to_revert(fault.node)));
    }
  }

  void report_residue() {
    constexpr std::size_t kNamed = 5;
    for (const Residue& residue : evidence_.residue) {
      std::string text;
      for (std::size_t i = 0; i < std::min(kNamed, residue.differences.size()); ++i)
        text += (i == 0 ? "" : "; ") + residue.differences[i];
      if (residue.differences.size() > kNamed)
        text += fmt::format("; and {} more", residue.differences.size() - kNamed);
      reason(fmt::format("{}: {} is not as it was before the run: {}", kLeftBehind, residue.node, text));
    }
  }

  void set_outcome() {
    const std::size_t due = evidence_.blocks_due, done = blocks_.done();
    verdict_.outcome = "completed";
    if (done < due) verdict_.outcome = "failed";
    if (sums_.times.corrupted_values > 0) {
      verdict_.outcome = "corruption";
      ending_ =
          fmt::format("{} reduced values were wrong: data were corrupted on the way", sums_.times.corrupted_values);
      reason(ending_);
    }
    const bool counted = verdict_.outcome == "corruption" && evidence_.ending == "corruption";
    if (!evidence_.ending.empty() && !counted) {
      verdict_.outcome = evidence_.ending;
      ending_ = evidence_.ending_reason;
      reason(ending_);
    }
    if (done == due || ended_as_expected()) return;
    const std::string missing = fmt::format("only {} of {} blocks were completed", done, due);
    if (ending_.empty()) ending_ = missing;
    reason(missing);
  }

  void report_ineffective_faults() {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < verdict_.faults.size(); ++i) {
      const FaultResult& fault = verdict_.faults[i];
      const auto& blocks = evidence_.faults[i].blocks;
      const auto effective = std::count_if(blocks.begin(), blocks.end(),
                                           [](const WindowEvidence& window) { return window.took_effect(); });
      if (effective == fault.windows) continue;
      if (fault.unread > 0) {
        unread_ = unread_ || effective == 0;
        texts.push_back(
            fmt::format("{}: the fault took effect in {} of {} windows, and in {} it is not known: it may "
                        "have been in force, but could not be read{}",
                        place(fault), effective, fault.windows, fault.unread, last_error(i)));
      } else if (effective == 0) {
        never_took_effect_ = true;
        texts.push_back(fmt::format("{}: the fault never took effect (applied in {}, acting in {} of {} windows){}",
                                    place(fault), fault.applied, fault.acting, fault.windows, last_error(i)));
      } else {
        texts.push_back(fmt::format("{}: the fault took effect in only {} of {} windows{}", place(fault), effective,
                                    fault.windows, last_error(i)));
      }
    }
    reasons_of(texts, "faults without effect in some windows: see the report");
  }

  /// It ended as the scenario says it would: then what a step costs is not the question.
  [[nodiscard]] bool ended_as_expected() const {
    return !plan_.expect.outcome.empty() && verdict_.outcome == plan_.expect.outcome;
  }

  void report_left_out_pairs() {
    if (!plan_.expect.outcome.empty()) return;
    if (pairs_.unread > 0)
      reason(fmt::format("{} of {} pairs are left out: it is not known whether every fault took effect in them",
                         pairs_.unread, pairs_.planned));
    if (pairs_.without_effect > 0 && !never_took_effect_)
      reason(fmt::format("{} of {} pairs are left out: not every fault took effect in them", pairs_.without_effect,
                         pairs_.planned));
    if (pairs_.incomplete > 0)
      reason(fmt::format("{} of {} pairs are left out: step records are missing or a block was cut short",
                         pairs_.incomplete, pairs_.planned));
    if (!effects_.empty() || never_took_effect_) return;
    reason(too_few_pairs());
  }

  [[nodiscard]] std::string too_few_pairs() const {
    const std::size_t usable = pairs_.usable.size();
    const int fewest = fewest_pairs(looks_);
    if (usable == 0) return fmt::format("there is no usable pair; a verdict needs at least {}", fewest);
    return fmt::format("only {} of {} pairs are usable, and a verdict needs at least {} (these show {}{})", usable,
                       pairs_.planned, fewest, estimate_only(pairs_.usable) >= 0 ? "+" : "",
                       percent(estimate_only(pairs_.usable)));
  }

  void evaluate_expectation(std::string_view words, double bound, Rule rule) {
    std::string text = fmt::format("slowdown {} {}", words, percent(bound));
    const std::optional<bool> met = rule(effects_, bound);
    if (effects_.empty()) {
      verdict_.expectations.push_back({text, met});
      return;
    }
    const Effect& decisive = decisive_effect(*verdict_.effect, bound, rule);
    if (decisive.statistic != verdict_.effect->statistic)
      text += fmt::format(" (by the {} step time, {})", decisive.statistic, interval_text(decisive));
    verdict_.expectations.push_back({text, met});
    if (!met)
      reason(fmt::format(
          "cannot tell whether {} holds: {} ({}); {} pairs like these show a slowdown of {} or more in four runs "
          "of five: more pairs or longer blocks would show less",
          text, interval_text(decisive), decisive.statistic, decisive.pairs, percent(decisive.minimum_detectable)));
    for (const Effect& other : effects_)
      if (rule({&other, 1}, bound) != met)
        reason(fmt::format(
            "the {} step time alone would say otherwise about {}: it changed by {} ({}); that is judged by the {}",
            other.statistic, text, percent(other.estimate), interval_text(other), decisive.statistic));
  }

  /// A run that was interrupted, or failed otherwise, says nothing about it.
  void evaluate_outcome() {
    if (plan_.expect.outcome.empty()) return;
    std::optional<bool> met;
    if (ended_as_expected()) met = true;
    if (verdict_.outcome == "completed") met = false;
    verdict_.expectations.push_back({"outcome " + plan_.expect.outcome, met});
  }

  void evaluate_expectations() {
    evaluate_outcome();
    evaluate_culprit();
    if (plan_.expect.slowdown_at_least)
      evaluate_expectation("at least", *plan_.expect.slowdown_at_least, slowdown_at_least);
    evaluate_recovery();
    if (!plan_.expect.slowdown_at_most) return;
    const double bound = *plan_.expect.slowdown_at_most;
    evaluate_expectation("at most", bound, slowdown_at_most);
    if (std::any_of(effects_.begin(), effects_.end(), [&](const Effect& e) { return e.ci_high < -bound; }))
      reason(
          fmt::format("steps were faster by more than {} in the fault blocks: something else changed with the blocks",
                      percent(bound)));
  }

  /// The half of the recovery blocks in which it took longest counts, so that one stray block does not decide.
  void evaluate_recovery() {
    const auto& recovery = verdict_.recovery;
    if (recovery && recovery->carry_over && recovery->carry_over->ci_low > 0)
      reason(
          fmt::format("step time did not come back after the fault: in the second half of the recovery blocks steps "
                      "still took {} longer than before ({})",
                      percent(recovery->carry_over->estimate), interval_text(*recovery->carry_over)));
    if (!plan_.expect.recovers_within_ns) return;
    const auto within_ns = static_cast<double>(*plan_.expect.recovers_within_ns);
    std::optional<bool> met;
    if (recovery) met = recovery->p50_ns && *recovery->p50_ns <= within_ns;
    verdict_.expectations.push_back({"steps are back within " + format_duration(within_ns), met});
  }

  /// A fault block that is no slower than one in which everything was done but the fault shows nothing of the fault.
  void report_sham() {
    const auto& sham = verdict_.sham;
    if (!sham || (sham->ci_low <= 0 && sham->ci_high >= 0)) return;
    const auto& effect = verdict_.effect;
    sham_explains_ = sham->ci_low > 0 && effect && effect->ci_low > 0 && effect->ci_low <= sham->ci_high;
    reason(fmt::format("in sham blocks, where all was done but the fault itself, steps changed by {} ({}): {}",
                       percent(sham->estimate), interval_text(*sham),
                       sham_explains_ ? "the slowdown may be no more than that"
                                      : "what is done around a fault, or the machine, is not without effect"));
  }

  void report_remarks() {
    report_sham();
    if (const auto remark = baseline_change_remark(plan_, sums_.times)) reason(*remark);
    reasons_of(evidence_.remarks, "remarks of this kind: see events.jsonl");
    if (sums_.times.records_out_of_place > 0)
      reason(fmt::format("{} step records fit neither the plan nor the topology and were left out",
                         sums_.times.records_out_of_place));
    for (std::size_t i = 0; i < verdict_.faults.size(); ++i) {
      const auto& blocks = evidence_.faults[i].blocks;
      const auto leases =
          std::count_if(blocks.begin(), blocks.end(), [](const WindowEvidence& w) { return w.lease_ended; });
      if (leases > 0)
        reason(fmt::format("{}: its lease took it off before the plan did, in {} windows", place(verdict_.faults[i]),
                           leases));
    }
    std::vector<std::string> texts;
    for (const CheckResult& check : verdict_.checks) {
      if (check.not_made > 0)
        texts.push_back(fmt::format("check {} could not be made on {}, {} times: {}", check.name, check.node,
                                    check.not_made, check.obstacle));
      if (check.baseline_failures > 0)
        texts.push_back(fmt::format("check {} failed on {} without any fault, in {} of {} readings", check.name,
                                    check.node, check.baseline_failures, check.baseline_runs));
    }
    reasons_of(texts, "of checks: see the report");
  }

  void set_kind() {
    verdict_.kind = VerdictKind::inconclusive;
    if (verdict_.expectations.empty()) reason("the scenario expects nothing: give it expect = { slowdown = ... }");
    const bool cut_short = verdict_.outcome != "completed" && !ended_as_expected();
    if (evidence_.events_lost > 0 || cut_short || never_took_effect_ || unread_ || sham_explains_ ||
        left_something_behind(verdict_))
      return;
    const auto& expectations = verdict_.expectations;
    if (std::any_of(expectations.begin(), expectations.end(), [](const auto& e) { return e.met == false; }))
      verdict_.kind = VerdictKind::not_reproduced;
    else if (!expectations.empty() &&
             std::all_of(expectations.begin(), expectations.end(), [](const auto& e) { return e.met == true; }))
      verdict_.kind = VerdictKind::reproduced;
  }

  [[nodiscard]] std::string measured_sentence() const {
    const Effect& effect = *verdict_.effect;
    std::string sentence = effect_sentence(plan_, effect, effect.pairs);
    const auto bound = plan_.expect.slowdown_at_most;
    if (bound && slowdown_at_most(effects_, *bound) == true)
      return fmt::format("{}: within ±{}", sentence, percent(*bound));
    if (effect.ci_low > 0 || effect.ci_high < 0) return sentence;
    return fmt::format("{}: no effect shown, one of {} or more should have been", sentence,
                       percent(effect.minimum_detectable));
  }

  /// What somebody must mend comes before all else, whatever ended the run.
  [[nodiscard]] std::string mend_sentence() const {
    constexpr std::size_t kNamed = 3;
    std::vector<std::string> places;
    for (const FaultResult& fault : verdict_.faults)
      if (fault.unreverted > 0) places.push_back(place(fault));
    if (places.empty()) return {};
    const std::size_t more = places.size() > kNamed ? places.size() - kNamed : 0;
    places.resize(places.size() - more);
    return fmt::format(
        "{}: {}{} may still be in force: run `grit revert{}. ", kNotReverted, fmt::join(places, ", "),
        more > 0 ? fmt::format(" and {} more faults", more) : "",
        plan_.topology.local_cluster ? " --journal FILE` for each file in `journal` of the run directory" : "` there");
  }

  void set_sentence() {
    std::string sentence;
    if (verdict_.outcome != "completed") {
      sentence = ending_ + ". ";
      if (sentence.front() >= 'a' && sentence.front() <= 'z')
        sentence.front() = static_cast<char>(sentence.front() - 'a' + 'A');
    }
    if (ended_as_expected()) {
      verdict_.sentence = mend_sentence() + fmt::format("{}: {}, as expected.", faults_text(plan_), ending_);
      return;
    }
    if (!effects_.empty())
      sentence += measured_sentence();
    else if (never_took_effect_)
      sentence += faults_text(plan_) + ": it never took effect, so nothing can be said about its cost";
    else if (unread_)
      sentence +=
          faults_text(plan_) + ": whether it took effect could not be read, so nothing can be said about its cost";
    else
      sentence += "What a step costs cannot be told: " + too_few_pairs();
    verdict_.sentence = mend_sentence() + sentence + ".";
  }

  const Plan& plan_;
  const std::span<const StepRecord> records_;
  const JsonLines& events_;
  const std::optional<JsonLines>& links_;
  RunSums sums_;
  const RunEvidence evidence_;
  const FaultTiming timing_;
  const DoneBlocks blocks_{plan_, sums_.times, evidence_};
  Verdict verdict_{};
  CountedPairs pairs_{};
  std::vector<Effect> effects_{};
  std::string ending_{};  // why it is not "completed", in words
  bool never_took_effect_ = false;
  bool unread_ = false;  // of a fault it is not known whether it took effect even once
  bool sham_explains_ = false;
  int looks_ = 1;
};

}  // namespace

Judgement judge_run(const Plan& plan, std::span<const StepRecord> records, const JsonLines& events, const Json& clock,
                    const std::optional<JsonLines>& links) {
  return Judge(plan, records, events, clock, links).run();
}

Verdict judge(const Plan& plan, std::span<const StepRecord> records, const JsonLines& events, const Json& clock,
              const std::optional<JsonLines>& links) {
  return judge_run(plan, records, events, clock, links).verdict;
}

std::optional<bool> slowdown_at_least(std::span<const Effect> effects, double bound) {
  if (effects.empty()) return std::nullopt;
  if (std::any_of(effects.begin(), effects.end(), [&](const Effect& e) { return e.ci_low >= bound; })) return true;
  if (std::all_of(effects.begin(), effects.end(), [&](const Effect& e) { return e.ci_high < bound; })) return false;
  return std::nullopt;
}

std::optional<bool> slowdown_at_most(std::span<const Effect> effects, double bound) {
  if (effects.empty()) return std::nullopt;
  if (std::any_of(effects.begin(), effects.end(), [&](const Effect& e) { return e.ci_low > bound; })) return false;
  const auto within = [&](const Effect& e) { return e.ci_low >= -bound && e.ci_high <= bound; };
  if (std::all_of(effects.begin(), effects.end(), within)) return true;
  return std::nullopt;
}

bool left_something_behind(const Verdict& verdict) {
  return !verdict.residue.empty() || std::any_of(verdict.faults.begin(), verdict.faults.end(),
                                                 [](const FaultResult& fault) { return fault.unreverted > 0; });
}

}  // namespace grit

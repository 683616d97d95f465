#include "harness/run/damage_plan.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "analysis/score/scored_run.hpp"
#include "analysis/stats/proportions.hpp"
#include "analysis/verdict/verdict.hpp"
#include "grit_version.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/commit.hpp"
#include "harness/base/json_fields.hpp"
#include "harness/base/shortened.hpp"
#include "harness/base/units.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/faults_here.hpp"
#include "harness/run/series.hpp"
#include "harness/scenario/planner.hpp"
#include "injectors/traits.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

/// A local cluster is made, ranks and agents start, the run is judged: measured on two cores with 4 nodes, 8 to 10 s.
constexpr std::int64_t kStartAndEnd_ns = 9 * kNsPerS;

Result<std::vector<std::string>> choices_of(const DamageSetup& setup, const ScenarioBrief& brief) {
  for (const ScenarioOption& option : brief.options) {
    if (option.name != kDamageOption) continue;
    if (option.choices.empty()) break;
    for (const std::string& name : option.choices)
      if (!names_a_directory(name))
        return usage_error(fmt::format(
            "{}: the damage \"{}\" would be no name of a directory: leave out slashes, and a dot at its beginning",
            setup.file, shortened(name)));
    return option.choices;
  }
  return usage_error(fmt::format(
      "{}: no option `{}` with choices, which a scorecard goes through, each a kind of damage: options = {{ {} = {{ "
      "\"link_down\", choices = {{ \"link_down\", ... }} }} }}; `grit run` runs a scenario as it is",
      setup.file, kDamageOption, kDamageOption));
}

Status check_chosen(const DamageSetup& setup, const std::vector<std::string>& choices) {
  for (const std::string& name : setup.chosen) {
    if (std::find(choices.begin(), choices.end(), name) != choices.end()) continue;
    const std::string near = nearest_name(name, choices);
    return usage_error(fmt::format("{}: there is no damage {}{}; there are: {}", setup.file, shortened(name),
                                   near.empty() ? "" : fmt::format(" (did you mean {}?)", near),
                                   fmt::join(choices, ", ")));
  }
  return {};
}

std::vector<Design> designs_to_run(const DamagePlan& plan) {
  std::vector<Design> designs;
  for (const PlannedDamage& one : plan.all)
    if (is_to_run(one)) designs.push_back(one.plan->design);
  return designs;
}

/// How many of these runs there is time for, the shortest first.
std::size_t runs_within(const std::vector<Design>& designs, std::int64_t most_ns) {
  std::vector<std::int64_t> each_ns;
  for (const Design& one : designs) each_ns.push_back(run_takes_ns(one).value_or(0));
  std::sort(each_ns.begin(), each_ns.end());
  std::size_t fit = 0;
  for (; fit < each_ns.size() && each_ns[fit] <= most_ns; ++fit) most_ns -= each_ns[fit];
  return fit;
}

class Planner {
 public:
  Planner(const DamageSetup& setup, std::vector<std::string> choices) : setup_(setup), choices_(std::move(choices)) {}

  Result<DamagePlan> plan() {
    GRIT_CHECK(read_earlier());
    settle_length();
    for (std::size_t i = 0; i < choices_.size(); ++i) {
      const bool is_chosen = setup_.chosen.empty() ||
                             std::find(setup_.chosen.begin(), setup_.chosen.end(), choices_[i]) != setup_.chosen.end();
      const Damage* known = earlier(choices_[i]);
      if (!is_chosen && known == nullptr) continue;
      GRIT_TRY(PlannedDamage one, plan_one(i));
      GRIT_TRY(const bool is_finished, is_finished_already(one));
      if (is_finished) one.damage = {.name = choices_[i], .state = Damage::State::finished};
      if (!is_chosen) one.wanted = false;
      if (!is_chosen && !is_finished) one.damage = as_it_is_now(*known);
      result_.all.push_back(std::move(one));
    }
    GRIT_CHECK(note_missing_faults());
    GRIT_CHECK(limit_time());
    Damages& damages = result_.damages;
    for (const PlannedDamage& one : result_.all) damages.all.push_back(one.damage);
    if (damages.all.size() < choices_.size())
      for (const Damage& one : damages.all)
        damages.command_line.insert(damages.command_line.end(), {std::string("--") + kDamageOption, one.name});
    return std::move(result_);
  }

 private:
  /// What was begun in the directory goes on as it began.
  Status read_earlier() {
    Damages& damages = result_.damages;
    std::error_code unreadable;
    if (!setup_.directory.empty() && fs::exists(setup_.directory / "damages.json", unreadable)) {
      GRIT_TRY(const Json document, read_document(setup_.directory / "damages.json", formats::kDamages));
      GRIT_TRY(earlier_, damages_from_json(document));
    }
    GRIT_TRY(first_, evaluate_scenario(setup_.file, setup_.source, overrides(choices_.front())));
    if (is_series(first_.search))
      return usage_error(fmt::format(
          "{}: a scenario with `search` or `drive` is a series of trials, and no single runs: grit run", setup_.file));
    damages.scenario = first_.scenario.name, damages.file = setup_.file, damages.sets = setup_.sets;
    damages.nodes = static_cast<int>(setup_.topology.nodes.size());
    damages.ranks_per_node = static_cast<int>(setup_.topology.nodes.front().ranks.size());
    damages.command_line = setup_.command_line;
    damages.seed = setup_.seed.value_or(earlier_ ? earlier_->seed : setup_.fresh_seed);
    if (earlier_) GRIT_CHECK(check_earlier());
    result_.directory = setup_.directory;
    if (result_.directory.empty())
      result_.directory =
          fs::path("scores") / damages.scenario / fmt::format("{}-{}", utc_stamp(realtime_ns()), damages.seed);
    result_.directory = fs::absolute(result_.directory).lexically_normal();
    return {};
  }

  [[nodiscard]] Status check_earlier() const {
    const Damages& now = result_.damages;
    const auto differs = [&](std::string_view what, const auto& then, const auto& here) {
      return usage_error(fmt::format(
          "{} holds a scorecard with other {} ({}, now {}): give the same, or choose another directory with --out",
          setup_.directory.string(), what, then, here));
    };
    if (earlier_->scenario != now.scenario) return differs("scenario", earlier_->scenario, now.scenario);
    if (earlier_->seed != now.seed) return differs("seed", earlier_->seed, now.seed);
    if (earlier_->nodes != now.nodes) return differs("nodes", earlier_->nodes, now.nodes);
    if (earlier_->ranks_per_node != now.ranks_per_node)
      return differs("ranks a node", earlier_->ranks_per_node, now.ranks_per_node);
    if (setup_.pairs && *setup_.pairs != earlier_->pairs) return differs("pairs", earlier_->pairs, *setup_.pairs);
    const auto text = [](const Overrides& all) {
      std::vector<std::string> words;
      for (const auto& [name, value] : all) words.push_back(name + "=" + value);
      return words.empty() ? std::string("none") : fmt::format("{}", fmt::join(words, " "));
    };
    if (earlier_->sets != now.sets) return differs("options", text(earlier_->sets), text(now.sets));
    return {};
  }

  /// How many injections of each kind: what else the design is a kind of damage may say, but not that.
  void settle_length() {
    result_.checks = first_.scenario.checks.size();
    result_.damages.pairs = first_.scenario.design.pairs;
    if (earlier_) result_.damages.pairs = earlier_->pairs;
    if (setup_.pairs) result_.damages.pairs = *setup_.pairs;
  }

  [[nodiscard]] Overrides overrides(const std::string& damage) const {
    Overrides all = setup_.sets;
    all.emplace_back(kDamageOption, damage);
    return all;
  }

  [[nodiscard]] const Damage* earlier(const std::string& name) const {
    if (!earlier_) return nullptr;
    const auto found =
        std::find_if(earlier_->all.begin(), earlier_->all.end(), [&](const Damage& one) { return one.name == name; });
    return found == earlier_->all.end() ? nullptr : &*found;
  }

  [[nodiscard]] Result<Plan> plan_of(std::size_t index, std::int64_t pairs) const {
    GRIT_TRY(LoadedScenario loaded, evaluate_scenario(setup_.file, setup_.source, overrides(choices_[index])));
    loaded.scenario.design.pairs = pairs;
    loaded.scenario.design.max_pairs = 0;  // when to stop must not hang on what was measured
    return make_plan(loaded.scenario, setup_.topology,
                     PlanRequest{.seed = result_.damages.seed + index, .allowed = setup_.allowed});
  }

  [[nodiscard]] Result<PlannedDamage> plan_one(std::size_t index) const {
    PlannedDamage one{.damage = {.name = choices_[index]}};
    auto plan = plan_of(index, result_.damages.pairs);
    if (!plan && plan.error().kind == ErrorKind::unavailable) {
      one.damage.state = Damage::State::not_here, one.damage.reason = plan.error().message;
      return one;
    }
    if (!plan) return with_context(plan.error(), "damage " + choices_[index]);
    if (const auto scored = scored_fault(*plan); !scored)
      return with_context(scored.error(), "damage " + choices_[index]);
    if (const auto allowed = check_guards(guard_rails(*plan)); !allowed)
      one.damage.state = Damage::State::not_here, one.damage.reason = allowed.error().message;
    one.plan = std::move(*plan);
    return one;
  }

  /// A kind that is not asked for now is finished only if its run is still there.
  static Damage as_it_is_now(Damage known) {
    if (known.state == Damage::State::finished) known.state = Damage::State::to_do;
    return known;
  }

  /// What went to its end, and left nothing behind, stays as it is; but only if it is what would be run now.
  [[nodiscard]] Result<bool> is_finished_already(const PlannedDamage& one) const {
    const fs::path run = result_.directory / one.damage.name;
    std::error_code unreadable;
    if (!earlier_ || !fs::exists(run / "verdict.json", unreadable)) return false;
    GRIT_TRY(const Json document, read_json(run / "verdict.json"));
    const auto verdict = verdict_from_json(document);
    if (!verdict) return with_context(verdict.error(), run.string());
    if (verdict->outcome != "completed" || left_something_behind(*verdict)) return false;
    GRIT_CHECK(check_grit(run));
    GRIT_TRY(const Json plan, read_json(run / "plan.json"));
    if (one.plan && plan == to_json(*one.plan)) return true;
    return usage_error(fmt::format(
        "{} was run by another plan than it would be now (the scenario, what is allowed, this machine or grit has "
        "changed): choose another directory with --out, or move it away to run it again",
        run.string()));
  }

  /// Another grit may apply a fault or read a check otherwise, by the same plan.
  static Status check_grit(const fs::path& run) {
    GRIT_TRY(const Json made, read_json(run / "run.json"));
    if (made.is_object() && has_text(made, "version", kVersion) && has_text(made, "commit", commit())) return {};
    const Json then = made.is_object() ? made : Json::object();
    return usage_error(fmt::format(
        "{} was run by grit {} ({}), and this is grit {} ({}), whose faults and checks may be others: go on with that "
        "one, choose another directory with --out, or move it away to run it again",
        run.string(), text_at(then, "version"), text_at(then, "commit"), kVersion, commit()));
  }

  /// Those whose fault has no mechanism that would work on a node of the local cluster.
  Status note_missing_faults() {
    std::vector<std::string> names;
    for (const PlannedDamage& one : result_.all)
      if (is_to_run(one)) names.push_back((*scored_fault(*one.plan))->name);
    GRIT_TRY(const auto missing, faults_not_in_cluster(names));
    for (PlannedDamage& one : result_.all) {
      if (!is_to_run(one)) continue;
      const auto found = missing.find((*scored_fault(*one.plan))->name);
      if (found == missing.end()) continue;
      one.damage.state = Damage::State::not_here, one.damage.reason = found->second;
    }
    return {};
  }

  Status limit_time() {
    const std::vector<Design> designs = designs_to_run(result_);
    if (!setup_.most_ns || designs.empty()) return {};
    const char* fixed_by = setup_.pairs ? "--pairs" : earlier_ ? "the runs that are there already" : "";
    GRIT_TRY(const std::int64_t pairs, injections_within(designs, *setup_.most_ns, fixed_by));
    if (pairs == result_.damages.pairs) return {};
    result_.damages.pairs = pairs;
    for (PlannedDamage& one : result_.all) {
      if (!is_to_run(one)) continue;
      const auto index = std::find(choices_.begin(), choices_.end(), one.damage.name) - choices_.begin();
      GRIT_TRY(one.plan, plan_of(static_cast<std::size_t>(index), pairs));
    }
    return {};
  }

  const DamageSetup& setup_;
  std::vector<std::string> choices_;
  std::optional<Damages> earlier_{};
  LoadedScenario first_{};
  DamagePlan result_{};
};

std::size_t count(const DamagePlan& plan, Damage::State state) {
  return static_cast<std::size_t>(std::count_if(plan.all.begin(), plan.all.end(),
                                                [&](const PlannedDamage& one) { return one.damage.state == state; }));
}

}  // namespace

std::optional<std::int64_t> run_takes_ns(const Design& design) {
  if (design.block_ns <= 0) return std::nullopt;
  const std::int64_t pair_ns = (design.sham ? 3 : 2) * design.block_ns + design.recovery_ns;
  return kStartAndEnd_ns + design.pairs * pair_ns + (design.link_test ? 4 * design.block_ns : 0);
}

std::optional<std::int64_t> runs_take_ns(const std::vector<Design>& designs) {
  std::int64_t all_ns = 0;
  for (const Design& one : designs) {
    const auto takes_ns = run_takes_ns(one);
    if (!takes_ns) return std::nullopt;
    all_ns += *takes_ns;
  }
  return all_ns;
}

Result<std::int64_t> injections_within(std::vector<Design> designs, std::int64_t most_ns, std::string_view fixed_by) {
  if (!runs_take_ns(designs))
    return usage_error(
        "--time: the scenario's blocks are counted in steps, and how long one takes is not known; give them a length: "
        "design = { block = \"4s\" }");
  const auto takes_ns = [&] { return runs_take_ns(designs).value_or(0); };
  const std::int64_t& pairs = designs.front().pairs;
  while (fixed_by.empty() && pairs > kFewestInjections && takes_ns() > most_ns)
    for (Design& one : designs) --one.pairs;
  if (takes_ns() <= most_ns) return pairs;
  const std::size_t fit = runs_within(designs, most_ns);
  const std::string why_no_fewer =
      fixed_by.empty() ? "fewer injections would show nothing" : fmt::format("their number is fixed by {}", fixed_by);
  return usage_error(fmt::format(
      "--time {}: {} with {} of each take about {}, and {}; {}", format_duration(static_cast<double>(most_ns)),
      plural(designs.size(), "kind") + " of damage", plural(pairs, "injection"),
      format_duration(static_cast<double>(takes_ns())), why_no_fewer,
      fit > 0 ? fmt::format("there is time for {} of them at the most: name these, each with --{}", fit, kDamageOption)
              : "there is not time for one of them"));
}

Result<DamagePlan> plan_damages(const DamageSetup& setup) {
  GRIT_TRY(const ScenarioBrief brief, brief_of_scenario(setup.file, setup.source));
  GRIT_TRY(auto choices, choices_of(setup, brief));
  GRIT_CHECK(check_chosen(setup, choices));
  return Planner(setup, std::move(choices)).plan();
}

std::string until_text(std::int64_t now_s, std::int64_t takes_ns) {
  const std::time_t now = now_s, then = now_s + takes_ns / kNsPerS;
  std::tm today{}, end{};
  ::localtime_r(&now, &today), ::localtime_r(&then, &end);
  const bool same_day = today.tm_year == end.tm_year && today.tm_yday == end.tm_yday;
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), same_day ? "%H:%M" : "%Y-%m-%d %H:%M", &end);
  return fmt::format("until about {}", text.data());
}

std::vector<std::string> describe_damages(const DamagePlan& plan, std::int64_t now_s) {
  const std::size_t finished = count(plan, Damage::State::finished);
  const std::vector<Design> designs = designs_to_run(plan);
  const std::size_t kinds = finished + designs.size();
  const auto pairs = static_cast<int>(plan.damages.pairs);
  const std::size_t injections = kinds * static_cast<std::size_t>(pairs);
  std::vector<std::string> lines{
      fmt::format("{}: {} of damage x {} injections and as many shams ({} and {}), {}, on a local cluster of {} nodes",
                  plan.damages.scenario, plural(kinds, "kind"), pairs, injections, injections,
                  plural(plan.checks, "check"), plan.damages.nodes)};
  if (finished > 0) lines.push_back(fmt::format("{} of them there already, {} to go", finished, designs.size()));
  std::string length = "nothing is left to run";
  if (const auto takes_ns = runs_take_ns(designs); !takes_ns)
    length = "how long it takes is not known: blocks are counted in steps";
  else if (!designs.empty())
    length = fmt::format("takes about {}, {}", format_duration(static_cast<double>(*takes_ns)),
                         until_text(now_s, *takes_ns));
  lines.push_back(fmt::format("{}; {} of {} found would mean a recall of at least {:.0f} % (95 % confidence)", length,
                              pairs, pairs, 100 * clopper_pearson(pairs, pairs).low));
  for (const PlannedDamage& one : plan.all)
    if (one.damage.state == Damage::State::not_here)
      lines.push_back(fmt::format("not run here: {}: {}", one.damage.name, one.damage.reason));
  return lines;
}

}  // namespace grit

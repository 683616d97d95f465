// Before a scorecard is measured run by run: what will be run, what cannot be, and how long it takes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/damages.hpp"
#include "harness/model/plan.hpp"
#include "harness/scenario/load.hpp"

namespace grit {

struct DamageSetup {
  std::string file{};    // of the scenario
  std::string source{};  // its text
  Overrides sets{};
  std::vector<std::string> chosen{};    // of the choices; empty: all
  std::optional<std::uint64_t> seed{};  // empty: that of the earlier runs in the directory, else a fresh one
  std::uint64_t fresh_seed = 1;
  std::optional<std::int64_t> pairs{};    // empty: that of the earlier runs, else the scenario's
  std::optional<std::int64_t> most_ns{};  // that all may take
  Allowed allowed{};
  Topology topology{};
  std::filesystem::path directory{};        // empty: scores/<scenario>/<UTC time>-<seed>
  std::vector<std::string> command_line{};  // without what is `chosen`
  bool json = false;
  int port = 0;
};

/// One kind of damage with the run that it needs.
struct PlannedDamage {
  Damage damage{};
  std::optional<Plan> plan{};  // empty: it cannot be planned for these nodes, or is not wanted
  bool wanted = true;          // false: of an earlier call, and not asked for in this one
};

/// Is it still to be run in this call?
inline bool is_to_run(const PlannedDamage& one) { return one.wanted && one.damage.state == Damage::State::to_do; }

struct DamagePlan {
  Damages damages{};  // as they go into damages.json
  std::vector<PlannedDamage> all{};
  std::filesystem::path directory{};  // absolute
  std::size_t checks = 0;             // that the scenario has
};

/// About how long such a run takes, from its start to its verdict. Empty: its blocks are counted in steps, and how long
/// one takes is not known.
std::optional<std::int64_t> run_takes_ns(const Design& design);
/// The same of several, one after another. Empty: of one of them it is not known.
std::optional<std::int64_t> runs_take_ns(const std::vector<Design>& designs);

/// At least so many injections of each kind a scorecard must have, as a run must have pairs: with fewer nothing says
/// whether the damage slowed the job down.
inline constexpr std::int64_t kFewestInjections = 6;

/// How many injections of each kind there is time for, of kinds whose runs are of these designs: one at the least, and
/// all with as many pairs; never more than that. `fixed_by`: what settles how many they are ("--pairs", the runs that
/// are there); empty: they may be fewer. Error (usage): there is not even time for kFewestInjections, or for those that
/// are fixed; says how many kinds there would be time for. Or the blocks are counted in steps.
Result<std::int64_t> injections_within(std::vector<Design> designs, std::int64_t most_ns, std::string_view fixed_by);

/// Reads what is in the directory already, and plans the rest. Changes nothing. A kind that these nodes or the guard
/// rails do not let be done is `not_here`, with the reason. Error (usage): the scenario is none for this (no option
/// `damage` with choices, no checks, no shams, more than one fault at a time, a search); a choice that there is not, or
/// a mistake in what one does; or the directory holds runs of something else, or of another grit, which is named.
Result<DamagePlan> plan_damages(const DamageSetup& setup);

/// What is said before anything runs, line by line; `now_s` is the time of the day, in seconds since the epoch.
std::vector<std::string> describe_damages(const DamagePlan& plan, std::int64_t now_s);

/// "until about 14:40", in this machine's time zone; with the date when that is another day.
std::string until_text(std::int64_t now_s, std::int64_t takes_ns);

}  // namespace grit

// The kinds of damage of a scorecard that is measured run by run: damages.json, written durably before the first run
// and after each, so that `grit score` can go on after it was cut off, and never forgets what was not run.
#pragma once

#include <string>
#include <vector>

#include "harness/model/series.hpp"

namespace grit {

/// The option of a scenario whose choices are the kinds of damage.
inline constexpr const char* kDamageOption = "damage";

struct Damage {
  enum class State {
    to_do,     // or begun: half a run does not count
    finished,  // its run, in a directory of its name, went to its last block
    not_here,  // this machine or the guard rails do not let it be done
    failed,    // its run ended before its last block
  };
  std::string name;  // the option's value
  State state = State::to_do;
  std::string reason{};  // why it is not_here or failed
};
std::string_view to_string(Damage::State state);

/// May a damage be called so? Its name becomes a directory, and must not lead anywhere else, or hide it.
bool names_a_directory(const std::string& name);

struct Damages {
  std::string scenario{};
  std::string file{};
  std::uint64_t seed = 1;  // of the first choice's run; each next one has the next seed, and so a victim of its own
  Overrides sets{};        // --set, without the damage
  int nodes = 0;
  int ranks_per_node = 1;
  std::int64_t pairs = 0;  // injections of each kind
  std::vector<std::string> command_line{};
  std::vector<Damage> all{};  // in the order of the choices
};

Json to_json(const Damages& damages);
/// Error (usage): not a damages.json of this grit.
Result<Damages> damages_from_json(const Json& json);

}  // namespace grit

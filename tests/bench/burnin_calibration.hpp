// What a burn-in's judgement says of simulated fleets, against what their nodes are: shared by the tables of
// bench_burnin_calibration.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "tests/bench/claims.hpp"
#include "tests/unit/analysis/simulated_fleet.hpp"

namespace grit::bench {

using testing::FleetSettings;
using testing::FleetSpread;

constexpr double kClaim = 0.01, kLiveClaim = 0.05;

/// What is said of nodes of one kind.
struct Said {
  long nodes = 0, bad = 0, apart = 0, unclear = 0, live = 0;
  long by_rule = 0, by_worst = 0;  // by the common rules: 5 % below the median, the worst 1 %
};

/// Bad nodes by how much slower they are: to 5 %, to 10 %, more.
constexpr std::size_t kBands = 3;
constexpr std::array<const char*, kBands> kBandNames{"2 to 5 %", "5 to 10 %", "10 to 20 %"};

struct Outcome {
  int fleets = 0, with_false = 0;       // false: a healthy node is called bad
  int with_apart = 0, with_within = 0;  // a healthy one set apart; one within the tolerance set apart or called bad
  Said healthy{}, bad{};
  std::array<Said, kBands> by_band{};      // of the bad ones
  long clearly_bad = 0, clearly_live = 0;  // further than the tolerance and the normal bound
  long suspected = 0, fresh = 0;           // fresh: visits of suspects and of those beside them
  int rule_with_false = 0;

  [[nodiscard]] double a_fleet(long count) const { return static_cast<double>(count) / fleets; }
};

struct Fleet {
  std::string name;
  FleetSettings settings;
  bool has_claim = true;
  std::size_t mixed = 0;  // so many bad nodes, drawn anew in each fleet: one from each of so many parts of 2 to 20 %
};

Fleet fleet_of(const std::string& name, FleetSpread spread, double size);
/// The eleven kinds of healthy fleets.
std::vector<Fleet> uneven_fleets();

/// The same numbers every time.
Outcome simulate(const Fleet& fleet, int fleets);

bool is_above(long wrong, long all, double claim);
/// "67 %"; "-" of none.
std::string share_text(long count, long all);

/// What of the tables is asked for.
struct Asked {
  double share = 1;       // of the fleets of each row
  std::size_t nodes = 0;  // only fleets of so many; 0: all

  [[nodiscard]] bool has(std::size_t size) const { return nodes == 0 || nodes == size; }
};

/// Each prints itself, and returns how many of its rows are above their claim.
int healthy_table(const Asked& asked);
int stated_table(const Asked& asked);
int bad_table(const Asked& asked);
int mixed_table(const Asked& asked);
int few_table(const Asked& asked);
int edge_table(const Asked& asked);
int links_table(const Asked& asked);

}  // namespace grit::bench

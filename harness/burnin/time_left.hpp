// When the cells of a burn-in ran, and how long what is left of it takes.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "harness/burnin/scheduler.hpp"

namespace grit {

/// By round, over all cycles.
struct BurninTimes {
  struct OfRound {
    std::int64_t first_ns = 0, last_ns = 0, sum_ns = 0;  // CLOCK_REALTIME; of all cells together
    int cells = 0;
  };
  std::map<std::string, OfRound> rounds{};

  void add(const BurninCellResult& result);
};

/// Of rounds that have had cells by these, of later ones by what their config says; the rest of this cycle, and all
/// others; 285 years (9e18 ns) at most. Suspects, which cost more cells, are not foreseen. -1: this round has had no
/// cell yet.
std::int64_t burnin_left_ns(const BurninSetup& setup, const BurninProgress& progress, const BurninTimes& times);

}  // namespace grit

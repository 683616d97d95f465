#include "harness/burnin/time_left.hpp"

#include <algorithm>

#include "harness/base/clock.hpp"

namespace grit {
namespace {

/// What a cell takes beside what it measures, until it is known: its launch, mostly.
constexpr std::int64_t kAssumedLaunch_ns = 1500 * kNsPerMs;
/// More does not go into 64 bits: 285 years.
constexpr double kMost_ns = 9e18;

std::int64_t at_a_time(const BurninSetup& setup, const BurninRound& round) {
  return round.alone && setup.shares_cores ? 1 : std::max(setup.parallel, 1);
}

std::int64_t of_cell_ns(const BurninRound& round, const BurninTimes& times) {
  if (const auto known = times.rounds.find(round.name); known != times.rounds.end() && known->second.cells > 0)
    return known->second.sum_ns / known->second.cells;
  return static_cast<std::int64_t>(std::max<std::size_t>(round.kinds.size(), 1)) * round.length_ns + kAssumedLaunch_ns;
}

/// Of so many cells. As a double: a million cycles of a large fleet are more nanoseconds than 64 bits hold.
double of_cells_ns(std::int64_t cells, const BurninSetup& setup, const BurninRound& round, const BurninTimes& times) {
  return static_cast<double>(cells) * static_cast<double>(of_cell_ns(round, times)) /
         static_cast<double>(at_a_time(setup, round));
}

std::int64_t cells_of_visit(const BurninRound& round, std::int64_t nodes) {
  if (round.shape == BurninShape::node) return nodes;
  if (round.shape == BurninShape::pair) return (nodes + 1) / 2;
  std::int64_t cells = 0;
  for (const int size : round.sizes) cells += size <= 0 ? 1 : (nodes + size - 1) / size;
  return cells;
}

/// Neither bad nor given up.
std::int64_t nodes_present(const BurninProgress& progress) {
  std::int64_t nodes = 0;
  for (const auto& [state, count] : progress.nodes)
    if (state != to_string(BurninNodeState::bad) && state != to_string(BurninNodeState::not_tested)) nodes += count;
  return nodes;
}

}  // namespace

void BurninTimes::add(const BurninCellResult& result) {
  OfRound& round = rounds[result.cell.round];
  if (round.cells++ == 0) round.first_ns = result.started_ns;
  round.first_ns = std::min(round.first_ns, result.started_ns);
  round.last_ns = std::max(round.last_ns, result.started_ns + result.took_ns);
  round.sum_ns += result.took_ns;
}

std::int64_t burnin_left_ns(const BurninSetup& setup, const BurninProgress& progress, const BurninTimes& times) {
  const auto& rounds = setup.config.rounds;
  const auto here = std::ranges::find(rounds, progress.round, &BurninRound::name);
  if (here == rounds.end() || !times.rounds.contains(progress.round)) return -1;
  const std::int64_t nodes = nodes_present(progress);
  const auto whole_ns = [&](const BurninRound& round) {
    return of_cells_ns(std::max(round.visits, 1) * cells_of_visit(round, nodes), setup, round, times);
  };
  const std::int64_t cells = std::max(progress.cells_planned - progress.cells_done, 0);
  double left_ns = of_cells_ns(cells, setup, *here, times);
  for (auto round = here + 1; round < rounds.end(); ++round) left_ns += whole_ns(*round);
  double cycle_ns = 0;
  for (const BurninRound& round : rounds) cycle_ns += whole_ns(round);
  const int cycles = std::max(setup.config.cycles - 1 - progress.cycle, 0);  // behind this one
  return static_cast<std::int64_t>(std::min(left_ns + static_cast<double>(cycles) * cycle_ns, kMost_ns));
}

}  // namespace grit

// Simulated runs of two days for tests and benches of `compare`: what every rank did of its own in every run.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <vector>

#include "analysis/compare/compared_run.hpp"

namespace grit::testing {

struct Days {
  int ranks = 4;
  int ranks_per_node = 1;
  int before = 4, after = 4;   // runs
  double noise = 0.01;         // of a rank's own work from run to run, standard deviation as a fraction
  bool heavy_tails = false;    // Student's t with 3 degrees of freedom in place of normal noise
  double autocorrelation = 0;  // of a rank's noise from one run to the next
  double common = 0;           // what all ranks share in a run: a fraction, and in half of the runs as added time
  bool unequal = false;    // machines of which the slowest takes twice as long as the fastest, and varies twice as much
  double multiplied = 0;   // uniform change: each rank's own work by this fraction
  double added_ns = 0;     // uniform change: the same time on every rank
  int slow_node = -1;      // whose ranks' own work grew
  double slow_ns = 0;      // by so much
  double phase_noise = 0;  // of each phase of a rank in a run, beside the rank's own
  bool backward_only = false;  // the slow node's growth is in its backward phase; else in both, by their length
};

/// Forward and backward are the rank's own work; it then waits for the slowest.
inline std::vector<ComparedRun> simulate_days(std::mt19937_64& random, const Days& days) {
  std::normal_distribution<double> normal;
  std::student_t_distribution<double> student(3);
  const auto draw = [&] { return days.heavy_tails ? student(random) / std::sqrt(3.0) : normal(random); };
  const double innovation = std::sqrt(1 - days.autocorrelation * days.autocorrelation);
  const auto count = static_cast<std::size_t>(days.ranks);
  std::vector<double> state(count);
  for (double& value : state) value = draw();
  std::vector<ComparedRun> runs(static_cast<std::size_t>(days.before + days.after));
  for (std::size_t run = 0; run < runs.size(); ++run) {
    const bool later = run >= static_cast<std::size_t>(days.before);
    const double common = days.common * normal(random);
    const bool common_is_added = (random() >> 63) != 0;
    std::vector<double> own_ns(count);
    for (std::size_t rank = 0; rank < count; ++rank) {
      state[rank] = days.autocorrelation * state[rank] + innovation * draw();
      const double place = static_cast<double>(rank) / static_cast<double>(std::max(1, days.ranks - 1));
      const double unequal = days.unequal ? 1 + place : 1;
      own_ns[rank] = 1e7 * unequal * (1 + days.noise * unequal * state[rank] + (common_is_added ? 0 : common));
      if (common_is_added) own_ns[rank] += 1e7 * common;
      if (!later) continue;
      own_ns[rank] = own_ns[rank] * (1 + days.multiplied) + days.added_ns;
      if (static_cast<int>(rank) / days.ranks_per_node == days.slow_node) own_ns[rank] += days.slow_ns;
    }
    const double slowest_ns = *std::max_element(own_ns.begin(), own_ns.end());
    for (std::size_t rank = 0; rank < count; ++rank) {
      RankPhases phases{static_cast<int>(rank), static_cast<int>(rank) / days.ranks_per_node, {}};
      const bool slow = later && static_cast<int>(rank) / days.ranks_per_node == days.slow_node && days.backward_only;
      const double both_ns = own_ns[rank] - (slow ? days.slow_ns : 0);
      phases.mean_ns[1] = both_ns / 3;
      phases.mean_ns[2] = both_ns * 2 / 3 + (slow ? days.slow_ns : 0);
      if (days.phase_noise > 0)
        for (const std::size_t phase : {1U, 2U}) phases.mean_ns[phase] *= 1 + days.phase_noise * draw();
      phases.mean_ns[kExposedComm] = 1e6 + slowest_ns - own_ns[rank];
      runs[run].phases.push_back(phases);
    }
  }
  return runs;
}

inline std::span<const ComparedRun> old_runs(const std::vector<ComparedRun>& runs, const Days& days) {
  return std::span(runs).first(static_cast<std::size_t>(days.before));
}
inline std::span<const ComparedRun> new_runs(const std::vector<ComparedRun>& runs, const Days& days) {
  return std::span(runs).subspan(static_cast<std::size_t>(days.before));
}

}  // namespace grit::testing

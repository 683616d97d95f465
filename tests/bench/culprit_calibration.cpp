// Whom the analysis blames, in simulated runs whose noise is not of its own model: how often it is wrong, which it
// claims to be in at most 5 % of the runs with a slowdown, and how often it is right.
//
//   usage: bench_culprit_calibration [runs at 4 ranks, default 200] [cost of the fault as a share of a step, default
//   0.1]
//
// At 64 ranks a third as many runs, at 1,024 a twentieth. With the defaults it takes about 15 s.
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

#include "tests/unit/analysis/culprit_trials.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

struct Size {
  int nodes, ranks_per_node, divisor;
};

/// The 95 % interval of a share (E. B. Wilson, Probable inference, 1927).
std::string interval(int count, int runs) {
  if (runs == 0) return "none";
  const double z = 1.96, n = runs, share = count / n;
  const double middle = (share + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n));
  return fmt::format("{:3.0f} % ({:.0f} .. {:.0f})", 100 * share, 100 * std::max(middle - half, 0.0),
                     100 * std::min(middle + half, 1.0));
}

}  // namespace

int main(int argc, char** argv) {
  const int runs = argc > 1 ? std::atoi(argv[1]) : 200;
  const double share = argc > 2 ? std::atof(argv[2]) : 0.1;
  if (runs < 20 || share <= 0) {
    fmt::print(stderr, "usage: bench_culprit_calibration [runs, at least 20] [cost, more than 0]\n");
    return 64;
  }
  fmt::print("a fault that costs {:.1f} % of a step; wrong is claimed in at most 5 %\n", 100 * share);
  fmt::print("{:>6} {:18} {:10} {:>5}  {:22} {:22}\n", "ranks", "noise", "truth", "runs", "wrong", "right");
  const std::pair<Truth, const char*> truths[] = {{Truth::network, "network"},
                                                  {Truth::one_node, "one node"},
                                                  {Truth::two_nodes, "two nodes"},
                                                  {Truth::in_turn, "in turn"}};
  for (const Size& size : {Size{4, 1, 1}, Size{16, 4, 3}, Size{128, 8, 20}})
    for (const NoiseKind& kind : noise_kinds())
      for (const auto& [truth, name] : truths) {
        TrialCounts counts;
        for (int run = 0; run < runs / size.divisor; ++run)
          count_trial(counts, kind, truth, size.nodes, size.ranks_per_node, share, static_cast<std::uint64_t>(run) + 1);
        fmt::print("{:6} {:18} {:10} {:5}  {:22} {:22}\n", size.nodes * size.ranks_per_node, kind.name, name,
                   counts.runs, interval(counts.wrong, counts.runs), interval(counts.right, counts.runs));
      }
}

// Whom the analysis blames on meshes, in simulated runs whose noise is not of its own model: how often it is wrong,
// which it claims to be in at most 5 % of the runs with a slowdown, and how often it is right.
//
//   usage: bench_mesh_calibration [runs, default 50] [strength of the fault, default 0.15]
//
// Prints every mesh and kind of noise, then all together by what is to blame, as docs/architecture.md has it.
#include <fmt/format.h>

#include <cstdlib>
#include <map>

#include "analysis/stats/proportions.hpp"
#include "tests/unit/analysis/mesh_trials.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

std::string rate(int count, int of) {
  if (of == 0) return "none";
  const Interval exact = clopper_pearson(count, of);
  return fmt::format("{:.1f} % ({:.1f} .. {:.1f})", 100.0 * count / of, 100 * exact.low, 100 * exact.high);
}

struct Sum {
  TrialCounts all{};
  int tried = 0;
  double most_wrong = 0, least_right = 1;
  std::string worst{}, least{};
};

}  // namespace

int main(int argc, char** argv) {
  const int runs = argc > 1 ? std::atoi(argv[1]) : 50;
  const double strength = argc > 2 ? std::atof(argv[2]) : 0.15;
  if (runs < 1 || strength <= 0) {
    fmt::print(stderr, "usage: bench_mesh_calibration [runs, at least 1] [strength, more than 0]\n");
    return 64;
  }
  std::map<MeshTruth, Sum> sums;
  constexpr MeshTruth kTruths[] = {MeshTruth::healthy,    MeshTruth::one_node, MeshTruth::one_rank,
                                   MeshTruth::two_nodes,  MeshTruth::in_turn,  MeshTruth::all_links,
                                   MeshTruth::node_links, MeshTruth::router};
  fmt::print("{:28} {:24} {:20} {:>6} {:>6}  {:24} {:24}\n", "mesh", "noise", "to blame", "tried", "shown", "wrong",
             "right");
  for (const MeshKind& mesh : mesh_kinds())
    for (const auto& [noise_name, noise] : mesh_noises())
      for (const MeshTruth truth : kTruths) {
        MeshTrial trial{.mesh = mesh, .noise = noise, .truth = truth, .strength = strength};
        if (!trial.makes_sense()) continue;
        TrialCounts counts;
        for (int run = 0; run < runs; ++run) {
          trial.seed = static_cast<std::uint64_t>(run) + 1;
          MeshTrialRun(trial).count(counts);
        }
        const std::string row = mesh.name + ", " + noise_name;
        fmt::print("{:28} {:24} {:20} {:6} {:6}  {:24} {:24}\n", mesh.name, noise_name, to_string(truth), runs,
                   counts.runs, rate(counts.wrong, counts.runs), rate(counts.right, counts.runs));
        std::fflush(stdout);
        Sum& sum = sums[truth];
        sum.tried += runs;
        sum.all += counts;
        if (counts.runs == 0) continue;
        const double wrong = static_cast<double>(counts.wrong) / counts.runs;
        const double right = static_cast<double>(counts.right) / counts.runs;
        if (wrong > sum.most_wrong)
          sum.most_wrong = wrong, sum.worst = fmt::format("{} of {}: {}", counts.wrong, counts.runs, row);
        if (right < sum.least_right) sum.least_right = right, sum.least = fmt::format("{:.0f} %: {}", 100 * right, row);
      }
  fmt::print(
      "\n| to blame | runs | slowdown shown | wrong, % | worst | right, % | least |\n|---|---|---|---|---|---|---|\n");
  for (const auto& [truth, sum] : sums)
    fmt::print("| {} | {} | {} | {} | {} | {} | {} |\n", to_string(truth), sum.tried, sum.all.runs,
               rate(sum.all.wrong, sum.all.runs), sum.worst.empty() ? "0" : sum.worst,
               rate(sum.all.right, sum.all.runs), sum.least);
}

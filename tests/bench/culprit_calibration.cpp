// Whom the analysis blames, in simulated runs whose noise is not of its own model: how often it is wrong, which it
// claims to be in at most 5 % of the runs with a slowdown, and how often it is right.
//
//   usage: bench_culprit_calibration [runs at 4 ranks, default 200] [cost of the fault as a share of a step, default
//   0.1]
//
// At 64 ranks half as many runs, at 1,024 a third. Where ranks stall now and then, 64 of them do so in every other step
// and 1,024 in each: no fault that costs a tenth of a step is seen there, so it costs 10 and 40 times as much. Prints
// every kind of noise, then all together by what is to blame, as docs/architecture.md has it. With the defaults it
// takes 5 minutes of one core.
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <map>

#include "tests/unit/analysis/culprit_trials.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

struct Size {
  int nodes, ranks_per_node, divisor;
  double costs;  // so many times as much where ranks stall
  [[nodiscard]] int ranks() const { return nodes * ranks_per_node; }
};

const std::pair<Truth, const char*> kTruths[] = {
    {Truth::one_rank, "one rank of a node"},   {Truth::one_node, "one node"},
    {Truth::two_nodes, "two nodes"},           {Truth::group, "a quarter of the nodes"},
    {Truth::in_turn, "each in turn"},          {Truth::network, "network, no link test"},
    {Truth::no_link, "network, no slow link"}, {Truth::one_link, "one link"},
    {Truth::node_links, "a node's links"},     {Truth::few_cpus, "a machine short of CPUs"}};

/// The 95 % interval of a share (E. B. Wilson, Probable inference, 1927).
std::string interval(int count, int runs) {
  if (runs == 0) return "none";
  const double z = 1.96, n = runs, share = count / n;
  const double middle = (share + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n));
  return fmt::format("{:.1f} % ({:.1f} .. {:.1f})", 100 * share, 100 * std::max(middle - half, 0.0),
                     100 * std::min(middle + half, 1.0));
}

TrialCounts count(const Size& size, const NoiseKind& kind, Truth truth, int runs, double share) {
  TrialCounts counts;
  Trial trial{kind, truth, size.nodes, size.ranks_per_node, share * (kind.shape.stalls > 0 ? size.costs : 1)};
  for (int run = 0; run < runs && trial.makes_sense(); ++run) {
    trial.seed = static_cast<std::uint64_t>(run) + 1;
    count_trial(counts, trial);
  }
  return counts;
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
  fmt::print("{:>6} {:18} {:24} {:>5}  {:22} {:22}\n", "ranks", "noise", "to blame", "runs", "wrong", "right");
  const Size sizes[] = {{4, 1, 1, 1}, {16, 4, 2, 10}, {128, 8, 3, 40}};
  struct Sum {
    TrialCounts all{};
    double least_right = 1, most_wrong = 0;
    std::string least{};
  };
  std::map<std::pair<int, Truth>, Sum> sums;
  for (const Size& size : sizes)
    for (const NoiseKind& kind : noise_kinds())
      for (const auto& [truth, name] : kTruths) {
        const TrialCounts counts = count(size, kind, truth, runs / size.divisor, share);
        if (counts.runs == 0) continue;
        fmt::print("{:6} {:18} {:24} {:5}  {:22} {:22}\n", size.ranks(), kind.name, name, counts.runs,
                   interval(counts.wrong, counts.runs), interval(counts.right, counts.runs));
        Sum& sum = sums[{size.ranks(), truth}];
        sum.all += counts;
        const double right = static_cast<double>(counts.right) / counts.runs;
        if (right < sum.least_right) sum.least_right = right, sum.least = kind.name;
        sum.most_wrong = std::max(sum.most_wrong, static_cast<double>(counts.wrong) / counts.runs);
      }
  fmt::print("\n{:24} {:>6} {:>5}  {:22} {:>10}  {:22} {}\n", "to blame", "ranks", "runs", "wrong", "at worst", "right",
             "least with");
  for (const auto& [truth, name] : kTruths)
    for (const Size& size : sizes) {
      const Sum& sum = sums[{size.ranks(), truth}];
      if (sum.all.runs == 0) continue;
      fmt::print("{:24} {:6} {:5}  {:22} {:8.1f} %  {:22} {}\n", name, size.ranks(), sum.all.runs,
                 interval(sum.all.wrong, sum.all.runs), 100 * sum.most_wrong, interval(sum.all.right, sum.all.runs),
                 sum.least.empty() ? "" : fmt::format("{:.0f} %: {}", 100 * sum.least_right, sum.least));
    }
}

// How often the interval of a threshold holds it, which 90 % claims, in simulated searches whose noise is not of the
// rules' own models; how often the threshold is known within the default trials; and how often it is right to within
// the resolution.
//
//   usage: bench_threshold_calibration [searches a row, default 400]
//
// With the default it takes some two minutes.
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>

#include "harness/model/series.hpp"
#include "tests/unit/analysis/threshold_trials.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

/// With the 95 % interval of a share (E. B. Wilson, Probable inference, 1927).
std::string share_text(int count, int runs) {
  if (runs == 0) return "none";
  const double z = 1.96, n = runs, share = count / n;
  const double middle = (share + z * z / (2 * n)) / (1 + z * z / n);
  const double half = z / (1 + z * z / n) * std::sqrt(share * (1 - share) / n + z * z / (4 * n * n));
  return fmt::format("{:3.0f} % ({:.0f} .. {:.0f})", 100 * share, 100 * std::max(middle - half, 0.0),
                     100 * std::min(middle + half, 1.0));
}

void print_row(const std::string& name, const SearchCounts& counts) {
  fmt::print("{:46} {:7.1f}  {:18} {:18} {:18} {:18}\n", name, static_cast<double>(counts.trials) / counts.runs,
             share_text(counts.covered, counts.found), share_text(counts.within, counts.found),
             share_text(counts.known, counts.runs), share_text(counts.known_wrong, counts.runs));
  std::fflush(stdout);
}

void print_head(const std::string& title) {
  fmt::print("{}\n{:46} {:>7}  {:18} {:18} {:18} {:18}\n", title, "", "trials", "interval holds it", "right to 10 %",
             "known to 10 %", "known, but wrong");
}

}  // namespace

int main(int argc, char** argv) {
  const int runs = argc > 1 ? std::atoi(argv[1]) : 400;
  if (runs < 20) {
    fmt::print(stderr, "usage: bench_threshold_calibration [searches a row, at least 20]\n");
    return 64;
  }
  SearchSpec search{.kind = SearchSpec::Kind::yes_no, .unit = Unit::bits_per_s, .from = 1e8, .to = 1e10};
  const DoseScale rates{.from = search.from, .to = search.to, .whole = true};
  const int asked = static_cast<int>(default_trials(search));
  print_head(fmt::format("yes or no, {} trials at most; the interval claims 90 %, wrong 10 %", asked));
  for (const AnswerKind& kind : answer_kinds()) {
    SearchCounts counts;
    for (int run = 0; run < runs; ++run)
      count_yes_no(counts, kind, rates, search.resolution, search.noise, asked, static_cast<std::uint64_t>(run) + 1);
    print_row(kind.name, counts);
  }
  search.kind = SearchSpec::Kind::magnitude;
  const int measured = static_cast<int>(default_trials(search));
  print_head(fmt::format("\nmagnitudes, {} trials of 6 pairs at most; the interval claims 90 %, wrong 10 %", measured));
  for (const ResponseKind& kind : response_kinds())
    for (const PairNoise& noise : pair_noises()) {
      SearchCounts counts;
      for (int run = 0; run < runs; ++run)
        count_knee(counts, kind, noise, rates, search.resolution, 0.1, measured, static_cast<std::uint64_t>(run) + 1);
      print_row(fmt::format("{}; {}", kind.name, noise.name), counts);
    }
}

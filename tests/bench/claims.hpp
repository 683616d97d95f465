// A table of what is claimed against what is measured: how often a statement is made that is not so.
#pragma once

#include <fmt/format.h>

#include <cstdio>
#include <string>

#include "analysis/stats/proportions.hpp"

namespace grit::bench {

struct Count {
  int wrong = 0;  // simulations in which it was said though it is not so
  int right = 0;  // and in which it was said, or found, and is so
  int of = 0;
};

/// "3.1 % (2.6 .. 3.7)": with the exact 95 % interval.
inline std::string rate_text(int count, int of) {
  const Interval exact = clopper_pearson(count, of);
  return fmt::format("{:.1f} % ({:.1f} .. {:.1f})", 100.0 * count / of, 100 * exact.low, 100 * exact.high);
}

/// One row at a time, since a table takes minutes.
class ClaimsTable {
 public:
  ClaimsTable() {
    fmt::print("{:<17}{:<50}{:>7}{:>8}  {:<24}{:<24}\n", "statement", "noise", "ranks", "claim", "said though not so",
               "said where it is so");
  }

  /// `claim`: at most so often; below 0: stated to be beyond the claim.
  void row(const std::string& statement, const std::string& noise, int ranks, double claim, const Count& count,
           bool has_right = false) {
    const bool above = claim >= 0 && count.of > 0 && share_at_least(count.wrong, count.of, 0.025) > claim;
    fmt::print("{:<17}{:<50}{:>7}{:>8}  {:<24}{:<24}{}\n", statement == last_ ? "" : statement, noise,
               ranks > 0 ? fmt::format("{}", ranks) : "", claim >= 0 ? fmt::format("{:.3g} %", 100 * claim) : "none",
               rate_text(count.wrong, count.of), has_right ? rate_text(count.right, count.of) : "",
               above ? "ABOVE ITS CLAIM" : "");
    std::fflush(stdout);
    last_ = statement;
    above_ += above ? 1 : 0;
  }

  /// Rows whose whole interval is above the claim.
  [[nodiscard]] int above() const { return above_; }

 private:
  std::string last_{};
  int above_ = 0;
};

}  // namespace grit::bench

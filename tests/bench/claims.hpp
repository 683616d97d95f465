// A table of what is claimed against what is measured: how often a statement is made that is not so.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <string>

namespace grit::bench {

struct Count {
  int wrong = 0;  // simulations in which it was said though it is not so
  int right = 0;  // and in which it was said, or found, and is so
  int of = 0;
};

/// P(X <= k) of a binomial distribution.
inline double binomial_cdf(int k, int n, double p) {
  if (k >= n || p <= 0) return 1;
  if (p >= 1) return 0;
  double sum = 0;
  for (int i = 0; i <= k; ++i)
    sum += std::exp(std::lgamma(n + 1.0) - std::lgamma(i + 1.0) - std::lgamma(n - i + 1.0) + i * std::log(p) +
                    (n - i) * std::log1p(-p));
  return sum;
}

/// The share at which P(X <= k) is this large; it falls with the share.
inline double share_at(int k, int n, double probability) {
  double low = 0, high = 1;
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    (binomial_cdf(k, n, middle) > probability ? low : high) = middle;
  }
  return (low + high) / 2;
}

/// "3.1 % (2.6 .. 3.7)": with the exact 95 % interval of C. J. Clopper and E. S. Pearson, Biometrika 26 (1934).
inline std::string rate_text(int count, int of) {
  const double low = count == 0 ? 0 : share_at(count - 1, of, 0.975);
  const double high = count == of ? 1 : share_at(count, of, 0.025);
  return fmt::format("{:.1f} % ({:.1f} .. {:.1f})", 100.0 * count / of, 100 * low, 100 * high);
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
    const bool above =
        claim >= 0 && count.of > 0 && share_at(count.wrong - 1, count.of, 0.975) > claim && count.wrong > 0;
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

// How long until something is noticed, when some of it never was as long as one looked.
//
// The curve is that of E. L. Kaplan and P. Meier, JASA 53 (1958). Where nothing was given up before the last event
// came, it is the plain share, and the median has the exact interval of the sign test (median_interval.hpp), which
// needs six. Else that of R. Brookmeyer and J. Crowley, Biometrics 38 (1982), with M. Greenwood's variance (1926) on
// the scale of log(-log S), which is an approximation, and made of ten or more only.
#pragma once

#include <optional>
#include <vector>

#include "analysis/stats/sign_flip.hpp"

namespace grit {

struct Waited {
  double time = 0;  // until it came, or until nobody looked any more
  bool came = false;
};

struct WaitedMedian {
  /// The first time by which half or more had come; empty: less than half ever did.
  std::optional<double> median{};
  /// 95 %. Its upper end is infinite where the median may lie beyond what was looked at. Empty: too few.
  std::optional<Interval> interval{};
};

/// Over all, also those that did not come.
WaitedMedian waited_median(std::vector<Waited> waited);

}  // namespace grit

// That docs/burnin.md names the measures of a burn-in as they are.
#include <fmt/format.h>

#include <algorithm>

#include "harness/base/files.hpp"
#include "harness/model/burnin_measures.hpp"
#include "tests/catch.hpp"

namespace grit {
namespace {

/// "`compute` (3, 0.5)": tolerance and spread in per cent; of a share, how much of what is good.
std::string words_of(const BurninMeasure& measure, bool first) {
  const double tolerance_percent = 100 * measure.tolerance, spread_percent = 100 * measure.spread;
  if (measure.better == BurninBetter::rarer)
    return fmt::format("`{}` ({:g} % of the segments)", measure.name, tolerance_percent);
  return first ? fmt::format("`{}` ({:g} %, {:g} %)", measure.name, tolerance_percent, spread_percent)
               : fmt::format("`{}` ({:g}, {:g})", measure.name, tolerance_percent, spread_percent);
}

}  // namespace

TEST_CASE("docs/burnin.md has each measure that a config can limit, with its tolerance and its spread", "[burnin]") {
  std::string list;
  for (const BurninMeasure& measure : kBurninMeasures)
    if (measure.better != BurninBetter::none_at_all && measure.better != BurninBetter::counted)
      list += (list.empty() ? "" : ", ") + words_of(measure, list.empty());
  std::string page = read_file(GRIT_SOURCE_DIR "/docs/burnin.md").value();
  std::ranges::replace(page, '\n', ' ');  // where its lines break is nothing of the list's
  INFO("the list in docs/burnin.md should be: " << list);
  CHECK(page.find("where nothing else is said: " + list + ".") != std::string::npos);
}

}  // namespace grit

#include <algorithm>

#include "harness/health/checks/checks.hpp"

namespace grit {

const std::vector<const Check*>& checks() {
#define GRIT_REFERENCE_CHECK(name) &name(),
  static const std::vector<const Check*> all{GRIT_CHECKS(GRIT_REFERENCE_CHECK)};
#undef GRIT_REFERENCE_CHECK
  return all;
}

const Check* find_check(std::string_view name) {
  const auto& all = checks();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Check* one) { return one->info.name == name; });
  return found == all.end() ? nullptr : *found;
}

bool needs_no_params(const Check& check) {
  return std::none_of(check.info.params.begin(), check.info.params.end(),
                      [](const ParamSpec& param) { return param.default_value.is_null(); });
}

std::vector<ParamSpec> check_params(const CheckInfo& info) {
  std::vector<ParamSpec> params = info.params;
  params.push_back({"every", Unit::time_ns, info.period_ns, "how often it is read in a run", {}, 100.0 * kNsPerMs, {}});
  params.push_back({"limit",
                    Unit::time_ns,
                    info.limit_ns,
                    "a reading that takes longer is ended, and unknown",
                    {},
                    1.0 * kNsPerMs,
                    55.0 * kNsPerS});
  params.push_back(
      {"blocks",
       Unit::text,
       "all",
       "in which blocks of a run it is read; \"fault\", in a scenario without faults: the run shows what reading "
       "it costs",
       {"all", "fault"}});
  params.push_back({"name", Unit::text, "", "what it is called in the report (default: as the check)"});
  return params;
}

}  // namespace grit

#include <algorithm>

#include "harness/health/check.hpp"
#include "harness/health/link_up.hpp"
#include "harness/health/nic_errors.hpp"

namespace grit {

const std::vector<const Check*>& check_plugins() {
  static const std::vector<const Check*> all{&link_up(), &nic_errors()};
  return all;
}

const std::vector<CheckInfo>& checks() {
  static const std::vector<CheckInfo> infos = [] {
    std::vector<CheckInfo> all;
    for (const Check* check : check_plugins()) all.push_back(check->info());
    return all;
  }();
  return infos;
}

const Check* find_check(std::string_view name) {
  const auto& all = check_plugins();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Check* one) { return one->info().name == name; });
  return found == all.end() ? nullptr : *found;
}

}  // namespace grit

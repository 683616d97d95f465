#include <algorithm>

#include "injectors/faults.hpp"

namespace grit {

const std::vector<const Injector*>& injectors() {
#define GRIT_REFERENCE_FAULT(name) &name(),
  static const std::vector<const Injector*> all{GRIT_FAULTS(GRIT_REFERENCE_FAULT)};
#undef GRIT_REFERENCE_FAULT
  return all;
}

const Injector* find_injector(std::string_view name) {
  const auto& all = injectors();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Injector* one) { return one->info().name == name; });
  return found == all.end() ? nullptr : *found;
}

}  // namespace grit

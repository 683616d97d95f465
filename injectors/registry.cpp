#include <algorithm>

#include "injectors/injector.hpp"
#include "injectors/link_flap.hpp"

namespace grit {

const std::vector<const Injector*>& injectors() {
  static const std::vector<const Injector*> all{&link_flap()};
  return all;
}

const Injector* find_injector(std::string_view name) {
  const auto& all = injectors();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Injector* one) { return one->info().name == name; });
  return found == all.end() ? nullptr : *found;
}

}  // namespace grit

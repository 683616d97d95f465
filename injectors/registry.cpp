#include <algorithm>

#include "injectors/clock_skew.hpp"
#include "injectors/command.hpp"
#include "injectors/cpu_contention.hpp"
#include "injectors/cpu_throttle.hpp"
#include "injectors/disk_contention.hpp"
#include "injectors/ethernet_flood.hpp"
#include "injectors/gpu_throttle.hpp"
#include "injectors/injector.hpp"
#include "injectors/irq_misplacement.hpp"
#include "injectors/kernel_log.hpp"
#include "injectors/link_delay.hpp"
#include "injectors/link_down.hpp"
#include "injectors/link_flap.hpp"
#include "injectors/link_loss.hpp"
#include "injectors/link_mtu.hpp"
#include "injectors/link_rate.hpp"
#include "injectors/memory_bandwidth.hpp"
#include "injectors/memory_leak.hpp"
#include "injectors/memory_pressure.hpp"
#include "injectors/numa_misplacement.hpp"
#include "injectors/os_noise.hpp"
#include "injectors/page_cache_thrash.hpp"
#include "injectors/partition.hpp"
#include "injectors/process_kill.hpp"
#include "injectors/process_pause.hpp"
#include "injectors/rank_delay.hpp"

namespace grit {

const std::vector<const Injector*>& injectors() {
  // clang-format off: one a line, in the order of `grit list`
  static const std::vector<const Injector*> all{
      &link_flap(),
      &link_down(),
      &link_rate(),
      &link_delay(),
      &link_loss(),
      &link_mtu(),
      &partition(),
      &ethernet_flood(),
      &gpu_throttle(),
      &cpu_throttle(),
      &cpu_contention(),
      &os_noise(),
      &memory_pressure(),
      &memory_bandwidth(),
      &memory_leak(),
      &page_cache_thrash(),
      &disk_contention(),
      &process_pause(),
      &process_kill(),
      &rank_delay(),
      &numa_misplacement(),
      &irq_misplacement(),
      &clock_skew(),
      &kernel_log(),
      &command(),
  };
  // clang-format on
  return all;
}

const Injector* find_injector(std::string_view name) {
  const auto& all = injectors();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Injector* one) { return one->info().name == name; });
  return found == all.end() ? nullptr : *found;
}

}  // namespace grit

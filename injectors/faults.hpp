// Every fault, in the order of `grit list`. One line each; the function is at the end of the fault's file.
#pragma once

#include "injectors/injector.hpp"

namespace grit {

// clang-format off
#define GRIT_FAULTS(X) \
  X(link_flap) \
  X(link_down) \
  X(link_rate) \
  X(link_delay) \
  X(link_loss) \
  X(link_mtu) \
  X(partition) \
  X(ethernet_flood) \
  X(gpu_throttle) \
  X(gpu_contention) \
  X(gpu_memory_pressure) \
  X(pcie_contention) \
  X(cpu_throttle) \
  X(cpu_contention) \
  X(os_noise) \
  X(memory_pressure) \
  X(memory_bandwidth) \
  X(memory_leak) \
  X(page_cache_thrash) \
  X(disk_contention) \
  X(process_pause) \
  X(process_kill) \
  X(rank_delay) \
  X(imbalance) \
  X(bit_flip) \
  X(numa_misplacement) \
  X(affinity_squeeze) \
  X(irq_misplacement) \
  X(clock_skew) \
  X(kernel_log) \
  X(site_check) \
  X(command)
// clang-format on

#define GRIT_DECLARE_FAULT(name) const Injector& name();
GRIT_FAULTS(GRIT_DECLARE_FAULT)
#undef GRIT_DECLARE_FAULT

}  // namespace grit

// Every health check, in the order of `grit list`. One line each; the function is at the end of the check's file. It is
// called like the check, unless there is a fault of that name.
#pragma once

#include "harness/health/check.hpp"

namespace grit {

// clang-format off
#define GRIT_CHECKS(X) \
  X(link_up) \
  X(link_carrier) \
  X(link_settings) \
  X(nic_errors) \
  X(nic_queues) \
  X(qdisc_drops) \
  X(tcp_retransmits) \
  X(net_tables) \
  X(rdma_ports) \
  X(peers) \
  X(pressure) \
  X(cpu_steal) \
  X(cpu_throttled) \
  X(cpu_clock) \
  X(numa_placement) \
  X(numa_memory) \
  X(irq_placement) \
  X(stopped_ranks) \
  X(stuck_tasks) \
  X(clock) \
  X(cgroup_leak) \
  X(kernel_log_check) \
  X(memory_room) \
  X(machine_check) \
  X(disk_latency) \
  X(disk_space) \
  X(nvme_smart) \
  X(pcie_link) \
  X(gpu_clock) \
  X(gpu_memory) \
  X(gpu_xid) \
  X(nvlink) \
  X(command_check) \
  X(openmetrics)
// clang-format on

#define GRIT_DECLARE_CHECK(name) const Check& name();
GRIT_CHECKS(GRIT_DECLARE_CHECK)
#undef GRIT_DECLARE_CHECK

}  // namespace grit

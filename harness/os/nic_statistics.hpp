// What a driver's own counters mean (`ethtool -S`), by their names: there is no list of them, but drivers name alike.
#pragma once

#include <string>
#include <string_view>

namespace grit {

enum class StatisticMeaning {
  none,               // traffic, or what says nothing about health
  error,              // packets that were broken, or a part that had to be started anew
  drop,               // no room for them
  too_large,          // larger than this interface takes: the other end's MTU is larger
  link_lost,          // the physical link, also for less time than the driver lets on
  pause_in,           // pause frames received: the network is congested
  pause_out,          // pause frames sent: this host is too slow
  pause_in_time,      // microseconds for which it was told to pause
  pause_out_time,     // microseconds for which it told others to
  pause_storm,        // paused for long
  pause_storm_ended,  // paused for so long that it stopped to honour it
  module_trouble,     // the cable's module: hot, or does not answer
  module_gone,
  pci_trouble  // between the NIC and the host
};

struct StatisticClass {
  StatisticMeaning meaning = StatisticMeaning::none;
  std::string part{};  // "rx3", "tx0": of one queue; "prio3": of one priority; empty: of the whole device
};

/// Names are those of mlx5, mlx4, ice, i40e, ixgbe, igb, e1000e, bnxt, ena, gve, virtio_net and veth; others of the
/// same style are understood too. A name may be anything.
StatisticClass classify_statistic(std::string_view name);

}  // namespace grit

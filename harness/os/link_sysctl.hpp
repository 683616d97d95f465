// The settings under net.ipv6.conf.NAME that the kernel itself may change while a link goes down and up.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// disable_ipv6 (set by the kernel when duplicate address detection fails under accept_dad=2), accept_ra,
/// addr_gen_mode.
const std::vector<std::string>& link_sysctl_names();

/// Those that can be read, in the network namespace of the calling thread; empty without IPv6.
std::map<std::string, std::int64_t> read_link_sysctls(const std::string& interface);

/// Writes those that differ. Error: not writable.
Status write_link_sysctls(const std::string& interface, const std::map<std::string, std::int64_t>& values);

/// All IPv6 settings of an interface that are numbers and can be written: "conf/hop_limit", "neigh/retrans_time_ms" ...
/// of /proc/sys/net/ipv6. The kernel forgets them when it takes IPv6 off the interface (an MTU under 1280). Empty: it
/// has no IPv6.
std::map<std::string, std::int64_t> read_all_ipv6_settings(const std::string& interface);
/// Writes those that differ; those that are not there any more are passed over. Error (internal): which one.
Status write_ipv6_settings(const std::string& interface, const std::map<std::string, std::int64_t>& values);
/// Could read_all_ipv6_settings() have given this name? For records from disk.
bool is_ipv6_setting(const std::string& name);

}  // namespace grit

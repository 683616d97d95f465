// Which NICs carry the job's data, and which must never be disturbed because control, storage or a person depends on
// them.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "harness/model/topology.hpp"
#include "harness/os/netlink.hpp"

namespace grit {

/// All that the roles follow from, as read from the system; a plain value, so that the rules can be tried on any
/// machine.
struct RoleHints {
  std::vector<Route> routes{};
  std::map<std::string, std::string>
      environment{};                      // SSH_CONNECTION, GRIT_MANAGEMENT_NICS, OMPI_MCA_*, PMIX_SERVER_URI*
  std::string mountinfo{};                // the text of /proc/self/mountinfo, proc(5)
  std::filesystem::path run_directory{};  // empty: not known yet
  std::map<std::string, std::string> software_kinds{};  // NIC name -> "bridge", "tun" ...: of devices made by software
};

/// Sets role and role_evidence of each NIC. In this order: management, when it carries the default route, the ssh
/// session, Open MPI's out-of-band traffic or the run directory's mount, when it is named like one (mgmt*, bmc*), or
/// when GRIT_MANAGEMENT_NICS (names, comma-separated) says so; data, when it is up and has an address; else other.
void assign_roles(std::vector<Nic>& nics, const RoleHints& hints);

/// "10.1.2.3" is in "10.1.0.0/16"; IPv4 and IPv6. False when either is not an address.
bool address_in_network(const std::string& address, const std::string& network);

/// Addresses of the file servers that a path depends on: of the mount it is on, in a mountinfo text. Empty for local
/// file systems.
std::vector<std::string> mount_servers(const std::string& mountinfo, const std::filesystem::path& path);

}  // namespace grit

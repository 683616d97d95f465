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
  std::map<std::string, std::string> environment{};  // SSH_CONNECTION, GRIT_*_NICS, OMPI_MCA_*, PMIX_SERVER_URI*
  std::string mountinfo{};                           // the text of /proc/self/mountinfo, proc(5)
  std::filesystem::path run_directory{};             // empty: not known yet
  std::map<std::string, std::string> kinds{};        // NIC name -> "bridge", "veth", "bond" ...; none: hardware
  std::map<std::string, std::string> physical{};     // NIC name of a virtual function -> its physical function's, where
                                                     // that is a NIC of this node as well
};

/// Sets role and role_evidence of each NIC. In this order: management, when it carries the default route, the ssh
/// session, Open MPI's out-of-band traffic or the run directory's mount, when it is named like one (mgmt*, bmc*), when
/// GRIT_MANAGEMENT_NICS (names, comma-separated) says so, or when such a NIC is stacked on it (a port of a management
/// bond, the device of a management VLAN); data, when it is up and has an address (one of 169.254.0.0/16 is none: a
/// BMC's USB NIC has such a one), an RDMA device, or routes that lead over it (an unnumbered fabric); else other.
/// GRIT_DATA_NICS (names, comma-separated): those whose default route is not meant to make them management NICs.
void assign_roles(std::vector<Nic>& nics, const RoleHints& hints);

/// Drops those that are there neither for the job nor for its node: containers' veths, bridges, virtual functions that
/// nobody uses, of which a node may have hundreds. What has a role, what such a NIC is stacked on, and other hardware
/// (so that people are told why it carries no data) stay.
void drop_idle_nics(std::vector<Nic>& nics, const RoleHints& hints);

/// "10.1.2.3" is in "10.1.0.0/16"; IPv4 and IPv6. False when either is not an address.
bool address_in_network(const std::string& address, const std::string& network);

/// Addresses of the file servers that a path depends on: of the mount it is on, in a mountinfo text. Empty for local
/// file systems. The path may be relative, go through symbolic links, and not exist yet.
std::vector<std::string> mount_servers(const std::string& mountinfo, const std::filesystem::path& path);

}  // namespace grit

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

/// A file that grit, or the job around it, cannot do without.
struct NeededFile {
  std::string what{};  // "the run directory"
  std::filesystem::path path{};
};

/// A host that one of them comes from.
struct FileServer {
  NeededFile file{};
  std::string address{};
};

/// All that the roles follow from, as read from the system; a plain value, so that the rules can be tried on any
/// machine.
struct RoleHints {
  std::vector<Route> routes{};
  std::map<std::string, std::string> environment{};  // SSH_CONNECTION, GRIT_*_NICS, OMPI_MCA_*, PMIX_SERVER_URI*
  std::vector<FileServer> file_servers{};
  std::map<std::string, std::string> kinds{};     // NIC name -> "bridge", "veth", "bond" ...; none: hardware
  std::map<std::string, std::string> physical{};  // NIC name of a virtual function -> its physical function's, where
                                                  // that is a NIC of this node as well
};

/// Made by nobody here: it has no kind, or is InfiniBand's interface itself, whose driver names one since Linux 5.10
/// ("ipoib"; what is made on top of it is called so as well, and names the interface below).
bool is_hardware(const Link& link);

/// A bond's port, a VLAN's device, a port of the Open vSwitch datapath whose internal port `upper` is (which of its
/// bridges a port belongs to is known to Open vSwitch alone). Containers hang on a bridge or a switch by veths: nothing
/// of the node goes over those. `all`: the node's links.
bool is_below(const Link& lower, const Link& upper, const std::vector<Link>& all);

/// Sets role and role_evidence of each NIC. In this order: management, when it carries the default route, the ssh
/// session, Open MPI's out-of-band traffic, Slurm's traffic to where srun was started (SLURM_LAUNCH_NODE_IPADDR) or the
/// mount of a file that is needed, when it is named like one (mgmt*, bmc*), when GRIT_MANAGEMENT_NICS (names,
/// comma-separated) says so, or when such a NIC is stacked on it (a port of a management bond, the device of a
/// management VLAN) or is a virtual function of it; data, when it is up and has an address (one of 169.254.0.0/16 is
/// none: a BMC's USB NIC has such a one), an RDMA device, or routes that lead over it (an unnumbered fabric); else
/// other. GRIT_DATA_NICS (names, comma-separated): those whose default route, or Slurm's traffic, is not
/// meant to make them management NICs.
void assign_roles(std::vector<Nic>& nics, const RoleHints& hints);

/// Drops those that are there neither for the job nor for its node: containers' veths, bridges, virtual functions that
/// nobody uses, of which a node may have hundreds. What has a role, what such a NIC is stacked on, and other hardware
/// (so that people are told why it carries no data) stay.
void drop_idle_nics(std::vector<Nic>& nics, const RoleHints& hints);

/// "10.1.2.3" is in "10.1.0.0/16"; IPv4 and IPv6. False when either is not an address.
bool address_in_network(const std::string& address, const std::string& network);

/// The file servers that each file depends on: of the mount it is on, in the text of /proc/self/mountinfo, proc(5).
/// None for local file systems. Paths may be relative, go through symbolic links, and not exist yet; empty ones are
/// left out.
std::vector<FileServer> file_servers(const std::string& mountinfo, const std::vector<NeededFile>& files);

/// Of the text of /proc/PID/maps, proc(5): a file for each directory that the process has code or data mapped from.
std::vector<std::filesystem::path> mapped_files(const std::string& maps);

}  // namespace grit

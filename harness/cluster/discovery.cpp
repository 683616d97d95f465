#include "harness/cluster/discovery.hpp"

#include <hwloc.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>
#include <sstream>

#include "harness/base/files.hpp"
#include "harness/cluster/nic_roles.hpp"
#include "harness/os/cpus.hpp"
#include "harness/os/ethtool.hpp"
#include "harness/os/netlink.hpp"

namespace grit {
namespace {

/// The node's, not what this rank is bound to.
int usable_cores() {
  const auto cpus = allowed_cpus();
  return cpus ? static_cast<int>(cpus->size()) : static_cast<int>(::sysconf(_SC_NPROCESSORS_ONLN));
}

int count_numa_nodes() {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) return 1;
  const std::unique_ptr<hwloc_topology, void (*)(hwloc_topology_t)> topology(raw, &hwloc_topology_destroy);
  if (hwloc_topology_load(raw) != 0) return 1;
  return std::max(1, hwloc_get_nbobjs_by_type(raw, HWLOC_OBJ_NUMANODE));
}

std::string cpu_model() {
  std::istringstream lines(read_file("/proc/cpuinfo").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    // "model name" on x86, "cpu" on POWER; ARM names none.
    if (!line.starts_with("model name") && !line.starts_with("cpu\t")) continue;
    const auto colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
}

std::string host_name() {
  utsname names{};
  ::uname(&names);
  return names.nodename;
}

bool is_link_local(const Address& address) { return address.family == AF_INET6 && address.scope == RT_SCOPE_LINK; }

Result<std::vector<std::string>> address_list(Netlink& netlink, int ifindex) {
  GRIT_TRY(auto addresses, netlink.addresses(ifindex));
  std::erase_if(addresses, is_link_local);
  std::stable_sort(addresses.begin(), addresses.end(),
                   [](const Address& a, const Address& b) { return a.family < b.family; });  // AF_INET first
  std::vector<std::string> texts;
  for (const auto& address : addresses) texts.push_back(address.local + "/" + std::to_string(address.prefix));
  return texts;
}

// A device of one of these kinds can carry a job's traffic; any other that rtnetlink names a kind of is plumbing.
bool is_plumbing(const std::string& kind) {
  static constexpr std::array<std::string_view, 8> kCarriers{"",     "veth",    "bond",   "team",
                                                             "vlan", "macvlan", "ipvlan", "ipoib"};
  return std::find(kCarriers.begin(), kCarriers.end(), kind) == kCarriers.end();
}

Result<Nic> describe_nic(const Link& link, Netlink& netlink, const Ethtool& ethtool) {
  Nic nic;
  nic.name = link.name;
  nic.ifindex = link.ifindex;
  nic.mac = link.mac;
  if (const auto driver = ethtool.driver(link.name)) nic.driver = driver->driver;
  nic.speed_bits_per_s = ethtool.speed_bits_per_s(link.name);
  nic.mtu_bytes = link.mtu_bytes;
  nic.up = link.up() && link.running();
  GRIT_TRY(nic.addresses, address_list(netlink, link.ifindex));
  return nic;
}

std::map<std::string, std::string> own_environment() {
  std::map<std::string, std::string> variables;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string text = *variable;
    const auto equals = text.find('=');
    if (equals != std::string::npos) variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return variables;
}

}  // namespace

Node describe_machine() {
  Node node;
  node.cores = usable_cores();
  node.numa_nodes = count_numa_nodes();
  node.memory_bytes = static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGE_SIZE);
  node.cpu_model = cpu_model();
  utsname names{};
  ::uname(&names);
  node.kernel = names.release;
  return node;
}

Result<Node> discover_node(const DiscoveryHints& hints) {
  GRIT_TRY(Netlink netlink, Netlink::open());
  GRIT_TRY(const Ethtool ethtool, Ethtool::open());
  GRIT_TRY(auto links, netlink.links());
  std::sort(links.begin(), links.end(), [](const Link& a, const Link& b) { return a.ifindex < b.ifindex; });
  Node node = describe_machine();
  node.name = host_name();
  RoleHints role_hints;
  for (const auto& link : links) {
    const auto type = ethtool.hardware_type(link.name);
    if (type != ARPHRD_ETHER && type != ARPHRD_INFINIBAND) continue;  // loopback, tunnels
    if (is_plumbing(link.kind)) role_hints.software_kinds[link.name] = link.kind;
    GRIT_TRY(auto nic, describe_nic(link, netlink, ethtool));
    node.nics.push_back(std::move(nic));
  }
  GRIT_TRY(role_hints.routes, netlink.routes(0));
  role_hints.environment = own_environment();
  role_hints.mountinfo = read_file("/proc/self/mountinfo").value_or("");
  role_hints.run_directory = hints.run_directory;
  assign_roles(node.nics, role_hints);
  return node;
}

}  // namespace grit

#include "harness/cluster/discovery.hpp"

#include <hwloc.h>
#include <linux/if_addr.h>
#include <linux/if_arp.h>
#include <linux/rtnetlink.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <sstream>

#include "harness/base/files.hpp"
#include "harness/cluster/job_nics.hpp"
#include "harness/cluster/nic_roles.hpp"
#include "harness/cluster/node_gpus.hpp"
#include "harness/os/cpus.hpp"
#include "harness/os/ethtool.hpp"
#include "harness/os/netlink.hpp"
#include "harness/os/rdma.hpp"

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

/// What the first CPU says of itself, up to an empty line. Others than x86 show no microcode.
void describe_cpu(Node& node) {
  std::istringstream lines(read_file("/proc/cpuinfo").value_or(""));
  for (std::string line; std::getline(lines, line) && (node.cpu_model.empty() || !line.empty());) {
    const auto colon = line.find(": ");
    if (colon == std::string::npos) continue;
    // "model name" on x86, "cpu" on POWER; ARM names none.
    if (node.cpu_model.empty() && (line.starts_with("model name") || line.starts_with("cpu\t")))
      node.cpu_model = line.substr(colon + 2);
    if (node.microcode.empty() && line.starts_with("microcode")) node.microcode = line.substr(colon + 2);
  }
}

std::string host_name() {
  utsname names{};
  ::uname(&names);
  return names.nodename;
}

bool is_link_local(const Address& address) { return address.family == AF_INET6 && address.scope == RT_SCOPE_LINK; }

std::vector<std::string> address_list(const std::vector<Address>& all, int ifindex) {
  std::vector<std::string> texts;
  for (const int family : {AF_INET, AF_INET6})
    for (const Address& address : all)
      if (address.ifindex == ifindex && address.family == family && !is_link_local(address))
        texts.push_back(address.local + "/" + std::to_string(address.prefix));
  return texts;
}

std::optional<RdmaPort> rdma_port(const Nic& nic, const std::vector<RdmaDevice>& devices) {
  for (const RdmaDevice& device : devices) {
    const bool same_pci = !nic.pci.empty() && device.pci == nic.pci;
    if ((!same_pci && device.parent != nic.name) || device.ports.empty()) continue;
    // One PCI function with two ports: the interface says which it is, counted from 0.
    int port = device.ports.begin()->first;
    if (device.ports.size() > 1) port = interface_port(nic.pci, nic.name) + 1;
    const auto found = device.ports.find(port);
    if (found != device.ports.end()) return RdmaPort{device.name, port, found->second};
  }
  return std::nullopt;
}

/// One node's links and all that is asked about them, once for all.
class NicScan {
 public:
  static Result<NicScan> make() {
    GRIT_TRY(Netlink netlink, Netlink::open());
    GRIT_TRY(Ethtool ethtool, Ethtool::open());
    NicScan scan(std::move(ethtool));
    GRIT_TRY(scan.links_, netlink.links());
    GRIT_TRY(scan.addresses_, netlink.addresses(0));
    GRIT_TRY(scan.hints_.routes, netlink.routes(0));
    scan.rdma_ = rdma_devices();
    std::sort(scan.links_.begin(), scan.links_.end(),
              [](const Link& a, const Link& b) { return a.ifindex < b.ifindex; });
    return scan;
  }

  std::vector<Nic> run(std::map<std::string, std::string> environment, const std::vector<NeededFile>& files) {
    for (const Link& link : links_) {
      const auto type = ethtool_.hardware_type(link.name);
      if (type == ARPHRD_ETHER || type == ARPHRD_INFINIBAND) add(link);  // neither loopback nor tunnels
    }
    for (std::size_t i = 0; i < nics_.size(); ++i) inherit(nics_[i]);
    name_physical_functions();
    hints_.environment = std::move(environment);
    hints_.file_servers = file_servers(read_file("/proc/self/mountinfo").value_or(""), files);
    assign_roles(nics_, hints_);
    drop_idle_nics(nics_, hints_);
    mark_job_nics(nics_, hints_.environment);
    return std::move(nics_);
  }

 private:
  explicit NicScan(Ethtool ethtool) : ethtool_(std::move(ethtool)) {}

  void add(const Link& link) {
    Nic nic;
    nic.name = link.name;
    nic.ifindex = link.ifindex;
    nic.mac = link.mac;
    const bool hardware = is_hardware(link);
    if (!hardware) hints_.kinds[link.name] = link.kind;
    if (const auto driver = ethtool_.driver(link.name)) {
      nic.driver = driver->driver;
      nic.firmware = driver->firmware;
      if (hardware) nic.pci = pci_address(driver->bus);
    }
    nic.speed_bits_per_s = ethtool_.speed_bits_per_s(link.name);
    if (const auto duplex = ethtool_.duplex(link.name)) nic.duplex = to_string(*duplex);
    nic.mtu_bytes = link.mtu_bytes;
    nic.up = link.up() && link.running();
    nic.addresses = address_list(addresses_, link.ifindex);
    const PciFunction function = pci_function(nic.pci);
    nic.numa_node = function.numa_node;
    if (!function.physical.empty()) hints_.physical[nic.name] = function.physical;
    // The parent of a device made by software is known by name only, and another namespace may have the same name.
    if (hardware) nic.rdma = rdma_port(nic, rdma_);
    for (const Link& other : links_)
      if (is_below(other, link, links_)) nic.lower.push_back(other.name);
    nics_.push_back(std::move(nic));
  }

  /// A bond is where its first port is.
  void inherit(Nic& nic) const {
    for (const std::string& name : nic.lower)
      for (const Nic& lower : nics_) {
        if (lower.name != name || !nic.pci.empty()) continue;
        nic.pci = lower.pci, nic.numa_node = lower.numa_node;
        const auto kind = hints_.kinds.find(nic.name);
        if (kind != hints_.kinds.end() && kind->second == "bond") nic.rdma = lower.rdma;
      }
  }

  /// Names instead of PCI addresses; a physical function that this network namespace lacks is nobody's here.
  void name_physical_functions() {
    std::map<std::string, std::string> named;
    for (const auto& [nic, pci] : hints_.physical)
      for (const Nic& other : nics_)
        if (other.pci == pci && !hints_.kinds.contains(other.name)) named[nic] = other.name;
    hints_.physical = std::move(named);
  }

  Ethtool ethtool_;
  std::vector<Link> links_{};
  std::vector<Address> addresses_{};
  std::vector<RdmaDevice> rdma_{};
  RoleHints hints_{};
  std::vector<Nic> nics_{};
};

std::map<std::string, std::string> environment_by_name() {
  std::map<std::string, std::string> variables;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable) {
    const std::string text = *variable;
    const auto equals = text.find('=');
    if (equals != std::string::npos) variables[text.substr(0, equals)] = text.substr(equals + 1);
  }
  return variables;
}

/// Without them nobody takes a fault off, starts the next rank, or writes down what happened.
std::vector<NeededFile> needed_files(const DiscoveryHints& hints,
                                     const std::map<std::string, std::string>& environment) {
  std::vector<NeededFile> files{{"the run directory", hints.run_directory},
                                {"the undo journals", hints.journal_directory},
                                {"the program", "/proc/self/exe"}};
  for (auto& file : mapped_files(read_file("/proc/self/maps").value_or("")))
    files.push_back({"the library", std::move(file)});
  if (const auto home = environment.find("HOME"); home != environment.end())
    files.push_back({"the home directory", home->second});
  return files;
}

}  // namespace

Node describe_machine() {
  Node node;
  node.cores = usable_cores();
  node.numa_nodes = count_numa_nodes();
  node.memory_bytes = static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGE_SIZE);
  describe_cpu(node);
  utsname names{};
  ::uname(&names);
  node.kernel = names.release;
  return node;
}

Result<Node> discover_node(const DiscoveryHints& hints) {
  GRIT_TRY(NicScan scan, NicScan::make());
  Node node = describe_machine();
  node.name = host_name();
  const auto environment = environment_by_name();
  node.nics = scan.run(environment, needed_files(hints, environment));
  describe_gpus(node);
  find_nearest_nics(node);
  return node;
}

}  // namespace grit

#include "harness/cluster/nic_roles.hpp"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <set>
#include <sstream>
#include <string_view>

namespace grit {
namespace {

struct IpAddress {
  int family = 0;
  std::array<unsigned char, 16> bytes{};
  [[nodiscard]] int bits() const { return family == AF_INET ? 32 : 128; }
  bool operator==(const IpAddress&) const = default;
};

std::optional<IpAddress> parse_ip(const std::string& text) {
  IpAddress address;
  for (const int family : {AF_INET, AF_INET6}) {
    address.family = family;
    if (::inet_pton(family, text.c_str(), address.bytes.data()) == 1) return address;
  }
  return std::nullopt;
}

bool same_prefix(const IpAddress& a, const IpAddress& b, int prefix) {
  if (a.family != b.family || prefix < 0 || prefix > a.bits()) return false;
  for (int bit = 0; bit < prefix; ++bit) {
    const auto byte = static_cast<std::size_t>(bit) / 8;
    if (((a.bytes[byte] ^ b.bytes[byte]) & (0x80U >> (bit % 8))) != 0) return false;
  }
  return true;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);)
    if (!part.empty()) parts.push_back(part);
  return parts;
}

std::string address_part(const std::string& address_and_prefix) {
  return address_and_prefix.substr(0, address_and_prefix.find('/'));
}

bool has_address(const Nic& nic, const std::string& address) {
  const auto wanted = parse_ip(address);
  return wanted && std::any_of(nic.addresses.begin(), nic.addresses.end(),
                               [&](const auto& own) { return parse_ip(address_part(own)) == wanted; });
}

// The interfaces of a route; several when it has several next hops.
std::vector<int> interfaces_of(const Route& route) {
  return route.multipath_ifindexes.empty() ? std::vector{route.ifindex} : route.multipath_ifindexes;
}

// The interfaces over which an address is reached: the longest matching prefix, then the lowest metric. Policy rules
// (ip-rule(8)) are not followed: a table of its own counts like the main one.
std::vector<int> interfaces_towards(const std::vector<Route>& routes, const std::string& address) {
  const auto target = parse_ip(address);
  const Route* best = nullptr;
  for (const auto& route : routes) {
    if (!target || route.type != RTN_UNICAST || route.family != target->family) continue;
    const auto destination = parse_ip(route.destination);
    if (route.prefix > 0 && !(destination && same_prefix(*destination, *target, route.prefix))) continue;
    const auto rank = [](const Route& r) { return std::pair(-r.prefix, r.metric); };
    if (best == nullptr || rank(route) < rank(*best)) best = &route;
  }
  return best == nullptr ? std::vector<int>{} : interfaces_of(*best);
}

std::string value_of(const RoleHints& hints, const std::string& name) {
  const auto found = hints.environment.find(name);
  return found == hints.environment.end() ? std::string() : found->second;
}

bool contains(const std::vector<int>& list, int value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

bool is_named_in(const RoleHints& hints, const std::string& variable, const Nic& nic) {
  const auto names = split(value_of(hints, variable), ',');
  return std::find(names.begin(), names.end(), nic.name) != names.end();
}

std::optional<std::string> by_default_route(const Nic& nic, const RoleHints& hints) {
  if (is_named_in(hints, "GRIT_DATA_NICS", nic)) return std::nullopt;
  for (const auto& route : hints.routes)
    if (route.type == RTN_UNICAST && route.prefix == 0 && contains(interfaces_of(route), nic.ifindex))
      return "carries the default route";
  return std::nullopt;
}

std::optional<std::string> by_ssh_session(const Nic& nic, const RoleHints& hints) {
  const auto parts =
      split(value_of(hints, "SSH_CONNECTION"), ' ');  // client address, port, server address, port: ssh(1)
  if (parts.size() != 4) return std::nullopt;
  if (!has_address(nic, parts[2]) && !contains(interfaces_towards(hints.routes, parts[0]), nic.ifindex))
    return std::nullopt;
  return "carries the ssh session from " + parts[0];
}

// "1234.0;tcp://10.0.0.1,192.168.0.1:4321;tcp6://[fd00::1]:4322": the first address of each transport, the one tried
// first.
std::vector<std::string> uri_addresses(const std::string& uri) {
  std::vector<std::string> addresses;
  for (const auto& part : split(uri, ';')) {
    const auto start = part.find("://");
    if (start == std::string::npos) continue;
    auto address = part.substr(start + 3);
    if (!address.empty() && address.front() == '[')
      address = address.substr(1, address.find_first_of(",]") - 1);
    else
      address = address.substr(0, address.find_first_of(",:"));
    addresses.push_back(address);
  }
  return addresses;
}

std::optional<std::string> by_out_of_band(const Nic& nic, const RoleHints& hints) {
  const auto include = value_of(hints, "OMPI_MCA_oob_tcp_if_include");
  for (const auto& entry : split(include, ',')) {
    const bool inside =
        entry == nic.name || std::any_of(nic.addresses.begin(), nic.addresses.end(),
                                         [&](const auto& own) { return address_in_network(address_part(own), entry); });
    if (inside) return fmt::format("carries Open MPI's out-of-band traffic (oob_tcp_if_include {})", include);
  }
  for (const auto& [name, value] : hints.environment) {
    if (name != "OMPI_MCA_orte_hnp_uri" && !name.starts_with("PMIX_SERVER_URI")) continue;
    for (const auto& address : uri_addresses(value))
      if (has_address(nic, address) || contains(interfaces_towards(hints.routes, address), nic.ifindex))
        return fmt::format("carries Open MPI's out-of-band traffic to {}", address);
  }
  return std::nullopt;
}

// srun's step daemons answer to it, whether there is a default route or not.
std::optional<std::string> by_slurm(const Nic& nic, const RoleHints& hints) {
  const std::string address = value_of(hints, "SLURM_LAUNCH_NODE_IPADDR");
  if (is_named_in(hints, "GRIT_DATA_NICS", nic)) return std::nullopt;
  if (!has_address(nic, address) && !contains(interfaces_towards(hints.routes, address), nic.ifindex))
    return std::nullopt;
  return "carries Slurm's traffic to " + address + ", from where srun was started";
}

std::optional<std::string> by_mount(const Nic& nic, const RoleHints& hints) {
  for (const FileServer& server : hints.file_servers)
    if (contains(interfaces_towards(hints.routes, server.address), nic.ifindex))
      return fmt::format("carries the mount of {} {} (server {})", server.file.what, server.file.path.string(),
                         server.address);
  return std::nullopt;
}

std::optional<std::string> by_name(const Nic& nic, const RoleHints& hints) {
  if (is_named_in(hints, "GRIT_MANAGEMENT_NICS", nic)) return "named in GRIT_MANAGEMENT_NICS";
  if (nic.name.starts_with("mgmt") || nic.name.starts_with("bmc")) return "named like a management NIC";
  return std::nullopt;
}

// A device of one of these kinds can carry a job's traffic; any other that rtnetlink names a kind of is plumbing.
bool is_plumbing(const std::string& kind) {
  static constexpr std::array<std::string_view, 7> kCarriers{"veth",    "bond",   "team", "vlan",
                                                             "macvlan", "ipvlan", "ipoib"};
  return std::find(kCarriers.begin(), kCarriers.end(), kind) == kCarriers.end();
}

bool is_stacked_on(const Nic& upper, const std::string& name) {
  return std::find(upper.lower.begin(), upper.lower.end(), name) != upper.lower.end();
}

bool is_function_of(const Nic& nic, const std::string& physical, const RoleHints& hints) {
  const auto found = hints.physical.find(nic.name);
  return found != hints.physical.end() && found->second == physical;
}

// Whoever takes down what a management NIC is stacked on, or whose virtual function it is, takes the management NIC
// down.
void spread_downwards(std::vector<Nic>& nics, const Nic& upper, const RoleHints& hints) {
  const std::string why = fmt::format("carries {}, which {}", upper.name, upper.role_evidence);
  for (Nic& nic : nics) {
    if (nic.role == NicRole::management) continue;
    if (!is_stacked_on(upper, nic.name) && !is_function_of(upper, nic.name, hints)) continue;
    nic.role = NicRole::management;
    nic.role_evidence = why;
    spread_downwards(nics, nic, hints);
  }
}

bool is_usable_address(const std::string& own) {
  const std::string address = address_part(own);
  return !address_in_network(address, "169.254.0.0/16") && !address_in_network(address, "fe80::/10");
}

bool has_routes(const Nic& nic, const RoleHints& hints) {
  return std::any_of(hints.routes.begin(), hints.routes.end(), [&](const Route& route) {
    return route.type == RTN_UNICAST && route.prefix > 0 && contains(interfaces_of(route), nic.ifindex) &&
           !address_in_network(route.destination, "fe80::/10") &&
           !address_in_network(route.destination, "169.254.0.0/16");
  });
}

// Of a NIC that carries no management traffic.
std::pair<NicRole, std::string> role_of_rest(const Nic& nic, const std::vector<Nic>& nics, const RoleHints& hints) {
  if (const auto kind = hints.kinds.find(nic.name); kind != hints.kinds.end() && is_plumbing(kind->second))
    return {NicRole::other, fmt::format("is a {} made by software", kind->second)};
  if (!nic.up) return {NicRole::other, "is down"};
  const auto data = [](std::string_view has) {
    return std::pair(NicRole::data, fmt::format("is up, has {}, and carries no management traffic", has));
  };
  if (std::any_of(nic.addresses.begin(), nic.addresses.end(), is_usable_address)) return data("an address");
  const auto upper =
      std::find_if(nics.begin(), nics.end(), [&](const Nic& one) { return is_stacked_on(one, nic.name); });
  if (upper != nics.end()) return {NicRole::other, "carries " + upper->name};
  if (const auto physical = hints.physical.find(nic.name); physical != hints.physical.end())
    return {NicRole::other, fmt::format("is a virtual function of {} that nobody uses", physical->second)};
  if (nic.rdma) return data(fmt::format("an RDMA device ({})", nic.rdma->device));
  if (has_routes(nic, hints)) return data("routes that lead over it");
  return {NicRole::other, nic.addresses.empty() ? "has no address" : "has only an address of 169.254.0.0/16"};
}

// proc(5) writes space, tab, newline and backslash in mountinfo as three octal digits.
std::string unescape(const std::string& text) {
  std::string plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    unsigned value = 0;
    if (text[at] == '\\' && at + 3 < text.size() &&
        std::from_chars(&text[at + 1], &text[at] + 4, value, 8).ptr == &text[at] + 4) {
      plain += static_cast<char>(value);
      at += 3;
    } else {
      plain += text[at];
    }
  }
  return plain;
}

bool path_is_under(const std::filesystem::path& path, const std::filesystem::path& directory) {
  const auto relative = path.lexically_normal().lexically_relative(directory.lexically_normal());
  return !relative.empty() && *relative.begin() != "..";
}

// The addresses in a list such as "10.0.0.1:6789,[fd00::5]:6789" or "10.0.0.1@o2ib:10.0.0.2@o2ib".
std::vector<std::string> addresses_in(const std::string& list) {
  std::vector<std::string> addresses;
  std::string word;
  bool bracketed = false;
  for (const char one : list + ",") {
    if (one == '[' || one == ']') {
      bracketed = one == '[';
    } else if (bracketed || std::string_view(",:@/").find(one) == std::string_view::npos) {
      word += one;
    } else {
      if (parse_ip(word)) addresses.push_back(word);
      word.clear();
    }
  }
  return addresses;
}

// Where a mount's source and options name hosts by address: "10.0.0.1:/export", "10.0.0.1:6789,10.0.0.2:6789:/" (ceph),
// "10.0.0.1@tcp:10.0.0.2@tcp:/fs" (lustre and its failover partner), "//10.0.0.1/share" (cifs), "addr=10.0.0.1" (nfs,
// cifs), "mon_addr=10.0.0.1:3300/10.0.0.2:3300" (ceph).
std::vector<std::string> servers_in(const std::string& source, const std::string& options) {
  std::vector<std::string> servers;
  const auto add = [&](const std::string& list) {
    for (auto& address : addresses_in(list)) servers.push_back(std::move(address));
  };
  for (const auto& option : split(options, ',')) {
    if (option.starts_with("addr=")) servers.push_back(option.substr(5));
    if (option.starts_with("mon_addr=")) add(option.substr(9));
  }
  const auto hosts = source.starts_with("//") ? source.substr(2) : source;
  add(hosts.substr(0, hosts.find('/')));
  return servers;
}

// Of the mount that an absolute path without symbolic links is on.
std::vector<std::string> mount_servers(const std::string& mountinfo, const std::filesystem::path& path) {
  std::vector<std::string> servers;
  std::size_t longest = 0;
  for (const auto& line : split(mountinfo, '\n')) {
    // ID PARENT MAJOR:MINOR ROOT MOUNT_POINT OPTIONS TAGS... - TYPE SOURCE SUPER_OPTIONS
    const auto separator = line.find(" - ");
    if (separator == std::string::npos) continue;
    const auto head = split(line.substr(0, separator), ' ');
    const auto tail = split(line.substr(separator + 3), ' ');
    if (head.size() < 6 || tail.size() < 3) continue;
    const auto mount_point = unescape(head[4]);
    // Of several mounts on one point the last hides the others.
    if (!path_is_under(path, mount_point) || mount_point.size() < longest) continue;
    longest = mount_point.size();
    servers = servers_in(unescape(tail[1]), tail[2]);
  }
  return servers;
}

}  // namespace

bool address_in_network(const std::string& address, const std::string& network) {
  const auto slash = network.find('/');
  const auto base = parse_ip(network.substr(0, slash));
  const auto candidate = parse_ip(address);
  if (!base || !candidate) return false;
  int prefix = base->bits();
  if (slash != std::string::npos) {
    const char* end = network.data() + network.size();
    const auto parsed = std::from_chars(network.data() + slash + 1, end, prefix);
    if (parsed.ec != std::errc{} || parsed.ptr != end) return false;
  }
  return same_prefix(*base, *candidate, prefix);
}

std::vector<FileServer> file_servers(const std::string& mountinfo, const std::vector<NeededFile>& files) {
  std::vector<FileServer> servers;
  for (const NeededFile& file : files) {
    if (file.path.empty()) continue;
    // The mount table has absolute paths without symbolic links; the file itself need not exist yet.
    std::error_code unresolved;
    auto whole = std::filesystem::weakly_canonical(std::filesystem::absolute(file.path), unresolved);
    if (unresolved) whole = std::filesystem::absolute(file.path).lexically_normal();
    for (std::string& address : mount_servers(mountinfo, whole)) servers.push_back({file, std::move(address)});
  }
  return servers;
}

std::vector<std::filesystem::path> mapped_files(const std::string& maps) {
  std::map<std::filesystem::path, std::filesystem::path> by_directory;
  for (const auto& line : split(maps, '\n')) {
    const auto start = line.find('/');  // ADDRESS PERMISSIONS OFFSET DEVICE INODE PATH; only a path has a slash in it
    if (start == std::string::npos) continue;
    const std::filesystem::path file = unescape(line.substr(start));
    by_directory.emplace(file.parent_path(), file);
  }
  std::vector<std::filesystem::path> files;
  for (auto& [directory, file] : by_directory) files.push_back(std::move(file));
  return files;
}

bool is_hardware(const Link& link) { return link.kind.empty() || (link.kind == "ipoib" && link.link_ifindex == 0); }

bool is_below(const Link& lower, const Link& upper, const std::vector<Link>& all) {
  const bool container = lower.kind == "veth";
  if (lower.master_ifindex == upper.ifindex) return upper.kind != "bridge" || !container;
  if (upper.kind == "openvswitch" && lower.ifindex != upper.ifindex && !container)
    return std::any_of(all.begin(), all.end(), [&](const Link& datapath) {
      return datapath.ifindex == lower.master_ifindex && datapath.kind == "openvswitch";
    });
  return upper.link_ifindex == lower.ifindex && !upper.link_netnsid && upper.kind != "veth" && lower.ifindex != 0 &&
         lower.ifindex != upper.ifindex;
}

void assign_roles(std::vector<Nic>& nics, const RoleHints& hints) {
  static constexpr std::array kManagementRules{by_default_route, by_ssh_session, by_out_of_band,
                                               by_slurm,         by_mount,       by_name};
  for (auto& nic : nics) {
    nic.role = NicRole::other;
    nic.role_evidence.clear();
    for (const auto rule : kManagementRules) {
      if (nic.role == NicRole::management) break;
      if (auto evidence = rule(nic, hints)) nic.role = NicRole::management, nic.role_evidence = std::move(*evidence);
    }
  }
  for (const auto& nic : nics)
    if (nic.role == NicRole::management) spread_downwards(nics, nic, hints);
  for (auto& nic : nics) {
    if (nic.role == NicRole::management) continue;
    auto [role, evidence] = role_of_rest(nic, nics, hints);
    nic.role = role, nic.role_evidence = std::move(evidence);
  }
}

void drop_idle_nics(std::vector<Nic>& nics, const RoleHints& hints) {
  std::set<std::string> below;
  for (const Nic& nic : nics)
    if (nic.role != NicRole::other) below.insert(nic.lower.begin(), nic.lower.end());
  std::erase_if(nics, [&](const Nic& nic) {
    const auto kind = hints.kinds.find(nic.name);
    const bool hardware = kind == hints.kinds.end() || kind->second == "bond";
    const bool idle_function = hints.physical.contains(nic.name);
    return nic.role == NicRole::other && !below.contains(nic.name) && (!hardware || idle_function);
  });
}

}  // namespace grit

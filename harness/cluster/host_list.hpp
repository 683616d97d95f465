// Lists of hosts as Slurm writes them, and files of hosts as mpirun reads them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

/// More are taken for a mistake ("n[1-10000000]").
constexpr std::size_t kMostHosts = 65536;

/// "n[01-64,70],gpu[1-2]x[0-3],login": Slurm's hostlist expressions (slurm.conf(5), NodeName; several brackets, zeros
/// in front kept). In the order written, each once. Error (usage): what is wrong and at which character: a bracket that
/// is not closed, a range that runs backwards or is of different widths, an empty name, characters that no host name
/// has (RFC 1123, and '_'), a ':' outside of what inet_pton(3) takes for an IPv6 address ("n1:8" means slots to
/// mpirun), more than kMostHosts.
Result<std::vector<std::string>> parse_host_list(std::string_view text);

/// The shortest such expression that gives these hosts, in ascending order of numbers: "n[01-03,07]". For
/// `srun --nodelist` and `scontrol`.
std::string compressed_host_list(std::vector<std::string> hosts);

/// What --hosts names: a file (there is one of that name: a host a line, "slots=8" and "#" comments passed over, as in
/// an mpirun hostfile; lines may be host lists), else a host list. Error (usage): neither, or nobody is in it.
Result<std::vector<std::string>> hosts_of_option(const std::string& text);

/// Host -> the switch it is on, from a Slurm topology.conf ("SwitchName=leaf1 Nodes=n[01-16]") or a file of lines
/// "GROUP HOSTLIST". Only the switches that name nodes count. Error (usage): with the line's number.
Result<std::map<std::string, std::string>> parse_topology_groups(std::string_view text);

}  // namespace grit

#include "harness/cluster/job_nics.hpp"

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

#include "harness/cluster/nic_roles.hpp"

namespace grit {
namespace {

/// What a variable says: names, or all but those ("^eth0,eth1").
struct Names {
  std::vector<std::string> names{};
  bool except = false;
  bool exact = false;  // "=eth1": that name, not all that begin so
};

Names names_in(std::string_view text) {
  Names list;
  if (text.starts_with('^')) list.except = true, text.remove_prefix(1);
  if (text.starts_with('=')) list.exact = true, text.remove_prefix(1);
  std::istringstream stream{std::string(text)};
  for (std::string name; std::getline(stream, name, ',');)
    if (!name.empty()) list.names.push_back(name);
  return list;
}

bool is_rdma(const Nic& nic, const std::string& name, bool exact) {
  if (!nic.rdma) return false;
  const std::string port = nic.rdma->device + ":" + std::to_string(nic.rdma->port);
  if (name == nic.rdma->device || name == port) return true;
  return !exact && name.find(':') == std::string::npos && nic.rdma->device.starts_with(name);
}

using Match = bool (*)(const Nic& nic, const std::string& name, bool exact);

// Open MPI's FAQ on TCP: interfaces by name, or networks.
bool by_open_mpi(const Nic& nic, const std::string& name, bool) {
  return name == nic.name || std::any_of(nic.addresses.begin(), nic.addresses.end(), [&](const std::string& own) {
           return address_in_network(own.substr(0, own.find('/')), name);
         });
}

// UCX: an interface, or an RDMA device with its port.
bool by_ucx(const Nic& nic, const std::string& name, bool) { return name == nic.name || is_rdma(nic, name, true); }

// NCCL: names or what they begin with, unless "=" is in front.
bool by_nccl_hca(const Nic& nic, const std::string& name, bool exact) { return is_rdma(nic, name, exact); }
bool by_nccl_interface(const Nic& nic, const std::string& name, bool exact) {
  return exact ? nic.name == name : nic.name.starts_with(name);
}

struct Variable {
  const char* name;
  Match match;
};
constexpr std::array<Variable, 4> kVariables{{{"OMPI_MCA_btl_tcp_if_include", by_open_mpi},
                                              {"UCX_NET_DEVICES", by_ucx},
                                              {"NCCL_IB_HCA", by_nccl_hca},
                                              {"NCCL_SOCKET_IFNAME", by_nccl_interface}}};

}  // namespace

void mark_job_nics(std::vector<Nic>& nics, const std::map<std::string, std::string>& environment) {
  for (const Variable& variable : kVariables) {
    const auto given = environment.find(variable.name);
    if (given == environment.end() || given->second.empty()) continue;
    const Names list = names_in(given->second);
    bool any = false;
    for (Nic& nic : nics) {
      if (nic.role != NicRole::data) continue;
      const bool named = std::any_of(list.names.begin(), list.names.end(),
                                     [&](const std::string& name) { return variable.match(nic, name, list.exact); });
      if (named == list.except) continue;
      nic.chosen_by = std::string(variable.name) + "=" + given->second;
      any = true;
    }
    if (any) return;
  }
}

}  // namespace grit

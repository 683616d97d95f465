#include "harness/cluster/launch.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <string_view>

#include "harness/cluster/layout.hpp"

namespace grit {
namespace {

std::string name_of(const std::string& variable) { return variable.substr(0, variable.find('=')); }

bool describes_another_cluster(const std::string& variable) {
  static constexpr std::string_view kPrefixes[] = {"OMPI_", "PMIX_",  "ORTE_", "PRTE_",
                                                   "PMI_",  "SLURM_", "PBS_",  "LSB_"};
  static constexpr std::string_view kNames[] = {"SSH_CONNECTION", "SSH_CLIENT", "GRIT_MANAGEMENT_NICS"};
  const auto name = name_of(variable);
  return std::any_of(std::begin(kPrefixes), std::end(kPrefixes),
                     [&](auto prefix) { return name.starts_with(prefix); }) ||
         std::find(std::begin(kNames), std::end(kNames), name) != std::end(kNames);
}

void set_variable(std::vector<std::string>& environment, const std::string& variable) {
  std::erase_if(environment, [&](const auto& other) { return name_of(other) == name_of(variable); });
  environment.push_back(variable);
}

}  // namespace

std::vector<std::string> mpirun_arguments(const LocalClusterOptions& options) {
  std::string hosts;
  for (int node = 0; node < options.nodes; ++node) hosts += (node ? "," : "") + layout::management_address(node);
  const std::pair<const char*, std::string> parameters[] = {
      // Starting: orted by our launch agent, each directly, because a node cannot enter another one.
      {"plm", "rsh"},
      {"plm_rsh_agent", std::string(layout::kProgram) + " enter-node"},
      {"plm_rsh_no_tree_spawn", "1"},
      {"orte_tmpdir_base", layout::kPrivateDirectory},
      // Control traffic on the management network, MPI's between nodes on the data network and nothing else.
      {"oob_tcp_if_include", layout::kManagementNetwork},
      {"oob_tcp_disable_ipv6_family", "1"},
      {"pml", "ob1"},
      {"btl", options.ranks_per_node > 1 ? "tcp,vader,self" : "tcp,self"},  // ranks of a node through its own /dev/shm
      {"btl_tcp_if_include", layout::kDataNetwork},
      {"btl_tcp_disable_family", "6"},
      // Several ranks share a core here: one that waits must let the others run.
      {"mpi_yield_when_idle", "1"},
  };
  std::vector<std::string> arguments{"mpirun",
                                     "--allow-run-as-root",
                                     "--oversubscribe",
                                     "--bind-to",
                                     "none",
                                     "--map-by",
                                     fmt::format("ppr:{}:node", options.ranks_per_node),
                                     "-np",
                                     std::to_string(options.nodes * options.ranks_per_node),
                                     "-H",
                                     hosts};
  for (const auto& [name, value] : parameters) arguments.insert(arguments.end(), {"--mca", name, value});
  arguments.insert(arguments.end(), {layout::kProgram, "enter-node", "-"});
  arguments.insert(arguments.end(), options.command.begin(), options.command.end());
  return arguments;
}

std::vector<std::string> job_environment(const std::vector<std::string>& inherited,
                                         const LocalClusterOptions& options) {
  std::vector<std::string> environment = inherited;
  std::erase_if(environment, describes_another_cluster);
  set_variable(environment, "GRIT_LOCAL_CLUSTER=1");
  set_variable(environment, "GRIT_SHARED_CORES=1");
  set_variable(environment, std::string("GRIT_SWITCH_NETNS=") + layout::kSwitchNetns);
  for (const auto& variable : options.environment) set_variable(environment, variable);
  return environment;
}

Status check_mpirun() {
  const char* path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "" : path);
  for (std::string directory; std::getline(directories, directory, ':');)
    if (::access((directory + "/mpirun").c_str(), X_OK) == 0) return {};
  return unavailable_error(
      "the local cluster needs Open MPI's mpirun, which is not in PATH. Install openmpi-bin, or add its directory to "
      "PATH");
}

}  // namespace grit

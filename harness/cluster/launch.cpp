#include "harness/cluster/launch.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string_view>

#include "harness/cluster/layout.hpp"

namespace grit {
namespace {

std::string name_of(const std::string& variable) { return variable.substr(0, variable.find('=')); }

bool describes_another_job(const std::string& variable, bool keeps_settings) {
  static constexpr std::string_view kPrefixes[] = {"OMPI_", "PMIX_",  "ORTE_", "PRTE_",
                                                   "PMI_",  "SLURM_", "PBS_",  "LSB_"};
  const auto name = name_of(variable);
  if (keeps_settings && name.find("_MCA_") != std::string::npos) return false;
  return std::any_of(std::begin(kPrefixes), std::end(kPrefixes), [&](auto prefix) { return name.starts_with(prefix); });
}

// Of the way into this machine and of its own network cards: a node of the local cluster has others.
bool describes_this_machine(const std::string& variable) {
  static constexpr std::string_view kNames[] = {"SSH_CONNECTION", "SSH_CLIENT", "GRIT_MANAGEMENT_NICS"};
  return std::find(std::begin(kNames), std::end(kNames), name_of(variable)) != std::end(kNames);
}

}  // namespace

std::vector<std::string> mpirun_arguments(const std::vector<std::string>& addresses, int ranks_per_node,
                                          const std::vector<std::string>& command) {
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
      {"btl", ranks_per_node > 1 ? "tcp,vader,self" : "tcp,self"},  // ranks of a node through its own /dev/shm
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
                                     fmt::format("ppr:{}:node", ranks_per_node),
                                     "-np",
                                     fmt::format("{}", addresses.size() * static_cast<std::size_t>(ranks_per_node)),
                                     "-H",
                                     fmt::format("{}", fmt::join(addresses, ","))};
  for (const auto& [name, value] : parameters) arguments.insert(arguments.end(), {"--mca", name, value});
  arguments.insert(arguments.end(), command.begin(), command.end());
  return arguments;
}

std::vector<std::string> job_environment(const std::vector<std::string>& inherited,
                                         const std::vector<std::string>& variables) {
  std::vector<std::string> environment = inherited;
  forget_other_job(environment, false);
  std::erase_if(environment, describes_this_machine);
  set_variable(environment, "GRIT_LOCAL_CLUSTER=1");
  set_variable(environment, "GRIT_SHARED_CORES=1");
  set_variable(environment, std::string("GRIT_SWITCH_NETNS=") + layout::kSwitchNetns);
  for (const auto& variable : variables) set_variable(environment, variable);
  return environment;
}

std::vector<std::string> own_environment() {
  std::vector<std::string> variables;
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable)
    variables.emplace_back(*variable);
  return variables;
}

void set_variable(std::vector<std::string>& environment, const std::string& variable) {
  std::erase_if(environment, [&](const auto& other) { return name_of(other) == name_of(variable); });
  environment.push_back(variable);
}

void forget_other_job(std::vector<std::string>& environment, bool keeps_settings) {
  std::erase_if(environment, [&](const auto& variable) { return describes_another_job(variable, keeps_settings); });
}

std::vector<char*> exec_pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const auto& text : texts) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::optional<std::string> program_in_path(const std::string& name) {
  const auto is_program = [](const std::string& file) {
    std::error_code failed;
    return std::filesystem::is_regular_file(file, failed) && ::access(file.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos) return is_program(name) ? std::optional(name) : std::nullopt;
  const char* path = std::getenv("PATH");
  std::istringstream directories(path == nullptr ? "" : path);
  for (std::string directory; std::getline(directories, directory, ':');)
    if (auto file = (directory.empty() ? "." : directory) + "/" + name; is_program(file)) return file;
  return std::nullopt;
}

Status check_mpirun() {
  if (program_in_path("mpirun")) return {};
  return unavailable_error(
      "the local cluster needs Open MPI's mpirun, which is not in PATH. Install openmpi-bin, or add its directory to "
      "PATH");
}

}  // namespace grit

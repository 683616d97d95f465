#include "analysis/compare/environment_rules.hpp"

#include <algorithm>
#include <string>

namespace grit {
namespace {

enum Suspicion : std::size_t { machine, kernel, driver, pace, setting, nic, limit, library, variable, other };
static_assert(other + 1 == kDifferenceKinds.size() && machine == kAnotherMachine);

struct Rule {
  std::string_view prefix;  // of the path, where "*" is any one part
  Suspicion suspicion;
};
/// The first that fits.
constexpr std::array kRules{Rule{"hostname", machine},
                            Rule{"architecture", machine},
                            Rule{"firmware.product", machine},
                            Rule{"firmware.vendor", machine},
                            Rule{"firmware.board", machine},
                            Rule{"firmware", driver},
                            Rule{"memory_bytes", machine},
                            Rule{"cpu.model", machine},
                            Rule{"cpu.usable_cores", machine},
                            Rule{"cpu.online", machine},
                            Rule{"cpu.numa_nodes", machine},
                            Rule{"cpu.microcode", driver},
                            Rule{"cpu", pace},
                            Rule{"kernel.command_line", setting},
                            Rule{"kernel", kernel},
                            Rule{"nvidia_driver", driver},
                            Rule{"modules", driver},
                            Rule{"gpus.*.driver", driver},
                            Rule{"gpus", machine},
                            Rule{"infiniband.*.firmware", driver},
                            Rule{"infiniband.*.board", machine},
                            Rule{"infiniband", nic},
                            Rule{"nics.*.driver.bus", machine},
                            Rule{"nics.*.driver", driver},
                            Rule{"nics.*.mac", machine},
                            Rule{"nics", nic},
                            Rule{"vulnerabilities", setting},
                            Rule{"transparent_hugepages", setting},
                            Rule{"settings", setting},
                            Rule{"limits", limit},
                            Rule{"cgroups", limit},
                            Rule{"versions", library},
                            Rule{"grit", library},
                            Rule{"variables", variable}};

/// What a launcher makes anew for every job, in capitals; and whose variables these are.
constexpr std::array<std::string_view, 21> kJobWords{
    "JOBID",  "JOB_ID",     "STEPID",   "STEP_ID",    "TASK_PID",  "HNP_URI", "DAEMON_URI",
    "IPADDR", "TRANSPORTS", "NODELIST", "START_TIME", "END_TIME",  "NSPACE",  "TMPDIR",
    "_ARGV",  "COMMAND",    "WDIR",     "COMM_PORT",  "COMM_HOST", "SESSION", "FILE_LOCATION"};
constexpr std::array<std::string_view, 4> kLaunchers{"variables.SLURM_", "variables.OMPI_", "variables.PMIX_",
                                                     "variables.PRTE_"};

/// Whose members come and go; of all others, one that is missing was not recorded.
constexpr std::array<std::string_view, 6> kCollections{"nics",      "gpus",    "infiniband",
                                                       "variables", "modules", "vulnerabilities"};

bool fits(std::string_view path, std::string_view prefix) {
  while (true) {
    const auto path_part = path.substr(0, path.find('.')), prefix_part = prefix.substr(0, prefix.find('.'));
    if (prefix_part != "*" && path_part != prefix_part) return false;
    if (prefix_part.size() == prefix.size()) return true;
    if (path_part.size() == path.size()) return false;
    path.remove_prefix(path_part.size() + 1);
    prefix.remove_prefix(prefix_part.size() + 1);
  }
}

}  // namespace

std::size_t suspicion_of(std::string_view path) {
  for (const Rule& rule : kRules)
    if (fits(path, rule.prefix)) return rule.suspicion;
  return other;
}

bool differs_always(std::string_view path) {
  const auto begins = [&](std::string_view launcher) { return path.starts_with(launcher); };
  if (std::none_of(kLaunchers.begin(), kLaunchers.end(), begins)) return false;
  std::string capitals(path);
  for (char& c : capitals)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return std::any_of(kJobWords.begin(), kJobWords.end(),
                     [&](std::string_view word) { return capitals.find(word) != std::string::npos; });
}

bool is_collection(std::string_view key) {
  return std::find(kCollections.begin(), kCollections.end(), key) != kCollections.end();
}

}  // namespace grit

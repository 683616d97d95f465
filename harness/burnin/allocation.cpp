#include "harness/burnin/allocation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "harness/base/shell_words.hpp"
#include "harness/cluster/host_list.hpp"

namespace grit {
namespace {

bool allocation_has(const std::vector<std::string>& hosts) {
  const char* list = std::getenv("SLURM_JOB_NODELIST");
  const auto allocated = parse_host_list(list == nullptr ? "" : list);
  return allocated && std::ranges::all_of(hosts, [&](const std::string& host) {
           return std::ranges::find(*allocated, host) != allocated->end();
         });
}

}  // namespace

std::vector<std::string> nodes_with_cells_left(const BurninReport& report) {
  std::vector<std::string> hosts;
  for (const BurninNodeReport& node : report.nodes)
    if (node.state != BurninNodeState::bad && node.state != BurninNodeState::not_tested) hosts.push_back(node.host);
  return hosts;
}

Status check_allocation(const BurninHead& head, const std::vector<std::string>& hosts,
                        const std::filesystem::path& directory) {
  const char* job = std::getenv("SLURM_JOB_ID");
  if (head.launcher != "srun" || (job != nullptr && head.slurm_job == job)) return {};
  if (job != nullptr && allocation_has(hosts)) {
    fmt::print(stderr, "grit: going on in Slurm's job {}; the burn-in began in job {}\n", job, head.slurm_job);
    return {};
  }
  const std::string here = job == nullptr
                               ? "there is no allocation around this process"
                               : fmt::format("job {}, in which this is, does not have all nodes that are left", job);
  return unavailable_error(fmt::format(
      "the cells of this burn-in are steps on nodes of Slurm's job {}, and {}. Go on inside of that job or, when it is "
      "over, of another one with the nodes that are left: salloc --no-kill {} grit resume {}",
      head.slurm_job, here, shell_word("--nodelist=" + compressed_host_list(hosts)), shell_word(directory.string())));
}

}  // namespace grit

#include "harness/health/checks/ranks_here.hpp"

#include <fmt/format.h>

namespace grit {

std::vector<RankHere> ranks_here(const CheckInput& input) {
  const std::vector<int>& numbers = input.node.ranks;
  const bool known = numbers.size() == input.rank_pids.size();
  std::vector<RankHere> ranks;
  for (std::size_t i = 0; i < input.rank_pids.size(); ++i)
    ranks.push_back({.name = known ? fmt::format("rank {}", numbers[i]) : fmt::format("process {}", input.rank_pids[i]),
                     .pid = input.rank_pids[i]});
  return ranks;
}

}  // namespace grit

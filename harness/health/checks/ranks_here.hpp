// The node's ranks as a check names them.
#pragma once

#include <string>
#include <vector>

#include "harness/health/check.hpp"

namespace grit {

struct RankHere {
  std::string name{};  // "rank 3"; "process 4711" where the node does not say which ranks they are
  int pid = 0;
};

/// None outside of a run.
std::vector<RankHere> ranks_here(const CheckInput& input);

}  // namespace grit

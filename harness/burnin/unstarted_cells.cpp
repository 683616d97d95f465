#include "harness/burnin/unstarted_cells.hpp"

#include <algorithm>

#include "harness/cluster/job_launcher.hpp"

namespace grit {
namespace {

/// Fewer are a matter of a few nodes.
constexpr std::size_t kFewest = 8;

/// Slurm ended it: "*** STEP 5.7 ON n01 CANCELLED AT 2026-11-29T20:00:00 DUE TO NODE FAILURE ***"
/// (src/slurmd/slurmstepd/req.c).
bool is_cancelled(const BurninCellResult& result) {
  return result.end == BurninCellEnd::failed && result.words.find(" CANCELLED AT ") != std::string::npos;
}

}  // namespace

void UnstartedCells::add(const BurninCellResult& result) {
  if (is_cancelled(result)) {
    ++count_;
    has_started_ = true;
    return;
  }
  if (result.end != BurninCellEnd::not_started) {
    *this = {};
    has_started_ = true;
    return;
  }
  ++count_;
  ++not_started_;
  if (!allocation_is_over_) words_ = result.words;
  allocation_is_over_ = allocation_is_over_ || says_allocation_is_over(result.words);
  hosts_.insert(result.cell.hosts.begin(), result.cell.hosts.end());
}

bool UnstartedCells::accuse_launcher(std::size_t nodes, bool is_over,
                                     const std::function<BurninReport()>& report) const {
  if (allocation_is_over_) return true;
  const bool are_all = is_over && !has_started_ && not_started_ > 0;
  if (!are_all && not_started_ < std::max(kFewest, nodes)) return false;
  const BurninReport known = report();
  return std::ranges::all_of(known.nodes, [&](const BurninNodeReport& node) {
    return hosts_.contains(node.host) || node.state == BurninNodeState::bad ||
           node.state == BurninNodeState::not_tested;
  });
}

}  // namespace grit

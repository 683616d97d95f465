// How punctual the faults were: onset, end, and the skew between nodes.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/step_record.hpp"
#include "harness/model/verdict.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {

struct FaultTiming {
  struct OfFault {
    std::optional<Lateness> onset{}, end{};
  };
  std::vector<OfFault> faults;             // one for each of Plan::faults
  std::optional<Lateness> onset{}, end{};  // over all of them
  std::optional<Skew> skew{};
};

/// When the ranks of the nodes with a fault ended the last step of each block.
class BlockEnds {
 public:
  explicit BlockEnds(const Plan& plan);
  /// In any order. Of nodes without a fault and blocks that the plan does not have nothing is kept.
  void take(std::span<const StepRecord> records);
  /// 0: no record of it.
  [[nodiscard]] std::int64_t end_ns(std::int64_t node, std::int64_t block) const;

 private:
  std::vector<std::vector<std::int64_t>> ends_ns_{};  // by node and block; of other nodes empty
};

/// Nearest-rank quantiles; empty without values.
std::optional<Lateness> lateness_of(std::vector<std::int64_t> values_ns);

/// From the events (harness/model/event.hpp), each on its own node's clock:
///   onset  an "applied" that was read back: from when the pulse was due, counted from the block's first step, to then.
///   end    a "reverted" that was read back: from the pulse's end, or for one that lasts as long as its block from the
///          end of the block's last step on that node. Leases, dead ranks and interruptions have no planned end.
///   skew   the latest less the earliest onset of the same pulse of the same fault (name and planned time) on several
///          nodes, in node 0's time.
/// `clock` is clock.json (analysis/records/node_clocks.hpp). The bound of a skew is the sum of those of its two nodes.
/// Never fails: what is not as documented counts for nothing.
FaultTiming fault_timing(const Plan& plan, const BlockEnds& ends, const JsonLines& events, const Json& clock);

}  // namespace grit

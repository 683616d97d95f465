// Times of different nodes on one clock, by the offsets that were measured before and after the steps (clock.json).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/model/plan.hpp"

namespace grit {

/// Between the first and the last measurement of a node's offset from node 0 a straight line is drawn, outside of them
/// it stays as it is (harness/run/clock_sync.hpp). Namespaces of one machine share a clock. What is not as documented
/// counts for nothing.
class NodeClocks {
 public:
  NodeClocks(const Plan& plan, const Json& clock);

  struct Aligned {
    std::int64_t t_ns = 0;      // node 0's time
    std::int64_t bound_ns = 0;  // by which it may be wrong, either way
  };
  /// Empty: nobody measured this node's clock.
  [[nodiscard]] std::optional<Aligned> align(std::int64_t node, std::int64_t t_ns) const {
    if (node < 0 || static_cast<std::size_t>(node) >= lines_.size()) return std::nullopt;
    const Line& line = lines_[static_cast<std::size_t>(node)];
    if (!line.known) return std::nullopt;
    return Aligned{t_ns - line.offset_ns - line.drift_ns(t_ns), line.bound_ns};
  }

 private:
  struct Line {
    bool known = false;
    std::int64_t offset_ns = 0, from_ns = 0;  // at the first measurement, node 0's time
    std::int64_t more_ns = 0;                 // at the last one
    std::int64_t bound_ns = 0;
    double part_per_ns = 0;                                         // 1 / for_ns; 0: measured once only
    [[nodiscard]] std::int64_t drift_ns(std::int64_t t_ns) const {  // asked once a record: no division, no call
      const double part = std::clamp(static_cast<double>(t_ns - offset_ns - from_ns) * part_per_ns, 0.0, 1.0);
      const double drift_ns = part * static_cast<double>(more_ns);
      return static_cast<std::int64_t>(drift_ns < 0 ? drift_ns - 0.5 : drift_ns + 0.5);
    }
  };
  std::vector<Line> lines_;  // by node
};

}  // namespace grit

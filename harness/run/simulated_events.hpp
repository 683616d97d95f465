// The events of a measured run, as its simulation for a larger job has them: what happened on measured nodes, at the
// same time of the same block.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "analysis/simulate/upward.hpp"
#include "harness/record/json_lines.hpp"
#include "harness/record/run_dir.hpp"

namespace grit {

class SimulatedEvents {
 public:
  /// `plan` and `records` are the measured ones. Takes faults, their counters, what ranks used, readings of checks, and
  /// looks; the rest (lost records, restarts, the kernel's log) says something of the measured run alone.
  SimulatedEvents(const Plan& plan, const LargerMesh& mesh, std::span<const StepRecord> records,
                  const JsonLines& measured);

  /// When the last rank of a node of the larger job ended its last step of a block, by node and block.
  using Ends = std::map<std::pair<std::uint32_t, std::uint32_t>, std::int64_t>;
  /// One block after the other; measured nodes say when their ranks entered and left it.
  Status write(const std::vector<Upward::PlayedBlock>& played, const Ends& ends, EventsWriter& events) const;

 private:
  struct Edges {
    std::int64_t begin_ns = 0;  // event `block`
    std::int64_t end_ns = 0;    // of the last step of the node's ranks
  };
  void take(const Json& event);
  [[nodiscard]] Json moved(Json event, const Upward::PlayedBlock& block, const Ends& ends) const;
  Status write_looks(std::int64_t first, std::int64_t end, std::int64_t t_ns, EventsWriter& events) const;

  const Plan& plan_;
  const LargerMesh& mesh_;
  std::vector<int> larger_rank_{};                                  // by measured rank
  std::map<std::int64_t, std::vector<Json>> by_block_{};            // in their order
  std::map<std::int64_t, std::vector<Json>> looks_{};               // by the block that they come before
  std::map<std::pair<std::int64_t, std::int64_t>, Edges> edges_{};  // by node and block, on the node's clock
};

}  // namespace grit

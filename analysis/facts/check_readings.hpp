// What health checks read on each node, block by block.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

/// One check on one node.
struct CheckEvidence {
  struct Readings {
    int made = 0;
    int failed = 0;
  };
  CheckResult result{};            // without `p`
  std::vector<Readings> blocks{};  // one for each of Plan::blocks
};

/// Takes the events "check", "check_change" and "check_summary" in their order of arrival; what is not as documented
/// counts for nothing.
class CheckReadings {
 public:
  /// The plan is kept by the caller.
  explicit CheckReadings(const Plan& plan) : plan_(plan) {}
  void take(const Json& event);
  /// By name and node.
  [[nodiscard]] std::vector<CheckEvidence> finish();

 private:
  /// In one block.
  struct Counts {
    int readings = 0, failures = 0, not_made = 0;
    std::string obstacle{};
    bool not_here = false;
    std::int64_t cpu_ns = 0, longest_ns = 0;
  };
  struct State {
    CheckEvidence evidence{};
    std::size_t block = 0;
    Counts changes{};  // of this block, whose summary has not come
  };

  State& state_of(const std::string& name, const Json& event);
  void take_reading(State& check, const Json& event);
  void take_summary(State& check, const Json& event);
  void settle_changes(State& check);
  void count(CheckEvidence& check, std::size_t block, const Counts& counts) const;

  const Plan& plan_;
  std::map<std::pair<std::string, std::int64_t>, State> checks_{};
};

}  // namespace grit

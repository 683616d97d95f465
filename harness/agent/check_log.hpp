// What a node's checks find, in few events.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "harness/base/json.hpp"
#include "harness/health/check.hpp"

namespace grit {

/// A reading is an event of its own ("check_change") only when the check's state (passed, failed, could not be made) is
/// not that of its last reading; how often each was read and failed in a block is said once, at its end
/// ("check_summary"). Two readings a second of two checks on 2,000 nodes would otherwise be 4 GB an hour.
class CheckLog {
 public:
  CheckLog(int node, std::function<void(Json)> emit) : node_(node), emit_(std::move(emit)) {}

  /// A reading of the check at this place in Plan::checks, in block Block::index.
  void take(std::size_t place, const CheckInfo& info, int block, const Result<CheckOutcome>& outcome);
  /// The block is over, or the agent ends in it. Nothing when no check was read in it.
  void end_block(int block);

 private:
  enum class State { unread, passed, failed, not_made };
  struct OfCheck {
    std::string name{};
    bool of_links = false;
    State last = State::unread;
    int readings = 0, failures = 0, not_made = 0;  // in the block so far; a reading that was not made is none
    std::string obstacle{};                        // why the first of these could not be made
  };

  int node_;
  std::function<void(Json)> emit_;
  std::map<std::size_t, OfCheck> checks_{};
};

}  // namespace grit

// What a node's checks find, in few events.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "harness/base/json.hpp"
#include "harness/health/runner.hpp"

namespace grit {

/// An outcome is an event of its own ("check_change") only when its severity is not that of its subject's last one; how
/// often each check was read and alarmed in a block is said once, at its end ("check_summary"). Two readings a second
/// of two checks on 2,000 nodes would otherwise be 4 GB an hour.
class CheckLog {
 public:
  /// `of_machine`: what checks of the machine read here is every node's (a local cluster).
  CheckLog(int node, bool of_machine, std::function<void(Json)> emit)
      : node_(node), of_machine_(of_machine), emit_(std::move(emit)) {}

  /// What a check is called here, by its place in Plan::checks.
  struct Name {
    std::string label{};
    CheckInfo info{};
  };

  /// A reading of the check at this place. `block`: Block::index of that in which it began and ended; empty: it was
  /// made across the end of one, and counts for none.
  void take(const Name& name, std::optional<int> block, const CheckReading& reading);
  /// The block is over, or the agent ends in it. Nothing of checks that were not read in it.
  void end_block(int block);

 private:
  struct Counts {
    int readings = 0, alarms = 0, warnings = 0, not_made = 0;  // a reading that was not made is none
    std::int64_t cpu_ns = 0, longest_ns = 0;
    std::string obstacle{};         // why the first of these could not be made
    bool not_here = false;          // they all were for want of anything to look at
    bool obstacle_is_none = false;  // the obstacle is that want
  };
  struct OfCheck {
    Name name{};
    std::map<std::string, Severity> last{};  // by subject
    Counts counts{};                         // in the block so far
  };

  Json event_of(std::string_view type, const Name& name) const;
  void count(Counts& counts, const CheckReading& reading) const;
  void tell_change(const OfCheck& check, std::optional<int> block, const CheckReading& reading, const Outcome& outcome);
  void tell_gone(OfCheck& check, std::optional<int> block, const CheckReading& reading);

  int node_;
  bool of_machine_;
  std::function<void(Json)> emit_;
  std::map<std::size_t, OfCheck> checks_{};
  int changes_ = 0;  // told in the block so far
};

}  // namespace grit

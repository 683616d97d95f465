// What the events of a run prove: which faults were in force, acted and came off in which blocks, and how the run
// ended.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "analysis/facts/check_readings.hpp"
#include "analysis/facts/node_names.hpp"
#include "harness/base/json.hpp"
#include "harness/model/plan.hpp"
#include "harness/model/verdict.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {

/// One fault in one block. In a sham block or a link test, only what is left in force counts: `touched` to
/// `revert_failed`, and `error`.
struct WindowEvidence {
  bool began = false;          // an event of this block or fault says that the block was reached
  bool applied = false;        // every pulse was read back as in force
  bool acting = false;         // the fault's own counter moved
  bool unread = false;         // whether it was in force, or acted, could not be read: it may have
  bool touched = false;        // at least one pulse was, or may have been, applied
  bool unreverted = false;     // one of them was not seen to come off
  bool revert_failed = false;  // its agent said that it did not come off
  bool lease_ended = false;    // its time limit took it off, not the plan
  std::string error{};         // the last one, if any
  [[nodiscard]] bool took_effect() const { return applied && acting; }
  /// Neither that nor the opposite is known.
  [[nodiscard]] bool may_have_taken_effect() const { return !took_effect() && unread; }
};

/// What a fault changes: something of its node, which goes with the node where that is a namespace; the machine, also
/// then; or whatever the user's own commands do.
enum class Reach { node, machine, anything };

struct FaultEvidence {
  Reach reach = Reach::node;
  std::vector<WindowEvidence> blocks;            // one for each of Plan::blocks
  std::map<std::string, double> acted;           // its counters' change, summed over the windows
  std::string mechanism;                         // the one that the node says it used; empty: it said nothing
  [[nodiscard]] std::string last_error() const;  // ": " and the last one that was told of it; empty without one
};

struct RunEvidence {
  std::vector<FaultEvidence> faults;  // one for each of Plan::faults
  std::vector<bool> block_begun;      // one for each of Plan::blocks, by its "begin" event
  std::vector<bool> block_ended;      // by its "end" event
  std::vector<CheckEvidence> checks;
  /// By the examples alone; empty: nobody told of any.
  std::optional<WrongData> wrong_data;
  bool finished = false;             // the recorder saw all its ranks end well
  std::size_t blocks_due = 0;        // of Plan::blocks: all, or those before the look at which the run stopped
  std::string ending;                // as Verdict::outcome, without "completed"; empty: nothing went wrong
  std::string ending_reason;         // in words
  std::vector<std::string> remarks;  // what was odd: lost records, restarted agents, ...
  std::uint64_t records_lost = 0;
  std::uint64_t spans_lost = 0;
  std::uint64_t events_lost = 0;  // so many things were told and not kept: what they would have shown is not known
  bool fake_gpus = false;         // libraries of the tests played the GPUs: nothing that was measured is a GPU's
  bool machine_mended = false;    // of a local cluster that has ended: nothing of Reach::machine is in force any more
  std::vector<Residue> residue;   // one for each node that is not as it was before the run
};

/// Reads the events (harness/model/event.hpp) in their order of arrival. Never fails: an event that is not as
/// documented proves nothing and is passed over. `clock` is clock.json: how it ended is the first cause
/// (analysis/facts/first_cause.hpp) by the time of node 0.
RunEvidence collect_evidence(const Plan& plan, const JsonLines& events, const Json& clock = {});

}  // namespace grit

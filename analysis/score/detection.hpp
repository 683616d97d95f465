// Did a check notice an injection, or a sham that it should not have noticed?
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/score/alarms.hpp"

namespace grit {

/// Of one check and one slot. The window is (onset, end + the check's grace], on the slot's node, and over when another
/// injection begins on any node.
struct Detection {
  bool found = false;           // an alarm began in the window, of whatever subject
  std::int64_t after_ns = 0;    // found: from the onset to the end of the reading that said so
  std::int64_t watched_ns = 0;  // from the onset to the window's end, or to where the node's checks ended
  bool subject_right = false;   // found, and one that began in the window is of the right subject
  bool node_right = false;      // found, and on no other node more than a period before
  bool warned = false;          // a warning, or worse, began in the window
  bool on_at_onset = false;     // an alarm was on before: if it stays on nobody can tell
  bool unreadable = false;      // it could not be read at any time of the window
  bool elsewhere = false;       // not found, but an alarm began on another node in the window
  bool late = false;            // not found, but an alarm began between the window's end and the slot's
};

/// Of each check, of each slot, in the order of the input. Also of shams, and of injections that are not proven.
using Detections = std::vector<std::vector<Detection>>;

/// `warnings`: of AlarmFrom::warning.
Detections detect(const ScoreInput& input, const Alarms& alarms, const Alarms& warnings);

/// Does it count? Of an injection: it is proven.
inline bool counts(const ScoreSlot& slot) { return slot.sham || slot.unproven.empty(); }

}  // namespace grit

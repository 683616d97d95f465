// The lines of events.jsonl: one JSON object each, written by agents (and, for "run", by whoever runs), in order of arrival.
//
// Every event: "type", "t_ns" (CLOCK_MONOTONIC of the node), "node" (index). By type:
//   run       state: "started" | "finished" | "ended early" | "interrupted" | "failed", rank? (who says so), message?
//   recovered journal, reverted (entries), problems[]                   an agent took off what a predecessor had left
//   block     block, kind, edge: "begin" | "end"                        the node's ranks entered / left a block
//   fault     fault (PlannedFault::id), block, pulse, action:
//             "applied"    ok, reading{}, onset_ns (from block start)   read back from the kernel after apply
//             "reverted"   ok, reading{}, why: "pulse_end" | "block_end" | "lease" | "rank_died" | "recovered" | "shutdown"
//             "error"      message                                       apply or revert failed
//   acting    fault, block, ok, before{}, after{}                        the fault's own counter over the window
//   witness   fault, block, what, ...                                    the kernel's own notification
//   check     check, block, ok, detail
//   rank_died rank, pid, how                                             a rank ended without finishing
//   agent_restarted generation
//   node_lost lost_node, last_heard_ns
//   records_lost rank, count                                             a full ring dropped step records
#pragma once

#include <string_view>

#include "harness/base/clock.hpp"
#include "harness/base/json.hpp"

namespace grit {

inline Json make_event(std::string_view type, int node, std::int64_t t_ns = monotonic_ns()) {
  return Json{{"type", type}, {"node", node}, {"t_ns", t_ns}};
}

}  // namespace grit

// The lines of events.jsonl: one JSON object each, written by agents (and, for "run", by whoever runs), in order of
// arrival.
//
// Every event: "type", "t_ns" (CLOCK_MONOTONIC of the node), "node" (index); one that ends the run
// (harness/model/ending.hpp) also "heard_ns" (when the recorder took it in, CLOCK_MONOTONIC of node 0); the file's
// first also "format" (harness/model/format.hpp). A new member goes into docs/schema/events.schema.json, too. By type:
//   run       state: "started" | "finished" | "ended early" | "interrupted" | "failed", message?, rank? and pid? (who
//             says so)
//   resumed   attempt, checkpoint (the step whose checkpoint was taken up; -1: none, the job began anew),
//             passed_over[] (words: newer ones that not all ranks have whole); the first of a later attempt
//             (harness/model/attempt.hpp)
//   recovered journal, reverted, gone (entries; gone: of an earlier boot or an ended namespace), problems[];
//             an agent took off what a predecessor had left; without a journal: it found nothing any more
//   block     block, kind, edge: "begin" | "end"; the node's ranks entered / left a block
//   fault     fault (PlannedFault::id), block, pulse, reach? ("machine": of all of the machine, also where its node is
//             a namespace; "anything": whatever the user's commands reach; else of the node), action:
//             "applied"   ok, reading{}, mechanism; read back from the kernel after apply
//                         onset_ns, planned_ns (both from the block's start)
//                         without ok, and with message: it went off before it could be told, and may have been in force
//             "reverted"  ok, reading{}, why: "pulse_end" (then planned_ns) | "block_end" | "low_memory" | "lease" |
//                         "nested" (what it stands on goes off) | "rank_died" | "apply_failed" | "recovered" |
//                         "shutdown"
//             "error"     message, may_be_in_force? (true: it was started, and could not be read); apply or revert
//             failed
//   acting    fault, block, ok, before{}, after{}; the fault's own counter over the window; without ok it could not be
//             read
//   residue   block, differences[] (words: "qdiscs: new: ..."); the node is not as it was before the faults
//   changed   differences[]; what else is not as before the run, and no fault of the plan can have touched
//   carrier   interface, back, after_ns, problem?; a link that lost its carrier under a fault, since the faults were
//   off:
//             it is back, or is not after 30 s; problem: what could not be put back then
//   witness   fault, block, what, ...; the kernel's own notification
//   usage     block, edge, ranks[{rank, cpu_ns, run_wait_ns, minor_faults, major_faults, stopped_ns, blocked_ns}],
//             stalls_ns{cpu, memory, io}, page_faults, cpu_busy_ns, cpu_steal_ns, cpu_clock_hz?, machine (its boot id)
//             of ranks with all their threads and helpers (data loaders ...) since they began, stopped (T) and blocked
//             (D; added up over threads and helpers) sampled by the agent; of the machine: pressure stall information
//             ("some"), page faults, busy CPUs, what of it other machines of the same host took, and the mean clock of
//             its CPUs at this moment, where it says so
//   look      look, pairs, decision: "stop" | "go_on"; is it clear already? Written before `block`
//   check_change    check, severity ("ok" | "warning" | "critical" | "unknown"), detail, subject?, value? and unit?,
//   hint?,
//             not_here?, block? (absent: the reading was made across a block's end), last?; an outcome whose severity
//             is not that of its subject's last one on this node; t_ns: when the reading ended
//   check_summary   check, block, readings, failures (with a warning or worse), warnings (of these, with nothing
//   worse),
//             not_made, detail and not_here (of the first of these), cpu_ns (of all readings), longest_ns; of all its
//             readings in a block, at its end. In both: of_links = false where the check looks at other things than
//             links; not there: it looks at links; of_machine: of the machine that all nodes of a local cluster share
//   check     check, block, ok, detail; of every reading: in runs from before there were summaries; check_change had
//             `ok` in place of the severity then
//   machine_mended  ok; after a local cluster has ended: is what faults of this reach changed of the machine off?
//   workload  description{} (Workload::description()): what a step is made of, before the first one; by rank 0
//   rank_died rank, pid, how?; a rank ended without finishing, and not because its agent ended it; t_ns: when it was
//             first seen (of "run" with state "failed" and a rank: when that said so), whatever had to be reverted then
//   end_ordered     cause{} (the event that told it); from here on the recorder tells all agents to end the run
//   ended     why, ranks[], enforced?; an agent took its faults off and ended these ranks, whose deaths are told
//             nowhere else; enforced: its observer did, for the agent did not
//   goodbye   the node's agent has taken everything off and sent all that it had
//   not_ended       nodes[]; they did not say goodbye in time after the end was ordered, and nobody waits any longer
//   not_recorded    message; the recorder could not write (a full disk), once; step records are not kept from then on
//   unrecorded      records, events, spans?; so many of this node were lost on their way, or (by the recorder, at its end)
//             could not be read or written down
//   corruption      rank, block, step, values; told by the recorder, once: a step's reduced values were wrong
//   wrong_value     rank, block, step, group, operation, type_of_elements, sequence, element, expected, got (null: not
//   finite),
//             expected_bits, got_bits, source? (rank of the job that it came from; absent: a sum); a value that a rank
//             received wrong: a few of each rank and block; step and element as the pattern counts them
//             (harness/model/pattern_values.hpp)
//   stood_still     stood_ns; nothing of the job ran on the node from t_ns on, for so long: it was suspended, or the
//             node stood still; its agent ends its part of the run
//   recorder_lost   silent_ns; an agent heard nothing of the recorder for so long, and ends its part of the run
//   agent_stopped   an agent was told to end by SIGTERM while its ranks ran
//   idle_nic  block, interface, bytes, node_bytes; a NIC with a fault carried hardly any of what the node's NICs did in
//             the first baseline block
//   hang      block, waited_ns, ranks[{rank, step, phase, stopped}]; no rank of the node began a step for so long
//   kernel    level (0 .. 4), text, last?; a line of the node's kernel log; of a local cluster's, once
//   agent_restarted  generation
//   agent_busy       since_ns, doing; it has not gone around its loop since: told once each time, by the observer
//   observer_restarted  it died or hung and was replaced: records and events of that moment may be missing
//   agent_unprotected message; its memory could not be locked
//   node_lost        lost_node, last_heard_ns
//   node_back        back_node, silent_ns; a lost node was heard of again
//   records_lost     rank, count; a full ring dropped step records
//   spans_lost       count; so many spans of the node's ranks came faster than they could be carried
//   simulated        texts[]; the run was simulated from a measured one; what it predicts, with intervals
//   imported         texts[]; the run is a job that ran without grit (grit import-nccl); what was found, how surely
#pragma once

#include <string_view>

#include "harness/base/clock.hpp"
#include "harness/base/json.hpp"

namespace grit {

inline Json make_event(std::string_view type, int node, std::int64_t t_ns = monotonic_ns()) {
  return Json{{"type", type}, {"node", node}, {"t_ns", t_ns}};
}

}  // namespace grit

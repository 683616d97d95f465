// In which order a pipeline stage works on its micro-batches, and what it exchanges with its neighbours in between.
//
// How a workload uses it: the actions of pipeline_schedule() come in groups, each of which ends with an action that has
// `exchange_after`. Before the first group the stage begins the receives of that group. Then, group by group,
//
//   wait for the group's receives; do its actions, one after the other;
//   begin, in one go, the sends of this group and the receives of the next one, activations before gradients.
//
// A send is waited for when its buffer is needed again, at the latest. One go is ncclGroupStart() to ncclGroupEnd(), or
// MPI_Isend and MPI_Irecv with no wait in between, as Megatron-LM's batched send/recv (batch_isend_irecv() in
// megatron/core/pipeline_parallel/p2p_communication.py). Between two stages the n-th send finds the n-th receive; no
// tags are needed.
//
// Why that cannot deadlock, even where a send completes only when its receive was begun (NCCL, large messages of MPI)
// and a stage begins nothing before its last exchange is complete. Not interleaved: once backwards have begun, the
// exchange of stage s after a forward is with stage s + 1 alone, whose exchange after the backward that s needs holds
// both counterparts; before, activations go one way only. Interleaved: give the exchange after a stage's i-th forward
// the number i - w, where w is the number of forwards before its first backward, and count on from there. Stage s + 1
// has two such forwards fewer than stage s, so that what s sends in its exchange e is received in exchange e + 1 of
// s + 1, and what s + 1 sends back in e + 1 is received in e; from the last stage on to the first it is e - (p - 1). So
// those exchanges that have the same e - s wait for each other and for none else, and each such set can complete once
// the one before has. With an exchange after every action instead of every pair, the interleaved schedule would
// deadlock: stage s would wait for the next but one action of s + 1, and so on around the ring.
// tests/unit/workloads/pipeline_schedule_test.cpp plays both.
#pragma once

#include <span>
#include <vector>

#include "harness/base/result.hpp"

namespace grit {

enum class Pass { forward, backward };

struct PipelineShape {
  int stages = 1;         // p
  int micro_batches = 1;  // m, in one step of one pipeline
  int chunks = 1;         // v: how many parts of the model a stage has; above 1: interleaved
};

/// Work on one micro-batch in one chunk.
struct PipelineAction {
  Pass pass = Pass::forward;
  int micro_batch = 0;
  int chunk = 0;          // of this stage's
  int receive_from = -1;  // the stage from which its input comes (activations, or gradients of this chunk's output)
  int send_to = -1;       // the stage that needs its output; -1: none
  bool exchange_after = true;
};

/// Error (usage): a size below 1; chunks on a single stage; or, interleaved, micro-batches that do not divide by the
/// stages, which the schedule takes in rounds of p (Megatron-LM has the same condition). Fewer micro-batches than
/// stages are allowed; then not all stages can be at work at once.
Status check_pipeline(const PipelineShape& shape);

/// All actions of one stage in one step, in order, of a shape that check_pipeline() accepts.
///
/// chunks = 1: 1F1B (Narayanan et al. 2019, "PipeDream", and with a flush at the end of each step Narayanan et al.
/// 2021, arXiv:2104.04473, §2.2.1): p - 1 - s forwards, then a forward and a backward in turn, then the other
/// backwards. chunks > 1: interleaved (there, §2.2.2): chunk c of stage s is part c·p + s of p·v parts of the model;
/// micro-batches go through in rounds of p, chunk by chunk, backward from the last chunk to the first; 2·(p - 1 - s) +
/// (v - 1)·p forwards come before the first backward (get_pp_rank_microbatches() and get_schedule_table() in
/// megatron/core/pipeline_parallel/schedules.py).
std::vector<PipelineAction> pipeline_schedule(const PipelineShape& shape, int stage);

/// For how many pairs of micro-batch and chunk the stage keeps activations at most at a time: one more than it has
/// forwards before the first backward, or all. On the first stage p of m without interleaving; with it p·v + p - 1,
/// each of a v-th of the stage's layers.
int activations_in_flight(const PipelineShape& shape, int stage);

/// The share of a step in which a stage idles when all stages take the same time for a micro-batch and communication
/// takes none. The paper gives the idle time relative to the working time, (p - 1) / (v·m) (§2.2.1, §2.2.2); as a share
/// of the whole step that is (p - 1) / (v·m + p - 1). It holds whatever backward costs relative to forward.
double bubble_share(const PipelineShape& shape);

/// The same for stages that do not take the same time, stage by stage, found by playing the schedule: the head alone
/// makes the last stage of most models slower than the others. `forward_times`: of one micro-batch in each of the p·v
/// parts of the model, in any unit; backward takes twice as long.
std::vector<double> idle_shares(const PipelineShape& shape, std::span<const double> forward_times);

}  // namespace grit

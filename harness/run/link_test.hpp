// What each link of the data network can do, measured between the steps: which link, or which node's links, are slow.
#pragma once

#include <filesystem>
#include <memory>
#include <vector>

#include "harness/model/plan.hpp"
#include "harness/model/topology.hpp"
#include "harness/record/segment.hpp"
#include "harness/run/job.hpp"

namespace grit {

/// Whom a node meets in a round of a round-robin tournament of `nodes` (circle method: in round r meet those two whose
/// numbers add up to r modulo the number of rounds); -1: nobody, it sits this one out. In rounds 0 ..
/// tournament_rounds() - 1 every pair meets once.
int tournament_partner(int node, int round, int nodes);
int tournament_rounds(int nodes);

/// One rank of each node measures, the others wait. Each pair of nodes exchanges small messages all the time, and one
/// after the other 256 KiB each way, in the order of a tournament, over plain MPI on a communicator of its own. No
/// exchange waits for another: a link that stalls for a second shows in its own figures and in nobody else's, and a
/// node that is cut off shows in all of its links at once. Above 17 nodes a node meets only 16 others: those of 16
/// rounds. Beside it the node's TCP connections to the others' data NICs are asked what they sent again: a packet lost
/// now and then may stall nothing here, and hides in the noise of times, but not in this count.
class LinkTest {
 public:
  /// Collective over all ranks of the job, as are all calls; results go to links.jsonl in the run directory.
  LinkTest(const Job& job, const Topology& topology, std::filesystem::path run_directory);
  LinkTest(const LinkTest&) = delete;
  LinkTest& operator=(const LinkTest&) = delete;
  ~LinkTest();

  /// Measures until rank 0 says that the time is over, then until what is under way has come through. Meanwhile
  /// slot.step_in_block goes up every 10 ms, as in steps; no longer once the time is over, so that the hang watch sees
  /// a link that never comes back.
  void run(const Block& block, std::int64_t length_ns, RankSlot& slot);

  /// Appends the block's entries to links.jsonl, one a line: {block, kind, a, b, round, t_ns, latency_ns: {min, median,
  /// max}, round_trips, bits_per_s}: a < b are nodes, t_ns is of a's clock, the round trips of small messages are those
  /// since the link's last entry; bits_per_s is both ways together, or null when no transfer came after them. And
  /// {block, kind, from, to, segments_sent, retransmits}, of a whole block, by direction; none where MPI's traffic is
  /// not the kernel's TCP. Of 2,000 nodes a block has some 100 MB of them: nobody holds those of all blocks. Error:
  /// they cannot be written.
  Status save();

 private:
  struct Private;
  std::unique_ptr<Private> private_;
};

}  // namespace grit

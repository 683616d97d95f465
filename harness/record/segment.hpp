// The shared memory of one node: its ranks write step records and their phase, its agent and observer read them.
//
// It is a memfd: it has no name, so nothing is left in /dev/shm however the processes end. The node's first rank makes
// it, its agent inherits the descriptor, and further ranks of the node get it over a local socket.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"
#include "harness/model/collective_record.hpp"
#include "harness/model/rank_dials.hpp"
#include "harness/model/step_record.hpp"
#include "harness/model/wrong_value.hpp"
#include "harness/record/ring.hpp"

namespace grit {

constexpr std::uint32_t kRingCapacity = 8192;  // step records that a rank can be ahead of its observer
/// Spans that it can be ahead. At 20,000 a second, 200 operations in each of 100 steps, that is as long as the observer
/// may take to look: it comes every 100 to 500 ms, and takes what it can pass on.
constexpr std::uint32_t kSpanCapacity = 8192;
/// As many as a node of two 96-core processors has cores. A slot is 1.3 MB, nearly all of it rings, and every process
/// of the node maps them all: 252 MB of shared memory for 192. Only as many as there are ranks are made.
constexpr int kMaxLocalRanks = 192;

/// How a rank says that it will leave; a process that ends with `running` here has died.
enum class RankEnd : std::uint32_t { running, finished, failed, interrupted };

/// What an agent is at, for the observer to say when it takes long.
enum class AgentDoing : std::uint32_t { waiting, arming, applying_or_reverting, ending_a_block, ending };
std::string_view to_string(AgentDoing doing);

/// One producer (the rank), one consumer (the node's observer).
struct RankSlot {
  std::int32_t pid = 0;  // as the node's agent sees it
  std::int32_t rank = -1;
  std::atomic<std::uint32_t> phase{0};          // Phase
  std::atomic<std::int32_t> block_entered{-1};  // Block::index of the block this rank is in
  std::atomic<std::int64_t> block_entered_ns{0};
  std::atomic<std::uint32_t> step_in_block{0};  // the step of this block that the rank has begun
  std::atomic<std::int32_t> block_left{-1};     // Block::index of the last block it has finished
  std::atomic<RankEnd> end{RankEnd::running};
  std::atomic<std::int64_t> ended_ns{0};  // note_end(); 0: it runs
  std::atomic<std::uint64_t> gpu{0};      // that it computes on, pci_number(); 0: none, or none yet
  RankDials dials{};
  WrongValues wrong_values{};
  Ring<StepRecord, kRingCapacity> steps;
  Ring<CollectiveRecord, kSpanCapacity> spans;
};

constexpr std::size_t kLastWords_bytes = 2048;

struct NodeControl {
  std::uint64_t magic = 0;
  std::uint32_t local_ranks = 0;
  std::atomic<std::uint32_t> accelerator_clock_ppm{1'000'000};
  std::atomic<std::int32_t> agent_ready_block{
      -1};                                    // the agent knows of this block's start and is done with the one before
  std::atomic<std::int32_t> look_passed{-1};  // the ranks were told to go on into this block, a look's
  std::atomic<std::int64_t> lease_deadline_ns{
      0};  // a fault in force must be off by then (CLOCK_MONOTONIC); 0: none in force
  std::atomic<std::uint32_t> agent_generation{
      0};  // counts agents started on this node: more than 1 means that one was lost
  std::atomic<std::int64_t> agent_ends_ranks_ns{0};  // from then on (CLOCK_MONOTONIC) the agent kills the node's ranks,
                                                     // whose deaths are its own doing; 0: it did not
  std::atomic<std::int64_t> still_since_ns{0};  // the agent's heir ended an agent that had last gone around its loop
                                                // then, and took its faults off; 0: it did not
  std::atomic<std::uint32_t> end_told{0};       // 1: the recorder was told that a rank of the node has ended
  std::atomic<std::int64_t> agent_beat_ns{0};   // when the agent last went around its loop (CLOCK_MONOTONIC)
  std::atomic<AgentDoing> agent_doing{AgentDoing::waiting};
  std::atomic<std::int64_t> observer_beat_ns{0};   // the same of its observer
  std::atomic<std::int64_t> recorder_heard_ns{0};  // when the node's observer last heard of the recorder; 0: never
  std::atomic<std::int64_t> recorder_beat_ns{0};   // the same of the recorder, on its node
  std::atomic<std::int32_t> left_by_all{
      -1};  // on the recorder's node: all ranks have left this block and are written down
  std::atomic<std::int32_t> leave_with{0};  // the code with which ranks end that get SIGTERM; 0: they were interrupted
  std::atomic<std::uint32_t> last_words_bytes{0};
  char last_words[kLastWords_bytes] = {};  // what rank 0 says on standard error then; there before leave_with
};

class Segment {
 public:
  /// Makes the segment for this many ranks of the node.
  static Result<Segment> create(int local_ranks);
  /// Maps one that another process made. Error (internal): not a grit segment.
  static Result<Segment> attach(Fd fd);
  /// The segment that a rank has open. Error (usage): that process has none.
  static Result<Segment> of_process(int pid);

  Segment(Segment&& other) noexcept;
  Segment& operator=(Segment&& other) noexcept;
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;
  ~Segment();

  [[nodiscard]] int descriptor() const { return fd_.get(); }
  [[nodiscard]] NodeControl& control() const;
  [[nodiscard]] std::span<RankSlot> slots() const;

 private:
  Segment() = default;
  Fd fd_;
  void* base_ = nullptr;
  std::size_t bytes_ = 0;
};

/// A fault should have been off so long ago: whoever was to take it off is stopped or hangs.
bool lease_overdue(const NodeControl& control, std::int64_t grace_ns, std::int64_t now_ns);

/// This rank has failed, or was seen to have ended: by whoever sees it first, the rank itself, its agent or the
/// observer, each of which may be busy. Gives when that was (CLOCK_MONOTONIC), whoever asks later.
std::int64_t note_end(RankSlot& slot, std::int64_t now_ns);

}  // namespace grit

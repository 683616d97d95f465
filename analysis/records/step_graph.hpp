// Some consecutive steps as a graph: what every rank did by itself, and for whom it then waited.
//
// A rank works, begins operations, and waits for them. An operation is over a transfer time after the last of its ranks
// has begun it, and whoever waits for it goes on then (the timed event graph of a message-passing program: F. Baccelli
// et al., Synchronization and Linearity, 1992). So the graph can be played forward: with the works that were measured
// it gives the times that were measured, with others what these steps would have taken with them.
//
// A rank's part of the stretch goes from when it began its last operation before the stretch's first step (or from that
// step's start, in the first step of a block) to when it began, or waited for, its last operation of the stretch: what
// it still did of the step before delays this step, and what it does after its last operation delays the next.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "analysis/records/operation_key.hpp"
#include "harness/model/collective_record.hpp"

namespace grit {

struct StepGraph {
  enum class Kind : std::uint8_t {
    begin,   // the rank begins the operation
    wait,    // it goes on when the operation is over
    outside  // it goes on at `late_ns`, counted from the stretch's origin: it waits for an operation of a step before
  };
  /// What a rank comes to after some work of its own.
  struct Event {
    float work_ns = 0;    // its own work since the event before, as it would be had the router sent everybody as much
    float routed_ns = 0;  // by how much it was longer than that, since the router sent this rank more; below 0: less
    float late_ns = 0;    // wait: until the rank saw that it was over, since it was over or the rank began to wait
    std::uint32_t operation = 0;
    Kind kind = Kind::begin;
    std::uint8_t step = 0;  // in the stretch, from 0: of the operation
  };
  struct Operation {
    float transfer_ns = 0;  // from the last one's beginning to its end, as it would be with a router that is balanced
    float routed_ns = 0;    // by how much it was longer
    std::uint32_t members = 0;
    std::uint32_t place = 0;  // in `places`
  };

  std::vector<std::uint32_t> first_event{};  // by rank, and one more: where its events begin
  std::vector<Event> events{};               // of each rank in the order in which it came to them
  std::vector<Operation> operations{};
  std::vector<OperationKey> places{};  // among whom there were operations; OperationKey::sequence is 0
  std::vector<double> start_ns{};      // by rank, from the stretch's origin, on one clock
  /// By rank: of what experts give back, by which share more than the mean of the group; 0: as much, or no experts.
  std::vector<double> routed_share{};
  double most_routed_share = 0;  // the same of those who gave back most, each time others perhaps
  /// By rank and step, in ns: of its works in that step, input, and the checkpoint of the step before. Empty: not
  /// known.
  std::vector<float> storage_ns{};
  std::uint8_t steps = 0;

  [[nodiscard]] std::size_t ranks() const { return start_ns.size(); }
  [[nodiscard]] std::span<const Event> events_of(std::size_t rank) const {
    return std::span(events).subspan(first_event[rank], first_event[rank + 1] - first_event[rank]);
  }
  [[nodiscard]] std::size_t rank_of(std::uint32_t event) const;
};

/// When a rank's part of a stretch begins and until when it lasts, on its own clock; and what is to be added to that to
/// have the clock that all ranks share. An error of that shift moves who was the last one of an operation by at most as
/// much.
struct RankStretch {
  std::int64_t start_ns = 0;  // of its first step
  std::int64_t end_ns = 0;    // of its last step
  std::int64_t shift_ns = 0;
  bool known = false;  // its records of these steps are there
};

/// The graph of the steps first_step .. first_step + steps - 1. `spans`: of these steps and of the two before them.
/// `group_sizes`: by CollectiveRecord::group; groups beyond them are of one rank. Empty: a span is missing, so that
/// waiting would look like work.
///
/// An operation's end is the first moment at which one of its ranks saw it; for the last one to begin it that is the
/// transfer on its own clock. A send that was over before its receive began was buffered; as are all sends that are no
/// larger: nobody waits for their receivers. Work between two all-to-alls is taken to be in proportion to the bytes
/// that the rank sends in the second one, as the work of experts is that give back what they were sent: against the
/// mean of the group it tells what of the work, and against the largest what of the transfer, comes from an uneven
/// router.
std::optional<StepGraph> make_step_graph(std::span<const CollectiveRecord> spans, std::span<const RankStretch> ranks,
                                         std::span<const std::uint32_t> group_sizes, std::uint32_t first_step,
                                         std::uint8_t steps);

/// Takes what these ranks did in input and checkpoint off their works. Where in a step that was is in no record: of
/// each of its steps the longest works are cut to one length, until they are shorter by as much.
void take_off_storage(StepGraph& graph, const std::vector<bool>& of_ranks);

/// A graph played forward.
struct Played {
  static constexpr std::uint32_t kNone = 0xffffffff;
  std::vector<double> at_ns{};              // by event: when the rank went on after it, from the stretch's origin
  std::vector<std::uint32_t> last_begun{};  // by operation: the event by which the last of its ranks began it
  double end_ns = 0;                        // of the last event of all
  std::uint32_t last_event = kNone;         // which one that is
};

enum class Tokens { as_routed, spread_evenly };

/// `work_ns`: by event, in place of Event::work_ns; empty: as measured. Empty: ranks wait for each other in a circle,
/// or for an operation that not all of its ranks begin.
std::optional<Played> play(const StepGraph& graph, std::span<const float> work_ns, Tokens tokens);

/// What the end hangs on: from the last event back to whoever each waited for last.
struct CriticalPath {
  std::vector<std::uint32_t> works{};  // the events whose work lies on it
  double work_ns = 0, transfer_ns = 0;
};
CriticalPath critical_path(const StepGraph& graph, const Played& played, std::span<const float> work_ns, Tokens tokens);

}  // namespace grit

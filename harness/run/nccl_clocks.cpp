#include "harness/run/nccl_clocks.hpp"

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <utility>

#include "workloads/compute/device_clock.hpp"

namespace grit {
namespace {

/// What one operation says of the distance between its device's clock and another: at `device_ns` of the device the
/// other showed something between the two.
struct Bound {
  std::int64_t device_ns = 0, least_ns = 0, most_ns = 0;
};
/// By the rank's operations; nothing: this one says nothing.
using Bounds = std::vector<std::optional<Bound>>;

constexpr std::size_t kSeedFrom = 1000;  // operations: the first ones profit from so many that come after them

/// Against the clock of another rank, by their common collectives. `times`: of that rank, on the common clock.
Bounds bounds_by_collectives(const std::vector<NcclOperation>& operations, const std::vector<NcclOperation>& others,
                             const std::vector<NcclTimes>& times) {
  const auto places = nccl_places(others);
  Bounds bounds(operations.size());
  for (const auto& [key, i] : nccl_places(operations)) {
    const NcclOperation& one = operations[i];
    const auto found = places.find(key);
    if (!one.has_times() || found == places.end() || times[found->second].entry_ns == 0) continue;
    const NcclTimes& other = times[found->second];
    const std::int64_t start_ns = one.is.first_start_ns, took_ns = one.is.stop_ns - start_ns;
    bounds[i] = Bound{start_ns, other.entry_ns - took_ns - kGlobaltimerStep_ns, other.exit_ns + kGlobaltimerStep_ns};
  }
  return bounds;
}

/// Against the clock of its host.
Bounds bounds_by_host(const std::vector<NcclOperation>& operations) {
  Bounds bounds(operations.size());
  for (std::size_t i = 0; i < operations.size(); ++i) {
    const NcclOperationRecord& one = operations[i].is;
    if (operations[i].has_times() && one.called_ns > 0 && one.start_seen_ns >= one.called_ns)
      bounds[i] =
          Bound{one.first_start_ns, one.called_ns - kGlobaltimerStep_ns, one.start_seen_ns + kGlobaltimerStep_ns};
  }
  return bounds;
}

/// Takes bounds as long as they agree. One by itself that does not is left out: NCCL may have told it wrong times. With
/// so many in a row it is those before that are wrong.
class CarefulClock {
 public:
  static constexpr int kWrongInARow = 5;

  void take(const std::optional<Bound>& bound) {
    if (!bound) return;
    DeviceClock tried = clock_;
    tried.bound(bound->device_ns, bound->least_ns, bound->most_ns);
    const bool agrees = tried.contradictions() == clock_.contradictions();
    in_a_row_ = agrees ? 0 : in_a_row_ + 1;
    if (!agrees && in_a_row_ < kWrongInARow) return;
    if (!agrees) ++began_anew_;
    in_a_row_ = 0;
    clock_ = tried;
  }
  [[nodiscard]] const DeviceClock& clock() const { return clock_; }
  [[nodiscard]] int began_anew() const { return began_anew_; }

 private:
  DeviceClock clock_{};
  int in_a_row_ = 0, began_anew_ = 0;
};

/// What the first bound, that at `first`, and those that come soon after it say of its time together. A clock that
/// goes backwards, for which these come before it, takes them.
Bound seed_of(const Bounds& bounds, std::size_t first) {
  CarefulClock backwards;
  for (std::size_t i = std::min(first + kSeedFrom, bounds.size()); i-- > first;)
    if (const auto& bound = bounds[i]) backwards.take(Bound{-bound->device_ns, -bound->most_ns, -bound->least_ns});
  const std::int64_t device_ns = bounds[first]->device_ns;
  const std::int64_t at_ns = -backwards.clock().to_host(-device_ns);
  const std::int64_t error_ns = backwards.clock().error_ns(-device_ns);
  return {device_ns, at_ns - error_ns, at_ns + error_ns};
}

/// `more_ns`: by how much the other clock can be wrong itself. Nothing: there is no bound, or they contradict each
/// other in the long run, so that no error can be stated: the clocks drift apart faster than assumed, or one was set.
std::optional<std::vector<NcclTimes>> place(const std::vector<NcclOperation>& operations, const Bounds& bounds,
                                            std::int64_t more_ns) {
  const auto first = std::find_if(bounds.begin(), bounds.end(), [](const auto& bound) { return bound.has_value(); });
  if (first == bounds.end()) return std::nullopt;
  CarefulClock careful;
  careful.take(seed_of(bounds, static_cast<std::size_t>(first - bounds.begin())));
  std::vector<NcclTimes> times(operations.size());
  for (std::size_t i = 0; i < operations.size(); ++i) {
    careful.take(bounds[i]);
    if (careful.began_anew() > 0) return std::nullopt;
    const NcclOperation& one = operations[i];
    if (!one.has_times()) continue;
    const DeviceClock& clock = careful.clock();
    const std::int64_t entry_ns = clock.to_host(one.is.first_start_ns);
    times[i] = {entry_ns, entry_ns + one.is.stop_ns - one.is.first_start_ns,
                clock.error_ns(one.is.first_start_ns) + more_ns};
  }
  return times;
}

std::int64_t largest_error_ns(const std::vector<NcclTimes>& times) {
  std::int64_t largest = 0;
  for (const NcclTimes& one : times) largest = std::max(largest, one.error_ns);
  return largest;
}

class Aligner {
 public:
  explicit Aligner(const NcclJob& job) : job_(job) {
    line_.ranks.resize(job.ranks.size());
    line_.errors_ns.resize(job.ranks.size());
  }

  NcclTimeline align() {
    place_first();
    for (std::deque<std::size_t> next{0}; !next.empty(); next.pop_front())
      for (const NcclCommunicator& communicator : job_.communicators) place_members(communicator, next.front(), next);
    for (std::size_t rank = 0; rank < job_.ranks.size(); ++rank)
      if (!line_.errors_ns[rank]) place_by_host(rank);
    return std::move(line_);
  }

 private:
  /// Its own clock is the common one, moved to its host's.
  void place_first() {
    const auto& operations = job_.ranks.front().operations;
    if (auto times = place(operations, bounds_by_host(operations), 0)) {
      // One distance for all: else its own clock would not be the common one.
      std::int64_t distance_ns = 0, best_ns = -1;
      for (std::size_t i = 0; i < times->size(); ++i)
        if (operations[i].has_times() && (best_ns < 0 || (*times)[i].error_ns < best_ns)) {
          best_ns = (*times)[i].error_ns;
          distance_ns = (*times)[i].entry_ns - operations[i].is.first_start_ns;
        }
      shift(0, distance_ns);
      std::int64_t error_ns = 0;
      for (std::size_t i = 0; i < times->size(); ++i)
        if (operations[i].has_times())
          error_ns =
              std::max(error_ns, std::abs((*times)[i].entry_ns - line_.ranks[0][i].entry_ns) + (*times)[i].error_ns);
      line_.host_error_ns = error_ns;
    } else {
      shift(0, wall_distance_ns(job_.ranks.front()));
    }
    line_.errors_ns[0] = 0;
  }

  void place_members(const NcclCommunicator& communicator, std::size_t from, std::deque<std::size_t>& next) {
    const auto& members = communicator.members;
    if (std::find(members.begin(), members.end(), static_cast<int>(from)) == members.end()) return;
    for (const int member : members) {
      const auto rank = static_cast<std::size_t>(member);
      if (line_.errors_ns[rank]) continue;
      const auto& operations = job_.ranks[rank].operations;
      auto times = place(operations, bounds_by_collectives(operations, job_.ranks[from].operations, line_.ranks[from]),
                         *line_.errors_ns[from]);
      if (!times) continue;
      line_.errors_ns[rank] = largest_error_ns(*times);
      line_.ranks[rank] = std::move(*times);
      next.push_back(rank);
    }
  }

  void place_by_host(std::size_t rank) {
    const auto& operations = job_.ranks[rank].operations;
    auto times = job_.ranks[rank].node == job_.ranks.front().node && line_.host_error_ns
                     ? place(operations, bounds_by_host(operations), *line_.host_error_ns)
                     : std::nullopt;
    if (!times) return shift(rank, wall_distance_ns(job_.ranks[rank]));
    line_.errors_ns[rank] = largest_error_ns(*times);
    line_.ranks[rank] = std::move(*times);
  }

  /// From a rank's device to rank 0's host, taken that devices and hosts show the time of day alike: for the eye.
  [[nodiscard]] std::int64_t wall_distance_ns(const NcclRankRecords&) const {
    const NcclRankRecords& first = job_.ranks.front();
    return first.monotonic_ns - first.realtime_ns;
  }

  void shift(std::size_t rank, std::int64_t distance_ns) {
    auto& times = line_.ranks[rank];
    times.clear();
    for (const NcclOperation& one : job_.ranks[rank].operations)
      times.push_back(one.has_times() ? NcclTimes{one.is.first_start_ns + distance_ns, one.is.stop_ns + distance_ns, 0}
                                      : NcclTimes{});
  }

  const NcclJob& job_;
  NcclTimeline line_{};
};

}  // namespace

NcclTimeline align_nccl_times(const NcclJob& job) { return Aligner(job).align(); }

}  // namespace grit

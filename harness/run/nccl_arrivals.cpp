#include "harness/run/nccl_arrivals.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "analysis/stats/median.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

/// A collective, of those that have times of it.
struct Seen {
  struct One {
    int rank = 0;
    NcclTimes times{};
  };
  std::uint64_t elements = 0;
  std::vector<One> all{};
};

/// Who began a collective last, and what is to be compared with the errors.
struct Last {
  int rank = 0;
  std::int64_t behind_ns = 0;  // the one before, as measured
  std::int64_t error_ns = 0;   // of both: of the last one, and of that which can most nearly have been so
  bool is_sure = false;        // no other one can have begun it later
};

using ByKey = std::map<NcclCollectiveKey, Seen>;

ByKey all_collectives(const NcclJob& job, const NcclSteps& steps, const NcclTimeline& line) {
  ByKey all;
  for (std::size_t rank = 0; rank < job.ranks.size(); ++rank) {
    if (!line.errors_ns[rank]) continue;
    const auto& begins = steps.begins[rank];
    for (const auto& [key, i] : nccl_places(job.ranks[rank].operations))
      if (i >= begins.front() && i < begins.back() && line.ranks[rank][i].entry_ns > 0) {
        Seen& seen = all[key];
        seen.elements = job.ranks[rank].operations[i].is.count;
        seen.all.push_back({static_cast<int>(rank), line.ranks[rank][i]});
      }
  }
  return all;
}

/// Somebody left before somebody else had begun, by more than clocks can be wrong: times of another operation.
bool contradicts_itself(const Seen& seen) {
  std::int64_t entered_ns = 0, left_ns = std::numeric_limits<std::int64_t>::max();
  for (const auto& [rank, times] : seen.all) {
    entered_ns = std::max(entered_ns, times.entry_ns - times.error_ns);
    left_ns = std::min(left_ns, times.exit_ns + times.error_ns);
  }
  return entered_ns > left_ns;
}

/// Of two or more.
Last last_of(const Seen& seen) {
  const auto last = std::max_element(seen.all.begin(), seen.all.end(), [](const Seen::One& a, const Seen::One& b) {
    return a.times.entry_ns < b.times.entry_ns;
  });
  std::int64_t before_ns = 0, latest_ns = 0, error_ns = 0;
  for (auto other = seen.all.begin(); other != seen.all.end(); ++other) {
    if (other == last) continue;
    before_ns = std::max(before_ns, other->times.entry_ns);
    const std::int64_t can_be_ns = other->times.entry_ns + other->times.error_ns;
    if (can_be_ns > latest_ns) error_ns = other->times.error_ns;
    latest_ns = std::max(latest_ns, can_be_ns);
  }
  const NcclTimes& times = last->times;
  return {last->rank, times.entry_ns - before_ns, times.error_ns + error_ns,
          times.entry_ns - times.error_ns > latest_ns};
}

}  // namespace

std::vector<NcclArrivals> nccl_arrivals(const NcclJob& job, const NcclSteps& steps, const NcclTimeline& line) {
  using Kind = std::tuple<std::uint32_t, NcclFunction, std::uint64_t>;
  std::map<Kind, NcclArrivals> found;
  std::map<std::pair<Kind, int>, std::vector<double>> behind_ns;
  for (const auto& [key, seen] : all_collectives(job, steps, line)) {
    const auto& [communicator, function, sequence] = key;
    const std::size_t members = job.communicators[communicator].members.size();
    if (members < 2 || seen.all.size() != members) continue;
    const Kind kind{communicator, function, seen.elements};
    NcclArrivals& arrivals = found[kind];
    std::tie(arrivals.communicator, arrivals.function, arrivals.elements) = kind;
    if (contradicts_itself(seen)) {
      ++arrivals.contradicting;
      continue;
    }
    ++arrivals.collectives;
    const Last last = last_of(seen);
    arrivals.error_ns = std::max(arrivals.error_ns, last.error_ns);
    if (!last.is_sure) {
      ++arrivals.nobody;
      continue;
    }
    behind_ns[{kind, last.rank}].push_back(static_cast<double>(last.behind_ns));
    arrivals.behind_ns += static_cast<double>(last.behind_ns);
  }
  for (auto& [of, all] : behind_ns) {
    const std::uint64_t last = all.size();
    found[of.first].ranks.push_back({of.second, last, median(std::move(all))});
  }
  std::vector<NcclArrivals> result;
  for (auto& [kind, arrivals] : found) {
    std::stable_sort(arrivals.ranks.begin(), arrivals.ranks.end(),
                     [](const auto& a, const auto& b) { return a.last > b.last; });
    result.push_back(std::move(arrivals));
  }
  std::stable_sort(result.begin(), result.end(),
                   [](const NcclArrivals& a, const NcclArrivals& b) { return a.behind_ns > b.behind_ns; });
  return result;
}

std::string arrivals_text(const NcclJob& job, const NcclArrivals& arrivals) {
  constexpr std::size_t kNamed = 3;
  const NcclCommunicator& communicator = job.communicators[arrivals.communicator];
  std::string text = fmt::format("{} of {} elements in {} ({} ranks), {}: ", to_string(arrivals.function),
                                 arrivals.elements, communicator.name.empty() ? "a communicator" : communicator.name,
                                 communicator.members.size(), plural(arrivals.collectives, "time"));
  for (std::size_t i = 0; i < std::min(kNamed, arrivals.ranks.size()); ++i) {
    const NcclArrivals::Rank& one = arrivals.ranks[i];
    text += fmt::format("{} began it last {}, {} behind the one before in the median; ", job.describe(one.rank),
                        plural(one.last, "time"), format_duration(one.median_behind_ns));
  }
  if (arrivals.contradicting > 0)
    text += fmt::format("{} more left out, of which NCCL told times that cannot be; ", arrivals.contradicting);
  return text + fmt::format("in {} nobody was last by more than the devices' clocks can be wrong (together {} at most)",
                            arrivals.nobody, format_duration(static_cast<double>(arrivals.error_ns)));
}

}  // namespace grit

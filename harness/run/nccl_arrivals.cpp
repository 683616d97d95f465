#include "harness/run/nccl_arrivals.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "analysis/stats/median.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

/// The last ones of a collective to begin it, so far.
struct LastTwo {
  std::uint64_t elements = 0;
  std::size_t seen = 0;
  int rank = -1;
  NcclTimes last{}, before{};
  void take(int of_rank, const NcclTimes& times) {
    ++seen;
    if (rank < 0 || times.entry_ns > last.entry_ns) {
      before = std::exchange(last, times);
      rank = of_rank;
    } else if (times.entry_ns > before.entry_ns) {
      before = times;
    }
  }
};

using ByKey = std::map<NcclCollectiveKey, LastTwo>;

ByKey all_collectives(const NcclJob& job, const NcclSteps& steps, const NcclTimeline& line) {
  ByKey all;
  for (std::size_t rank = 0; rank < job.ranks.size(); ++rank) {
    if (!line.errors_ns[rank]) continue;
    const auto& operations = job.ranks[rank].operations;
    const std::size_t end = std::min(steps.begins[rank].back(), operations.size());
    for (std::size_t i = steps.begins[rank].front(); i < end; ++i)
      if (operations[i].is_of_all() && line.ranks[rank][i].entry_ns > 0) {
        LastTwo& last = all[operations[i].key()];
        last.elements = operations[i].is.count;
        last.take(static_cast<int>(rank), line.ranks[rank][i]);
      }
  }
  return all;
}

}  // namespace

std::vector<NcclArrivals> nccl_arrivals(const NcclJob& job, const NcclSteps& steps, const NcclTimeline& line) {
  using Kind = std::tuple<std::uint32_t, NcclFunction, std::uint64_t>;
  std::map<Kind, NcclArrivals> found;
  std::map<std::pair<Kind, int>, std::vector<double>> behind_ns;
  for (const auto& [key, two] : all_collectives(job, steps, line)) {
    const auto& [communicator, function, sequence] = key;
    const std::size_t members = job.communicators[communicator].members.size();
    if (members < 2 || two.seen != members) continue;
    const Kind kind{communicator, function, two.elements};
    NcclArrivals& arrivals = found[kind];
    std::tie(arrivals.communicator, arrivals.function, arrivals.elements) = kind;
    ++arrivals.collectives;
    const std::int64_t error_ns = two.last.error_ns + two.before.error_ns;
    const std::int64_t behind = two.last.entry_ns - two.before.entry_ns;
    arrivals.error_ns = std::max(arrivals.error_ns, error_ns);
    if (behind <= error_ns) {
      ++arrivals.nobody;
      continue;
    }
    behind_ns[{kind, two.rank}].push_back(static_cast<double>(behind));
    arrivals.behind_ns += static_cast<double>(behind);
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
  return text + fmt::format("in {} nobody was last by more than the devices' clocks can be wrong (together {} at most)",
                            arrivals.nobody, format_duration(static_cast<double>(arrivals.error_ns)));
}

}  // namespace grit

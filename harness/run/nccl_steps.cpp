#include "harness/run/nccl_steps.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <map>
#include <tuple>
#include <utility>

#include "analysis/stats/median.hpp"

namespace grit {
namespace {

// Of a long run a stretch from its middle tells the period: so much work, 10^8 comparisons, takes 0.1 s.
constexpr std::size_t kMostLooked = 30'000, kLongestPeriod = 10'000;
constexpr double kFewestAlike = 0.5;
constexpr double kAsGood = 0.01;  // a shorter period may have so many more exceptions than the best

using Kinds = std::vector<std::uint32_t>;

/// The same number for operations that are alike.
Kinds kinds_of(const std::vector<NcclOperation>& operations) {
  std::map<std::tuple<std::uint32_t, NcclFunction, std::uint64_t, std::int32_t>, std::uint32_t> known;
  Kinds kinds;
  for (const NcclOperation& one : operations)
    kinds.push_back(known
                        .try_emplace({one.communicator, one.is.function, one.is.count, one.is.peer},
                                     static_cast<std::uint32_t>(known.size()))
                        .first->second);
  return kinds;
}

/// How many of those that have one `period` later are like it.
double share_alike(const Kinds& kinds, std::size_t first, std::size_t end, std::size_t period) {
  std::size_t alike = 0;
  for (std::size_t i = first; i + period < end; ++i) alike += kinds[i] == kinds[i + period] ? 1 : 0;
  return static_cast<double>(alike) / static_cast<double>(end - first - period);
}

/// 0: none.
std::size_t find_period(const Kinds& kinds) {
  const std::size_t looked = std::min(kinds.size(), kMostLooked), first = (kinds.size() - looked) / 2;
  std::vector<double> shares{0};
  for (std::size_t period = 1; period <= std::min(kLongestPeriod, looked / 3); ++period)
    shares.push_back(share_alike(kinds, first, first + looked, period));
  const double best = *std::max_element(shares.begin(), shares.end());
  if (best < kFewestAlike) return 0;
  return static_cast<std::size_t>(
      std::find_if(shares.begin(), shares.end(), [&](double share) { return share >= best - kAsGood; }) -
      shares.begin());
}

struct Stretch {
  std::size_t first = 0, end = 0;  // operations
};

/// The longest in which each operation is like the one a period before.
Stretch longest_regular(const Kinds& kinds, std::size_t period) {
  Stretch longest;
  for (std::size_t first = 0, i = 0; i + period <= kinds.size(); ++i) {
    const bool goes_on = i + period < kinds.size() && kinds[i] == kinds[i + period];
    if (goes_on) continue;
    if (i > first && i + period - first > longest.end - longest.first) longest = {first, i + period};
    first = i + 1;
  }
  return longest;
}

/// On the device: how long the rank had done nothing of NCCL's before each operation; below 0: it still did.
std::vector<double> rests_before(const std::vector<NcclOperation>& operations) {
  std::vector<double> rests;
  std::int64_t last_stop_ns = 0;
  for (const NcclOperation& one : operations) {
    rests.push_back(last_stop_ns == 0 || !one.has_times() ? 0
                                                          : static_cast<double>(one.is.first_start_ns - last_stop_ns));
    last_stop_ns = std::max(last_stop_ns, one.is.stop_ns);
  }
  return rests;
}

/// Of the first period of the stretch the operation with which steps begin. Beyond the period: none can be.
std::size_t find_beginning(const NcclJob& job, const Stretch& stretch, std::size_t period) {
  const auto& operations = job.ranks.front().operations;
  const std::vector<double> rests = rests_before(operations);
  const auto rest_before = [&](std::size_t place) {
    std::vector<double> all;
    for (std::size_t i = place; i < stretch.end; i += period) all.push_back(rests[i]);
    return median(std::move(all));
  };
  std::size_t chosen = stretch.first + period;
  std::pair<std::size_t, double> best{0, 0};
  for (std::size_t place = stretch.first; place < stretch.first + period; ++place) {
    const NcclOperation& one = operations[place];
    if (!one.is_of_all() || !one.has_times()) continue;
    const std::pair found{job.communicators[one.communicator].members.size(), rest_before(place)};
    if (chosen < stretch.first + period && found <= best) continue;
    chosen = place;
    best = found;
  }
  return chosen;
}

using Places = std::map<NcclCollectiveKey, std::size_t>;

/// Where the steps of a rank begin that shares a communicator with one whose steps are known: at the first of its
/// collectives in each step.
std::vector<std::size_t> follow(const std::vector<NcclOperation>& known, const std::vector<std::size_t>& begins,
                                std::uint32_t communicator, const Places& places) {
  constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::vector<std::size_t> followed;
  for (std::size_t step = 0; step < begins.size(); ++step) {
    const std::size_t end = step + 1 < begins.size() ? begins[step + 1] : known.size();
    std::size_t found = kNone;
    for (std::size_t i = begins[step]; i < end && found == kNone; ++i)
      if (known[i].is_of_all() && known[i].communicator == communicator)
        if (const auto place = places.find(known[i].key()); place != places.end()) found = place->second;
    followed.push_back(found);
  }
  // A rank that lacks the last ones, as after a kill, has whole steps before the last one that was found.
  const auto last = std::find_if(followed.rbegin(), followed.rend(), [](std::size_t found) { return found != kNone; });
  const std::size_t end = last == followed.rend() ? 0 : *last;
  for (std::size_t step = followed.size(); step-- > 0;)
    if (followed[step] == kNone) followed[step] = step + 1 < followed.size() ? followed[step + 1] : end;
  return followed;
}

/// All ranks by way of communicators, the largest first.
Status follow_all(const NcclJob& job, NcclSteps& steps) {
  std::vector<std::uint32_t> by_size(job.communicators.size());
  for (std::uint32_t i = 0; i < by_size.size(); ++i) by_size[i] = i;
  std::stable_sort(by_size.begin(), by_size.end(), [&](std::uint32_t a, std::uint32_t b) {
    return job.communicators[a].members.size() > job.communicators[b].members.size();
  });
  std::deque<std::size_t> next{0};
  for (; !next.empty(); next.pop_front()) {
    const std::size_t from = next.front();
    const Places shared = nccl_places(job.ranks[from].operations);
    for (const std::uint32_t communicator : by_size) {
      const auto& members = job.communicators[communicator].members;
      const auto first = shared.lower_bound({communicator, NcclFunction::other, 0});
      const bool has_collectives = first != shared.end() && std::get<0>(first->first) == communicator;
      if (!has_collectives || std::find(members.begin(), members.end(), static_cast<int>(from)) == members.end())
        continue;
      for (const int member : members) {
        const auto rank = static_cast<std::size_t>(member);
        if (!steps.begins[rank].empty()) continue;
        steps.begins[rank] = follow(job.ranks[from].operations, steps.begins[from], communicator,
                                    nccl_places(job.ranks[rank].operations));
        next.push_back(rank);
      }
    }
  }
  for (std::size_t rank = 0; rank < steps.begins.size(); ++rank)
    if (steps.begins[rank].empty())
      return usage_error(
          fmt::format("{} shares no all-reduce, reduce-scatter, all-gather or all-to-all with the others, "
                      "by way of others at least: where its steps begin is not known",
                      job.describe(static_cast<int>(rank))));
  return {};
}

Failure no_steps(const NcclJob& job, const std::string& why) {
  if (job.lost > 0)
    return usage_error(
        fmt::format("{}; {} operations were lost, since the profiler's ring was full: run the job again "
                    "with GRIT_PROFILE_RING=131072",
                    why, job.lost));
  return usage_error(why + "; say how many operations rank 0 begins in a step: --operations N");
}

}  // namespace

Result<NcclSteps> find_nccl_steps(const NcclJob& job, std::optional<std::size_t> operations) {
  const auto& of_first = job.ranks.front().operations;
  const Kinds kinds = kinds_of(of_first);
  NcclSteps steps;
  steps.operations = operations ? *operations : find_period(kinds);
  if (steps.operations == 0)
    return no_steps(job, fmt::format("the {} operations of rank 0 do not repeat", of_first.size()));
  const Stretch stretch = longest_regular(kinds, steps.operations);
  const std::size_t regular = (stretch.end - stretch.first) / steps.operations;
  if (regular < kFewestNcclSteps + 2)
    return no_steps(
        job, fmt::format("of the {} operations of rank 0 {} of {} follow each other alike, and {} are the fewest",
                         of_first.size(), regular == 0 ? 0 : regular, steps.operations, kFewestNcclSteps + 2));
  const std::size_t begin = find_beginning(job, stretch, steps.operations);
  if (begin >= stretch.first + steps.operations)
    return no_steps(
        job, "rank 0's steps have no collective with times of the device (NCCL tells these from version 2.26 on)");
  steps.begins.resize(job.ranks.size());
  for (std::size_t place = begin; place < stretch.end; place += steps.operations) steps.begins.front().push_back(place);
  steps.steps = steps.begins.front().size() - 1;
  steps.left_out = of_first.size() - steps.steps * steps.operations;
  const NcclOperation& first = of_first[begin];
  const std::string& name = job.communicators[first.communicator].name;
  steps.begins_with =
      fmt::format("{} of {} elements among {} ranks{}", to_string(first.is.function), first.is.count,
                  job.communicators[first.communicator].members.size(), name.empty() ? "" : fmt::format(" ({})", name));
  GRIT_CHECK(follow_all(job, steps));
  return steps;
}

}  // namespace grit

#include "harness/run/nccl_spans.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "harness/model/mesh_groups.hpp"

namespace grit {
namespace {

/// What lies in one step of one rank.
struct StepSums {
  std::int64_t first_entry_ns = 0;
  std::int64_t last_exit_ns = 0;
  std::int64_t busy_ns = 0;  // in which one of NCCL's kernels ran at least
};

/// `times`: of a step, ordered by the beginning.
StepSums sum_step(std::vector<NcclTimes> times, std::int64_t from_ns) {
  std::erase_if(times, [](const NcclTimes& one) { return one.entry_ns == 0; });
  std::sort(times.begin(), times.end(), [](const NcclTimes& a, const NcclTimes& b) { return a.entry_ns < b.entry_ns; });
  StepSums sums;
  std::int64_t until_ns = from_ns;
  for (const NcclTimes& one : times) {
    if (sums.first_entry_ns == 0) sums.first_entry_ns = one.entry_ns;
    sums.busy_ns += std::max<std::int64_t>(0, one.exit_ns - std::max(one.entry_ns, until_ns));
    until_ns = std::max(until_ns, one.exit_ns);
  }
  sums.last_exit_ns = times.empty() ? 0 : until_ns;
  return sums;
}

std::int64_t latest_exit_ns(const std::vector<NcclTimes>& times, std::size_t end) {
  std::int64_t latest = 0;
  for (std::size_t i = 0; i < end; ++i) latest = std::max(latest, times[i].exit_ns);
  return latest;
}

void add_rank(const NcclJob& job, const NcclSteps& steps, std::size_t rank, const std::vector<NcclTimes>& times,
              std::vector<std::vector<StepRecord>>& by_step) {
  const auto& begins = steps.begins[rank];
  const std::size_t first = std::min(begins.front(), times.size());
  std::int64_t before_ns = latest_exit_ns(times, first);
  if (before_ns == 0 && first < times.size()) before_ns = times[first].entry_ns;
  for (std::size_t step = 0; step < steps.steps; ++step) {
    if (begins[step] >= begins[step + 1] || begins[step + 1] > times.size()) continue;
    const auto& operations = job.ranks[rank].operations;
    if (std::any_of(operations.begin() + static_cast<std::ptrdiff_t>(begins[step]),
                    operations.begin() + static_cast<std::ptrdiff_t>(begins[step + 1]),
                    [](const NcclOperation& one) { return one.has_no_end(); })) {
      before_ns = std::max(before_ns, latest_exit_ns(times, begins[step + 1]));
      continue;
    }
    const StepSums sums = sum_step({times.begin() + static_cast<std::ptrdiff_t>(begins[step]),
                                    times.begin() + static_cast<std::ptrdiff_t>(begins[step + 1])},
                                   before_ns);
    const std::int64_t start_ns = std::exchange(before_ns, std::max(before_ns, sums.last_exit_ns));
    if (sums.last_exit_ns <= start_ns || start_ns == 0) continue;
    StepRecord record;
    record.rank = static_cast<std::uint32_t>(rank);
    record.node = static_cast<std::uint32_t>(job.ranks[rank].node);
    record.step = static_cast<std::uint32_t>(step);
    record.start_ns = start_ns;
    record.end_ns = sums.last_exit_ns;
    record.exposed_comm_ns = sums.busy_ns;
    record.forward_ns = record.end_ns - record.start_ns - sums.busy_ns;
    record.collective_entry_ns = sums.first_entry_ns;
    record.collective_exit_ns = sums.last_exit_ns;
    by_step[step].push_back(record);
  }
}

std::optional<CollectiveOperation> operation_of(NcclFunction function) {
  constexpr std::pair<NcclFunction, CollectiveOperation> kKnown[] = {
      {NcclFunction::all_reduce, CollectiveOperation::all_reduce},
      {NcclFunction::reduce_scatter, CollectiveOperation::reduce_scatter},
      {NcclFunction::all_gather, CollectiveOperation::all_gather},
      {NcclFunction::all_to_all, CollectiveOperation::all_to_all},
      {NcclFunction::send, CollectiveOperation::send},
      {NcclFunction::receive, CollectiveOperation::receive}};
  for (const auto& [known, operation] : kKnown)
    if (known == function) return operation;
  return std::nullopt;
}

/// As ncclDataType_t numbers them (nccl.h).
DataType data_type_of(std::uint8_t type) {
  switch (type) {
    case 6:
      return DataType::fp16;
    case 7:
      return DataType::fp32;
    case 9:
      return DataType::bf16;
    default:
      return DataType::bytes;
  }
}

std::int64_t element_bytes(std::uint8_t type) {
  constexpr std::int64_t kBytes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8, 2, 1, 1};
  return type < std::size(kBytes) ? kBytes[type] : 0;
}

/// CollectiveRecord::bytes. NCCL's count of a reduce-scatter, an all-gather and an all-to-all is of one rank's part.
std::int64_t bytes_of(const NcclOperation& one, std::size_t ranks) {
  const bool is_of_parts = one.is_of_all() && one.is.function != NcclFunction::all_reduce;
  std::int64_t bytes = element_bytes(one.is.type) * static_cast<std::int64_t>(is_of_parts ? ranks : 1);
  const bool is_too_large = __builtin_mul_overflow(bytes, one.is.count, &bytes);
  return is_too_large ? kMostSpanBytes : std::min(bytes, kMostSpanBytes);
}

class SpanMaker {
 public:
  SpanMaker(const NcclJob& job, const NcclSteps& steps, const NcclTimeline& line, const Mesh& mesh)
      : job_(job), steps_(steps), line_(line) {
    const RecordedGroups groups = recorded_groups(mesh);
    for (const NcclCommunicator& communicator : job.communicators) {
      std::vector<int> sorted = communicator.members;
      std::sort(sorted.begin(), sorted.end());
      std::optional<std::uint16_t> found;  // an axis rather than the world, where these are the same
      for (std::size_t i = groups.list.size(); i-- > 0 && !found;)
        if (groups.list[i].members == sorted) found = static_cast<std::uint16_t>(i);
      group_of_.push_back(found);
    }
  }

  NcclSpans make() {
    for (std::size_t rank = 0; rank < job_.ranks.size(); ++rank) {
      const auto& begins = steps_.begins[rank];
      for (std::size_t step = 0; step < steps_.steps; ++step)
        for (std::size_t i = begins[step]; i < std::min(begins[step + 1], job_.ranks[rank].operations.size()); ++i)
          take(static_cast<int>(rank), static_cast<std::uint32_t>(step), job_.ranks[rank].operations[i],
               line_.ranks[rank][i]);
    }
    return std::move(made_);
  }

 private:
  void take(int rank, std::uint32_t step, const NcclOperation& one, const NcclTimes& times) {
    const NcclCommunicator& communicator = job_.communicators[one.communicator];
    const auto operation = operation_of(one.is.function);
    const auto group = group_of_[one.communicator];
    if (!operation || (one.is_point_to_point() && job_.lost > 0)) return void(++made_.without_kind);
    if (!group || communicator.members.size() < 2) return void(++made_.without_group);
    if (times.entry_ns == 0) return void(++made_.without_times);
    CollectiveRecord span;
    span.rank = static_cast<std::uint32_t>(rank);
    span.step = step;
    span.group = *group;
    span.operation = *operation;
    span.type = data_type_of(one.is.type);
    span.bytes = bytes_of(one, communicator.members.size());
    span.entry_ns = span.wait_ns = times.entry_ns;
    span.exit_ns = times.exit_ns;
    if (one.is_point_to_point()) {
      const auto peer = static_cast<std::size_t>(one.is.peer);
      if (peer >= communicator.members.size()) return void(++made_.without_kind);
      span.peer = communicator.members[peer];
      span.sequence = next_[{*group, rank, span.peer, *operation}]++;
    } else {
      span.sequence = sequence_of(*group, one, step);
      span.step = step_of_.at({*group, span.sequence});
    }
    made_.spans.push_back(span);
  }

  /// The same number on all ranks of a collective, whose step is that of the first of them.
  std::uint32_t sequence_of(std::uint16_t group, const NcclOperation& one, std::uint32_t step) {
    const auto [found, is_new] = sequences_.try_emplace(one.key(), counts_[group]);
    if (is_new) {
      step_of_[{group, found->second}] = step;
      ++counts_[group];
    }
    return found->second;
  }

  const NcclJob& job_;
  const NcclSteps& steps_;
  const NcclTimeline& line_;
  std::vector<std::optional<std::uint16_t>> group_of_{};  // by communicator
  std::map<NcclCollectiveKey, std::uint32_t> sequences_{};
  std::map<std::uint16_t, std::uint32_t> counts_{};
  std::map<std::pair<std::uint16_t, std::uint32_t>, std::uint32_t> step_of_{};
  std::map<std::tuple<std::uint16_t, int, int, CollectiveOperation>, std::uint32_t> next_{};
  NcclSpans made_{};
};

}  // namespace

std::vector<StepRecord> nccl_step_records(const NcclJob& job, const NcclSteps& steps, const NcclTimeline& line) {
  std::vector<std::vector<StepRecord>> by_step(steps.steps);
  for (std::size_t rank = 0; rank < job.ranks.size(); ++rank) add_rank(job, steps, rank, line.ranks[rank], by_step);
  std::vector<StepRecord> records;
  for (const auto& step : by_step) records.insert(records.end(), step.begin(), step.end());
  return records;
}

NcclSpans nccl_spans(const NcclJob& job, const NcclSteps& steps, const NcclTimeline& line, const Mesh& mesh) {
  return SpanMaker(job, steps, line, mesh).make();
}

}  // namespace grit

#include "analysis/simulate/measured_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>
#include <utility>

#include "analysis/records/node_clocks.hpp"

namespace grit {
namespace {

/// Times on one clock; of nodes whose clock nobody measured, their own.
class CommonTime {
 public:
  CommonTime(const Plan& plan, const Json& clock) : clocks_(plan, clock) {
    for (const Node& node : plan.topology.nodes)
      for (const int rank : node.ranks) {
        if (static_cast<std::size_t>(rank) >= node_of_.size()) node_of_.resize(static_cast<std::size_t>(rank) + 1);
        node_of_[static_cast<std::size_t>(rank)] = node.index;
      }
  }
  [[nodiscard]] double at(std::uint32_t rank, std::int64_t t_ns) const {
    const auto aligned = clocks_.align(node_of_[rank], t_ns);
    return static_cast<double>(aligned ? aligned->t_ns : t_ns);
  }

 private:
  NodeClocks clocks_;
  std::vector<int> node_of_{};  // by rank
};

/// One operation of all ranks of its group.
struct Instance {
  std::uint16_t group = 0;
  std::uint32_t sequence = 0;
  std::uint32_t members = 0;
  double latest_entry_ns = -std::numeric_limits<double>::infinity();
  double first_exit_ns = std::numeric_limits<double>::infinity();
  double transfer_ns = 0;
  bool whole = false;
};

/// What one rank did at one moment of its step.
struct Moment {
  double t_ns = 0;
  std::uint16_t operation = 0;
  bool waits = false;
};

}  // namespace

class MeasuredRunReader {
 public:
  MeasuredRunReader(const Plan& plan, const Json& clock)
      : plan_(plan), mesh_(mesh_of(plan)), groups_(recorded_groups(mesh_)), time_(plan, clock) {
    run_.ranks_ = static_cast<std::size_t>(mesh_.ranks());
    run_.blocks_.resize(plan.blocks.size());
    last_end_ns_.resize(groups_.list.size());
    for (const RecordedGroup& group : groups_.list)
      if (std::find(run_.axes_.begin(), run_.axes_.end(), group.axis) == run_.axes_.end())
        run_.axes_.push_back(group.axis);
    for (const RecordedGroup& group : groups_.list)
      axis_of_.push_back(
          static_cast<std::uint16_t>(std::find(run_.axes_.begin(), run_.axes_.end(), group.axis) - run_.axes_.begin()));
  }

  Result<MeasuredRun> read(std::span<const StepRecord> records, std::span<const CollectiveRecord> spans) {
    if (spans.empty())
      return usage_error("it has no spans (collectives.npy): it was measured by an older grit, or they were lost");
    place_records(records);
    GRIT_CHECK(order_spans(spans));
    learn_when_asked(spans);
    offsets_.resize(run_.programs_.size());
    for (std::size_t step = 0; step * run_.ranks_ < run_.programs_.size(); ++step) read_step(step, spans);
    for (std::size_t i = 0; i < run_.programs_.size(); ++i) {
      StepProgram& program = run_.programs_[i];
      program.actions = std::span(run_.actions_).subspan(offsets_[i].action, offsets_[i].actions);
      program.operations = std::span(run_.operations_).subspan(offsets_[i].operation, offsets_[i].operations);
    }
    keep_usual_programs();
    if (run_.broken_share_ == 1) return usage_error("its spans and its step records do not fit each other");
    return std::move(run_);
  }

 private:
  /// When a rank asks for the end of an operation.
  struct Asked {
    std::size_t begun = 0;      // operations of the step by then
    std::int64_t after_ns = 0;  // since the last of these
    auto operator<=>(const Asked&) const = default;
  };
  struct Offsets {
    std::size_t action = 0, actions = 0, operation = 0, operations = 0;
  };

  void place_records(std::span<const StepRecord> records) {
    std::size_t steps = 0;
    const auto fits = [&](const StepRecord& one) {
      return one.rank < run_.ranks_ && one.block < run_.blocks_.size() && one.step < records.size() &&
             one.end_ns >= one.start_ns;
    };
    for (const StepRecord& one : records)
      if (fits(one)) steps = std::max<std::size_t>(steps, one.step + std::size_t{1});
    run_.programs_.resize(steps * run_.ranks_);
    for (const StepRecord& one : records) {
      if (!fits(one)) continue;
      run_.programs_[one.step * run_.ranks_ + one.rank].record = &one;
      MeasuredRun::Range& block = run_.blocks_[one.block];
      const double start_ns = time_.at(one.rank, one.start_ns), end_ns = time_.at(one.rank, one.end_ns);
      const bool is_first = block.count == 0;
      const std::uint32_t last = is_first ? one.step : std::max(one.step, block.first + block.count - 1);
      block.first = is_first ? one.step : std::min(block.first, one.step);
      block.count = last - block.first + 1;
      block.begin_ns = is_first ? start_ns : std::min(block.begin_ns, start_ns);
      block.end_ns = is_first ? end_ns : std::max(block.end_ns, end_ns);
    }
  }

  /// By step and rank, in the order in which they came, which is that in which they were begun.
  Status order_spans(std::span<const CollectiveRecord> spans) {
    first_.assign(run_.programs_.size() + 1, 0);
    const auto place = [&](const CollectiveRecord& span) {
      return span.rank < run_.ranks_ && span.group < groups_.list.size() ? span.step * run_.ranks_ + span.rank
                                                                         : run_.programs_.size();
    };
    for (const CollectiveRecord& span : spans) {
      if (span.operation == CollectiveOperation::send || span.operation == CollectiveOperation::receive)
        return usage_error(
            "its ranks send to each other point to point (pipeline stages), which cannot be simulated yet; measure "
            "with pp = 1");
      if (const std::size_t at = place(span); at < run_.programs_.size()) ++first_[at + 1];
    }
    for (std::size_t i = 1; i < first_.size(); ++i) first_[i] += first_[i - 1];
    order_.resize(first_.back());
    std::vector<std::size_t> next(first_.begin(), first_.end() - 1);
    for (std::size_t i = 0; i < spans.size(); ++i)
      if (const std::size_t at = place(spans[i]); at < run_.programs_.size()) order_[next[at]++] = i;
    return {};
  }

  void read_step(std::size_t step, std::span<const CollectiveRecord> spans) {
    gather_instances(step, spans);
    for (std::size_t rank = 0; rank < run_.ranks_; ++rank) {
      StepProgram& program = run_.programs_[step * run_.ranks_ + rank];
      if (program.record != nullptr) read_program(step, rank, spans, program);
    }
  }

  void gather_instances(std::size_t step, std::span<const CollectiveRecord> spans) {
    instances_.clear();
    for (std::size_t i = first_[step * run_.ranks_]; i < first_[(step + 1) * run_.ranks_]; ++i) {
      const CollectiveRecord& span = spans[order_[i]];
      instances_.push_back({.group = span.group, .sequence = span.sequence});
    }
    const auto key = [](const Instance& one) { return std::tuple(one.group, one.sequence); };
    std::sort(instances_.begin(), instances_.end(), [&](const auto& a, const auto& b) { return key(a) < key(b); });
    const auto same = [&](const Instance& a, const Instance& b) { return key(a) == key(b); };
    instances_.erase(std::unique(instances_.begin(), instances_.end(), same), instances_.end());
    for (std::size_t i = first_[step * run_.ranks_]; i < first_[(step + 1) * run_.ranks_]; ++i) {
      const CollectiveRecord& span = spans[order_[i]];
      Instance& instance = *find(span);
      if (span.exit_ns == 0) continue;  // it never saw the end
      ++instance.members;
      instance.latest_entry_ns = std::max(instance.latest_entry_ns, time_.at(span.rank, span.entry_ns));
      instance.first_exit_ns = std::min(instance.first_exit_ns, time_.at(span.rank, span.exit_ns));
    }
    for (Instance& instance : instances_) {
      instance.whole = instance.members == groups_.list[instance.group].members.size();
      if (!instance.whole) continue;
      double& last_end_ns = last_end_ns_[instance.group];
      const double begin_ns = std::max(instance.latest_entry_ns, last_end_ns);
      instance.transfer_ns = std::max(0.0, instance.first_exit_ns - begin_ns);
      last_end_ns = begin_ns + instance.transfer_ns;
    }
  }

  Instance* find(const CollectiveRecord& span) {
    const auto key = std::tuple(span.group, span.sequence);
    return &*std::lower_bound(instances_.begin(), instances_.end(), key, [](const Instance& one, const auto& wanted) {
      return std::tuple(one.group, one.sequence) < wanted;
    });
  }

  void read_program(std::size_t step, std::size_t rank, std::span<const CollectiveRecord> spans, StepProgram& program) {
    Offsets& at = offsets_[step * run_.ranks_ + rank];
    at.action = run_.actions_.size();
    at.operation = run_.operations_.size();
    program.whole = true;
    moments_.clear();
    for (std::size_t i = first_[step * run_.ranks_ + rank]; i < first_[step * run_.ranks_ + rank + 1]; ++i) {
      const CollectiveRecord& span = spans[order_[i]];
      const Instance& instance = *find(span);
      program.whole = program.whole && instance.whole;
      const auto operation = static_cast<std::uint16_t>(run_.operations_.size() - at.operation);
      const std::uint16_t axis = axis_of_[span.group];
      const auto ordinal = std::count_if(run_.operations_.begin() + static_cast<std::ptrdiff_t>(at.operation),
                                         run_.operations_.end(), [&](const auto& one) { return one.axis == axis; });
      run_.operations_.push_back({.axis = axis,
                                  .ordinal = static_cast<std::uint16_t>(ordinal),
                                  .kind = span.operation,
                                  .type = span.type,
                                  .bytes = span.bytes,
                                  .transfer_ns = instance.transfer_ns});
      moments_.push_back({static_cast<double>(span.entry_ns), operation, false});
      moments_.push_back({static_cast<double>(asked_ns(step, rank, operation, spans)), operation, true});
    }
    std::stable_sort(moments_.begin(), moments_.end(),
                     [](const Moment& a, const Moment& b) { return a.t_ns < b.t_ns; });
    add_actions(step, rank, spans, program);
    at.actions = run_.actions_.size() - at.action;
    at.operations = run_.operations_.size() - at.operation;
  }

  /// Of every operation of a role's step, from the ranks and steps in which it was waited for: how many operations the
  /// rank had begun by then, and how long ago the last of them.
  void learn_when_asked(std::span<const CollectiveRecord> spans) {
    std::map<std::pair<int, std::size_t>, std::vector<Asked>> seen;  // by role and place among the step's operations
    for (std::size_t at = 0; at + 1 < first_.size(); ++at)
      for (std::size_t i = first_[at]; i < first_[at + 1]; ++i) {
        const std::int64_t wait_ns = spans[order_[i]].wait_ns;
        if (wait_ns == 0) continue;
        Asked asked;
        while (first_[at] + asked.begun < first_[at + 1] && entry_ns(at, asked.begun, spans) <= wait_ns) ++asked.begun;
        if (asked.begun == 0) continue;  // damaged: it waits for what it has not begun
        asked.after_ns = wait_ns - entry_ns(at, asked.begun - 1, spans);
        seen[{role_of(at), i - first_[at]}].push_back(asked);
      }
    for (auto& [place, of_place] : seen) {
      const auto middle = of_place.begin() + static_cast<std::ptrdiff_t>(of_place.size() / 2);
      std::nth_element(of_place.begin(), middle, of_place.end());
      usually_asked_[place] = *middle;
    }
  }

  /// When it asked for the operation's end. One that was over by then left no wait: it was asked for where others, or
  /// this rank in other steps, waited for it; one for which nobody ever waits, when the step's last one was over.
  [[nodiscard]] std::int64_t asked_ns(std::size_t step, std::size_t rank, std::size_t operation,
                                      std::span<const CollectiveRecord> spans) const {
    const std::size_t at = step * run_.ranks_ + rank, operations = first_[at + 1] - first_[at];
    const CollectiveRecord& span = spans[order_[first_[at] + operation]];
    if (span.wait_ns != 0) return span.wait_ns;
    const auto usual = usually_asked_.find({role_of(at), operation});
    if (usual == usually_asked_.end() || usual->second.begun > operations)
      return std::max(span.exit_ns, run_.programs_[at].record->collective_exit_ns);
    const Asked& asked = usual->second;
    std::int64_t asked_ns = entry_ns(at, asked.begun - 1, spans) + asked.after_ns;
    if (asked.begun < operations) asked_ns = std::min(asked_ns, entry_ns(at, asked.begun, spans));
    return std::max(span.exit_ns, asked_ns);
  }

  /// Of the operation at this place of a rank's step.
  [[nodiscard]] std::int64_t entry_ns(std::size_t at, std::size_t operation,
                                      std::span<const CollectiveRecord> spans) const {
    return spans[order_[first_[at] + operation]].entry_ns;
  }

  /// Of the program at this place.
  [[nodiscard]] int role_of(std::size_t at) const { return mesh_.role(static_cast<int>(at % run_.ranks_)); }

  void add_actions(std::size_t step, std::size_t rank, std::span<const CollectiveRecord> spans, StepProgram& program) {
    const StepRecord& record = *program.record;
    program.gap_ns = gap_ns(step, rank);
    program.work_ns = program.gap_ns;
    auto now_ns = static_cast<double>(record.start_ns);
    const std::size_t first_span = first_[step * run_.ranks_ + rank];
    for (const Moment& moment : moments_) {
      const double work_ns = std::max(0.0, moment.t_ns - now_ns);
      run_.actions_.push_back({.work_ns = work_ns, .operation = moment.operation, .waits = moment.waits});
      program.work_ns += work_ns;
      now_ns = std::max(now_ns, moment.t_ns);
      if (!moment.waits) continue;
      const CollectiveRecord& span = spans[order_[first_span + moment.operation]];
      const auto exit_ns = static_cast<double>(span.exit_ns);
      if (exit_ns <= now_ns) continue;
      now_ns = exit_ns;
      PlayedOperation& operation = run_.operations_[offsets_[step * run_.ranks_ + rank].operation + moment.operation];
      operation.lag_ns = std::max(0.0, time_.at(span.rank, span.exit_ns) - find(span)->first_exit_ns);
    }
    program.tail_ns = std::max(0.0, static_cast<double>(record.end_ns) - now_ns);
    program.work_ns += program.tail_ns;
  }

  [[nodiscard]] double gap_ns(std::size_t step, std::size_t rank) const {
    const StepRecord& record = *run_.programs_[step * run_.ranks_ + rank].record;
    const MeasuredRun::Range& block = run_.blocks_[record.block];
    if (step == block.first) return std::max(0.0, time_.at(record.rank, record.start_ns) - block.begin_ns);
    const StepRecord* before = run_.programs_[(step - 1) * run_.ranks_ + rank].record;
    return before == nullptr ? 0 : static_cast<double>(std::max<std::int64_t>(0, record.start_ns - before->end_ns));
  }

  /// Ranks of one role begin the same operations in every step; a step in which one did not has lost spans.
  void keep_usual_programs() {
    std::vector<std::map<std::vector<std::pair<std::uint16_t, CollectiveOperation>>, std::size_t>> seen(
        static_cast<std::size_t>(mesh_.roles()));
    const auto operations_of = [](const StepProgram& program) {
      std::vector<std::pair<std::uint16_t, CollectiveOperation>> all;
      for (const PlayedOperation& one : program.operations) all.emplace_back(one.axis, one.kind);
      return all;
    };
    for (std::size_t i = 0; i < run_.programs_.size(); ++i)
      if (run_.programs_[i].whole) ++seen[static_cast<std::size_t>(role_of(i))][operations_of(run_.programs_[i])];
    std::size_t records = 0, broken = 0;
    for (std::size_t i = 0; i < run_.programs_.size(); ++i) {
      StepProgram& program = run_.programs_[i];
      const auto& of_role = seen[static_cast<std::size_t>(role_of(i))];
      if (program.whole) {
        const auto usual = std::max_element(of_role.begin(), of_role.end(),
                                            [](const auto& a, const auto& b) { return a.second < b.second; });
        program.whole = !usual->first.empty() && operations_of(program) == usual->first;
      }
      records += program.record != nullptr ? 1 : 0;
      broken += program.record != nullptr && !program.whole ? 1 : 0;
    }
    run_.broken_share_ = records == 0 ? 1 : static_cast<double>(broken) / static_cast<double>(records);
  }

  const Plan& plan_;
  Mesh mesh_;
  RecordedGroups groups_;
  CommonTime time_;
  MeasuredRun run_{};
  std::vector<std::uint16_t> axis_of_{};                          // by group
  std::vector<double> last_end_ns_{};                             // by group
  std::vector<std::size_t> first_{};                              // by step and rank: its first place in order_
  std::vector<std::size_t> order_{};                              // of spans
  std::map<std::pair<int, std::size_t>, Asked> usually_asked_{};  // by role and place among the step's operations
  std::vector<Offsets> offsets_{};                                // by step and rank
  std::vector<Instance> instances_{};                             // of one step
  std::vector<Moment> moments_{};                                 // of one rank in it
};

Result<MeasuredRun> MeasuredRun::read(const Plan& plan, std::span<const StepRecord> records,
                                      std::span<const CollectiveRecord> spans, const Json& clock) {
  return MeasuredRunReader(plan, clock).read(records, spans);
}

}  // namespace grit

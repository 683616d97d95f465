#include "analysis/simulate/upward_play.hpp"

#include <algorithm>
#include <cmath>
#include <random>
#include <utility>

namespace grit {
namespace {

/// S. Vigna, splitmix64 (public domain, prng.di.unimi.it): 8 bytes of state, so that every unit can have its own.
std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t mixed = state += 0x9e3779b97f4a7c15;
  mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
  mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
  return mixed ^ (mixed >> 31);
}

std::vector<std::uint32_t> sizes_of(const RecordedGroups& groups, const std::vector<std::string>& axes) {
  std::vector<std::uint32_t> sizes(axes.size());
  for (std::size_t axis = 0; axis < axes.size(); ++axis)
    for (const RecordedGroup& group : groups.list)
      if (group.axis == axes[axis]) sizes[axis] = static_cast<std::uint32_t>(group.members.size());
  return sizes;
}

}  // namespace

UpwardPlay::UpwardPlay(const MeasuredRun& run, const LargerMesh& mesh, const WorkModel& work,
                       const UpwardNumbers& numbers)
    : run_(run), mesh_(mesh), work_(work), numbers_(numbers) {
  const auto ranks = static_cast<std::size_t>(mesh.larger().ranks());
  const RecordedGroups groups = recorded_groups(mesh.larger());
  measured_size_ = sizes_of(recorded_groups(mesh.measured()), run.axes());
  size_ = sizes_of(groups, run.axes());
  group_of_.assign(run.axes().size() * ranks, 0);
  for (std::size_t id = 0; id < groups.list.size(); ++id) {
    const auto axis = static_cast<std::size_t>(std::find(run.axes().begin(), run.axes().end(), groups.list[id].axis) -
                                               run.axes().begin());
    for (const int rank : groups.list[id].members)
      group_of_[axis * ranks + static_cast<std::size_t>(rank)] = static_cast<std::uint32_t>(id);
  }
  for (const Donor& donor : work.donors(false))
    for (int seat = 0; seat < mesh.seats(); ++seat)
      most_operations_ =
          std::max(most_operations_, run.program(donor.step, mesh.measured_rank(donor.unit, seat)).operations.size());
  operations_ = most_operations_;  // which is as many as a group can have
  instances_.resize(groups.list.size() * operations_);
  last_over_ns_.resize(groups.list.size());
  ranks_.resize(ranks);
  sources_.resize(static_cast<std::size_t>(mesh.units()));
  effects_.resize(ranks);
  std::mt19937_64 engine(numbers.seed);
  for (Source& source : sources_) source.random = engine();
  std::normal_distribution<double> normal;
  for (int unit = 0; unit < mesh.units(); ++unit)
    for (int seat = 0; seat < mesh.seats(); ++seat)
      effects_[static_cast<std::size_t>(mesh.rank(unit, seat))] = unit < mesh.units_measured()
                                                                      ? work.effect(mesh.measured_rank(unit, seat))
                                                                      : numbers.deviation * normal(engine);
}

void UpwardPlay::take_spans(TakeSpan take) {
  take_span_ = std::move(take);
  entries_ns_.resize(ranks_.size() * most_operations_);
  sequences_.assign(last_over_ns_.size(), 0);
}

Result<double> UpwardPlay::play(int block, bool has_faults, double begin_ns, const Take& take) {
  under_faults_ = has_faults;
  for (Rank& rank : ranks_) rank.now_ns = begin_ns;
  for (Source& source : sources_) source.left = 0;
  std::fill(last_over_ns_.begin(), last_over_ns_.end(), begin_ns);
  const MeasuredRun::Range& steps = run_.steps_of(block);
  for (std::uint32_t step = steps.first; step < steps.first + steps.count; ++step) {
    begin_step(step, has_faults);
    for (int rank = 0; rank < mesh_.larger().ranks(); ++rank) {
      ready_.push_back(rank);
      while (!ready_.empty()) {
        const int next = ready_.back();
        ready_.pop_back();
        advance(next);
      }
    }
    for (std::size_t i = 0; i < ranks_.size(); ++i) {
      Rank& rank = ranks_[i];
      if (rank.action != rank.program->actions.size())
        return internal_error("simulated ranks wait for each other for ever: their measured steps do not fit together");
      take({step, static_cast<int>(i), rank.program, rank.factor, rank.start_ns, rank.now_ns, rank.first_entry_ns,
            rank.last_exit_ns});
    }
  }
  double end_ns = begin_ns;
  for (const Rank& rank : ranks_) end_ns = std::max(end_ns, rank.now_ns);
  return end_ns;
}

void UpwardPlay::begin_step(std::uint32_t step, bool has_faults) {
  for (std::size_t i = 0; take_span_ && i < instances_.size(); ++i)
    if (instances_[i].is_over) ++sequences_[i / operations_];
  step_ = step;
  std::fill(instances_.begin(), instances_.end(), Instance());
  const std::vector<Donor>& donors = work_.donors(has_faults);
  for (int unit = 0; unit < mesh_.units(); ++unit) begin_unit(unit, step, donors);
}

void UpwardPlay::begin_unit(int unit, std::uint32_t step, const std::vector<Donor>& donors) {
  bool is_measured = unit < mesh_.units_measured();
  for (int seat = 0; is_measured && seat < mesh_.seats(); ++seat)
    is_measured = run_.program(step, mesh_.measured_rank(unit, seat)).whole;
  Donor from{unit, step};
  if (!is_measured) from = next_donor(sources_[static_cast<std::size_t>(unit)], donors);
  for (int seat = 0; seat < mesh_.seats(); ++seat) {
    const int donor = mesh_.measured_rank(from.unit, seat), number = mesh_.rank(unit, seat);
    Rank& rank = ranks_[static_cast<std::size_t>(number)];
    rank.program = &run_.program(from.step, donor);
    rank.is_measured = is_measured;
    rank.factor = is_measured ? 1
                              : std::exp(effects_[static_cast<std::size_t>(number)] - work_.effect(donor) +
                                         work_.common(step) - work_.common(from.step));
    rank.now_ns += rank.program->gap_ns * rank.factor;
    rank.start_ns = rank.now_ns;
    rank.first_entry_ns = rank.last_exit_ns = 0;
    rank.action = 0;
    rank.has_worked = false;
  }
}

const Donor& UpwardPlay::next_donor(Source& source, const std::vector<Donor>& donors) const {
  if (source.left == 0 || donors[source.donor].is_last) {
    source.donor = next_random(source.random) % donors.size();
    source.left = work_.stretch();
  } else {
    ++source.donor;
  }
  --source.left;
  return donors[source.donor];
}

/// As far as it comes without what others have not begun yet.
void UpwardPlay::advance(int number) {
  Rank& rank = ranks_[static_cast<std::size_t>(number)];
  for (; rank.action < rank.program->actions.size(); ++rank.action, rank.has_worked = false) {
    const PlayedAction& action = rank.program->actions[rank.action];
    if (!rank.has_worked) rank.now_ns += action.work_ns * rank.factor;
    rank.has_worked = true;
    if (!action.waits)
      begin_operation(number, action);
    else if (!wait(number, action))
      return;
  }
  rank.now_ns += rank.program->tail_ns * rank.factor;
}

void UpwardPlay::begin_operation(int number, const PlayedAction& action) {
  Rank& rank = ranks_[static_cast<std::size_t>(number)];
  const PlayedOperation& operation = rank.program->operations[action.operation];
  if (take_span_) entries_ns_[static_cast<std::size_t>(number) * most_operations_ + action.operation] = rank.now_ns;
  if (rank.first_entry_ns == 0) rank.first_entry_ns = rank.now_ns;
  const std::size_t at = instance_of(number, operation);
  Instance& instance = instances_[at];
  instance.latest_entry_ns = std::max(instance.latest_entry_ns, rank.now_ns);
  if (instance.entered == 0 || (rank.is_measured && !instance.is_measured)) {
    instance.transfer_ns = std::max(0.0, operation.transfer_ns + growth_ns(operation));
    instance.is_measured = rank.is_measured;
  }
  if (++instance.entered < size_[operation.axis]) return;
  double& last_over_ns = last_over_ns_[at / operations_];
  instance.over_ns = std::max(instance.latest_entry_ns, last_over_ns) + instance.transfer_ns;
  instance.is_over = true;
  last_over_ns = instance.over_ns;
  for (std::int32_t waiting = instance.waiting; waiting >= 0; waiting = ranks_[static_cast<std::size_t>(waiting)].next)
    ready_.push_back(waiting);
}

/// Is it over, so that the rank goes on? Else the rank is put to those that wait for it.
bool UpwardPlay::wait(int number, const PlayedAction& action) {
  Rank& rank = ranks_[static_cast<std::size_t>(number)];
  const PlayedOperation& operation = rank.program->operations[action.operation];
  Instance& instance = instances_[instance_of(number, operation)];
  if (!instance.is_over) {
    rank.next = std::exchange(instance.waiting, number);
    return false;
  }
  const double asked_ns = rank.now_ns;
  const double seen_ns = instance.over_ns > asked_ns ? instance.over_ns + operation.lag_ns : instance.over_ns;
  rank.now_ns = std::max(rank.now_ns, seen_ns);
  rank.last_exit_ns = std::max(rank.last_exit_ns, seen_ns);
  if (take_span_) tell_span(number, action, asked_ns, seen_ns);
  return true;
}

void UpwardPlay::tell_span(int number, const PlayedAction& action, double asked_ns, double seen_ns) {
  const PlayedOperation& operation = ranks_[static_cast<std::size_t>(number)].program->operations[action.operation];
  const std::size_t group = instance_of(number, operation) / operations_;
  const double entry_ns = entries_ns_[static_cast<std::size_t>(number) * most_operations_ + action.operation];
  take_span_({.rank = static_cast<std::uint32_t>(number),
              .step = step_,
              .sequence = sequences_[group] + operation.ordinal,
              .group = static_cast<std::uint16_t>(group),
              .operation = operation.kind,
              .type = operation.type,
              .bytes = operation.bytes,
              .entry_ns = static_cast<std::int64_t>(entry_ns),
              .exit_ns = static_cast<std::int64_t>(seen_ns),
              .wait_ns = seen_ns > asked_ns ? static_cast<std::int64_t>(asked_ns) : 0});
}

std::size_t UpwardPlay::instance_of(int rank, const PlayedOperation& operation) const {
  const std::size_t group = group_of_[operation.axis * ranks_.size() + static_cast<std::size_t>(rank)];
  return group * operations_ + operation.ordinal;
}

/// By how much longer it takes among more ranks.
double UpwardPlay::growth_ns(const PlayedOperation& operation) const {
  const std::uint32_t before = measured_size_[operation.axis], after = size_[operation.axis];
  if (before == after) return 0;
  const LinkModel& link = under_faults_ ? numbers_.link_under_faults : numbers_.link;
  return transfer_ns(operation.kind, static_cast<int>(after), operation.bytes, link) -
         transfer_ns(operation.kind, static_cast<int>(before), operation.bytes, link);
}

}  // namespace grit

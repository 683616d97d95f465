#include "workloads/training/checked_group.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "workloads/planted_flip.hpp"
#include "workloads/wrong_values.hpp"

namespace grit {
namespace {

// Operations of a step begin at different elements: 1,000,003 is 1311 modulo the pattern's period, a prime.
constexpr std::size_t kDistance = 1'000'003;
constexpr std::size_t kFirstOfLoss = 77;

}  // namespace

CheckedGroup::CheckedGroup(const WorkloadContext& context, Device& device, Communicator& communicator, DataType type,
                           StepAccount& account, HostStaging* staging, std::size_t first_element)
    : context_(context),
      device_(device),
      communicator_(communicator),
      type_(type),
      element_bytes_(bytes_per_element(type)),
      account_(account),
      staging_(staging),
      first_element_(first_element),
      sums_(type, communicator.group().id, communicator.rank(), communicator.size()),
      copies_(type, communicator.group().id, communicator.size()),
      sends_(static_cast<std::size_t>(communicator.size())),
      receives_(sends_.size()) {}

void CheckedGroup::begin_step(std::uint64_t step) {
  step_ = step;
  sums_are_fresh_ = copies_are_fresh_ = false;
  collectives_ = 0;
  std::ranges::fill(sends_, 0U);
  std::ranges::fill(receives_, 0U);
}

SumPattern& CheckedGroup::sums() {
  if (!std::exchange(sums_are_fresh_, true)) sums_.begin_step(step_);
  return sums_;
}

CopyPattern& CheckedGroup::copies() {
  if (!std::exchange(copies_are_fresh_, true)) copies_.begin_step(step_);
  return copies_;
}

std::size_t CheckedGroup::next_collective() { return first_element_ + kDistance * collectives_++; }

template <class Begin>
Result<PendingOperation> CheckedGroup::begin(PendingOperation pending, Begin begin_it) {
  const InPhase communication(account_, Phase::exposed_comm);
  account_.operation_begins();
  GRIT_TRY(pending.handle, begin_it());
  return pending;
}

Result<PendingOperation> CheckedGroup::all_reduce(std::byte* buffer, std::size_t count, FlipPlace flip) {
  const std::size_t first = next_collective();
  sums().fill(device_, buffer, first, count);
  if (flip.total > 0) flip_if_asked(context_.dials, device_, buffer, flip.first, count, flip.total, type_, step_);
  const std::byte* send = filled(buffer, count);
  return begin({.operation = CollectiveOperation::all_reduce, .received = buffer, .count = count, .first = first},
               [&] { return communicator_.all_reduce(send, network_side(buffer), count, type_); });
}

Result<PendingOperation> CheckedGroup::reduce_scatter(std::byte* whole, std::byte* part, std::size_t count,
                                                      FlipPlace flip) {
  const std::size_t first = next_collective();
  const std::size_t all = count * static_cast<std::size_t>(size());
  sums().fill(device_, whole, first, all);
  if (flip.total > 0) flip_if_asked(context_.dials, device_, whole, flip.first, all, flip.total, type_, step_);
  const std::byte* send = filled(whole, all);
  return begin({.operation = CollectiveOperation::reduce_scatter,
                .received = part,
                .count = count,
                .first = first + count * static_cast<std::size_t>(rank())},
               [&] { return communicator_.reduce_scatter(send, network_side(part), count, type_); });
}

Result<PendingOperation> CheckedGroup::all_gather(std::byte* whole, std::size_t count) {
  const std::size_t first = next_collective();
  std::byte* own = at(whole, count * static_cast<std::size_t>(rank()));
  copies().fill(device_, own, rank(), 0, first, count);
  const std::byte* send = filled(own, count);
  return begin({.operation = CollectiveOperation::all_gather, .received = whole, .count = count, .first = first},
               [&] { return communicator_.all_gather(send, network_side(whole), count, type_); });
}

Result<PendingOperation> CheckedGroup::all_to_all(std::byte* routed, std::span<const std::size_t> send_counts,
                                                  std::byte* receive, std::span<const std::size_t> receive_counts) {
  const std::size_t first = next_collective();
  std::size_t all = 0;
  std::byte* part = routed;
  for (int peer = 0; peer < size(); ++peer) {
    const std::size_t count = send_counts[static_cast<std::size_t>(peer)];
    copies().fill(device_, part, rank(), peer, first, count);
    part = at(part, count);
    all += count;
  }
  const std::byte* send = filled(routed, all);
  return begin(
      {.operation = CollectiveOperation::all_to_all,
       .received = receive,
       .first = first,
       .receive_counts = receive_counts},
      [&] { return communicator_.all_to_all(send, send_counts, network_side(receive), receive_counts, type_); });
}

Result<PendingOperation> CheckedGroup::send(std::byte* buffer, std::size_t count, int peer) {
  const std::size_t first = first_element_ + kDistance * sends_[static_cast<std::size_t>(peer)]++;
  copies().fill(device_, buffer, rank(), peer, first, count);
  const std::byte* send = filled(buffer, count);
  return begin({.operation = CollectiveOperation::send, .count = count, .first = first, .peer = peer},
               [&] { return communicator_.send(send, count, type_, peer); });
}

Result<PendingOperation> CheckedGroup::receive(std::byte* buffer, std::size_t count, int peer) {
  const std::size_t first = first_element_ + kDistance * receives_[static_cast<std::size_t>(peer)]++;
  return begin(
      {.operation = CollectiveOperation::receive, .received = buffer, .count = count, .first = first, .peer = peer},
      [&] { return communicator_.receive(network_side(buffer), count, type_, peer); });
}

Status CheckedGroup::exchange_numbers(std::span<const std::int64_t> send, std::span<std::int64_t> receive,
                                      std::span<const std::size_t> part_bytes) {
  const auto begun = begin({.operation = CollectiveOperation::all_to_all}, [&] {
    return communicator_.all_to_all(send.data(), part_bytes, receive.data(), part_bytes, DataType::bytes);
  });
  if (!begun) return tl::make_unexpected(begun.error());
  return wait(*begun);
}

Status CheckedGroup::wait(const PendingOperation& pending) {
  const InPhase communication(account_, Phase::exposed_comm);
  GRIT_CHECK(communicator_.wait(pending.handle));
  account_.operation_ended();
  return {};
}

const std::byte* CheckedGroup::filled(const std::byte* buffer, std::size_t count) {
  if (staging_ == nullptr) return buffer;
  staging_->to_network(buffer, count * element_bytes_);
  return staging_->network_side(buffer);
}

void CheckedGroup::fetch(const PendingOperation& pending) {
  if (staging_ == nullptr || pending.received == nullptr) return;
  std::size_t elements = pending.count;
  if (pending.operation == CollectiveOperation::all_gather) elements *= static_cast<std::size_t>(size());
  if (pending.operation == CollectiveOperation::all_to_all)
    elements = std::accumulate(pending.receive_counts.begin(), pending.receive_counts.end(), std::size_t{0});
  staging_->from_network(pending.received, elements * element_bytes_);
}

std::uint64_t CheckedGroup::check_sums(const PendingOperation& pending) {
  const WrongValuesFound wrong = sums().check(device_, pending.received, pending.first, pending.count);
  report_wrong_sum(context_, {pending.operation, pending.handle, account_.block()}, sums(), wrong.first);
  return wrong.count;
}

std::uint64_t CheckedGroup::check_copies(const PendingOperation& pending, const std::byte* received, int source,
                                         int destination, std::size_t count) {
  const WrongValuesFound wrong = copies().check(device_, received, source, destination, pending.first, count);
  report_wrong_copy(context_, {pending.operation, pending.handle, account_.block()}, copies(), wrong.first,
                    communicator_.group().members[static_cast<std::size_t>(source)]);
  return wrong.count;
}

void CheckedGroup::check(const PendingOperation& pending) {
  fetch(pending);
  const std::byte* received = pending.received;
  std::uint64_t wrong = 0;
  switch (pending.operation) {
    case CollectiveOperation::all_reduce:
    case CollectiveOperation::reduce_scatter:
      wrong = check_sums(pending);
      break;
    case CollectiveOperation::all_gather:
      for (int source = 0; source < size(); ++source, received += pending.count * element_bytes_)
        wrong += check_copies(pending, received, source, 0, pending.count);
      break;
    case CollectiveOperation::all_to_all:
      for (int source = 0; source < size(); ++source) {
        const std::size_t count = pending.receive_counts[static_cast<std::size_t>(source)];
        wrong += check_copies(pending, received, source, rank(), count);
        received += count * element_bytes_;
      }
      break;
    case CollectiveOperation::receive:
      wrong = check_copies(pending, received, pending.peer, rank(), pending.count);
      break;
    case CollectiveOperation::send:
      break;
  }
  if (wrong == 0) return;
  communicator_.add_wrong(pending.handle, wrong);
  account_.add_wrong(wrong);
}

Status CheckedGroup::finish(const Result<PendingOperation>& pending) {
  if (!pending) return tl::make_unexpected(pending.error());
  GRIT_CHECK(wait(*pending));
  check(*pending);
  return {};
}

TrainingGroups::TrainingGroups(const WorkloadContext& context, Device& device, DataType type, StepAccount& account,
                               HostStaging* staging)
    : groups_(*context.groups), device_(device), staging_(staging) {
  for (const Axis axis : kAxes) {
    Communicator& communicator = groups_.of(axis);
    if (communicator.size() > 1)
      axes_[axis] = std::make_unique<CheckedGroup>(context, device, communicator, type, account, staging);
  }
  if (of(Axis::tp) != nullptr)
    loss_ = std::make_unique<CheckedGroup>(context, device, groups_.of(Axis::tp), DataType::fp32, account, staging,
                                           kFirstOfLoss);
}

CheckedGroup* TrainingGroups::of(Axis axis) {
  const auto found = axes_.find(axis);
  return found == axes_.end() ? nullptr : found->second.get();
}

void TrainingGroups::begin_step(std::uint64_t step) {
  for (const auto& [axis, group] : axes_) group->begin_step(step);
  if (loss_) loss_->begin_step(step);
}

}  // namespace grit

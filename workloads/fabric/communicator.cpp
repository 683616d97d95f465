#include "workloads/fabric/communicator.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "harness/base/clock.hpp"

namespace grit {

Communicator::Communicator(CommunicatorGroup group, int rank, std::shared_ptr<OpenOperations> open)
    : group_(std::move(group)),
      rank_(rank),
      open_(std::move(open)),
      sends_(group_.members.size()),
      receives_(group_.members.size()) {
  GRIT_ASSERT(rank >= 0 && rank < size());
}

Result<OperationHandle> Communicator::all_reduce(const void* send, void* receive, std::size_t count, DataType type) {
  GRIT_ASSERT(type != DataType::bytes);
  return begin(
      {.operation = CollectiveOperation::all_reduce, .type = type, .send = send, .receive = receive, .count = count},
      count);
}

Result<OperationHandle> Communicator::reduce_scatter(const void* send, void* receive, std::size_t count,
                                                     DataType type) {
  GRIT_ASSERT(type != DataType::bytes);
  return begin({.operation = CollectiveOperation::reduce_scatter,
                .type = type,
                .send = send,
                .receive = receive,
                .count = count},
               count * group_.members.size());
}

Result<OperationHandle> Communicator::all_gather(const void* send, void* receive, std::size_t count, DataType type) {
  return begin(
      {.operation = CollectiveOperation::all_gather, .type = type, .send = send, .receive = receive, .count = count},
      count * group_.members.size());
}

Result<OperationHandle> Communicator::all_to_all(const void* send, std::span<const std::size_t> send_counts,
                                                 void* receive, std::span<const std::size_t> receive_counts,
                                                 DataType type) {
  const auto own = static_cast<std::size_t>(rank_);
  GRIT_ASSERT(send_counts.size() == group_.members.size() && receive_counts.size() == group_.members.size());
  GRIT_ASSERT(send_counts[own] == receive_counts[own]);
  const std::size_t sent = std::accumulate(send_counts.begin(), send_counts.end(), std::size_t{0});
  return begin({.operation = CollectiveOperation::all_to_all,
                .type = type,
                .send = send,
                .receive = receive,
                .count = sent,
                .send_counts = send_counts,
                .receive_counts = receive_counts},
               sent);
}

Result<OperationHandle> Communicator::send(const void* buffer, std::size_t count, DataType type, int peer) {
  GRIT_ASSERT(peer >= 0 && peer < size());
  return begin({.operation = CollectiveOperation::send, .type = type, .send = buffer, .count = count, .peer = peer},
               count);
}

Result<OperationHandle> Communicator::receive(void* buffer, std::size_t count, DataType type, int peer) {
  GRIT_ASSERT(peer >= 0 && peer < size());
  return begin(
      {.operation = CollectiveOperation::receive, .type = type, .receive = buffer, .count = count, .peer = peer},
      count);
}

std::uint32_t Communicator::next_sequence(const OperationCall& call) {
  if (call.operation == CollectiveOperation::send) return sends_[static_cast<std::size_t>(call.peer)]++;
  if (call.operation == CollectiveOperation::receive) return receives_[static_cast<std::size_t>(call.peer)]++;
  return collectives_++;
}

Result<OperationHandle> Communicator::begin(const OperationCall& call, std::size_t elements) {
  if (!open_->status()) return tl::make_unexpected(open_->status().error());
  CollectiveRecord record;
  record.rank = static_cast<std::uint32_t>(group_.members[static_cast<std::size_t>(rank_)]);
  record.sequence = next_sequence(call);
  if (call.peer >= 0) record.peer = group_.members[static_cast<std::size_t>(call.peer)];
  record.group = group_.id;
  record.operation = call.operation;
  record.type = call.type;
  record.bytes = static_cast<std::int64_t>(elements * bytes_per_element(call.type));
  record.entry_ns = monotonic_ns();
  const OperationHandle handle = open_->begin(record);
  if (elements > 0 || call.operation == CollectiveOperation::all_to_all) {
    if (const Status started = start(call, handle.slot); !started) {
      open_->fail(with_context(started.error(), open_->describe(handle.slot)).value());
      return tl::make_unexpected(open_->status().error());
    }
  }
  open_->begun(handle.slot, record.entry_ns);
  return handle;
}

Status Communicator::wait(const OperationHandle& handle) {
  if (open_->status() && open_->is_open(handle)) open_->wait(handle, monotonic_ns());
  while (open_->status() && open_->is_open(handle)) {
    poke();
    if (open_->is_open(handle)) open_->pause();
  }
  return open_->status();
}

Status Communicator::wait_all() {
  if (open_->status() && !open_->empty()) open_->wait_all(monotonic_ns());
  while (open_->status() && !open_->empty()) {
    poke();
    if (!open_->empty()) open_->pause();
  }
  return open_->status();
}

void Communicator::abort(std::string_view reason) {
  open_->fail(internal_error(fmt::format("the communicators of this rank were aborted: {}", reason)).value());
}

Result<Communicator::OwnList> Communicator::find_own_list(std::string_view axis, std::uint16_t first_id,
                                                          std::span<const std::vector<int>> groups) const {
  std::vector<bool> found(group_.members.size());
  OwnList own;
  for (std::size_t i = 0; i < groups.size(); ++i) {
    for (std::size_t place = 0; place < groups[i].size(); ++place) {
      const int rank = groups[i][place];
      if (rank < 0 || rank >= size())
        return usage_error(fmt::format("group {} of {} has rank {}, but there are {} ranks", i, axis, rank, size()));
      const auto at = static_cast<std::size_t>(rank);
      if (found[at]) return usage_error(fmt::format("rank {} is in two groups of {}, or twice in one", rank, axis));
      found[at] = true;
      if (rank == rank_) own.group.index = static_cast<int>(i), own.rank = static_cast<int>(place);
    }
  }
  if (const auto missing = std::find(found.begin(), found.end(), false); missing != found.end())
    return usage_error(fmt::format("rank {} is in no group of {}", missing - found.begin(), axis));
  own.group.axis = axis;
  own.group.id = static_cast<std::uint16_t>(first_id + own.group.index);
  for (const int rank : groups[static_cast<std::size_t>(own.group.index)])
    own.group.members.push_back(group_.members[static_cast<std::size_t>(rank)]);
  return own;
}

}  // namespace grit

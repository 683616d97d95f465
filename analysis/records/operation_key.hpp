// Which span records belong together, whatever the clocks of their nodes say.
#pragma once

#include <compare>
#include <cstdint>

#include "harness/model/collective_record.hpp"

namespace grit {

constexpr bool is_transfer(CollectiveOperation operation) {
  return operation == CollectiveOperation::send || operation == CollectiveOperation::receive;
}

/// The same for all records of one operation, and of no other one of the run: of a collective those of all ranks of its
/// group, of a transfer the send's and the receive's. In ascending order the operations of one group, and of one pair
/// of ranks in it, stand one after another as they were begun.
struct OperationKey {
  std::uint16_t group = 0;
  std::int32_t from = -1, to = -1;  // ranks of the job; -1: a collective
  std::uint32_t sequence = 0;
  auto operator<=>(const OperationKey&) const = default;

  /// Are they of the same ranks in the same group, so that their numbers follow each other?
  [[nodiscard]] bool is_beside(const OperationKey& other) const {
    return group == other.group && from == other.from && to == other.to;
  }
};

constexpr OperationKey key_of(const CollectiveRecord& record) {
  const auto rank = static_cast<std::int32_t>(record.rank);
  if (!is_transfer(record.operation)) return {.group = record.group, .sequence = record.sequence};
  const bool sends = record.operation == CollectiveOperation::send;
  return {record.group, sends ? rank : record.peer, sends ? record.peer : rank, record.sequence};
}

}  // namespace grit

// What operations do: messages to and from all other ranks at a time.
#include <cstring>
#include <deque>

#include "tests/fakes/cuda/nccl/communicator.hpp"
#include "tests/fakes/cuda/nccl/reduce.hpp"

using namespace grit::fake;

namespace {

const char* at(const void* base, std::size_t elements, ncclDataType_t type) {
  return static_cast<const char*>(base) + elements * element_bytes(type);
}
char* at(void* base, std::size_t elements, ncclDataType_t type) {
  return static_cast<char*>(base) + elements * element_bytes(type);
}

/// memmove, also of nothing from nowhere.
void copy(void* to, const void* from, std::size_t size_bytes) {
  if (size_bytes > 0 && to != from) std::memmove(to, from, size_bytes);
}

/// Where a rank's share of `count` elements begins.
std::size_t share(std::size_t count, int rank, int ranks) {
  return count / static_cast<std::size_t>(ranks) * static_cast<std::size_t>(rank) +
         count % static_cast<std::size_t>(ranks) * static_cast<std::size_t>(rank) / static_cast<std::size_t>(ranks);
}

constexpr std::uint32_t kSecondPhase = 100;

}  // namespace

/// One for each other rank; this rank's own has no connection and stays without messages.
std::vector<Lane> ncclComm::lanes() const {
  std::vector<Lane> all(static_cast<std::size_t>(ranks));
  for (std::size_t peer = 0; peer < all.size(); ++peer) all[peer].descriptor = peers_[peer].descriptor();
  std::erase_if(all, [](const Lane& lane) { return lane.descriptor < 0; });
  return all;
}

Outcome ncclComm::perform(const std::vector<Operation>& operations) {
  const Operation& first = operations.front();
  switch (first.kind) {
    case Kind::send:
    case Kind::receive:
      return point_to_point(operations);
    case Kind::all_reduce:
      return all_reduce(first);
    case Kind::reduce_scatter:
    case Kind::reduce:
      return reduce_scatter(first);
    default:
      return move(first);
  }
}

/// Each rank reduces its share, and sends the result to all.
Outcome ncclComm::all_reduce(const Operation& operation) {
  const auto kind = static_cast<std::uint32_t>(operation.kind);
  const std::size_t from = share(operation.count, rank, ranks);
  const std::size_t own = share(operation.count, rank + 1, ranks) - from;
  const std::size_t own_bytes = own * element_bytes(operation.type);
  std::vector<std::vector<char>> copies(static_cast<std::size_t>(ranks));
  std::vector<const void*> parts(copies.size());
  std::vector<Lane> first = lanes(), second = lanes();
  for (int peer = 0, lane = 0; peer < ranks; ++peer) {
    const auto index = static_cast<std::size_t>(peer);
    parts[index] = at(operation.send, from, operation.type);
    if (peer == rank) continue;
    copies[index].resize(own_bytes);
    parts[index] = copies[index].data();
    const std::size_t theirs = share(operation.count, peer, ranks);
    const std::size_t bytes = (share(operation.count, peer + 1, ranks) - theirs) * element_bytes(operation.type);
    const auto place = static_cast<std::size_t>(lane++);
    first[place].add_send(kind, at(operation.send, theirs, operation.type), bytes);
    first[place].add_receive(kind, copies[index].data(), own_bytes);
    second[place].add_send(kind + kSecondPhase, at(operation.receive, from, operation.type), own_bytes);
    second[place].add_receive(kind + kSecondPhase, at(operation.receive, theirs, operation.type), bytes);
  }
  if (const Outcome outcome = exchange_all(first, cancel_); outcome != Outcome::done) return outcome;
  reduce(operation.type, operation.reduction, parts.data(), parts.size(), at(operation.receive, from, operation.type),
         own);
  return exchange_all(second, cancel_);
}

/// reduce_scatter: each rank gets all others' part for it. reduce: only the root, and all of it.
Outcome ncclComm::reduce_scatter(const Operation& operation) {
  const auto kind = static_cast<std::uint32_t>(operation.kind);
  const bool is_scattered = operation.kind == Kind::reduce_scatter;
  const std::size_t bytes = operation.count * element_bytes(operation.type);
  const auto part_for = [&](int peer) {
    return at(operation.send, is_scattered ? static_cast<std::size_t>(peer) * operation.count : 0, operation.type);
  };
  const auto has_result = [&](int peer) { return is_scattered || peer == operation.root; };
  std::vector<std::vector<char>> copies(static_cast<std::size_t>(ranks));
  std::vector<const void*> parts(copies.size());
  std::vector<Lane> all = lanes();
  for (int peer = 0, lane = 0; peer < ranks; ++peer) {
    const auto index = static_cast<std::size_t>(peer);
    parts[index] = part_for(rank);
    if (peer == rank) continue;
    Lane& one = all[static_cast<std::size_t>(lane++)];
    if (has_result(peer)) one.add_send(kind, part_for(peer), bytes);
    if (!has_result(rank)) continue;
    copies[index].resize(bytes);
    parts[index] = copies[index].data();
    one.add_receive(kind, copies[index].data(), bytes);
  }
  const Outcome outcome = exchange_all(all, cancel_);
  if (outcome == Outcome::done && has_result(rank))
    reduce(operation.type, operation.reduction, parts.data(), parts.size(), operation.receive, operation.count);
  return outcome;
}

/// The operations that only move: who sends which part to whom.
Outcome ncclComm::move(const Operation& operation) {
  const auto kind = static_cast<std::uint32_t>(operation.kind);
  const std::size_t bytes = operation.count * element_bytes(operation.type);
  const bool sends_parts = operation.kind == Kind::all_to_all || operation.kind == Kind::scatter;
  const bool receives_parts = operation.kind != Kind::broadcast && operation.kind != Kind::scatter;
  const auto sends_to = [&](int from, int to) {
    if (operation.kind == Kind::broadcast || operation.kind == Kind::scatter) return from == operation.root;
    return operation.kind != Kind::gather || to == operation.root;
  };
  const auto send_part = [&](int peer) {
    return at(operation.send, sends_parts ? static_cast<std::size_t>(peer) * operation.count : 0, operation.type);
  };
  const auto receive_part = [&](int peer) {
    return at(operation.receive, receives_parts ? static_cast<std::size_t>(peer) * operation.count : 0, operation.type);
  };
  std::vector<Lane> all = lanes();
  for (int peer = 0, lane = 0; peer < ranks; ++peer) {
    if (peer == rank) continue;
    Lane& one = all[static_cast<std::size_t>(lane++)];
    if (sends_to(rank, peer)) one.add_send(kind, send_part(peer), bytes);
    if (sends_to(peer, rank)) one.add_receive(kind, receive_part(peer), bytes);
  }
  if (sends_to(rank, rank)) copy(receive_part(rank), send_part(rank), bytes);
  return exchange_all(all, cancel_);
}

/// Sends and receives of one group, all at a time. What a rank sends to itself is copied.
Outcome ncclComm::point_to_point(const std::vector<Operation>& operations) {
  constexpr auto kind = static_cast<std::uint32_t>(Kind::send);
  std::vector<Lane> all = lanes();
  std::deque<const Operation*> own_sends, own_receives;
  for (const Operation& one : operations) {
    const bool is_send = one.kind == Kind::send;
    if (one.root == rank) {
      (is_send ? own_sends : own_receives).push_back(&one);
      continue;
    }
    Lane& lane = all[static_cast<std::size_t>(one.root < rank ? one.root : one.root - 1)];
    const std::size_t bytes = one.count * element_bytes(one.type);
    is_send ? lane.add_send(kind, one.send, bytes) : lane.add_receive(kind, one.receive, bytes);
  }
  if (own_sends.size() != own_receives.size()) return Outcome::mismatch;
  for (; !own_sends.empty(); own_sends.pop_front(), own_receives.pop_front()) {
    const std::size_t bytes = own_sends[0]->count * element_bytes(own_sends[0]->type);
    if (own_receives[0]->count * element_bytes(own_receives[0]->type) != bytes) return Outcome::mismatch;
    copy(own_receives[0]->receive, own_sends[0]->send, bytes);
  }
  return exchange_all(all, cancel_);
}

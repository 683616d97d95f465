// A communicator between threads of one process, for tests: real sums, and bits that flip on request.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <numeric>
#include <utility>
#include <vector>

#include "harness/base/clock.hpp"
#include "workloads/fabric/communicator.hpp"
#include "workloads/fabric/sum.hpp"

namespace grit::test {

struct Flip {
  int rank = -1;
  std::size_t collective = 0;  // of the step, in the order in which they were begun
  std::size_t byte = 0;
  unsigned char bit = 1;
};

/// All-reduces in place, and all-gathers. The last rank to begin one does it for all; the others see that in their next poll.
class ThreadCommunicator final : public Communicator {
 public:
  struct Sum {
    explicit Sum(int ranks) : calls(static_cast<std::size_t>(ranks)) {}
    std::vector<OperationCall> calls;  // by rank
    std::size_t begun = 0;
    std::size_t seen = 0;  // ranks that know that it is done
  };
  /// What the threads share.
  struct Group {
    explicit Group(int ranks, Flip flipped = {}) : size(ranks), flip(flipped) {}
    const int size;
    const Flip flip;
    std::mutex mutex{};
    std::deque<Sum> sums{};
    std::uint64_t first = 0;  // number of the first one in `sums`; those before are done and seen
    bool aborted = false;
  };

  ThreadCommunicator(Group& group, int rank, SpanSink* spans = nullptr)
      : Communicator(world(group.size), rank, std::make_shared<OpenOperations>(spans, 20 * kNsPerUs)), group_(group) {}

  void poke() override {
    ++pokes;
    const std::lock_guard lock(group_.mutex);
    if (group_.aborted) open().fail(internal_error("another rank failed").value());
    const std::int64_t now_ns = monotonic_ns();
    std::erase_if(mine_, [&](const std::pair<std::uint64_t, std::uint32_t>& one) {
      Sum& sum = group_.sums[one.first - group_.first];
      if (sum.begun < sum.calls.size()) return false;
      open().end_part(one.second, now_ns);
      ++sum.seen;
      return true;
    });
    while (!group_.sums.empty() && group_.sums.front().seen == group_.sums.front().calls.size())
      group_.sums.pop_front(), ++group_.first;
  }

  void abort(std::string_view reason) override {
    Communicator::abort(reason);
    const std::lock_guard lock(group_.mutex);
    group_.aborted = true;
  }

  Result<std::unique_ptr<Communicator>> split(std::string_view, std::uint16_t,
                                              std::span<const std::vector<int>>) override {
    return unavailable_error("threads have one group only");
  }

  int pokes = 0;
  std::size_t begun_in_step = 0;  // for who flips bits to set to 0 when a step begins

 protected:
  Status start(const OperationCall& call, std::uint32_t slot) override {
    const bool sums = call.operation == CollectiveOperation::all_reduce && call.send == call.receive;
    if (!sums && call.operation != CollectiveOperation::all_gather)
      return unavailable_error("threads do in-place all-reduces and all-gathers only");
    const std::lock_guard lock(group_.mutex);
    if (group_.aborted) return internal_error("another rank failed");
    if (next_ - group_.first == group_.sums.size()) group_.sums.emplace_back(size());
    Sum& sum = group_.sums[next_ - group_.first];
    sum.calls[static_cast<std::size_t>(rank())] = call;
    open().add_part(slot);
    mine_.emplace_back(next_++, slot);
    if (++sum.begun == sum.calls.size()) sums ? reduce(sum) : gather(sum);
    ++begun_in_step;
    return {};
  }

 private:
  static CommunicatorGroup world(int size) {
    CommunicatorGroup all;
    all.members.resize(static_cast<std::size_t>(size));
    std::iota(all.members.begin(), all.members.end(), 0);
    return all;
  }

  void reduce(const Sum& sum) const {
    const OperationCall& first = sum.calls[0];
    for (std::size_t rank = 1; rank < sum.calls.size(); ++rank)
      sum_into(sum.calls[rank].receive, first.receive, first.count, first.type);
    const auto* values = static_cast<const std::byte*>(first.receive);
    for (std::size_t rank = 1; rank < sum.calls.size(); ++rank)
      std::copy(values, values + first.count * bytes_per_element(first.type),
                static_cast<std::byte*>(sum.calls[rank].receive));
    if (group_.flip.rank >= 0 && begun_in_step == group_.flip.collective)
      static_cast<unsigned char*>(sum.calls[static_cast<std::size_t>(group_.flip.rank)].receive)[group_.flip.byte] ^=
          group_.flip.bit;
  }

  static void gather(const Sum& all) {
    for (const OperationCall& to : all.calls)
      for (std::size_t rank = 0; rank < all.calls.size(); ++rank) {
        const std::size_t bytes = to.count * bytes_per_element(to.type);
        std::memcpy(static_cast<std::byte*>(to.receive) + rank * bytes, all.calls[rank].send, bytes);
      }
  }

  Group& group_;
  std::vector<std::pair<std::uint64_t, std::uint32_t>> mine_;  // open: number of the sum, slot
  std::uint64_t next_ = 0;
};

}  // namespace grit::test

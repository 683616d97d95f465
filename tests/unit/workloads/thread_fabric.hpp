// A fabric between threads of one process, for tests: real sums, and bits that flip on request.
#pragma once

#include <barrier>
#include <cstdint>
#include <memory>
#include <vector>

#include "workloads/fabric/fabric.hpp"
#include "workloads/fabric/sum.hpp"

namespace grit::test {

struct Flip {
  int rank = -1;
  std::size_t collective = 0;  // of the step, in the order in which they were begun
  std::size_t byte = 0;
  unsigned char bit = 1;
};

class ThreadFabric final : public Fabric {
 public:
  struct Collective {
    void* buffer;
    std::size_t count;
    DataType type;
  };
  struct Group {
    explicit Group(int size) : begun(static_cast<std::size_t>(size)), meeting(size) {}
    std::vector<std::vector<Collective>> begun;  // by rank
    std::barrier<> meeting;
    Flip flip{};
  };

  ThreadFabric(Group& group, int rank) : group_(group), rank_(rank) {}

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return static_cast<int>(group_.begun.size()); }
  void poke() override { ++pokes; }

  Status allreduce_begin(void* buffer, std::size_t count, DataType type) override {
    group_.begun[static_cast<std::size_t>(rank_)].push_back({buffer, count, type});
    begun_in_step = group_.begun[static_cast<std::size_t>(rank_)].size();
    return {};
  }

  Status wait_all() override {
    group_.meeting.arrive_and_wait();
    if (rank_ == 0) reduce();
    group_.meeting.arrive_and_wait();
    return {};
  }

  int pokes = 0;
  std::size_t begun_in_step = 0;

 private:
  void reduce() {
    for (std::size_t i = 0; i < group_.begun[0].size(); ++i) {
      const Collective first = group_.begun[0][i];
      const std::size_t bytes = first.count * bytes_per_element(first.type);
      for (std::size_t rank = 1; rank < group_.begun.size(); ++rank) {
        sum_into(group_.begun[rank].at(i).buffer, first.buffer, first.count, first.type);
      }
      const auto* sum = static_cast<const std::byte*>(first.buffer);
      for (std::size_t rank = 1; rank < group_.begun.size(); ++rank) {
        std::copy(sum, sum + bytes, static_cast<std::byte*>(group_.begun[rank][i].buffer));
      }
    }
    if (group_.flip.rank >= 0) {
      const Collective& hit = group_.begun[static_cast<std::size_t>(group_.flip.rank)].at(group_.flip.collective);
      static_cast<unsigned char*>(hit.buffer)[group_.flip.byte] ^= group_.flip.bit;
    }
    for (auto& collectives : group_.begun) collectives.clear();
  }

  Group& group_;
  int rank_;
};

}  // namespace grit::test

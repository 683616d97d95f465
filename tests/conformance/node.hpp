// A node as faults see it: a network namespace with a NIC, and two processes in the place of ranks, which compute, send
// and keep the node's shared memory.
#pragma once

#include <sys/types.h>

#include <optional>

#include "harness/record/segment.hpp"
#include "tests/fakes/nvml/fake_gpus.hpp"
#include "tests/two_nodes.hpp"

namespace grit::test {

/// Two threads, and a process beside them that stands for a data loader. The first rank may run on all CPUs, its second
/// thread on the last one; the second rank is bound to the first CPU, as launchers bind ranks by default.
class StandInRank {
 public:
  /// Forks it. It makes steps of the workload, computes, sends a datagram through eth0, and so on; the second rank
  /// rests in between.
  StandInRank(const Segment& segment, std::size_t local_rank);
  StandInRank(const StandInRank&) = delete;
  StandInRank& operator=(const StandInRank&) = delete;
  ~StandInRank();
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// SIGKILL; dead when it returns, and not yet waited for, as its launcher may take a while to.
  void kill() const;
  /// As its launcher does in the end: of one that was killed nothing is left but its pid in the shared memory.
  void wait_for() const;
  /// Starts another in the place of one that a fault has killed.
  void replace_if_dead();

 private:
  void start();
  const Segment& segment_;
  std::size_t local_rank_;
  pid_t pid_ = -1;
};

struct Node {
  Node();
  TwoNodes network{};
  Segment segment = ok(Segment::create(2));
  StandInRank rank{segment, 0};
  StandInRank other_rank{segment, 1};
  std::optional<FakeGpus> gpus{};

  /// Two busy ones in a text file, whose power limits are not those that they were made with.
  void add_fake_gpus();
  void replace_dead_ranks();
  [[nodiscard]] bool is_rank(pid_t pid) const { return pid == rank.pid() || pid == other_rank.pid(); }

  /// All that a fault may have changed, as lines: must be the same before and after.
  [[nodiscard]] std::vector<std::string> state() const;
};

/// "+ new line", "- old line"; empty: the same.
std::string differences(const std::vector<std::string>& before, const std::vector<std::string>& after);

}  // namespace grit::test

// A node as faults see it: a network namespace with a NIC, and a process in the place of a rank, which computes, sends
// and keeps the node's shared memory.
#pragma once

#include <sys/types.h>

#include "harness/record/segment.hpp"
#include "tests/two_nodes.hpp"

namespace grit::test {

class StandInRank {
 public:
  /// Forks it. It computes for 1 ms, sends a datagram through eth0, sleeps for 1 ms, and so on.
  explicit StandInRank(const Segment& segment);
  StandInRank(const StandInRank&) = delete;
  StandInRank& operator=(const StandInRank&) = delete;
  ~StandInRank();
  [[nodiscard]] pid_t pid() const { return pid_; }
  /// Starts another in the place of one that a fault has killed.
  void replace_if_dead();

 private:
  void start();
  const Segment& segment_;
  pid_t pid_ = -1;
};

struct Node {
  Node();
  TwoNodes network{};
  Segment segment = ok(Segment::create(1));
  StandInRank rank{segment};

  /// All that a fault may have changed, as lines: must be the same before and after.
  [[nodiscard]] std::vector<std::string> state() const;
};

/// "+ new line", "- old line"; empty: the same.
std::string differences(const std::vector<std::string>& before, const std::vector<std::string>& after);

}  // namespace grit::test

// The virtual machines: ranks that train, and links between them. Time goes from event to event; what the faults on the
// board do to a rank or a link is here.
#pragma once

#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "harness/agent/recorder.hpp"
#include "tests/virtual/clock.hpp"
#include "tests/virtual/node.hpp"
#include "tests/virtual/run.hpp"

namespace grit::testing {

class VirtualCluster {
 public:
  VirtualCluster(const VirtualSetting& setting, const Plan& plan, const std::filesystem::path& directory);
  /// All blocks, or until the recorder ends the run.
  void run();

 private:
  struct Rank {
    std::int32_t number = 0;
    int node = 0;
    RankSlot* slot = nullptr;
    Phase phase = Phase::between_blocks;
    double left_ns = 0;  // of the phase's own work
    std::int64_t phase_began_ns = 0;
    StepRecord record{};
    bool last_step = false, dead = false;
    std::int64_t cpu_ns = 0, stopped_ns = 0;
  };

  // --- steps
  [[nodiscard]] bool goes_on(const Block& block);
  void run_block(const Block& block);
  void begin_step(Rank& rank);
  void enter(Rank& rank, Phase phase, double work_ns);
  void leave_phase(Rank& rank);
  void leave_collective();
  [[nodiscard]] double rate(const Rank& rank);
  [[nodiscard]] double collective_rate();
  [[nodiscard]] bool in_block() const;
  [[nodiscard]] bool all_arrived() const;
  // --- links
  void test_links(const Block& block);
  // --- time
  void pass_until(std::int64_t when_ns);
  [[nodiscard]] std::int64_t next_event_ns();
  void turn();  // all that is due now
  void end_the_run(int node, const std::string& why);
  // --- what faults do
  [[nodiscard]] bool is_stopped(const Rank& rank);
  [[nodiscard]] bool link_is_up(int node);
  [[nodiscard]] bool path_is_open(int a, int b);
  [[nodiscard]] bool has_vanished(int node) const { return vanished_.contains(node); }
  void kill_ranks();
  void note_aftermath();
  [[nodiscard]] Json usage_of(int node) const;
  [[nodiscard]] double noisy(double value);

  const VirtualSetting& setting_;
  const Plan& plan_;
  std::filesystem::path directory_;
  VirtualClock clock_{};
  Wire wire_{};
  FaultBoard board_{};
  Recorder recorder_;
  std::vector<std::unique_ptr<VirtualNode>> nodes_{};
  std::vector<Rank> ranks_{};
  std::mt19937_64 random_;
  Block block_{};
  std::int64_t block_began_ns_ = 0, next_turn_ns_ = 0;
  std::optional<std::uint32_t> last_step_{};  // of the block, as soon as its time is over
  std::uint32_t step_ = 0;
  double collective_left_ns_ = -1;  // below 0: none is under way
  std::int64_t aftermath_until_ns_ = 0;
  bool network_was_hit_ = false;
  std::set<int> vanished_{}, ended_{};
};

}  // namespace grit::testing

// Which cell comes next: a pure state machine. Results in, cells out; no clock, no process, no file.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "analysis/burnin/judgement.hpp"
#include "harness/model/burnin.hpp"

namespace grit {

struct BurninSetup {
  BurninConfig config{};
  std::vector<BurninHost> hosts{};
  int parallel = 1;           // cells at a time
  bool shares_cores = false;  // nodes are namespaces of one machine: a round that is `alone` has one cell at a time
  std::uint64_t seed = 1;
  std::optional<BurninReference> reference{};
};

struct BurninChange {
  std::string host{};
  BurninNodeState from = BurninNodeState::untested, to = BurninNodeState::untested;
  std::string why{};
};

using BurninJudge = std::function<std::vector<BurninFinding>(const BurninEvidence&)>;

/// The same setup and the same results in the same order give the same cells, whatever happens in between: so a log of
/// results is all that a resumed burn-in needs.
///
/// A round: visits one after another; in each every node that is not bad or given up is in one cell, and in two when
/// nobody else is left over for another (harness/burnin/teams.hpp); a node is in one cell at a time. A cell that lost
/// nodes (nothing came of them) gives each of its nodes that were lost a cell of its own; who fails alone twice is
/// not_tested, "died". Who came through in no cell with others gets one more, with nodes that did, and is then
/// not_tested; but a round in which every node says the same error, and nobody has a figure, is skipped, and that is
/// said of the fleet. When all visits are done the judge looks; each suspect gets cells that confirm, with nodes clear
/// in this measure, until no look is left. Then the next round. What a judgement, a check or a fact needs is in
/// harness/burnin/book.hpp.
class BurninScheduler {
 public:
  BurninScheduler(BurninSetup setup, BurninJudge judge = judge_burnin);
  BurninScheduler(BurninScheduler&&) noexcept;
  ~BurninScheduler();

  /// Cells to start now; each is offered once and is running from then on. Empty with nothing running: done.
  std::vector<BurninCell> next();
  /// A cell has ended. It must be one that is running.
  std::vector<BurninChange> take(BurninCellResult result);
  [[nodiscard]] bool done() const;
  /// No further cells. Who has not come to the end of all rounds once is not_tested, for this reason; after whole
  /// cycles each node is in the state that the last of them left it in, but for what has been shown since, and who was
  /// given up.
  std::vector<BurninChange> give_up(const std::string& why);

  [[nodiscard]] BurninProgress progress() const;  // without times
  /// Without launcher, start and duration.
  [[nodiscard]] BurninReport report() const;

 private:
  struct Private;
  std::unique_ptr<Private> private_;
};

}  // namespace grit

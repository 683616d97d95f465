// Cells that the launcher could not start, one after the other: is it the nodes, or what starts cells?
#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <string>

#include "harness/model/burnin.hpp"

namespace grit {

/// Cells in a row that could not be started, with none between them that was. A node that cannot be reached while
/// others can is itself the reason; when none can be reached any more, then this host's network, the launcher or the
/// allocation is, and nothing is known of the nodes. Cells between them that Slurm cancelled, as it does when the
/// allocation ends, do not end the row, and say nothing by themselves.
class UnstartedCells {
 public:
  void add(const BurninCellResult& result);
  /// Of the row, with cancelled ones: how many results say nothing of a node, when the launcher is accused.
  [[nodiscard]] std::size_t count() const { return count_; }
  /// What the launcher said of the last one that it could not start, or of one that found the allocation over.
  [[nodiscard]] const std::string& words() const { return words_; }
  [[nodiscard]] bool allocation_is_over() const { return allocation_is_over_; }
  /// One of them found the allocation over. Or those not started are at least 8 and as many as there are nodes, or,
  /// when no cell runs any more, all that there ever were; and every node that is neither bad nor not tested was in one
  /// of them. `report` is asked only when they are so many.
  [[nodiscard]] bool accuse_launcher(std::size_t nodes, bool is_over,
                                     const std::function<BurninReport()>& report) const;

 private:
  std::size_t count_ = 0, not_started_ = 0;
  bool has_started_ = false;  // any cell, ever
  bool allocation_is_over_ = false;
  std::string words_{};
  std::set<std::string> hosts_{};
};

}  // namespace grit

// What nodes that share a machine wait for its storage for: the machine's, and no single node's.
//
// Of readers and writers beside each other a disk serves now this one first and now that one, so that which of a
// machine's nodes waits longest tells nothing of that node.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "analysis/blame/blame_facts.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

struct StorageWaits {
  std::vector<std::size_t> nodes{};    // all of the machines that wait; ascending
  std::vector<double> grown_ns{};      // as `nodes`: by how much input and checkpoint of each grew a step
  std::vector<std::size_t> waiting{};  // those of them whose input and checkpoint take longer for no other reason
  WorkGrowth grown{};                  // of input and checkpoint, by who waited most in each pair
};

/// Machines of several nodes that wait for their storage: input and checkpoint together, by the rank of which they grew
/// most in each pair, grew by kListedShare of the loss, and storage is what was short (classify()). Nodes whose own
/// grew by as much and for another reason, such as want of CPUs, are left out. Where all machines wait, and none less
/// than half as long as another, what they wait for is all nodes'. Empty: none waits. `facts`: of all own work.
std::optional<StorageWaits> storage_waits(const BlameFacts& facts);

/// What goes when nobody waits for it. Its place is the machines' nodes, or none where they are all nodes. Empty: no
/// more than by chance (an exact sign-flip test over the pairs, 5 %), or less than kListedShare. `facts`: of the work
/// without these waits (OwnWork::without_storage() of StorageWaits::waiting).
std::optional<Suspect> storage_suspect(const BlameFacts& facts, const StorageWaits& waits);

}  // namespace grit

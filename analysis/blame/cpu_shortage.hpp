// Is it for want of CPUs that communication takes longer? A rank that does not get a CPU does not serve its links
// either, so that in step records this looks like a slow network.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "analysis/blame/blame_facts.hpp"
#include "analysis/blame/links.hpp"

namespace grit {

enum class CpuShortage { none, shown, possible };

struct ShortMachine {
  std::vector<std::size_t> nodes{};
  double wait_ns = 0;  // a step longer for a CPU, all of its ranks together
};

struct ShortOfCpus {
  CpuShortage shortage = CpuShortage::none;
  std::vector<ShortMachine> machines{};  // that are short, the shortest first, at most kBlamedApart; empty: all are
  double wait_ns = 0;                    // where all are: of the middle rank, or of all of the middle machine
};

/// Did ranks wait for CPUs that others took? Either the middle rank did for a good part of the loss, or all ranks
/// together: a burst of other work that holds up one of them after the other may be the loss. One machine of several is
/// short where its ranks waited for longer than those of the others did, by more than chance (an exact test over the
/// pairs, of all machines together, 5 %), and others were seen to take its CPUs. `links`: what the link test found.
ShortOfCpus find_shortage(const BlameFacts& facts, const std::optional<LinkFinding>& links);

}  // namespace grit

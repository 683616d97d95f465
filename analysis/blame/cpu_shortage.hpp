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

struct ShortOfCpus {
  CpuShortage shortage = CpuShortage::none;
  std::vector<std::size_t> nodes{};  // those of the one machine that is short of CPUs, where there are others
  double wait_ns = 0;                // of these, or of the middle rank, a step longer for a CPU
};

/// Did ranks wait for CPUs that others took? `links`: what the link test found.
ShortOfCpus find_shortage(const BlameFacts& facts, const std::optional<LinkFinding>& links);

}  // namespace grit

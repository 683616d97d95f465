// Communication that takes longer than without the fault, though nobody's own work does: the network's (whose links, as
// far as the link test or a check tells), or that of machines that are short of CPUs.
#pragma once

#include <optional>
#include <vector>

#include "analysis/blame/blame_facts.hpp"
#include "analysis/blame/cpu_shortage.hpp"
#include "analysis/blame/links.hpp"
#include "harness/model/verdict.hpp"

namespace grit {

struct Communication {
  double share = 0;  // of the loss, without stops inside of collectives
  std::optional<LinkFinding> links{};
  std::vector<SilentLink> silent{};
  ShortOfCpus cpus{};
  [[nodiscard]] bool all_links_alike() const { return links && links->all_alike; }
  /// All machines are short of CPUs, which others took.
  [[nodiscard]] bool cpus_short_everywhere() const {
    return cpus.shortage == CpuShortage::shown && cpus.machines.empty();
  }
};

Communication look_at_communication(const BlameFacts& facts);

/// Those to whom its growth is laid; of what all nodes share shared_suspect() speaks.
std::vector<Suspect> communication_suspects(const BlameFacts& facts, const Communication& communication);

}  // namespace grit

// A share of packets dropped at random by nftables: the kernel ends it with this process. For machines whose
// kernel has no netem. Each packet is drawn independently (numgen random); loss in bursts needs netem (tc-netem(8),
// gemodel).
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "injectors/injector.hpp"

namespace grit {

struct NftLoss {
  std::string nic{};
  std::string direction = "both";    // "in", "out", "both", as seen from this node
  double share = 1;                  // of the packets; 1: all
  std::vector<std::string> peers{};  // addresses without prefix length; empty: every peer
};

/// Counters: "dropped_packets", "dropped_bytes", over all starts. Idle until started.
Result<std::unique_ptr<Fault>> make_nft_loss(const NftLoss& loss);
/// Why the kernel would not take it here; changes nothing.
std::optional<std::string> why_no_nft_loss(const NftLoss& loss);

}  // namespace grit

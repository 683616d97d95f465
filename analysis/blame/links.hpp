// Which node's links, or which single link, became slow: from the link test's figures (harness/run/link_test.hpp).
//
// For a link the fault blocks are set against the baseline blocks, by the mean time of transfers (bandwidth), the
// middle of the medians of round trips (latency) and the mean of their longest (a stall of a second in one entry of
// many counts; means, so that what comes rarely but is bad counts). A fourth is what TCP sent again, per block: a
// packet in a hundred that is lost hides in the noise of times, but not in this count. A node is named when nearly all
// of its links (three quarters) became worse by more than nearly all links that do not touch it, and clearly so. Two or
// three nodes, at most half of all, are named when each of them is such a node by its links to all other nodes. A
// single link is named, before any node, when it became worse than all others, by the times, clearly more so than
// baseline blocks differ, and by four times as much as any of those did (exchanges that it holds up are slow, too); or
// when it alone stalls, four times as long as anything on another link or without the fault. In each fault block they
// must stand out: what stalls any link a few times does so in one block.
// A link over which nothing came through under the fault has no figures to compare. It, or the node whose links these
// are, is named first when by the baseline's rate so many transfers were due that none at all is no chance.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "analysis/blame/link_changes.hpp"

namespace grit {

/// What the links show.
struct LinkFinding {
  std::vector<int> nodes{};     // all of their links became slow and others did not, or much less
  std::vector<double> parts{};  // of each of them, of what these links are slower by; they add up to 1
  int a = -1, b = -1;           // or this link alone did
  bool all_alike = false;       // or all links did
  bool nothing = false;         // or none
  bool lost = false;            // of those named: packets were lost there
  bool silent = false;          // of those named: nothing came through under the fault
  double times = 0;             // of those named: how many times slower; 0: silent, or found by what TCP sent again
  std::string text{};  // of those named: "transfers over its links 3.4 times slower, over others 1.1 times", by the
                       // least of them and the most of the others
  [[nodiscard]] bool named() const { return !nodes.empty() || a >= 0; }
};

/// Empty: no figures, or they do not agree on anything.
std::optional<LinkFinding> judge_links(const LinkFigures& figures);

}  // namespace grit

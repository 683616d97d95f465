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
#pragma once

#include <array>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"
#include "harness/record/json_lines.hpp"

namespace grit {

/// One link, fault blocks against baseline blocks.
struct LinkChange {
  int a = 0, b = 0;                                        // nodes, a < b
  double baseline_latency_ns = 0, fault_latency_ns = 0;    // middle of the medians of round trips
  double baseline_worst_ns = 0, fault_worst_ns = 0;        // mean of longest round trips
  double baseline_bits_per_s = 0, fault_bits_per_s = 0;    // by the mean time of a transfer
  double baseline_retransmits = 0, fault_retransmits = 0;  // of a block, both directions
  /// By how much the four differ between baseline blocks, at most: logarithms, for transfers, latency, longest and
  /// retransmits.
  std::array<double, 4> noise_log{};
  /// By fault block: how many times worse than the baseline, the same logarithms.
  std::vector<std::array<double, 4>> fault_log{};
  /// The longest round trip of each block.
  std::vector<double> baseline_longest_ns{}, fault_longest_ns{};
  /// How many times slower, by whichever of the three times changed most.
  [[nodiscard]] double slowdown() const;
};

/// All links with figures of both kinds of block, by a and b: from the lines of links.jsonl
/// (harness/run/link_test.hpp), of which only sums are kept. What is not as documented counts for nothing.
std::vector<LinkChange> link_changes(const JsonLines& entries);

/// The entries of a links.json, as runs wrote before there was links.jsonl: {"links": [...], "tcp": [...]}.
JsonLines link_lines(const Json& document);

/// What a run directory has of a link test; empty: there was none. Error: it cannot be read.
Result<std::optional<JsonLines>> read_links(const std::filesystem::path& run_directory);

/// What the links show.
struct LinkFinding {
  std::vector<int> nodes{};     // all of their links became slow and others did not, or much less
  std::vector<double> parts{};  // of each of them, of what these links are slower by; they add up to 1
  int a = -1, b = -1;           // or this link alone did
  bool all_alike = false;       // or all links did
  bool nothing = false;         // or none
  bool lost = false;            // of those named: packets were lost there
  double times = 0;             // of those named: how many times slower; 0: found by what TCP sent again
  std::string text{};  // of those named: "transfers over its links 3.4 times slower, over others 1.1 times", by the
                       // least of them and the most of the others
  [[nodiscard]] bool named() const { return !nodes.empty() || a >= 0; }
};

/// Empty: no figures, or they do not agree on anything.
std::optional<LinkFinding> judge_links(const std::vector<LinkChange>& links);

}  // namespace grit

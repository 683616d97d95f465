// What the link test measured (harness/run/link_test.hpp), by link: fault blocks against baseline blocks.
#pragma once

#include <array>
#include <filesystem>
#include <optional>
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
  /// By fault block: how many times worse than the baseline, the same logarithms; NaN: nothing came through in it.
  std::vector<std::array<double, 4>> fault_log{};
  /// The longest round trip of each block.
  std::vector<double> baseline_longest_ns{}, fault_longest_ns{};
  /// How many times slower, by whichever of the three times changed most.
  [[nodiscard]] double slowdown() const;
};

/// A link over which something came through in baseline blocks, and nothing in any fault block.
struct SilentLink {
  int a = 0, b = 0;             // nodes, a < b
  bool transfers_only = false;  // small messages came through, large ones did not
  double due = 0;               // so many came through without the fault in blocks as many as these
};

struct LinkFigures {
  std::vector<LinkChange> changes{};  // links with figures of both kinds of block, by a and b
  std::vector<SilentLink> silent{};   // by a and b; with transfers_only it is among `changes` as well
};

/// From the lines of links.jsonl (harness/run/link_test.hpp), of which only sums are kept. What is not as documented
/// counts for nothing. No link is silent where there is no fault block that any link has figures of.
LinkFigures link_figures(const JsonLines& entries);

/// The entries of a links.json, as runs wrote before there was links.jsonl: {"links": [...], "tcp": [...]}.
JsonLines link_lines(const Json& document);

/// What a run directory has of a link test; empty: there was none. Error: it cannot be read.
Result<std::optional<JsonLines>> read_links(const std::filesystem::path& run_directory);

}  // namespace grit

// By what a link's fault blocks are set against its baseline blocks, and from when on a difference counts.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "analysis/blame/link_changes.hpp"

namespace grit {

/// Below, a link counts as it was: a fifth slower, in natural logarithms. A shared machine's links differ by less.
constexpr double kSlow_log = 0.18;
/// By how much more than others' a node's links must have become slower.
constexpr double kApart_log = 0.18;

/// A figure of a link; NaN: there is nothing to compare, as where no transfer came through.
using LinkMeasure = double (*)(const LinkChange&);

struct NamedMeasure {
  const char* name;
  LinkMeasure log;       // the natural logarithm of how many times worse under the fault
  LinkMeasure increase;  // by how much worse, in its own unit: what two causes do to a link adds up
};

/// Transfers, round trips, the longest round trips, TCP retransmits.
constexpr std::size_t kLinkMeasures = 4;
constexpr std::size_t kTimes = 3;  // of them
extern const std::array<NamedMeasure, kLinkMeasures> kMeasures;

/// Nearest rank. Needs at least one value.
double quantile(std::vector<double> values, double share);

}  // namespace grit

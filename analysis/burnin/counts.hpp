// What should be rare, or never be: counts, which need no peers.
#pragma once

#include <cstddef>
#include <vector>

#include "analysis/burnin/judgement.hpp"
#include "analysis/burnin/readings.hpp"

namespace grit {

/// What was counted of one suspect: a node, or one direction of its links, or a link.
struct BurninCounted {
  BurninFinding finding{};             // measure, host, peer
  std::vector<BurninReading> base{};   // what raised the suspicion
  std::vector<BurninReading> fresh{};  // in the company of nodes that are no suspects
  std::size_t partners = 0;            // of a link's direction: how many different ones in `fresh`
  bool blamed_on_another = false;      // each base cell with a count in it has another node that is shown
};

/// Suspects of a measure of counts, nodes first, then links whose ends are no suspects by themselves.
std::vector<BurninCounted> counted_suspects(const BurninReadings& readings, const BurninEvidence& evidence);

/// Findings of these at this level each. Of shares: the lower end of T. Garwood's interval (no shorter than that of the
/// binomial, T. W. Anderson and S. M. Samuels, Fifth Berkeley Symposium, 1967), and Student's of the cells' shares, so
/// that a burst in one cell shows nothing; and events in the company of each partner.
std::vector<BurninFinding> decide_counts(const BurninReadings& readings, std::vector<BurninCounted> suspects,
                                         const BurninEvidence& evidence, double level);

}  // namespace grit

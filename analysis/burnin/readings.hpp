// Observations of a burn-in put together by what is held against each other: one measure, one round, one machine class.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "analysis/burnin/judgement.hpp"
#include "analysis/burnin/peers.hpp"
#include "harness/model/burnin_measures.hpp"

namespace grit {

/// One figure as it is judged.
struct BurninReading {
  std::size_t host = 0;               // of BurninReadings::hosts; of a link the sender
  std::size_t peer = 0;               // of a link the receiver, else the host itself
  int visit = 0;                      //
  double worse = 0;                   // logarithm of the figure, its sign turned so that larger is worse; of counts 0
  double value = 0;                   // as observed
  double exposure = 0;                // of a count
  const std::string* cell = nullptr;  // its id
};

/// The logarithm of a rate or time, its sign turned so that larger is worse. What is 0 or less counts as something
/// tiny.
double worse_log(const BurninMeasure& measure, double value);

/// How coarse the figures are, as the step between neighbouring logarithms in the middle; 0: no two are equal, so that
/// they are no rounded ones.
double step_of(const std::vector<BurninReading>& readings);

/// The measure's tolerance in this config: of a rate or time as the logarithm of a ratio, of `rarer` a share.
double tolerance_in(const BurninConfig& config, const BurninMeasure& measure);

/// A cell id begins with its round's name and a slash.
std::string round_of_cell(const std::string& cell);

struct BurninReadings {
  const BurninMeasure* measure = nullptr;
  BurninLimits limits{};  // of the config
  double tolerance = 0;   // as the logarithm of a ratio (of `rarer` a share), like the spread
  BurninSpread spread{};
  std::string round{};                 //
  std::string machine_class{};         // of a link between two classes both
  std::vector<std::string> hosts{};    // ascending
  std::vector<BurninReading> base{};   // in an order that does not depend on that of the observations
  std::vector<BurninReading> fresh{};  // those that confirm

  [[nodiscard]] bool is_rate() const {
    return measure->better == BurninBetter::higher || measure->better == BurninBetter::lower;
  }
};

/// Of the round that the evidence names, or of all of them. Observations of unknown measures, of hosts without a class
/// and values that are no numbers are left out.
std::vector<BurninReadings> burnin_readings(const BurninEvidence& evidence);

/// For readings of which one visit is one value: by host, the mean of each visit.
std::vector<std::map<int, double>> by_host_and_visit(const std::vector<BurninReading>& readings, std::size_t hosts);

}  // namespace grit

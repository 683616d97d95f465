// A simulated fleet that goes through one round of a burn-in: nodes that differ for good, visits that drift, noise that
// wanders, some bad nodes; and the loop of visits, judgement and confirmation.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "analysis/burnin/judgement.hpp"

namespace grit::testing {

/// How nodes of a class differ for good.
enum class FleetSpread { none, normal, student8, student3, student2, exponential, lognormal, two_levels };

struct FleetSettings {
  std::size_t nodes = 8;
  FleetSpread spread = FleetSpread::normal;
  double spread_size = 0.005;  // standard deviation; of student its scale; of two levels how far they are apart
  double slow_share = 0.2;     // of two levels
  std::optional<double> stated_spread{};  // in the config
  double noise = 0.01;                    // standard deviation of a visit's value
  double noise_autocorrelation = 0;
  double stalls = 0;  // share of visits that take 1.5 times as long
  double drift = 0;   // per visit, of all nodes
  int digits = 0;     // to which figures are rounded; 0: not
  int visits = 3;
  int rounds = 1;                // that share the level, of which this is one
  std::vector<double> slower{};  // of the first nodes: by so much of the logarithm
  std::string measure = "compute";
};

class SimulatedFleet {
 public:
  SimulatedFleet(std::mt19937_64& random, FleetSettings settings) : random_(random), settings_(std::move(settings)) {
    for (std::size_t i = 0; i < settings_.nodes; ++i) {
      offsets_.push_back(draw_offset() + (i < settings_.slower.size() ? settings_.slower[i] : 0));
      wander_.push_back(settings_.noise * normal_(random_));
      names_.push_back(fmt::format("n{:04}", i));
      classes_[names_.back()] = "one class";
    }
    config_.rounds.assign(static_cast<std::size_t>(settings_.rounds), {.name = "solo", .kinds = {"compute"}});
    if (settings_.stated_spread) config_.limits[settings_.measure].spread = settings_.stated_spread;
  }

  BurninConfig& config() { return config_; }
  [[nodiscard]] const std::map<std::string, std::string>& classes() const { return classes_; }
  [[nodiscard]] const std::vector<BurninObservation>& observations() const { return observations_; }
  [[nodiscard]] const std::string& name(std::size_t i) const { return names_[i]; }
  [[nodiscard]] double offset(std::size_t i) const { return offsets_[i]; }
  [[nodiscard]] const std::map<std::string, int>& looks() const { return looks_; }
  BurninReference reference{};
  bool has_reference = false;

  /// All base visits.
  void measure_all() {
    for (int visit = 0; visit < settings_.visits; ++visit) {
      drift_ += settings_.drift;
      for (std::size_t i = 0; i < settings_.nodes; ++i) observe(i, visit, false);
    }
  }

  [[nodiscard]] std::vector<BurninFinding> judge() const { return judge_burnin(evidence()); }
  [[nodiscard]] BurninEvidence evidence() const {
    return {.config = &config_,
            .machine_class = &classes_,
            .group = &groups_,
            .observations = &observations_,
            .reference = has_reference ? &reference : nullptr,
            .round = "solo",
            .looks = looks_};
  }

  /// Visits, and looks until nobody is a suspect. Findings of the last one.
  std::vector<BurninFinding> burn_in() {
    measure_all();
    std::vector<BurninFinding> findings = judge();
    int more = config_.confirm_visits;
    for (int look = 1; look <= config_.looks; ++look) {
      std::set<std::string> suspects, not_clear;
      for (const BurninFinding& one : findings) {
        not_clear.insert(one.host);
        if (one.status == BurninStatus::suspect) suspects.insert(one.host), ++looks_[finding_key(one)];
      }
      if (suspects.empty()) break;
      std::vector<std::size_t> good;
      for (std::size_t i = 0; i < settings_.nodes; ++i)
        if (!not_clear.contains(names_[i])) good.push_back(i);
      for (int once = 0; once < more; ++once) confirm(suspects, good);
      // The next look has twice as many in all.
      more = config_.confirm_visits << (look - 1);
      findings = judge();
    }
    return findings;
  }

 private:
  double draw_offset() {
    const double size = settings_.spread_size;
    switch (settings_.spread) {
      case FleetSpread::normal:
        return size * normal_(random_);
      case FleetSpread::student8:
        return size * std::student_t_distribution<double>(8)(random_);
      case FleetSpread::student3:
        return size * std::student_t_distribution<double>(3)(random_);
      case FleetSpread::student2:
        return size * std::student_t_distribution<double>(2)(random_);
      case FleetSpread::exponential:
        return size * (std::exponential_distribution<double>(1)(random_) - 1);
      case FleetSpread::lognormal:  // its logarithm's standard deviation is 0.5
        return size / 0.604 * (std::exp(0.5 * normal_(random_)) - 1.133);
      case FleetSpread::two_levels:
        return (std::bernoulli_distribution(settings_.slow_share)(random_) ? size : 0) + 0.1 * size * normal_(random_);
      case FleetSpread::none:
        break;
    }
    return 0;
  }

  void observe(std::size_t i, int visit, bool confirms) {
    const double keep = settings_.noise_autocorrelation;
    wander_[i] = keep * wander_[i] + std::sqrt(1 - keep * keep) * settings_.noise * normal_(random_);
    const double stall = settings_.stalls > 0 && std::bernoulli_distribution(settings_.stalls)(random_) ? 0.4 : 0;
    BurninObservation one;
    one.measure = settings_.measure, one.host = names_[i], one.visit = visit, one.confirms = confirms;
    one.value = 3e9 * std::exp(-(offsets_[i] + drift_ + wander_[i] + stall));
    if (settings_.digits > 0) {
      const double unit = std::pow(10, std::floor(std::log10(one.value)) + 1 - settings_.digits);
      one.value = unit * std::round(one.value / unit);
    }
    one.cell = fmt::format("solo/{}{}/{}", confirms ? "confirm-" : "", visit, names_[i]);
    observations_.push_back(std::move(one));
  }

  /// Each suspect beside two good nodes, in a visit of its own.
  void confirm(const std::set<std::string>& suspects, const std::vector<std::size_t>& good) {
    drift_ += settings_.drift;
    for (std::size_t i = 0; i < settings_.nodes; ++i) {
      if (!suspects.contains(names_[i])) continue;
      const int visit = settings_.visits + confirming_visits_++;
      observe(i, visit, true);
      for (int control = 0; control < 2 && !good.empty(); ++control)
        observe(good[std::uniform_int_distribution<std::size_t>(0, good.size() - 1)(random_)], visit, true);
    }
  }

  std::mt19937_64& random_;
  std::normal_distribution<double> normal_{};
  FleetSettings settings_;
  BurninConfig config_{};
  std::vector<double> offsets_{}, wander_{};
  std::vector<std::string> names_{};
  std::map<std::string, std::string> classes_{}, groups_{};
  std::vector<BurninObservation> observations_{};
  std::map<std::string, int> looks_{};
  double drift_ = 0;
  int confirming_visits_ = 0;
};

}  // namespace grit::testing

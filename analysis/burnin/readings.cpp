#include "analysis/burnin/readings.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>
#include <tuple>
#include <unordered_map>

#include "analysis/stats/median.hpp"

namespace grit {
namespace {

/// What is no longer a rate counts as this small one: its logarithm is finite, and further from its peers than
/// anything.
constexpr double kSmallestValue = 1e-30;

void set_limits(BurninReadings& readings, const BurninConfig& config) {
  const auto found = config.limits.find(std::string(readings.measure->name));
  if (found != config.limits.end()) readings.limits = found->second;
  readings.tolerance = tolerance_in(config, *readings.measure);
  readings.spread = {readings.limits.spread.value_or(readings.measure->spread), readings.limits.spread.has_value()};
}

/// Observations of one set, before hosts have numbers.
struct GatheredReadings {
  const BurninMeasure* measure = nullptr;
  std::string machine_class{};
  std::vector<const BurninObservation*> observations{};
};

BurninReadings numbered(GatheredReadings gathered, std::string round, const BurninConfig& config) {
  BurninReadings set;
  set.measure = gathered.measure;
  set.round = std::move(round);
  set.machine_class = std::move(gathered.machine_class);
  set_limits(set, config);
  for (const BurninObservation* one : gathered.observations) {
    set.hosts.push_back(one->host);
    if (!one->peer.empty()) set.hosts.push_back(one->peer);
  }
  std::sort(set.hosts.begin(), set.hosts.end());
  set.hosts.erase(std::unique(set.hosts.begin(), set.hosts.end()), set.hosts.end());
  std::unordered_map<std::string_view, std::size_t> number;
  for (std::size_t i = 0; i < set.hosts.size(); ++i) number[set.hosts[i]] = i;
  for (const BurninObservation* one : gathered.observations) {
    const std::size_t host = number[one->host];
    (one->confirms ? set.fresh : set.base)
        .push_back({host, one->peer.empty() ? host : number[one->peer], one->visit,
                    set.is_rate() ? worse_log(*set.measure, one->value) : 0, one->value, one->exposure, &one->cell});
  }
  const auto place = [](const BurninReading& one) {
    return std::tuple(one.host, one.peer, one.visit, std::string_view(*one.cell), one.value, one.exposure);
  };
  for (auto* readings : {&set.base, &set.fresh})
    std::sort(readings->begin(), readings->end(), [&](const auto& a, const auto& b) { return place(a) < place(b); });
  return set;
}

}  // namespace

double tolerance_in(const BurninConfig& config, const BurninMeasure& measure) {
  const auto limits = config.limits.find(std::string(measure.name));
  const double tolerance =
      limits == config.limits.end() ? measure.tolerance : limits->second.tolerance.value_or(measure.tolerance);
  // "3 % slower" is a rate of 97 % or a time of 103 %.
  if (measure.better == BurninBetter::higher) return -std::log1p(-std::min(tolerance, 0.99));
  return measure.better == BurninBetter::lower ? std::log1p(tolerance) : tolerance;
}

double worse_log(const BurninMeasure& measure, double value) {
  const double logarithm = std::log(std::max(value, kSmallestValue));
  return measure.better == BurninBetter::higher ? -logarithm : logarithm;
}

double step_of(const std::vector<BurninReading>& readings) {
  std::vector<double> values, steps;
  for (const BurninReading& one : readings) values.push_back(one.worse);
  std::sort(values.begin(), values.end());
  for (std::size_t i = 1; i < values.size(); ++i)
    if (values[i] > values[i - 1]) steps.push_back(values[i] - values[i - 1]);
  if (steps.empty() || steps.size() + 1 == values.size()) return 0;
  return median(std::move(steps));
}

std::string round_of_cell(const std::string& cell) { return cell.substr(0, cell.find('/')); }

std::vector<BurninReadings> burnin_readings(const BurninEvidence& evidence) {
  std::map<std::tuple<std::string, std::string_view, std::string>, GatheredReadings> sets;
  std::tuple<std::string, std::string_view, std::string> key;
  for (const BurninObservation& one : *evidence.observations) {
    const BurninMeasure* measure = find_burnin_measure(one.measure);
    const auto own = evidence.machine_class->find(one.host);
    if (measure == nullptr || !std::isfinite(one.value) || own == evidence.machine_class->end()) continue;
    std::get<0>(key) = round_of_cell(one.cell);
    if (!evidence.round.empty() && std::get<0>(key) != evidence.round) continue;
    std::get<1>(key) = measure->name;
    std::get<2>(key) = own->second;
    if (!one.peer.empty()) {
      const auto other = evidence.machine_class->find(one.peer);
      if (other == evidence.machine_class->end()) continue;
      if (other->second != own->second)
        std::get<2>(key) = std::min(own->second, other->second) + " with " + std::max(own->second, other->second);
    }
    GatheredReadings& gathered = sets[key];
    gathered.measure = measure;
    gathered.machine_class = std::get<2>(key);
    gathered.observations.push_back(&one);
  }
  std::vector<BurninReadings> result;
  for (auto& [name, gathered] : sets)
    result.push_back(numbered(std::move(gathered), std::get<0>(name), *evidence.config));
  return result;
}

std::vector<std::map<int, double>> by_host_and_visit(const std::vector<BurninReading>& readings, std::size_t hosts) {
  std::vector<std::map<int, std::pair<double, int>>> sums(hosts);
  for (const BurninReading& one : readings) {
    auto& [sum, count] = sums[one.host][one.visit];
    sum += one.worse;
    ++count;
  }
  std::vector<std::map<int, double>> result(hosts);
  for (std::size_t host = 0; host < hosts; ++host)
    for (const auto& [visit, sum] : sums[host]) result[host][visit] = sum.first / sum.second;
  return result;
}

}  // namespace grit

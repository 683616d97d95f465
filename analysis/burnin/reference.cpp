// A burn-in of before, and how this one differs from it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/burnin/readings.hpp"
#include "analysis/burnin/words.hpp"
#include "analysis/stats/median.hpp"
#include "analysis/stats/median_interval.hpp"
#include "harness/model/format.hpp"

namespace grit {
namespace {

using BurninMiddles = std::map<std::string, std::map<std::string, double>>;

Result<BurninMiddles> middles_from_json(const Json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_object())
    return usage_error(fmt::format("a reference needs an object '{}'", key));
  BurninMiddles middles;
  for (const auto& [name, measures] : found->items()) {
    if (!measures.is_object()) return usage_error(fmt::format("'{}' of a reference: {} is no object", key, name));
    for (const auto& [measure, value] : measures.items()) {
      if (!value.is_number())
        return usage_error(fmt::format("'{}' of a reference: {} of {} is no number", key, measure, name));
      middles[name][measure] = value.get<double>();
    }
  }
  return middles;
}

}  // namespace

Json to_json(const BurninReference& reference) {
  return Json{{"format", formats::kReference.number}, {"classes", reference.classes}, {"nodes", reference.nodes}};
}

Result<BurninReference> reference_from_json(const Json& json) {
  if (!json.is_object()) return usage_error("a reference is a JSON object");
  GRIT_CHECK(check_format(json, formats::kReference));
  BurninReference reference;
  GRIT_TRY(reference.classes, middles_from_json(json, "classes"));
  GRIT_TRY(reference.nodes, middles_from_json(json, "nodes"));
  return reference;
}

BurninReference reference_of(const BurninReport& report) {
  BurninReference reference;
  std::map<std::string, std::map<std::string, std::vector<double>>> classes;
  for (const BurninNodeReport& node : report.nodes) {
    if (node.state != BurninNodeState::good || node.figures.empty()) continue;
    reference.nodes[node.host] = node.figures;
    for (const auto& [measure, value] : node.figures) classes[node.machine_class][measure].push_back(value);
  }
  for (auto& [name, measures] : classes)
    for (auto& [measure, values] : measures) reference.classes[name][measure] = median(std::move(values));
  return reference;
}

std::vector<BurninFinding> fleet_shift(const BurninEvidence& evidence) {
  if (evidence.reference == nullptr) return {};
  std::map<std::pair<std::string, std::string_view>, std::vector<double>> changes;  // by class and measure
  for (const auto& [host, figures] : node_figures(evidence)) {
    const auto own = evidence.machine_class->find(host);
    const auto before = evidence.reference->nodes.find(host);
    if (own == evidence.machine_class->end() || before == evidence.reference->nodes.end()) continue;
    for (const auto& [name, value] : figures) {
      const BurninMeasure* measure = find_burnin_measure(name);
      const auto then = before->second.find(name);
      if (measure == nullptr || then == before->second.end() || value <= 0 || then->second <= 0) continue;
      if (measure->better == BurninBetter::higher || measure->better == BurninBetter::lower)
        changes[{own->second, measure->name}].push_back(worse_log(*measure, value) - worse_log(*measure, then->second));
    }
  }
  std::vector<BurninFinding> findings;
  for (const auto& [key, values] : changes) {
    const auto interval = median_interval(values, 0.025);
    if (!interval) continue;
    const BurninMeasure& measure = *find_burnin_measure(key.second);
    BurninFinding finding;
    finding.measure = measure.name;
    finding.group = key.first;
    finding.of_reference = true;
    finding.peers = static_cast<int>(values.size());
    finding.worse = worse_fraction(measure, median(values));
    finding.worse_low = worse_fraction(measure, interval->low);
    finding.worse_high = worse_fraction(measure, interval->high);
    // Of a group all nodes have the same figure, so that the interval knows more than was measured.
    const double tolerance = worse_fraction(measure, tolerance_in(*evidence.config, measure));
    if (measure.scope != BurninScope::group && finding.worse_low > tolerance) finding.status = BurninStatus::shown;
    finding.why = fmt::format(
        "{}: the {} nodes of {} that are in the reference are {} worse than then in the middle (95 % interval {} to "
        "{})",
        measure.what, values.size(), key.first, burnin_percent(finding.worse), burnin_percent(finding.worse_low),
        burnin_percent(finding.worse_high));
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace grit

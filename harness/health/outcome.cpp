#include "harness/health/outcome.hpp"

#include <algorithm>
#include <array>

#include "harness/base/json_fields.hpp"

namespace grit {
namespace {

constexpr std::array<std::string_view, 4> kSeverities{"ok", "warning", "critical", "unknown"};

Severity judge(bool beyond_warning, bool beyond_critical) {
  if (beyond_critical) return Severity::critical;
  return beyond_warning ? Severity::warning : Severity::ok;
}

}  // namespace

std::string_view to_string(Severity severity) { return kSeverities.at(static_cast<std::size_t>(severity)); }

std::optional<Severity> severity_from(std::string_view name) {
  const auto* found = std::find(kSeverities.begin(), kSeverities.end(), name);
  if (found == kSeverities.end()) return std::nullopt;
  return static_cast<Severity>(found - kSeverities.begin());
}

int rank_of(Severity severity) {
  constexpr std::array<int, 4> kRanks{0, 2, 3, 1};  // ok, warning, critical, unknown
  return kRanks.at(static_cast<std::size_t>(severity));
}

Outcome not_here(std::string why) {
  return {.severity = Severity::unknown, .detail = std::move(why), .not_here = true};
}

Severity judge_at_least(double value, double warning, double critical) {
  return judge(warning > 0 && value >= warning, critical > 0 && value >= critical);
}

Severity judge_at_most(double value, double warning, double critical) {
  return judge(warning > 0 && value <= warning, critical > 0 && value <= critical);
}

Severity worst_of(const std::vector<Outcome>& outcomes) {
  constexpr std::array<Severity, 3> kWorstFirst{Severity::critical, Severity::warning, Severity::ok};
  for (const Severity severity : kWorstFirst)
    if (std::any_of(outcomes.begin(), outcomes.end(), [&](const Outcome& one) { return one.severity == severity; }))
      return severity;
  return Severity::unknown;
}

Json to_json(const Outcome& outcome) {
  Json json{{"severity", to_string(outcome.severity)}, {"detail", outcome.detail}};
  if (!outcome.subject.empty()) json["subject"] = outcome.subject;
  if (outcome.value) json["value"] = *outcome.value, json["unit"] = outcome.unit;
  if (!outcome.hint.empty()) json["hint"] = outcome.hint;
  if (outcome.not_here) json["not_here"] = true;
  return json;
}

Result<Outcome> outcome_from_json(const Json& json) {
  const auto severity = json.is_object() ? severity_from(text_at(json, "severity")) : std::nullopt;
  if (!severity) return internal_error("not an outcome of a check: " + json_text(json));
  Outcome outcome{.severity = *severity,
                  .subject = text_at(json, "subject"),
                  .detail = text_at(json, "detail"),
                  .hint = text_at(json, "hint"),
                  .not_here = truth_at(json, "not_here")};
  if (const auto value = json.find("value"); value != json.end() && value->is_number())
    outcome.value = value->get<double>(), outcome.unit = text_at(json, "unit");
  return outcome;
}

}  // namespace grit

#include "harness/health/check_output.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>

#include "grit_version.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

// Monitoring agents cut: NRPE of old protocols at 1,024 bytes, Nagios Core at 8,192 (its Plugin API).
constexpr std::size_t kFirstLine_bytes = 1000, kAllLines_bytes = 8000;
constexpr std::size_t kMostNamed = 3;      // findings in the first line
constexpr std::size_t kMostSeries = 2000;  // of metrics

struct Finding {
  const CheckedOnce* check;
  const Outcome* outcome;
};

/// critical, warning, unknown, ok; and last what has nothing to look at, which is no finding.
bool is_worse(const Outcome& a, const Outcome& b) {
  const auto place = [](const Outcome& one) { return one.not_here ? -1 : rank_of(one.severity); };
  return place(a) > place(b);
}

/// Within one severity as the checks came.
std::vector<Finding> worst_first(const NodeCheck& all) {
  std::vector<Finding> findings;
  for (const CheckedOnce& check : all.checks)
    for (const Outcome& outcome : check.reading.outcomes) findings.push_back({&check, &outcome});
  std::stable_sort(findings.begin(), findings.end(),
                   [](const Finding& a, const Finding& b) { return is_worse(*a.outcome, *b.outcome); });
  return findings;
}

/// It, or a part of it, could not be made.
bool is_incomplete(const CheckedOnce& check) {
  return check.reading.outcomes.empty() ||
         std::any_of(check.reading.outcomes.begin(), check.reading.outcomes.end(),
                     [](const Outcome& one) { return one.severity == Severity::unknown && !one.not_here; });
}

bool has_nothing_here(const CheckedOnce& check) {
  return !check.reading.outcomes.empty() && std::all_of(check.reading.outcomes.begin(), check.reading.outcomes.end(),
                                                        [](const Outcome& one) { return one.not_here; });
}

std::string name_of(const Finding& finding) {
  const std::string& subject = finding.outcome->subject;
  return subject.empty() ? finding.check->label : finding.check->label + " " + subject;
}

struct Count {
  std::size_t ok = 0, unknown = 0, not_here = 0;
};

Count count_of(const NodeCheck& all) {
  Count count;
  for (const CheckedOnce& check : all.checks) {
    const Severity worst = worst_of(check.reading.outcomes);
    if (is_alarm(worst)) continue;
    if (is_incomplete(check))
      ++count.unknown;
    else
      ++(has_nothing_here(check) ? count.not_here : count.ok);
  }
  return count;
}

std::string count_words(const NodeCheck& all) {
  const Count count = count_of(all);
  std::string words = fmt::format("{} of {} checks are ok", count.ok, all.checks.size());
  if (count.not_here > 0) words += fmt::format(", {} have nothing to look at here", count.not_here);
  if (count.unknown > 0) words += fmt::format(", {} could not be made in full", count.unknown);
  return words;
}

/// In the plug-in's output "|" begins the performance data, and a line is a line.
std::string plain(std::string text) {
  std::replace(text.begin(), text.end(), '|', '/');
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string cut(std::string text, std::size_t bytes) {
  if (text.size() <= bytes) return text;
  std::size_t end = bytes - 3;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U) --end;  // not within a character
  return text.substr(0, end) + "...";
}

/// A number as the interface has it: digits and a point, no exponent.
std::string digits(double value) {
  std::string text = fmt::format("{:.6f}", value == 0 ? 0.0 : value);  // no "-0"
  while (text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  return text;
}

/// "'link_settings eth0'=1400B"; empty for what has no value.
std::string performance(const Finding& finding) {
  if (!finding.outcome->value || !std::isfinite(*finding.outcome->value)) return "";
  static const std::map<std::string, std::string> kUnits{{"s", "s"}, {"bytes", "B"}, {"share", "%"}, {"count", ""}};
  std::string label = plain(name_of(finding));
  for (const char forbidden : {'\'', '='}) std::replace(label.begin(), label.end(), forbidden, '_');
  const auto unit = kUnits.find(finding.outcome->unit);
  const double value = finding.outcome->unit == "share" ? 100 * *finding.outcome->value : *finding.outcome->value;
  return fmt::format("'{}'={}{}", label, digits(value), unit == kUnits.end() ? "" : unit->second);
}

std::string upper(std::string_view text) {
  std::string upper(text);
  std::transform(upper.begin(), upper.end(), upper.begin(), [](unsigned char c) { return std::toupper(c); });
  return upper;
}

std::string first_sentence(const NodeCheck& all, const std::vector<Finding>& findings) {
  std::vector<std::string> named;
  std::size_t alarms = 0;
  for (const Finding& finding : findings) {
    if (!is_alarm(finding.outcome->severity) || ++alarms > kMostNamed) continue;
    named.push_back(plain(fmt::format("{}: {}", name_of(finding), finding.outcome->detail)));
  }
  if (alarms > kMostNamed) named.push_back(fmt::format("{} more", alarms - kMostNamed));
  named.push_back(count_words(all));
  return fmt::format("{}", fmt::join(named, "; "));
}

std::string value_words(const Outcome& outcome) {
  if (!outcome.value) return "";
  if (outcome.unit == "s") return *outcome.value == 0 ? "0 s" : format_duration(*outcome.value * kNsPerS);
  if (outcome.unit == "bytes") {
    constexpr double kMiB = 1 << 20, kGiB = 1 << 30;
    if (*outcome.value >= kGiB) return fmt::format("{:.1f} GiB", *outcome.value / kGiB);
    return *outcome.value >= kMiB ? fmt::format("{:.1f} MiB", *outcome.value / kMiB) : digits(*outcome.value) + " B";
  }
  if (outcome.unit == "count") return digits(*outcome.value);
  if (outcome.unit == "share") return digits(std::round(*outcome.value * 1e4) / 1e2) + " %";
  return fmt::format("{:.6g} {}", *outcome.value, outcome.unit);
}

std::string escaped(std::string_view text) {
  std::string safe;
  for (const char c : text) {
    if (c == '\\' || c == '"') safe += '\\';
    safe += c == '\n' ? ' ' : c;
  }
  return safe;
}

std::string family(const std::string& name, const std::string& help, const std::vector<std::string>& samples) {
  std::string text = fmt::format("# HELP {} {}\n# TYPE {} gauge\n", name, help, name);
  for (std::size_t i = 0; i < samples.size() && i < kMostSeries; ++i) text += name + samples[i] + "\n";
  return text;
}

}  // namespace

void take_reading(CheckedOnce& check, CheckReading reading) {
  CheckReading& before = check.reading;
  reading.cpu_ns += before.cpu_ns;
  if (worst_of(reading.outcomes) == Severity::unknown && worst_of(before.outcomes) != Severity::unknown)
    reading.outcomes.insert(reading.outcomes.begin(), std::make_move_iterator(before.outcomes.begin()),
                            std::make_move_iterator(before.outcomes.end()));
  before = std::move(reading);
}

Severity severity_of(const NodeCheck& all, bool strict) {
  Severity worst = Severity::unknown;
  bool is_missing_some = false;
  for (const CheckedOnce& check : all.checks) {
    is_missing_some |= is_incomplete(check) ? check.is_asked_for || strict : has_nothing_here(check) && strict;
    const Severity one = worst_of(check.reading.outcomes);
    if (one != Severity::unknown && (worst == Severity::unknown || one > worst)) worst = one;
  }
  return worst == Severity::ok && is_missing_some ? Severity::unknown : worst;
}

std::string plugin_lines(const NodeCheck& all, Severity severity) {
  const std::vector<Finding> findings = worst_first(all);
  std::string first =
      cut(fmt::format("GRIT {} - {}", upper(to_string(severity)), first_sentence(all, findings)), kFirstLine_bytes / 2);
  std::string data;
  for (const Finding& finding : findings) {
    const std::string one = performance(finding);
    if (one.empty() || first.size() + data.size() + one.size() + 3 > kFirstLine_bytes) continue;
    data += (data.empty() ? " | " : " ") + one;
  }
  std::string lines = first + data + "\n";
  for (const Finding& finding : findings) {
    if (finding.outcome->severity == Severity::ok || finding.outcome->not_here) continue;
    const std::string hint = finding.outcome->hint.empty() ? "" : " -> " + finding.outcome->hint;
    const std::string line = plain(fmt::format("{} {}: {}{}", to_string(finding.outcome->severity), name_of(finding),
                                               finding.outcome->detail, hint)) +
                             "\n";
    if (lines.size() + line.size() <= kAllLines_bytes) lines += line;
  }
  return lines;
}

std::string check_table(const NodeCheck& all, Severity severity) {
  std::string text =
      fmt::format("{}: {}; {}, {} of CPU\n\n", all.node, upper(to_string(severity)), count_words(all), [&] {
        std::int64_t cpu_ns = 0;
        for (const CheckedOnce& check : all.checks) cpu_ns += check.reading.cpu_ns;
        return format_duration(static_cast<double>(cpu_ns));
      }());
  // By why, one a check: that it cannot see a part of what it looks at is in the JSON.
  std::vector<std::pair<std::string, std::vector<std::string>>> nothing;
  const auto add_nothing = [&](const std::string& why, const std::string& label) {
    for (auto& [known, labels] : nothing)
      if (known == why) return labels.push_back(label);
    nothing.push_back({why, {label}});
  };
  for (const Finding& finding : worst_first(all)) {
    const Outcome& outcome = *finding.outcome;
    if (outcome.not_here) {
      if (has_nothing_here(*finding.check) && &outcome == &finding.check->reading.outcomes.front())
        add_nothing(outcome.detail, finding.check->label);
      continue;
    }
    text += fmt::format("  {:<9} {:<18} {:<16} {:<12} {}\n", to_string(outcome.severity), finding.check->label,
                        outcome.subject, value_words(outcome), outcome.detail);
    if (outcome.severity != Severity::ok && !outcome.hint.empty())
      text += fmt::format("  {:>59}{}\n", "", "-> " + outcome.hint);
  }
  if (!nothing.empty()) text += "\n  nothing to look at here\n";
  for (const auto& [why, labels] : nothing) text += fmt::format("    {}: {}\n", why, fmt::join(labels, ", "));
  return text;
}

Json check_json(const NodeCheck& all, Severity severity) {
  Json json{{"format", 1},
            {"grit", kVersion},
            {"node", all.node},
            {"t", utc_stamp(all.t_ns)},
            {"severity", to_string(severity)},
            {"duration_ns", all.duration_ns},
            {"checks", Json::array()}};
  for (const CheckedOnce& check : all.checks) {
    Json one{{"check", check.label},
             {"severity", to_string(worst_of(check.reading.outcomes))},
             {"duration_ns", check.reading.ended_ns - check.reading.began_ns},
             {"cpu_ns", check.reading.cpu_ns},
             {"outcomes", Json::array()}};
    for (const Outcome& outcome : check.reading.outcomes) one["outcomes"].push_back(to_json(outcome));
    json["checks"].push_back(std::move(one));
  }
  return json;
}

std::string openmetrics_text(const NodeCheck& all) {
  std::vector<std::string> severities, values, durations, cpu;
  for (const CheckedOnce& check : all.checks) {
    const std::string label = escaped(check.label);
    std::map<std::string, const Outcome*> by_subject;  // two outcomes of one subject would be one series twice
    for (const Outcome& outcome : check.reading.outcomes)
      if (const auto [at, is_first] = by_subject.try_emplace(outcome.subject, &outcome);
          !is_first && is_worse(outcome, *at->second))
        at->second = &outcome;
    for (const auto& [subject, outcome] : by_subject) {
      const std::string labels = fmt::format(R"(check="{}",subject="{}")", label, escaped(subject));
      severities.push_back(fmt::format("{{{}}} {}", labels, static_cast<int>(outcome->severity)));
      if (outcome->value && std::isfinite(*outcome->value))
        values.push_back(
            fmt::format(R"({{{},unit="{}"}} {})", labels, escaped(outcome->unit), digits(*outcome->value)));
    }
    const double took_ns = static_cast<double>(check.reading.ended_ns - check.reading.began_ns);
    durations.push_back(fmt::format(R"({{check="{}"}} {})", label, digits(took_ns / kNsPerS)));
    cpu.push_back(
        fmt::format(R"({{check="{}"}} {})", label, digits(static_cast<double>(check.reading.cpu_ns) / kNsPerS)));
  }
  return family("grit_check_severity", "Outcome of a check: 0 ok, 1 warning, 2 critical, 3 unknown.", severities) +
         family("grit_check_value", "What a check read, in the unit it names.", values) +
         family("grit_check_duration_seconds", "How long the last reading took.", durations) +
         family("grit_check_cpu_seconds", "CPU time of the last reading.", cpu) +
         family("grit_check_last_run_timestamp_seconds", "When all checks were read.",
                {" " + digits(static_cast<double>(all.t_ns / kNsPerMs) / 1e3)}) +
         "# EOF\n";
}

}  // namespace grit

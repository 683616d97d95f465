#include "harness/model/burnin_observation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

#include "harness/base/json_fields.hpp"
#include "harness/model/burnin_measures.hpp"

namespace grit {
namespace {

constexpr std::size_t kMostLine_bytes = 4000;  // less than PIPE_BUF (4,096 on Linux), with room for a launcher's prefix
constexpr int kFormat = 1;
/// Texts are cut to so many bytes, one after the other, until the line fits.
constexpr std::array<std::size_t, 5> kTextLimits_bytes{1000, 300, 120, 60, 30};

/// Whole characters only: half of one would become two of another kind.
std::string cut(const std::string& text, std::size_t most_bytes) {
  if (text.size() <= most_bytes) return text;
  std::size_t end = most_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return text.substr(0, end) + "...";
}

/// The UTF-8 of json_text() with a \u escape for each character beyond ASCII (RFC 8259, section 7).
std::string as_ascii(const std::string& text) {
  std::string ascii;
  for (std::size_t at = 0; at < text.size();) {
    const auto first = static_cast<unsigned char>(text[at]);
    const std::size_t length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (length == 1) {
      ascii += text[at++];
      continue;
    }
    std::uint32_t code = first & (0xFFU >> (length + 1));
    for (std::size_t next = 1; next < length && at + next < text.size(); ++next)
      code = code << 6U | (static_cast<unsigned char>(text[at + next]) & 0x3FU);
    at += length;
    if (code >= 0x10000) {
      code -= 0x10000;
      ascii += fmt::format("\\u{:04x}", 0xD800U + (code >> 10U));
      code = 0xDC00U + (code & 0x3FFU);
    }
    ascii += fmt::format("\\u{:04x}", code);
  }
  return ascii;
}

Json figures_json(const std::vector<BurninObservation>& observations) {
  Json figures = Json::object();
  for (const BurninObservation& one : observations) {
    if (one.exposure == 0)
      figures[one.measure] = one.value;
    else
      figures[one.measure] = {{"value", one.value}, {"exposure", one.exposure}};
  }
  return figures;
}

Json to_json(const BurninLine& line, std::size_t most_text_bytes) {
  const auto texts = [&](const std::vector<std::string>& from) {
    Json array = Json::array();
    for (const std::string& text : from) array.push_back(cut(text, most_text_bytes));
    return array;
  };
  Json json{{"grit_measure", kFormat}, {"host", line.host}};
  if (!line.peer.empty()) json["peer"] = line.peer;
  if (!line.observations.empty()) json["figures"] = figures_json(line.observations);
  for (const auto& [name, value] : line.facts) json["facts"][cut(name, most_text_bytes)] = cut(value, most_text_bytes);
  for (const BurninAlarm& alarm : line.alarms) {
    Json one{{"check", cut(alarm.check, most_text_bytes)}, {"severity", alarm.severity}};
    if (!alarm.subject.empty()) one["subject"] = cut(alarm.subject, most_text_bytes);
    if (!alarm.detail.empty()) one["detail"] = cut(alarm.detail, most_text_bytes);
    if (alarm.of_machine) one["of_machine"] = true;
    json["alarms"].push_back(std::move(one));
  }
  if (!line.alarm_free.empty()) json["alarm_free"] = texts(line.alarm_free);
  if (!line.skipped.empty()) json["skipped"] = texts(line.skipped);
  if (!line.boot_id.empty()) json["boot_id"] = cut(line.boot_id, most_text_bytes);
  if (line.carriers) json["carriers"] = to_json(*line.carriers);
  if (!line.error.empty()) json["error"] = cut(line.error, most_text_bytes);
  return json;
}

std::vector<BurninObservation> figures_of(const Json& figures) {
  std::vector<BurninObservation> observations;
  for (const auto& [name, figure] : figures.items()) {
    BurninObservation one{.measure = name};
    if (figure.is_object()) {
      one.value = figure.at("value").get<double>();
      one.exposure = figure.at("exposure").get<double>();
    } else {
      one.value = figure.get<double>();
    }
    observations.push_back(std::move(one));
  }
  return observations;
}

BurninAlarm alarm_of(const Json& json, const std::string& host) {
  return {.host = host,
          .check = json.at("check").get<std::string>(),
          .subject = text_at(json, "subject"),
          .severity = json.at("severity").get<std::string>(),
          .detail = text_at(json, "detail"),
          .of_machine = truth_at(json, "of_machine")};
}

/// Nothing: it is none of ours, or not as burnin_line() writes it.
std::optional<BurninLine> parse_line(std::string_view text) {
  const std::size_t begin = text.find('{');
  if (begin == std::string_view::npos) return std::nullopt;
  try {  // what is of another type, and numbers that no double holds
    const auto json = parse_json(text.substr(begin));
    if (!json || !json->is_object() || integer_at(*json, "grit_measure") != kFormat) return std::nullopt;
    BurninLine line{.host = json->at("host").get<std::string>(), .peer = text_at(*json, "peer")};
    if (json->contains("figures")) line.observations = figures_of(json->at("figures"));
    if (json->contains("facts")) line.facts = json->at("facts").get<std::map<std::string, std::string>>();
    if (json->contains("alarms"))
      for (const Json& alarm : json->at("alarms")) line.alarms.push_back(alarm_of(alarm, line.host));
    if (json->contains("alarm_free")) line.alarm_free = json->at("alarm_free").get<std::vector<std::string>>();
    if (json->contains("skipped")) line.skipped = json->at("skipped").get<std::vector<std::string>>();
    line.error = text_at(*json, "error");
    line.boot_id = text_at(*json, "boot_id");
    if (json->contains("carriers"))
      if (auto carriers = burnin_carriers_from_json(json->at("carriers"))) line.carriers = std::move(*carriers);
    return line;
  } catch (const Json::exception&) {
    return std::nullopt;
  }
}

bool is_of_cell(const BurninLine& line, const BurninCell& cell) {
  const auto is_member = [&](const std::string& name) {
    return std::find(cell.hosts.begin(), cell.hosts.end(), name) != cell.hosts.end();
  };
  return is_member(line.host) && (line.peer.empty() || (is_member(line.peer) && line.peer != line.host));
}

bool has_sound_figures(const BurninLine& line) {
  return std::all_of(line.observations.begin(), line.observations.end(), [](const BurninObservation& one) {
    return find_burnin_measure(one.measure) != nullptr && std::isfinite(one.value) && std::isfinite(one.exposure);
  });
}

void add_line(BurninLine line, BurninCellResult& result) {
  for (BurninObservation& one : line.observations) {
    one.host = line.host;
    one.peer = line.peer;
    one.cell = result.cell.id;
    one.visit = result.cell.visit;
    one.confirms = result.cell.confirms;
    result.observations.push_back(std::move(one));
  }
  for (auto& [name, value] : line.facts) result.facts[line.host][name] = std::move(value);
  for (BurninAlarm& alarm : line.alarms) result.alarms.push_back(std::move(alarm));
  const auto append = [&](std::vector<std::string>& from, std::map<std::string, std::vector<std::string>>& to) {
    if (from.empty()) return;
    auto& all = to[line.host];
    all.insert(all.end(), from.begin(), from.end());
  };
  append(line.alarm_free, result.alarm_free);
  append(line.skipped, result.skipped);
  if (!line.boot_id.empty()) result.boot_ids[line.host] = line.boot_id;
  if (line.carriers) result.carriers[line.host].push_back(std::move(*line.carriers));
  if (line.error.empty()) return;
  std::string& error = result.errors[line.host];
  error += error.empty() ? line.error : "; " + line.error;
}

}  // namespace

std::string burnin_line(const BurninLine& line) {
  BurninLine shorter = line;
  std::string text;
  const auto fits = [&](std::size_t most_text_bytes) {
    text = as_ascii(json_text(to_json(shorter, most_text_bytes))) + "\n";
    return text.size() <= kMostLine_bytes;
  };
  for (const std::size_t limit_bytes : kTextLimits_bytes)
    if (fits(limit_bytes)) return text;
  // Figures stay whatever else goes: there are no more of them than there are measures.
  const auto leave_out = [&](auto& from) {
    while (!from.empty() && !fits(kTextLimits_bytes.back())) from.erase(std::prev(from.end()));
    return fits(kTextLimits_bytes.back());
  };
  static_cast<void>(leave_out(shorter.alarm_free) || leave_out(shorter.skipped) || leave_out(shorter.facts) ||
                    leave_out(shorter.alarms));
  return text;
}

void read_burnin_lines(std::string_view output, BurninCellResult& result) {
  while (!output.empty()) {
    const std::size_t end = output.find('\n');
    if (end == std::string_view::npos) return;  // torn: whoever wrote it ended in the middle
    auto line = parse_line(output.substr(0, end));
    output.remove_prefix(end + 1);
    if (line && is_of_cell(*line, result.cell) && has_sound_figures(*line)) add_line(std::move(*line), result);
  }
}

}  // namespace grit

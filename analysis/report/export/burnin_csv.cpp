#include <fmt/format.h>

#include <array>
#include <cmath>
#include <set>
#include <utility>

#include "analysis/report/export/burnin_export.hpp"
#include "analysis/report/export/csv.hpp"
#include "analysis/report/tables/burnin_words.hpp"
#include "harness/model/burnin_measures.hpp"

namespace grit {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 6> kEndings{{{"FLOP/s", "_flops_per_s"},
                                                                                 {"bytes/s", "_bytes_per_s"},
                                                                                 {"bit/s", "_bits_per_s"},
                                                                                 {"s", "_s"},
                                                                                 {"share", "_share"},
                                                                                 {"count", "_count"}}};

std::string column_of(const BurninMeasure& measure) {
  for (const auto& [unit, ending] : kEndings)
    if (measure.unit == unit) return std::string(measure.name) + std::string(ending);
  return std::string(measure.name);
}

/// One line of UTF-8: programs that read a table refuse other bytes.
std::string text_field(const std::string& text) {
  std::string whole = Json::parse(json_text(text)).get<std::string>();
  for (char& c : whole)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return csv_field(whole);
}

}  // namespace

std::string burnin_nodes_csv(const BurninReport& report) {
  std::set<std::string_view> measured;
  for (const BurninNodeReport& node : report.nodes)
    for (const auto& [measure, value] : node.figures) measured.insert(measure);
  std::string text = "node,state,reason,class,group";
  for (const BurninMeasure& measure : kBurninMeasures)
    if (measured.contains(measure.name)) text += "," + column_of(measure);
  text += "\r\n";
  for (const BurninNodeReport& node : report.nodes) {
    text += fmt::format("{},{},{},{},{}", text_field(node.host), to_string(node.state), text_field(node.reason),
                        text_field(node.machine_class), text_field(node.group));
    for (const BurninMeasure& measure : kBurninMeasures) {
      if (!measured.contains(measure.name)) continue;
      const auto figure = node.figures.find(std::string(measure.name));
      const bool known = figure != node.figures.end() && std::isfinite(figure->second);
      text += known ? fmt::format(",{:.6g}", figure->second) : ",";
    }
    text += "\r\n";
  }
  return text;
}

}  // namespace grit

#include "analysis/report/plots/plot_spec.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/run_data.hpp"
#include "analysis/stats/median.hpp"

namespace grit {
namespace {

/// A stall this many times slower than the typical step makes a linear axis unreadable.
constexpr double kLogAxisRatio = 8;

}  // namespace

TimeUnit unit_for(double typical_ns) {
  if (typical_ns < 1e6) return {1e3, "µs"};
  if (typical_ns < 10e9) return {1e6, "ms"};
  return {1e9, "s"};
}

double rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return 0;
  const double scale = std::pow(10.0, 5 - std::floor(std::log10(std::abs(value))));
  return std::round(value * scale) / scale;
}

double axis_seconds(double seconds) { return std::round(seconds * 1e5) / 1e5; }

Json load_spec(const assets::Asset& asset) { return Json::parse(asset.text); }

Json& named(Json& list, std::string_view name) {
  for (Json& item : list)
    if (item.at("name") == name) return item;
  throw std::out_of_range("no " + std::string(name) + " in the plot's specification");
}

void set_signal(Json& spec, std::string_view name, Json value) {
  named(spec.at("signals"), name)["value"] = std::move(value);
}
void set_data(Json& spec, std::string_view name, Json values) {
  named(spec.at("data"), name)["values"] = std::move(values);
}

TimeUnit set_time_axis(Json& spec, const std::string& title, const std::vector<double>& values_ns) {
  const double typical_ns = median(values_ns);
  const TimeUnit unit = unit_for(typical_ns);
  const auto [low, high] = std::minmax_element(values_ns.begin(), values_ns.end());
  const bool logarithmic = *high > kLogAxisRatio * typical_ns && *low > 0;
  named(spec.at("scales"), "y")["type"] = logarithmic ? "log" : "linear";
  set_signal(spec, "y_domain",
             logarithmic ? Json{*low * 0.8 / unit.ns, *high * 1.25 / unit.ns}
                         : Json{0.0, std::max(*high, 1.0) * 1.08 / unit.ns});
  set_signal(spec, "y_title", fmt::format("{} ({}{})", title, unit.name, logarithmic ? ", logarithmic" : ""));
  return unit;
}

std::string swatch(std::string_view css_class, std::string_view text) {
  return fmt::format("<span class=\"key\"><span class=\"swatch {}\"></span>{}</span> ", css_class, escape_html(text));
}

std::string phase_legend() {
  std::string legend;
  for (std::size_t i = 0; i < kPhaseNames.size(); ++i) legend += swatch(fmt::format("phase{}", i), kPhaseNames[i]);
  return legend;
}

}  // namespace grit

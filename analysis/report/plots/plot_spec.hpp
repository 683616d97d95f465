// Filling in the Vega specifications of the plots.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "analysis/report/page/assets.hpp"
#include "harness/base/json.hpp"

namespace grit {

struct TimeUnit {
  double ns = 1e6;
  std::string name = "ms";
};
TimeUnit unit_for(double typical_ns);

/// Six significant digits: more would only make the page bigger.
double rounded(double value);

/// Seconds on the axis, to 10 microseconds.
double axis_seconds(double seconds);

/// The functions below throw what nlohmann::json throws when an embedded specification is not as expected.
Json load_spec(const assets::Asset& asset);
Json& named(Json& list, std::string_view name);
void set_signal(Json& spec, std::string_view name, Json value);
void set_data(Json& spec, std::string_view name, Json values);

/// A y axis of step times that fits its values, logarithmic when a few are far above the rest. Returns the unit that
/// the values must be given in.
TimeUnit set_time_axis(Json& spec, const std::string& title, const std::vector<double>& values_ns);

/// A patch of colour with what it stands for.
std::string swatch(std::string_view css_class, std::string_view text);

/// Of kPhaseNames.
std::string phase_legend();

}  // namespace grit

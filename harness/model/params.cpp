#include "harness/model/params.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/base/shortened.hpp"

namespace grit {
namespace {

/// Is it of the JSON type in which values of this unit are held?
bool has_type_of(const Json& value, Unit unit) {
  if (is_integer(unit)) return value.is_number_integer();
  switch (unit) {
    case Unit::number:
    case Unit::fraction:
    case Unit::flops_per_s:
      return value.is_number();
    case Unit::text:
      return value.is_string();
    case Unit::boolean:
      return value.is_boolean();
    default:
      return false;
  }
}

std::string format_bound(double bound, Unit unit) {
  return format_quantity(is_integer(unit) ? Json(static_cast<std::int64_t>(bound)) : Json(bound), unit);
}

Status check_choice(const ParamSpec& spec, const std::string& value) {
  if (spec.choices.empty() || std::find(spec.choices.begin(), spec.choices.end(), value) != spec.choices.end()) {
    return {};
  }
  const std::string nearest = nearest_name(value, spec.choices);
  return usage_error(fmt::format(
      "parameter \"{}\" cannot be \"{}\"{}; it is one of \"{}\"", spec.name, shortened(value),
      nearest.empty() ? "" : fmt::format(", did you mean \"{}\"?", nearest), fmt::join(spec.choices, "\", \"")));
}

}  // namespace

std::int64_t Params::integer(const std::string& name) const {
  const auto found = values_.find(name);
  GRIT_ASSERT(found != values_.end() && found->is_number_integer());
  return found->get<std::int64_t>();
}

double Params::number(const std::string& name) const {
  const auto found = values_.find(name);
  GRIT_ASSERT(found != values_.end() && found->is_number());
  return found->get<double>();
}

std::string Params::text(const std::string& name) const {
  const auto found = values_.find(name);
  GRIT_ASSERT(found != values_.end() && found->is_string());
  return found->get<std::string>();
}

bool Params::boolean(const std::string& name) const {
  const auto found = values_.find(name);
  GRIT_ASSERT(found != values_.end() && found->is_boolean());
  return found->get<bool>();
}

Status check_param(const ParamSpec& spec, const Json& value) {
  if (!has_type_of(value, spec.unit)) {
    return usage_error(
        fmt::format("parameter \"{}\" takes {}, not {}", spec.name, unit_name(spec.unit), shortened(json_text(value))));
  }
  if (value.is_string()) return check_choice(spec, value.get<std::string>());
  if (!value.is_number()) return {};
  const double number = value.get<double>();
  if (spec.min && number < *spec.min) {
    return usage_error(fmt::format("parameter \"{}\" is {}, below its least value {}", spec.name,
                                   format_quantity(value, spec.unit), format_bound(*spec.min, spec.unit)));
  }
  if (spec.max && number > *spec.max) {
    return usage_error(fmt::format("parameter \"{}\" is {}, above its greatest value {}", spec.name,
                                   format_quantity(value, spec.unit), format_bound(*spec.max, spec.unit)));
  }
  return {};
}

Result<Json> complete_params(const std::vector<ParamSpec>& specs, Json given) {
  GRIT_ASSERT(given.is_object());
  for (const auto& [name, value] : given.items()) {
    const auto is_it = [&key = name](const ParamSpec& spec) { return spec.name == key; };
    if (std::any_of(specs.begin(), specs.end(), is_it)) continue;
    std::vector<std::string> names;
    for (const ParamSpec& spec : specs) names.push_back(spec.name);
    const std::string nearest = nearest_name(name, names);
    return usage_error(fmt::format("unknown parameter \"{}\"{}", shortened(name),
                                   nearest.empty() ? fmt::format("; there are: {}", fmt::join(names, ", "))
                                                   : fmt::format("; did you mean \"{}\"?", nearest)));
  }
  for (const ParamSpec& spec : specs) {
    if (given.contains(spec.name)) continue;
    if (spec.default_value.is_null()) {
      return usage_error(fmt::format("parameter \"{}\" is missing and has no default: {}", spec.name, spec.help));
    }
    given[spec.name] = spec.default_value;
  }
  return given;
}

}  // namespace grit

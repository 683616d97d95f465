// Named, typed parameters of a fault, workload or check: what each accepts, and the values one plan gives them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/base/units.hpp"

namespace grit {

/// What one parameter accepts. Values are in the base unit of `unit` (harness/base/units.hpp).
struct ParamSpec {
  std::string name;
  Unit unit = Unit::text;
  Json default_value;  // null: must be given
  std::string help;
  std::vector<std::string> choices{};  // for text: the only values allowed; empty: any
  std::optional<double> min{};
  std::optional<double> max{};
};

/// The values of all parameters of one plug-in, defaults filled in, in base units. A wrong name or type is our mistake
/// (the values were checked when the scenario was loaded), so it asserts.
class Params {
 public:
  Params() : values_(Json::object()) {}
  explicit Params(Json values) : values_(std::move(values)) {}

  [[nodiscard]] std::int64_t integer(const std::string& name) const;  // is_integer(unit)
  [[nodiscard]] double number(const std::string& name) const;         // number, fraction, flops_per_s
  [[nodiscard]] std::string text(const std::string& name) const;
  [[nodiscard]] bool boolean(const std::string& name) const;
  [[nodiscard]] const Json& json() const { return values_; }

 private:
  Json values_;
};

/// Checks one value (already parsed into base units) against min, max and choices. Error (usage): names the parameter,
/// what is allowed and the nearest choice.
Status check_param(const ParamSpec& spec, const Json& value);

/// Fills in defaults for what `given` leaves out. Error (usage): a parameter without default is missing, or an unknown
/// one is given (with the nearest valid name).
Result<Json> complete_params(const std::vector<ParamSpec>& specs, Json given);

}  // namespace grit

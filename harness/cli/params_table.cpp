#include "harness/cli/params_table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace grit {
namespace {

/// "50% to 100%", "at least 1ms"; empty when anything goes.
std::string range(const ParamSpec& param) {
  const auto words = [&](double bound) {
    return format_quantity(is_integer(param.unit) ? Json(static_cast<std::int64_t>(bound)) : Json(bound), param.unit);
  };
  const bool from = param.min && *param.min > 0;
  if (from && param.max) return fmt::format("{} to {}", words(*param.min), words(*param.max));
  if (from) return fmt::format("at least {}", words(*param.min));
  if (param.max) return fmt::format("at most {}", words(*param.max));
  return {};
}

}  // namespace

std::string params_table(const std::string& kind, const std::vector<ParamSpec>& params) {
  std::size_t width = 16;
  for (const ParamSpec& param : params) width = std::max(width, param.name.size());
  std::string text = fmt::format("  {:<{}} {:<10} {:<12} {}\n", kind, width, "unit", "default", "");
  for (const ParamSpec& param : params) {
    const std::string value =
        param.default_value.is_null() ? "(required)" : format_quantity(param.default_value, param.unit);
    std::string help = param.help;
    if (!param.choices.empty()) help += fmt::format(" [{}]", fmt::join(param.choices, " | "));
    if (const std::string bounds = range(param); !bounds.empty()) help += fmt::format(" ({})", bounds);
    text += fmt::format("  {:<{}} {:<10} {:<12} {}\n", param.name, width, unit_name(param.unit), value, help);
  }
  return text;
}

}  // namespace grit

// The one JSON type. Objects keep their keys sorted, so that the same data always gives the same bytes.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

#include "harness/base/result.hpp"

namespace grit {

using Json = nlohmann::json;

/// Parses one JSON text. Error (usage): not JSON, with the byte at which it stops being so.
Result<Json> parse_json(std::string_view text);

}  // namespace grit

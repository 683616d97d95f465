// The one JSON type. Objects keep their keys sorted, so that the same data always gives the same bytes.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "harness/base/result.hpp"

namespace grit {

using Json = nlohmann::json;

/// Parses one JSON text. Error (usage): not JSON, with the byte at which it stops being so; or a number beyond what a
/// double can be.
Result<Json> parse_json(std::string_view text);

/// JSON as text, in one line or indented. Never fails: facts from outside (environment, firmware, file names) may hold
/// bytes that are not UTF-8, and each such byte becomes U+FFFD.
std::string json_text(const Json& json, int indent = -1);

/// The same in one line, for what must be read back as it was. Error (usage): some text in it is not UTF-8.
Result<std::string> exact_json_text(const Json& json);

}  // namespace grit

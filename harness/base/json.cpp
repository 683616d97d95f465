#include "harness/base/json.hpp"

namespace grit {

Result<Json> parse_json(std::string_view text) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    return usage_error("not valid JSON (at byte " + std::to_string(error.byte) + ")");
  }
}

}  // namespace grit

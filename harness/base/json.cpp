#include "harness/base/json.hpp"

namespace grit {

Result<Json> parse_json(std::string_view text) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    return usage_error("not valid JSON (at byte " + std::to_string(error.byte) + ")");
  } catch (const Json::out_of_range&) {
    return usage_error("not JSON that can be read: a number in it is larger than a double can be (1.8e308)");
  }
}

std::string json_text(const Json& json, int indent) {
  return json.dump(indent, ' ', false, Json::error_handler_t::replace);
}

Result<std::string> exact_json_text(const Json& json) {
  try {
    return json.dump();
  } catch (const Json::type_error& error) {
    return usage_error(std::string("text that is not UTF-8: ") + error.what());
  }
}

}  // namespace grit

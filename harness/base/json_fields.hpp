// Members of JSON objects from outside (events, orders), which may lack them or have them of another type.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "harness/base/json.hpp"

namespace grit {

/// The integer, or `otherwise`. The JSON must be an object, here and below.
inline std::int64_t integer_at(const Json& object, const char* key, std::int64_t otherwise = -1) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<std::int64_t>() : otherwise;
}

/// The text, or an empty one.
inline std::string text_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

/// Is it there, and this text?
inline bool has_text(const Json& object, const char* key, std::string_view text) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() && found->get_ref<const std::string&>() == text;
}

/// Is it there, and true?
inline bool truth_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_boolean() && found->get<bool>();
}

}  // namespace grit

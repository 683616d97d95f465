#include "harness/os/closed_object.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

namespace grit {
namespace {

const Json& empty_array() {
  static const Json empty = Json::array();
  return empty;
}

const Json& empty_object() {
  static const Json empty = Json::object();
  return empty;
}

const Json& null_value() {
  static const Json null;
  return null;
}

}  // namespace

ClosedObject::ClosedObject(const Json& json, std::string what) : json_(json), what_(std::move(what)) {
  if (!json_.is_object()) problem("it is not an object");
}

void ClosedObject::problem(std::string text) {
  if (problem_.empty()) problem_ = std::move(text);
}

const Json& ClosedObject::any(const std::string& key) {
  taken_.insert(key);
  if (!json_.is_object()) return null_value();
  const auto found = json_.find(key);
  if (found != json_.end()) return *found;
  problem(fmt::format("'{}' is missing", key));
  return null_value();
}

std::int64_t ClosedObject::integer(const std::string& key, std::int64_t min, std::int64_t max) {
  const Json& value = any(key);
  const bool fits = value.is_number_integer() && (!value.is_number_unsigned() ||
                                                  value.get<std::uint64_t>() <= static_cast<std::uint64_t>(INT64_MAX));
  if (fits && value.get<std::int64_t>() >= min && value.get<std::int64_t>() <= max) return value.get<std::int64_t>();
  problem(fmt::format("'{}' is not a whole number from {} to {}", key, min, max));
  return min;
}

std::uint32_t ClosedObject::u32(const std::string& key) {
  return static_cast<std::uint32_t>(integer(key, 0, std::numeric_limits<std::uint32_t>::max()));
}

std::string ClosedObject::text(const std::string& key, std::size_t max_length) {
  const Json& value = any(key);
  if (value.is_string()) {
    const auto& text = value.get_ref<const std::string&>();
    const bool clean = std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
    if (clean && text.size() <= max_length) return text;
  }
  problem(fmt::format("'{}' is not a text of at most {} characters", key, max_length));
  return {};
}

std::string ClosedObject::choice(const std::string& key, const std::vector<std::string>& choices) {
  const Json& value = any(key);
  if (value.is_string() &&
      std::find(choices.begin(), choices.end(), value.get_ref<const std::string&>()) != choices.end())
    return value.get<std::string>();
  problem(fmt::format("'{}' is none of {}", key, fmt::join(choices, ", ")));
  return choices.front();
}

bool ClosedObject::boolean(const std::string& key) {
  const Json& value = any(key);
  if (value.is_boolean()) return value.get<bool>();
  problem(fmt::format("'{}' is neither true nor false", key));
  return false;
}

const Json& ClosedObject::array(const std::string& key, std::size_t max_items) {
  const Json& value = any(key);
  if (value.is_array() && value.size() <= max_items) return value;
  problem(fmt::format("'{}' is not a list of at most {} items", key, max_items));
  return empty_array();
}

const Json& ClosedObject::object(const std::string& key) {
  const Json& value = any(key);
  if (value.is_object()) return value;
  problem(fmt::format("'{}' is not an object", key));
  return empty_object();
}

Status ClosedObject::done() const {
  if (!problem_.empty()) return usage_error(what_ + ": " + problem_);
  for (const auto& [key, value] : json_.items())
    if (taken_.count(key) == 0) return usage_error(fmt::format("{}: '{}' does not belong there", what_, key));
  return {};
}

}  // namespace grit

#include "harness/health/check_memory.hpp"

#include "harness/base/json_fields.hpp"

namespace grit {

void CheckMemory::begin(std::int64_t now_ns) {
  last_ns_ = read_ns_;
  read_ns_ = now_ns_ = now_ns;
}

std::optional<std::int64_t> CheckMemory::elapsed_ns() const {
  if (!last_ns_) return std::nullopt;
  return now_ns_ - *last_ns_;
}

std::optional<std::int64_t> CheckMemory::growth(const std::string& counter, std::int64_t now) {
  const auto last = find(counter);
  keep(counter, now);
  if (!last || now < *last) return std::nullopt;
  return now - *last;
}

std::optional<std::int64_t> CheckMemory::find(const std::string& name) const {
  const auto found = figures_.find(name);
  if (found == figures_.end()) return std::nullopt;
  return found->second;
}

Json CheckMemory::to_json() const {
  Json json{{"figures", figures_}};
  if (read_ns_) json["read_ns"] = *read_ns_;
  return json;
}

CheckMemory CheckMemory::from_json(const Json& json) {
  CheckMemory memory;
  if (!json.is_object()) return memory;
  if (const auto read = json.find("read_ns"); read != json.end() && read->is_number_integer())
    memory.read_ns_ = read->get<std::int64_t>();
  if (const auto figures = json.find("figures"); figures != json.end() && figures->is_object())
    for (const auto& [name, value] : figures->items())
      if (value.is_number_integer()) memory.figures_[name] = value.get<std::int64_t>();
  return memory;
}

}  // namespace grit

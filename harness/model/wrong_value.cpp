#include "harness/model/wrong_value.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>

#include "harness/base/json_fields.hpp"
#include "harness/model/element.hpp"
#include "harness/model/event.hpp"

namespace grit {
namespace {

constexpr std::array kOperations{CollectiveOperation::all_reduce, CollectiveOperation::reduce_scatter,
                                 CollectiveOperation::all_gather, CollectiveOperation::all_to_all,
                                 CollectiveOperation::send,       CollectiveOperation::receive};
constexpr std::array kTypes{DataType::fp32, DataType::bf16, DataType::fp16, DataType::bytes};

Json finite_json(float value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

/// Nothing: it is not there, or does not fit.
template <class Integer>
bool read_integer(const Json& event, const char* key, Integer& value) {
  const std::int64_t number = integer_at(event, key, -1);
  if (number < 0 || static_cast<std::uint64_t>(number) > std::numeric_limits<Integer>::max()) return false;
  value = static_cast<Integer>(number);
  return true;
}

}  // namespace

Json wrong_value_event(const WrongValue& value, int node, int rank) {
  Json event = make_event("wrong_value", node);
  event["rank"] = rank;
  event["block"] = value.block;
  event["step"] = value.step;
  event["group"] = value.group;
  event["operation"] = to_string(value.operation);
  event["type_of_elements"] = data_type_name(value.type);
  event["sequence"] = value.sequence;
  event["element"] = value.element;
  event["expected"] = finite_json(element_value(value.type, value.expected_bits));
  event["got"] = finite_json(element_value(value.type, value.got_bits));
  event["expected_bits"] = value.expected_bits;
  event["got_bits"] = value.got_bits;
  if (value.source >= 0) event["source"] = value.source;
  return event;
}

std::optional<WrongReport> wrong_report_in(const Json& event) {
  if (!event.is_object() || !has_text(event, "type", "wrong_value")) return std::nullopt;
  WrongReport report;
  WrongValue& value = report.value;
  const bool whole = read_integer(event, "rank", report.rank) && read_integer(event, "block", value.block) &&
                     read_integer(event, "step", value.step) && read_integer(event, "group", value.group) &&
                     read_integer(event, "sequence", value.sequence) && read_integer(event, "element", value.element) &&
                     read_integer(event, "expected_bits", value.expected_bits) &&
                     read_integer(event, "got_bits", value.got_bits);
  if (!whole || (event.contains("source") && !read_integer(event, "source", value.source))) return std::nullopt;
  const auto operation = std::find_if(kOperations.begin(), kOperations.end(),
                                      [&](auto one) { return has_text(event, "operation", to_string(one)); });
  const auto type = std::find_if(kTypes.begin(), kTypes.end(),
                                 [&](auto one) { return has_text(event, "type_of_elements", data_type_name(one)); });
  if (operation == kOperations.end() || type == kTypes.end()) return std::nullopt;
  value.operation = *operation;
  value.type = *type;
  return report;
}

}  // namespace grit

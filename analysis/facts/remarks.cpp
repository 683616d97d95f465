#include "analysis/facts/remarks.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "analysis/facts/node_names.hpp"
#include "harness/base/json_fields.hpp"

namespace grit {
namespace {

using Remarks = std::vector<std::string>;

std::string node_of(const Plan& plan, const Json& event, const char* key = "node") {
  return name_of_node(plan, integer_at(event, key));
}

std::string text_of(const Json& one) { return one.is_string() ? one.get<std::string>() : json_text(one); }

Remarks observer_restarted(const Plan& plan, const Json& event) {
  return {
      fmt::format("the observer of {} was lost and started again: some records may be missing", node_of(plan, event))};
}

Remarks agent_restarted(const Plan& plan, const Json& event) {
  return {fmt::format("the agent of {} was lost and started again", node_of(plan, event))};
}

Remarks idle_nic(const Plan& plan, const Json& event) {
  const auto bytes = static_cast<double>(integer_at(event, "bytes")),
             all_bytes = static_cast<double>(integer_at(event, "node_bytes"));
  if (bytes < 0 || all_bytes <= 0) return {};
  return {fmt::format(
      "{} of {} carried {:.2g} % of what the node's NICs did without a fault: the job does not use it, and a fault "
      "there "
      "slows nothing (OMPI_MCA_btl_tcp_if_include or UCX_NET_DEVICES chooses the job's)",
      text_at(event, "interface"), node_of(plan, event), 100 * bytes / all_bytes)};
}

/// A fault that was taken off before its time.
Remarks low_memory(const Plan& plan, const Json& event) {
  if (text_at(event, "action") != "reverted" || text_at(event, "why") != "low_memory") return {};
  const std::int64_t id = integer_at(event, "fault"), block = integer_at(event, "block");
  for (const PlannedFault& fault : plan.faults)
    if (fault.id == id && block >= 0)
      return {fmt::format("{} on {} was taken off in block {} because less memory was free than faults must leave",
                          fault.name, name_of_node(plan, fault.node), block)};
  return {};
}

Remarks node_back(const Plan& plan, const Json& event) {
  return {fmt::format("{}, taken for lost, was heard of again {:.1f} s after its last sign",
                      node_of(plan, event, "back_node"), static_cast<double>(integer_at(event, "silent_ns", 0)) / 1e9)};
}

Remarks recovery_problems(const Plan& plan, const Json& event) {
  const auto problems = event.find("problems");
  if (problems == event.end() || !problems->is_array() || problems->empty()) return {};
  return {fmt::format("{}: what an earlier agent had left there could not be reverted: {}", node_of(plan, event),
                      text_of(problems->front()))};
}

Remarks lost_records(const Plan&, const Json& event) {
  const std::int64_t count = integer_at(event, "count", 0);
  if (count <= 0) return {};
  return {fmt::format("{} step records of rank {} were lost: its agent could not keep up", count,
                      integer_at(event, "rank"))};
}

Remarks unrecorded(const Plan& plan, const Json& event) {
  const auto records = std::max<std::int64_t>(integer_at(event, "records", 0), 0),
             events = std::max<std::int64_t>(integer_at(event, "events", 0), 0);
  if (records + events <= 0) return {};
  return {fmt::format("{} step records and {} events were lost at {} and are not in this verdict", records, events,
                      node_of(plan, event))};
}

Remarks not_ended(const Plan& plan, const Json& event) {
  Remarks remarks;
  const auto list = event.find("nodes");
  if (list == event.end() || !list->is_array()) return remarks;
  for (const Json& node : *list)
    if (node.is_number_integer())
      remarks.push_back(
          fmt::format("{} did not say that it had ended, though its agent was still heard of: look whether grit runs "
                      "there, and run `grit revert` there when it does not",
                      name_of_node(plan, node.get<std::int64_t>())));
  return remarks;
}

/// Others did it; it says something of how quiet the machine was.
Remarks changed_by_others(const Plan& plan, const Json& event) {
  constexpr std::size_t kNamed = 3;
  const auto list = event.find("differences");
  if (list == event.end() || !list->is_array() || list->empty()) return {};
  std::vector<std::string> named;
  for (const Json& one : *list)
    if (named.size() < kNamed) named.push_back(text_of(one));
  return {fmt::format("changed meanwhile on {}, by others: {}{}", node_of(plan, event), fmt::join(named, "; "),
                      list->size() > kNamed ? fmt::format("; and {} more", list->size() - kNamed) : "")};
}

Remarks residue_unknown(const Plan& plan, const Json& event) {
  Remarks remarks;
  const auto list = event.find("unread");
  if (list == event.end() || !list->is_array()) return remarks;
  for (const Json& one : *list)
    if (one.is_string())
      remarks.push_back(fmt::format("whether anything was left behind on {} is not known, of {}", node_of(plan, event),
                                    one.get<std::string>()));
  return remarks;
}

Remarks carrier(const Plan& plan, const Json& event) {
  const std::string link = fmt::format("link {} of {}", text_at(event, "interface"), node_of(plan, event));
  const double after_s = static_cast<double>(integer_at(event, "after_ns", 0)) / 1e9;
  const std::string problem = text_at(event, "problem");
  return {fmt::format("{} {} {:.1f} s after the fault{}", link,
                      truth_at(event, "back") ? "came back" : "had no carrier, though it was set up again,", after_s,
                      problem.empty() ? "" : ": " + problem)};
}

/// What a simulation predicts, or what was found in an imported job, and what to beware of.
Remarks texts_of(const Plan&, const Json& event) {
  Remarks remarks;
  const auto list = event.find("texts");
  if (list == event.end() || !list->is_array()) return remarks;
  for (const Json& one : *list) remarks.push_back(text_of(one));
  return remarks;
}

struct RemarksOf {
  std::string_view type;
  Remarks (*remarks)(const Plan&, const Json&);
};
constexpr std::array kKinds{RemarksOf{"observer_restarted", observer_restarted},
                            RemarksOf{"agent_restarted", agent_restarted},
                            RemarksOf{"idle_nic", idle_nic},
                            RemarksOf{"fault", low_memory},
                            RemarksOf{"node_back", node_back},
                            RemarksOf{"recovered", recovery_problems},
                            RemarksOf{"records_lost", lost_records},
                            RemarksOf{"unrecorded", unrecorded},
                            RemarksOf{"not_ended", not_ended},
                            RemarksOf{"changed", changed_by_others},
                            RemarksOf{"residue_unknown", residue_unknown},
                            RemarksOf{"carrier", carrier},
                            RemarksOf{"simulated", texts_of},
                            RemarksOf{"imported", texts_of}};

}  // namespace

std::vector<std::string> remarks_in(const Plan& plan, const Json& event) {
  const std::string type = text_at(event, "type");
  for (const RemarksOf& kind : kKinds)
    if (kind.type == type) return kind.remarks(plan, event);
  return {};
}

}  // namespace grit

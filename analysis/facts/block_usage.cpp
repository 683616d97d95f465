#include "analysis/facts/block_usage.hpp"

#include "harness/base/json_fields.hpp"

namespace grit {
namespace {

double number_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>() : 0;
}

}  // namespace

Usage Usage::operator-(const Usage& other) const {
  Usage result;
  for (const auto counter : kUsageCounters) result.*counter = this->*counter - other.*counter;
  return result;
}

Usage Usage::operator/(double divisor) const {
  Usage result;
  for (const auto counter : kUsageCounters) result.*counter = this->*counter / divisor;
  return result;
}

BlockUsage::BlockUsage(const JsonLines& events) {
  events.for_each_of({"usage"}, [this](const Json& event) { take(event); });
}

void BlockUsage::take(const Json& event) {
  if (text_at(event, "type") != "usage") return;
  const auto ranks = event.find("ranks"), stalls = event.find("stalls_ns");
  const std::string edge = text_at(event, "edge");
  if (ranks == event.end() || !ranks->is_array() || (edge != "begin" && edge != "end")) return;
  const std::string machine = text_at(event, "machine");
  const bool stalls_known = stalls != event.end() && stalls->is_object();
  for (const Json& one : *ranks) {
    if (!one.is_object() || !one.contains("cpu_ns") || !one.contains("run_wait_ns")) continue;
    if (!machine.empty()) machine_[integer_at(one, "rank")] = machine;
    Usage& usage = (edge == "begin" ? begin_ : end_)[{integer_at(event, "block"), integer_at(one, "rank")}];
    usage.cpu_ns = number_at(one, "cpu_ns");
    usage.run_wait_ns = number_at(one, "run_wait_ns");
    usage.minor_faults = number_at(one, "minor_faults");
    usage.major_faults = number_at(one, "major_faults");
    usage.stopped_ns = number_at(one, "stopped_ns");
    usage.blocked_ns = number_at(one, "blocked_ns");
    usage.machine_faults = number_at(event, "page_faults");
    usage.machine_cpu_ns = number_at(event, "cpu_busy_ns");
    if (!stalls_known) continue;
    usage.memory_stall_ns = number_at(*stalls, "memory");
    usage.io_stall_ns = number_at(*stalls, "io");
  }
}

std::optional<Usage> BlockUsage::of(int block, int rank) const {
  const auto begin = begin_.find({block, rank}), end = end_.find({block, rank});
  if (begin == begin_.end() || end == end_.end()) return std::nullopt;
  return end->second - begin->second;
}

std::string BlockUsage::machine_of(int rank) const {
  const auto found = machine_.find(rank);
  return found == machine_.end() ? std::string() : found->second;
}

}  // namespace grit

// What a reading of a health check says of one subject.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// The numbers are the exit codes of monitoring plug-ins (Monitoring Plugins Development Guidelines, "Plugin Return
/// Codes"). `critical`: a job fails or has failed by it, or the node is not what it was before the run. `warning`: less
/// than it should be, or beyond a limit of grit's own choice. Either is an alarm.
enum class Severity : std::uint8_t { ok = 0, warning = 1, critical = 2, unknown = 3 };

std::string_view to_string(Severity severity);
/// Empty: there is none of that name.
std::optional<Severity> severity_from(std::string_view name);

inline bool is_alarm(Severity severity) { return severity == Severity::warning || severity == Severity::critical; }

/// critical 3, warning 2, unknown 1, ok 0: an alarm is one whatever else is not known.
int rank_of(Severity severity);

struct Outcome {
  Severity severity = Severity::unknown;
  std::string subject{};          // a NIC, a CPU, a disk, a GPU ...: "eth0"; empty: the node
  std::optional<double> value{};  // what the limits were held against, in `unit`
  std::string unit{};     // "s", "bytes", "bit/s", "count", "1/s", "share" (of 1), "Hz", "degC"; empty: no value
  std::string detail{};   // what was found, in words, without the subject's name: "MTU 1400, was 1500"
  std::string hint{};     // what to look at or to do next; empty: nothing better than the detail
  bool not_here = false;  // unknown, for the node has nothing of the kind: no GPU, no RDMA device
};

/// There is nothing of the kind on this node: "no RDMA device".
Outcome not_here(std::string why);

/// An alarm when the value is at least so much; a limit of 0 is off.
Severity judge_at_least(double value, double warning, double critical);
/// An alarm when the value is at most so much; a limit of 0 is off.
Severity judge_at_most(double value, double warning, double critical);

/// critical before warning before ok; unknown when nothing else is known, or nothing at all was said.
Severity worst_of(const std::vector<Outcome>& outcomes);

Json to_json(const Outcome& outcome);
/// Error (internal): not what to_json() writes.
Result<Outcome> outcome_from_json(const Json& json);

}  // namespace grit

// What `grit measure` prints and the burn-in reads: one line of JSON a process or a cell, in whatever else a launcher
// prints around it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "harness/model/burnin.hpp"

namespace grit {

/// {"grit_measure": 1, "host": NAME, "peer": NAME, "figures": {measure: value | {"value", "exposure"}}, "facts": {..},
/// "alarms": [..], "alarm_free": [..], "skipped": [..], "error": TEXT, "boot_id": ID, "carriers":
/// {"netns", "read_ns", "nics": [{"nic", "ifindex", "lost"}]}}: all but the first two may be missing.
struct BurninLine {
  std::string host{}, peer{};
  std::vector<BurninObservation> observations{};  // of which measure, value and exposure are set
  std::map<std::string, std::string> facts{};
  std::vector<BurninAlarm> alarms{};
  std::vector<std::string> alarm_free{}, skipped{};
  std::string error{};
  std::string boot_id{};  // /proc/sys/kernel/random/boot_id: another one after each start of the kernel
  std::optional<BurninCarriers> carriers{};
};

/// One line with its end, of ASCII only, at most 4,000 bytes: what fits into one write to a pipe stays in one piece
/// (PIPE_BUF, pipe(7)). Facts and texts are shortened until it does.
std::string burnin_line(const BurninLine& line);

/// Puts what the lines of `output` say into `result`, with the cell's id, visit and whether it confirms. Lines that are
/// none of ours, torn, of hosts that are not of the cell, or with values that are no finite numbers are passed over.
void read_burnin_lines(std::string_view output, BurninCellResult& result);

}  // namespace grit

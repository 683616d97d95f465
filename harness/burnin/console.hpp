// What the kernel of a node said last, from a file that a serial console, a BMC or netconsole writes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace grit {

/// The last 20 lines of the file that `pattern` names with `host` in the place of each "%n". None where there is no
/// such file, or nothing was written to it since `since_ns` (CLOCK_REALTIME): it is of an earlier death.
std::vector<std::string> last_console_lines(const std::string& pattern, const std::string& host, std::int64_t since_ns);

}  // namespace grit

// Figures over a window that is long enough to judge by, however close two readings are: the end of a block can come
// right after a reading.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "harness/health/check_memory.hpp"
#include "harness/model/params.hpp"

namespace grit {

/// The parameter "window", for counter_window(): so long by default.
ParamSpec window_param(std::int64_t default_ns);

struct CounterWindow {
  std::int64_t elapsed_ns = 0;
  std::vector<std::int64_t> grown{};  // of each counter, in their order
};

/// How much counters that are read together grew, over a window that ends now: at least `window_ns`, and less than
/// twice that where it is read at least so often. After the first reading over what there is, from half a second on.
/// Empty: not so much yet, or a counter became less, which starts all of them anew.
std::optional<CounterWindow> counter_window(CheckMemory& memory, const std::string& name,
                                            const std::vector<std::int64_t>& counters, std::int64_t window_ns);

/// For how long something was so at every reading, this one included; 0: it is not.
std::int64_t held_ns(CheckMemory& memory, const std::string& name, bool is_so);

}  // namespace grit

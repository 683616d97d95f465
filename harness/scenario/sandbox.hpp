// A Lua 5.4 state for text of unknown quality: nothing of the outside world in it, and bounded memory and time.
//
// Libraries: base without everything that loads code, touches metatables or the collector; string, table, math, utf8.
// Nothing in it depends on addresses, the clock or a random seed: pairs() goes in sorted order, math.random is absent.
// What the limits can and cannot stop is said in docs/scenarios.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <lua.hpp>
#include <stdexcept>
#include <string>

#include "harness/base/result.hpp"

namespace grit {

struct SandboxLimits {
  std::size_t memory_bytes = std::size_t{64} << 20;
  std::int64_t instructions = 50'000'000;
  std::int64_t cpu_time_ns = 2'000'000'000;  // of this thread; for instructions that are long C functions
  std::size_t printed_bytes = std::size_t{64} << 10;
  bool silent = false;  // what it prints is not shown: it is run once more
};

/// What C++ code called by Lua throws when the scenario is wrong; guarded() turns it into a Lua error with the line.
struct ScenarioError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Runs a Lua chunk and then `use` on the one value it returned, which is on top of the stack. `prepare` runs before,
/// to add globals. Both run protected, `use` within the same limits, and may throw ScenarioError or Lua errors. Error
/// (usage): "FILE:LINE: message" of whatever went wrong, limits included.
Status run_in_sandbox(const SandboxLimits& limits, const std::string& file, const std::string& source,
                      const std::function<void(lua_State*)>& prepare, const std::function<void(lua_State*)>& use);

/// Counts instructions and CPU time from here anew: what comes next is another stretch of the scenario, after a trial
/// that took as long as it took.
void restart_limits(lua_State* lua);

/// For C functions that take long, between whose instructions the limit on CPU time is not looked at: ends the scenario
/// when it has computed for longer.
void check_cpu_time(lua_State* lua);

/// "FILE:LINE" of the Lua code that called the running C function; "FILE" when there is none.
std::string caller_position(lua_State* lua);

/// Ends the running C function with a Lua error at its caller's line.
[[noreturn]] void raise_at_caller(lua_State* lua, const std::string& message);

/// A C++ function as a lua_CFunction: its exceptions become Lua errors. Lua's own errors, C++ exceptions of a type that
/// is not derived from std::exception (ldo.c), pass through and run the destructors on their way.
template <int (*function)(lua_State*)>
int guarded(lua_State* lua) {
  std::string message;
  try {
    return function(lua);
  } catch (const std::exception& error) {
    message = error.what();
  }
  raise_at_caller(lua, message);
}

}  // namespace grit

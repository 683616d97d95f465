#include "harness/scenario/sandbox.hpp"

#include <fmt/format.h>
#include <time.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

#include "harness/base/printable.hpp"
#include "harness/scenario/bounded.hpp"

namespace grit {
namespace {

constexpr int kInstructionsPerHook = 200;

/// The bookkeeping of one Lua state, reachable from it through its extra space.
struct Sandbox {
  SandboxLimits limits;
  std::string file;   // as the user wrote it
  std::string chunk;  // its last component: Lua's messages begin with it (longer names would be cut at 60 characters)
  std::string source;
  std::function<void(lua_State*)> prepare;
  std::function<void(lua_State*)> use;

  std::size_t memory_bytes = 0;
  bool memory_exhausted = false;
  std::int64_t instructions = 0;
  std::int64_t started_ns = 0;
  std::string exceeded{};  // why the hook ended it; once set, no pcall in the scenario can go on
  std::size_t printed_bytes = 0;
  int last_line = 0;
};

Sandbox& sandbox_of(lua_State* lua) {
  Sandbox* sandbox = nullptr;
  std::memcpy(&sandbox, lua_getextraspace(lua), sizeof sandbox);
  return *sandbox;
}

std::int64_t thread_cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// lua_Alloc: for a new block, old_size is a type tag and not a size.
void* allocate(void* user, void* block, std::size_t old_size, std::size_t new_size) {
  auto& sandbox = *static_cast<Sandbox*>(user);
  const std::size_t held = block == nullptr ? 0 : old_size;
  if (new_size == 0) {
    std::free(block);
    sandbox.memory_bytes -= held;
    return nullptr;
  }
  if (new_size > held && sandbox.memory_bytes - held + new_size > sandbox.limits.memory_bytes) {
    sandbox.memory_exhausted = true;
    return nullptr;
  }
  void* moved = std::realloc(block, new_size);
  if (moved != nullptr) sandbox.memory_bytes = sandbox.memory_bytes - held + new_size;
  return moved;
}

/// Sets `exceeded` when the scenario has computed for too long.
void look_at_cpu_time(Sandbox& sandbox) {
  if (thread_cpu_ns() - sandbox.started_ns <= sandbox.limits.cpu_time_ns) return;
  sandbox.exceeded = fmt::format("the scenario computed for more than {} s: an endless loop?",
                                 sandbox.limits.cpu_time_ns / 1'000'000'000);
}

void hook(lua_State* lua, lua_Debug* event) {
  Sandbox& sandbox = sandbox_of(lua);
  if (event->event == LUA_HOOKLINE) {
    sandbox.last_line = event->currentline;
    return;
  }
  sandbox.instructions += kInstructionsPerHook;
  if (sandbox.instructions > sandbox.limits.instructions) {
    sandbox.exceeded = fmt::format("the scenario ran more than {} million instructions: an endless loop?",
                                   sandbox.limits.instructions / 1'000'000);
  } else {
    look_at_cpu_time(sandbox);
  }
  if (sandbox.exceeded.empty()) return;
  lua_sethook(lua, hook, LUA_MASKCOUNT, 1);  // whatever catches this error is ended by the next instruction
  lua_getinfo(lua, "Sl", event);
  lua_pushfstring(lua, "%s:%d: %s", sandbox.chunk.c_str(), event->currentline, sandbox.exceeded.c_str());
  lua_error(lua);
}

/// print: to standard error, because standard output may be read by a program.
int print(lua_State* lua) {
  Sandbox& sandbox = sandbox_of(lua);
  std::string line;
  for (int i = 1, last = lua_gettop(lua); i <= last; ++i) {
    std::size_t size = 0;
    push_plain_text(lua, i);
    const char* text = lua_tolstring(lua, -1, &size);
    line.append(i > 1 ? "\t" : "").append(text, size);
    lua_pop(lua, 1);
  }
  line = printable_lines(line) + '\n';
  sandbox.printed_bytes += line.size();
  if (sandbox.printed_bytes > sandbox.limits.printed_bytes) {
    throw ScenarioError(fmt::format("the scenario printed more than {} bytes", sandbox.limits.printed_bytes));
  }
  if (!sandbox.limits.silent) std::fwrite(line.data(), 1, line.size(), stderr);
  return 0;
}

void remove_fields(lua_State* lua, const char* library, std::initializer_list<const char*> names) {
  lua_getglobal(lua, library);
  for (const char* name : names) {
    lua_pushnil(lua);
    lua_setfield(lua, -2, name);
  }
  lua_pop(lua, 1);
}

void open_libraries(lua_State* lua) {
  constexpr std::array<std::pair<const char*, lua_CFunction>, 5> kLibraries{{{LUA_GNAME, luaopen_base},
                                                                             {LUA_STRLIBNAME, luaopen_string},
                                                                             {LUA_TABLIBNAME, luaopen_table},
                                                                             {LUA_MATHLIBNAME, luaopen_math},
                                                                             {LUA_UTF8LIBNAME, luaopen_utf8}}};
  for (const auto& [name, open] : kLibraries) {
    luaL_requiref(lua, name, open, 1);
    lua_pop(lua, 1);
  }
  // Code from elsewhere; the collector; metatables (a finalizer runs without the hook); xpcall (so does its handler);
  // next (its order depends on addresses).
  remove_fields(lua, LUA_GNAME,
                {"dofile", "loadfile", "load", "require", "collectgarbage", "warn", "setmetatable", "getmetatable",
                 "xpcall", "next"});
  remove_fields(lua, LUA_STRLIBNAME, {"dump"});
  remove_fields(lua, LUA_MATHLIBNAME, {"random", "randomseed"});
  install_bounded_functions(lua);
  lua_pushcfunction(lua, guarded<print>);
  lua_setglobal(lua, "print");
}

/// Everything that can raise a Lua error, in one protected call.
int protected_body(lua_State* lua) {
  Sandbox& sandbox = sandbox_of(lua);
  open_libraries(lua);
  sandbox.prepare(lua);
  const std::string name = "@" + sandbox.chunk;
  if (luaL_loadbufferx(lua, sandbox.source.data(), sandbox.source.size(), name.c_str(), "t") != LUA_OK) lua_error(lua);
  sandbox.started_ns = thread_cpu_ns();
  lua_sethook(lua, hook, LUA_MASKCOUNT | LUA_MASKLINE, kInstructionsPerHook);
  lua_call(lua, 0, 1);
  sandbox.use(lua);
  return 0;
}

/// Of a message of any length (the scenario's own error() may give one): its beginning, which says where and what, and
/// its end, which says what would be right.
std::string readable(std::string message) {
  constexpr std::size_t kBeginning = 1500, kEnd = 500;
  if (message.size() <= kBeginning + kEnd) return message;
  return fmt::format("{} ... ({} bytes left out) ... {}", message.substr(0, kBeginning),
                     message.size() - kBeginning - kEnd, message.substr(message.size() - kEnd));
}

/// What to write where a file names a part of the library without the library, or without having asked for it; else
/// empty.
std::string advice_for(std::string_view message) {
  for (const std::string_view name : {"grit", "check", "fault", "workload"}) {
    if (!message.ends_with(fmt::format("nil value (global '{}')", name))) continue;
    const std::string part = name == "grit" ? "" : fmt::format("grit.{}, and ", name);
    return fmt::format("; write {}at the file's beginning: local grit = require \"grit\"", part);
  }
  return "";
}

/// The failed call's message, with the file as the user wrote it and, where Lua gives none, the last line that ran.
std::string message_of(lua_State* lua, const Sandbox& sandbox) {
  const std::string at_line = sandbox.last_line > 0 ? fmt::format(":{}", sandbox.last_line) : "";
  if (sandbox.memory_exhausted && lua_type(lua, -1) == LUA_TSTRING &&
      std::string_view(lua_tostring(lua, -1)) == "not enough memory") {
    return fmt::format("{}{}: the scenario used more than {} MiB of memory: an endless loop or recursion?",
                       sandbox.file, at_line, sandbox.limits.memory_bytes >> 20);
  }
  if (lua_type(lua, -1) != LUA_TSTRING) {
    return fmt::format("{}{}: the scenario ended with an error that is not text", sandbox.file, at_line);
  }
  std::size_t size = 0;
  const char* text = lua_tolstring(lua, -1, &size);
  const std::string_view message(text, size);
  if (message.starts_with(sandbox.chunk + ":"))
    return sandbox.file + std::string(message.substr(sandbox.chunk.size())) + advice_for(message);
  return fmt::format("{}{}: {}{}", sandbox.file, at_line, message, advice_for(message));
}

}  // namespace

Status run_in_sandbox(const SandboxLimits& limits, const std::string& file, const std::string& source,
                      const std::function<void(lua_State*)>& prepare, const std::function<void(lua_State*)>& use) {
  Sandbox sandbox{.limits = limits,
                  .file = file,
                  .chunk = std::filesystem::path(file).filename().string(),
                  .source = source,
                  .prepare = prepare,
                  .use = use};
  const std::unique_ptr<lua_State, decltype(&lua_close)> state(lua_newstate(allocate, &sandbox), lua_close);
  if (!state) return internal_error("not enough memory for the Lua interpreter");
  Sandbox* address = &sandbox;
  std::memcpy(lua_getextraspace(state.get()), &address, sizeof address);
  lua_pushcfunction(state.get(), guarded<protected_body>);
  if (lua_pcall(state.get(), 0, 0, 0) == LUA_OK) return {};
  return usage_error(readable(message_of(state.get(), sandbox)));
}

void check_cpu_time(lua_State* lua) {
  Sandbox& sandbox = sandbox_of(lua);
  look_at_cpu_time(sandbox);
  if (sandbox.exceeded.empty()) return;
  lua_sethook(lua, hook, LUA_MASKCOUNT, 1);  // whatever catches this error is ended by the next instruction
  throw ScenarioError(sandbox.exceeded);
}

void restart_limits(lua_State* lua) {
  Sandbox& sandbox = sandbox_of(lua);
  sandbox.instructions = 0;
  sandbox.started_ns = thread_cpu_ns();
}

std::string caller_position(lua_State* lua) {
  const Sandbox& sandbox = sandbox_of(lua);
  lua_Debug frame{};
  if (lua_getstack(lua, 1, &frame) == 0 || lua_getinfo(lua, "l", &frame) == 0 || frame.currentline <= 0) {
    return sandbox.file;
  }
  return fmt::format("{}:{}", sandbox.file, frame.currentline);
}

void raise_at_caller(lua_State* lua, const std::string& message) {
  luaL_where(lua, 1);
  lua_pushlstring(lua, message.data(), message.size());
  lua_concat(lua, 2);
  lua_error(lua);
  std::abort();  // lua_error does not return; its declaration does not say so
}

}  // namespace grit

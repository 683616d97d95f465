// What a scenario must not be able to do.
#include <fmt/format.h>

#include <ctime>
#include <lua.hpp>
#include <memory>

#include "tests/catch.hpp"
#include "tests/unit/scenario/fixture.hpp"

using namespace grit::test;

TEST_CASE("an endless loop ends with file and line") {
  const std::string message = load_error("local x = 0\nlocal y = 0\nwhile true do x = x + 1 end\n");
  CHECK(contains(message, "x.lua:3: the scenario ran more than 50 million instructions"));
}

TEST_CASE("pcall cannot keep an endless loop alive") {
  const std::string message = load_error(R"(
local function spin() while true do end end
while true do pcall(function() while true do pcall(spin) end end) end)");
  CHECK(contains(message, "endless loop?"));
}

TEST_CASE("endless recursion is an error with file and line") {
  CHECK(contains(load_error("local function f() return 1 + f() end\nf()"),
                 "x.lua:1: the scenario used more than 64 MiB of memory: an endless loop or recursion?"));
}

TEST_CASE("a memory bomb ends with file and line") {
  CHECK(contains(load_error("local s = 'x'\nfor i = 1, 100 do\n  s = s .. s\nend"),
                 "x.lua:3: the scenario used more than 64 MiB of memory"));
  CHECK(contains(load_error("local t = {}\nfor i = 1, 1e9 do t[i] = i end"), "x.lua:2: "));
  CHECK(contains(load_error("\nreturn ('x'):rep(1 << 26)"), "x.lua:2: the scenario used more than 64 MiB"));
}

TEST_CASE("memory errors caught by the scenario do not add up to a hang") {
  CHECK(contains(load_error("while true do pcall(string.rep, 'x', 60000000) end"), "endless loop?"));
}

TEST_CASE("long C functions are refused before they start") {
  CHECK(contains(load_error("\nreturn (''):rep(math.maxinteger)"), "x.lua:2: string.rep repeats at most"));
  CHECK(contains(load_error("return table.move({}, 1, math.maxinteger - 1, 1, {})"), "x.lua:1: table.move moves"));
  CHECK(contains(load_error("return table.move({}, math.mininteger, math.maxinteger, 1)"), "table.move moves"));
  CHECK(contains(load_error("return (('a'):rep(5000)):find(('.-'):rep(40) .. 'b')"), "x.lua:1: matching pattern"));
  CHECK(contains(load_error("return (('a'):rep(5000)):match(('a?'):rep(40) .. 'b')"), "could take too long"));
  CHECK(contains(load_error("return (('a'):rep(5000)):gsub('.-.-.-.-.-b', '')"), "could take too long"));
  CHECK(contains(load_error("for _ in (('a'):rep(5000)):gmatch('.-.-.-.-.-b') do end"), "could take too long"));
  CHECK(contains(load_error("return (('a'):rep(5e6)):find(('a'):rep(5e5) .. 'b', 1, true)"), "could take too long"));
}

TEST_CASE("ordinary patterns and loops are let through") {
  const auto scenario = load_text(scenario_with(R"LUA(summary = (function()
    local number, unit = ("250 ms"):match("^(%d+)%s*(%a+)$")
    local csv = ("a,b;c"):gsub("[,;]", " ")
    local found = ("node12: eth0 (data)"):match("eth%d+")
    local list = table.move({ 1, 2, 3 }, 1, 3, 2)
    return number .. unit .. csv .. found .. #list .. ("ab"):rep(2)
  end)(),)LUA"));
  REQUIRE(scenario.has_value());
  CHECK(scenario->summary == "250msa b ceth04abab");
}

TEST_CASE("the outside world is absent") {
  for (const char* name :
       {"io", "os", "package", "debug", "coroutine", "dofile", "loadfile", "load", "loadstring", "collectgarbage",
        "setmetatable", "getmetatable", "xpcall", "next", "warn", "string.dump", "math.random", "math.randomseed"}) {
    INFO(name);
    CHECK(contains(load_error(fmt::format("if {} == nil then error('absent') end", name)), "x.lua:1: absent"));
  }
}

TEST_CASE("require knows the built-in library only") {
  CHECK(contains(load_error("require 'os'"), "x.lua:1: there is no module \"os\""));
  CHECK(contains(load_error("\nrequire 'grit.nothing'"), "x.lua:2: there is no module"));
  CHECK(load_text("local f = require 'grit.fault'\nlocal w = require 'grit.workload'\nrequire 'grit.check'\n" +
                  scenario_with("faults = { require('grit').fault.link_flap {} },"))
            .has_value());
}

TEST_CASE("bytecode is refused") {
  const std::unique_ptr<lua_State, decltype(&lua_close)> lua(luaL_newstate(), lua_close);
  REQUIRE(luaL_loadstring(lua.get(), "return 1") == LUA_OK);
  std::string bytecode;
  const auto append = [](lua_State*, const void* bytes, std::size_t size, void* to) {
    static_cast<std::string*>(to)->append(static_cast<const char*>(bytes), size);
    return 0;
  };
  REQUIRE(lua_dump(lua.get(), append, &bytecode, 0) == 0);
  CHECK(contains(load_error(bytecode), "is compiled Lua; grit reads Lua source only"));
}

TEST_CASE("printing is bounded") {
  CHECK(contains(load_error("print(('x'):rep(70000))"), "x.lua:1: the scenario printed more than"));
}

TEST_CASE("making values without end is bounded") {
  CHECK(contains(load_error("local grit = require 'grit'\nwhile true do grit.workload.ddp {} end"), "x.lua:2: "));
}

TEST_CASE("pairs goes in sorted order") {
  const auto scenario = load_text(scenario_with(R"LUA(summary = (function()
    local words = ""
    for k, v in pairs { zeta = 1, alpha = 2, [10] = 3, [2] = 4, mid = 5 } do words = words .. k .. "=" .. v .. " " end
    return words
  end)(),)LUA"));
  REQUIRE(scenario.has_value());
  CHECK(scenario->summary == "2=4 10=3 alpha=2 mid=5 zeta=1 ");
}

TEST_CASE("an error is readable however long the value is that is wrong") {
  const std::string huge = R"(string.rep("9", 1000000))";
  for (const std::string& extra :
       {"faults = { f { down = " + huge + " } },", "faults = { f { on = " + huge + " } },",
        "faults = { f { nic = " + huge + " } }, options = { x = { '1s', unit = " + huge + " } },",
        "faults = { f { [" + huge + "] = 1 } },", "summary = error(" + huge + "),",
        "options = { [" + huge + "] = '1s' },", "[" + huge + "] = 1,"}) {
    const std::string said = load_error(scenario_with(extra));
    CAPTURE(extra.substr(0, 80), said.substr(0, 300));
    CHECK(said.size() < 3000);
    CHECK(said.starts_with("x.lua:"));
  }
}

TEST_CASE("Lua's own errors carry file and line") {
  CHECK(contains(load_error("local a\n\nreturn a.b"), "x.lua:3: attempt to index"));
  CHECK(contains(load_error("return {"), "x.lua:1:"));
  CHECK(contains(load_error("\nerror('mine')"), "x.lua:2: mine"));
  CHECK(contains(load_error("\nerror({})"), "x.lua:2: the scenario ended with an error that is not text"));
}

TEST_CASE("nothing in a scenario depends on addresses") {
  const auto text = [](std::string_view expression) {
    const auto scenario = load_text(scenario_with(fmt::format("summary = {},", expression)));
    INFO((scenario ? std::string() : scenario.error().message));
    REQUIRE(scenario.has_value());
    return scenario->summary;
  };
  CHECK(text("tostring({})") == "table");
  CHECK(text("tostring(print)") == "function");
  CHECK(text("tostring(grit.fault.link_flap {})") == "grit.fault");
  CHECK(text("('%s %s'):format({}, print)") == "table function");
  CHECK(text("('%d%% %5.1f %q %s'):format(3, 2.25, 'x', nil)") == "3%   2.2 \"x\" nil");
  CHECK(text("tostring(12) .. tostring(nil) .. tostring(true) .. tostring('x')") == "12niltruex");
  for (const char* format : {"'%p'", "'%-20p'", "'%%%p'"})
    CHECK(contains(load_error(fmt::format("return ({}):format({{}})", format)), "%p is an address"));
}

TEST_CASE("text that a scenario gives to faults is bounded, as it lives outside of Lua's memory") {
  CHECK(contains(load_error("local grit = require 'grit'\nlocal s = ('x'):rep(1 << 20)\n"
                            "for i = 1, 100 do grit.fault.kernel_log { text = s } end"),
                 "x.lua:3: the parameters of the scenario's faults, workloads and checks hold more than 16 MiB"));
}

TEST_CASE("loops over slow patterns end when the time is up") {
  // Each match takes some 0.1 s and is within the bound; dozens of them would pass between two looks at the clock.
  for (const char* loop : {"for _ in ((('a'):rep(650)):gmatch('.-.-b')) do end", "(('a'):rep(650)):find('.-.-b')",
                           "(('a'):rep(650)):gsub('.-.-b', '')"}) {
    CAPTURE(loop);
    const std::clock_t began = std::clock();
    CHECK(contains(load_error(fmt::format("for i = 1, 1000 do {} end", loop)), "computed for more than 2 s"));
    CHECK(static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC < 3.5);
  }
}

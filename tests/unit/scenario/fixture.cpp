#include "tests/unit/scenario/fixture.hpp"

#include <fmt/format.h>

#include <fstream>

#include "harness/scenario/load.hpp"
#include "tests/catch.hpp"

namespace grit::test {

Result<Scenario> load_text(std::string_view lua, const Overrides& overrides) {
  const TempDirectory directory;
  const auto file = directory.path() / "x.lua";
  std::ofstream(file, std::ios::binary) << lua;
  return load_scenario(file, overrides);
}

std::string load_error(std::string_view lua, const Overrides& overrides) {
  const auto scenario = load_text(lua, overrides);
  INFO(lua);
  REQUIRE_FALSE(scenario.has_value());
  CHECK(scenario.error().kind == ErrorKind::usage);
  const std::string& message = scenario.error().message;
  const auto file = message.find("x.lua");
  INFO(message);
  REQUIRE(file != std::string::npos);
  return message.substr(file);
}

std::string scenario_with(std::string_view extra) {
  return fmt::format(R"(local grit = require "grit"
local function f(t) return grit.fault.link_flap(t) end local delay, pause = grit.fault.rank_delay, grit.fault.process_pause
return grit.scenario {{
  {}
  name = "x",
  workload = grit.workload.ddp {{}},
  design = design or {{ pairs = 8, block = "3s" }},
  expect = {{ slowdown = {{ at_least = "10%" }} }},
}}
)",
                     extra);
}

bool contains(std::string_view text, std::string_view part) {
  UNSCOPED_INFO("looking for: " << part << "\nin: " << text);
  return text.find(part) != std::string_view::npos;
}

Topology cluster_of(int nodes) {
  Topology topology;
  for (int i = 0; i < nodes; ++i) {
    Node node;
    node.index = i;
    node.name = fmt::format("node{}", i);
    node.ranks = {i};
    Nic management{.name = "mgmt0", .ifindex = 2, .up = true, .role = NicRole::management};
    management.role_evidence = "carries the default route";
    Nic data{.name = "eth0", .ifindex = 3, .up = true, .role = NicRole::data};
    data.addresses = {fmt::format("10.77.0.{}/16", i + 1)};
    node.nics = {management, data};
    topology.nodes.push_back(std::move(node));
  }
  return topology;
}

}  // namespace grit::test

#include "tests/virtual/cases.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "tests/catch.hpp"

namespace grit::testing {

std::string virtual_scenario(const std::string& name, const std::string& faults, const std::string& expect,
                             const std::string& design, const std::string& more) {
  return fmt::format(R"(local grit = require "grit"
local fault, check = grit.fault, grit.check
return grit.scenario {{
  name = "{}",
  summary = "What does it do to the steps?",
  workload = grit.workload.ddp {{ compute = "emulated" }},
  faults = {{ {} }},
  design = {{ {} }},
  expect = {{ {} }},
  {}
}}
)",
                     name, faults, design, expect, more);
}

std::vector<Case> cases() {
  const auto setting = [](const std::string& name, const std::string& faults, const std::string& expect,
                          const std::string& design = R"(pairs = 8, block = "1s")", const std::string& more = {}) {
    return VirtualSetting{.scenario = virtual_scenario(name, faults, expect, design, more)};
  };
  const std::string slower = R"(slowdown = { at_least = "5%" })";
  std::vector<Case> all;

  // 4 ms of 40, less what the fastest rank waits for the slowest anyhow.
  all.push_back({"rank_delay",
                 setting("rank_delay", R"(fault.rank_delay { on = "2", delay = "4ms" })",
                         R"(slowdown = { at_least = "5%" }, culprit = { node = "2", resource = "compute" })"),
                 VerdictKind::reproduced,
                 "completed",
                 "0.0902",
                 {2},
                 "compute",
                 "node2"});
  // Without noise it is all of it.
  all.push_back(
      {"rank_delay_exact", all.back().setting, VerdictKind::reproduced, "completed", "0.100", {2}, "compute", "node2"});
  all.back().setting.noise = 0;
  all.push_back({"gpu_throttle",
                 setting("gpu_throttle", R"(fault.gpu_throttle { on = "1", clock = "80%" })", slower),
                 VerdictKind::reproduced,
                 "completed",
                 "0.154",
                 {1},
                 "compute",
                 "node1"});
  all.push_back({"expected_more",
                 setting("expected_more", R"(fault.rank_delay { on = "2", delay = "4ms" })",
                         R"(slowdown = { at_least = "20%" }, culprit = { node = "1" })"),
                 VerdictKind::not_reproduced,
                 "completed",
                 "0.0902",
                 {2},
                 "compute",
                 "node2"});
  all.push_back({"two_nodes",
                 setting("two_nodes", R"(fault.rank_delay { on = "1,3", delay = "4ms" })", slower),
                 VerdictKind::reproduced,
                 "completed",
                 "0.0957",
                 {1, 3},
                 "compute",
                 "node3"});
  all.push_back(
      {"in_turn",
       setting("in_turn",
               R"(fault.process_pause { on = "all", pause = "150ms", every = "2s", count = 2, schedule = "poisson" })",
               slower, R"(pairs = 8, block = "6s")"),
       VerdictKind::reproduced,
       "completed",
       "0.206",
       {0, 1, 2, 3},
       "compute",
       "each node in turn"});
  all.push_back({"link_flap",
                 setting("link_flap", R"(fault.link_flap { on = "2", down = "300ms", after = "200ms" })",
                         R"(slowdown = { at_least = "10%" }, culprit = { node = "2", resource = "network" })",
                         R"(pairs = 8, block = "1500ms", link_test = true)", "checks = { check.link_up {} },"),
                 VerdictKind::reproduced,
                 "completed",
                 "0.197",
                 {2},
                 "network",
                 "node2"});
  all.push_back({"one_link",
                 setting("one_link", R"(fault.partition { on = "1", from = "3", lasts = "300ms" })",
                         R"(slowdown = { at_least = "10%" })", R"(pairs = 8, block = "1500ms", link_test = true)"),
                 VerdictKind::reproduced,
                 "completed",
                 "0.197",
                 {1, 3},
                 "network",
                 "link node1–node3"});
  // Each down for as long; between them the ranks wait for nobody.
  all.push_back({"two_flaps",
                 setting("two_flaps",
                         R"(fault.link_flap { on = "1", down = "300ms", after = "200ms" },
    fault.link_flap { on = "3", down = "300ms", after = "1400ms" })",
                         R"(slowdown = { at_least = "10%" })", R"(pairs = 8, block = "2500ms", link_test = true)"),
                 VerdictKind::reproduced,
                 "completed",
                 "0.257",
                 {1, 3},
                 "network",
                 "node1"});
  // Shown at the first of three looks, and not at any of them.
  all.push_back({"first_look",
                 setting("first_look", R"(fault.rank_delay { on = "2", delay = "4ms" })", slower,
                         R"(pairs = 8, max_pairs = 16, block = "1s")"),
                 VerdictKind::reproduced,
                 "completed",
                 "0.0902",
                 {2},
                 "compute",
                 "node2"});
  all.push_back({"last_look",
                 setting("last_look", R"(fault.rank_delay { on = "2", delay = "4ms" })",
                         R"(slowdown = { at_least = "9.0%" })", R"(pairs = 8, max_pairs = 16, block = "1s")"),
                 VerdictKind::inconclusive,
                 "completed",
                 "0.0900",
                 {2},
                 "compute",
                 "node2"});
  all.push_back({"healthy",
                 setting("healthy", "", R"(slowdown = { at_most = "5%" })", R"(pairs = 8, block = "1s", sham = true)",
                         "checks = { check.link_up {} },"),
                 VerdictKind::reproduced, "completed", "0.00"});
  all.push_back({"hang",
                 setting("hang", R"(fault.process_pause { on = "3", rank = "0", pause = "1h", after = "100ms" })",
                         R"(outcome = "hang")", R"(pairs = 6, block = "20 steps", hang = "5s")"),
                 VerdictKind::reproduced, "hang"});
  all.push_back({"rank_death",
                 setting("rank_death", R"(fault.process_kill { on = "1", rank = "0" })", R"(outcome = "rank_death")",
                         R"(pairs = 6, block = "20 steps")"),
                 VerdictKind::reproduced, "rank_death"});
  all.push_back({"node_loss",
                 setting("node_loss", R"(fault.rank_delay { on = "2", delay = "4ms" })", R"(outcome = "node_loss")"),
                 VerdictKind::reproduced, "node_loss"});
  all.back().setting.loss = Loss{.node = 3, .block = 2, .after_ns = 700'000'000};
  all.push_back({"recovery",
                 setting("recovery", R"(fault.link_flap { on = "2", down = "300ms", after = "600ms" })",
                         R"(slowdown = { at_least = "10%" }, recovers = { within = "2s" })",
                         R"(pairs = 8, block = "1s", recovery = "3s")"),
                 VerdictKind::reproduced,
                 "completed",
                 "0.447",
                 {},
                 "network",
                 ""});
  all.back().setting.aftermath_ns = 1'500'000'000;
  all.push_back({"idle_fault", all.front().setting, VerdictKind::inconclusive, "completed", "none"});
  all.back().setting.idle_fault = "rank_delay";
  return all;
}

const Case& case_of(const std::vector<Case>& all, const std::string& name) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const Case& one) { return one.name == name; });
  REQUIRE(found != all.end());
  return *found;
}

}  // namespace grit::testing

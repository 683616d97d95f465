// Each guard rail refuses, and its override lets pass.
#include <fmt/format.h>

#include "harness/model/guard_rails.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

constexpr std::int64_t kGiB = 1LL << 30;

PlannedFault fault(std::string name, int node, std::vector<Pulse> pulses = {Pulse{}}, std::string device = "") {
  PlannedFault planned;
  planned.name = std::move(name);
  planned.node = node;
  planned.device = std::move(device);
  planned.pulses = std::move(pulses);
  return planned;
}

/// Real nodes, each with eth0 (data), mgmt0 (management) and 100 GiB.
Plan plan_of(int nodes, std::vector<PlannedFault> faults) {
  Plan plan;
  for (int i = 0; i < nodes; ++i) {
    Node node{.index = i, .name = fmt::format("node{}", i), .memory_bytes = 100 * kGiB};
    node.nics = {Nic{.name = "eth0", .role = NicRole::data},
                 Nic{.name = "mgmt0", .role = NicRole::management, .role_evidence = "carries the default route"}};
    plan.topology.nodes.push_back(std::move(node));
  }
  plan.faults = std::move(faults);
  for (std::size_t i = 0; i < plan.faults.size(); ++i) plan.faults[i].id = static_cast<int>(i);
  return plan;
}

FaultTraits traits_by_name(const PlannedFault& fault) {
  FaultTraits traits;
  traits.takes_nic = fault.name == "nic";
  traits.destructive = fault.name == "kill";
  traits.runs_commands = fault.name == "command";
  traits.changes_gpu_settings = fault.name == "gpu";
  if (fault.name == "memory") traits.memory_bytes = 60 * kGiB;
  return traits;
}

std::vector<Guard> guards(const Plan& plan) { return guard_rails(plan, traits_by_name); }

/// The one guard of this plan: refused with `flag`, then let pass once `allow` was called.
template <class Allow>
void refuses_until(Plan plan, const std::string& what, const std::string& flag, Allow allow) {
  const auto refused = guards(plan);
  REQUIRE(refused.size() == 1);
  INFO(refused[0].what);
  CHECK(refused[0].what.find(what) != std::string::npos);
  CHECK(refused[0].refused);
  CHECK(refused[0].override_flag == flag);
  const auto checked = check_guards(refused);
  REQUIRE_FALSE(checked.has_value());
  CHECK(checked.error().kind == ErrorKind::usage);
  CHECK(checked.error().message.find(flag) != std::string::npos);
  allow(plan.allowed);
  const auto passed = guards(plan);
  REQUIRE(passed.size() == 1);  // still said
  CHECK_FALSE(passed[0].refused);
  CHECK(check_guards(passed).has_value());
}

}  // namespace

TEST_CASE("guard rails: management NICs") {
  refuses_until(plan_of(2, {fault("nic", 1, {Pulse{}}, "mgmt0")}), "node1 mgmt0: a management NIC (carries the default",
                "--allow-management", [](Allowed& allowed) { allowed.management = true; });
  CHECK(guards(plan_of(2, {fault("nic", 1, {Pulse{}}, "eth0")})).empty());
  CHECK(guards(plan_of(2, {fault("other", 1, {Pulse{}}, "mgmt0")})).empty());
}

TEST_CASE("guard rails: what does not come back") {
  refuses_until(plan_of(2, {fault("kill", 0)}), "kill on node0", "--allow-destructive",
                [](Allowed& allowed) { allowed.destructive = true; });
}

TEST_CASE("guard rails: settings of GPUs") {
  refuses_until(plan_of(2, {fault("gpu", 1)}), "gpu on node1: changes settings of GPUs", "--allow-gpu-settings",
                [](Allowed& allowed) { allowed.gpu_settings = true; });
}

TEST_CASE("guard rails: commands") {
  refuses_until(plan_of(2, {fault("command", 0)}), "command on node0", "--allow-command",
                [](Allowed& allowed) { allowed.commands = true; });
  Plan checked = plan_of(2, {});
  checked.checks = {{.name = "link_up"}, {.name = "command", .params = {{"command", "true"}}}, {.name = "command"}};
  refuses_until(checked, "command on all nodes: runs commands of the scenario as you", "--allow-command",
                [](Allowed& allowed) { allowed.commands = true; });
  checked.checks = {{.name = "openmetrics", .params = {{"exporter", "prometheus-node-exporter"}}}};
  refuses_until(checked, "openmetrics on all nodes: runs commands of the scenario as you", "--allow-command",
                [](Allowed& allowed) { allowed.commands = true; });
  checked.checks = {{.name = "openmetrics", .params = {{"exporter", ""}}}};
  REQUIRE(guards(checked).empty());
}

TEST_CASE("guard rails: nodes with a fault at the same time") {
  std::vector<PlannedFault> all;
  for (int node = 0; node < 20; ++node) all.push_back(fault("delay", node));
  refuses_until(plan_of(20, all), "20 nodes have a fault at the same time; at most 16 may", "--max-victims 20",
                [](Allowed& allowed) { allowed.max_victims = 20; });
  Plan local = plan_of(20, all);
  local.topology.local_cluster = true;
  CHECK(guards(local).empty());
  local.allowed.max_victims = 5;
  CHECK(guards(local).at(0).refused);
  all.resize(16);
  CHECK(guards(plan_of(20, all)).empty());
}

TEST_CASE("victims at once: one after the other is one, whoever starts at an unknown moment counts throughout") {
  CHECK(victims_at_once(plan_of(3, {fault("a", 0, {{0, 10}}), fault("a", 1, {{10, 20}}), fault("a", 2, {{20, -1}})})) ==
        1);
  CHECK(victims_at_once(plan_of(3, {fault("a", 0, {{0, 11}}), fault("a", 1, {{10, 20}}), fault("b", 1, {{0, -1}})})) ==
        2);
  CHECK(victims_at_once(plan_of(2, {fault("a", 0, {{0, 9, 1}}), fault("a", 1, {{0, 9, 2}})})) == 1);
  CHECK(victims_at_once(plan_of(2, {fault("a", 0, {{0, 9, 1}}), fault("a", 1, {{5, 9}})})) == 2);
  Plan at_step = plan_of(2, {fault("a", 0, {{0, 10}}), fault("a", 1, {{20, 30}})});
  at_step.faults[1].anchor = {.kind = Anchor::Kind::step, .step = 3};
  CHECK(victims_at_once(at_step) == 2);
  CHECK(victims_at_once(plan_of(2, {})) == 0);
}

TEST_CASE("guard rails: free memory") {
  Plan tight = plan_of(2, {fault("memory", 1)});
  tight.topology.nodes[1].memory_bytes = 60 * kGiB + kGiB / 2;
  refuses_until(tight, "faults on node1 take up to 60.0 GiB of 60.5 GiB; 1.0 GiB must stay free",
                "--free-memory 512MiB", [](Allowed& allowed) { allowed.free_memory_bytes = kGiB / 2; });
  CHECK(guards(plan_of(2, {fault("memory", 0, {{0, 20}}), fault("memory", 1, {{0, 20}})})).empty());

  Plan too_much = plan_of(2, {fault("memory", 0, {{0, 20}}), fault("memory", 0, {{10, 30}}, "other")});
  too_much.allowed.free_memory_bytes = 0;
  REQUIRE(guards(too_much).size() == 1);
  CHECK(guards(too_much)[0].refused);  // more than there is: no flag helps
  CHECK(guards(too_much)[0].override_flag.empty());
  CHECK(guards(plan_of(2, {fault("memory", 0, {{0, 20}}), fault("memory", 0, {{20, 30}}, "other")})).empty());

  Plan local = plan_of(2, {fault("memory", 0), fault("memory", 1)});
  local.topology.local_cluster = true;  // both nodes are the same machine
  CHECK(guards(local).at(0).refused);
  CHECK(default_free_memory_bytes(4 * kGiB) == 4 * kGiB / 20);
}

#include "harness/agent/nic_traffic.hpp"
#include "tests/catch.hpp"

namespace grit {
namespace {

constexpr std::int64_t kMB = 1'000'000;

Plan plan_with_faults_on(const std::vector<std::string>& devices) {
  Plan plan;
  plan.topology.nodes.resize(2);
  plan.topology.nodes[1].nics = {{.name = "eth0"}, {.name = "eth1"}, {.name = "bond0", .lower = {"eth1"}}};
  for (const std::string& device : devices) {
    PlannedFault fault;
    fault.node = 1;
    fault.device = device;
    plan.faults.push_back(fault);
  }
  return plan;
}

std::vector<std::string> idle(const Plan& plan, const NicBytes& before, const NicBytes& after, int node = 1) {
  std::vector<std::string> names;
  for (const IdleNic& one : idle_nics(plan, node, before, after)) names.push_back(one.nic);
  return names;
}

using Names = std::vector<std::string>;

TEST_CASE("a NIC with a fault that carries hardly any of its node's traffic is idle") {
  const NicBytes before{{"eth0", 7 * kMB}, {"eth1", 7 * kMB}, {"mgmt0", 0}};
  const auto after = [&](std::int64_t eth1_bytes) {
    return NicBytes{{"eth0", 107 * kMB}, {"eth1", 7 * kMB + eth1_bytes}, {"mgmt0", 100'000}};
  };
  const Plan plan = plan_with_faults_on({"eth1", "eth0", "sda"});
  CHECK(idle(plan, before, after(20'000)) == Names{"eth1"});
  CHECK(idle(plan, before, after(0)) == Names{"eth1"});
  CHECK(idle(plan, before, after(5 * kMB)).empty());
  CHECK(idle(plan, before, after(0), 0).empty());  // no fault on this node
  Plan rdma = plan;
  rdma.topology.nodes[1].nics[2].rdma = RdmaPort{"mlx5_0", 1, "Ethernet"};
  CHECK(idle(rdma, before, after(0)).empty());  // a bond on it: nobody counts what goes past
  CHECK(idle(plan_with_faults_on({"eth0"}), before, after(0)).empty());
  const auto found = idle_nics(plan, 1, before, after(20'000));
  REQUIRE(found.size() == 1);
  CHECK(found[0].bytes == 20'000);
  CHECK(found[0].node_bytes == 100 * kMB + 120'000);
}

TEST_CASE("nothing is said of NICs where there is no traffic to compare with, or that were made anew") {
  const Plan plan = plan_with_faults_on({"eth1"});
  CHECK(idle(plan, {{"eth0", 0}, {"eth1", 0}}, {{"eth0", kMB / 2}, {"eth1", 0}}).empty());  // ranks of one node
  CHECK(idle(plan, {{"eth0", 0}}, {{"eth0", 100 * kMB}, {"eth1", 0}}).empty());
  CHECK(idle(plan, {{"eth0", 0}, {"eth1", 9}}, {{"eth0", 100 * kMB}, {"eth1", 0}}).empty());
}

}  // namespace
}  // namespace grit

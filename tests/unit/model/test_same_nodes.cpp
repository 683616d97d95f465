#include "harness/model/same_nodes.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

Topology cluster() {
  Topology topology;
  for (int i = 0; i < 3; ++i) {
    Node node{.index = i, .name = "n" + std::to_string(i), .ranks = {i}};
    node.nics = {
        Nic{.name = "eth0", .addresses = {"10.0.0." + std::to_string(i + 1) + "/24"}, .role = NicRole::management},
        Nic{.name = "eth1", .addresses = {"10.1.0." + std::to_string(i + 1) + "/24"}, .role = NicRole::data},
        Nic{.name = "docker0", .addresses = {"172.17.0.1/16"}, .role = NicRole::other}};
    topology.nodes.push_back(node);
  }
  return topology;
}

}  // namespace

TEST_CASE("a plan fits the nodes it was made for, whatever role a NIC has today") {
  Topology here = cluster();
  here.nodes[1].nics[0].role = NicRole::data;
  here.nodes[1].nics[2].addresses.clear();
  here.nodes[1].nics[1].addresses.push_back("fe00::1/64");
  here.nodes[2].kernel = "6.1";
  CHECK(node_differences(cluster(), here).empty());
}

TEST_CASE("a plan does not fit other nodes, and each is named") {
  Topology here = cluster();
  std::swap(here.nodes[0].name, here.nodes[2].name);
  const auto order = node_differences(cluster(), here);
  REQUIRE(order.size() == 2);
  CHECK(order[0] == "node 0 was n0 and is n2 now");
  CHECK(name_differences(cluster(), here).size() == 2);

  here = cluster();
  here.nodes[1].nics[1].addresses = {"10.1.0.9/24"};
  REQUIRE(node_differences(cluster(), here).size() == 1);
  CHECK(node_differences(cluster(), here)[0] == "n1: eth1 had 10.1.0.2/24 and has 10.1.0.9/24 now");
  CHECK(name_differences(cluster(), here).empty());

  here.nodes[1].nics[1].name = "eth7";
  CHECK(node_differences(cluster(), here)[0] == "n1: has no eth1 now");
  here = cluster();
  here.nodes[2].ranks = {2, 3};
  CHECK(node_differences(cluster(), here)[0] == "n2 had ranks [2] and has [2, 3] now");
  here.nodes.pop_back();
  CHECK(node_differences(cluster(), here)[0] == "there were 3 nodes and are 2 now");
}

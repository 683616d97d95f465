#include <set>

#include "harness/model/topology.hpp"
#include "tests/catch.hpp"

namespace {

grit::Topology example_topology() {
  grit::Nic nic;
  nic.name = "eth0";
  nic.ifindex = 7;
  nic.mac = "02:67:72:00:01:01";
  nic.driver = "mlx5_core";
  nic.firmware = "28.39.1002 (MT_0000000838)";
  nic.duplex = "full";
  nic.speed_bits_per_s = 400'000'000'000;
  nic.mtu_bytes = 9000;
  nic.up = true;
  nic.addresses = {"10.0.0.1/24", "fd00::1/64"};
  nic.role = grit::NicRole::management;
  nic.role_evidence = "carries the default route";
  grit::Node node;
  node.index = 3;
  node.name = "node3";
  node.ranks = {6, 7};
  node.cores = 64;
  node.numa_nodes = 2;
  node.memory_bytes = 512'000'000'000;
  node.cpu_model = "some \"CPU\"";
  node.microcode = "0x2b000461";
  node.kernel = "6.1.0";
  node.nics = {nic, grit::Nic{}};
  grit::Topology topology;
  topology.nodes = {node, grit::Node{}};
  topology.local_cluster = true;
  return topology;
}

std::string error_of_topology(const grit::Json& json) {
  const auto topology = grit::topology_from_json(json);
  REQUIRE_FALSE(topology.has_value());
  CHECK(topology.error().kind == grit::ErrorKind::usage);
  return topology.error().message;
}

}  // namespace

TEST_CASE("a topology survives its JSON unchanged") {
  const auto json = grit::to_json(example_topology());
  const auto back = grit::topology_from_json(grit::Json::parse(json.dump()));
  REQUIRE(back.has_value());
  CHECK(grit::to_json(*back) == json);
  const auto& node = back->nodes.at(0);
  CHECK(back->local_cluster);
  CHECK(node.ranks == std::vector<int>{6, 7});
  CHECK(node.memory_bytes == 512'000'000'000);
  CHECK(node.microcode == "0x2b000461");
  CHECK(node.nics.at(0).firmware == "28.39.1002 (MT_0000000838)");
  CHECK(node.nics.at(0).duplex == "full");
  CHECK(node.nics.at(0).role == grit::NicRole::management);
  CHECK(node.nics.at(0).speed_bits_per_s == 400'000'000'000);
  CHECK(node.nics.at(1).role == grit::NicRole::other);
}

TEST_CASE("a topology of another version: what it lacks keeps its default, what it has more is passed over") {
  const auto good = grit::to_json(example_topology());
  const auto without = [&](const char* object, const std::string& key) {
    auto older = good;
    older[grit::Json::json_pointer(object)].erase(key);
    return older;
  };
  const std::set<std::string> needed{"index", "name", "ranks", "role"};
  for (const char* object : {"/nodes/0", "/nodes/0/nics/0"})
    for (const auto& item : good.at(grit::Json::json_pointer(object)).items()) {
      CAPTURE(object, item.key());
      if (needed.contains(item.key())) {
        CHECK_THAT(error_of_topology(without(object, item.key())), Catch::Contains("\"" + item.key() + "\""));
      } else {
        CHECK(grit::topology_from_json(without(object, item.key())).has_value());
      }
    }
  auto more = good;
  more["nodes"][0]["switches"] = 8;
  more["nodes"][0]["nics"][0]["rail"] = 1;
  more["fabric"] = "fat tree";
  const auto read = grit::topology_from_json(more);
  REQUIRE(read.has_value());
  CHECK(grit::to_json(*read) == good);
}

TEST_CASE("values of the wrong type or range are refused") {
  const auto good = grit::to_json(example_topology());
  const auto with = [&](const grit::Json::json_pointer& where, const grit::Json& value) {
    auto bad = good;
    bad[where] = value;
    return error_of_topology(bad);
  };
  using Pointer = grit::Json::json_pointer;
  CHECK_THAT(with(Pointer("/nodes/0/cores"), "many"), Catch::Contains("cores"));
  CHECK_THAT(with(Pointer("/nodes/0/cores"), 1.5), Catch::Contains("cores"));
  CHECK_THAT(with(Pointer("/nodes/0/cores"), true), Catch::Contains("cores"));
  CHECK_THAT(with(Pointer("/nodes/0/index"), 1LL << 40), Catch::Contains("index"));
  CHECK_THAT(with(Pointer("/nodes/0/ranks"), grit::Json{0, "one"}), Catch::Contains("ranks"));
  CHECK_THAT(with(Pointer("/nodes/0/nics/0/up"), 1), Catch::Contains("up"));
  CHECK_THAT(with(Pointer("/nodes/0/nics/0/role"), "uplink"), Catch::Contains("uplink"));
  CHECK_THAT(with(Pointer("/nodes"), 3), Catch::Contains("nodes"));
  CHECK_THAT(error_of_topology(grit::Json::array()), Catch::Contains("not a JSON object"));
}

TEST_CASE("what later versions know of a NIC comes back, and files of earlier ones are read without it") {
  auto topology = example_topology();
  auto& nic = topology.nodes[0].nics[0];
  nic.pci = "0000:81:00.0";
  nic.numa_node = 1;
  nic.rdma = grit::RdmaPort{"mlx5_0", 2, "InfiniBand"};
  nic.lower = {"eth1", "eth2"};
  nic.chosen_by = "UCX_NET_DEVICES=mlx5_0:2";
  const auto json = grit::to_json(topology);
  const auto back = grit::topology_from_json(grit::Json::parse(json.dump()));
  REQUIRE(back.has_value());
  CHECK(grit::to_json(*back) == json);
  CHECK(back->nodes[0].nics[0].rdma->port == 2);
  auto bad = json;
  bad["nodes"][0]["nics"][0]["rdma"].erase("port");
  CHECK_THAT(error_of_topology(bad), Catch::Contains("\"port\""));
  CHECK_FALSE(grit::to_json(example_topology()).at("nodes").at(0).at("nics").at(0).contains("rdma"));
}

TEST_CASE("rails are the data NICs in the order of their PCI addresses") {
  using grit::Nic;
  using grit::NicRole;
  grit::Node node;
  node.name = "node3";
  node.nics = {Nic{.name = "veth0", .role = NicRole::data},
               Nic{.name = "ib1", .role = NicRole::data, .pci = "0000:c1:00.0"},
               Nic{.name = "vmd", .role = NicRole::data, .pci = "10000:01:00.0"},
               Nic{.name = "eth0", .role = NicRole::management, .role_evidence = "carries ssh", .pci = "0000:01:00.0"},
               Nic{.name = "ib0", .role = NicRole::data, .pci = "0000:1b:00.0"}};
  const auto names = [&](const std::string& nic) {
    const auto chosen = grit::choose_nics(node, nic);
    std::string text = chosen ? "" : chosen.error().message;
    if (chosen)
      for (const Nic* one : *chosen) text += one->name + " ";
    return text;
  };
  CHECK(names("all") == "ib0 ib1 vmd veth0 ");
  CHECK(names("data") == "ib0 ");
  CHECK(names("rail:1") == "ib1 ");
  CHECK(names("eth0") == "eth0 ");
  CHECK_THAT(names("rail:4"), Catch::Contains("node3 has no rail:4: ") &&
                                  Catch::Contains("eth0 (management: carries ssh)") &&
                                  Catch::Contains("4 data NICs are the rails, from rail:0 on"));
  CHECK_THAT(names("rail:x"), Catch::Contains("no NIC called rail:x"));
  CHECK_THAT(names("eth9"), Catch::Contains("no NIC called eth9"));
  node.nics[1].chosen_by = "NCCL_IB_HCA=mlx5_1";
  CHECK(names("data") == "ib1 ");
  CHECK(names("rail:0") == "ib0 ");
  node.nics.clear();
  CHECK_THAT(names("data"), Catch::Contains("node3 has no data NIC: it has no NIC at all"));
  CHECK_THAT(names("all"), Catch::Contains("node3 has no data NIC"));
}

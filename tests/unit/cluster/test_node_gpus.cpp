// GPUs that exist in a text file (tests/fakes/nvml), and PCI trees that exist in a directory.
#include "harness/base/clock.hpp"
#include "harness/cluster/discovery.hpp"
#include "harness/cluster/local.hpp"
#include "harness/cluster/node_gpus.hpp"
#include "tests/catch.hpp"
#include "tests/fakes/nvml/fake_gpus.hpp"
#include "tests/namespace.hpp"
#include "tests/text.hpp"

using namespace grit;
using grit::test::contains;
using grit::test::ok;

namespace {

/// A PCI device behind these bridges, "pci0000:80/0000:80:01.0", of that NUMA node.
void add_device(const test::KernelFiles& tree, const std::string& bridges, const std::string& address, int numa_node) {
  const std::string place = "sys/devices/" + bridges + "/" + address;
  tree.write(place + "/numa_node", std::to_string(numa_node) + "\n");
  tree.link("sys/bus/pci/devices/" + address, tree.root() / place);
}

Nic rail(const std::string& name, const std::string& pci, int numa_node) {
  return {.name = name, .role = NicRole::data, .pci = pci, .numa_node = numa_node};
}

}  // namespace

TEST_CASE("GPUs of a node: what the driver tells of them") {
  test::FakeGpus gpus;
  gpus.write(
      "gpus 2\ndriver 580.65.06\ngpu0.name H\ngpu0.uuid GPU-a\ngpu0.pci 00000000:81:00.0\ngpu0.pcie_generation 1\n"
      "gpu0.max_pcie_generation 5\ngpu0.pcie_width 8\ngpu0.max_pcie_width 16\ngpu0.mig 1\n"
      "gpu0.link0.state 1\ngpu0.link1.state 0\ngpu0.link17.state 1\n");
  test::KernelFiles tree;
  add_device(tree, "pci0000:80/0000:80:01.0", "0000:81:00.0", 1);
  const FoundGpus found = ok(find_gpus(tree.sys()));
  CHECK(found.driver == "FAKE 580.65.06");
  CHECK(found.problem.empty());
  REQUIRE(found.all.size() == 2);
  const NodeGpu& first = found.all[0];
  CHECK(first.uuid == "GPU-a");
  CHECK(first.name == "H");
  CHECK(first.pci == "0000:81:00.0");
  CHECK(first.numa_node == 1);
  CHECK((first.pcie_generation == 1 && first.max_pcie_generation == 5));
  CHECK((first.pcie_lanes == 8 && first.max_pcie_lanes == 16));
  CHECK(first.nvlinks == 2);
  CHECK(first.mig);
  const NodeGpu& second = found.all[1];  // which tells next to nothing
  CHECK(second.index == 1);
  CHECK((second.pcie_lanes == 0 && second.nvlinks == 0 && !second.mig && second.numa_node == -1));
}

TEST_CASE("GPUs of a node: one that is lost stays out, and a driver that does not tell is an error, in words") {
  test::FakeGpus gpus;
  const test::KernelFiles tree;
  const auto why = [&](const std::string& text) {
    gpus.write(text);
    const auto found = find_gpus(tree.sys());
    return found ? fmt::format("{} GPUs {}", found->all.size(), found->problem) : found.error().message;
  };
  CHECK(contains(why("gpus 2\ngpu0.return 15\n"), "1 GPUs gpu0: the GPU is lost"));
  CHECK(contains(why("gpus 3\ngpu1.return 16\ngpu2.return 15\n"), "1 GPUs gpu1: the GPU needs a reset"));
  CHECK(contains(why("gpus 1\nreturn nvmlDeviceGetUUID 15\n"), "gpu0: the GPU is lost"));  // there is a handle
  CHECK(contains(why("gpus 1\ngpu0.return 15\n"), "gpu0: the GPU is lost"));
  CHECK(contains(why("gpus 1\ngpu0.return 16\n"), "needs a reset"));
  CHECK(contains(why("return nvmlInit_v2 18\n"), "of different releases"));
  CHECK(contains(why("return nvmlInit_v2 9\n"), "not loaded"));
  CHECK(contains(why("gpus 1\nreturn nvmlDeviceGetCount_v2 999\n"), "NVML error 999"));
  CHECK(contains(why("gpus 1\nabort nvmlDeviceGetName\n"), "has ended"));
  CHECK(why("gpus 0\n") == "0 GPUs ");
}

TEST_CASE("GPUs of a node: a process asks once, however often it looks at its node") {
  test::FakeGpus gpus;
  gpus.write("gpus 1\nfail 1000000 15\n");  // the fake counts its calls
  ok(find_gpus());
  const std::int64_t once = gpus.calls();
  CHECK(once > 5);
  gpus.forget_calls();
  for (int i = 0; i < 3; ++i) {
    const Node node = ok(discover_node({}));
    const Topology local = local_topology(2, 1);  // whose nodes share the machine's
    CHECK(node.gpus.size() == local.nodes[1].gpus.size());
  }
  CHECK(gpus.calls() <= once);
}

TEST_CASE("GPUs of a node: nothing is asked where no NVIDIA driver is loaded") {
  const test::KernelFiles tree;
  tree.make_directory("sys/module");
  const FoundGpus found = ok(find_gpus(tree.sys()));
  CHECK(found.driver.empty());
  CHECK(found.all.empty());
}

TEST_CASE("GPUs of a node: the nearest NIC") {
  test::KernelFiles tree;
  add_device(tree, "pci0000:80/0000:80:01.0/0000:81:00.0", "0000:82:00.0", 1);  // a switch with a GPU and a NIC
  add_device(tree, "pci0000:80/0000:80:01.0/0000:81:00.0", "0000:83:00.0", 1);
  add_device(tree, "pci0000:80/0000:80:02.0", "0000:84:00.0", 1);
  add_device(tree, "pci0000:00/0000:00:01.0", "0000:01:00.0", 0);
  add_device(tree, "pci0000:20/0000:20:01.0", "0000:21:00.0", 0);
  Node node{
      .nics = {rail("near0", "0000:01:00.0", 0), rail("far", "0000:84:00.0", 1), rail("switch", "0000:83:00.0", 1)}};
  node.gpus = {{.index = 0, .pci = "0000:82:00.0", .numa_node = 1},
               {.index = 1, .pci = "0000:21:00.0", .numa_node = 0},
               {.index = 2, .pci = "0000:99:00.0"}};
  find_nearest_nics(node, tree.sys());
  CHECK(node.gpus[0].nearest_nic == "switch");  // behind the same bridge
  CHECK(node.gpus[1].nearest_nic == "near0");   // no bridge in common: of the same NUMA node
  CHECK(node.gpus[2].nearest_nic.empty());      // sysfs does not have it
  node.nics = {{.name = "veth", .role = NicRole::data},
               {.name = "bmc", .role = NicRole::management, .pci = "0000:83:00.0"}};
  for (NodeGpu& gpu : node.gpus) gpu.nearest_nic.clear();
  find_nearest_nics(node, tree.sys());
  for (const NodeGpu& gpu : node.gpus) CHECK(gpu.nearest_nic.empty());
}

TEST_CASE("GPUs of a node: a plan keeps them, and one without is as before") {
  Node node{.index = 3, .name = "n3"};
  CHECK_FALSE(to_json(node).contains("gpus"));
  node.gpus = {{.index = 1,
                .uuid = "GPU-a",
                .name = "H",
                .pci = "0000:82:00.0",
                .numa_node = 1,
                .pcie_lanes = 16,
                .nvlinks = 18,
                .mig = true,
                .nearest_nic = "ib1"}};
  node.gpu_driver = "580", node.gpu_problem = "none";
  const Node read = ok(node_from_json(to_json(node)));
  CHECK(to_json(read) == to_json(node));
  REQUIRE(read.gpus.size() == 1);
  CHECK(read.gpus[0].nearest_nic == "ib1");
  Json broken = to_json(node);
  broken["gpus"][0].erase("uuid");
  CHECK_FALSE(node_from_json(broken));
  broken["gpus"] = 7;
  CHECK_FALSE(node_from_json(broken));
}

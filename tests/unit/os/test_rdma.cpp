// RDMA devices and virtual functions, from a sysfs made of files and links.
#include <fstream>

#include "harness/os/rdma.hpp"
#include "tests/catch.hpp"
#include "tests/kernel_files.hpp"
#include "tests/temp_directory.hpp"

namespace fs = std::filesystem;

namespace {

using grit::test::write_line;

}  // namespace

TEST_CASE("RDMA devices are known by their PCI address, or by what is below them") {
  const grit::test::TempDirectory sys;
  const fs::path all = sys.path() / "class/infiniband";
  write_line(all / "mlx5_0/ports/1/link_layer", "Ethernet");
  write_line(all / "mlx4_0/ports/1/link_layer", "InfiniBand");
  write_line(all / "mlx4_0/ports/2/link_layer", "Ethernet");
  write_line(all / "rxe0/ports/1/link_layer", "Ethernet");
  write_line(all / "rxe0/parent", "eth3");
  fs::create_symlink("../../../0000:81:00.0", all / "mlx5_0/device");
  fs::create_symlink("../../../0000:05:00.0", all / "mlx4_0/device");
  const auto devices = grit::rdma_devices(sys.path());
  REQUIRE(devices.size() == 3);
  CHECK(devices[0].name == "mlx4_0");
  CHECK(devices[0].ports == std::map<int, std::string>{{1, "InfiniBand"}, {2, "Ethernet"}});
  CHECK(devices[1].pci == "0000:81:00.0");
  CHECK(devices[1].parent.empty());
  CHECK(devices[2].parent == "eth3");
  CHECK(devices[2].pci.empty());
  CHECK(grit::rdma_devices(sys.path() / "nowhere").empty());
}

TEST_CASE("which port of its PCI function an interface is") {
  const grit::test::TempDirectory sys;
  write_line(sys.path() / "bus/pci/devices/0000:81:00.0/net/ib1/dev_port", "1");
  CHECK(grit::interface_port("0000:81:00.0", "ib1", sys.path()) == 1);
  CHECK(grit::interface_port("0000:81:00.0", "ib0", sys.path()) == 0);
  CHECK(grit::pci_address("0000:81:00.0") == "0000:81:00.0");
  CHECK(grit::pci_address("usb-0000:00:14.0-1").empty());
}

TEST_CASE("a PCI function: where it is, and whose virtual function") {
  const grit::test::TempDirectory sys;
  const fs::path all = sys.path() / "bus/pci/devices";
  write_line(all / "0000:81:00.0/numa_node", "1");
  write_line(all / "0000:81:00.2/numa_node", "-1");
  fs::create_symlink("../0000:81:00.0", all / "0000:81:00.2/physfn");
  CHECK(grit::pci_function("0000:81:00.0", sys.path()).numa_node == 1);
  CHECK(grit::pci_function("0000:81:00.0", sys.path()).physical.empty());
  CHECK(grit::pci_function("0000:81:00.2", sys.path()).numa_node == -1);
  CHECK(grit::pci_function("0000:81:00.2", sys.path()).physical == "0000:81:00.0");
  CHECK(grit::pci_function("", sys.path()).numa_node == -1);
}

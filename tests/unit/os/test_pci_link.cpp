#include "harness/os/pci_link.hpp"
#include "tests/catch.hpp"
#include "tests/kernel_files.hpp"

using namespace grit;

TEST_CASE("pci_link: how kernels write widths and speeds") {
  test::KernelFiles tree;
  const auto write = [&](const char* width, const char* speed) {
    for (const char* which : {"current", "max"}) {
      tree.write(std::string(which) + "_link_width", width);
      tree.write(std::string(which) + "_link_speed", speed);
    }
    return pci_link(tree.root());
  };
  CHECK(write("16\n", "32.0 GT/s PCIe\n").value().bandwidth() == Approx(504.1e9).epsilon(0.001));
  CHECK(pci_has_link(tree.root()));
  CHECK(write("8\n", "8 GT/s\n").value().speed_gt_per_s == 8);
  CHECK(write("1", "2.5 GT/s").value().bandwidth() == Approx(2e9));
  for (const char* no : {"0\n", "63\n", "255\n", "-1\n", "\xff", ""}) {
    CHECK_FALSE(write(no, "8 GT/s\n"));
    CHECK_FALSE(pci_has_link(tree.root()));
  }
  for (const char* no : {"Unknown\n", "8\n", "GT/s", "-8 GT/s", "nan GT/s", "8 Gb/s", "1e300 GT/s", ""})
    CHECK_FALSE(write("16\n", no));
}

TEST_CASE("pci_link: addresses") {
  for (const char* yes : {"0000:81:00.0", "10000:e1:1f.7"}) CHECK(is_pci_address(yes));
  for (const char* no : {"pci0000:80", "", "0000:81:00", "0000:81:00.0 ", "../0000:81:00.0"})
    CHECK_FALSE(is_pci_address(no));
}

TEST_CASE("pci_link: devices that report no errors") {
  test::KernelFiles tree;
  CHECK_FALSE(pci_errors(tree.root()));
  tree.write("aer_dev_correctable", "BadTLP 2\nBadDLLP 3\nRollover 0\nTimeout 1\nTOTAL_ERR_COR 6\n");
  CHECK_FALSE(pci_errors(tree.root()));
  tree.write("aer_dev_nonfatal", "TOTAL_ERR_NONFATAL 4\n");
  tree.write("aer_dev_fatal", "DLP 0\nTOTAL_ERR_FATAL 5\n");
  const auto errors = pci_errors(tree.root());
  REQUIRE(errors);
  CHECK(errors->replays == 6);
  CHECK(errors->nonfatal == 4);
  CHECK(errors->fatal == 5);
}

TEST_CASE("pci_link: an address as one number") {
  CHECK(pci_number("0000:00:00.0") != 0);
  CHECK(pci_number("0000:81:00.0") != pci_number("0000:81:00.1"));
  CHECK(pci_number("0001:81:00.0") != pci_number("0000:81:00.0"));
  CHECK(pci_number("10000:01:00.0") != pci_number("0000:01:00.0"));
  for (const char* no : {"", "81:00.0", "0000:zz:00.0"}) CHECK(pci_number(no) == 0);
}

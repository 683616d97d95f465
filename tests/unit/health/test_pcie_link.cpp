#include "tests/unit/health/fake_gpus.hpp"

using namespace grit;

namespace {

struct Ends {
  std::string width = "16", max_width = "16", speed = "32.0 GT/s PCIe", max_speed = "32.0 GT/s PCIe";
};

/// A root port, below it a NIC; another, below it a switch with a GPU.
struct Machine : test::KernelFiles {
  static constexpr const char* kPort = "pci0000:80/0000:80:01.0";
  static constexpr const char* kNic = "pci0000:80/0000:80:01.0/0000:81:00.0";
  static constexpr const char* kSwitchPort = "pci0000:90/0000:90:01.0";
  static constexpr const char* kSwitch = "pci0000:90/0000:90:01.0/0000:91:00.0";
  static constexpr const char* kLowerPort = "pci0000:90/0000:90:01.0/0000:91:00.0/0000:92:04.0";
  static constexpr const char* kGpu = "pci0000:90/0000:90:01.0/0000:91:00.0/0000:92:04.0/0000:95:00.0";

  Machine() {
    for (const char* one : {kPort, kNic, kSwitchPort, kSwitch, kLowerPort, kGpu}) add(one, {});
    write("proc/cpuinfo", "flags : fpu\n");
  }
  void add(const std::string& device, const Ends& ends) {
    write(file(device, "current_link_width"), ends.width + "\n");
    write(file(device, "max_link_width"), ends.max_width + "\n");
    write(file(device, "current_link_speed"), ends.speed + "\n");
    write(file(device, "max_link_speed"), ends.max_speed + "\n");
    write(file(device, "power/runtime_status"), "active\n");
    const auto link = "sys/bus/pci/devices" / std::filesystem::path(device).filename();
    if (!std::filesystem::exists(root() / link)) this->link(link, root() / "sys/devices" / device);
  }
  static std::string file(const std::string& device, const std::string& name) {
    return "sys/devices/" + device + "/" + name;
  }
};

test::CheckUnderTest check_on(const Machine& machine) {
  test::CheckUnderTest check("pcie_link");
  check.look_at(machine);
  check.node.nics = {{.name = "eth0", .pci = "0000:81:00.0"}, {.name = "veth0"}};
  return check;
}

}  // namespace

TEST_CASE("pcie_link: a NIC with all that it can have") {
  const Machine machine;
  auto check = check_on(machine);
  for (int i = 0; i < 2; ++i) {
    const Outcome outcome = check.read_one();
    CHECK(outcome.severity == Severity::ok);
    CHECK(outcome.subject == "0000:81:00.0");
    CHECK(outcome.detail == "eth0: x16 at 32 GT/s");
    CHECK(outcome.value == 1);
  }
}

TEST_CASE("pcie_link: fewer lanes than both ends have, and lanes that are lost meanwhile") {
  Machine machine;
  machine.add(Machine::kNic, {.width = "8"});
  auto check = check_on(machine);
  const Outcome narrow = check.read_one();
  CHECK(narrow.severity == Severity::warning);
  CHECK(narrow.value == 0.5);
  CHECK(narrow.detail == "eth0: x8 at 32 GT/s, could be x16 at 32 GT/s");
  machine.add(Machine::kNic, {.width = "4"});
  CHECK(check.read_one().severity == Severity::critical);
}

TEST_CASE("pcie_link: a lower speed counts when it stays") {
  Machine machine;
  auto check = check_on(machine);
  check.read();
  machine.add(Machine::kNic, {.speed = "2.5 GT/s PCIe"});
  CHECK(check.read_one().severity == Severity::ok);
  const Outcome slow = check.read_one();
  CHECK(slow.severity == Severity::critical);
  CHECK(slow.value == Approx(2.5 * 0.8 / (32 * 128.0 / 130)));
  machine.add(Machine::kNic, {});
  CHECK(check.read_one().severity == Severity::ok);
}

TEST_CASE("pcie_link: where the slot is the cap the link is as it can be") {
  Machine machine;
  machine.add(Machine::kNic, {.width = "8", .speed = "16.0 GT/s PCIe"});
  machine.add(Machine::kPort, {.width = "8", .max_width = "8", .speed = "16.0 GT/s PCIe", .max_speed = "16 GT/s"});
  auto check = check_on(machine);
  CHECK(check.read_one().severity == Severity::ok);
  machine.add(Machine::kPort, {.width = "4", .max_width = "4"});
  machine.add(Machine::kNic, {.width = "4", .max_width = "16"});
  auto other = check_on(machine);
  CHECK(other.read_one().severity == Severity::ok);
}

TEST_CASE("pcie_link: in a virtual machine the port above says what the hypervisor likes") {
  Machine machine;
  machine.write("proc/cpuinfo", "flags : fpu hypervisor\n");
  machine.add(Machine::kPort, {.width = "1", .max_width = "1"});
  auto check = check_on(machine);
  CHECK(check.read_one().severity == Severity::ok);
  machine.add(Machine::kNic, {.width = "8"});
  CHECK(check_on(machine).read_one().severity == Severity::warning);
}

TEST_CASE("pcie_link: a device that is gone, asleep, or does not know") {
  Machine machine;
  auto check = check_on(machine);
  machine.add(Machine::kNic, {.width = "63"});
  CHECK(check.read_one().severity == Severity::critical);
  machine.add(Machine::kNic, {});
  machine.write(Machine::file(Machine::kNic, "config"), "\xff\xff\xff\xff");
  CHECK(check.read_one().severity == Severity::critical);
  machine.write(Machine::file(Machine::kNic, "config"), "\xde\x10\xff\xff");
  machine.add(Machine::kNic, {.speed = "Unknown"});
  CHECK(check.read_one().severity == Severity::unknown);
  machine.write(Machine::file(Machine::kNic, "power/runtime_status"), "suspended\n");
  machine.write(Machine::file(Machine::kNic, "current_link_width"), "63\n");  // a question would have woken it
  CHECK(check.read_one().severity == Severity::ok);
  machine.remove("sys/bus/pci/devices/0000:81:00.0");
  CHECK(check.read_one().severity == Severity::critical);
  machine.remove("sys/bus");
  CHECK(check.read_one().not_here);
}

TEST_CASE("pcie_link: a virtual function is judged by its physical one, a virtual device not at all") {
  Machine machine;
  machine.add("pci0000:80/0000:80:01.0/0000:81:00.1", {.width = "0", .speed = "Unknown"});
  machine.link(Machine::file("pci0000:80/0000:80:01.0/0000:81:00.1", "physfn"), "../0000:81:00.0");
  machine.write(Machine::file("pci0000:00/0000:00:03.0", "current_link_width"), "0\n");
  machine.write(Machine::file("pci0000:00/0000:00:03.0", "max_link_width"), "255\n");
  machine.link("sys/bus/pci/devices/0000:00:03.0", machine.root() / "sys/devices/pci0000:00/0000:00:03.0");
  auto check = check_on(machine);
  check.node.nics = {{.name = "eth1", .pci = "0000:81:00.1"}, {.name = "eth2", .pci = "0000:00:03.0"}};
  const Outcome outcome = check.read_one();
  CHECK(outcome.subject == "0000:81:00.0");
  CHECK(outcome.severity == Severity::ok);
  check.node.nics.erase(check.node.nics.begin());
  CHECK(check.read_one().not_here);
}

TEST_CASE("pcie_link: packets that were sent again, and errors that could not be mended") {
  Machine machine;
  const auto write_errors = [&](std::int64_t replays, std::int64_t fatal) {
    machine.write(Machine::file(Machine::kNic, "aer_dev_correctable"),
                  fmt::format("RxErr 90\nBadTLP {}\nBadDLLP 1\nRollover 0\nTimeout 0\nTOTAL_ERR_COR 99\n", replays));
    machine.write(Machine::file(Machine::kNic, "aer_dev_nonfatal"), "Undefined 0\nTOTAL_ERR_NONFATAL 0\n");
    machine.write(Machine::file(Machine::kNic, "aer_dev_fatal"), fmt::format("TOTAL_ERR_FATAL {}\n", fatal));
  };
  auto check = check_on(machine);
  write_errors(1000, 5);
  CHECK(check.read_one().severity == Severity::ok);
  write_errors(1008, 5);
  CHECK(check.read_one(10 * kNsPerS).severity == Severity::ok);
  write_errors(1009, 5);
  CHECK(check.read_one(10 * kNsPerS).severity == Severity::warning);
  CHECK(check.read_one(60 * kNsPerS).severity == Severity::ok);
  write_errors(1025, 5);
  CHECK(check.read_one(120 * kNsPerS).severity == Severity::ok);  // 8 a minute
  for (int i = 1; i <= 9; ++i) {
    write_errors(1025 + i, 5);
    CHECK(check.read_one(100 * kNsPerMs).severity == (i <= 8 ? Severity::ok : Severity::warning));
  }
  write_errors(1034, 6);
  CHECK(check.read_one().severity == Severity::critical);
  write_errors(0, 0);
  CHECK(check.read_one().severity == Severity::warning);  // it is the same minute
  CHECK(check.read_one(60 * kNsPerS).severity == Severity::ok);
  machine.write(Machine::file(Machine::kNic, "aer_dev_fatal"), "TOTAL_ERR_FATAL 18446744073709551615\n");
  CHECK(check.read_one().severity == Severity::ok);
}

TEST_CASE("pcie_link: a GPU is judged while it works, and the switch above it always") {
  Machine machine;
  test::FakeGpus gpus;
  const auto work = [&](int percent) {
    gpus.write(fmt::format("gpus 1\ngpu0.pci 00000000:95:00.0\ngpu0.used_percent {}\ngpu0.pstate {}\n", percent,
                           percent > 0 ? 0 : 8));
  };
  auto check = check_on(machine);
  check.node.nics.clear();
  work(0);
  machine.add(Machine::kGpu, {.width = "8", .speed = "2.5 GT/s PCIe"});
  for (int i = 0; i < 2; ++i) {
    const auto outcomes = check.read();
    REQUIRE(outcomes.size() == 2);
    CHECK(outcomes[0].subject == "0000:91:00.0");
    CHECK(outcomes[0].detail == "above gpu0: x16 at 32 GT/s");
    CHECK(outcomes[1].severity == Severity::ok);
    CHECK(outcomes[1].detail == "gpu0: x8 at 2.5 GT/s, could be x16 at 32 GT/s; idle: not judged");
  }
  work(99);
  CHECK(check.read_of("0000:95:00.0").severity == Severity::warning);
  machine.add(Machine::kGpu, {});
  CHECK(check.read_of("0000:95:00.0").severity == Severity::ok);
  machine.add(Machine::kSwitch, {.width = "4"});
  CHECK(check.read_of("0000:91:00.0").severity == Severity::critical);
}

TEST_CASE("pcie_link: this machine") {
  test::CheckUnderTest check("pcie_link");
  for (const Outcome& one : check.read()) CHECK(one.severity != Severity::critical);
}

#include <fstream>

#include "harness/os/virtual_machine.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;

TEST_CASE("virtual_machine: the processor's flag, Xen, and a machine that says nothing") {
  const test::TempDirectory directory;
  const auto proc = directory.path() / "proc", sys = directory.path() / "sys";
  std::filesystem::create_directories(proc);
  CHECK_FALSE(in_virtual_machine(proc, sys));
  std::ofstream(proc / "cpuinfo") << "processor\t: 0\nmodel name\t: hypervisor\nflags\t\t: fpu vme hypervisors\n";
  CHECK_FALSE(in_virtual_machine(proc, sys));
  std::ofstream(proc / "cpuinfo") << "processor\t: 0\nflags\t\t: fpu vme hypervisor lahf_lm\nbugs\t: none\n";
  CHECK(in_virtual_machine(proc, sys));
  std::filesystem::remove(proc / "cpuinfo");
  std::filesystem::create_directories(sys / "hypervisor");
  std::ofstream(sys / "hypervisor/type") << "xen\n";
  CHECK(in_virtual_machine(proc, sys));
}

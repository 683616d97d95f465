// Interrupts, from a /sys/kernel/irq, /proc/irq and /sys/class/net made of files.
#include <sys/mount.h>

#include <fstream>

#include "harness/os/interrupts.hpp"
#include "tests/kernel_files.hpp"
#include "tests/namespace.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;
using grit::test::ok;
namespace fs = std::filesystem;

namespace {

using grit::test::write_line;

void mount_over(const fs::path& directory, const char* place) {
  fs::create_directories(directory);
  REQUIRE(::mount(directory.c_str(), place, nullptr, MS_BIND, nullptr) == 0);
}

}  // namespace

TEST_CASE("interrupts: gone is what has another handler or no number, and what cannot be read is an error") {
  test::in_namespaces([] {
    const test::TempDirectory files;
    write_line(files.path() / "sys/5/actions", "eth0-rx-0");
    fs::create_directories(files.path() / "sys/6/actions");  // no file, so that reading it fails, for root as well
    write_line(files.path() / "proc/5/smp_affinity_list", "0-1");
    mount_over(files.path() / "proc", "/proc/irq");
    mount_over(files.path() / "sys", "/sys/kernel/irq");
    REQUIRE(ok(find_same_interrupt({5, "eth0-rx-0", {}}))->cpus == Cpus{0, 1});
    REQUIRE_FALSE(ok(find_same_interrupt({5, "nvme0", {}})).has_value());
    REQUIRE_FALSE(ok(find_same_interrupt({7, "eth0-rx-0", {}})).has_value());
    REQUIRE_FALSE(find_same_interrupt({6, "eth0-rx-0", {}}).has_value());
    fs::remove(files.path() / "proc/5/smp_affinity_list");
    REQUIRE_FALSE(find_same_interrupt({5, "eth0-rx-0", {}}).has_value());
  });
}

TEST_CASE("interrupts: those of another network namespace's interface of the same name are not taken") {
  test::in_namespaces([] {
    Netlink netlink = ok(Netlink::open());
    ok(netlink.create_veth({.name = "eth0"}, {.name = "eth1"}));
    const test::TempDirectory files;
    write_line(files.path() / "net/eth0/device/msi_irqs/5", "msi");
    write_line(files.path() / "irq/5/actions", "eth0-rx-0");
    write_line(files.path() / "proc/5/smp_affinity_list", "0-1");
    mount_over(files.path() / "proc", "/proc/irq");
    mount_over(files.path() / "irq", "/sys/kernel/irq");
    mount_over(files.path() / "net", "/sys/class/net");
    REQUIRE(ok(interrupts_of_nic("eth0")).empty());
    REQUIRE(interrupts_of_nic("eth9").error().kind == ErrorKind::usage);
  });
}

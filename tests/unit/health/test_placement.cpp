// Where ranks, interrupts and memory are: numa_placement, irq_placement, numa_memory.
#include "harness/base/files.hpp"
#include "harness/os/cpus.hpp"
#include "tests/spinner.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

void write_two_nodes(const test::KernelFiles& tree) {
  tree.write("sys/devices/system/node/online", "0-1\n");
  tree.write("sys/devices/system/node/node0/cpulist", "0\n");
  tree.write("sys/devices/system/node/node1/cpulist", "1\n");
}

/// A NIC on NUMA node 0 with two interrupts, 41 on CPU 0 and 42 on CPU 1.
struct NicMachine {
  test::KernelFiles tree{};
  test::CheckUnderTest check{"irq_placement"};
  NicMachine() {
    write_two_nodes(tree);
    set(41, "0-1", "0"), set(42, "0-1", "1");
    count(41, 10), count(42, 10);
    tree.write("sys/bus/pci/devices/0000:3b:00.0/msi_irqs/41", "msix\n");
    tree.write("sys/bus/pci/devices/0000:3b:00.0/msi_irqs/42", "msix\n");
    check.look_at(tree);
    check.node.cores = 2;
    check.node.nics = {{.name = "eth0", .role = NicRole::data, .pci = "0000:3b:00.0", .numa_node = 0},
                       {.name = "veth0", .role = NicRole::data}};
  }
  void set(int irq, const std::string& allowed, const std::string& serving) const {
    tree.write(fmt::format("proc/irq/{}/smp_affinity_list", irq), allowed + "\n");
    tree.write(fmt::format("proc/irq/{}/effective_affinity_list", irq), serving + "\n");
  }
  void count(int irq, int served) const {
    tree.write(fmt::format("sys/kernel/irq/{}/per_cpu_count", irq), fmt::format("{},7\n", served));
  }
};

}  // namespace

TEST_CASE("numa_placement: a rank that lost CPUs is named with what it had, and well when it has them again") {
  const Cpus cpus = ok(affinity_of_thread(0));
  if (cpus.size() < 2) return test::skip("one CPU: a process cannot lose one");
  const test::Spinner first, second;
  test::KernelFiles tree;
  write_two_nodes(tree);
  test::CheckUnderTest check("numa_placement");
  check.sys = tree.root() / "sys";
  REQUIRE(check.read_one().not_here);
  check.rank_pids = {first.pid, second.pid};
  check.node.ranks = {2, 3};
  check.node.cores = static_cast<int>(cpus.size());
  REQUIRE(worst_of(check.read()) == Severity::ok);
  ok(set_affinity_of_thread(first.pid, {cpus[0]}));
  check.memory.clear();  // a fault that acts as the block begins
  const Outcome squeezed = check.read_of("rank 2");
  REQUIRE(squeezed.severity == Severity::critical);
  test::proves("numa_placement", squeezed);
  REQUIRE_THAT(squeezed.detail,
               Catch::Contains(fmt::format("may run on CPU {} only, on CPUs {}", cpus[0], to_list(cpus))));
  if (cpus == Cpus{0, 1}) REQUIRE_THAT(squeezed.detail, Catch::Contains("NUMA node 0, was 0,1"));
  REQUIRE(check.read_of("rank 3").severity == Severity::ok);
  REQUIRE(check.read_of("").severity == Severity::ok);
  ok(set_affinity_of_thread(second.pid, {cpus[0]}));
  const Outcome crowd = check.read_of("");
  REQUIRE(crowd.severity == Severity::critical);
  REQUIRE(crowd.detail == fmt::format("2 ranks share 1 of {} CPUs", cpus.size()));
  ok(set_affinity_of_thread(first.pid, cpus));
  ok(set_affinity_of_thread(second.pid, cpus));
  REQUIRE(worst_of(check.read()) == Severity::ok);
}

TEST_CASE("numa_placement: ranks that share a CPU from the start are a warning where there are more") {
  const Cpus cpus = ok(affinity_of_thread(0));
  const test::Spinner first, second;
  ok(set_affinity_of_thread(first.pid, {cpus[0]}));
  ok(set_affinity_of_thread(second.pid, {cpus[0]}));
  test::CheckUnderTest check("numa_placement");
  check.rank_pids = {first.pid, second.pid};
  check.node.cores = 2;
  REQUIRE(check.read_of("").severity == Severity::warning);
  check.node.cores = 1;  // nobody could do better
  REQUIRE(check.read_of("").severity == Severity::ok);
  ok(set_affinity_of_thread(first.pid, cpus));  // more than before: nothing is lost
  for (const Outcome& one : check.read()) REQUIRE(one.severity == Severity::ok);
  check.rank_pids = {first.pid, 0x3fffffff};
  const auto outcomes = check.read();
  REQUIRE(outcomes.size() == 2);  // how many CPUs they have is not known
  REQUIRE(outcomes[1].severity == Severity::unknown);
}

TEST_CASE("irq_placement: interrupts that are moved onto a rank's core, or elsewhere") {
  NicMachine machine;
  const Cpus cpus = ok(affinity_of_thread(0));
  const test::Spinner rank;
  machine.check.rank_pids = {rank.pid};
  machine.check.node.cores = 1 << 20;  // any binding is to a part of the machine
  ok(set_affinity_of_thread(rank.pid, {cpus.back()}));
  const std::string core = std::to_string(cpus.back()), other = std::to_string(cpus.back() + 3);
  machine.set(41, other, other), machine.set(42, core, core);
  const Outcome well = machine.check.read_one();
  REQUIRE(well.severity == Severity::ok);
  REQUIRE(well.detail == "its 2 interrupts are where they were");
  machine.set(41, core, core);
  const Outcome moved = machine.check.read_of("eth0 irq 41");
  REQUIRE(moved.severity == Severity::warning);
  REQUIRE_THAT(moved.detail, Catch::Contains("was moved to CPU " + core));
  machine.set(41, "900", "900");
  REQUIRE(machine.check.read_of("eth0 irq 41").severity == Severity::warning);
  machine.check.memory.clear();  // another block: it is still not what it was
  REQUIRE(machine.check.read_of("eth0 irq 41").severity == Severity::warning);
  machine.set(41, other, other);
  REQUIRE(machine.check.read_one().severity == Severity::ok);
}

// In a guest of tests/vm, whose NIC it is: on other machines interrupts are not a test's to move.
TEST_CASE("irq_placement: an interrupt of a real NIC that is moved", "[.guest]") {
  const std::filesystem::path device = "/sys/class/net/eth0/device";
  test::CheckUnderTest check("irq_placement");
  check.node.cores = 2;
  check.node.nics = {{.name = "eth0", .role = NicRole::data, .pci = std::filesystem::read_symlink(device).filename()}};
  REQUIRE(check.read_one().severity == Severity::ok);
  const auto irq = std::filesystem::directory_iterator(device / "msi_irqs")->path().filename().string();
  const std::string file = fmt::format("/proc/irq/{}/smp_affinity_list", irq), before = ok(read_file(file));
  test::detail::write_text(file.c_str(), before == "0\n" ? "1" : "0");
  const Outcome moved = check.read_of("eth0 irq " + irq);
  REQUIRE(moved.severity == Severity::warning);
  test::proves("irq_placement", moved);
  test::detail::write_text(file.c_str(), before);
  REQUIRE(check.read_one().severity == Severity::ok);
}

TEST_CASE("irq_placement: many interrupts on another NUMA node than the NIC's") {
  NicMachine machine;
  machine.check.read();
  machine.count(42, 1900);
  REQUIRE(machine.check.read_one(2 * kNsPerS).severity == Severity::ok);
  machine.count(41, 90'000), machine.count(42, 9000);
  const Outcome far = machine.check.read_of("eth0 irq 42", 2 * kNsPerS);
  REQUIRE(far.severity == Severity::warning);
  REQUIRE(far.value == Approx(3550));
  machine.check.node.nics[0].numa_node = -1;
  machine.count(42, 50'000);
  REQUIRE(machine.check.read_one(2 * kNsPerS).severity == Severity::ok);
}

TEST_CASE("irq_placement: a bond's interrupts are those of its ports that are up") {
  NicMachine machine;
  Nic port = machine.check.node.nics[0];
  port.role = NicRole::other, port.up = true;
  machine.check.node.nics = {{.name = "bond0", .role = NicRole::data, .lower = {"eth0"}}, port};
  REQUIRE(machine.check.read_one().subject == "eth0");
  machine.set(41, "1", "1");
  REQUIRE(machine.check.read_of("eth0 irq 41").severity == Severity::warning);
  machine.check.node.nics[1].up = false;
  REQUIRE(machine.check.read_one().not_here);
}

TEST_CASE("irq_placement: a NIC without interrupts of its own, and files that are something else") {
  NicMachine machine;
  for (const std::string& text : test::hostile_texts()) {
    for (const char* file : {"proc/irq/41/smp_affinity_list", "proc/irq/41/effective_affinity_list",
                             "sys/kernel/irq/41/per_cpu_count", "sys/devices/system/node/online"})
      machine.tree.write(file, text);
    for (int i = 0; i < 2; ++i)
      for (const Outcome& one : machine.check.read()) REQUIRE(one.severity != Severity::critical);
  }
  machine.tree.remove("sys/bus/pci/devices");
  REQUIRE(machine.check.read_one().not_here);
}

TEST_CASE("numa_memory: memory from another node, and pages that are moved about") {
  test::KernelFiles tree;
  write_two_nodes(tree);
  test::CheckUnderTest check("numa_memory");
  check.look_at(tree);
  const auto write = [&](std::int64_t hits, std::int64_t misses, std::int64_t moved, const char* balancing = "1") {
    tree.write("proc/vmstat", fmt::format("nr_free_pages 5\nnuma_hit {}\nnuma_miss {}\nnuma_foreign 3\n"
                                          "numa_pages_migrated {}\n",
                                          hits, misses, moved));
    tree.write("proc/sys/kernel/numa_balancing", fmt::format("{}\n", balancing));
  };
  write(1000, 10, 0);
  REQUIRE(check.read_of("allocations").detail == "first reading");
  write(1'981'000, 20'010, 4900);
  REQUIRE(check.read_of("allocations", 5 * kNsPerS).severity == Severity::warning);
  write(1'982'000, 20'110, 9900);  // a tenth, but of few
  const auto outcomes = check.read(5 * kNsPerS);
  REQUIRE(outcomes[0].severity == Severity::ok);
  REQUIRE(outcomes[1].severity == Severity::warning);
  REQUIRE(outcomes[1].value == 1000);
  write(1'982'000, 20'110, 99'900, "0");  // somebody else moves them
  REQUIRE(check.read_of("balancing", 5 * kNsPerS).severity == Severity::ok);
  write(5, 5, 5);
  REQUIRE(worst_of(check.read(5 * kNsPerS)) == Severity::ok);
  for (const std::string& text : test::hostile_texts()) {
    tree.write("proc/vmstat", text + "\nnuma_hit " + text);
    const auto read = check.try_read(5 * kNsPerS);
    REQUIRE((!read || worst_of(*read) == Severity::ok));
  }
  tree.remove("proc/vmstat");
  REQUIRE_FALSE(check.try_read().has_value());
  tree.write("sys/devices/system/node/online", "0\n");
  REQUIRE(check.read_one().not_here);
}

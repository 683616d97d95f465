// What a reading costs on a machine of 512 CPUs, by a tree of files like that machine's. The files are no kernel's:
// what the kernel needs to make them is not in the figures.
#include <sys/resource.h>

#include <iostream>

#include "harness/base/clock.hpp"
#include "harness/health/check.hpp"
#include "tests/kernel_files.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;

namespace {

constexpr int kCpus = 512;

std::string row(const std::string& head, const std::string& cell, const std::string& tail) {
  std::string text = head;
  for (int cpu = 0; cpu < kCpus; ++cpu) text += cell;
  return text + tail + "\n";
}

/// /proc/interrupts of 1,024 vectors of devices and the rows of the processors: 6 MB.
std::string interrupts() {
  std::string text = row("     ", "  CPU      ", "");
  for (int number = 0; number < 1024; ++number)
    text += row(fmt::format("{:>4}:", number), "          7", "  PCI-MSI 1572864-edge  mlx5_comp0@pci:0000:81:00.0");
  for (const char* name : {"NMI", "LOC", "RES", "CAL", "TLB", "TRM", "THR", "DFR", "MCE", "MCP"})
    text += row(fmt::format("{:>4}:", name), "          0", "   what it counts");
  return text;
}

std::string times() {
  std::string text = "cpu  1 0 0 1 0 0 0 0 0 0\n";
  for (int cpu = 0; cpu < kCpus; ++cpu) text += fmt::format("cpu{} 1234567 0 345678 1234567890 99 0 12 0 0 0\n", cpu);
  return text + row("intr 5", " 0", "") + "ctxt 5\nbtime 1\n";
}

void write_cpu(const test::KernelFiles& tree, int cpu) {
  const std::string policy = fmt::format("sys/devices/system/cpu/cpufreq/policy{}/", cpu);
  for (const auto& [file, text] : std::map<std::string, std::string>{{"scaling_driver", "intel_pstate"},
                                                                     {"scaling_governor", "performance"},
                                                                     {"scaling_max_freq", "3900000"},
                                                                     {"cpuinfo_max_freq", "3900000"},
                                                                     {"base_frequency", "2600000"},
                                                                     {"scaling_cur_freq", "3000000"}})
    tree.write(policy + file, text + "\n");
  const std::string heat = fmt::format("sys/devices/system/cpu/cpu{}/thermal_throttle/", cpu);
  for (const char* file : {"core_throttle_count", "package_throttle_count", "core_throttle_total_time_ms",
                           "package_throttle_total_time_ms"})
    tree.write(heat + file, "0\n");
}

struct LargeMachine {
  test::KernelFiles tree{};
  LargeMachine() {
    tree.write("proc/interrupts", interrupts());
    tree.write("proc/stat", times());
    std::string softnet;
    for (int cpu = 0; cpu < kCpus; ++cpu) softnet += "00ab12cd 00000000 00000001 00000000 00000000 00000000 00000000\n";
    tree.write("proc/net/softnet_stat", softnet);
    for (int cpu = 0; cpu < kCpus; ++cpu) write_cpu(tree, cpu);
    for (int node = 0; node < 8; ++node)
      tree.write(fmt::format("sys/devices/system/node/node{}/cpulist", node),
                 fmt::format("{}-{}\n", 64 * node, 64 * node + 63));
  }
};

/// Calls of read(2) of this process so far (proc(5), syscr).
std::int64_t reads_so_far() {
  const std::string text = test::ok(read_file("/proc/self/io"));
  return std::stoll(text.substr(text.find("syscr: ") + 7));
}

std::int64_t cpu_ns_so_far() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return time.tv_sec * kNsPerS + time.tv_nsec;
}

}  // namespace

TEST_CASE("cost: with 512 CPUs a check reads few files of each, and what does not change once") {
  const LargeMachine machine;
  // Two reads a file, of which the second finds its end.
  const std::map<std::string, std::int64_t> most{
      {"cpu_clock", 2 * (4 * kCpus + 100)}, {"machine_check", 1000}, {"cpu_steal", 100}};
  for (const auto& [name, reads] : most) {
    test::CheckUnderTest check(name);
    check.look_at(machine.tree);
    check.read();
    const std::int64_t before = reads_so_far();
    check.read(5 * kNsPerS);
    CAPTURE(name);
    CHECK(reads_so_far() - before < reads);
  }
}

// unit_health "[.cost]": for docs/checks.md.
TEST_CASE("cost: CPU time of a reading of every check on 512 CPUs", "[.cost]") {
  const LargeMachine machine;
  for (const Check* one : checks()) {
    if (!needs_no_params(*one)) continue;
    test::CheckUnderTest check(one->info.name);
    check.look_at(machine.tree);
    static_cast<void>(check.try_read());
    constexpr int kReadings = 5;
    std::int64_t most_ns = 0;
    for (int i = 0; i < kReadings; ++i) {
      const std::int64_t before_ns = cpu_ns_so_far();
      static_cast<void>(check.try_read(5 * kNsPerS));
      most_ns = std::max(most_ns, cpu_ns_so_far() - before_ns);
    }
    std::cout << fmt::format("{:<18} {:6.2f} ms\n", one->info.name, static_cast<double>(most_ns) / kNsPerMs);
  }
}

#include "tests/unit/health/check_reading.hpp"

using namespace grit;

namespace {

/// Two cores of one package, as an Intel server shows them.
struct Machine {
  test::KernelFiles tree{};
  test::CheckUnderTest check{"cpu_clock"};
  std::int64_t ticks = 0;
  Machine() {
    check.look_at(tree);
    for (const int cpu : {0, 1}) {
      set(cpu, "scaling_driver", "intel_pstate"), set(cpu, "scaling_governor", "powersave");
      set(cpu, "scaling_max_freq", "3900000"), set(cpu, "cpuinfo_max_freq", "3900000");
      set(cpu, "base_frequency", "2600000"), set(cpu, "scaling_cur_freq", "3000000");
      heat(cpu, 5, 100);
    }
    work(0);
  }
  void set(int cpu, const std::string& file, const std::string& text) const {
    tree.write(fmt::format("sys/devices/system/cpu/cpufreq/policy{}/{}", cpu, file), text + "\n");
  }
  void heat(int cpu, int count, int ms) const {
    const std::string directory = fmt::format("sys/devices/system/cpu/cpu{}/thermal_throttle/", cpu);
    tree.write(directory + "core_throttle_count", fmt::format("{}\n", count));
    tree.write(directory + "package_throttle_count", "0\n");
    tree.write(directory + "core_throttle_total_time_ms", fmt::format("{}\n", ms));
    tree.write(directory + "package_throttle_total_time_ms", "0\n");
  }
  /// Both are busy for that share of five seconds.
  void work(double share) {
    ticks += std::llround(500 * share), idle += std::llround(500 * (1 - share));
    tree.write("proc/stat", fmt::format("cpu  {0} 0 0 {1} 0 0 0 0 0 0\ncpu0 {0} 0 0 {1} 0 0 0 0 0 0\n"
                                        "cpu1 {0} 0 0 {1} 0 0 0 0 0 0\n",
                                        ticks, idle));
  }
  std::int64_t idle = 0;
};

}  // namespace

TEST_CASE("cpu_clock: busy CPUs below their base clock, twice in a row") {
  Machine machine;
  REQUIRE(worst_of(machine.check.read()) == Severity::ok);
  machine.work(1);
  REQUIRE(machine.check.read_of("clock", 5 * kNsPerS).value == Approx(3.0 / 2.6));
  for (const int cpu : {0, 1}) machine.set(cpu, "scaling_cur_freq", "1200000");
  machine.work(0.2);  // an idle CPU may be slow
  REQUIRE(machine.check.read_of("clock", 5 * kNsPerS).severity == Severity::ok);
  machine.work(1);
  REQUIRE(machine.check.read_of("clock", 5 * kNsPerS).severity == Severity::ok);
  machine.work(1);
  REQUIRE(machine.check.read_of("clock", 5 * kNsPerS).severity == Severity::warning);
  for (const int cpu : {0, 1})
    machine.tree.remove(fmt::format("sys/devices/system/cpu/cpufreq/policy{}/base_frequency", cpu));
  for (const int cpu : {0, 1}) machine.set(cpu, "scaling_cur_freq", "2800000");  // above 0.7 of the highest
  machine.work(1);
  REQUIRE(machine.check.read_of("clock", 5 * kNsPerS).severity == Severity::ok);
}

TEST_CASE("cpu_clock: with acpi-cpufreq the base clock is the firmware's, at which a processor is well") {
  Machine machine;
  for (const int cpu : {0, 1}) {
    machine.tree.remove(fmt::format("sys/devices/system/cpu/cpufreq/policy{}/base_frequency", cpu));
    machine.tree.write(fmt::format("sys/devices/system/cpu/cpu{}/acpi_cppc/nominal_freq", cpu), "2250\n");
    machine.set(cpu, "scaling_driver", "acpi-cpufreq"), machine.set(cpu, "scaling_governor", "performance");
    machine.set(cpu, "scaling_max_freq", "2249000"), machine.set(cpu, "cpuinfo_max_freq", "3400000");
    machine.set(cpu, "scaling_cur_freq", "2245000");  // two thirds of the highest
  }
  machine.check.read();
  for (int i = 0; i < 3; ++i) {
    machine.work(1);
    for (const Outcome& one : machine.check.read(5 * kNsPerS)) REQUIRE(one.severity == Severity::ok);
  }
  for (const int cpu : {0, 1}) machine.set(cpu, "scaling_cur_freq", "2100000");
  for (int i = 0; i < 2; ++i) {
    machine.work(1);
    REQUIRE(machine.check.read_of("clock", 5 * kNsPerS).severity == (i == 0 ? Severity::ok : Severity::warning));
  }
}

TEST_CASE("cpu_clock: heat, lower limits and governors") {
  Machine machine;
  machine.check.read();
  machine.heat(1, 6, 350);
  const Outcome hot = machine.check.read_of("heat", 5 * kNsPerS);
  REQUIRE(hot.severity == Severity::warning);
  REQUIRE(hot.detail == "CPU 1: throttled because too hot, for up to 250 ms in 5.0 s");
  REQUIRE(machine.check.read_of("heat", 5 * kNsPerS).severity == Severity::ok);
  machine.heat(1, 0, 0);  // it was taken offline, or it never was too hot
  REQUIRE(machine.check.read_of("heat").severity == Severity::ok);
  machine.heat(1, 1, 40);
  REQUIRE(machine.check.read_of("heat").detail == "CPU 1: throttled because too hot, for up to 40 ms in 1.0 s");
  machine.check.memory.clear();  // another block: what was before is not its
  REQUIRE(machine.check.read_of("heat").severity == Severity::ok);
  machine.set(0, "scaling_max_freq", "3000000");
  REQUIRE(machine.check.read_of("settings").detail == "CPU 0: not allowed more than 3.00 GHz, of 3.90 GHz");
  machine.check.memory.clear();  // another block: it is still not what it was
  REQUIRE(machine.check.read_of("settings").severity == Severity::warning);
  machine.set(0, "scaling_max_freq", "3900000");
  machine.set(1, "scaling_governor", "performance");
  REQUIRE_THAT(machine.check.read_of("settings").detail, Catch::Contains("was another at first"));
  machine.set(1, "scaling_governor", "powersave");
  for (const int cpu : {0, 1}) machine.set(cpu, "scaling_driver", "acpi-cpufreq");
  REQUIRE(machine.check.read_of("settings").detail == "CPU 0-1: governor powersave (acpi-cpufreq)");
}

TEST_CASE("cpu_clock: a limit that was there before is one only below the base clock") {
  Machine machine;
  for (const auto& [limit, severity] : {std::pair{"3000000", Severity::ok}, {"2000000", Severity::warning}}) {
    test::CheckUnderTest check("cpu_clock");
    check.look_at(machine.tree);
    machine.set(0, "scaling_max_freq", limit);
    REQUIRE(check.read_of("settings").severity == severity);
  }
}

TEST_CASE("cpu_clock: a virtual machine says nothing, and files that are something else are no alarm") {
  Machine machine;
  for (const std::string& text : test::hostile_texts()) {
    for (const char* file :
         {"scaling_cur_freq", "cpuinfo_max_freq", "base_frequency", "scaling_governor", "scaling_driver"})
      machine.set(0, file, text);
    machine.tree.write("sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", text);
    machine.tree.write("proc/stat", text);
    test::CheckUnderTest check("cpu_clock");
    check.look_at(machine.tree);
    for (int i = 0; i < 2; ++i)
      for (const Outcome& one : check.read(5 * kNsPerS)) REQUIRE_FALSE(is_alarm(one.severity));
  }
  machine.check.read();
  for (const char* file : {"scaling_governor", "scaling_max_freq"})  // cannot be read any more
    machine.tree.remove(fmt::format("sys/devices/system/cpu/cpufreq/policy1/{}", file));
  REQUIRE(machine.check.read_of("settings").severity == Severity::ok);
  machine.tree.remove("sys");
  REQUIRE(machine.check.read_one().not_here);
}

#include "tests/unit/health/check_reading.hpp"

using namespace grit;

namespace {

struct Machine : test::KernelFiles {
  std::int64_t corrected = 7, uncorrected = 0, unnamed = 0, mce = 0, thr = 3, poisoned_kb = 0;
  bool has_edac = true, has_failures = true;
  std::int64_t failures = 0;

  void write_all() {
    ++polls_;
    if (has_edac) {
      const std::string mc = "sys/devices/system/edac/mc/mc0/";
      write(mc + "mc_name", "Sky Lake IMC\n");
      write(mc + "ce_count", fmt::format("{}\n", corrected));
      write(mc + "ue_count", fmt::format("{}\n", uncorrected));
      write(mc + "ce_noinfo_count", fmt::format("{}\n", unnamed));
      write(mc + "ue_noinfo_count", "0\n");
      write(mc + "dimm0/dimm_label", "DIMM_A1\n");
      write(mc + "dimm0/dimm_ce_count", fmt::format("{}\n", corrected));
      write(mc + "dimm0/dimm_ue_count", fmt::format("{}\n", uncorrected));
      write(mc + "dimm1/dimm_label", "\n");
      write(mc + "dimm1/dimm_ce_count", "0\n");
      write(mc + "dimm1/dimm_ue_count", "0\n");
      write("sys/devices/system/edac/mc/power/x", "");
    }
    write("proc/interrupts",
          fmt::format("           CPU0       CPU1       \n  1:          0          9   IO-APIC    1-edge      i8042\n"
                      "THR:          1          {}   Threshold APIC interrupts\n"
                      "DFR:          0          0   Deferred Error APIC interrupts\n"
                      "MCE:          0          {}   Machine check exceptions\n"
                      "MCP:        {}        {}   Machine check polls\nERR:          0\n",
                      thr, mce, polls_, polls_));
    write("proc/meminfo", fmt::format("MemTotal: 9 kB\nHardwareCorrupted: {} kB\n", poisoned_kb));
    if (has_failures) write("sys/devices/system/node/node0/memory_failure/total", fmt::format("{}\n", failures));
  }

 private:
  int polls_ = 100;
};

test::CheckUnderTest check_on(const Machine& machine, Json given = Json::object()) {
  test::CheckUnderTest check("machine_check", std::move(given));
  check.look_at(machine);
  return check;
}

}  // namespace

TEST_CASE("machine_check: errors from before the first reading are not this run's, and polls are no errors") {
  Machine machine;
  machine.corrected = 900, machine.uncorrected = 2, machine.mce = 1, machine.poisoned_kb = 8;
  auto check = check_on(machine);
  for (int i = 0; i < 3; ++i) {
    machine.write_all();
    const auto outcomes = check.read(10 * kNsPerS);
    REQUIRE(outcomes.size() == 3);
    for (const Outcome& one : outcomes) CHECK(one.severity == Severity::ok);
  }
  CHECK(check.read_of("edac").detail == "3 memory modules and controllers have no new errors");
}

TEST_CASE("machine_check: a memory module's errors") {
  Machine machine;
  machine.write_all();
  auto check = check_on(machine);
  check.read();
  machine.corrected += 1;
  machine.write_all();
  const Outcome corrected = check.read_of("mc0/dimm0");
  CHECK(corrected.severity == Severity::warning);
  CHECK(corrected.value == 1);
  CHECK(corrected.detail.starts_with("DIMM_A1: 0 uncorrectable and 1 corrected errors"));
  machine.uncorrected += 1;
  machine.write_all();
  CHECK(check.read_of("mc0/dimm0").severity == Severity::critical);
  machine.unnamed = 4;
  machine.write_all();
  const Outcome unnamed = check.read_of("mc0");
  CHECK(unnamed.severity == Severity::warning);
  CHECK(unnamed.value == 4);
  machine.corrected = machine.uncorrected = 0;  // somebody set them to zero
  machine.write_all();
  CHECK(check.read().size() == 3);
  machine.corrected = 1;
  machine.write_all();
  CHECK(check.read_of("mc0/dimm0").value == 1);
  auto deaf = check_on(machine, {{"corrected", 0}});
  deaf.read();
  machine.corrected += 1000;
  machine.write_all();
  CHECK(deaf.read().size() == 3);
}

TEST_CASE("machine_check: modules that the board calls the same are counted each for itself") {
  Machine machine;
  machine.corrected = machine.uncorrected = 1;  // of one, long ago
  auto check = check_on(machine);
  for (int i = 0; i < 3; ++i) {
    machine.write_all();
    machine.write("sys/devices/system/edac/mc/mc0/dimm1/dimm_label", "DIMM_A1\n");
    CHECK(check.read_of("edac", 10 * kNsPerS).detail == "3 memory modules and controllers have no new errors");
    CHECK(check.read().size() == 3);
  }
}

TEST_CASE("machine_check: machine checks, and interrupts for corrected errors") {
  Machine machine;
  machine.write_all();
  auto check = check_on(machine);
  check.read();
  machine.thr += 2;
  machine.write_all();
  CHECK(check.read_of("cpu").severity == Severity::warning);
  machine.mce += 1;
  machine.write_all();
  const Outcome outcome = check.read_of("cpu");
  CHECK(outcome.severity == Severity::critical);
  CHECK(outcome.detail == "1 machine check exceptions more");
}

TEST_CASE("machine_check: memory that was taken out of use") {
  Machine machine;
  machine.write_all();
  auto check = check_on(machine);
  check.read();
  machine.poisoned_kb += 4;
  machine.write_all();
  CHECK(check.read_of("pages").severity == Severity::warning);
  machine.poisoned_kb += 4, machine.failures += 1;
  machine.write_all();
  CHECK(check.read_of("pages").severity == Severity::critical);
}

TEST_CASE("machine_check: what a machine does not have is no fault") {
  Machine machine;
  machine.has_edac = machine.has_failures = false;
  machine.write_all();
  machine.write("proc/meminfo", "MemTotal: 9 kB\n");
  machine.write("proc/interrupts", "  CPU0\nTRM:   0   Thermal event interrupts\n");
  auto check = check_on(machine);
  for (const Outcome& one : check.read()) {
    CHECK(one.severity == Severity::unknown);
    CHECK(one.not_here);
  }
  machine.remove("proc");
  const Outcome unread = check.read_of("cpu");
  CHECK(unread.severity == Severity::unknown);
  CHECK_FALSE(unread.not_here);
}

TEST_CASE("machine_check: files that are not as they should be") {
  Machine machine;
  machine.write_all();
  const std::string mc = "sys/devices/system/edac/mc/mc0/";
  machine.write(mc + "dimm0/dimm_ce_count", "18446744073709551615\n");
  machine.write(mc + "dimm1/dimm_label", "\x1b]0;x\x07" + std::string(10'000, 'A'));
  machine.write("proc/interrupts", "MCE");
  auto check = check_on(machine);
  check.read();
  machine.write(mc + "dimm1/dimm_ce_count", "1");
  machine.write("proc/interrupts", "MCE: 9223372036854775807 9223372036854775807 x\n\xff\xfe: 1");
  const auto outcomes = check.read();
  REQUIRE(outcomes.size() == 4);
  CHECK(outcomes[0].severity == Severity::warning);
  CHECK(outcomes[0].detail.size() < 220);
  CHECK(outcomes[0].detail.find('\x1b') == std::string::npos);
  CHECK(outcomes[2].severity == Severity::ok);
}

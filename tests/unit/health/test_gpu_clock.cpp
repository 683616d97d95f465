#include "tests/unit/health/fake_gpus.hpp"

using namespace grit;

namespace {

/// A GPU at work, with nothing wrong.
std::string gpu(int index, const std::string& more = "") {
  std::string text;
  for (const char* line : {"sm_mhz 1900", "max_mhz 1980", "reasons 0x4", "supported_reasons 0x1ff", "used_percent 99",
                           "power_mw 690000", "limit_mw 700000", "default_limit_mw 700000"})
    text += fmt::format("gpu{}.{}\n", index, line);
  return text + more + "\n";
}

/// The times in software thermal, hardware thermal and power brake slowdown, with the numbers of one release.
std::string times(int release, std::int64_t software, std::int64_t hardware, std::int64_t brake) {
  const int first = release == 575 ? 251 : 269;
  return fmt::format("fields {}\ngpu0.field.75 {}\ngpu0.field.{} {}\ngpu0.field.{} {}\ngpu0.field.{} {}\n", release,
                     software, first, software, first + 1, hardware, first + 2, brake);
}

}  // namespace

TEST_CASE("gpu_clock: a machine without NVIDIA's library has none of it") {
  ::unsetenv("GRIT_NVML_LIBRARY");
  if (Nvml::load()) {
    test::skip("this machine has NVIDIA's library");
    return;
  }
  const Outcome outcome = test::CheckUnderTest("gpu_clock").read_one();
  CHECK(outcome.not_here);
  CHECK(outcome.severity == Severity::unknown);
  CHECK(outcome.detail == "no NVIDIA driver: libnvidia-ml.so.1 is not installed");
}

TEST_CASE("gpu_clock: a node without GPUs, and one whose driver shows none of them") {
  test::FakeGpus gpus;
  test::KernelFiles tree;
  test::CheckUnderTest check("gpu_clock");
  check.sys = tree.sys();
  CHECK(check.read_one().not_here);
  gpus.write("return nvmlInit_v2 9\n");
  test::CheckUnderTest other("gpu_clock");
  other.sys = tree.sys();
  CHECK(other.read_one().not_here);
  tree.write("sys/bus/pci/devices/0000:81:00.0/vendor", "0x10de\n");
  tree.write("sys/bus/pci/devices/0000:81:00.0/class", "0x030200\n");
  CHECK_FALSE(check.read_one().not_here);
  CHECK_FALSE(other.read_one().not_here);
  CHECK(other.read_one().severity == Severity::unknown);
  gpus.write("return nvmlInit_v2 18\n");
  CHECK(other.read_one().severity == Severity::warning);  // no new program can use a GPU
  gpus.write("gpus 1\n" + gpu(0));
  CHECK(other.read_one().severity == Severity::ok);
}

TEST_CASE("gpu_clock: GPUs at work and idle ones are well") {
  test::FakeGpus gpus;
  gpus.write("gpus 3\n" + gpu(0) + gpu(1, "gpu1.sm_mhz 345\ngpu1.reasons 1\ngpu1.used_percent 0") +
             gpu(2, "gpu2.reasons 0x2\n"));
  test::CheckUnderTest check("gpu_clock");
  for (int i = 0; i < 2; ++i) {
    const auto outcomes = check.read();
    REQUIRE(outcomes.size() == 3);
    for (const Outcome& one : outcomes) {
      INFO(one.detail);
      CHECK(one.severity == Severity::ok);
    }
  }
}

TEST_CASE("gpu_clock: the driver's counters of slowdowns, whichever numbers they have") {
  for (const int release : {575, 580}) {
    test::FakeGpus gpus;
    const auto write = [&](std::int64_t software, std::int64_t hardware, std::int64_t brake) {
      gpus.write("gpus 1\n" + gpu(0) + times(release, software, hardware, brake));
    };
    test::CheckUnderTest check("gpu_clock");
    write(5 * kNsPerS, 8 * kNsPerS, 0);
    CHECK(check.read_one().severity == Severity::ok);  // what was before is not this run's
    write(5 * kNsPerS, 8 * kNsPerS, 0);
    CHECK(check.read_one().severity == Severity::ok);
    write(5 * kNsPerS, 8 * kNsPerS + kNsPerS / 4, 0);
    const Outcome hot = check.read_one();
    CHECK(hot.severity == Severity::warning);
    CHECK(hot.value == 0.25);
    CHECK(hot.detail.starts_with("slowed down by hardware, because of heat for 25.0 % of the time"));
    write(5 * kNsPerS + kNsPerS / 10, 8 * kNsPerS + kNsPerS / 4, kNsPerS);
    CHECK(check.read_one().value == 1);
    write(1, 1, 1);  // the driver was loaded anew
    CHECK(check.read_one().severity == Severity::ok);
  }
}

TEST_CASE("gpu_clock: a counter that was not told for a reading grew in all the time since it was") {
  test::FakeGpus gpus;
  test::CheckUnderTest check("gpu_clock");
  gpus.write("gpus 1\n" + gpu(0) + times(580, 5 * kNsPerS, 8 * kNsPerS, 0));
  check.read();
  gpus.write("gpus 1\n" + gpu(0) + times(580, 5 * kNsPerS, 8 * kNsPerS, 0) + "gpu0.field.75 9000000000\n");
  CHECK(check.read_one(3 * kNsPerS).value == 0);
  gpus.write("gpus 1\n" + gpu(0) + times(580, 5 * kNsPerS, 9 * kNsPerS, 0));
  CHECK(check.read_one().value == 0.25);
}

TEST_CASE("gpu_clock: counters whose numbers are not certain are not believed") {
  test::FakeGpus gpus;
  test::CheckUnderTest check("gpu_clock");
  for (const std::int64_t hardware : {0, 900}) {
    gpus.write("gpus 1\n" + gpu(0) + times(580, 0, hardware * kNsPerMs, 0));
    CHECK(check.read_one().value == 0);
  }
  for (const std::int64_t hardware : {1000, 1900}) {
    gpus.write("gpus 1\n" + gpu(0) + times(580, 3 * kNsPerS, hardware * kNsPerMs, 0) + "gpu0.field.75 9000000000\n");
    CHECK(check.read_one().value == 0);
  }
}

TEST_CASE("gpu_clock: without counters the bits are looked at, of an old driver too") {
  for (const char* library : {GRIT_FAKE_NVML_NEW, GRIT_FAKE_NVML_OLD}) {
    test::FakeGpus gpus(library);
    test::CheckUnderTest check("gpu_clock");
    const auto look = [&](const std::string& reasons) {
      gpus.write("gpus 1\n" + gpu(0, "gpu0.reasons " + reasons));
      return check.read_one();
    };
    CHECK(look("0x1").severity == Severity::ok);
    const Outcome once = look("0x40");
    CHECK(once.severity == Severity::warning);
    CHECK(once.value == 0.5);
    CHECK(look("0x48").value == 1);
    CHECK(look("0x80").severity == Severity::warning);
    CHECK(look("0x20").severity == Severity::warning);
    look("0"), look("0");
    CHECK(look("0x8").severity == Severity::ok);  // also set for a moment when clocks change
    CHECK(look("0x8").severity == Severity::warning);
    CHECK(look("0xfffffffffffffe00").severity == Severity::ok);  // bits of a later driver
  }
}

TEST_CASE("gpu_clock: a bit that the GPU does not support is not judged") {
  test::FakeGpus gpus;
  test::CheckUnderTest check("gpu_clock");
  gpus.write("gpus 1\n" + gpu(0, "gpu0.reasons 0x80\ngpu0.supported_reasons 0x7f"));
  CHECK(check.read_one().severity == Severity::ok);
}

TEST_CASE("gpu_clock: a busy GPU with a low clock and no reason for it") {
  test::FakeGpus gpus;
  test::CheckUnderTest check("gpu_clock");
  gpus.write("gpus 1\n" + gpu(0, "gpu0.sm_mhz 990\ngpu0.reasons 0x2"));
  CHECK(check.read_one().severity == Severity::warning);
  gpus.write("gpus 1\n" + gpu(0, "gpu0.sm_mhz 990\ngpu0.reasons 0x4"));  // it is at its power limit
  CHECK(check.read_one().severity == Severity::ok);
  gpus.write("gpus 1\n" + gpu(0, "gpu0.sm_mhz 990\ngpu0.reasons 0x2\ngpu0.used_percent 50"));
  CHECK(check.read_one().severity == Severity::ok);
  test::CheckUnderTest expecting("gpu_clock", {{"expected", 1980}});
  const auto at = [&](int mhz) {
    gpus.write("gpus 1\n" + gpu(0, fmt::format("gpu0.sm_mhz {}", mhz)));
    return expecting.read_one().severity;
  };
  CHECK(at(1951) == Severity::ok);
  CHECK(at(1950) == Severity::warning);
  CHECK(at(1905) == Severity::critical);
}

TEST_CASE("gpu_clock: a GPU that draws less than the others at the same work and clock") {
  test::FakeGpus gpus;
  const auto write = [&](const std::string& of_last) {
    gpus.write("gpus 4\n" + gpu(0) + gpu(1) + gpu(2) + gpu(3, of_last));
  };
  test::CheckUnderTest check("gpu_clock");
  write("gpu3.power_mw 580000\n");  // 84 %
  for (int i = 0; i < 4; ++i) CHECK(check.read_of("gpu3").severity == Severity::ok);
  CHECK(check.read_of("gpu3").severity == Severity::warning);
  CHECK(check.read_of("gpu0").severity == Severity::ok);
  for (const char* well : {"gpu3.power_mw 600000", "gpu3.power_mw 100000\ngpu3.sm_mhz 1000\ngpu3.reasons 0x2",
                           "gpu3.power_mw 100000\ngpu3.used_percent 10"}) {
    write(well);
    for (int i = 0; i < 6; ++i) CHECK(check.read_of("gpu3").detail.find("other busy GPUs") == std::string::npos);
  }
}

TEST_CASE("gpu_clock: a power limit below the default") {
  test::FakeGpus gpus;
  test::CheckUnderTest check("gpu_clock");
  gpus.write("gpus 1\n" + gpu(0, "gpu0.limit_mw 400000"));
  const Outcome outcome = check.read_one();
  CHECK(outcome.severity == Severity::warning);
  CHECK(outcome.detail.starts_with("held at a power limit of 400 W, below its default of 700 W"));
}

TEST_CASE("gpu_clock: a GPU that is lost, one that is gone, and one that does not tell") {
  test::FakeGpus gpus;
  test::CheckUnderTest check("gpu_clock");
  gpus.write("gpus 3\n" + gpu(0) + gpu(1));
  CHECK(check.read_of("gpu0").severity == Severity::ok);
  CHECK(check.read_of("gpu2").severity == Severity::unknown);
  gpus.write("gpus 2\ngpu1.return 15\n" + gpu(0) + gpu(1));
  const auto outcomes = check.read();
  REQUIRE(outcomes.size() == 3);
  CHECK(outcomes[0].detail == "1 of 3 GPUs are gone since the last reading");
  CHECK(outcomes[0].severity == Severity::warning);
  CHECK(outcomes[1].subject == "gpu1");
  CHECK(outcomes[1].severity == Severity::critical);
  CHECK(outcomes[2].severity == Severity::ok);
  CHECK(check.read().size() == 2);  // handed to a virtual machine, perhaps: that is how the node is now
  for (const char* function : {"nvmlDeviceGetFieldValues 15", "nvmlDeviceGetPowerUsage 16"}) {
    gpus.write(fmt::format("gpus 3\nreturn {}\n", function) + gpu(0));
    CHECK(check.read_of("gpu0").severity == Severity::critical);
  }
  gpus.write("gpus 3\nreturn nvmlDeviceGetFieldValues 4\nreturn nvmlDeviceGetUtilizationRates 3\n" + gpu(0));
  CHECK(check.read_of("gpu0").severity == Severity::ok);
  gpus.write("gpus 3\nreturn nvmlDeviceGetCount_v2 1\n" + gpu(0));
  CHECK(check.read_one().severity == Severity::unknown);
  gpus.write("gpus 3\n" + gpu(0));
  CHECK(check.read_of("gpu0").severity == Severity::ok);
}

TEST_CASE("gpu_clock: as root, a library that others can have put there is not loaded") {
  if (::geteuid() != 0) {
    test::skip("only root is careful");
    return;
  }
  test::FakeGpus gpus;
  gpus.write("gpus 1\n" + gpu(0));
  std::filesystem::permissions(::getenv("GRIT_NVML_LIBRARY"), std::filesystem::perms(0666));
  const Outcome outcome = test::CheckUnderTest("gpu_clock").read_one();
  CHECK(outcome.severity == Severity::unknown);
  CHECK(outcome.detail.find("as root grit loads no library") != std::string::npos);
}

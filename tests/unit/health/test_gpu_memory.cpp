#include "tests/unit/health/fake_gpus.hpp"

using namespace grit;

namespace {

struct Memory {
  std::int64_t corrected = 70'000, uncorrected = 2;
  int pending = 0, failed = 0, replaced = 3, without_spare = 0, action = 0;

  [[nodiscard]] std::string text() const {
    return fmt::format(
        "gpus 1\ngpu0.corrected {}\ngpu0.uncorrected {}\ngpu0.remap_pending {}\ngpu0.remap_failed {}\n"
        "gpu0.remap_uncorrected {}\ngpu0.banks_without_spare {}\ngpu0.field.230 u32:{}\n",
        corrected, uncorrected, pending, failed, replaced, without_spare, action);
  }
};

}  // namespace

TEST_CASE("gpu_memory: errors since the last reading, and not those from before") {
  test::FakeGpus gpus;
  test::CheckUnderTest check("gpu_memory");
  Memory memory;
  const auto look = [&] {
    gpus.write(memory.text());
    return check.read_one(10 * kNsPerS);
  };
  CHECK(look().detail == "no new errors");
  CHECK(look().severity == Severity::ok);
  for (int i = 0; i < 9; ++i) {
    memory.corrected += 1;
    CHECK(look().severity == Severity::ok);  // 6 a minute
  }
  memory.corrected += 46'470;
  const Outcome storm = look();
  CHECK(storm.severity == Severity::warning);
  CHECK(storm.detail.ends_with("corrected errors within a minute"));
  memory.uncorrected += 1;
  CHECK(look().severity == Severity::critical);
  for (int i = 0; i < 5; ++i) look();
  CHECK(look().severity == Severity::ok);
  memory.corrected = memory.uncorrected = 0;  // the driver was loaded anew
  CHECK(look().severity == Severity::ok);
}

TEST_CASE("gpu_memory: what is as it is, at the first reading already") {
  test::FakeGpus gpus;
  const auto look = [&](const Memory& memory) {
    gpus.write(memory.text());
    return test::CheckUnderTest("gpu_memory").read_one();
  };
  CHECK(look({}).severity == Severity::ok);
  CHECK(look({.pending = 1}).severity == Severity::critical);
  CHECK(look({.failed = 1}).severity == Severity::critical);
  CHECK(look({.replaced = 511}).severity == Severity::ok);
  CHECK(look({.replaced = 512}).severity == Severity::critical);
  CHECK(look({.without_spare = 1}).severity == Severity::warning);
  const Outcome action = look({.action = 4});
  CHECK(action.severity == Severity::critical);
  CHECK(action.detail == "the driver asks for: a drain and a reset");
  CHECK(look({.action = 5}).detail == "the driver asks for: action 5");  // its meaning differs between releases
  CHECK(look({.action = 99}).severity == Severity::critical);
}

TEST_CASE("gpu_memory: a GPU without error correction is not known, one of an old kind is asked otherwise") {
  test::FakeGpus gpus;
  test::CheckUnderTest check("gpu_memory");
  gpus.write("gpus 1\n");
  CHECK(check.read_one().severity == Severity::unknown);
  gpus.write("gpus 1\ngpu0.page_pending 0\n");
  CHECK(check.read_one().detail == "no new errors; not told: ECC errors, recovery action");
  gpus.write("gpus 1\ngpu0.page_pending 1\n");
  CHECK(check.read_one().severity == Severity::critical);
  gpus.write("gpus 1\ngpu0.return 15\n");
  CHECK(check.read_one().severity == Severity::critical);
  gpus.write("gpus 1\ngpu0.corrected 0xffffffffffffffff\ngpu0.remap_pending 0\n");
  CHECK(check.read_one().severity == Severity::ok);
}

TEST_CASE("gpu_memory: an old driver's library, and none") {
  {
    test::FakeGpus gpus(GRIT_FAKE_NVML_OLD);
    gpus.write("gpus 1\ngpu0.uncorrected 3\n");
    test::CheckUnderTest check("gpu_memory");
    CHECK(check.read_one().severity == Severity::ok);
    gpus.write("gpus 1\ngpu0.uncorrected 4\n");
    CHECK(check.read_one().severity == Severity::critical);
  }
  if (!Nvml::load()) CHECK(test::CheckUnderTest("gpu_memory").read_one().not_here);
}

#include <unistd.h>

#include "harness/base/clock.hpp"
#include "harness/os/gpu_process.hpp"
#include "harness/os/gpu_settings.hpp"
#include "tests/catch.hpp"
#include "tests/fakes/nvml/fake_gpus.hpp"
#include "tests/namespace.hpp"
#include "tests/text.hpp"

using namespace grit;
using grit::test::contains;
using grit::test::ok;

TEST_CASE("gpu_settings: a range of clocks") {
  CHECK(clock_lock_of("1410")->min_mhz == 1410);
  CHECK(clock_lock_of("1410")->max_mhz == 1410);
  CHECK(clock_lock_of("210,1410")->min_mhz == 210);
  for (const char* no : {"", "0", "x", "1410,", ",1410", "1410,210", "1410MHz", "-1", "999999999999"})
    CHECK_FALSE(clock_lock_of(no));
}

TEST_CASE("gpu_settings: clocks look locked when a GPU works, below its highest, without a reason") {
  GpuClock clock{.sm_mhz = 1410, .max_sm_mhz = 1980, .reasons = nvml::reason::application_clocks, .busy_percent = 95};
  CHECK(seems_locked(clock));
  clock.reasons = nvml::reason::power_cap;
  CHECK_FALSE(seems_locked(clock));
  CHECK_FALSE(shows_no_lock(clock));
  clock.reasons = 0, clock.sm_mhz = 1965;
  CHECK_FALSE(seems_locked(clock));
  CHECK(shows_no_lock(clock));
  clock.busy_percent = 10;
  CHECK_FALSE(shows_no_lock(clock));
  clock.sm_mhz = 345;
  CHECK_FALSE(seems_locked(clock));
  clock.busy_percent.reset();
  CHECK_FALSE(seems_locked(clock));
}

TEST_CASE("gpu_settings: what a machine may be like is unavailable, anything else is internal") {
  for (const nvml::Code code :
       {nvml::not_supported, nvml::no_permission, nvml::not_found, nvml::driver_not_loaded, nvml::function_not_found,
        nvml::gpu_is_lost, nvml::reset_required, nvml::operating_system, nvml::version_mismatch})
    CHECK(nvml_error("x", code).value().kind == ErrorKind::unavailable);
  CHECK(nvml_error("x", nvml::unknown_error).value().kind == ErrorKind::internal);
  CHECK(contains(nvml_error("setting", nvml::no_permission).value().message, "setting: not permitted: only root"));
}

TEST_CASE("gpu_settings: a limit that the driver takes for another one is an error") {
  test::FakeGpus gpus;
  gpus.write("gpus 1\ngpu0.limit_mw 700000\ngpu0.lowest_mw 200000\n");
  const auto set_to = [](unsigned limit_mw) {
    return ask_gpus(
        [=](const Nvml& nvml) -> Result<Json> {
          GRIT_TRY(const auto gpu, GpuSettings::of(nvml, "GPU-fake-0"));
          GRIT_CHECK(gpu.set_power_limit(limit_mw));
          return Json(limit_mw);
        },
        10 * kNsPerS);
  };
  CHECK(ok(set_to(300'000)) == 300'000);
  CHECK(contains(set_to(100'000).error().message, "setting its power limit"));
  gpus.write("gpus 1\ngpu0.limit_mw 700000\nreturn nvmlDeviceGetPowerManagementLimit 15\n");
  CHECK(contains(set_to(250'000).error().message, "its power limit: the GPU is lost"));
}

TEST_CASE("gpu_process: it answers again and again, ends with its library, and is killed when it hangs") {
  class Echo final : public GpuService {
   public:
    Result<Json> answer(const Json& question) override {
      if (question == "hang") ::sleep(60);
      if (question == "die") ::_exit(0);
      if (question == "fail") return usage_error("as asked");
      return Json{{"question", question}, {"ticks", ticks_}};
    }
    void tick() override { ++ticks_; }

   private:
    int ticks_ = 0;
  };
  test::FakeGpus gpus;
  gpus.write("gpus 1\n");
  const auto started = [] {
    return ok(GpuProcess::start([](const Nvml&) { return std::make_unique<Echo>(); }, 10 * kNsPerS));
  };
  GpuProcess process = started();
  CHECK(ok(process.ask(7, kNsPerS))["question"] == 7);
  ::usleep(200'000);
  CHECK(ok(process.ask("again", kNsPerS))["ticks"].get<int>() > 1);
  const auto failed = process.ask("fail", kNsPerS);
  CHECK((failed.error().kind == ErrorKind::usage && failed.error().message == "as asked"));
  REQUIRE(process.running());
  const std::int64_t before_ns = monotonic_ns();
  CHECK(process.ask("hang", 100 * kNsPerMs).error().message == "NVIDIA's driver did not answer within 100 ms");
  CHECK(monotonic_ns() - before_ns < 5 * kNsPerS);
  CHECK_FALSE(process.running());
  CHECK(contains(process.ask(7, kNsPerS).error().message, "has ended"));
  process = started();
  CHECK(contains(process.ask("die", kNsPerS).error().message, "has ended"));
  CHECK_FALSE(process.running());
  gpus.write("return nvmlInit_v2 18\n");
  const auto refused = GpuProcess::start([](const Nvml&) { return std::make_unique<Echo>(); }, 10 * kNsPerS);
  CHECK(contains(refused.error().message, "of different releases"));
}

TEST_CASE("gpu_process: starting the library has a limit of its own, beside that of an answer") {
  test::FakeGpus gpus;
  gpus.write("gpus 1\nhang nvmlInit_v2 1\n");  // as where each GPU is first woken
  const auto count = [](const Nvml& nvml) -> Result<Json> {
    unsigned gpu_count = 0;
    const nvml::Code code = nvml.call(&nvml::Functions::device_count, &gpu_count);
    if (code != nvml::success) return nvml_error("counting", code);
    return Json(gpu_count);
  };
  CHECK(ok(ask_gpus(count, 500 * kNsPerMs)) == 1);
  gpus.write("gpus 1\nhang nvmlDeviceGetCount_v2 60\n");
  CHECK(ask_gpus(count, 100 * kNsPerMs).error().message == "NVIDIA's driver did not answer within 100 ms");
  class Nothing final : public GpuService {
   public:
    Result<Json> answer(const Json& question) override { return question; }
  };
  gpus.write("gpus 1\nhang nvmlInit_v2 60\n");
  const auto late = GpuProcess::start([](const Nvml&) { return std::make_unique<Nothing>(); }, 100 * kNsPerMs);
  CHECK(late.error().message == "NVIDIA's driver did not start its library within 100 ms");
}

TEST_CASE("gpu_process: what is asked apart may hang or crash, and nobody hangs with it") {
  const auto asked = [](const std::function<Result<Json>()>& work) {
    const auto told = ask_apart(work, 200 * kNsPerMs);
    return told ? told->get<std::string>() : told.error().message;
  };
  const pid_t here = ::getpid();
  CHECK(asked([&]() -> Result<Json> { return Json(::getpid() == here ? "here" : "apart"); }) == "apart");
  CHECK(asked([]() -> Result<Json> { return usage_error("as asked"); }) == "as asked");
  CHECK(contains(asked([]() -> Result<Json> { std::abort(); }), "has ended"));
  CHECK(asked([]() -> Result<Json> {
          ::sleep(60);
          return Json("late");
        }) == "NVIDIA's driver did not answer within 200 ms");
}

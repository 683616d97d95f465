// gpu_throttle of GPUs that exist in a text file (tests/fakes/nvml): grit's own control flow, and nothing about a GPU.
#include <array>
#include <thread>

#include "harness/base/clock.hpp"
#include "injectors/faults.hpp"
#include "injectors/gpu_limits.hpp"
#include "tests/catch.hpp"
#include "tests/environment_variable.hpp"
#include "tests/fakes/nvml/fake_gpus.hpp"
#include "tests/namespace.hpp"
#include "tests/text.hpp"
#include "tests/unit/injectors/gpu_targets.hpp"

using namespace grit;
using grit::test::contains;
using grit::test::ok;

namespace {

const std::string& kBusy = grit::test::kBusyGpus;

Target target_of(Json given) { return test::gpu_target(std::move(given)); }
Target clocks(Json more = Json::object()) { return test::gpu_clocks(std::move(more)); }
Target power(Json more = Json::object()) { return test::gpu_power(std::move(more)); }

std::string refusal(const Target& target) {
  const auto made = gpu_throttle().prepare(target);
  REQUIRE_FALSE(made);
  return made.error().message;
}

/// Nothing is left on any of them.
void check_as_before(const test::FakeGpus& gpus) {
  for (const char* lock : {"gpu0.lock_mhz", "gpu1.lock_mhz"}) CHECK(gpus.setting(lock) <= 0);
  const std::int64_t first_mw = gpus.setting("gpu0.limit_mw"), second_mw = gpus.setting("gpu1.limit_mw");
  CHECK((first_mw == -1 || first_mw == 700'000));
  CHECK((second_mw == -1 || second_mw == 649'777));
}

/// One window of it, then everything works again: nothing may be left. Was there an nth call?
bool window_is_clean(test::FakeGpus& gpus, const Target& target, std::int64_t nth) {
  const auto made = gpu_throttle().prepare(target);
  if (!made) {
    CHECK_FALSE(made.error().message.empty());
    check_as_before(gpus);
    return true;
  }
  const Status started = made->fault->start();
  const auto reading = started ? made->fault->read() : tl::make_unexpected(started.error());
  const Status stopped = made->fault->stop();
  if (stopped) check_as_before(gpus);
  const bool happened = gpus.calls() >= nth;
  if (const auto counted = made->fault->counters())  // and nothing of what the driver had counted before
    CHECK((*counted)["throttled_ns"].get<std::int64_t>() < 60 * kNsPerS);
  if (!happened) CHECK((started && reading && reading->holds && stopped));
  gpus.write(kBusy);
  ok(made->fault->stop());  // the agent's next attempt
  check_as_before(gpus);
  ok(gpu_throttle().revert(made->undo));
  check_as_before(gpus);
  return happened;
}

void wait(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

}  // namespace

TEST_CASE("gpu_throttle: clocks are locked on all GPUs, and unlocked") {
  test::FakeGpus gpus;
  gpus.write(kBusy);
  Prepared made = ok(gpu_throttle().prepare(clocks({{"clock", 0.5}})));
  ok(gpu_throttle().check_undo(made.undo));
  CHECK(gpus.setting("gpu0.lock_mhz") == -1);  // preparing changes nothing
  CHECK_FALSE(ok(made.fault->read()).holds);
  const Json before = ok(made.fault->counters());
  for (int i = 0; i < 2; ++i) {  // it can be started again
    ok(made.fault->start());
    CHECK(gpus.setting("gpu0.lock_mhz") == 990);
    CHECK(gpus.setting("gpu1.lock_mhz") == 990);
    const Reading on = ok(made.fault->read());
    CHECK((on.holds && on.left));
    CHECK(on.details["mechanism"] == "clocks");
    CHECK(on.details["gpus"]["GPU-fake-1"]["sm_mhz"] == 990);
    wait(120);
    ok(made.fault->stop());
    ok(made.fault->stop());
    check_as_before(gpus);
    const Reading off = ok(made.fault->read());
    CHECK_FALSE((off.holds || off.left));
  }
  CHECK(gpu_throttle().acted(before, ok(made.fault->counters())));
}

TEST_CASE("gpu_throttle: a lock of idle GPUs, and a window in which nothing is done, do not act") {
  test::FakeGpus gpus;
  const auto acts = [](const Target& target, bool is_sham) {
    const Prepared made = ok(gpu_throttle().prepare(target));
    const Json before = ok(made.fault->counters());
    if (is_sham)
      CHECK_FALSE(ok(made.fault->start_null()));
    else
      ok(made.fault->start());
    CHECK(ok(made.fault->read()).holds == !is_sham);
    wait(120);
    ok(made.fault->stop());
    return gpu_throttle().acted(before, ok(made.fault->counters()));
  };
  gpus.write("gpus 1\ngpu0.sm_mhz 345\ngpu0.max_mhz 1980\ngpu0.reasons 1\ngpu0.used_percent 0\n");
  CHECK_FALSE(acts(clocks({{"site_lock", "none"}}), false));
  // Busy, and below that clock by its power limit all the time: the lock changes nothing.
  gpus.write("gpus 1\ngpu0.sm_mhz 985\ngpu0.max_mhz 1980\ngpu0.reasons 4\ngpu0.used_percent 99\n");
  CHECK_FALSE(acts(clocks({{"site_lock", "none"}}), false));

  gpus.write(kBusy);
  gpus.set("gpu0.limit_mw", 500'000),
      gpus.set("gpu0.capped_at_ns", 1);  // capped all the time, by a limit of the site's
  for (const Target& target : {clocks({{"site_lock", "none"}}), power()}) CHECK_FALSE(acts(target, true));
}

TEST_CASE("gpu_throttle: a power limit is put back to the milliwatt, and the driver's nanoseconds show that it acts") {
  test::FakeGpus gpus;
  gpus.write(kBusy);
  const Prepared made = ok(gpu_throttle().prepare(power({{"power", 0.5}})));
  CHECK(made.undo["gpus"][1]["before_mw"] == 649'777);
  const Json before = ok(made.fault->counters());
  ok(made.fault->start());
  CHECK(gpus.setting("gpu0.limit_mw") == 350'000);
  CHECK(gpus.setting("gpu1.limit_mw") == 325'000);
  const Reading on = ok(made.fault->read());
  CHECK((on.holds && on.left));
  CHECK(on.details["gpus"]["GPU-fake-0"]["power_limit_mw"] == 350'000);
  wait(130);
  ok(made.fault->stop());
  CHECK(gpus.setting("gpu0.limit_mw") == 700'000);
  CHECK(gpus.setting("gpu1.limit_mw") == 649'777);
  CHECK_FALSE(ok(made.fault->read()).left);
  const Json after = ok(made.fault->counters());
  CHECK(gpu_throttle().acted(before, after));
  CHECK(after["throttled_ns"].get<std::int64_t>() >= 2 * 130 * kNsPerMs);  // of both
  CHECK(ok(gpu_throttle().revert(made.undo)) == Reverted::put_back);
  check_as_before(gpus);
}

TEST_CASE("gpu_throttle: one GPU, by its number or its UUID") {
  test::FakeGpus gpus;
  gpus.write(kBusy);
  for (const char* one : {"1", "GPU-fake-1"}) {
    const Prepared made = ok(gpu_throttle().prepare(power({{"gpu", one}})));
    ok(made.fault->start());
    CHECK(gpus.setting("gpu1.limit_mw") == 455'000);
    CHECK(gpus.setting("gpu0.limit_mw") == -1);
    ok(made.fault->stop());
    check_as_before(gpus);
  }
  CHECK(contains(refusal(clocks({{"gpu", "2"}})), "there is no GPU 2: this node has 2"));
  CHECK(contains(refusal(clocks({{"gpu", "GPU-other"}})), "the driver shows no such GPU"));
  CHECK(contains(refusal(power({{"power", 0.2}})), "at least `power` = 29%"));
  gpus.write(kBusy + "return nvmlDeviceGetUtilizationRates 3\n");  // as with MIG
  CHECK(contains(refusal(clocks()), "the driver does not tell how busy it is"));
  ok(gpu_throttle().prepare(power()));
}

TEST_CASE("gpu_throttle: clocks that seem locked are refused, unless somebody says what to put back") {
  test::FakeGpus gpus;
  gpus.write(kBusy + "gpu1.sm_mhz 1410\n");
  CHECK(contains(refusal(clocks()), "GPU GPU-fake-1: its clocks seem to be locked: 1410 MHz of 1980"));
  for (const auto& [site_lock, after_mhz] :
       std::vector<std::pair<const char*, int>>{{"1200,1410", 1410}, {"none", 0}}) {
    const Prepared made = ok(gpu_throttle().prepare(clocks({{"site_lock", site_lock}, {"clock", 0.4}})));
    ok(made.fault->start());
    CHECK(gpus.setting("gpu1.lock_mhz") == 792);
    ok(made.fault->stop());
    CHECK(gpus.setting("gpu1.lock_mhz") == after_mhz);
  }
  // Its power limit is the reason, or it idles: there may be a lock, or none.
  for (const char* low : {"gpu1.sm_mhz 1410\ngpu1.reasons 4\n", "gpu1.sm_mhz 345\ngpu1.used_percent 0\n"}) {
    gpus.write(kBusy + low);
    CHECK(contains(refusal(clocks()), "GPU GPU-fake-1: whether the site has locked its clocks cannot be read"));
    ok(gpu_throttle().prepare(clocks({{"site_lock", "none"}})));
  }
}

TEST_CASE("gpu_throttle: a clock that can hardly be told from the highest one is refused") {
  test::FakeGpus gpus;
  gpus.write(kBusy);
  CHECK(contains(refusal(clocks({{"clock", 1.0}})), "can hardly be told from its highest clock, 1980 MHz"));
  CHECK(contains(refusal(clocks({{"clock", 0.985}})), "can hardly be told"));  // 1950 of 1980 MHz
  ok(gpu_throttle().prepare(clocks({{"clock", 0.98}})));
}

TEST_CASE("gpu_throttle: clocks that rise after the window before this one are not taken for locked") {
  test::FakeGpus gpus;
  gpus.write(kBusy);
  gpus.set("gpu0.lock_mhz", 990);
  const std::jthread rises([&] {
    wait(200);
    gpus.set("gpu0.lock_mhz", 0);
  });
  ok(gpu_throttle().prepare(clocks()));
}

TEST_CASE("gpu_throttle: a GPU whose clocks cannot be locked is an error, and leaves nothing to take off") {
  test::FakeGpus gpus;
  gpus.write(kBusy + "return nvmlDeviceSetGpuLockedClocks 3\nreturn nvmlDeviceResetGpuLockedClocks 3\n");
  const Prepared made = ok(gpu_throttle().prepare(clocks()));
  const Status started = made.fault->start();
  REQUIRE_FALSE(started);
  CHECK(contains(started.error().message, "GPU-fake-0: locking its clocks: not supported by this GPU or driver"));
  ok(made.fault->stop());
  CHECK(ok(gpu_throttle().revert(made.undo)) == Reverted::put_back);
}

TEST_CASE("gpu_throttle: whichever call fails, and however, nothing is left") {
  constexpr std::array kCodes{nvml::no_permission, nvml::gpu_is_lost, nvml::reset_required, nvml::version_mismatch,
                              nvml::unknown_error};
  test::FakeGpus gpus;
  for (const char* how : {"fail", "fail_from"})
    for (const bool of_power : {true, false}) {
      int windows = 0;
      for (bool happened = true; happened; ++windows) {
        REQUIRE(windows < 500);
        const nvml::Code code = kCodes[static_cast<std::size_t>(windows) % kCodes.size()];
        gpus.forget_calls(), gpus.forget_settings();
        gpus.set("gpu0.capped_ns", 1000 * kNsPerS), gpus.set("gpu1.capped_ns", 1000 * kNsPerS);
        gpus.write(kBusy + fmt::format("{} {} {}\n", how, windows + 1, static_cast<int>(code)));
        INFO(how << " " << windows + 1 << " with " << code << (of_power ? ", power" : ", clocks"));
        happened = window_is_clean(gpus, of_power ? power() : clocks(), windows + 1);
      }
      CHECK(windows > 20);
    }
}

TEST_CASE("gpu_throttle: a driver that hangs under it is left, and another process takes the limit off") {
  test::FakeGpus gpus;
  gpus.write(kBusy);
  const Prepared made = ok(gpu_throttle().prepare(power()));
  ok(made.fault->start());
  gpus.write(kBusy + "hang nvmlDeviceGetClockInfo 60\n");
  const auto hung = made.fault->read();
  REQUIRE_FALSE(hung);
  CHECK(hung.error().message == "NVIDIA's driver did not answer within 5000 ms");
  gpus.write(kBusy);
  CHECK(ok(made.fault->read()).holds);
  ok(made.fault->stop());
  check_as_before(gpus);
  CHECK_FALSE(ok(made.fault->read()).left);
  gpus.write(kBusy + "abort nvmlDeviceGetPowerManagementLimit\n");
  CHECK(contains(refusal(power()), "the process that asks NVIDIA's library has ended"));
}

TEST_CASE("gpu_throttle: one GPU that hangs does not keep the others limited") {
  test::FakeGpus gpus;
  gpus.write(kBusy);
  const Prepared made = ok(gpu_throttle().prepare(power()));
  ok(made.fault->start());
  gpus.write(kBusy + "gpu0.hang 60\n");
  for (int i = 0; i < 2; ++i) {  // with the process that set it, and then with another one a GPU
    const Status stopped = made.fault->stop();
    REQUIRE_FALSE(stopped);
    CHECK(contains(stopped.error().message, "did not answer within 5000 ms"));
  }
  CHECK(gpus.setting("gpu0.limit_mw") == 490'000);
  CHECK(gpus.setting("gpu1.limit_mw") == 649'777);
  gpus.write(kBusy);
  ok(made.fault->stop());
  check_as_before(gpus);

  const Json undo = test::record_of_killed(clocks(), [](Fault& fault) { ok(fault.start()); });
  gpus.write(kBusy + "gpu0.hang 60\n");
  CHECK_FALSE(gpu_throttle().revert(undo));
  CHECK(gpus.setting("gpu0.lock_mhz") == 990);
  CHECK(gpus.setting("gpu1.lock_mhz") == 0);
  gpus.write(kBusy);
  CHECK(ok(gpu_throttle().revert(undo)) == Reverted::put_back);
  check_as_before(gpus);
}

TEST_CASE("gpu_throttle: the time in which a question was answered is not counted from one look") {
  test::FakeGpus gpus;
  gpus.write(kBusy);
  const Prepared made = ok(gpu_throttle().prepare(clocks()));
  ok(made.fault->start());
  gpus.write(kBusy + "hang nvmlDeviceGetClockInfo 0.5\n");  // a look at both takes a second
  wait(2500);
  gpus.write(kBusy);
  const std::int64_t throttled_ns = ok(made.fault->counters())["throttled_ns"].get<std::int64_t>();
  ok(made.fault->stop());
  CHECK(throttled_ns > 0);
  CHECK(throttled_ns < 1500 * kNsPerMs);  // of both; all of the time would be 5 s
}

TEST_CASE("gpu_throttle: after a kill the record alone puts everything back, once or twice, on this boot only") {
  test::FakeGpus gpus;
  for (const Target& target : {power(), clocks()}) {
    gpus.write(kBusy);
    const Json undo = test::record_of_killed(target, [](Fault& fault) { ok(fault.start()); });
    CHECK((gpus.setting("gpu1.limit_mw") == 455'000 || gpus.setting("gpu1.lock_mhz") == 990));
    Json other_boot = undo;
    other_boot["boot_id"] = "00000000-0000-0000-0000-000000000000";
    CHECK(ok(gpu_throttle().revert(other_boot)) == Reverted::gone);
    gpus.write(kBusy + "gpu1.return 15\n");
    const auto lost = gpu_throttle().revert(undo);
    REQUIRE_FALSE(lost);
    CHECK(contains(lost.error().message, "GPU-fake-1: the GPU is lost"));
    CHECK((gpus.setting("gpu0.limit_mw") == 700'000 ||
           gpus.setting("gpu0.lock_mhz") == 0));  // the other one all the same
    gpus.write(kBusy);
    for (int i = 0; i < 2; ++i) CHECK(ok(gpu_throttle().revert(undo)) == Reverted::put_back);
    check_as_before(gpus);
    if (std::filesystem::exists("/sys/module/nvidia")) continue;
    gpus.write(kBusy + "return nvmlInit_v2 9\n");  // its settings have gone with the driver
    CHECK(ok(gpu_throttle().revert(undo)) == Reverted::gone);
  }
}

TEST_CASE("gpu_throttle: a power limit that somebody else has set meanwhile is left alone") {
  test::FakeGpus gpus;
  gpus.write(kBusy);
  const Prepared made = ok(gpu_throttle().prepare(power({{"gpu", "1"}})));
  ok(made.fault->start());
  gpus.set("gpu1.limit_mw", 500'000);
  const Status refused = made.fault->stop();
  REQUIRE_FALSE(refused);
  CHECK(contains(refused.error().message, "somebody else has set it meanwhile"));
  CHECK(gpus.setting("gpu1.limit_mw") == 500'000);
  gpus.set("gpu1.limit_mw", 700'000);  // a driver that was loaded anew
  ok(made.fault->stop());
  CHECK(gpus.setting("gpu1.limit_mw") == 700'000);
}

TEST_CASE("gpu_throttle: a power limit that somebody else has set before it starts is left alone, on all GPUs") {
  test::FakeGpus gpus;
  gpus.write(kBusy);
  const Prepared made = ok(gpu_throttle().prepare(power()));
  gpus.set("gpu1.limit_mw", 500'000);
  const Status refused = made.fault->start();
  REQUIRE_FALSE(refused);
  CHECK(contains(refused.error().message, "somebody else sets it at the same time"));
  ok(made.fault->stop());
  CHECK_FALSE(ok(made.fault->read()).left);
  CHECK(gpus.setting("gpu0.limit_mw") == 700'000);
  CHECK(gpus.setting("gpu1.limit_mw") == 500'000);
}

TEST_CASE("gpu_throttle: a record that was tampered with is refused") {
  test::FakeGpus gpus;
  gpus.write(kBusy);
  const Json record = ok(gpu_throttle().prepare(power())).undo;
  ok(gpu_throttle().check_undo(record));
  for (const auto& [key, value] : record.items()) {
    INFO(key);
    Json less = record, other = record;
    less.erase(key);
    CHECK_FALSE(gpu_throttle().check_undo(less));
    other[key] = 7;
    CHECK_FALSE(gpu_throttle().check_undo(other));
  }
  for (const auto& [key, value] : std::vector<std::pair<std::string, Json>>{{"uuid", "0"},
                                                                            {"uuid", "GPU-\n"},
                                                                            {"set", 0},
                                                                            {"set", "x"},
                                                                            {"before_mw", 0},
                                                                            {"before_mw", 1e12},
                                                                            {"more", 1}}) {
    INFO(key);
    Json other = record;
    other["gpus"][0][key] = value;
    CHECK_FALSE(gpu_throttle().check_undo(other));
  }
  Json without = record;
  without["gpus"] = Json::array();
  CHECK_FALSE(gpu_throttle().check_undo(without));
  Json lock = record;
  lock["site_lock"] = "fast";
  CHECK_FALSE(gpu_throttle().check_undo(lock));
}

TEST_CASE("gpu_throttle: why it cannot work here, in words") {
  const auto why = [](const Target& target) { return gpu_throttle().why_unavailable(target).value_or("it can"); };
  {
    test::FakeGpus gpus;
    gpus.write(kBusy);
    CHECK(why(clocks()) == "it can");
    CHECK(why(power()) == "it can");
    check_as_before(gpus);
    gpus.write(kBusy + "return nvmlDeviceSetPowerManagementLimit 4\n");
    CHECK(contains(why(power()), "setting its power limit: not permitted: only root may"));
    CHECK(contains(why(clocks()), "not permitted"));
    gpus.write(kBusy + "return nvmlInit_v2 18\n");
    CHECK(contains(why(clocks()), "of different releases"));
    gpus.write(kBusy + "return nvmlInit_v2 9\n");
    CHECK(contains(why(power()), "the NVIDIA driver is not loaded"));
    gpus.write(kBusy + "return nvmlDeviceGetFieldValues 13\n");
    CHECK(contains(why(power()), "for how long its power limit held it back: this driver is too old to tell"));
    gpus.write("gpus 0\n");
    CHECK(contains(why(clocks()), "the NVIDIA driver shows no GPU"));
    gpus.write(kBusy);
    const test::EnvironmentVariable local("GRIT_LOCAL_CLUSTER", "1");
    CHECK(contains(why(power()), "the nodes of the local cluster share this machine's GPUs"));
    CHECK(why(power({{"gpu", "0"}})) == "it can");
  }
}

TEST_CASE("gpu_throttle: which mechanisms can work here is asked without setting anything") {
  const auto why = [](std::size_t which) {
    const auto mechanisms = gpu_throttle().mechanisms_here();
    REQUIRE(mechanisms.size() >= 3);
    CHECK_FALSE(mechanisms[0].why_not);
    return mechanisms[which].why_not.value_or("it can");
  };
  test::FakeGpus gpus;
  gpus.write(kBusy + "abort nvmlDeviceSetPowerManagementLimit\nabort nvmlDeviceSetGpuLockedClocks\n");
  for (const std::size_t which : {1U, 2U}) {
    const std::string said = why(which);
    CHECK((said == "it can" || said.starts_with("only root may change settings of GPUs")));
  }
  gpus.write(kBusy + "return nvmlDeviceGetUtilizationRates 3\nreturn nvmlDeviceGetPowerManagementLimit 3\n");
  CHECK(contains(why(1), "does not tell how busy it is"));
  CHECK(contains(why(2), "its power limit: not supported"));
}

TEST_CASE("gpu_throttle: what its parameters may be, and which of them change settings") {
  const auto checked = [](const Target& target) {
    const auto device = gpu_throttle().resolve_device({}, target.params);
    return device ? "fine" : device.error().message;
  };
  CHECK(checked(clocks({{"site_lock", "1200,1410"}, {"gpu", "7"}})) == "fine");
  for (const char* gpu : {"", "gpu0", "-1", "64", "MIG-1"})
    CHECK(contains(checked(clocks({{"gpu", gpu}})), "`gpu` must be"));
  for (const char* lock : {"", "fast", "1410,1200", "0", "1410,"})
    CHECK(contains(checked(clocks({{"site_lock", lock}})), "`site_lock` must be"));
  CHECK(contains(checked(power({{"clock", 0.8}})), "the dose is `power`"));
  const Target emulated = target_of({{"mechanism", "emulated"}});
  const auto suits = [](const Target& target, const char* compute) {
    return gpu_throttle().suits({.name = "ddp", .params = {{"compute", compute}}}, target.params).has_value();
  };
  CHECK((suits(emulated, "emulated") && !suits(emulated, "cuda") && !suits(emulated, "cpu")));
  CHECK((suits(clocks(), "cuda") && !suits(power(), "emulated")));
  CHECK_FALSE(gpu_throttle().changes_gpu_settings(emulated.params));
  CHECK_FALSE(gpu_throttle().is_machine_wide(Params(Json{{"clock", 0.5}})));  // a plan of an earlier version
  CHECK(gpu_throttle().call_limit_ns(emulated.params) == 0);
  CHECK(gpu_throttle().changes_gpu_settings(power().params));
  CHECK(gpu_throttle().is_machine_wide(clocks().params));
  CHECK(gpu_throttle().call_limit_ns(clocks().params) > 0);
}

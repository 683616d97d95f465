// The faults that load GPUs, and change no setting of theirs, on the stand-ins of tests/fakes/cuda, which shows what
// grit's process does and says nothing about a GPU; those without [fake] on real ones, too (label gpu).
#include <fmt/format.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "harness/base/clock.hpp"
#include "harness/os/pci_link.hpp"
#include "harness/record/segment.hpp"
#include "injectors/faults.hpp"
#include "injectors/gpu_load.hpp"
#include "tests/catch.hpp"
#include "tests/environment_variable.hpp"
#include "tests/namespace.hpp"
#include "tests/temp_directory.hpp"
#include "tests/text.hpp"

using namespace grit;
using grit::test::contains;
using grit::test::ok;

namespace {

constexpr std::int64_t kMiB = 1 << 20;

/// What the stand-ins are told; small, so that their memory and copies are.
const std::string kSmall =
    "devices 2\ngpu0.memory_bytes 4e9\ngpu1.memory_bytes 4e9\ngpu0.l2_bytes 65536\ngpu1.l2_bytes 65536\n";

class FakeCuda {
 public:
  FakeCuda() { write(""); }
  /// From now on; another file in the place of the one before.
  void write(const std::string& lines) {
    const auto next = directory_.path() / "next";
    std::ofstream(next) << kSmall << lines;
    std::filesystem::rename(next, directory_.path() / "fakes.txt");
  }

 private:
  test::TempDirectory directory_{};
  test::EnvironmentVariable file_{"GRIT_FAKE_CUDA", (directory_.path() / "fakes.txt").c_str()};
};

struct Case {
  const Injector* injector;
  Json given;
  std::string amount;  // the counter that moves
};

std::vector<Case> all_cases() {
  return {{&gpu_contention(), {{"resource", "sm"}, {"share", 0.5}, {"gpu", "0"}}, "held_sm_ns"},
          {&gpu_contention(), {{"resource", "time"}, {"share", 0.3}, {"gpu", "0"}}, "held_sm_ns"},
          {&gpu_contention(), {{"resource", "hbm"}, {"share", 0.3}, {"gpu", "0"}}, "moved_bytes"},
          {&gpu_contention(), {{"resource", "nvlink"}, {"share", 0.3}, {"gpu", "0"}}, "moved_bytes"},
          {&pcie_contention(), {{"direction", "to_host"}, {"share", 0.3}, {"gpu", "0"}}, "to_host_bytes"},
          {&gpu_throttle(), {{"mechanism", "sm_share"}, {"share", 0.75}, {"gpu", "0"}}, "held_sm_ns"},
          {&gpu_memory_pressure(), {{"free_share", 0.5}, {"gpu", "0"}}, "taken_bytes"}};
}

Target target_of(const Case& one) {
  return {.params = Params(ok(complete_params(one.injector->info().params, one.given)))};
}

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

bool comes_to_hold(Fault& fault, std::int64_t limit_ns) {
  const std::int64_t deadline_ns = monotonic_ns() + limit_ns;
  while (!ok(fault.read()).holds) {
    if (monotonic_ns() > deadline_ns) return false;
    sleep_ms(1);
  }
  return true;
}

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) == 0 || errno != ECHILD; }

std::int64_t counter(Fault& fault, const std::string& key) { return ok(fault.counters()).value(key, std::int64_t{0}); }

/// ctest says which of the two it is.
bool is_on_fakes() { return std::getenv("GRIT_FAKE_CUDA") != nullptr; }

/// Of a test that also runs on real GPUs: stand-ins where it runs on them, as they are told here.
std::unique_ptr<FakeCuda> fakes_if_any(const std::string& lines = "") {
  if (!is_on_fakes()) return nullptr;
  auto fakes = std::make_unique<FakeCuda>();
  fakes->write(lines);
  return fakes;
}

bool is_skipped() {
  const auto why = why_no_gpu_load_here();
  if (why) test::skip(*why);
  return why.has_value();
}

std::unique_ptr<Fault> prepared(const Case& one) {
  auto made = one.injector->prepare(target_of(one));
  INFO((made ? std::string() : made.error().message));
  REQUIRE(made);
  CHECK(made->undo.is_null());
  return std::move(made->fault);
}

}  // namespace

TEST_CASE("loads of GPUs: each is in force, acts, is off, and can be started again") {
  const auto fakes = fakes_if_any();
  if (is_skipped()) return;
  for (const Case& one : all_cases()) {
    if (one.given.value("resource", "") == "nvlink" && !is_on_fakes()) continue;  // there may be one GPU only
    CAPTURE(one.injector->info().name, one.given.dump());
    const auto fault = prepared(one);
    const Json before = ok(fault->counters());
    CHECK_FALSE(ok(fault->read()).holds);
    sleep_ms(30);
    CHECK_FALSE(one.injector->acted(before, ok(fault->counters())));  // it only stands by
    std::int64_t last = 0;
    for (int i = 0; i < 2; ++i) {
      ok(fault->start());
      ok(fault->start());
      REQUIRE(comes_to_hold(*fault, 10 * kNsPerS));
      sleep_ms(50);
      ok(fault->stop());
      ok(fault->stop());
      CHECK_FALSE(has_children());
      const Reading off = ok(fault->read());
      CHECK_FALSE((off.holds || off.left));
      CHECK_FALSE(off.details.contains("killed_at_work"));  // the GPU had nothing to do any more
      const std::int64_t now = counter(*fault, one.amount);
      CHECK(now > last);
      last = now;
    }
    CHECK(one.injector->acted(before, ok(fault->counters())));
  }
}

TEST_CASE("gpu_contention: a share of the multiprocessors is held, and a share of the time") {
  const auto fakes = fakes_if_any();
  if (is_skipped()) return;
  // The first slices, and the host that a stand-in runs on, take their part.
  for (const auto& [resource, share] : {std::pair{"sm", 0.5}, std::pair{"time", 0.3}}) {
    const auto fault =
        prepared({&gpu_contention(), {{"resource", resource}, {"share", share}, {"gpu", "0"}}, "held_sm_ns"});
    ok(fault->start());
    sleep_ms(1000);
    const Json now = ok(fault->counters());
    ok(fault->stop());
    CAPTURE(resource, now.dump());
    CHECK(static_cast<double>(now.value("achieved_ppm", 0LL)) > 0.8e6 * share);
    CHECK(static_cast<double>(now.value("achieved_ppm", 0LL)) < 1.1e6 * share);
    CHECK(now.value("sms_seen", 0LL) >= 1);
  }
}

TEST_CASE("gpu_contention: of two starts the multiprocessors are counted once, and a slice that lasts longer is away",
          "[fake]") {
  const FakeCuda fakes;
  const auto fault = prepared({&gpu_contention(), {{"share", 0.5}, {"gpu", "0"}}, "held_sm_ns"});
  for (int i = 0; i < 2; ++i) {
    ok(fault->start());
    REQUIRE(comes_to_hold(*fault, 10 * kNsPerS));
    sleep_ms(50);
    ok(fault->stop());
    CHECK(counter(*fault, "sms_seen") == 2);  // of 4
  }
  CHECK(counter(*fault, "away_ns") > 0);  // a host sleeps longer than it is told to
  CHECK(counter(*fault, "achieved_ppm") < 510'000);
}

TEST_CASE("loads of GPUs: copies keep to their share") {
  const Case one{&pcie_contention(), {{"share", 0.25}, {"gpu", "0"}}, "to_host_bytes"};
  const auto fakes = fakes_if_any("gpu0.copy_bytes_per_s 1e9\n");
  if (is_skipped()) return;
  const auto fault = prepared(one);
  ok(fault->start());
  sleep_ms(2000);
  const Json now = ok(fault->counters());
  ok(fault->stop());
  CAPTURE(now.dump());
  CHECK(now.value("achieved_ppm", 0LL) > 200'000);
  CHECK(now.value("achieved_ppm", 0LL) < 275'000);
  CHECK(now.value("to_device_bytes", 0LL) > 0);
  CHECK(now.value("to_host_bytes", 0LL) > 0);
}

TEST_CASE("pcie_contention: a rate is kept, and one beyond what there is is refused", "[fake]") {
  FakeCuda fakes;
  fakes.write("gpu0.copy_bytes_per_s 1e9\n");
  Case one{&pcie_contention(), {{"rate", 3'200'000'000}, {"direction", "to_device"}, {"gpu", "0"}}, "to_device_bytes"};
  const auto fault = prepared(one);
  ok(fault->start());
  sleep_ms(1500);
  const Json now = ok(fault->counters());
  ok(fault->stop());
  const double bytes_per_s =
      1e9 * static_cast<double>(now.value("to_device_bytes", 0LL)) / static_cast<double>(now.value("in_force_ns", 1LL));
  CHECK(bytes_per_s > 0.28e9);
  CHECK(bytes_per_s < 0.48e9);
  CHECK(now.value("to_host_bytes", 0LL) == 0);
  one.given["rate"] = 800'000'000'000;
  const auto more = one.injector->prepare(target_of(one));
  REQUIRE_FALSE(more);
  CHECK(contains(more.error().message, "a smaller `rate`"));
}

TEST_CASE("gpu_memory_pressure: so much stays free, and not less than the floor", "[fake]") {
  FakeCuda fakes;
  Case one{&gpu_memory_pressure(), {{"free", 2'000'000'000}, {"gpu", "1"}}, "taken_bytes"};
  const auto fault = prepared(one);
  ok(fault->start());
  REQUIRE(comes_to_hold(*fault, 10 * kNsPerS));
  sleep_ms(100);
  const Json details = ok(fault->read()).details;
  CHECK(details["fake"] == true);
  CHECK(details["free_bytes"].get<std::int64_t>() >= 2'000'000'000);
  CHECK(details["free_bytes"].get<std::int64_t>() < 2'000'000'000 + 64 * kMiB);
  CHECK(details["held_bytes"].get<std::int64_t>() == 4'000'000'000 - details["free_bytes"].get<std::int64_t>());
  // Others give some back, and it cannot be had.
  fakes.write("gpu1.memory_bytes 5e9\nreturn cudaMalloc 2\n");
  for (int i = 0; i < 2000 && ok(fault->read()).holds; ++i) sleep_ms(1);
  CHECK_FALSE(ok(fault->read()).holds);
  fakes.write("");
  CHECK(comes_to_hold(*fault, 10 * kNsPerS));
  ok(fault->stop());
  CHECK(ok(fault->read()).details["held_bytes"] == 0);
  one.given = {{"free_share", 0.06}, {"gpu", "1"}};
  const auto less = one.injector->prepare(target_of(one));
  REQUIRE_FALSE(less);
  CHECK(contains(less.error().message, "the floor is 1073741824"));
}

TEST_CASE("loads of GPUs: no such GPU, none that another reaches, a share of less than one multiprocessor", "[fake]") {
  FakeCuda fakes;
  const auto refusal = [](const Injector& injector, Json given) {
    const auto made = injector.prepare(target_of({&injector, std::move(given), ""}));
    REQUIRE_FALSE(made);
    return made.error().message;
  };
  for (const Case& one : all_cases()) {
    Json given = one.given;
    for (const char* gpu : {"2", "0000:99:00.0"}) {
      given["gpu"] = gpu;
      CHECK(contains(refusal(*one.injector, given), fmt::format("there is no GPU {}", gpu)));
    }
  }
  CHECK(contains(refusal(gpu_contention(), {{"share", 0.1}}), "less than one of the 4 multiprocessors"));
  fakes.write("peers 0\n");
  CHECK(contains(refusal(gpu_contention(), {{"resource", "nvlink"}}), "reaches no other's memory"));
}

TEST_CASE("loads of GPUs: all of a node's by one process, and one by its address", "[fake]") {
  FakeCuda fakes;
  fakes.write("gpu1.pci 0000:07:00.0\n");
  for (Case one : all_cases()) {
    CAPTURE(one.injector->info().name, one.given.dump());
    one.given["gpu"] = "all";
    const auto all = prepared(one);
    CHECK(ok(all->read()).details["gpus"] == 2);
    one.given["gpu"] = "0000:07:00.0";
    const auto second = prepared(one);
    CHECK(ok(second->read()).details["gpus"] == 1);
    CHECK(ok(second->read()).details["pci"] == Json{"0000:07:00.0"});
    ok(second->start());
    CHECK(comes_to_hold(*second, 10 * kNsPerS));
    ok(second->stop());
  }
}

TEST_CASE("loads of GPUs: what the plan says is loaded, or none, where CUDA_VISIBLE_DEVICES leaves others", "[fake]") {
  FakeCuda fakes;
  fakes.write("gpu0.pci 0000:07:00.0\ngpu1.pci 0000:08:00.0\n");
  const test::EnvironmentVariable visible("CUDA_VISIBLE_DEVICES", "0");
  for (const Case& one : all_cases()) {
    if (one.given.value("resource", "") == "nvlink") continue;
    CAPTURE(one.injector->info().name, one.given.dump());
    Target target = target_of(one);
    for (const Json& resolved : {Json{{"gpu", "0000:08:00.0"}}, Json{{"gpu", "all"}, {"gpus", 2}}}) {
      target.resolved = resolved;
      const auto made = one.injector->prepare(target);
      REQUIRE_FALSE(made);
      CHECK(contains(made.error().message, "(CUDA_VISIBLE_DEVICES is 0)"));
    }
    target.resolved = {{"gpu", "all"}, {"gpus", 1}};
    ok(one.injector->prepare(target));
  }
}

TEST_CASE("gpu_throttle: a share of a GPU that no rank computes on is refused", "[fake]") {
  FakeCuda fakes;
  fakes.write("gpu0.pci 0000:07:00.0\ngpu1.pci 0000:08:00.0\n");
  const Segment segment = ok(Segment::create(2));
  Target target = target_of(all_cases()[5]);
  for (RankSlot& slot : segment.slots()) target.ranks.all.push_back({.slot = &slot});
  const auto made = ok(gpu_throttle().prepare(target));  // nobody has said yet
  segment.slots()[0].gpu.store(pci_number("0000:08:00.0"));
  ok(gpu_throttle().prepare(target));
  const Status started = made.fault->start();
  REQUIRE_FALSE(started);
  CHECK(contains(started.error().message, "GPU 0000:07:00.0: none of this node's ranks computes on it"));
  segment.slots()[1].gpu.store(pci_number("0000:08:00.0"));
  CHECK_FALSE(gpu_throttle().prepare(target));
  segment.slots()[1].gpu.store(pci_number("0000:07:00.0"));
  ok(made.fault->start());
  ok(made.fault->stop());
}

TEST_CASE("loads of GPUs: what the libraries open gets neither standard input's number nor output's", "[fake]") {
  const FakeCuda fakes;
  for (const Case& one : all_cases()) {
    const auto fault = prepared(one);
    const Json pids = ok(fault->read()).details["pids"];
    REQUIRE(pids.size() == 1);
    for (const char* number : {"0", "1"})
      CHECK(std::filesystem::read_symlink(fmt::format("/proc/{}/fd/{}", pids[0].get<int>(), number)) == "/dev/null");
  }
}

TEST_CASE("loads of GPUs: whatever call of the GPU's library fails, it is said, and nothing is left", "[fake]") {
  FakeCuda fakes;
  const std::vector<std::pair<const char*, int>> calls{{"cudaGetDeviceCount", 100},
                                                       {"cudaGetDeviceProperties", 999},
                                                       {"cudaSetDevice", 719},
                                                       {"cudaStreamCreateWithPriority", 2},
                                                       {"cudaEventCreateWithFlags", 2},
                                                       {"cudaMalloc", 2},
                                                       {"cudaMalloc", 719},
                                                       {"cudaHostAlloc", 2},
                                                       {"cudaMemGetInfo", 719},
                                                       {"cudaMemcpyAsync", 719},
                                                       {"cudaLaunchKernel", 719},
                                                       {"cudaFuncSetAttribute", 1},
                                                       {"cudaDeviceGetAttribute", 719},
                                                       {"cudaEventRecord", 719},
                                                       {"cudaEventQuery", 719},
                                                       {"cudaEventElapsedTime", 719},
                                                       {"cudaDeviceEnablePeerAccess", 719}};
  int failed = 0, worked = 0;
  for (const Case& one : all_cases()) {
    for (const auto& [function, code] : calls) {
      for (const int nth : {1, 2, 9}) {
        fakes.write(fmt::format("return {}#{} {}\n", function, nth, code));
        CAPTURE(one.injector->info().name, one.given.dump(), function, nth, code);
        const auto made = one.injector->prepare(target_of(one));
        if (!made) {
          CHECK_FALSE(made.error().message.empty());
          ++failed;
          CHECK_FALSE(has_children());
          continue;
        }
        ok(made->fault->start());
        sleep_ms(15);
        const Reading reading = ok(made->fault->read());
        if (reading.details.contains("problem")) {
          CHECK_FALSE(reading.holds);
          CHECK_FALSE(reading.details["problem"].get<std::string>().empty());
          ++failed;
        } else {
          ++worked;
        }
        ok(made->fault->counters());
        ok(made->fault->stop());
        CHECK_FALSE(ok(made->fault->read()).left);
        CHECK_FALSE(has_children());
      }
    }
  }
  CAPTURE(failed, worked);
  CHECK(failed > 50);
  CHECK(worked > 20);  // a call that this load does not make, or not so often; memory that it can do without
}

TEST_CASE("loads of GPUs: a GPU that is lost under it ends it, which is said", "[fake]") {
  FakeCuda fakes;
  for (const Case& one : all_cases()) {
    CAPTURE(one.injector->info().name, one.given.dump());
    fakes.write("");
    const auto fault = prepared(one);
    const Json before = ok(fault->counters());
    ok(fault->start());
    REQUIRE(comes_to_hold(*fault, 10 * kNsPerS));
    CHECK(one.injector->acted(before, ok(fault->counters())));
    fakes.write("gpu0.return 719\n");
    Reading reading = ok(fault->read());
    for (int i = 0; i < 2000 && reading.holds; ++i) {
      sleep_ms(1);
      reading = ok(fault->read());
    }
    CHECK_FALSE(reading.holds);
    CHECK(contains(reading.details.value("problem", ""), "the GPU does not work any more"));
    const std::int64_t lasted_ns = counter(*fault, "in_force_ns");
    sleep_ms(20);
    ok(fault->stop());
    CHECK_FALSE(has_children());
    // It did not act as it was to, which is known also afterwards.
    CHECK(contains(ok(fault->read()).details.value("problem", ""), "the GPU does not work any more"));
    CHECK(counter(*fault, "in_force_ns") == lasted_ns);
    CHECK_FALSE(one.injector->acted(before, ok(fault->counters())));
  }
}

TEST_CASE("loads of GPUs: one that somebody kills in the midst of it does not act, which is said", "[fake]") {
  const FakeCuda fakes;
  for (const Case& one : all_cases()) {
    CAPTURE(one.injector->info().name, one.given.dump());
    const auto fault = prepared(one);
    const Json before = ok(fault->counters());
    ok(fault->start());
    REQUIRE(comes_to_hold(*fault, 10 * kNsPerS));
    const pid_t worker = ok(fault->read()).details["pids"][0].get<int>();
    REQUIRE(::kill(worker, SIGKILL) == 0);
    siginfo_t ended{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(worker), &ended, WEXITED | WNOWAIT) == 0);
    ok(fault->stop());
    CHECK(contains(ok(fault->read()).details.value("problem", ""), "its process was killed, and not by grit"));
    CHECK_FALSE(one.injector->acted(before, ok(fault->counters())));
  }
}

TEST_CASE("loads of GPUs: a driver that hangs keeps nobody waiting for long", "[fake]") {
  FakeCuda fakes;
  const Case one = all_cases()[2];
  const auto fault = prepared(one);
  ok(fault->start());
  REQUIRE(comes_to_hold(*fault, 10 * kNsPerS));
  fakes.write("hang cudaMemcpyAsync 1000\n");
  for (std::int64_t last = -1; last != counter(*fault, one.amount); sleep_ms(200)) last = counter(*fault, one.amount);
  const std::int64_t before_ns = monotonic_ns();
  ok(fault->read());
  ok(fault->stop());
  CHECK(monotonic_ns() - before_ns < 2 * kNsPerS);
  CHECK(ok(fault->read()).details.value("killed_at_work", false));  // it could not be let end its work
  CHECK_FALSE(has_children());
  fakes.write("hang cudaGetDeviceCount 1000\n");
  const auto hung = one.injector->prepare(target_of(one));
  REQUIRE_FALSE(hung);
  CHECK(contains(hung.error().message, "did not get ready within 10 s"));
  CHECK_FALSE(has_children());
}

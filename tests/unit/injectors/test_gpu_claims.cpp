// Whose a GPU is while its settings are changed, and what a call of the driver that was given up can still do: on GPUs
// that exist in a text file (tests/fakes/nvml).
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "harness/base/clock.hpp"
#include "harness/os/gpu_claim.hpp"
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
using grit::test::kBusyGpus;
using grit::test::ok;

namespace {

std::string refusal_of(const Target& target) {
  const auto made = gpu_throttle().prepare(target);
  REQUIRE_FALSE(made);
  return made.error().message;
}

void pause_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

/// In a sysfs of its own: with a driver that is loaded, whose number is no other's, or without any that could be seen.
void with_sysfs(bool has_driver, const std::function<void()>& body) {
  test::in_namespaces([&] {
    const test::Tmpfs sysfs("/sys", 0, nullptr);
    if (has_driver) std::filesystem::create_directories("/sys/module/nvidia");
    body();
  });
}

/// Another agent, which has the GPUs of this target until it is let go.
class OtherAgent {
 public:
  explicit OtherAgent(const Target& target) {
    int line[2];
    REQUIRE(::pipe(line) == 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      const auto has_it = gpu_throttle().prepare(target);
      const bool told = ::write(line[1], "x", 1) == 1;
      while (has_it && told) ::pause();
      ::_exit(1);
    }
    char ready = 0;
    REQUIRE(::read(line[0], &ready, 1) == 1);
    for (const int end : line) ::close(end);
  }
  OtherAgent(const OtherAgent&) = delete;
  OtherAgent& operator=(const OtherAgent&) = delete;
  ~OtherAgent() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  [[nodiscard]] pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = -1;
};

bool is_limited(const test::FakeGpus& gpus) { return gpus.setting("gpu1.limit_mw") == 455'000; }

}  // namespace

TEST_CASE("gpu_throttle: a call that was given up and sets late keeps the fault from being done with") {
  test::FakeGpus gpus;
  gpus.write(kBusyGpus);
  const Prepared made = ok(gpu_throttle().prepare(test::gpu_power({{"gpu", "1"}})));
  // It sets after 9 s: 5 s until it is given up, and then it is seen not to be dead.
  gpus.write(kBusyGpus + "late nvmlDeviceSetPowerManagementLimit 9\n");
  const std::int64_t begun_ns = monotonic_ns();
  const Status started = made.fault->start();
  REQUIRE_FALSE(started);
  CHECK(contains(started.error().message, "did not answer within 5000 ms"));
  gpus.write(kBusyGpus);
  const Status stopped = made.fault->stop();
  REQUIRE_FALSE(stopped);
  CHECK(contains(stopped.error().message, "GPU GPU-fake-1: a process that was given up is still within a call"));
  const auto reverted = gpu_throttle().revert(made.undo);
  REQUIRE_FALSE(reverted);
  CHECK(contains(reverted.error().message, "is still within a call of the driver"));
  CHECK_FALSE(is_limited(gpus));
  while (!is_limited(gpus) && monotonic_ns() - begun_ns < 15 * kNsPerS) pause_ms(5);
  REQUIRE(is_limited(gpus));  // as was to be feared
  ok(made.fault->stop());
  CHECK_FALSE(is_limited(gpus));
  CHECK_FALSE(ok(made.fault->read()).left);
}

TEST_CASE("gpu_throttle: what a killed agent's call sets late is taken off from the record, after that call") {
  test::FakeGpus gpus;
  gpus.write(kBusyGpus + "late nvmlDeviceSetGpuLockedClocks 3\n");
  const Json undo = test::record_of_killed(test::gpu_clocks(), [](Fault& fault) {
    std::thread([&fault] { static_cast<void>(fault.start()); }).detach();
    pause_ms(500);
  });
  gpus.write(kBusyGpus);
  const auto early = gpu_throttle().revert(undo);
  REQUIRE_FALSE(early);
  CHECK(contains(early.error().message, "GPU GPU-fake-0: a process that was given up is still within a call"));
  for (const std::int64_t until_ns = monotonic_ns() + 10 * kNsPerS;
       gpus.setting("gpu0.lock_mhz") != 990 && monotonic_ns() < until_ns;)
    pause_ms(5);
  REQUIRE(gpus.setting("gpu0.lock_mhz") == 990);
  CHECK(ok(gpu_throttle().revert(undo)) == Reverted::put_back);
  CHECK(gpus.setting("gpu0.lock_mhz") == 0);
}

TEST_CASE("gpu_throttle: clocks that were not locked yet, or by another driver than is loaded, are left alone") {
  test::FakeGpus gpus;
  gpus.write(kBusyGpus);
  const Target target = test::gpu_clocks({{"site_lock", "1200,1410"}});
  const Json armed = test::record_of_killed(target, [](Fault&) {});
  gpus.set("gpu0.lock_mhz", 1700);  // somebody else's
  CHECK(ok(gpu_throttle().revert(armed)) == Reverted::put_back);
  CHECK(gpus.setting("gpu0.lock_mhz") == 1700);

  Json of_another = test::record_of_killed(target, [](Fault& fault) { ok(fault.start()); });
  CHECK(gpus.setting("gpu0.lock_mhz") == 990);
  of_another["driver"] = "4711";
  gpus.set("gpu0.lock_mhz", 1700), gpus.set("gpu1.lock_mhz", 0);
  with_sysfs(true, [&] { ok(gpu_throttle().revert(of_another)); });
  CHECK(gpus.setting("gpu0.lock_mhz") == 1700);
  CHECK(gpus.setting("gpu1.lock_mhz") == 0);
}

TEST_CASE("gpu_throttle: clocks are put back where nobody can see whether the driver is another one") {
  test::FakeGpus gpus;
  gpus.write(kBusyGpus);
  for (const bool was_seen : {true, false}) {
    Json undo =
        test::record_of_killed(test::gpu_clocks({{"site_lock", "none"}}), [](Fault& fault) { ok(fault.start()); });
    CHECK(gpus.setting("gpu0.lock_mhz") == 990);
    undo["driver"] = was_seen ? "4711" : "";
    with_sysfs(!was_seen, [&] { REQUIRE(ok(gpu_throttle().revert(undo)) == Reverted::put_back); });
    for (const char* lock : {"gpu0.lock_mhz", "gpu1.lock_mhz"}) CHECK(gpus.setting(lock) == 0);
  }
}

TEST_CASE("gpu_throttle: one of several stages has a GPU when it starts, whichever agent has taken it meanwhile") {
  test::FakeGpus gpus;
  gpus.write(kBusyGpus);
  const test::EnvironmentVariable local("GRIT_LOCAL_CLUSTER", "1");
  const Target target = test::gpu_power({{"gpu", "1"}});
  Prepared first = ok(gpu_throttle().prepare(target));
  const Prepared later = ok(gpu_throttle().prepare(target));  // of the same agent
  first.fault.reset();
  {
    const OtherAgent other(target);
    const Status refused = later.fault->start();
    REQUIRE_FALSE(refused);
    CHECK(contains(refused.error().message, "a fault of another run of this machine has it"));
    CHECK_FALSE(is_limited(gpus));
    ok(later.fault->stop());
  }
  ok(later.fault->start());
  CHECK(is_limited(gpus));
  ok(later.fault->stop());
  CHECK_FALSE(is_limited(gpus));
}

TEST_CASE("gpu_throttle: where nothing is written down of a GPU, its clocks are put back") {
  test::FakeGpus gpus;
  gpus.write(kBusyGpus);
  const Json undo = test::record_of_killed(test::gpu_clocks(), [](Fault& fault) { ok(fault.start()); });
  CHECK(gpus.setting("gpu0.lock_mhz") == 990);
  std::filesystem::remove_all(gpus.claims());
  ok(gpu_throttle().revert(undo));
  CHECK(gpus.setting("gpu0.lock_mhz") == 0);
}

TEST_CASE("gpu_throttle: two faults of one machine do not have a GPU at one time, and it is said who has it") {
  test::FakeGpus gpus;
  gpus.write(kBusyGpus);
  const test::EnvironmentVariable local("GRIT_LOCAL_CLUSTER", "1");
  const Target first = test::gpu_power({{"gpu", "0"}}), second = test::gpu_power({{"gpu", "1"}});
  {
    const OtherAgent other(first);
    const std::string why = refusal_of(test::gpu_clocks({{"gpu", "0"}}));
    CHECK(contains(why, "GPU GPU-fake-0: a fault of another run of this machine has it"));
    CHECK(contains(why, fmt::format("(process {} on ", other.pid())));
    CHECK(contains(gpu_throttle().why_unavailable(first).value_or("it can"), "another run of this machine has it"));
    ok(gpu_throttle().prepare(second));
  }
  ok(gpu_throttle().prepare(first));
  // One that was killed and has left its limit has it until that is taken off; the driver's default is no reason.
  const Json undo = test::record_of_killed(first, [](Fault& fault) { ok(fault.start()); });
  CHECK(contains(refusal_of(first), "is not taken off yet: grit revert"));
  ok(gpu_throttle().revert(undo));
  ok(gpu_throttle().prepare(first));
}

TEST_CASE("gpu_claim: files that others could have put there are refused") {
  test::FakeGpus gpus;
  ok(GpuClaim::open("GPU-a", "1", ""));
  CHECK((std::filesystem::status(gpus.claims()).permissions() & std::filesystem::perms(0077)) ==
        std::filesystem::perms::none);
  for (const char* no : {"", "MIG-1", "GPU-../x", "GPU-a\n"}) CHECK_FALSE(GpuClaim::open(no, "1", ""));
  std::filesystem::permissions(gpus.claims() / "GPU-a.claim", std::filesystem::perms(0622));
  CHECK(contains(GpuClaim::open("GPU-a", "1", "").error().message, "is not trusted"));
  std::filesystem::permissions(gpus.claims(), std::filesystem::perms(0777));
  CHECK(contains(GpuClaim::open("GPU-b", "1", "").error().message, "is not trusted"));
}

TEST_CASE("gpu_claim: what is written down is of one record, and of one driver") {
  test::FakeGpus gpus;
  GpuClaim mine = ok(GpuClaim::open("GPU-a", "mine", "driver 1"));
  CHECK(ok(mine.may_be_set()));  // nothing is known
  ok(mine.take());
  CHECK_FALSE(ok(mine.may_be_set()));
  ok(mine.write_down(true));
  CHECK(ok(mine.may_be_set()));
  CHECK_FALSE(ok(ok(GpuClaim::open("GPU-a", "other", "driver 1")).may_be_set()));
  mine = ok(GpuClaim::open("GPU-a", "mine", "driver 1"));  // with the process that had it, the lock goes
  CHECK(contains(ok(GpuClaim::open("GPU-a", "other", "driver 1")).take().error().message, "not taken off yet"));
  CHECK(contains(ok(GpuClaim::open("GPU-a", "other", "")).take().error().message, "not taken off yet"));  // not seen
  GpuClaim later = ok(GpuClaim::open("GPU-a", "other", "driver 2"));  // what the first driver was told has gone with it
  ok(later.take());
  CHECK_FALSE(ok(mine.may_be_set()));
}

TEST_CASE("gpu_claim: a GPU that the same agent has is not waited for, and taken when it is let go") {
  test::FakeGpus gpus;
  std::vector<GpuClaim> firsts;
  for (int i = 0; i < 10; ++i) {
    firsts.push_back(ok(GpuClaim::open(fmt::format("GPU-{}", i), "first", "")));
    ok(firsts.back().take());
  }
  const std::int64_t begun_ns = monotonic_ns();
  for (int i = 0; i < 10; ++i) ok(ok(GpuClaim::open(fmt::format("GPU-{}", i), "second", "")).take());
  CHECK(monotonic_ns() - begun_ns < 2 * kNsPerS);
  GpuClaim second = ok(GpuClaim::open("GPU-0", "second", ""));
  ok(second.take());
  firsts.clear();
  ok(second.take());  // now it has it
  const pid_t other = ::fork();
  if (other == 0) {
    auto claim = GpuClaim::open("GPU-0", "third", "");
    ::_exit(claim && !claim->take() ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(other, &status, 0) == other);
  CHECK(status == 0);
}

TEST_CASE("gpu_throttle: what happens on a GPU that no rank computes on does not act") {
  test::FakeGpus gpus;
  gpus.write(kBusyGpus);
  Target target = test::gpu_power();
  const auto slot = [&](std::size_t rank) { return target.ranks.all[rank].slot; };
  slot(1)->gpu.store(slot(0)->gpu.load());  // both on the first
  CHECK(contains(refusal_of(test::gpu_with(target, {{"gpu", "1"}})), "none of this node's ranks computes on it"));
  gpus.write(kBusyGpus + "gpu0.capped_below_mw 0\n");  // only the other one is held back
  {
    const Prepared made = ok(gpu_throttle().prepare(target));
    const Json before = ok(made.fault->counters());
    ok(made.fault->start());
    CHECK(ok(made.fault->read()).details["of_the_ranks"] == Json{"GPU-fake-0"});
    pause_ms(150);
    ok(made.fault->stop());
    CHECK_FALSE(gpu_throttle().acted(before, ok(made.fault->counters())));
  }
  // Before all ranks have said which GPU they have, the fault is made; when one has, and not it, it is not started.
  slot(1)->gpu.store(0);
  ok(gpu_throttle().prepare(test::gpu_with(target, {{"gpu", "1"}})));
  slot(0)->gpu.store(0);
  const Prepared later = ok(gpu_throttle().prepare(test::gpu_with(target, {{"gpu", "1"}})));
  slot(0)->gpu.store(pci_number("0000:00:00.0"));
  CHECK(contains(later.fault->start().error().message, "none of this node's ranks computes on it"));
  CHECK(gpus.setting("gpu1.limit_mw") == 649'777);
}

TEST_CASE("gpu_throttle: one step of the driver's counter, which may be of the time before, does not act") {
  test::FakeGpus gpus;
  const auto acted = [&](std::int64_t growth_ns) {
    gpus.forget_settings();
    gpus.write(kBusyGpus + "gpu0.capped_below_mw 0\ngpu1.capped_below_mw 0\n");
    const Prepared made = ok(gpu_throttle().prepare(test::gpu_power()));
    const Json before = ok(made.fault->counters());
    ok(made.fault->start());
    gpus.set("gpu0.capped_ns", growth_ns), gpus.set("gpu1.capped_ns", growth_ns);
    ok(made.fault->stop());
    return gpu_throttle().acted(before, ok(made.fault->counters()));
  };
  CHECK_FALSE(acted(100 * kNsPerMs));
  CHECK(acted(200 * kNsPerMs));
}

TEST_CASE("gpu_throttle: a plan that limits a GPU which none of the ranks computes on is refused") {
  const auto planned = [](const Topology& topology, const char* gpu) {
    const auto resolved =
        gpu_throttle().resolve(topology, {0}, topology.nodes.back(), test::gpu_power({{"gpu", gpu}}).params);
    return resolved ? "fine" : resolved.error().message;
  };
  Node node{.name = "n2", .ranks = {2, 3}};
  for (int i = 0; i < 4; ++i) node.gpus.push_back({.index = i, .uuid = fmt::format("GPU-{}", i), .name = "H"});
  Topology topology{.nodes = {Node{.ranks = {0, 1}}, node}};
  CHECK(planned(topology, "1") == "fine");
  CHECK(planned(topology, "all") == "fine");
  CHECK(contains(planned(topology, "2"), "none of the 2 rank(s) of n2 computes on GPU 2"));
  CHECK(contains(planned(topology, "GPU-3"), "computes on GPU GPU-3"));
  CHECK(contains(planned(topology, "4"), "there is no GPU 4: n2 has 4"));
  topology.local_cluster = true;  // whose nodes share the machine's GPUs
  CHECK(planned(topology, "2") == "fine");
  CHECK(contains(planned(topology, "1"), "computes on GPU 1"));
  {
    const test::EnvironmentVariable visible("CUDA_VISIBLE_DEVICES", "1,3");  // then it is not known here
    CHECK(planned(topology, "1") == "fine");
  }
  topology.nodes.back().gpus[2].name = "L";
  CHECK(planned(topology, "1") == "fine");
}

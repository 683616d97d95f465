// os_noise: each core is taken away for a moment, again and again, as by timer ticks, kernel threads and daemons.
//
// After the noise injection of Ferreira, Bridges and Brightwell, "Characterizing application sensitivity to OS
// interference using kernel-level noise injection", SC'08: a frequency and a duration, on every core, not coordinated
// between cores or nodes. Theirs took 2.5 % of a core as 10 Hz x 2.5 ms, 100 Hz x 250 us or 1000 Hz x 25 us; the first
// is the default here, and the one that hurt most. Their kernel did it in a timer interrupt; here it is a process
// pinned to each core, above all ordinary ones (SCHED_FIFO, sched(7)) or, without the right to that, at the best nice
// value.
#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "harness/base/clock.hpp"
#include "injectors/cores.hpp"
#include "injectors/duty_cycle.hpp"
#include "injectors/faults.hpp"
#include "injectors/worker_times.hpp"

namespace grit {
namespace {

constexpr std::size_t kPulses = 0;  // of WorkerPage::counters
constexpr int kBestNice = -20;
constexpr double kMostOfACore = 0.9;  // below the kernel's own limit for real-time work (sched_rt_runtime_us, 95 %)

struct Noise {
  int core = 0;
  std::int64_t period_ns = 0;
  std::int64_t length_ns = 0;
  std::string mechanism{};
};

/// In the worker. "auto" takes what it may have.
void raise_priority(const std::string& mechanism, WorkerPage& page) {
  const sched_param lowest{.sched_priority = ::sched_get_priority_min(SCHED_FIFO)};
  if (mechanism != "nice") {
    if (::sched_setscheduler(0, SCHED_FIFO, &lowest) == 0) return;
    if (mechanism == "fifo")
      page.fail(
          "SCHED_FIFO is not permitted: run as root, or raise RLIMIT_RTPRIO, in a control group with real-time "
          "bandwidth (cpu.rt_runtime_us)");
  }
  ::setpriority(PRIO_PROCESS, 0, kBestNice);  // else it stays at the ranks' own; the reading says which
}

std::int64_t random_below(std::int64_t limit_ns) {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) return 0;
  return static_cast<std::int64_t>(number % static_cast<std::uint64_t>(limit_ns));
}

[[noreturn]] void make_noise(const Noise& noise, WorkerPage& page) {
  std::int64_t next_ns = monotonic_ns() + random_below(noise.period_ns);  // cores and nodes are not in step
  for (;;) {
    sleep_until(next_ns);
    const std::int64_t end_ns = next_ns + noise.period_ns;
    if (burn_cpu(noise.length_ns, end_ns) >= noise.length_ns) page.counters[kPulses].fetch_add(1);
    next_ns = monotonic_ns() > end_ns ? monotonic_ns() : end_ns;
  }
}

Result<std::vector<WorkerFault::Body>> make_bodies(const Target& target) {
  GRIT_TRY(const Cpus cores, chosen_cores(target));
  std::vector<WorkerFault::Body> bodies;
  for (const int core : cores) {
    const Noise noise{.core = core,
                      .period_ns = target.params.integer("period"),
                      .length_ns = target.params.integer("length"),
                      .mechanism = target.params.text("mechanism")};
    bodies.emplace_back([noise](WorkerPage& page) {
      if (auto pinned = set_affinity_of_thread(0, {noise.core}); !pinned) page.fail(pinned.error().message);
      ::prctl(PR_SET_TIMERSLACK, 1);
      raise_priority(noise.mechanism, page);
      page.wait_for_start();
      make_noise(noise, page);
    });
  }
  return bodies;
}

/// As the kernel has the worker.
std::string priority_of(pid_t pid) {
  if (::sched_getscheduler(pid) == SCHED_FIFO) return "fifo";
  return fmt::format("nice {}", ::getpriority(PRIO_PROCESS, static_cast<id_t>(pid)));
}

class NoiseWorkers final : public TimedFault {
 public:
  static Result<std::unique_ptr<Fault>> make(const Target& target) {
    GRIT_TRY(auto bodies, make_bodies(target));
    std::unique_ptr<NoiseWorkers> load(new NoiseWorkers("grit-noise", std::move(bodies), {"pulses"}));
    GRIT_CHECK(load->prepare(target.ranks));
    return load;
  }

  Result<Reading> read() override {
    GRIT_TRY(Reading reading, TimedFault::read());
    if (!workers().empty()) reading.details["mechanism"] = priority_of(workers().front().pid());
    return reading;
  }

 private:
  using TimedFault::TimedFault;
};

class OsNoise final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "os_noise",
        .summary = "Cores are taken away for short moments, again and again (operating system noise)",
        .params = {{"period",
                    Unit::time_ns,
                    100 * kNsPerMs,
                    "from one moment to the next, on each core",
                    {},
                    static_cast<double>(100 * kNsPerUs),
                    static_cast<double>(10 * kNsPerS)},
                   {"length",
                    Unit::time_ns,
                    2500 * kNsPerUs,
                    "how long a moment is, in CPU time",
                    {},
                    static_cast<double>(kNsPerUs),
                    static_cast<double>(kNsPerS)},
                   cores_param(),
                   {"mechanism",
                    Unit::text,
                    "auto",
                    "SCHED_FIFO, or the best nice value that is permitted",
                    {"auto", "fifo", "nice"}}},
        .mechanisms = {"fifo", "nice"},
        .needs = {"fifo: CAP_SYS_NICE or RLIMIT_RTPRIO", "nice: CAP_SYS_NICE for better than the ranks' own"},
        .undo = UndoClass::process};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params& params) const override {
    if (static_cast<double>(params.integer("length")) > kMostOfACore * static_cast<double>(params.integer("period")))
      return usage_error("os_noise: `length` must be at most 90 % of `period`");
    return std::string();
  }
  [[nodiscard]] std::string mechanism(const Node&, const Params& params) const override {
    const std::string asked = params.text("mechanism");
    return asked == "auto" ? "fifo, else nice" : asked;
  }

  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override {
    const auto tried = Worker::fork("grit-noise", [](WorkerPage& page) {
      raise_priority("fifo", page);
      page.wait_for_start();
    });
    return {{"fifo", tried ? std::nullopt : std::optional(tried.error().message)}, {"nice", std::nullopt}};
  }

  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    return without_undo(NoiseWorkers::make(target));
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "pulses") && grew(before, after, "on_cpu_ns");
  }
};

}  // namespace

const Injector& os_noise() {
  static const OsNoise injector;
  return injector;
}

}  // namespace grit

// memory_pressure: processes hold memory, a fixed amount or so much that only a given amount stays available, which
// they keep to while others take and free; and, with `churn`, give pages back and fault them in again, as allocating
// programs do. Never below a floor: this is to press, not to make the OOM killer choose (and if it must, it chooses
// these).
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>

#include "harness/base/clock.hpp"
#include "harness/os/memory.hpp"
#include "injectors/faults.hpp"
#include "injectors/memory_floor.hpp"
#include "injectors/memory_level.hpp"
#include "injectors/worker.hpp"

namespace grit {
namespace {

constexpr std::int64_t kStep_bytes = std::int64_t{4} << 20;
constexpr std::int64_t kLeast_bytes = std::int64_t{1} << 20;
constexpr std::int64_t kBand_bytes = std::int64_t{32} << 20;  // around a level of available memory, and above the floor
constexpr useconds_t kPeriod_us = 5000;
constexpr std::int64_t kFirstPagesTimeout_ns = kNsPerS;
// avg10 is worked out anew every 2 s: growing faster than this would shoot far past the goal before it shows.
constexpr double kPsiGrowthPerS = 0.05;  // of all memory

enum Counter { kRenewed };

struct Settings {
  std::int64_t hold_bytes = 0;  // one of these three is the goal, the others are 0
  std::int64_t available_bytes = 0;
  double psi_percent = 0;
  std::int64_t ramp_ns = 0;
  std::int64_t churn_bytes_per_s = 0;
  int processes = 1;
};

Settings settings_of(const Params& params, const Memory& memory) {
  Settings settings{.hold_bytes = params.integer("hold"),
                    .available_bytes = params.integer("available"),
                    .psi_percent = params.number("psi"),
                    .ramp_ns = params.integer("ramp"),
                    .churn_bytes_per_s = params.integer("churn") / 8,
                    .processes = static_cast<int>(params.integer("threads"))};
  if (params.number("share") > 0)
    settings.hold_bytes = static_cast<std::int64_t>(params.number("share") * static_cast<double>(memory.total_bytes));
  return settings;
}

/// Real-time, so that the first pages, with which the fault begins, do not wait for ranks that compute; only root may.
void go_before_others(bool first) {
  const sched_param priority{.sched_priority = first ? ::sched_get_priority_min(SCHED_RR) : 0};
  ::sched_setscheduler(0, first ? SCHED_RR : SCHED_OTHER, &priority);
}

/// One of the processes. Each does its part of all that is missing, so that together they do not overshoot.
class Holder {
 public:
  Holder(const Settings& settings, WorkerPage& page, std::int64_t room_bytes)
      : settings_(settings), page_(page), level_(page, room_bytes) {}

  void run() {
    const auto idle = read_memory();
    if (!idle) page_.fail(idle.error().message);
    const std::int64_t first = std::clamp<std::int64_t>(missing_bytes(*idle) / settings_.processes, 0, kLeast_bytes);
    go_before_others(true);
    page_.wait_for_start();
    level_.change(first);
    go_before_others(false);
    begun_ns_ = churned_until_ns_ = psi_seen_ns_ = monotonic_ns();
    for (;;) {
      const auto memory = read_memory();
      if (!memory) ::_exit(1);
      const std::int64_t missing = missing_bytes(*memory) / settings_.processes;
      level_.change(std::min(missing, kStep_bytes));
      const bool more_to_renew = churn();
      if (missing < kStep_bytes && !more_to_renew) ::usleep(kPeriod_us);
    }
  }

 private:
  /// How much more (or, negative, less) all processes have to hold now.
  std::int64_t missing_bytes(const Memory& memory) {
    const std::int64_t above_floor = memory.available_bytes - memory_floor_bytes(memory);
    if (above_floor < 0) return above_floor;
    const std::int64_t room = std::max<std::int64_t>(0, above_floor - kBand_bytes);
    if (settings_.psi_percent > 0) return std::min(room, missing_for_psi(memory));
    const std::int64_t held = level_.held_bytes() * settings_.processes;
    std::int64_t goal = settings_.hold_bytes;
    if (goal == 0) goal = held + memory.available_bytes - settings_.available_bytes;
    if (settings_.ramp_ns > 0) {
      const double share = static_cast<double>(monotonic_ns() - begun_ns_) / static_cast<double>(settings_.ramp_ns);
      if (share < 1) goal = std::max(static_cast<std::int64_t>(static_cast<double>(goal) * share), kLeast_bytes);
    }
    // Following `available`, what others do within the band is let be: chasing it would only add noise of our own.
    const std::int64_t missing = goal - held;
    if (settings_.hold_bytes == 0 && held > 0 && std::abs(missing) < kBand_bytes) return 0;
    return std::min(missing, room);
  }

  std::int64_t missing_for_psi(const Memory& memory) {
    const auto stall = read_stall("memory");
    const std::int64_t now_ns = monotonic_ns();
    const double elapsed_s = static_cast<double>(now_ns - psi_seen_ns_) / 1e9;
    psi_seen_ns_ = now_ns;
    if (!stall) return 0;
    const auto step = static_cast<std::int64_t>(kPsiGrowthPerS * elapsed_s * static_cast<double>(memory.total_bytes));
    if (stall->avg10_percent < settings_.psi_percent) return std::max(step, kLeast_bytes);
    return stall->avg10_percent > 2 * settings_.psi_percent ? -step : 0;
  }

  /// True: it is behind.
  bool churn() {
    if (settings_.churn_bytes_per_s == 0 || level_.held_bytes() == 0) return false;
    const double rate = static_cast<double>(settings_.churn_bytes_per_s) / settings_.processes;
    const std::int64_t now_ns = monotonic_ns();
    const auto due = static_cast<std::int64_t>(static_cast<double>(now_ns - churned_until_ns_) * rate / 1e9);
    const std::int64_t part = std::min({due, kStep_bytes, level_.held_bytes()});
    if (part < kLeast_bytes / 4) return false;
    level_.renew(part);
    page_.counters[kRenewed].fetch_add(part);
    // What it could not keep up with is forgotten, so that no burst follows.
    const bool behind = due > 2 * part;
    churned_until_ns_ =
        behind ? now_ns : churned_until_ns_ + static_cast<std::int64_t>(static_cast<double>(part) / rate * 1e9);
    return behind || due > part;
  }

  const Settings& settings_;
  WorkerPage& page_;
  MemoryLevel level_;
  std::int64_t begun_ns_ = 0;
  std::int64_t churned_until_ns_ = 0;
  std::int64_t psi_seen_ns_ = 0;
};

class MemoryWorkers final : public WorkerFault {
 public:
  static Result<std::unique_ptr<Fault>> make(const Params& params) {
    GRIT_TRY(const Memory memory, read_memory());
    const Settings settings = settings_of(params, memory);
    const std::int64_t room = (settings.hold_bytes > 0 ? settings.hold_bytes : memory.total_bytes) / settings.processes;
    std::vector<Body> bodies(static_cast<std::size_t>(settings.processes),
                             [settings, room](WorkerPage& page) { Holder(settings, page, room).run(); });
    std::unique_ptr<MemoryWorkers> load(new MemoryWorkers(std::move(bodies)));
    GRIT_CHECK(load->make_workers());
    return std::unique_ptr<Fault>(std::move(load));
  }

  /// It has begun when the first pages are held; a level that is reached already never begins, and never holds.
  [[nodiscard]] std::int64_t patience_ns() const override { return kFirstPagesTimeout_ns; }

  Result<Reading> read() override {
    GRIT_TRY(Reading reading, WorkerFault::read());
    GRIT_TRY(const Memory memory, read_memory());
    const std::int64_t resident_bytes = usage().anonymous_bytes;
    reading.holds = reading.holds && resident_bytes >= kLeast_bytes;
    reading.details["resident_bytes"] = resident_bytes;
    reading.details["available_bytes"] = memory.available_bytes;
    reading.details["floor_bytes"] = memory_floor_bytes(memory);
    if (const auto stall = read_stall("memory")) reading.details["psi_some_avg10_percent"] = stall->avg10_percent;
    return reading;
  }

  Result<Json> counters() override {
    GRIT_TRY(Json all, WorkerFault::counters());
    if (const auto stall = read_stall("memory")) all["psi_some_ns"] = stall->total_ns;
    return all;
  }

 private:
  explicit MemoryWorkers(std::vector<Body> bodies)
      : WorkerFault("grit-memory", std::move(bodies), {"renewed_bytes"},
                    {KernelCounter::faulted_bytes, KernelCounter::cpu_ns}) {}
};

class MemoryPressure final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "memory_pressure",
        .summary = "Processes hold memory and churn it, so that little stays available and allocating gets slow",
        .params =
            {{"hold", Unit::bytes, 0, "goal: how much they hold in all", {}, 0.0, {}},
             {"share", Unit::fraction, 0.0, "goal: which share of the node's memory they hold in all", {}, 0.0, 1.0},
             {"available", Unit::bytes, 0, "goal: how much they leave available", {}, 0.0, {}},
             {"psi",
              Unit::number,
              0.0,
              "goal: some avg10 of /proc/pressure/memory in percent, for which they grow by 5 % of all memory a second",
              {},
              0.0,
              100.0},
             {"ramp", Unit::time_ns, 0, "how long it takes to get there; 0: at once", {}, 0.0, {}},
             {"churn",
              Unit::bits_per_s,
              0,
              "how much of it a second they give back and fault in again in all; more than they can: as fast as it "
              "goes",
              {},
              0.0,
              {}},
             {"threads", Unit::count, 1, "how many processes share the work", {}, 1.0, 256.0}},
        .mechanisms = {"anonymous memory"},
        .needs = {"more available memory than the floor: 256 MiB or 2 % of all, whichever is more",
                  "psi: pressure stall information"},
        .undo = UndoClass::process};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params& params) const override {
    const int goals = (params.integer("hold") > 0) + (params.number("share") > 0) + (params.integer("available") > 0) +
                      (params.number("psi") > 0);
    if (goals != 1) return usage_error("memory_pressure: say one goal, either `hold`, `share`, `available` or `psi`");
    const std::int64_t hold = params.integer("hold");
    if (hold > 0 && hold < params.integer("threads") * kLeast_bytes)
      return usage_error("memory_pressure: `hold` must be at least 1 MiB for each of `threads`");
    return std::string();
  }

  /// With `psi` nobody knows in advance; the least then, and the floors end it.
  [[nodiscard]] std::int64_t memory_bytes(const Node& node, const Params& params) const override {
    if (params.integer("hold") > 0) return params.integer("hold");
    if (params.number("share") > 0)
      return static_cast<std::int64_t>(params.number("share") * static_cast<double>(node.memory_bytes));
    if (params.integer("available") > 0)
      return std::max<std::int64_t>(0, node.memory_bytes - params.integer("available"));
    return kLeast_bytes * params.integer("threads");
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    const auto memory = read_memory();
    if (!memory) return memory.error().message;
    const Settings settings = settings_of(target.params, *memory);
    if (settings.psi_percent > 0) {
      const auto stall = read_stall("memory");
      if (!stall) return stall.error().message;
      return why_below_floor(*memory, kLeast_bytes);
    }
    const std::int64_t takes =
        settings.hold_bytes > 0 ? settings.hold_bytes : memory->available_bytes - settings.available_bytes;
    if (takes < kLeast_bytes * settings.processes)
      return fmt::format("only {} bytes are available already: give a smaller `available`", memory->available_bytes);
    return why_below_floor(*memory, takes);
  }

  [[nodiscard]] Result<Prepared> prepare(const Target& target) const override {
    return without_undo(MemoryWorkers::make(target.params));
  }

  /// By the kernel's count of what it gave them.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return after.value("faulted_bytes", 0LL) - before.value("faulted_bytes", 0LL) >= kLeast_bytes;
  }
};

}  // namespace

const Injector& memory_pressure() {
  static const MemoryPressure injector;
  return injector;
}

}  // namespace grit

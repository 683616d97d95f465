// process_pause: ranks of the node are stopped (SIGSTOP), as by a debugger, a job scheduler's suspend or a frozen host.
#include <csignal>
#include <map>

#include "harness/base/clock.hpp"
#include "injectors/faults.hpp"
#include "injectors/ranks.hpp"
#include "injectors/setting.hpp"
#include "injectors/stop_cycle.hpp"

namespace grit {
namespace {

/// SIGSTOP takes effect when the process next runs or is interrupted: a moment later.
constexpr std::int64_t kStopWait_ns = 500 * kNsPerMs;
/// On a CPU for less than this, a process that is found stopped again was only woken.
constexpr std::int64_t kWoken_ns = kNsPerMs;

/// A process shows as stopped a moment before it leaves its CPU, and only then, or at a timer tick (up to 10 ms, with
/// nohz_full a second), is its last turn there counted. So it stood still when it had no other turn since.
bool stood_still(const ProcessState& then, const ProcessState& now) {
  if (now.state != 'T') return false;
  return now.turns == then.turns || now.on_cpu_ns - then.on_cpu_ns < kWoken_ns;
}

class ProcessPause final : public SettingInjector<RanksUndo> {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "process_pause",
        .summary = "Ranks of the node stand still (SIGSTOP) and go on",
        .params = {rank_param(),
                   {"pause",
                    Unit::time_ns,
                    kNsPerS / 2,
                    "how long; a block does not end while a rank of it is stopped",
                    {},
                    static_cast<double>(kNsPerMs),
                    {}},
                   {"after", Unit::time_ns, kNsPerS / 5, "from the start of the block to the pause", {}, 0.0, {}}},
        .mechanisms = {"SIGSTOP"},
        .needs = {"the right to signal the node's ranks"},
        .touches = {kRanksStopped},
        .undo = UndoClass::persistent};
    return info;
  }

  [[nodiscard]] std::vector<Pulse> pulses(const Params& params) const override {
    const std::int64_t start_ns = params.integer("after");
    return {{start_ns, start_ns + params.integer("pause")}};
  }

  /// How long ranks stood still, summed up at each revert.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return grew(before, after, "stopped_ns");
  }

 protected:
  [[nodiscard]] Result<RanksUndo> snapshot(const Target& target) const override {
    GRIT_TRY(const auto ranks, chosen_ranks(target));
    RanksUndo undo = undo_of(ranks);
    GRIT_CHECK(check_stoppable(undo.ranks));
    return undo;
  }
  [[nodiscard]] Result<RanksUndo> parse(const Json& record) const override {
    return ranks_undo_from_json(record, info().name);
  }
  [[nodiscard]] Status set(const Target&, const RanksUndo& undo) const override {
    for (const ProcessIdentity& rank : undo.ranks) GRIT_CHECK(send_signal(rank, SIGSTOP));
    return {};
  }
  [[nodiscard]] std::int64_t patience_ns(const RanksUndo&) const override { return kStopWait_ns; }

  [[nodiscard]] Result<Reading> read(const Target&, const RanksUndo& undo) const override {
    Reading reading;
    std::size_t running = 0;
    Json states = Json::object();
    for (const ProcessIdentity& rank : undo.ranks) {
      GRIT_TRY(const auto state, process_state(rank));
      states[std::to_string(rank.pid)] = state ? std::string(1, state->state) : std::string("ended");
      reading.left = reading.left || (state && state->state == 'T');
      running += state && state->state != 'T' && state->state != 'Z' ? 1 : 0;
    }
    reading.holds = reading.left && running == 0;
    reading.details["states"] = std::move(states);
    return reading;
  }

  [[nodiscard]] Result<Reverted> restore(const RanksUndo& undo) const override {
    GRIT_TRY(const std::size_t reached, continue_all(undo.ranks));
    return reached > 0 ? Reverted::put_back : Reverted::gone;
  }

  [[nodiscard]] Result<std::unique_ptr<Fault>> make_fault(const Target& target, RanksUndo undo) const override {
    GRIT_TRY(Worker guardian, make_guardian(undo.ranks));
    return std::make_unique<Pause>(*this, target, std::move(undo), std::move(guardian));
  }

 private:
  /// With a guardian, and a count of the time for which the ranks really stood still.
  class Pause final : public Running {
   public:
    Pause(const ProcessPause& setting, const Target& target, RanksUndo undo, Worker guardian)
        : Running(setting, target, std::move(undo)), guardian_(std::move(guardian)) {}

    /// Who is found stopped is noted after the reading: one that was running until then may be stopped in it.
    Result<Reading> read() override {
      GRIT_TRY(Reading reading, Running::read());
      for (const ProcessIdentity& rank : undo_.ranks) {
        const auto state = process_state(rank);
        if (state && *state && (*state)->state == 'T') stopped_.try_emplace(rank.pid, Stop{monotonic_ns(), **state});
      }
      return reading;
    }
    Status stop() override {
      for (const ProcessIdentity& rank : undo_.ranks) {
        const auto state = process_state(rank);
        const auto stop = stopped_.find(rank.pid);
        if (stop == stopped_.end() || !state || !*state) continue;
        if (stood_still(stop->second.then, **state)) stopped_ns_ += monotonic_ns() - stop->second.since_ns;
      }
      stopped_.clear();
      return Running::stop();
    }
    Result<Json> counters() override { return Json{{"stopped_ns", stopped_ns_}}; }

   private:
    struct Stop {
      std::int64_t since_ns = 0;
      ProcessState then{};
    };
    Worker guardian_;
    std::map<pid_t, Stop> stopped_{};  // found stopped
    std::int64_t stopped_ns_ = 0;
  };
};

}  // namespace

const Injector& process_pause() {
  static const ProcessPause injector;
  return injector;
}

}  // namespace grit

// process_pause: ranks of the node are stopped (SIGSTOP), as by a debugger, a job scheduler's suspend or a frozen host.
#include "injectors/process_pause.hpp"

#include <fmt/format.h>

#include <chrono>
#include <csignal>
#include <thread>

#include "harness/base/clock.hpp"
#include "harness/os/closed_object.hpp"
#include "injectors/ranks.hpp"
#include "injectors/stop_cycle.hpp"

namespace grit {
namespace {

Result<std::vector<ProcessIdentity>> ranks_of(const Json& record) {
  ClosedObject object(record, "undo record of process_pause");
  const Json& ranks = object.array("ranks", kMaxLocalRanks);
  GRIT_CHECK(object.done());
  return processes_from_json(ranks);
}

/// SIGSTOP takes effect when the process next runs or is interrupted: a moment later.
constexpr std::int64_t kStopWait_ns = 500 * kNsPerMs;

/// The pause, with a guardian.
class Pause final : public Load {
 public:
  Pause(const Injector& injector, Target target, Json record, Worker guardian)
      : injector_(injector), target_(std::move(target)), record_(std::move(record)), guardian_(std::move(guardian)) {}

  Status start() override { return injector_.apply(target_, record_); }
  Status stop() override { return injector_.revert(record_); }
  Result<Reading> read_back() override { return injector_.read_back(record_); }
  Result<Json> counters() override { return injector_.counters(record_); }

 private:
  const Injector& injector_;
  Target target_;
  Json record_;
  Worker guardian_;
};

class ProcessPause final : public Injector {
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
        .undo = UndoClass::persistent};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params&) const override { return std::string(); }
  [[nodiscard]] std::string mechanism(const Node&, const Params&) const override { return "SIGSTOP"; }

  [[nodiscard]] std::vector<Pulse> pulses(const Params& params) const override {
    const std::int64_t start_ns = params.integer("after");
    return {{start_ns, start_ns + params.integer("pause")}};
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    auto tried = prepare(target);
    if (!tried) return tried.error().message;
    return std::nullopt;
  }

  [[nodiscard]] Result<Json> prepare(const Target& target) const override {
    GRIT_TRY(const auto ranks, chosen_ranks(target));
    for (const ProcessIdentity& rank : ranks) {
      GRIT_TRY(const auto state, process_state(rank));
      if (state && state->state == 'T')
        return unavailable_error(fmt::format("process {} is stopped already, and not by this run", rank.pid));
      GRIT_TRY(const bool allowed, send_signal(rank, 0));
      if (!allowed) return unavailable_error(fmt::format("rank process {} has ended", rank.pid));
    }
    return Json{{"ranks", to_json(ranks)}};
  }

  [[nodiscard]] Result<std::unique_ptr<Load>> make_load(const Target& target, const Json& record) const override {
    GRIT_TRY(const auto ranks, ranks_of(record));
    GRIT_TRY(Worker guardian, make_guardian(ranks));
    return std::make_unique<Pause>(*this, target, record, std::move(guardian));
  }

  [[nodiscard]] Status apply(const Target&, const Json& record) const override {
    GRIT_TRY(const auto ranks, ranks_of(record));
    for (const ProcessIdentity& rank : ranks) GRIT_CHECK(send_signal(rank, SIGSTOP));
    for (const ProcessIdentity& rank : ranks) GRIT_CHECK(note_stop(rank));
    return {};
  }

  [[nodiscard]] Result<Reading> read_back(const Json& record) const override {
    GRIT_TRY(const auto ranks, ranks_of(record));
    Reading reading;
    Json states = Json::object();
    for (const ProcessIdentity& rank : ranks) {
      GRIT_TRY(const auto state, process_state(rank));
      reading.in_force = reading.in_force || (state && state->state == 'T');
      states[std::to_string(rank.pid)] = state ? std::string(1, state->state) : std::string("ended");
    }
    reading.details["states"] = std::move(states);
    return reading;
  }

  /// How long ranks were stopped without using any CPU time, summed up at each revert.
  [[nodiscard]] Result<Json> counters(const Json& record) const override {
    GRIT_TRY(const auto ranks, ranks_of(record));
    std::int64_t stopped_ns = 0;
    for (const ProcessIdentity& rank : ranks) {
      GRIT_TRY(const auto memory, rank_memory(rank));
      if (memory) stopped_ns += memory->slot->dials.stopped_ns.load();
    }
    return Json{{"stopped_ns", stopped_ns}};
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return after.value("stopped_ns", 0LL) > before.value("stopped_ns", 0LL);
  }

  [[nodiscard]] Status revert(const Json& record) const override {
    GRIT_TRY(const auto ranks, ranks_of(record));
    // A rank whose memory cannot be read is set going all the same.
    for (const ProcessIdentity& rank : ranks) static_cast<void>(add_up_stop(rank));
    for (const ProcessIdentity& rank : ranks) GRIT_CHECK(send_signal(rank, SIGCONT));
    return {};
  }

  [[nodiscard]] Status check_undo(const Json& record) const override {
    auto ranks = ranks_of(record);
    return ranks ? Status{} : tl::make_unexpected(ranks.error());
  }

 private:
  static Status note_stop(const ProcessIdentity& rank) {
    const std::int64_t deadline_ns = monotonic_ns() + kStopWait_ns;
    for (;;) {
      GRIT_TRY(const auto state, process_state(rank));
      if (!state || state->state == 'Z') return {};
      if (state->state == 'T') {
        GRIT_TRY(const auto memory, rank_memory(rank));
        if (!memory) return {};
        memory->slot->dials.paused_cpu_ns.store(state->on_cpu_ns);
        memory->slot->dials.paused_since_ns.store(monotonic_ns());
        return {};
      }
      if (monotonic_ns() > deadline_ns) return {};  // read_back() will say so
      // It needs a core to stop on, and the agent, which comes before it, may have that one.
      std::this_thread::sleep_for(std::chrono::microseconds(20));
    }
  }

  static Status add_up_stop(const ProcessIdentity& rank) {
    GRIT_TRY(const auto memory, rank_memory(rank));
    if (!memory) return {};
    RankDials& dials = memory->slot->dials;
    const std::int64_t since_ns = dials.paused_since_ns.exchange(0);
    GRIT_TRY(const auto state, process_state(rank));
    const bool stood_still = state && state->state == 'T' && state->on_cpu_ns == dials.paused_cpu_ns.load();
    if (since_ns != 0 && stood_still) dials.stopped_ns.fetch_add(monotonic_ns() - since_ns);
    return {};
  }
};

}  // namespace

const Injector& process_pause() {
  static const ProcessPause injector;
  return injector;
}

}  // namespace grit

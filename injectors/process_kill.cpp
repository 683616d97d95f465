// process_kill: ranks of the node die by SIGKILL, as by the OOM killer or a failing node's last deed. Nothing brings
// them back; MPI then ends the job (MPI 4.1, 9.3: the default error handler aborts).
#include "injectors/process_kill.hpp"

#include <fmt/format.h>

#include <csignal>

#include "harness/base/clock.hpp"
#include "harness/os/closed_object.hpp"
#include "injectors/ranks.hpp"

namespace grit {
namespace {

/// SIGKILL takes effect when the kernel next runs the process: a moment later.
constexpr std::int64_t kDeathWait_ns = 500 * kNsPerMs;

Result<std::vector<ProcessIdentity>> ranks_of(const Json& record) {
  ClosedObject object(record, "undo record of process_kill");
  const Json& ranks = object.array("ranks", kMaxLocalRanks);
  GRIT_CHECK(object.done());
  return processes_from_json(ranks);
}

/// A zombie is dead: it waits for its parent only.
Result<bool> lives(const ProcessIdentity& rank) {
  GRIT_TRY(const auto state, process_state(rank));
  return state && state->state != 'Z' && state->state != 'X';
}

class ProcessKill final : public Injector {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{.name = "process_kill",
                                   .summary = "Ranks of the node are killed (SIGKILL); the job does not survive it",
                                   .params = {rank_param("0")},
                                   .mechanisms = {"SIGKILL"},
                                   .needs = {"the right to signal the node's ranks"},
                                   .undo = UndoClass::persistent,
                                   .destructive = true,
                                   .irreversible = true};
    return info;
  }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params&) const override { return std::string(); }
  [[nodiscard]] std::string mechanism(const Node&, const Params&) const override { return "SIGKILL"; }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    const auto tried = prepare(target);
    return tried ? std::nullopt : std::optional(tried.error().message);
  }

  [[nodiscard]] Result<Json> prepare(const Target& target) const override {
    GRIT_TRY(const auto ranks, chosen_ranks(target));
    for (const ProcessIdentity& rank : ranks) {
      GRIT_TRY(const bool alive, lives(rank));
      GRIT_TRY(const bool allowed, send_signal(rank, 0));
      if (!alive || !allowed) return unavailable_error(fmt::format("rank process {} has ended already", rank.pid));
    }
    return Json{{"ranks", to_json(ranks)}};
  }

  [[nodiscard]] Status apply(const Target&, const Json& record) const override {
    GRIT_TRY(const auto ranks, ranks_of(record));
    for (const ProcessIdentity& rank : ranks) GRIT_CHECK(send_signal(rank, SIGKILL));
    for (const ProcessIdentity& rank : ranks) GRIT_CHECK(await_death(rank));
    return {};
  }

  [[nodiscard]] Result<Reading> read_back(const Json& record) const override {
    GRIT_TRY(const auto ranks, ranks_of(record));
    Reading reading;
    reading.in_force = true;
    for (const ProcessIdentity& rank : ranks) {
      GRIT_TRY(const auto state, process_state(rank));
      reading.details[std::to_string(rank.pid)] = state ? std::string(1, state->state) : std::string("ended");
      GRIT_TRY(const bool alive, lives(rank));
      reading.in_force = reading.in_force && !alive;
    }
    return reading;
  }

  [[nodiscard]] Result<Json> counters(const Json& record) const override {
    GRIT_TRY(const auto ranks, ranks_of(record));
    std::int64_t dead = 0;
    for (const ProcessIdentity& rank : ranks) {
      GRIT_TRY(const bool alive, lives(rank));
      dead += alive ? 0 : 1;
    }
    return Json{{"dead", dead}};
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return after.value("dead", 0LL) > before.value("dead", 0LL);
  }

  [[nodiscard]] Status revert(const Json& record) const override { return check_undo(record); }

  [[nodiscard]] Status check_undo(const Json& record) const override {
    auto ranks = ranks_of(record);
    return ranks ? Status{} : tl::make_unexpected(ranks.error());
  }

 private:
  static Status await_death(const ProcessIdentity& rank) {
    for (const std::int64_t deadline_ns = monotonic_ns() + kDeathWait_ns; monotonic_ns() < deadline_ns;) {
      GRIT_TRY(const bool alive, lives(rank));
      if (!alive) return {};
    }
    return {};  // read_back() will say so
  }
};

}  // namespace

const Injector& process_kill() {
  static const ProcessKill injector;
  return injector;
}

}  // namespace grit

// process_kill: ranks of the node die by SIGKILL, as by the OOM killer or a failing node's last deed. Nothing brings
// them back; MPI then ends the job (MPI 4.1, 9.3: the default error handler aborts).
#include <csignal>

#include "harness/base/clock.hpp"
#include "injectors/faults.hpp"
#include "injectors/ranks.hpp"
#include "injectors/setting.hpp"

namespace grit {
namespace {

/// SIGKILL takes effect when the kernel next runs the process: a moment later.
constexpr std::int64_t kDeathWait_ns = 500 * kNsPerMs;

class ProcessKill final : public SettingInjector<RanksUndo> {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{.name = "process_kill",
                                   .summary = "Ranks of the node are killed (SIGKILL); the job does not survive it",
                                   .params = {rank_param("0")},
                                   .mechanisms = {"SIGKILL"},
                                   .needs = {"the right to signal the node's ranks"},
                                   .touches = {"the lives of the ranks"},
                                   .undo = UndoClass::persistent,
                                   .destructive = true,
                                   .irreversible = true};
    return info;
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override { return grew(before, after, "dead"); }

 protected:
  [[nodiscard]] Result<RanksUndo> snapshot(const Target& target) const override {
    GRIT_TRY(const auto ranks, chosen_ranks(target));
    for (const NodeRank& rank : ranks) GRIT_CHECK(send_signal(rank.process, 0));  // permitted?
    return undo_of(ranks);
  }
  [[nodiscard]] Result<RanksUndo> parse(const Json& record) const override {
    return ranks_undo_from_json(record, info().name);
  }

  [[nodiscard]] Status set(const Target&, const RanksUndo& undo) const override {
    for (const ProcessIdentity& rank : undo.ranks) GRIT_CHECK(send_signal(rank, SIGKILL));
    return {};
  }
  [[nodiscard]] std::int64_t patience_ns(const RanksUndo&) const override { return kDeathWait_ns; }

  [[nodiscard]] Result<Reading> read(const Target&, const RanksUndo& undo) const override {
    Reading reading{.holds = true};
    for (const ProcessIdentity& rank : undo.ranks) {
      GRIT_TRY(const auto state, process_state(rank));
      reading.details[std::to_string(rank.pid)] = state ? std::string(1, state->state) : std::string("ended");
      GRIT_TRY(const bool alive, lives(rank));
      reading.holds = reading.holds && !alive;
      reading.left = reading.left || !alive;
    }
    return reading;
  }

  [[nodiscard]] Result<Json> counters(const Target&, const RanksUndo& undo) const override {
    std::int64_t dead = 0;
    for (const ProcessIdentity& rank : undo.ranks) {
      GRIT_TRY(const bool alive, lives(rank));
      dead += alive ? 0 : 1;
    }
    return Json{{"dead", dead}};
  }

  /// Nothing brings them back.
  [[nodiscard]] Result<Reverted> restore(const RanksUndo&) const override { return Reverted::gone; }
};

}  // namespace

const Injector& process_kill() {
  static const ProcessKill injector;
  return injector;
}

}  // namespace grit

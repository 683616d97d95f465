// Faults that turn dials of ranks (harness/model/rank_dials.hpp): what they have in common. The dials are in the shared
// memory of the node's ranks and end with them; a dial is one rank's alone, so such faults may be in force on several
// ranks of a node at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "injectors/ranks.hpp"
#include "injectors/setting.hpp"

namespace grit {

/// One dial and what the fault turns it to.
struct Dial {
  const char* name;  // in readings
  std::atomic<std::int64_t> RankDials::*at;
  std::int64_t rest;  // its value without the fault
  std::int64_t (*asked)(const Params&);
};
/// One counter that the workload moves.
struct DialCounter {
  const char* name;
  std::atomic<std::int64_t> RankDials::*at;
};

/// A fault derives from it and states info(), with `rank_by_rank`, and what it turns. Undo record: the ranks.
class RankDialInjector : public SettingInjector<RanksUndo> {
 public:
  /// The first counter grew.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const final;

 protected:
  /// The first is what switches the fault: turned last, and back first.
  [[nodiscard]] virtual const std::vector<Dial>& dials() const = 0;
  [[nodiscard]] virtual const std::vector<DialCounter>& dial_counters() const = 0;

  [[nodiscard]] Result<RanksUndo> snapshot(const Target& target) const final;
  [[nodiscard]] Result<RanksUndo> parse(const Json& record) const final;
  [[nodiscard]] Status set(const Target& target, const RanksUndo& undo) const final;
  /// Holds: all dials of all its ranks that live are as asked.
  [[nodiscard]] Result<Reading> read(const Target& target, const RanksUndo& undo) const final;
  /// Of its ranks, living or not.
  [[nodiscard]] Result<Json> counters(const Target& target, const RanksUndo& undo) const final;
  /// Of its ranks alone: another fault may have turned those of the others.
  [[nodiscard]] Result<Reverted> take_off(const Target& target, const RanksUndo& undo) const final;
  [[nodiscard]] Result<Reverted> restore(const RanksUndo& undo) const final;
};

}  // namespace grit

// Ranks that may run on fewer CPUs than before, or on other ones: what the faults have in common that change the CPU
// affinity of all threads of a rank, and of its helpers (helpers_of()), such as its data loaders: a rank that is bound
// wrongly when it starts has all of them there.
#pragma once

#include "harness/os/thread_affinity.hpp"
#include "injectors/setting.hpp"

namespace grit {

/// What these faults touch.
constexpr const char* kRanksAffinity = "the CPU affinity of the ranks";

struct ConfinedRank {
  ProcessAffinity before{};
  std::vector<ProcessAffinity> helpers{};  // likewise
  Cpus cpus{};                             // where it is sent
  std::string why{};                       // there, in words, for the evidence
};
struct Confinement {
  std::vector<ConfinedRank> ranks{};
};
Json to_json(const Confinement& undo);

/// A rank and its helpers as they are bound now, for ConfinedRank. Error (usage): it has ended.
Result<ConfinedRank> bound_rank(const ProcessIdentity& rank);

/// May every thread run on these CPUs only?
bool is_confined(const ProcessAffinity& affinity, const Cpus& cpus);

/// A fault derives from it and says where each rank is sent: snapshot().
class ConfinementInjector : public SettingInjector<Confinement> {
 public:
  /// Ranks used CPU time while the kernel showed them where they were sent.
  [[nodiscard]] bool acted(const Json& before, const Json& after) const override;

 protected:
  [[nodiscard]] Result<Confinement> parse(const Json& record) const override;
  [[nodiscard]] Status set(const Target& target, const Confinement& undo) const override;
  /// Holds: all threads of all ranks that live, and of their helpers, are where they were sent.
  [[nodiscard]] Result<Reading> read(const Target& target, const Confinement& undo) const override;
  [[nodiscard]] Result<Reverted> restore(const Confinement& undo) const override;
  /// Counter: "confined_cpu_ns", the ranks' and their helpers' CPU time while it held.
  [[nodiscard]] Result<std::unique_ptr<Fault>> make_fault(const Target& target, Confinement undo) const override;

 private:
  class Confining;
};

}  // namespace grit

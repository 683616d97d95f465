// What faults have in common that put a root qdisc of their own in the place of a NIC's: the undo record (the whole
// tree that was there), the read-back, and the way back. A fault derives from it and says which qdisc.
#pragma once

#include "harness/os/link_config.hpp"
#include "harness/os/tc.hpp"
#include "injectors/injector.hpp"

namespace grit {

/// A NIC whose root qdisc a fault replaces, in the network namespace of the calling thread.
struct RootQdiscUndo {
  LinkIdentity link{};
  TcTree before{};
};

/// Error (unavailable): there is something that could not be put back exactly, another fault's qdisc is there already
/// ...
Result<RootQdiscUndo> read_root_qdisc(const std::string& nic);
Json to_json(const RootQdiscUndo& undo);
/// From disk: closed set of keys, types and ranges. Other keys of the record are the caller's.
Result<RootQdiscUndo> root_qdisc_undo_from_json(const Json& before, const Json& link);

class RootQdiscInjector : public Injector {
 public:
  [[nodiscard]] Result<std::string> resolve_device(const Node& node, const Params& params) const override;
  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override;

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override;
  [[nodiscard]] Result<Json> prepare(const Target& target) const override;
  [[nodiscard]] Status apply(const Target& target, const Json& undo) const override;
  [[nodiscard]] Result<Reading> read_back(const Json& undo) const override;
  /// Of our qdisc: sent_packets, drops, overlimits, backlog_bytes; 0 when it is not there, before and after.
  [[nodiscard]] Result<Json> counters(const Json& undo) const override;
  [[nodiscard]] Status revert(const Json& undo) const override;
  [[nodiscard]] Status check_undo(const Json& undo) const override;

 protected:
  /// "tbf", "netem".
  [[nodiscard]] virtual std::string kind() const = 0;
  /// The major number of its handle. One a fault, so that two faults on one NIC never take each other's for their own.
  [[nodiscard]] virtual std::uint32_t handle() const = 0;
  [[nodiscard]] virtual Status install(Tc& tc, const Link& link, const Params& params) const = 0;
};

/// Did the counter move from one reading to the other?
bool counter_moved(const Json& before, const Json& after, const char* key);

/// Handles that faults use for their root qdiscs: 6772: ("gr") and following.
namespace root_handle {
constexpr std::uint32_t kRate = 0x67720000;
constexpr std::uint32_t kDelay = 0x67730000;
constexpr std::uint32_t kLoss = 0x67740000;
}  // namespace root_handle

}  // namespace grit

// What faults have in common that put a root qdisc of their own in the place of a NIC's: the undo record (the whole
// tree that was there), the read-back, and the way back. A fault derives from it and says which qdisc.
#pragma once

#include "harness/os/link_config.hpp"
#include "harness/os/tc.hpp"
#include "injectors/setting.hpp"

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

/// The root qdisc of a NIC is a fault's.
constexpr const char* kRootQdisc = "the root qdisc";

/// As the parameters say; or none: the qdisc is there and does nothing.
enum class QdiscDose { whole, none };

/// No frame that an interface sends is larger, as qdiscs count it: with its header, whatever the link layer, without
/// preamble, checksum and gap.
std::int64_t largest_frame_bytes(const Link& link);

class RootQdiscInjector : public SettingInjector<RootQdiscUndo> {
 public:
  [[nodiscard]] std::vector<Mechanism> mechanisms_here() const override;
  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override;
  [[nodiscard]] std::string mechanism(const Node& node, const Params& params) const override;

 protected:
  /// "tbf", "netem".
  [[nodiscard]] virtual std::string kind() const = 0;
  /// The major number of its handle. One a fault, so that two faults on one NIC never take each other's for their own.
  [[nodiscard]] virtual std::uint32_t handle() const = 0;
  [[nodiscard]] virtual Status install(Tc& tc, const Link& link, std::uint32_t handle, const Params& params,
                                       QdiscDose dose) const = 0;

  [[nodiscard]] Result<RootQdiscUndo> snapshot(const Target& target) const override;
  [[nodiscard]] Result<RootQdiscUndo> parse(const Json& record) const override;
  [[nodiscard]] Status set(const Target& target, const RootQdiscUndo& undo) const override;
  [[nodiscard]] Result<Reading> read(const Target& target, const RootQdiscUndo& undo) const override;
  /// Of our qdisc: sent_packets, drops, overlimits, backlog_bytes; 0 when it is not there, before and after.
  [[nodiscard]] Result<Json> counters(const Target& target, const RootQdiscUndo& undo) const override;
  [[nodiscard]] Result<Reverted> restore(const RootQdiscUndo& undo) const override;
  /// In a sham block the root is replaced by one that does nothing: on a NIC of many queues that alone may cost.
  [[nodiscard]] Result<std::unique_ptr<Fault>> make_fault(const Target& target, RootQdiscUndo undo) const override;

 private:
  class Running;
  [[nodiscard]] Status put(const Target& target, const RootQdiscUndo& undo, QdiscDose dose) const;
};

/// Handles that faults use for their root qdiscs: 6772: ("gr") and following, each fault its own.
namespace root_handle {
constexpr std::uint32_t kRate = 0x67720000;
constexpr std::uint32_t kDelay = 0x67730000;
constexpr std::uint32_t kLoss = 0x67740000;
constexpr std::uint32_t kNone = 0x67750000;  // of a sham block, whatever the fault
}  // namespace root_handle

}  // namespace grit

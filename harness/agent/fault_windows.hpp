// The faults of one node through one block after the other: armed between blocks, applied and reverted on time, proven.
//
// Policy that every injector shares lives here: undo on disk before apply, leases, evidence, reverting at the end of
// the block whatever happened in it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "harness/agent/journal.hpp"
#include "harness/model/plan.hpp"
#include "injectors/injector.hpp"

namespace grit {

/// Why a fault came off, as the events say it.
enum class RevertReason { pulse_end, block_end, lease, rank_died, shutdown };
std::string_view to_string(RevertReason reason);

class FaultWindows {
 public:
  using EventSink = std::function<void(Json)>;

  /// Both references must outlive this object. Nothing is opened or changed yet.
  FaultWindows(const Plan& plan, int node, std::filesystem::path journal_file, EventSink sink);

  /// Why some planned fault of this node cannot work here; names the fault and what would help.
  [[nodiscard]] Status check_available() const;

  /// Before the block: undo records made and on disk, counters read, kernel notifications subscribed. When that fails
  /// for a fault, an event says so and the fault is not applied in this block.
  void arm(const Block& block);
  /// The ranks entered the armed block at entered_ns (CLOCK_MONOTONIC).
  void start(std::int64_t entered_ns);
  /// When act() has something to do next; nothing when no action is due in this block.
  [[nodiscard]] std::optional<std::int64_t> next_action_ns() const;
  /// Applies and reverts what is due.
  void act(std::int64_t now_ns);
  /// Takes everything off that is in force, reads the evidence and closes the window.
  void end(RevertReason reason);

  /// By when what is in force must be off; 0 when nothing is.
  [[nodiscard]] std::int64_t lease_deadline_ns() const;
  /// Descriptors of the kernel notifications to poll; call drain_witnesses() when one is readable.
  [[nodiscard]] std::vector<int> witness_descriptors() const;
  void drain_witnesses();
  /// Everything that was applied was proven to be reverted; the journal file is then removed.
  bool close();

 private:
  struct Armed {
    const PlannedFault* fault = nullptr;
    const Injector* injector = nullptr;
    Target target{};
    std::string journal_id{};
    Json undo{};
    Json counters_before{};
    std::unique_ptr<Witness> witness{};
    std::size_t next_pulse = 0;
    bool in_force = false;
    bool ever_applied = false;
    bool mended = true;  // the last revert was read back as such
    std::int64_t applied_ns = 0;
  };

  Result<Armed> arm_fault(const PlannedFault& fault);
  void apply(Armed& armed, std::int64_t now_ns);
  void revert(Armed& armed, RevertReason reason);
  void close_window(Armed& armed);
  [[nodiscard]] std::optional<std::int64_t> due_ns(const Armed& armed) const;
  [[nodiscard]] Json fault_event(const Armed& armed, std::string_view action) const;

  const Plan& plan_;
  int node_;
  std::filesystem::path journal_file_;
  std::optional<Journal> journal_{};
  EventSink emit_;
  int block_ = -1;
  std::optional<std::int64_t> entered_ns_{};
  std::vector<Armed> armed_{};
  bool all_mended_ = true;
};

}  // namespace grit

// The faults of one node through one block after the other: armed between blocks, applied and reverted on time, proven.
//
// Policy that every injector shares lives here: undo on disk before apply, leases, evidence, reverting at the end of
// the block whatever happened in it.
#pragma once

#include <functional>
#include <future>
#include <list>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "harness/agent/journal.hpp"
#include "harness/base/fd.hpp"
#include "harness/model/plan.hpp"
#include "injectors/injector.hpp"

namespace grit {

/// Why a fault came off, as the events say it.
enum class RevertReason { pulse_end, block_end, nested, low_memory, lease, rank_died, apply_failed, shutdown };
std::string_view to_string(RevertReason reason);

class FaultWindows {
 public:
  using EventSink = std::function<void(Json)>;

  /// The plan, and what `ranks` points to, must outlive this object. Nothing is changed yet.
  FaultWindows(const Plan& plan, int node, std::filesystem::path journal_file, EventSink sink, NodeRanks ranks = {});

  /// What the guard rails refuse in this plan, whoever let it pass before; else why some planned fault of this node
  /// cannot work here; names the fault and what would help.
  [[nodiscard]] Status check_available() const;

  /// Before the block: faults made, their undo records on disk, kernel notifications subscribed. When that fails for a
  /// fault, or one before could not be reverted, an event says so and the fault is not applied in this block.
  void arm(const Block& block);
  /// Does arm() arm anything in such a block?
  [[nodiscard]] static bool armed_in(BlockKind kind) { return has_faults(kind) || kind == BlockKind::sham; }
  /// The ranks entered the armed block at entered_ns (CLOCK_MONOTONIC).
  void start(std::int64_t entered_ns);
  /// The node's first rank has begun this step of the block.
  void step_begun(std::int64_t step, std::int64_t now_ns);
  /// A fault of this block counts from a step that has not begun: ask again soon.
  [[nodiscard]] bool waits_for_step() const;
  /// When act() has something to do next; nothing when no action is due in this block.
  [[nodiscard]] std::optional<std::int64_t> next_action_ns() const;
  /// Applies and reverts what is due. A fault comes off before one that it stands on, and what ends now before anything
  /// begins. A slow fault (Injector::call_limit_ns()) does so in a thread of its own meanwhile.
  void act(std::int64_t now_ns);
  /// Takes the faults that hold memory off for the rest of the block when less than the plan's floor is available.
  /// Reads /proc only while one is in force.
  void keep_memory_free();
  /// Nothing more begins in this block, and what is in force comes off: all but slow faults and what fails before this
  /// returns, those in act().
  void take_off(RevertReason reason);
  /// Takes everything off that is in force, reads the evidence and closes the window. Waits for slow faults last. What
  /// does not come off is tried again in act(), from block to block, and nothing is applied any more until it is off.
  void end(RevertReason reason);
  /// Tries what did not come off again for so long.
  void keep_trying(std::int64_t patience_ns);

  /// By when what is in force must be off; 0 when nothing is.
  [[nodiscard]] std::int64_t lease_deadline_ns() const;
  /// Descriptors to poll, of the kernel notifications and of what slow faults have done; call drain_witnesses() when
  /// one is readable.
  [[nodiscard]] std::vector<int> witness_descriptors() const;
  void drain_witnesses();
  /// Everything that was applied was proven to be reverted; the journal file is then removed.
  bool close();

 private:
  /// What is left to do, in the fault loop, when a fault has started, stopped or been read.
  using Then = std::function<void()>;
  /// It has started, but its reading does not hold yet.
  struct Settling {
    std::int64_t due_ns = 0;  // when it was to start
    std::int64_t next_look_ns = 0;
    Reading reading{};  // the last
  };
  /// It is coming off. That goes on, ever more rarely, until it is proven to be off.
  struct Stopping {
    Json event{};               // that says that it came off, or that it did not
    std::int64_t since_ns = 0;  // its first attempt
    int attempts = 0;           // so far
    std::int64_t due_ns = 0;    // the next one
    bool reported = false;      // that it did not come off
  };
  struct Armed {
    const PlannedFault* fault = nullptr;
    const Injector* injector = nullptr;
    Target target{};
    bool shares_device = false;  // with another fault: prepared only when it begins, on top of what is there then
    std::string journal_id{};
    Prepared prepared{};                    // no fault: it is not
    Json counters_before{};                 // at its last start; null: it never started
    std::optional<Json> counters_acting{};  // read later, when they showed that it acted
    std::unique_ptr<Witness> witness{};
    std::future<Then> busy{};  // what a slow fault's thread does
    std::optional<Settling> settling{};
    std::optional<Stopping> stopping{};       // between two attempts
    std::size_t next_pulse = 0;               // its place in PlannedFault::pulses
    bool in_force = false;                    // from its start until it is off, or said not to come off
    bool something_on = false;                // there is something to stop; false in a sham, mostly
    bool mended = true;                       // the last revert was read back as such; else it stays to be tried again
    bool window_closed = false;               // of a block before: it only has to come off
    std::optional<std::int64_t> anchored_ns;  // anchor step: when it began
    std::optional<std::int64_t> applied_ns;   // last
    std::optional<std::int64_t> first_applied_ns;
    std::optional<std::int64_t> reverted_ns;  // last
    std::jthread thread{};                    // of a slow fault; ended before what it uses
  };
  /// Something that is due: the fault comes into force or goes off.
  struct Action {
    std::int64_t due_ns = 0;
    Armed* armed = nullptr;
  };

  // --- when (fault_windows.cpp)
  [[nodiscard]] std::optional<std::int64_t> anchor_ns(const Armed& armed) const;
  [[nodiscard]] std::optional<std::int64_t> due_ns(const Armed& armed) const;
  [[nodiscard]] bool waits_for_its_kind(const Armed& armed) const;
  [[nodiscard]] const Armed* armed_of(int fault) const;
  std::optional<Action> next_action();
  [[nodiscard]] bool goes_first(const Action& one, const Action& other) const;
  void next_pulse(Armed& armed) const;
  void revert_above(const Armed& armed);
  [[nodiscard]] bool shares_device(const PlannedFault& fault) const;
  [[nodiscard]] std::vector<Armed*> in_force_last_first();
  [[nodiscard]] bool all_mended() const;

  // --- how (fault_windows_act.cpp)
  [[nodiscard]] Result<Target> target_of(const PlannedFault& fault, const Injector& injector) const;
  Status prepare(Armed& armed);
  void arm_fault(const PlannedFault& fault);
  /// Does the work, in a thread of the fault's own if it is slow, and then what it gives, in the caller's.
  void run(Armed& armed, std::function<Then()> work);
  void collect();
  static void wait_for(Armed& armed);
  /// It is on its way: nothing else can be begun with it.
  [[nodiscard]] static bool under_way(const Armed& armed) { return armed.busy.valid() || armed.stopping; }
  void begin(Armed& armed, std::int64_t due_ns);
  void started(Armed& armed, const Status& status, Result<Reading> reading, std::int64_t done_ns, std::int64_t due_ns);
  void look_again(Armed& armed);
  void settle(Armed& armed, Reading reading, std::int64_t done_ns, std::int64_t due_ns);
  void report_applied(Armed& armed, Json event, const Reading& reading, std::int64_t done_ns, std::int64_t due_ns);
  void report_cut_off(Armed& armed, Json event, const Reading& last, std::int64_t done_ns, const Settling& settling);
  void revert(Armed& armed, RevertReason reason, std::optional<std::int64_t> planned_ns = {});
  void stop(Armed& armed, Stopping stopping);
  void stop_again(Armed& armed);
  void stopped(Armed& armed, Stopping stopping, const Status& status, const Result<Reading>& reading);
  void report_reverted(Armed& armed, Json event, const Status& status, const Result<Reading>& reading);
  void journal_reverted(Armed& armed);
  void close_window(Armed& armed);
  void report_error(const Armed& armed, const std::string& message);
  void report_unread(const Armed& armed, const std::string& message);
  [[nodiscard]] Json fault_event(const Armed& armed, std::string_view action) const;

  const Plan& plan_;
  int node_;
  std::filesystem::path journal_file_;
  std::optional<Journal> journal_{};
  EventSink emit_;
  NodeRanks ranks_;
  Fd done_;  // eventfd: a slow fault has done something
  int block_ = -1;
  bool sham_ = false;  // the block is: nothing is applied in it
  std::optional<std::int64_t> entered_ns_{};
  std::optional<RevertReason> taking_off_{};  // everything, and nothing begins any more
  std::list<Armed> armed_{};                  // slow faults' threads refer to them
};

}  // namespace grit

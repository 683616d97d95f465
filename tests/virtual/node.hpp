// One node of a virtual cluster: what its agent and observer do, with the real windows of faults, shared memory, hang
// watch and log of checks, on the virtual clock.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "harness/agent/check_log.hpp"
#include "harness/agent/fault_windows.hpp"
#include "harness/agent/hang_watch.hpp"
#include "harness/record/segment.hpp"
#include "tests/virtual/faults.hpp"
#include "tests/virtual/wire.hpp"

namespace grit::testing {

class VirtualNode {
 public:
  /// What it refers to must outlive it.
  VirtualNode(const Plan& plan, int index, const std::filesystem::path& run_directory, Wire& wire, FaultBoard& board);

  [[nodiscard]] std::span<RankSlot> slots() const { return segment_.slots(); }
  [[nodiscard]] FaultWindows& windows() { return windows_; }
  void emit(const Json& event);

  void arm(const Block& block);
  /// Its ranks have entered the armed block; `usage`: what RankUsage::read() would find, now and at its end.
  void begin_block(const Json& usage);
  void end_block(const Json& usage);
  /// Applies and reverts what is due now.
  void act();
  /// One turn of its observer: checks, `link_is_up` being what they would find, and hangs; `stopped`: its ranks that
  /// are.
  void observe(bool link_is_up, const std::set<int>& stopped);
  /// Does as the recorder says; gives the type of the event for which the run is to end, once.
  std::optional<std::string> listen();
  /// A rank of this node has died.
  void tell_death(const RankSlot& slot);
  /// As an agent that was told to end: faults come off, ranks are killed.
  void end_run(const std::string& why, const std::vector<int>& ranks);
  void say_goodbye();

 private:
  void send_records();
  void report_usage(std::string_view edge, Json usage);
  void say_block(std::string_view edge);

  const Plan& plan_;
  int index_;
  Wire& wire_;
  Segment segment_;
  FaultWindows windows_;
  CheckLog checks_;
  HangWatch hang_;
  Block block_{};
  bool ended_ = false;
};

}  // namespace grit::testing

// After a fault a link is set up again at once; its carrier comes when the two ends have trained, which may take long.
//
// That is waited for here, without blocking anybody: no block but one that measures the recovery starts before.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "harness/base/clock.hpp"
#include "harness/os/link_config.hpp"

namespace grit {

/// How long a carrier is waited for. Two attempts at link training, each given up after 12.4 s at 100 Gb/s a lane
/// (link_fail_inhibit_timer, IEEE 802.3ck, clause 73), and what firmware and cable modules need besides.
constexpr std::int64_t kCarrierLimit_ns = 30 * kNsPerS;

struct CarrierNews {
  std::string interface {};
  bool back = false;          // false: it has none after kCarrierLimit_ns
  std::int64_t after_ns = 0;  // since the faults were off
  std::string problem{};      // what could not be put back that had to wait for it; empty: nothing
};

class CarrierWatch {
 public:
  /// Before the faults of a block: remembers which of these interfaces have a carrier, and their configuration.
  void faults_come(const std::set<std::string>& interfaces);
  /// All faults are off: what had a carrier and has none now is waited for, if it is to be up.
  void faults_are_off(std::int64_t now_ns);
  /// What has happened to those, each said once. Puts back what had to wait for the carrier (restore_link_config).
  std::vector<CarrierNews> look(std::int64_t now_ns);
  [[nodiscard]] bool waits() const { return !waited_for_.empty(); }

 private:
  std::vector<LinkConfig> had_carrier_{};
  std::vector<LinkConfig> waited_for_{};
  std::int64_t off_at_ns_ = 0;
};

}  // namespace grit

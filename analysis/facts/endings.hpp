// How a run ended, if not well, in words: the first cause of all that was told, and what is known of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "analysis/facts/first_cause.hpp"
#include "harness/base/json.hpp"
#include "harness/model/plan.hpp"

namespace grit {

struct Ending {
  std::string_view outcome{};  // as Verdict::outcome
  std::string reason{};        // in words
};

/// Takes events (harness/model/event.hpp) in their order of arrival; what is not as documented counts for nothing.
class Endings {
 public:
  /// The plan is kept by the caller.
  explicit Endings(const Plan& plan) : plan_(plan) {}
  void take(const Json& event);
  /// Empty: nothing that ends a run was told.
  [[nodiscard]] std::optional<Ending> decide(const NodeClocks& clocks) const;

 private:
  /// Where a rank stood when no step had begun for too long.
  struct HungRank {
    std::string node{};
    std::int64_t step = -1;
    std::string phase{};
    bool stopped = false;
    [[nodiscard]] bool waits() const { return phase == "exposed_comm" && !stopped; }
  };

  void take_hang(const Json& event);
  [[nodiscard]] std::string text_of(const FirstCause::Found& first) const;
  [[nodiscard]] std::string death_text(const FirstCause::Found& first) const;
  [[nodiscard]] std::string failure_text(const FirstCause::Found& first) const;
  [[nodiscard]] std::string loss_text(const FirstCause::Found& first) const;
  [[nodiscard]] std::string hang_text() const;

  const Plan& plan_;
  FirstCause causes_{};
  std::map<std::int64_t, HungRank> hung_ranks_{};           // by rank
  std::map<std::int64_t, std::string> last_kernel_line_{};  // by node
  std::int64_t hang_ns_ = 0;
};

}  // namespace grit

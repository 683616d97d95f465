// Who sent the values that ranks received wrong, by the examples that they told of.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "harness/model/plan.hpp"
#include "harness/model/verdict.hpp"
#include "harness/model/wrong_value.hpp"

namespace grit {

/// How probable it may be at most that a rank is named which sent nothing wrong.
inline constexpr double kWrongSender = 1e-3;

/// The rule. Every example leaves some ranks as its possible senders: of a sum, those of which one flipped bit explains
/// it (could_have_flipped()), if all ranks of the group received the same; of a copy its sender, and its receiver as
/// long as no other received it wrong, too. Whoever sent all of them is among the senders of each: so nobody else is
/// ever left alone, if all that is wrong is bits of one rank's data. If it is something else (the network, sums that
/// are wrong on the way, several ranks), the possible senders are as if they were drawn, and a rank is left by chance:
/// of n ranks with probability n · Π (possible senders / n) at most. A rank is named when it alone is left and this is
/// at most kWrongSender; where several are left, that it is one of them is said by the same bound; else nobody can
/// tell. Where no rank explains everything, each group is judged by itself, with that many times the probability.
class WrongValueReports {
 public:
  /// Takes events in their order; those that are none of these count for nothing.
  void take(const Json& event);

  /// Empty: nobody told of any. Not in it: WrongData::values and outside.
  [[nodiscard]] std::optional<WrongData> decide(const Plan& plan) const;

 private:
  /// Group, step, element, operation, type, source: the same value, whoever received it.
  using Key = std::tuple<std::uint16_t, std::uint32_t, std::uint64_t, CollectiveOperation, DataType, std::int32_t>;
  std::map<Key, std::map<int, std::uint32_t>> examples_{};  // the bits, by the rank that received them
};

}  // namespace grit

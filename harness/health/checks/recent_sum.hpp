// What came within the last so many seconds, from reading to reading.
#pragma once

#include <string>

#include "harness/health/check_memory.hpp"

namespace grit {

/// A sum that forgets: in the check's memory, in slots of a sixtieth of the time, so that it is kept for that much
/// longer at most.
class RecentSum {
 public:
  /// within_ns > 0.
  RecentSum(CheckMemory& memory, std::string name, std::int64_t within_ns);

  void add(std::int64_t amount);
  [[nodiscard]] std::int64_t sum() const;

 private:
  [[nodiscard]] std::string slot_name(std::int64_t slot) const;

  CheckMemory& memory_;
  std::string name_;
  std::int64_t slot_;  // of now, counted from the clock's zero
};

}  // namespace grit

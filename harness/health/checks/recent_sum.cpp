#include "harness/health/checks/recent_sum.hpp"

#include <fmt/format.h>

#include <algorithm>

namespace grit {
namespace {

constexpr std::int64_t kSlots = 61;  // 60 whole ones, and the one that fills

}  // namespace

RecentSum::RecentSum(CheckMemory& memory, std::string name, std::int64_t within_ns)
    : memory_(memory),
      name_(std::move(name)),
      slot_(memory.now_ns() / std::max<std::int64_t>(1, within_ns / (kSlots - 1))) {}

std::string RecentSum::slot_name(std::int64_t slot) const { return fmt::format("{} slot {}", name_, slot % kSlots); }

void RecentSum::add(std::int64_t amount) {
  if (amount == 0) return;
  const std::string name = slot_name(slot_);
  const bool same = memory_.find(name + " is") == slot_;
  memory_.keep(name, (same ? memory_.find(name).value_or(0) : 0) + amount);
  memory_.keep(name + " is", slot_);
}

std::int64_t RecentSum::sum() const {
  std::int64_t sum = 0;
  for (std::int64_t back = 0; back < kSlots && back <= slot_; ++back) {
    const std::string name = slot_name(slot_ - back);
    if (memory_.find(name + " is") == slot_ - back) sum += memory_.find(name).value_or(0);
  }
  return sum;
}

}  // namespace grit

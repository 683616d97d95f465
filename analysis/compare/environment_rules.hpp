// What of a machine's description may differ, how suspicious that is, and what differs always. The order is a judgement
// (analysis/compare/environment_diff.hpp).
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace grit {

struct DifferenceKind {
  std::string_view name;
  std::string_view why;  // it is where it is in the order
};
/// The most suspicious first.
inline constexpr std::array kDifferenceKinds{
    DifferenceKind{"machine", "another machine, or a part that came or went: everything below follows from it"},
    DifferenceKind{"kernel", "it schedules, interrupts and mitigates on every path of a step"},
    DifferenceKind{"driver or firmware",
                   "it is in the path of every step and changes with an update that nobody announced"},
    DifferenceKind{"clock and power", "it sets the pace of every rank"},
    DifferenceKind{"kernel setting", "it changes what memory, the scheduler and the network stack cost"},
    DifferenceKind{"NIC setting", "it changes what a collective costs"},
    DifferenceKind{"limit", "it throttles only when it is reached"},
    DifferenceKind{"library", "it changes what ranks execute"},
    DifferenceKind{"variable", "somebody set it on purpose; it tunes one library"},
    DifferenceKind{"other", "not known to change a step's time"}};
inline constexpr std::size_t kAnotherMachine = 0;

/// Place in kDifferenceKinds of a fact's path, as "nics.eth0.mtu_bytes".
std::size_t suspicion_of(std::string_view path);

/// What a launcher makes anew for every job: its numbers, addresses and times.
bool differs_always(std::string_view path);

/// Whose members come and go; of all others, one that is missing was not recorded.
bool is_collection(std::string_view key);

}  // namespace grit

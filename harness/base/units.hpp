// Quantities as people write them ("2s", "25MB", "30Gbit/s", "10%") and as the code holds them (ns, bytes, bit/s,
// fraction).
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// What a parameter measures, and the base unit in which its value is held:
/// integers for count, time (ns), bytes, size (bytes) and bits_per_s; doubles for number, fraction and flops_per_s;
/// text and boolean as such. A size is that of a packet or of a block of a disk, which everybody gives as a plain
/// number
/// ("an MTU of 1500").
enum class Unit { count, number, time_ns, bytes, size_bytes, bits_per_s, fraction, flops_per_s, text, boolean };

/// Are its values held as integers?
bool is_integer(Unit unit);

/// The name of a unit for people: "time", "bytes", "bit rate" ...
std::string_view unit_name(Unit unit);

/// A quantity in base units. Decimal prefixes are powers of 1000 (kB MB GB), binary ones of 1024 (KiB MiB GiB); b is
/// bit, B is byte (IEC 80000-13). A bare number is accepted for count, number and size (bytes) only, and 0 for every
/// unit. Error (usage): not a number, unknown suffix (with the nearest valid ones), negative, or does not fit.
Result<Json> parse_quantity(std::string_view text, Unit unit);

/// A base-unit value as people write it: shortest exact form ("1.5s", "25MB", "30Gbit/s", "10%").
std::string format_quantity(const Json& value, Unit unit);

/// "53 ms", "1.25 s", "870 µs": three significant digits, for reports and progress lines.
std::string format_duration(double duration_ns);

/// "1 pair", "3 pairs": for nouns whose plural is with s.
template <std::integral Count>
std::string plural(Count count, std::string_view noun) {
  return std::to_string(count).append(" ").append(noun).append(count == 1 ? "" : "s");
}

/// The candidate closest to a word by edit distance (Damerau), for "did you mean"; empty when none is near.
template <class Range>
std::string nearest_name(std::string_view word, const Range& candidates);
std::size_t edit_distance(std::string_view a, std::string_view b);

template <class Range>
std::string nearest_name(std::string_view word, const Range& candidates) {
  std::string best;
  std::size_t best_distance = word.size() / 2 + 2;
  for (const auto& candidate : candidates) {
    const std::size_t distance = edit_distance(word, candidate);
    if (distance < best_distance) best_distance = distance, best = std::string(candidate);
  }
  return best;
}

}  // namespace grit

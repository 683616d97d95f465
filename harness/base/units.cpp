#include "harness/base/units.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "harness/base/shortened.hpp"

namespace grit {
namespace {

/// One way to write a unit. A value is number × scale / 10^shift; only fractions use shift.
struct Suffix {
  std::string_view text;
  std::int64_t scale;
  bool written = false;  // format_quantity uses it; the others are only read
};

constexpr std::int64_t kK = 1'000, kM = kK * kK, kG = kM * kK, kT = kG * kK, kP = kT * kK;
constexpr std::int64_t kKi = 1 << 10, kMi = kKi << 10, kGi = kMi << 10, kTi = kGi << 10, kPi = kTi << 10;

// Largest first, decimal before binary: format_quantity takes the first of the shortest.
constexpr std::array kTime{Suffix{"s", kG, true},  Suffix{"ms", kM, true}, Suffix{"us", kK, true},
                           Suffix{"ns", 1, true},  Suffix{"µs", kK},       Suffix{"μs", kK},
                           Suffix{"min", 60 * kG}, Suffix{"h", 3600 * kG}};
constexpr std::array kBytes{Suffix{"PB", kP, true},   Suffix{"TB", kT, true},   Suffix{"GB", kG, true},
                            Suffix{"MB", kM, true},   Suffix{"kB", kK, true},   Suffix{"B", 1, true},
                            Suffix{"PiB", kPi, true}, Suffix{"TiB", kTi, true}, Suffix{"GiB", kGi, true},
                            Suffix{"MiB", kMi, true}, Suffix{"KiB", kKi, true}};
constexpr std::array kBitRate{Suffix{"Tbit/s", kT, true}, Suffix{"Gbit/s", kG, true}, Suffix{"Mbit/s", kM, true},
                              Suffix{"kbit/s", kK, true}, Suffix{"bit/s", 1, true},   Suffix{"Tb/s", kT},
                              Suffix{"Gb/s", kG},         Suffix{"Mb/s", kM},         Suffix{"kb/s", kK},
                              Suffix{"b/s", 1},           Suffix{"TB/s", 8 * kT},     Suffix{"GB/s", 8 * kG},
                              Suffix{"MB/s", 8 * kM},     Suffix{"kB/s", 8 * kK},     Suffix{"B/s", 8}};
constexpr std::array kFraction{Suffix{"%", 1, true}};
constexpr std::array kFlopRate{Suffix{"PFLOP/s", kP, true}, Suffix{"TFLOP/s", kT, true}, Suffix{"GFLOP/s", kG, true},
                               Suffix{"MFLOP/s", kM, true}, Suffix{"kFLOP/s", kK, true}, Suffix{"FLOP/s", 1, true},
                               Suffix{"PFLOPS", kP},        Suffix{"TFLOPS", kT},        Suffix{"GFLOPS", kG},
                               Suffix{"MFLOPS", kM}};

std::span<const Suffix> suffixes(Unit unit) {
  switch (unit) {
    case Unit::time_ns:
      return kTime;
    case Unit::bytes:
    case Unit::size_bytes:
      return kBytes;
    case Unit::bits_per_s:
      return kBitRate;
    case Unit::fraction:
      return kFraction;
    case Unit::flops_per_s:
      return kFlopRate;
    default:
      return {};
  }
}

std::string_view examples(Unit unit) {
  switch (unit) {
    case Unit::count:
      return "\"8\"";
    case Unit::number:
      return "\"0.5\"";
    case Unit::time_ns:
      return "\"500ms\" or \"2s\" (ns us ms s min h)";
    case Unit::bytes:
      return "\"25MB\" or \"64KiB\" (B kB MB GB TB PB KiB MiB GiB TiB PiB)";
    case Unit::size_bytes:
      return "1500 or \"64KiB\" (bytes, or B kB MB GB KiB MiB GiB)";
    case Unit::bits_per_s:
      return "\"30Gbit/s\" or \"2GB/s\" (bit/s kbit/s Mbit/s Gbit/s Tbit/s, or B/s kB/s MB/s GB/s TB/s)";
    case Unit::fraction:
      return "\"10%\"";
    case Unit::flops_per_s:
      return "\"1TFLOP/s\" (FLOP/s kFLOP/s MFLOP/s GFLOP/s TFLOP/s PFLOP/s)";
    case Unit::boolean:
      return "\"true\" or \"false\"";
    case Unit::text:
      return "some text";
  }
  return "";
}

/// A decimal number as written: digits × 10^exponent, without leading or trailing zeros.
struct Decimal {
  std::string digits;
  int exponent = 0;
};

Decimal strip_zeros(Decimal decimal) {
  const auto first = decimal.digits.find_first_not_of('0');
  if (first == std::string::npos) return {"0", 0};
  decimal.digits.erase(0, first);
  while (decimal.digits.back() == '0') decimal.digits.pop_back(), ++decimal.exponent;
  return decimal;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes a number off the front of text; nothing when there is none.
std::optional<Decimal> take_decimal(std::string_view& text) {
  Decimal decimal;
  std::size_t at = 0;
  const auto take_digits = [&] {
    for (; at < text.size() && is_digit(text[at]); ++at) decimal.digits += text[at];
  };
  take_digits();
  if (at < text.size() && text[at] == '.') {
    const std::size_t before = decimal.digits.size();
    ++at;
    take_digits();
    decimal.exponent = -static_cast<int>(decimal.digits.size() - before);
  }
  if (decimal.digits.empty()) return std::nullopt;
  // "1e6" is a number; the e of an unknown suffix is not an exponent.
  const std::size_t sign = at + 1 < text.size() && (text[at + 1] == '-' || text[at + 1] == '+') ? 1 : 0;
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E') && at + 1 + sign < text.size() &&
      is_digit(text[at + 1 + sign])) {
    int exponent = 0;
    const char* begin = text.data() + at + (text[at + 1] == '+' ? 2 : 1);
    const auto [end, error] = std::from_chars(begin, text.data() + text.size(), exponent);
    if (error != std::errc{} || std::abs(exponent) > 400) return std::nullopt;
    decimal.exponent += exponent;
    at = static_cast<std::size_t>(end - text.data());
  }
  text.remove_prefix(at);
  return strip_zeros(std::move(decimal));
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

/// The suffix most likely meant: the same in other letters' case ("KB", "gbit/s"), or else the longest with which the
/// word begins ("min" of "minutes") or that begins with it ("Gbit/s" of "G"), or else the nearest; none when there is
/// none of whose letters one is right.
std::string likely_suffix(std::string_view text, Unit unit) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  const auto same_letter = [&](char a, char b) { return lower(a) == lower(b); };
  std::vector<std::string_view> names;
  std::string_view beginning, longer;
  for (const Suffix& known : suffixes(unit)) {
    if (std::ranges::equal(known.text, text, same_letter)) return std::string(known.text);
    if (text.starts_with(known.text) && known.text.size() > beginning.size()) beginning = known.text;
    if (known.text.starts_with(text) && longer.empty()) longer = known.text;
    names.push_back(known.text);
  }
  if (!beginning.empty()) return std::string(beginning);
  if (!longer.empty()) return std::string(longer);
  const std::string nearest = nearest_name(text, names);
  return edit_distance(text, nearest) < nearest.size() ? nearest : "";
}

Failure bad_quantity(std::string_view text, Unit unit, std::string_view why) {
  return usage_error(fmt::format("\"{}\" is not valid as {}: {}; write for example {}", shortened(text),
                                 unit_name(unit), why, examples(unit)));
}

/// decimal × scale as an exact integer; nothing when it has a fractional part or does not fit.
std::optional<std::int64_t> exact_integer(const Decimal& decimal, std::int64_t scale) {
  __extension__ using Wide = __int128;
  constexpr Wide kLimit = std::numeric_limits<std::int64_t>::max();
  if (decimal.digits == "0") return 0;
  if (decimal.digits.size() > 19) return std::nullopt;
  Wide value = 0;
  for (const char digit : decimal.digits) value = value * 10 + (digit - '0');
  value *= scale;
  for (int i = 0; i < decimal.exponent; ++i) {
    value *= 10;
    if (value > kLimit) return std::nullopt;
  }
  for (int i = 0; i > decimal.exponent; --i) {
    if (value % 10 != 0) return std::nullopt;
    value /= 10;
  }
  if (value > kLimit) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

/// The double nearest to decimal × 10^shift, so that "7%" is exactly the literal 0.07.
std::optional<double> nearest_double(const Decimal& decimal, int shift) {
  const std::string text = decimal.digits + "e" + std::to_string(decimal.exponent + shift);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

Result<Json> scaled(std::string_view text, Unit unit, const Decimal& decimal, std::int64_t scale) {
  if (is_integer(unit)) {
    const auto value = exact_integer(decimal, scale);
    if (!value) return bad_quantity(text, unit, "it is too large, or not a whole number of the smallest unit");
    return Json(*value);
  }
  const int shift = unit == Unit::fraction ? -2 : static_cast<int>(std::lround(std::log10(static_cast<double>(scale))));
  const auto value = nearest_double(decimal, shift);
  if (!value) return bad_quantity(text, unit, "it does not fit a double");
  return Json(*value);
}

/// digits × 10^exponent without an exponent: "0.0015", "25", "1.5".
std::string plain(const Decimal& decimal) {
  const auto length = static_cast<int>(decimal.digits.size());
  if (decimal.exponent >= 0) return decimal.digits + std::string(static_cast<std::size_t>(decimal.exponent), '0');
  const int point = length + decimal.exponent;
  if (point <= 0) return "0." + std::string(static_cast<std::size_t>(-point), '0') + decimal.digits;
  return decimal.digits.substr(0, static_cast<std::size_t>(point)) + "." +
         decimal.digits.substr(static_cast<std::size_t>(point));
}

/// The shortest decimal that reads back as the same double.
Decimal decimal_of(double value) {
  std::array<char, 32> buffer{};
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, std::chars_format::scientific);
  std::string_view text(buffer.data(), static_cast<std::size_t>(end.ptr - buffer.data()));
  return take_decimal(text).value_or(Decimal{"0", 0});
}

std::string format_integer(std::int64_t value, Unit unit) {
  std::string best;
  for (const Suffix& suffix : suffixes(unit)) {
    const bool smallest = suffix.scale == 1;
    if (!suffix.written || (value < suffix.scale && !smallest)) continue;
    const bool binary = suffix.text.find('i') == 1;
    if (binary && value % suffix.scale != 0) continue;
    Decimal number = strip_zeros({std::to_string(binary ? value / suffix.scale : value), 0});
    if (!binary && number.digits != "0") {
      for (std::int64_t scale = suffix.scale; scale > 1; scale /= 10) --number.exponent;
    }
    std::string text = plain(number) + std::string(suffix.text);
    if (best.empty() || text.size() < best.size()) best = std::move(text);
  }
  return best;
}

std::string format_double(double value, Unit unit) {
  Decimal decimal = decimal_of(value);
  if (unit == Unit::fraction) {
    if (decimal.digits != "0") decimal.exponent += 2;
    return plain(decimal) + "%";
  }
  if (unit == Unit::number) return plain(decimal);
  for (const Suffix& suffix : suffixes(unit)) {
    if (value < static_cast<double>(suffix.scale) && suffix.scale != 1) continue;
    for (std::int64_t scale = suffix.scale; scale > 1; scale /= 10) --decimal.exponent;
    return plain(decimal) + std::string(suffix.text);
  }
  return plain(decimal);
}

}  // namespace

bool is_integer(Unit unit) {
  return unit == Unit::count || unit == Unit::time_ns || unit == Unit::bytes || unit == Unit::size_bytes ||
         unit == Unit::bits_per_s;
}

std::string_view unit_name(Unit unit) {
  switch (unit) {
    case Unit::count:
      return "count";
    case Unit::number:
      return "number";
    case Unit::time_ns:
      return "time";
    case Unit::bytes:
      return "bytes";
    case Unit::size_bytes:
      return "size";
    case Unit::bits_per_s:
      return "bit rate";
    case Unit::fraction:
      return "fraction";
    case Unit::flops_per_s:
      return "FLOP rate";
    case Unit::text:
      return "text";
    case Unit::boolean:
      return "boolean";
  }
  return "";
}

Result<Json> parse_quantity(std::string_view text, Unit unit) {
  if (unit == Unit::text) return Json(std::string(text));
  std::string_view rest = trim(text);
  if (unit == Unit::boolean) {
    if (rest == "true" || rest == "false") return Json(rest == "true");
    return bad_quantity(text, unit, "it is neither true nor false");
  }
  if (rest.starts_with('-')) return bad_quantity(text, unit, "it is negative");
  const auto decimal = take_decimal(rest);
  if (!decimal) return bad_quantity(text, unit, "it does not begin with a number");
  const std::string_view suffix = trim(rest);
  const bool bare = unit == Unit::count || unit == Unit::number;
  if (suffix.empty()) {
    if (bare || unit == Unit::size_bytes || decimal->digits == "0") return scaled(text, unit, *decimal, 1);
    return bad_quantity(text, unit, "its unit is missing");
  }
  if (bare)
    return bad_quantity(text, unit, fmt::format("nothing may follow the number, but \"{}\" does", shortened(suffix)));

  for (const Suffix& known : suffixes(unit)) {
    if (known.text == suffix) return scaled(text, unit, *decimal, known.scale);
  }
  const std::string nearest = likely_suffix(suffix, unit);
  return bad_quantity(text, unit,
                      nearest.empty() ? fmt::format("unknown unit \"{}\"", shortened(suffix))
                                      : fmt::format("unknown unit \"{}\", did you mean \"{}\"?", suffix, nearest));
}

std::string format_quantity(const Json& value, Unit unit) {
  switch (unit) {
    case Unit::text:
      return value.is_string() ? value.get<std::string>() : json_text(value);
    case Unit::boolean:
      return json_text(value);
    case Unit::count:
      return json_text(value);
    case Unit::size_bytes:  // an MTU is a number of four digits to everybody
      if (value.is_number() && value.get<std::int64_t>() < 10'000) return json_text(value);
      [[fallthrough]];
    case Unit::time_ns:
    case Unit::bytes:
    case Unit::bits_per_s:
      return value.is_number() ? format_integer(value.get<std::int64_t>(), unit) : json_text(value);
    case Unit::number:
    case Unit::fraction:
    case Unit::flops_per_s:
      return value.is_number() ? format_double(value.get<double>(), unit) : json_text(value);
  }
  return json_text(value);
}

std::string format_duration(double duration_ns) {
  struct Step {
    double scale;
    double until;  // in ns, where the next larger unit takes over
    std::string_view name;
  };
  constexpr double kNever = std::numeric_limits<double>::infinity();
  // 0.9995 of a unit already rounds up to it at three digits.
  constexpr std::array kSteps{Step{1, 0.9995e3, "ns"}, Step{1e3, 0.9995e6, "µs"}, Step{1e6, 0.9995e9, "ms"},
                              Step{1e9, 120e9, "s"},   Step{60e9, 7200e9, "min"}, Step{3600e9, kNever, "h"}};
  if (!std::isfinite(duration_ns)) return "unknown";
  const double magnitude = std::abs(duration_ns);
  for (const Step& step : kSteps) {
    if (magnitude >= step.until) continue;
    const double value = duration_ns / step.scale;
    const double size = std::abs(value);
    const int decimals = size >= 99.95 ? 0 : size >= 9.995 ? 1 : 2;
    std::string number = fmt::format("{:.{}f}", value, decimals);
    if (number.find('.') != std::string::npos) {
      number.erase(number.find_last_not_of('0') + 1);
      if (number.back() == '.') number.pop_back();
    }
    return fmt::format("{} {}", number == "-0" ? "0" : number, step.name);
  }
  return "unknown";
}

// Optimal string alignment: insertions, deletions, substitutions and swaps of neighbours (Damerau 1964).
std::size_t edit_distance(std::string_view a, std::string_view b) {
  constexpr std::size_t kLongestName = 256;  // what is longer is no misspelt name, and the table would be large
  if (std::max(a.size(), b.size()) > kLongestName) return std::max(a.size(), b.size());
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substitution = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, substitution});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace grit

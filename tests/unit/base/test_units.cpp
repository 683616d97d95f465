#include <cmath>
#include <string>
#include <vector>

#include "harness/base/shortened.hpp"
#include "harness/base/units.hpp"
#include "tests/catch.hpp"

using grit::Json;
using grit::Unit;

namespace {

Json parsed(std::string_view text, Unit unit) {
  const auto value = grit::parse_quantity(text, unit);
  INFO(text);
  REQUIRE(value.has_value());
  return *value;
}

std::string error_of(std::string_view text, Unit unit) {
  const auto value = grit::parse_quantity(text, unit);
  INFO(text);
  REQUIRE_FALSE(value.has_value());
  CHECK(value.error().kind == grit::ErrorKind::usage);
  return value.error().message;
}

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("quantities are held in base units") {
  CHECK(parsed("2s", Unit::time_ns) == 2'000'000'000);
  CHECK(parsed("1.5 ms", Unit::time_ns) == 1'500'000);
  CHECK(parsed(" 870µs ", Unit::time_ns) == 870'000);
  CHECK(parsed("2min", Unit::time_ns) == 120'000'000'000);
  CHECK(parsed("25MB", Unit::bytes) == 25'000'000);
  CHECK(parsed("64KiB", Unit::bytes) == 65'536);
  CHECK(parsed("1.5KiB", Unit::bytes) == 1'536);
  CHECK(parsed("1000", Unit::size_bytes) == 1000);  // an MTU is a number to everybody
  CHECK(parsed("1.5kB", Unit::size_bytes) == 1500);
  CHECK(parsed("30Gbit/s", Unit::bits_per_s) == 30'000'000'000);
  CHECK(parsed("2GB/s", Unit::bits_per_s) == 16'000'000'000);
  CHECK(parsed("1TFLOP/s", Unit::flops_per_s) == 1e12);
  CHECK(parsed("8", Unit::count) == 8);
  CHECK(parsed("1e6", Unit::count) == 1'000'000);
  CHECK(parsed("0.5", Unit::number) == 0.5);
  CHECK(parsed("true", Unit::boolean) == true);
  CHECK(parsed("any text", Unit::text) == "any text");
}

TEST_CASE("integers stay integers and fractions are the nearest double") {
  CHECK(parsed("1s", Unit::time_ns).is_number_integer());
  CHECK(parsed("9223372036854775807", Unit::count) == INT64_MAX);
  CHECK(parsed("7%", Unit::fraction).get<double>() == 0.07);
  CHECK(parsed("0.1%", Unit::fraction).get<double>() == 0.001);
}

TEST_CASE("zero needs no unit, everything else does") {
  for (const Unit unit : {Unit::time_ns, Unit::bytes, Unit::bits_per_s, Unit::fraction, Unit::flops_per_s}) {
    CHECK(parsed("0", unit) == 0);
    const std::string message = error_of("3", unit);
    CHECK(contains(message, "unit is missing"));
    CHECK(contains(message, "write for example"));
  }
}

TEST_CASE("a wrong quantity says what is wrong and what would be right") {
  CHECK(contains(error_of("5sec", Unit::time_ns), "unknown unit \"sec\", did you mean \"s\""));
  CHECK(contains(error_of("2 hours", Unit::time_ns), "did you mean \"h\""));
  CHECK(contains(error_of("2minutes", Unit::time_ns), "did you mean \"min\""));
  CHECK(contains(error_of("400G", Unit::bits_per_s), "did you mean \"Gbit/s\""));
  CHECK(contains(error_of("50s", Unit::fraction), "unknown unit \"s\"; write for example"));
  CHECK(contains(error_of("25mb", Unit::bytes), "did you mean \"MB\""));
  CHECK(contains(error_of("3gbit/s", Unit::bits_per_s), "did you mean \"Gbit/s\""));
  CHECK(contains(error_of("1KB", Unit::bytes), "did you mean \"kB\""));
  CHECK(contains(error_of("-1s", Unit::time_ns), "negative"));
  CHECK(contains(error_of("soon", Unit::time_ns), "does not begin with a number"));
  CHECK(contains(error_of("", Unit::count), "does not begin with a number"));
  CHECK(contains(error_of(".", Unit::number), "does not begin with a number"));
  CHECK(contains(error_of("8 steps", Unit::count), "nothing may follow"));
  CHECK(contains(error_of("yes", Unit::boolean), "neither true nor false"));
}

TEST_CASE("what cannot be held exactly is refused") {
  error_of("1.5", Unit::count);
  error_of("0.5ns", Unit::time_ns);
  error_of("0.1KiB", Unit::bytes);
  error_of("9223372036854775808", Unit::count);
  error_of("300000h", Unit::count);
  error_of("10000000h", Unit::time_ns);
  error_of("99999999999999999999999999", Unit::count);
  error_of("1e99999", Unit::number);
  error_of("1e399", Unit::number);
}

TEST_CASE("quantities are written in the shortest exact way") {
  CHECK(grit::format_quantity(1'500'000'000, Unit::time_ns) == "1.5s");
  CHECK(grit::format_quantity(90'000'000'000, Unit::time_ns) == "90s");
  CHECK(grit::format_quantity(0, Unit::time_ns) == "0ns");
  CHECK(grit::format_quantity(25'000'000, Unit::bytes) == "25MB");
  CHECK(grit::format_quantity(65'536, Unit::bytes) == "64KiB");
  CHECK(grit::format_quantity(9'000, Unit::size_bytes) == "9000");
  CHECK(grit::format_quantity(1 << 20, Unit::size_bytes) == "1MiB");
  CHECK(grit::format_quantity(30'000'000'000, Unit::bits_per_s) == "30Gbit/s");
  CHECK(grit::format_quantity(0.07, Unit::fraction) == "7%");
  CHECK(grit::format_quantity(1e12, Unit::flops_per_s) == "1TFLOP/s");
  CHECK(grit::format_quantity(true, Unit::boolean) == "true");
  CHECK(grit::format_quantity("data", Unit::text) == "data");
}

TEST_CASE("what is written reads back as the same value") {
  const std::vector<std::int64_t> integers{0,         1,       999,         1000,          1023,          1024,
                                           1'048'576, 1 << 20, 123'456'789, 1'000'000'007, 5'000'000'000, INT64_MAX};
  for (const Unit unit : {Unit::count, Unit::time_ns, Unit::bytes, Unit::bits_per_s}) {
    for (const std::int64_t value : integers) {
      INFO(grit::format_quantity(value, unit));
      CHECK(parsed(grit::format_quantity(value, unit), unit) == value);
    }
  }
  for (const Unit unit : {Unit::number, Unit::fraction, Unit::flops_per_s}) {
    for (const double value : {0.0, 0.07, 0.1, 1.0 / 3, 1.0, 12.5, 1e12, 3.3e15, 1e-6}) {
      INFO(grit::format_quantity(value, unit));
      CHECK(parsed(grit::format_quantity(value, unit), unit).get<double>() == value);
    }
  }
}

TEST_CASE("durations have three significant digits") {
  CHECK(grit::format_duration(53e6) == "53 ms");
  CHECK(grit::format_duration(1.25e9) == "1.25 s");
  CHECK(grit::format_duration(870e3) == "870 µs");
  CHECK(grit::format_duration(12'345) == "12.3 µs");
  CHECK(grit::format_duration(0) == "0 ns");
  CHECK(grit::format_duration(999'999) == "1 ms");
  CHECK(grit::format_duration(-2.5e6) == "-2.5 ms");
  CHECK(grit::format_duration(90e9) == "90 s");
  CHECK(grit::format_duration(600e9) == "10 min");
  CHECK(grit::format_duration(NAN) == "unknown");
}

TEST_CASE("edit distance counts a swap of neighbours as one") {
  CHECK(grit::edit_distance("dwon", "down") == 1);
  CHECK(grit::edit_distance("", "abc") == 3);
  CHECK(grit::edit_distance("kitten", "sitting") == 3);
  CHECK(grit::edit_distance("same", "same") == 0);
}

TEST_CASE("the nearest name is near or none") {
  const std::vector<std::string> names{"link_flap", "link_down", "clock_skew"};
  CHECK(grit::nearest_name("link_flop", names) == "link_flap");
  CHECK(grit::nearest_name("lnik_down", names) == "link_down");
  CHECK(grit::nearest_name("zz", names).empty());
  CHECK(grit::nearest_name(std::string(1 << 20, 'l'), names).empty());  // and that at once
}

TEST_CASE("a noun has its plural for all counts but one") {
  CHECK(grit::plural(1, "pair") == "1 pair");
  CHECK(grit::plural(std::size_t{0}, "pair") == "0 pairs");
  CHECK(grit::plural(std::int64_t{12}, "whole block") == "12 whole blocks");
}

TEST_CASE("what was typed is repeated up to 60 bytes, in whole characters") {
  CHECK(grit::shortened(std::string(60, 'a')) == std::string(60, 'a'));
  CHECK(grit::shortened(std::string(61, 'a')) == std::string(60, 'a') + "... (61 bytes)");
  std::string umlauts = "x";
  for (int i = 0; i < 40; ++i) umlauts += "ä";
  CHECK(grit::shortened(umlauts) == umlauts.substr(0, 59) + "... (81 bytes)");
  const auto refused = grit::parse_quantity(std::string(1 << 20, '7') + "s", grit::Unit::time_ns);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().message.size() < 300);
}

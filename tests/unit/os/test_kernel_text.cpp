#include <fstream>

#include "harness/os/kernel_text.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;

TEST_CASE("kernel_text: only a whole number is a number") {
  CHECK(whole_number("42\n") == 42);
  CHECK(whole_number(" -7\t") == -7);
  CHECK(whole_number("9223372036854775807") == 9223372036854775807);
  for (const char* no : {"", "\n", "18446744073709551615", "1.5", "0x10", "12 kB", "- 1", "\xff\xfe", "one"})
    CHECK_FALSE(whole_number(no));
  CHECK(hex_number("0xFFff\n") == 0xffff);
  CHECK(hex_number("10de") == 0x10de);
  for (const char* no : {"", "0x", "ffffffffffffffff", "0xg"}) CHECK_FALSE(hex_number(no));
}

TEST_CASE("kernel_text: lines and words, with and without a last line end") {
  using Texts = std::vector<std::string_view>;
  CHECK(lines_of("a b\n\nc") == Texts{"a b", "", "c"});
  CHECK(lines_of("a\n") == Texts{"a"});
  CHECK(lines_of("").empty());
  CHECK(words_of("  Node 0,\tzone \n") == Texts{"Node", "0,", "zone"});
  CHECK(words_of(" \t ").empty());
}

TEST_CASE("kernel_text: a file that is not there, is a directory, or has no line end") {
  const test::TempDirectory directory;
  CHECK(first_line(directory.path() / "none").empty());
  CHECK(first_line(directory.path()).empty());
  CHECK_FALSE(number_in(directory.path() / "none"));
  std::ofstream(directory.path() / "b") << "17";
  std::ofstream(directory.path() / "a") << std::string(100'000, 'x');
  CHECK(number_in(directory.path() / "b") == 17);
  CHECK(first_line(directory.path() / "a").size() == 4096);
  CHECK(entries_of(directory.path()) == std::vector<std::string>{"a", "b"});
  CHECK(entries_of(directory.path() / "none").empty());
}

#include <array>
#include <cstdio>

#include "harness/base/shell_words.hpp"
#include "tests/catch.hpp"

using namespace grit;

TEST_CASE("what a shell makes of a command's words is the words") {
  const std::vector<std::string> words{
      "printf",      "%s|",  "plain",           "two words",   "text=NVRM: Xid (PCI:0000:81:00.0): 79",
      "it's",        "\"\"", "$(reboot) `id`",  "a;b&c|d>e",   "~/x",
      "down=1500ms", "",     "*?[a]{b,c}!#\\n", "line\nbreak", "gr\xc3\xbc\xc3\x9f"};
  std::string wanted;
  for (std::size_t i = 2; i < words.size(); ++i) wanted += words[i] + "|";
  const std::string command = shell_command(words);
  CAPTURE(command);
  FILE* shell = ::popen(command.c_str(), "r");
  REQUIRE(shell != nullptr);
  std::array<char, 1000> said{};
  const std::size_t size = std::fread(said.data(), 1, said.size(), shell);
  CHECK(::pclose(shell) == 0);
  CHECK(std::string(said.data(), size) == wanted);
}

TEST_CASE("words that need no quotation marks have none") {
  CHECK(shell_command(std::vector<std::string>{"grit", "run", "scenarios/link_flap.lua", "--set", "down=2s"}) ==
        "grit run scenarios/link_flap.lua --set down=2s");
  CHECK(shell_word("x=~/y") == "'x=~/y'");
}

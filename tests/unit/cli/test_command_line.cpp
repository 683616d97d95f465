// What grit says of command lines that it cannot read.
#include <filesystem>

#include "harness/cli/cli.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

namespace grit {
namespace {

using Catch::Matchers::Contains;
using Words = std::vector<std::string>;

/// The error's text; empty when the words can be read.
std::string refusal(const Words& words) {
  const auto action = parse_command_line(words);
  if (action) return {};
  CHECK(action.error().kind == ErrorKind::usage);
  return action.error().message;
}

TEST_CASE("a number on the command line is decimal digits within its range, or is refused by name, value and range") {
  struct Option {
    Words before;
    std::string name;
    std::string range;
    std::string below, above, good;
  };
  const std::vector<Option> options{
      {{"run", "a.lua"}, "--seed", "0 to 18446744073709551615", "-1", "18446744073709551616", "18446744073709551615"},
      {{"plan", "a.lua"}, "--nodes", "2 to 64", "1", "65", "64"},
      {{"plan", "a.lua"}, "--ranks-per-node", "1 to 96", "0", "97", "2"},
      {{"replay", "a"}, "--max-victims", "1 to 1000000", "0", "1000001", "5"},
      {{"plan", "a.lua"}, "--pairs", "1 to 1000", "0", "1001", "2"},
      {{"doctor"}, "--port", "1 to 65535", "0", "65536", "4711"},
      {{"report", "a", "--jobs", "8:1%"}, "--fleet", "1 to 1000000000", "0", "1000000001", "8192"},
      {{"report", "a", "--jobs", "8:1%", "--fleet", "8"}, "--bad-nodes", "1 to 1000000000", "-1", "1e3", "2"},
      {{"report", "a", "--jobs", "8:1%", "--fleet", "8"}, "--gpus-per-node", "1 to 1000000000", "0", "8.5", "4"},
  };
  for (const Option& option : options) {
    for (const std::string& bad : {option.below, option.above, std::string("0x10"), std::string("7 "),
                                   std::string("+3"), std::string("99999999999999999999999"), std::string("many")}) {
      CAPTURE(option.name, bad);
      Words words = option.before;
      words.insert(words.end(), {option.name, bad});
      CHECK_THAT(refusal(words), Contains(option.name + ": \"" + bad + "\"") && Contains(option.range));
    }
    Words words = option.before;
    words.insert(words.end(), {option.name, option.good});
    CHECK(refusal(words).empty());
  }
}

TEST_CASE("no argument is empty, and none is longer than a path") {
  CHECK_THAT(refusal({"plan", "a.lua", "--seed", ""}), Contains("argument 4 is empty (after --seed)"));
  CHECK_THAT(refusal({""}), Contains("argument 1 is empty"));
  CHECK_THAT(refusal({"report", "a", "--jobs", ""}), Contains("is empty"));
  CHECK_THAT(refusal({"run", std::string(5000, 'a')}), Contains("longer than 4096 bytes"));
}

TEST_CASE("a message repeats no more than the beginning of what was typed") {
  for (const std::size_t size : {std::size_t{4000}, std::size_t{1} << 20}) {
    const std::string huge(size, '9');
    for (const Words& words :
         {Words{"plan", "a.lua", "--seed", huge}, Words{"plan", "a.lua", "--seed=" + huge}, Words{huge},
          Words{"run", "a.lua", huge}, Words{"run", "a.lua", "--" + huge}, Words{"list", huge}, Words{huge, "run"},
          Words{"run", "a.lua", "--json=" + huge}, Words{"resume", "a", "--cut-off", huge}, Words{"-" + huge}}) {
      const std::string said = refusal(words);
      CAPTURE(words.size() > 1 ? words[1].substr(0, 20) : words[0].substr(0, 20), said.substr(0, 200));
      CHECK(said.size() < 600);
      CHECK_FALSE(said.empty());
    }
  }
}

TEST_CASE("a command line that cannot be read says what was taken for what, what is near, and where help is") {
  struct Case {
    Words words;
    std::vector<std::string> says;
  };
  const std::vector<Case> cases{
      {{}, {"grit run scenarios/link_flap.lua", "grit --help"}},
      {{"rnu", "a.lua"}, {"no command rnu", "did you mean run?", "grit --help"}},
      {{"help"}, {"no command help", "--help?"}},
      {{"--verson"}, {"no option --verson", "did you mean --version?"}},
      {{"a.lua"}, {"the command comes before the scenario", "grit run a.lua"}},
      {{"a.lua", "run"}, {"before the command belongs after it, a.lua:", "grit run a.lua", "grit run --help"}},
      {{"--seed", "7", "run", "a.lua"}, {"belongs after it, --seed 7:", "grit run a.lua --seed 7"}},
      {{"run", "node=2", "a.lua"}, {"no place for \"a.lua\"", "took \"node=2\" for the scenario", "--set node=2"}},
      {{"run", "4", "a.lua"}, {"no place for \"a.lua\"", "took \"4\" for the scenario"}},
      {{"run", "--set", "a.lua"}, {"grit run needs a scenario", "took \"a.lua\" for --set"}},
      {{"run"}, {"grit run needs a scenario", "grit run --help"}},
      {{"report", "--steps", "a"}, {"grit report needs a run", "took \"a\" for --steps"}},
      {{"run", "a.lua", "--otu", "x"}, {"grit run has no option --otu", "did you mean --out?"}},
      {{"run", "a.lua", "--otu=x"}, {"no option --otu;", "did you mean --out?"}},
      {{"run", "a.lua", "--out"}, {"--out needs a value: the run directory"}},
      {{"run", "a.lua", "--seed", "1", "--seed", "2"}, {"--seed is given 2 times"}},
      {{"run", "a.lua", "--json=x"}, {"--json takes no value"}},
      {{"run", "a.lua", "--allow-management=0"}, {"--allow-management takes no value"}},
      {{"doctor", "all"}, {"grit doctor has no place for \"all\"", "takes options only"}},
      {{"list", "fault"}, {"\"fault\" is none of faults, workloads, checks"}},
      {{"report", "a", "--fleet", "8"}, {"--fleet requires --jobs"}},
  };
  for (const Case& one : cases) {
    const std::string said = refusal(one.words);
    CAPTURE(said);
    for (const std::string& words : one.says) CHECK_THAT(said, Contains(words));
    CHECK(said.find('\n') == std::string::npos);
    CHECK(said.find("?.") == std::string::npos);
  }
}

TEST_CASE("what grit starts itself says so when somebody types it") {
  for (const Words& words :
       {Words{"agent"}, Words{"recorder"}, Words{"rank"}, Words{"rank", "runs/x"}, Words{"rank", "runs/x", "0"}}) {
    const auto action = parse_command_line(words);
    REQUIRE(action);
    const auto code = (*action)();
    REQUIRE_FALSE(code);
    CHECK(code.error().kind == ErrorKind::usage);
    CHECK_THAT(code.error().message, Contains("itself") && Contains("grit run SCENARIO"));
  }
}

TEST_CASE("what a command asks of its options when it is done is still there") {
  const std::string run = std::string(GRIT_SOURCE_DIR) + "/tests/data/29e12f6/link_flap";
  const test::TempDirectory place;
  std::filesystem::copy(run, place.path() / "run", std::filesystem::copy_options::recursive);
  const auto csv = place.path() / "run" / "csv";
  for (const bool asked : {false, true}) {
    Words words{"report", (place.path() / "run").string()};
    if (asked) words.push_back("--csv");
    const auto action = parse_command_line(words);
    REQUIRE(action);
    REQUIRE((*action)());
    CHECK(std::filesystem::exists(csv) == asked);
  }
}

TEST_CASE("what is to be reverted and is not there is an error, not nothing to do") {
  for (const Words& words :
       {Words{"revert", "--directory", "/proc/no/such"}, Words{"revert", "--journal", "/proc/none"},
        Words{"revert", "--directory", "/proc/version"}}) {
    const auto action = parse_command_line(words);
    REQUIRE(action);
    const auto code = (*action)();
    REQUIRE_FALSE(code);
    CHECK(code.error().kind == ErrorKind::usage);
    CHECK_THAT(code.error().message, Contains("there is no") && Contains(words[2]));
  }
}

TEST_CASE("help and version are no errors") {
  for (const Words& words : {Words{"--help"}, Words{"run", "--help"}, Words{"--version"}, Words{"run", "a.lua"}})
    CHECK(refusal(words).empty());
}

}  // namespace
}  // namespace grit

// What grit makes of command lines, and what it says of those that it cannot read.
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "harness/base/files.hpp"
#include "harness/base/json.hpp"
#include "harness/cli/cli.hpp"
#include "harness/model/format.hpp"
#include "harness/record/latest_run.hpp"
#include "harness/run/series.hpp"
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

TEST_CASE("what grit check writes for a node exporter can be read by its user, whatever the umask") {
  const test::TempDirectory directory;
  const std::string file = (directory.path() / "grit.prom").string();
  auto action = parse_command_line(Words{"check", "clock", "--openmetrics", file});
  REQUIRE(action);
  const mode_t before = ::umask(077);
  const auto checked = (*action)();
  ::umask(before);
  REQUIRE(checked);
  struct stat found {};
  REQUIRE(::stat(file.c_str(), &found) == 0);
  CHECK((found.st_mode & 07777) == 0644);
  CHECK_THAT(read_file(file).value_or(""), Contains("grit_check_severity"));
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
      {{"compare", "a", "b", "--jobs", "8:1%"}, "--fleet", "1 to 1000000000", "0", "1000000001", "8192"},
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
      {{"run", "--jsno", "a.lua"}, {"grit run needs a scenario", "took \"jsno=a.lua\" for --set", "mean --json?"}},
      {{"run", "a.lua", "--jsno", "-n", "4"}, {"no option --jsno", "did you mean --json?"}},
      {{"replay", "--out", "a"}, {"grit replay needs a run", "took \"a\" for --out"}},
      {{"report", "a", "--otu", "x"}, {"grit report has no option --otu"}},
      {{"run", "a.lua", "--jsno"}, {"grit run has no option --jsno", "did you mean --json?"}},
      {{"run", "a.lua", "--out"}, {"--out needs a value: the run directory"}},
      {{"run", "a.lua", "--seed", "1", "--seed", "2"}, {"--seed is given 2 times"}},
      {{"run", "a.lua", "--json=x"}, {"--json takes no value"}},
      {{"run", "a.lua", "--allow-management=0"}, {"--allow-management takes no value"}},
      {{"doctor", "all"}, {"grit doctor has no place for \"all\"", "takes options only"}},
      {{"list", "fault"}, {"\"fault\" is none of faults, workloads, checks, scenarios"}},
      {{"report", "a", "--fleet", "8"}, {"--fleet requires --jobs"}},
      {{"compare", "a", "b", "--fleet", "8"}, {"--fleet requires --jobs"}},
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

TEST_CASE("root goes on with no burn-in that others can write, whatever is in it") {
  if (::geteuid() != 0) return test::skip("only root is kept from what others can write");
  const test::TempDirectory place;
  std::ofstream(place.path() / "burnin.jsonl") << "no log at all\n";
  const auto refused = [&] {
    const auto action = parse_command_line(Words{"resume", place.path().string()});
    REQUIRE(action);
    const auto code = (*action)();
    REQUIRE_FALSE(code);
    CHECK(code.error().kind == ErrorKind::usage);
    return code.error().message;
  };
  CHECK_THAT(refused(), Contains("not the directory of a burn-in"));
  std::filesystem::permissions(place.path(), std::filesystem::perms(0777));
  CHECK_THAT(refused(), Contains("others can write to"));
}

TEST_CASE("what only a burn-in can be asked for is refused of what is none") {
  const test::TempDirectory place;
  for (const Words& asked : {Words{"--apply-drain"}, Words{"--save-reference", "reference.json"}}) {
    Words words{"resume", place.path().string()};
    words.insert(words.end(), asked.begin(), asked.end());
    const auto action = parse_command_line(words);
    REQUIRE(action);
    const auto code = (*action)();
    REQUIRE_FALSE(code);
    CHECK(code.error().kind == ErrorKind::usage);
    CHECK_THAT(code.error().message, Contains(asked.front()) && Contains(place.path().string()));
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

/// What a command prints, run as a program.
struct Said {
  int code = 0;
  std::string out, err;
};

Said said_by(const std::string& words, const std::string& environment = "") {
  const test::TempDirectory place;
  const std::string out = (place.path() / "out").string(), err = (place.path() / "err").string();
  const int status = std::system(fmt::format("{} {} {} >{} 2>{}", environment, GRIT_BINARY, words, out, err).c_str());
  return {WEXITSTATUS(status), read_file(out).value_or(""), read_file(err).value_or("")};
}

TEST_CASE("grit alone has done nothing and shows what there is") {
  const Said said = said_by("");
  CHECK(said.code == 64);
  CHECK(said.out.empty());
  for (const char* part : {"grit list scenarios", "grit run link_flap", "doctor", "compare", "exit codes"})
    CHECK_THAT(said.err, Contains(part));
}

TEST_CASE("a scenario's help is its question, its options, and what its file begins with") {
  const Said said = said_by("run link_flap --help");
  CHECK(said.code == 0);
  for (const char* part : {"what does a step cost?", "--down", "time", "1s", "how long the link stays down",
                           "grit run link_flap --node 2", "grit plan link_flap", "grit run --help"})
    CHECK_THAT(said.out, Contains(part));
  CHECK(said_by("plan --help link_flap").out.find("grit plan link_flap --down") != std::string::npos);
  CHECK_THAT(said_by("run --help").out, Contains("--ranks-per-node"));
  CHECK_THAT(said_by("run no_such_thing --help").err, Contains("no scenario file no_such_thing"));
}

TEST_CASE("an option of the scenario is given as an option") {
  const auto planned = [](const std::string& words) {
    const Said said = said_by("plan " + words + " -n 4 --seed 7 --json");
    CAPTURE(words, said.err);
    REQUIRE(said.code == 0);
    const Json plan = *parse_json(said.out);
    return std::pair{plan.at("options").at("down").get<std::string>(), plan.at("faults").at(0).at("node").get<int>()};
  };
  const auto expected = std::pair{std::string("300ms"), 2};
  CHECK(planned("link_flap --down 300ms --node 2") == expected);
  CHECK(planned("--down=300ms link_flap --node=2") == expected);
  CHECK(planned("link_flap --set down=300ms --set node=2") == expected);
  CHECK(planned("link_flap --set down=1s --down 300ms --node 2") == expected);  // the later counts

  const test::TempDirectory place;
  std::ofstream(place.path() / "x.lua")
      << "local grit = require 'grit'\nprint 'once'\nreturn grit.scenario { name = 'x', options = { _n = '1' },\n"
         "workload = grit.workload.ddp {}, design = { block = '1s' }, expect = { slowdown = { at_most = '5%' } } }";
  const Said own = said_by("plan " + (place.path() / "x.lua").string() + " --_n -2 -n 2 --json");
  REQUIRE(own.code == 0);
  CHECK(parse_json(own.out)->at("options").at("_n") == "-2");
  CHECK(own.err == "once\n");  // not when its options are read, too

  CHECK_THAT(said_by("plan link_flap --dwon 2s").err,
             Contains("scenario link_flap (options: down, node) has an option dwon; did you mean --down?"));
  CHECK_THAT(said_by("plan link_flap --sede 2").err, Contains("did you mean --seed?"));
  CHECK_THAT(said_by("plan link_flap --set dwon=2s").err, Contains("did you mean --down?"));
  CHECK_THAT(said_by("plan link_flap --down soon").err, Contains("\"soon\" is not valid as time"));
}

TEST_CASE("an option of the scenario that is called as one of grit's own is reached by --set, and its help says so") {
  const test::TempDirectory place;
  const std::string file = (place.path() / "x.lua").string();
  std::ofstream(file)
      << "local grit = require 'grit'\nreturn grit.scenario { name = 'x', options = { seed = 'a', "
         "port = '\\27]0;c', down = '1s' },\n"
         "workload = grit.workload.ddp {}, design = { block = '1s' }, expect = { slowdown = { at_most = "
         "'5%' } } }";
  const std::string help = said_by("run " + file + " --help").out;
  CHECK_THAT(help, Contains("--set seed=...") && Contains("--seed is an option of grit run itself"));
  CHECK(help.find('\x1b') == std::string::npos);
  const Said said = said_by("plan " + file + " --seed 7 --set seed=b -n 4 --json");
  REQUIRE(said.code == 0);
  CHECK(parse_json(said.out)->at("options").at("seed") == "b");
  CHECK(parse_json(said.out)->at("seed") == 7);
}

TEST_CASE("scenarios that come with grit are found by name, a site's own first, and listed with their question") {
  const Said listed = said_by("list scenarios");
  CHECK(listed.code == 0);
  CHECK_THAT(listed.out, Contains("link_flap") && Contains("what does a step cost?") && Contains("link_rate_knee"));
  CHECK(listed.out.find("lib/") == std::string::npos);
  CHECK_THAT(said_by("plan link_flpa").err, Contains("did you mean link_flap?") && Contains("grit list scenarios"));
  CHECK(said_by("plan healthy.lua -n 2").code == 0);
  // Configurations of burn-ins stand beside them, and are none.
  CHECK_THAT(listed.out, Contains("grit burnin --config NAME") && Contains("\n  quick "));
  CHECK_THAT(said_by("plan quick -n 2").err, Contains("there is no scenario file quick"));

  const test::TempDirectory place;
  std::ofstream(place.path() / "healthy.lua")
      << "local grit = require 'grit'\nreturn grit.scenario { name = 'ours', summary = 'of "
         "this site?', workload = grit.workload.ddp {},\n"
         "design = { block = '1s' }, expect = { slowdown = { at_most = '5%' } } }";
  std::ofstream(place.path() / "broken.lua") << "error('\\27[31mno')";
  std::ofstream(place.path() / "\x1b[31mred.lua") << std::string((1 << 20) + 1, ' ');
  std::filesystem::create_directories(place.path() / "burnin");
  std::ofstream(place.path() / "burnin" / "quick.lua")
      << "return { name = 'quick', summary = 'our own minutes', rounds = { { name = 'a', kinds = { 'link' } } } }";
  std::ofstream(place.path() / "burnin" / "odd.lua") << "return { nam = 'odd' }";
  std::filesystem::create_directories(place.path() / "more");
  std::filesystem::copy(place.path() / "healthy.lua", place.path() / "more" / "third.lua");
  const std::string environment = "GRIT_SCENARIOS=/no/such:" + place.path().string();
  CHECK_THAT(said_by("plan healthy -n 2", environment).out, Contains("ours"));
  const std::string ours = said_by("list scenarios", environment).out;
  CHECK_THAT(ours,
             Contains("of this site?") && Contains("broken") && Contains("cannot be read") && Contains("link_flap"));
  CHECK_THAT(ours, Contains("our own minutes") && Contains("did you mean \"name\"?") && !Contains("Minutes: facts"));
  CHECK(ours.find('\x1b') == std::string::npos);
  for (const std::string& directory : {place.path().string(), (place.path() / "more").string()})
    CHECK_THAT(ours, Contains(directory + ",") || Contains(directory + ";"));
}

TEST_CASE("a burn-in whose round has no such scenario or option is refused before anything is measured") {
  const test::TempDirectory place;
  const std::string file = (place.path() / "ours.lua").string();
  const auto refused = [&](const std::string& round) {
    std::ofstream(file)
        << "return { name = 'ours', rounds = { { name = 'facts', kinds = { 'facts' } }, { name = 'stress', " << round
        << " } } }";
    const Said said = said_by("burnin --local-nodes 2 --config " + file);
    CHECK(said.code == 64);
    return said.err;
  };
  CHECK_THAT(refused("scenario = 'link_flpa'"),
             Contains("ours.lua: round \"stress\": ") && Contains("did you mean link_flap?"));
  CHECK_THAT(refused("scenario = 'link_flap', options = { dwon = '1s' }"),
             Contains("round \"stress\": ") && Contains("dwon") && Contains("down"));
  CHECK_THAT(refused("scenario = 'link_flap', options = { down = 'long' }"),
             Contains("round \"stress\": ") && Contains("long"));
}

TEST_CASE("a plain name is a scenario that comes with grit, whatever lies in the working directory") {
  const test::TempDirectory place;
  for (const char* name : {"healthy", "mine"}) std::ofstream(place.path() / name) << "error('of the directory')";
  std::ofstream(place.path() / "healthy.lua") << "error('of the directory')";
  const std::string in_place = "cd " + place.path().string() + " &&";
  CHECK(said_by("plan healthy -n 2", in_place).code == 0);
  CHECK_THAT(said_by("plan ./healthy -n 2", in_place).err, Contains("of the directory"));
  CHECK_THAT(said_by("plan healthy.lua -n 2", in_place).err, Contains("of the directory"));
  CHECK_THAT(said_by("plan mine -n 2", in_place).err, Contains("the file here is ./mine"));
}

TEST_CASE("scenarios beside the program are its own only where nobody else can put them") {
  const test::TempDirectory place;
  const auto bin = place.path() / "bin", source = place.path() / "source", shared = place.path() / "share/grit";
  for (const auto& [root, name] : {std::pair{source, "of_source"}, std::pair{shared, "shared"}}) {
    std::filesystem::create_directories(root / "scenarios");
    for (const std::string& file : {std::string(name), std::string("both")})
      std::ofstream(root / "scenarios" / (file + ".lua"))
          << "local grit = require 'grit'\nreturn grit.scenario { name = 'x', summary = '" << name
          << "?', workload = grit.workload.ddp {}, design = { block = '1s' }, "
             "expect = { slowdown = { at_most = '5%' } } }";
  }
  std::filesystem::create_directories(bin);
  std::filesystem::copy_file(GRIT_BINARY, bin / "grit");
  const auto cache = bin / "CMakeCache.txt";
  std::ofstream(cache) << "CMAKE_HOME_DIRECTORY:INTERNAL=" << source.string() << "\n";
  const auto listed = [&] {
    const auto out = place.path() / "out";
    CHECK(std::system(fmt::format("timeout 20 {} list scenarios >{}", (bin / "grit").string(), out.string()).c_str()) ==
          0);
    return read_file(out).value_or("");
  };
  const auto both = [&](const std::string& text) { return text.substr(text.find("both"), 60); };
  CHECK_THAT(listed(), Contains("of_source?") && Contains("shared?"));
  CHECK_THAT(both(listed()), Contains("of_source?"));  // what is being worked on, not what was installed once

  const auto chmod_of = [](const std::filesystem::path& path, mode_t mode) {
    REQUIRE(::chmod(path.c_str(), mode) == 0);
  };
  chmod_of(shared / "scenarios", 0777);
  CHECK(listed().find("shared") == std::string::npos);
  chmod_of(shared / "scenarios", 0755);
  for (const auto& path : {source, source / "scenarios", bin, cache}) {
    CAPTURE(path);
    chmod_of(path, 0777);
    CHECK(listed().find("of_source") == std::string::npos);
    CHECK_THAT(listed(), Contains("shared?"));
    chmod_of(path, std::filesystem::is_directory(path) ? 0755 : 0644);
  }
  std::filesystem::remove(cache);
  REQUIRE(::mkfifo(cache.c_str(), 0644) == 0);
  CHECK_THAT(listed(), Contains("shared?"));  // and does not wait for somebody to write
}

TEST_CASE("a report without a directory is of the latest run, of all or of a scenario") {
  const std::string run = std::string(GRIT_SOURCE_DIR) + "/tests/data/29e12f6/link_flap";
  const test::TempDirectory place;
  const std::string in_place = "cd " + place.path().string() + " &&";
  for (const char* name : {"runs/a/20261101T000000Z-1", "runs/a/20261102T000000Z-1", "runs/b/20261103T000000Z-1"}) {
    std::filesystem::create_directories((place.path() / name).parent_path());
    std::filesystem::copy(run, place.path() / name, std::filesystem::copy_options::recursive);
  }
  CHECK_THAT(said_by("report", in_place).err, Contains("no run in runs/ here"));
  point_latest_at(place.path() / "runs/a/20261102T000000Z-1");
  point_latest_at(place.path() / "runs/b/20261103T000000Z-1");
  CHECK_THAT(said_by("report", in_place).err, Contains("grit: runs/b/20261103T000000Z-1"));
  CHECK_THAT(said_by("report a", in_place).err, Contains("grit: runs/a/20261102T000000Z-1"));
  CHECK_THAT(said_by("report c", in_place).err, Contains("no latest run of a scenario c"));
  CHECK(said_by("report runs/a/20261101T000000Z-1", in_place).err.empty());
}

TEST_CASE("a series of an older grit is reported and not resumed: its trials would be of two kinds") {
  const test::TempDirectory place;
  const auto series = place.path() / "series";
  std::filesystem::copy(std::string(GRIT_SOURCE_DIR) + "/tests/data/29e12f6/searched", series,
                        std::filesystem::copy_options::recursive);
  CHECK_THAT(said_by("report " + series.string()).out, Contains("report "));
  const auto taken = take_up_series(series, CutOff::ask);
  REQUIRE_FALSE(taken);
  CHECK(taken.error().kind == ErrorKind::usage);
  CHECK_THAT(taken.error().message, Contains("format 1") && Contains("grit run " + (series / "scenario.lua").string()));
  auto document = *parse_json(*read_file(series / "series.json"));
  document["format"] = formats::kSeries.number;
  REQUIRE(write_file_durably(series / "series.json", json_text(document)));
  CHECK(take_up_series(series, CutOff::ask));
}

TEST_CASE("what a scenario prints or fails with cannot write to the terminal") {
  const test::TempDirectory place;
  const std::string file = (place.path() / "x.lua").string();
  const std::string planned = R"(local grit = require 'grit'
    return grit.scenario { name = 'x', summary = '\27[31m\194\155', options = { o = '\7\27' },
      workload = grit.workload.ddp {}, faults = { grit.fault.rank_delay { label = '\27' } },
      design = { block = '1s' }, expect = { slowdown = { at_most = '5%' } } })";
  for (const std::string& text :
       {std::string(R"(print('\27]52;c;eA==\7'))"), std::string(R"(error('\27[31m\194\155'))"), planned}) {
    std::ofstream(file) << text;
    const Said said = said_by("plan " + file + " -n 2");
    CHECK(said.code == (text == planned ? 0 : 64));
    CHECK_FALSE((said.out + said.err).empty());
    for (const char* control : {"\x1b", "\x07", "\xc2\x9b"})
      CHECK((said.out + said.err).find(control) == std::string::npos);
  }
}

TEST_CASE("a series has no cost, and a wrong job mix is said before anything is read") {
  for (const auto& [words, says] :
       {std::pair{Words{"compare", "--series", "a", "b", "--fleet", "8", "--jobs", "8:10%"}, "--old ... --new"},
        std::pair{Words{"compare", "a", "b", "--fleet", "8", "--jobs", "8:120%"}, "at most 100 %"},
        std::pair{Words{"report", "a", "--fleet", "8", "--jobs", "8"}, "such as 1024:70%"}}) {
    const auto action = parse_command_line(words);
    REQUIRE(action);
    const auto code = (*action)();
    REQUIRE_FALSE(code);
    CHECK(code.error().kind == ErrorKind::usage);
    CHECK_THAT(code.error().message, Contains(says));
  }
}

TEST_CASE("completion for zsh offers commands, their options, and what grit lists") {
  const test::TempDirectory place;
  REQUIRE(said_by("manual " + place.path().string()).code == 0);
  // What it hands to zsh's own functions, which bash has not; the script keeps to what both shells understand.
  const std::string file = (place.path() / "ask.bash").string();
  std::ofstream(file) << "grit() { \"" << GRIT_BINARY
                      << "\" \"$@\"; }\n_describe() { local -n list=$4; printf '%s\\n' \"${list[@]}\"; }\n"
                         "_files() { echo FILES; }\n_arguments() { printf '%s\\n' \"$@\"; state=argument; return 1; }\n"
                         "words=(\"$@\"); CURRENT=$#; set --; . "
                      << (place.path() / "_grit").string() << "\n";
  const auto offered = [&](const std::string& words) {
    const std::string out = (place.path() / "out").string(), err = (place.path() / "err").string();
    CAPTURE(words);
    CHECK(std::system(fmt::format("bash {} {} >{} 2>{}", file, words, out, err).c_str()) == 0);
    CHECK(read_file(err).value_or("?").empty());
    return "\n" + read_file(out).value_or("");
  };
  CHECK_THAT(read_file(place.path() / "_grit").value_or(""), Catch::StartsWith("#compdef grit\n"));
  const std::string commands = offered("grit ''");
  for (const char* command : {"run", "plan", "compare", "report", "list", "doctor"})
    CHECK_THAT(commands, Contains(fmt::format("\n{}:", command)));
  CHECK_THAT(commands, Contains("on two days\\: slower") && !Contains("FILES"));
  const std::string run = offered("grit run ''");
  for (const char* part : {"\n(-n --nodes)-n[", "\n(-n --nodes)--nodes[", "]:value:_default\n", "\n*--set[",
                           "\n(--json)--json[", "\n1: :\n", "\nlink_flap\n", "\nFILES\n"})
    CHECK_THAT(run, Contains(part));
  CHECK_THAT(run, !Contains("--down["));
  CHECK_THAT(offered("grit run link_flap ''"), Contains("\n--down[an option of the scenario]:value:_default\n"));
  CHECK_THAT(offered("grit describe ''"), Contains("\nlink_flap\n") && Contains("\ntiming\n"));
  CHECK_THAT(offered("grit list ''"), Contains("\nchecks\n"));
}

TEST_CASE("help and version are no errors") {
  for (const Words& words : {Words{"--help"}, Words{"run", "--help"}, Words{"--version"}, Words{"run", "a.lua"}})
    CHECK(refusal(words).empty());
}

}  // namespace
}  // namespace grit

#include <csignal>

#include "harness/os/child_process.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/health/check_reading.hpp"

using namespace grit;
using grit::test::ok;

namespace {

Outcome run(const std::string& command, Json params = Json::object()) {
  params["command"] = command;
  return test::CheckUnderTest("command", params).read_one();
}

Severity severity(const std::string& map, int status) {
  return run(fmt::format("exit {}", status), {{"exit", map}}).severity;
}

}  // namespace

TEST_CASE("command: exit statuses by each map") {
  using enum Severity;
  const std::vector<std::tuple<std::string, int, Severity>> rows{{"nagios", 0, ok},
                                                                 {"nagios", 1, warning},
                                                                 {"nagios", 2, critical},
                                                                 {"nagios", 3, unknown},
                                                                 {"nagios", 4, unknown},
                                                                 {"nagios", 126, unknown},
                                                                 {"health_validation", 0, ok},
                                                                 {"health_validation", 1, critical},
                                                                 {"health_validation", 2, unknown},
                                                                 {"health_validation", 127, unknown},
                                                                 {"nhc", 0, ok},
                                                                 {"nhc", 1, critical},
                                                                 {"nhc", 142, critical},
                                                                 {"nhc", 10, unknown},
                                                                 {"nhc", 126, unknown},
                                                                 {"nhc", 127, unknown},
                                                                 {"bitmask", 0, ok},
                                                                 {"bitmask", 0x08, critical},
                                                                 {"bitmask", 0x41, unknown},
                                                                 {"bitmask", 0x40, warning},
                                                                 {"bitmask", 0x49, critical},
                                                                 {"bitmask", 127, unknown}};
  for (const auto& [map, status, expected] : rows) {
    INFO(map << " " << status);
    CHECK(severity(map, status) == expected);
  }
}

TEST_CASE("command: without a shell words are words, and nothing is expanded") {
  const Json plain{{"shell", false}, {"perfdata", false}};
  REQUIRE(run(R"(/bin/echo $HOME '*' "a  b\"c" d\ e '' f > g;)", plain).detail == R"($HOME * a  b"c d e  f > g;)");
  REQUIRE(run("/bin/false", plain).severity == Severity::warning);
  const auto none = test::CheckUnderTest("command", {{"command", "/nowhere/x"}, {"shell", false}}).try_read();
  REQUIRE(!none);
  REQUIRE(none.error().message.starts_with("/nowhere/x cannot be run: "));
  // 126 and 127 are a program's own then.
  REQUIRE(run("/bin/sh -c 'exit 127'", {{"exit", "nhc"}, {"shell", false}}).severity == Severity::critical);
  REQUIRE(run("exit 127", {{"exit", "nhc"}}).severity == Severity::unknown);
  // A shell says 137 of what a signal ended, which NHC's map cannot tell from a status; without one it can be told.
  REQUIRE(run("kill -9 $$; true", {{"exit", "nhc"}}).severity == Severity::unknown);
  REQUIRE(run("/bin/sh -c 'kill -9 $$'", {{"exit", "nhc"}, {"shell", false}}).severity == Severity::unknown);
}

TEST_CASE("command: variables and a directory of the site's") {
  const test::TempDirectory directory;
  const Outcome both =
      run("echo $A $B $PATH $(pwd)", {{"environment", "A=1 B='2 3' PATH=/bin"}, {"directory", directory.path()}});
  REQUIRE(both.detail == fmt::format("1 2 3 /bin {}", directory.path().string()));
  REQUIRE(!test::CheckUnderTest("command", {{"command", "true"}, {"directory", "/nowhere"}}).try_read());
  const auto refusal = [](Json given) {
    const Check& check = *find_check("command");
    const Status valid = check.validate(Params(ok(complete_params(check_params(check.info), std::move(given)))));
    return valid ? std::string() : valid.error().message;
  };
  REQUIRE(refusal({{"command", "true"}, {"environment", "A=1"}}).empty());
  for (const char* bad : {"1A=2", "A", "=x", "A B=1", "A='1", "A=1\nB=2", "A-B=1"})
    REQUIRE(refusal({{"command", "true"}, {"environment", bad}}).starts_with("`environment` must be"));
  for (const char* bad : {"true", "'/bin/true", "/bin/true \\", " "})
    REQUIRE(refusal({{"command", bad}, {"shell", false}}).starts_with("with shell = false"));
  REQUIRE(refusal({{"command", "true"}, {"directory", "here"}}) == "`directory` must be a whole path (/...)");
}

TEST_CASE("command: bits by parameters, and a bit that nobody asked for") {
  const Json bits{{"exit", "bitmask"}, {"bits_critical", 1}, {"bits_unknown", 2}, {"bits_warning", 4}};
  REQUIRE(run("exit 1", bits).severity == Severity::critical);
  REQUIRE(run("exit 6", bits).severity == Severity::unknown);
  REQUIRE(run("exit 4", bits).severity == Severity::warning);
  REQUIRE(run("exit 8", bits).severity == Severity::ok);
}

TEST_CASE("command: text, value and subject of the outcome") {
  const Outcome ping = run("echo 'PING OK - fine | rta=0.5ms;1;2 pl=0%'", {{"subject", "eth0"}});
  REQUIRE(ping.subject == "eth0");
  REQUIRE(ping.detail == "PING OK - fine");
  REQUIRE(ping.value.value_or(0) == Approx(0.0005));
  REQUIRE(ping.unit == "s");
  REQUIRE_FALSE(run("echo 'OK | a=1'", {{"perfdata", false}}).value.has_value());
  REQUIRE(run("exit 0").detail == "(no output)");
  REQUIRE(run("echo oh dear >&2; exit 2").detail == "oh dear");
  const Outcome absent = run("/no/such/program");
  REQUIRE(absent.severity == Severity::unknown);
  REQUIRE_THAT(absent.detail, Catch::Matchers::StartsWith("cannot be run: "));
  REQUIRE_THAT(absent.detail, Catch::Contains("/no/such/program"));
  REQUIRE_FALSE(absent.hint.empty());
  const Outcome hostile = run("printf 'a\\000b\\033[31m\\377'; head -c 5000 /dev/zero | tr '\\0' x");
  REQUIRE(hostile.severity == Severity::ok);
  REQUIRE(hostile.detail.size() < 300);
  REQUIRE(hostile.detail.find('\x1b') == std::string::npos);
}

TEST_CASE("command: what hangs, crashes, floods or leaves processes behind is unknown, and says so") {
  test::CheckUnderTest hangs("command", {{"command", "exec sleep 100"}});
  hangs.limit_ns = kNsPerS / 10;
  const Outcome late = hangs.read_one();
  REQUIRE(late.severity == Severity::unknown);
  REQUIRE_THAT(late.detail, Catch::Contains("timed out after 100 ms"));
  for (const char* command : {"kill -SEGV $$", "sh -c 'kill -SEGV $$'; exit $?"}) {
    const Outcome crashed = run(command);
    REQUIRE(crashed.severity == Severity::unknown);
    REQUIRE_THAT(crashed.detail, Catch::Contains("ended by Segmentation fault"));
  }
  const Outcome flood = run("exec yes");
  REQUIRE(flood.severity == Severity::unknown);
  REQUIRE_THAT(flood.detail, Catch::Contains("flooded"));
  const Outcome left = run("sleep 100 & echo fine");
  REQUIRE(left.severity == Severity::ok);
  REQUIRE(left.detail == "fine (+ it left processes running, which were killed)");
}

TEST_CASE("command: while a process cannot be killed no second one is started, whichever it is") {
  const std::filesystem::path group = fmt::format("/sys/fs/cgroup/freezer/test-of-grit-c{}", ::getpid());
  std::error_code failed;
  if (::geteuid() != 0 || !std::filesystem::create_directory(group, failed))
    return test::skip("no control group of the first version that freezes");
  const test::TempDirectory directory;
  const std::string state = (group / "freezer.state").string(), count = (directory.path() / "count").string();
  const std::string freeze = fmt::format("sh -c 'echo $$ > {}/tasks; echo FROZEN > {}; exit 0'", group.string(), state);
  for (const std::string& line : {"exec " + freeze, freeze + " | grep x",
                                  fmt::format("{} & until grep -q FROZEN {}; do :; done; echo fine", freeze, state)}) {
    INFO(line);
    test::CheckUnderTest stuck("command", {{"command", fmt::format("echo x >> {}; {}", count, line)}});
    stuck.limit_ns = kNsPerS / 2;
    const Outcome first = stuck.read_one();
    const std::int64_t begun_ns = monotonic_ns();
    const Outcome second = stuck.read_one();
    const std::int64_t took_ns = monotonic_ns() - begun_ns;
    const std::string started = ok(read_file(count));
    test::detail::write_text(state.c_str(), "THAWED");
    for (int i = 0; i < 500 && still_stuck() > 0; ++i) {
    }
    CHECK_THAT(first.detail, Catch::Contains("cannot be killed"));
    CHECK(first.detail.find("left processes") == std::string::npos);
    CHECK(second.severity == Severity::unknown);
    CHECK_THAT(second.detail, Catch::Contains("cannot be killed"));
    CHECK(took_ns < kNsPerS);  // one that is started has its limit and 750 ms
    CHECK(started == "x\n");
    std::filesystem::remove(count);
  }
  std::filesystem::remove(group, failed);
}

TEST_CASE("command: an environment of its own, which says whose it is") {
  ::setenv("OMPI_COMM_WORLD_RANK", "3", 1);
  ::setenv("LD_PRELOAD", "", 1);
  const Outcome outcome = run("echo $(env | cut -d= -f1 | sort)", {{"name", "mine"}});
  ::unsetenv("OMPI_COMM_WORLD_RANK");
  REQUIRE(outcome.detail.find("OMPI") == std::string::npos);
  REQUIRE(outcome.detail.find("LD_") == std::string::npos);
  REQUIRE_THAT(outcome.detail, Catch::Contains("LC_ALL") && Catch::Contains("PATH"));
  REQUIRE(run("echo $GRIT_CHECK on $GRIT_NODE", {{"name", "mine"}}).detail == "mine on node0");
}

TEST_CASE("command: what is no line for a shell is refused when the scenario is loaded") {
  const auto refuse = [](const std::string& line) {
    const Check& check = *find_check("command");
    return check.validate(Params(ok(complete_params(check_params(check.info), {{"command", line}})))).has_value();
  };
  REQUIRE(refuse("true"));
  REQUIRE_FALSE(refuse(""));
  REQUIRE_FALSE(refuse("a\nb"));
  REQUIRE_FALSE(refuse(std::string(5000, 'x')));
}

#include <poll.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <map>
#include <thread>

#include "harness/health/runner.hpp"
#include "tests/namespace.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;
using grit::test::ok;

namespace {

constexpr std::int64_t kLimit_ns = 300 * kNsPerMs;

std::vector<Outcome> well(std::string detail) { return {{.severity = Severity::ok, .detail = std::move(detail)}}; }

/// Checks that behave as those of a node in trouble do.
const std::map<std::string, Check, std::less<>>& bad_checks() {
  const auto made = [](std::string name, CheckPlace place, const ReadCheck& read) {
    const CheckInfo info{.name = name,
                         .params = {{"file", Unit::text, "", "where it writes what it has started"}},
                         .place = place,
                         .limit_ns = kLimit_ns};
    return std::pair(name, Check{.info = info, .make = [read] { return read; }});
  };
  const auto wait_for_ever = [](const CheckInput&) -> Result<std::vector<Outcome>> {
    for (;;) ::pause();
  };
  static const std::map<std::string, Check, std::less<>> all{
      made("well", CheckPlace::common,
           [](const CheckInput& input) -> Result<std::vector<Outcome>> {
             input.memory.keep("reading", input.memory.find("reading").value_or(0) + 1);
             return well(std::to_string(*input.memory.find("reading")));
           }),
      made("hangs", CheckPlace::common, wait_for_ever),
      made("hangs_alone", CheckPlace::own, wait_for_ever),
      made("crashes", CheckPlace::own,
           [](const CheckInput&) -> Result<std::vector<Outcome>> {
             ::raise(SIGSEGV);
             return well("");
           }),
      made("crashes_beside_a_child", CheckPlace::own,
           [](const CheckInput&) -> Result<std::vector<Outcome>> {
             if (::fork() == 0)
               for (;;) ::pause();
             ::raise(SIGSEGV);
             return well("");
           }),
      made("throws", CheckPlace::common,
           [](const CheckInput&) -> Result<std::vector<Outcome>> { throw std::runtime_error("lost its way"); }),
      made("fails", CheckPlace::common,
           [](const CheckInput&) -> Result<std::vector<Outcome>> { return unavailable_error("no such file"); }),
      {"counts", Check{.info = {.name = "counts", .counts = true, .limit_ns = kLimit_ns},
                       .make =
                           [] {
                             return ReadCheck([](const CheckInput& input) -> Result<std::vector<Outcome>> {
                               input.memory.keep("seen", 1);
                               return well(input.memory.is_first() ? "first reading" : "none new");
                             });
                           }}},
      made("contradicts", CheckPlace::common,
           [](const CheckInput&) -> Result<std::vector<Outcome>> {
             return std::vector<Outcome>{{.severity = Severity::ok, .subject = "gpu3", .detail = "no errors"},
                                         {.severity = Severity::critical, .subject = "gpu3", .detail = "is lost"}};
           }),
      made("floods", CheckPlace::common,
           [](const CheckInput&) -> Result<std::vector<Outcome>> {
             std::vector<Outcome> outcomes;
             for (int i = 0; i < 1000; ++i)
               outcomes.push_back({.severity = Severity::warning,
                                   .subject = "s" + std::to_string(i),
                                   .detail = std::string(1000, '\xc3') + "\n\x1b[2J"});
             return outcomes;
           }),
      made("leaves_a_process", CheckPlace::own, [](const CheckInput& input) -> Result<std::vector<Outcome>> {
        if (const pid_t child = ::fork(); child != 0) {
          std::ofstream(input.params.text("file")) << child << std::endl;
        } else {
          ::setsid();
        }
        for (;;) ::pause();
      })};
  return all;
}

const Check* find_bad(std::string_view name) {
  const auto found = bad_checks().find(name);
  return found == bad_checks().end() ? nullptr : &found->second;
}

pid_t last_child_of(pid_t parent) {
  pid_t last = -1;
  std::ifstream children(fmt::format("/proc/{0}/task/{0}/children", parent));
  for (pid_t pid = 0; children >> pid;) last = pid;
  REQUIRE(last > 0);
  return last;
}

class Asked {
 public:
  explicit Asked(const std::vector<ScenarioPlugin>& checks)
      : runner_(ok(CheckRunner::start({.checks = checks, .wants_memory = true, .find = find_bad}))) {}

  void ask(std::size_t place, std::int64_t tag = 0, bool anew = false) { REQUIRE(runner_.ask(place, tag, anew)); }

  /// The next answer; each must come, and within some seconds.
  CheckReading answer() {
    for (const std::int64_t until_ns = monotonic_ns() + 20 * kNsPerS; monotonic_ns() < until_ns;) {
      if (auto reading = runner_.receive()) return std::move(*reading);
      pollfd item{runner_.descriptor(), POLLIN, 0};
      ::poll(&item, 1, 100);
    }
    FAIL("no answer");
    return {};
  }
  CheckReading read(std::size_t place, bool anew = false) {
    ask(place, 5, anew);
    const CheckReading reading = answer();
    REQUIRE(reading.place == place);
    REQUIRE(reading.tag == 5);
    REQUIRE_FALSE(reading.outcomes.empty());
    return reading;
  }
  CheckRunner& runner() { return runner_; }

 private:
  CheckRunner runner_;
};

}  // namespace

TEST_CASE("runner: a check keeps its figures from reading to reading, until it is read anew") {
  Asked asked({{"well"}});
  CHECK(asked.read(0).outcomes[0].detail == "1");
  const CheckReading second = asked.read(0);
  CHECK(second.outcomes[0].detail == "2");
  CHECK(second.ended_ns >= second.began_ns);
  CHECK(second.memory.find("reading") == 2);
  CHECK(asked.read(0, true).outcomes[0].detail == "1");
}

TEST_CASE("runner: one reading of a check is under way at a time") {
  Asked asked({{"hangs_alone"}});
  REQUIRE(asked.runner().ask(0, 1));
  REQUIRE_FALSE(asked.runner().ask(0, 2));
  CHECK(asked.answer().tag == 1);
}

TEST_CASE("runner: a check that hangs is ended and unknown, and the others are read on") {
  Asked asked({{"hangs"}, {"well"}, {"hangs_alone"}});
  asked.ask(0);
  asked.ask(2);
  asked.ask(1);  // waits behind the first in the common reader
  std::map<std::size_t, CheckReading> readings;
  for (int i = 0; i < 3; ++i) {
    CheckReading reading = asked.answer();
    readings[reading.place] = std::move(reading);
  }
  CHECK(readings.at(1).outcomes[0].severity == Severity::ok);
  for (const std::size_t place : {std::size_t{0}, std::size_t{2}}) {
    CHECK(readings.at(place).outcomes[0].severity == Severity::unknown);
    CHECK_THAT(readings.at(place).outcomes[0].detail, Catch::Matchers::StartsWith("no answer within"));
  }
  // It is left alone for a while: each time costs the others their figures.
  const CheckReading again = asked.read(0);
  CHECK(again.ended_ns - again.began_ns < kLimit_ns);
  CHECK_THAT(again.outcomes[0].detail, Catch::Matchers::Contains("it is read again in"));
  CHECK(asked.read(1).outcomes[0].severity == Severity::ok);
}

TEST_CASE("runner: a check that crashes is unknown, and says how it ended") {
  Asked asked({{"crashes"}, {"well"}});
  const CheckReading reading = asked.read(0);
  CHECK(reading.outcomes[0].severity == Severity::unknown);
  CHECK_THAT(reading.outcomes[0].detail, Catch::Matchers::Contains("signal 11"));
  CHECK(asked.read(1).outcomes[0].severity == Severity::ok);
}

TEST_CASE("runner: a check that crashes has crashed, also when what it has forked lives on") {
  Asked asked({{"crashes_beside_a_child"}});
  CHECK_THAT(asked.read(0).outcomes[0].detail, Catch::Matchers::Contains("signal 11"));
}

TEST_CASE("runner: what the other checks of a reader counted from is lost with it, and they say so") {
  Asked asked({{"counts"}, {"hangs"}});
  CHECK(asked.read(0).outcomes[0].detail == "first reading");
  CHECK(asked.read(0).outcomes[0].detail == "none new");
  CHECK(asked.read(1).outcomes[0].severity == Severity::unknown);
  const Outcome after = asked.read(0).outcomes[0];
  CHECK(after.severity == Severity::unknown);
  CHECK(after.detail == "what it counted from was lost when hangs was ended");
  CHECK(asked.read(0).outcomes[0].detail == "none new");
}

TEST_CASE("runner: what was counted from is also lost when a reader is ended between two readings") {
  Asked asked({{"counts"}, {"well"}});
  CHECK(asked.read(0).outcomes[0].detail == "first reading");
  CHECK(asked.read(1).outcomes[0].detail == "1");
  const pid_t reader = last_child_of(last_child_of(::getpid()));
  REQUIRE(::kill(reader, SIGKILL) == 0);
  for (int i = 0; i < 2000 && ::kill(reader, 0) == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  REQUIRE(::kill(reader, 0) != 0);  // the runner has waited for it
  const Outcome after = asked.read(0).outcomes[0];
  CHECK(after.severity == Severity::unknown);
  CHECK(after.detail == "what it counted from was lost when its process was ended");
  CHECK(asked.read(0).outcomes[0].detail == "none new");
  CHECK(asked.read(1).outcomes[0].detail == "1");  // which counts nothing
}

TEST_CASE("runner: a check that the reader did not get to has lost nothing with it") {
  Asked asked({{"hangs"}, {"counts"}});
  asked.ask(0);
  asked.ask(1);
  CHECK(asked.answer().outcomes[0].severity == Severity::unknown);
  CHECK(asked.answer().outcomes[0].detail == "first reading");
}

TEST_CASE("runner: of two outcomes of one subject the worse stays") {
  Asked asked({{"contradicts"}});
  const CheckReading reading = asked.read(0);
  REQUIRE(reading.outcomes.size() == 1);
  CHECK(reading.outcomes[0].severity == Severity::critical);
}

TEST_CASE("runner: what a check throws or cannot do is an unknown outcome") {
  Asked asked({{"throws"}, {"fails"}, {"of another grit"}});
  CHECK(asked.read(0).outcomes[0].detail == "lost its way");
  CHECK(asked.read(1).outcomes[0].detail == "no such file");
  const CheckReading other = asked.read(2);
  CHECK(other.outcomes[0].severity == Severity::unknown);
  CHECK(other.outcomes[0].detail == "there is no check called of another grit");
}

TEST_CASE("runner: a check that floods is cut, and its text made printable") {
  Asked asked({{"floods"}});
  const CheckReading reading = asked.read(0);
  REQUIRE(reading.outcomes.size() == kMostOutcomes);
  CHECK(reading.outcomes[0].severity == Severity::warning);
  CHECK(reading.outcomes[0].detail.size() < 2 * kMostText_bytes);
  CHECK(reading.outcomes[0].detail.find('\x1b') == std::string::npos);
}

TEST_CASE("runner: what a check that hangs has started is ended with it") {
  const test::TempDirectory directory;
  const auto file = directory.path() / "pid";
  Asked asked({{"leaves_a_process", {{"file", file.string()}}}});
  CHECK(asked.read(0).outcomes[0].severity == Severity::unknown);
  pid_t left = -1;
  std::ifstream(file) >> left;
  REQUIRE(left > 0);
  for (int i = 0; i < 200 && ::kill(left, 0) == 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK(::kill(left, 0) != 0);
}

TEST_CASE("runner: with the runner gone all that is asked is answered: unknown") {
  Asked asked({{"hangs_alone"}, {"well"}});
  asked.ask(0);
  ::kill(last_child_of(::getpid()), SIGKILL);
  CHECK(asked.answer().outcomes[0].severity == Severity::unknown);
  CHECK(asked.read(1).outcomes[0].detail == "the runner of the checks has ended");
}

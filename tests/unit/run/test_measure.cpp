#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <functional>
#include <optional>

#include "harness/base/clock.hpp"
#include "harness/os/identity.hpp"
#include "harness/os/storage.hpp"
#include "harness/run/measure.hpp"
#include "harness/run/measure_kinds.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

/// As long as a test takes at least; what is measured is looked at and not how well.
MeasureHere here() { return {.host = "n1", .length_ns = 20 * kNsPerMs, .directory = "/var/tmp", .shares_cores = true}; }

std::optional<BurninObservation> figure(const BurninLine& line, const std::string& measure) {
  const auto found = std::find_if(line.observations.begin(), line.observations.end(),
                                  [&](const BurninObservation& one) { return one.measure == measure; });
  return found == line.observations.end() ? std::nullopt : std::optional(*found);
}

}  // namespace

TEST_CASE("A node finds which host of the list it is") {
  struct Row {
    std::vector<std::string> hosts, names;
    std::string is;  // empty: an error
  };
  const std::vector<Row> rows{{{"n1", "n2"}, {"n2"}, "n2"},
                              {{"n1", "n2"}, {"n2.cluster.example"}, "n2"},
                              {{"n1.cluster", "n2.cluster"}, {"n2"}, "n2.cluster"},
                              {{"n1", "n2"}, {"slurm7", "n1", "10.0.0.2"}, "n1"},
                              {{"n1", "n2"}, {"n1", "n2"}, "n1"},  // what is said first decides
                              {{"10.0.0.1", "10.0.0.2"}, {"n7", "10.0.0.2", "fe80::1"}, "10.0.0.2"},
                              {{"fd77::1", "fd77::2"}, {"n7", "fd77::2"}, "fd77::2"},
                              {{"10.0.0.1", "10.0.0.2"}, {"10"}, ""},  // no first part of an address
                              {{"n1", "n10"}, {"n10"}, "n10"},
                              {{"n1", "n10"}, {"n100"}, ""},
                              {{"n1.a", "n2.a"}, {"n1.b"}, ""},
                              {{"n1.a", "n1.b"}, {"n1"}, ""},
                              {{"n1", "n2"}, {"n3"}, ""},
                              {{"whatever"}, {"n3"}, "whatever"},
                              {{}, {"n3"}, ""}};
  for (const Row& row : rows) {
    CAPTURE(row.hosts, row.names);
    const auto which = which_of(row.hosts, row.names);
    if (row.is.empty()) {
      REQUIRE_FALSE(which);
      CHECK(which.error().kind == ErrorKind::usage);
    } else {
      REQUIRE(which);
      CHECK(*which == row.is);
    }
  }
  utsname names{};
  REQUIRE(::uname(&names) == 0);
  CHECK(which_host({"somebody-else", names.nodename}) == std::string(names.nodename));
}

TEST_CASE("A node that is called otherwise than it calls itself is known by the start of its kernel") {
  const std::vector<std::string> aliases{"gpu1", "gpu2"}, boots{"6d1f6c1e", "0a0b0c0d"};
  CHECK(host_of_boot(aliases, boots, "0a0b0c0d-31a5-4b8c-8f2d-0d0f0f4f2a11") == "gpu2");
  CHECK_FALSE(host_of_boot(aliases, boots, "ffffffff-31a5-4b8c-8f2d-0d0f0f4f2a11"));  // it was started anew since
  CHECK_FALSE(host_of_boot(aliases, {}, "0a0b0c0d-31a5-4b8c-8f2d-0d0f0f4f2a11"));
  CHECK_FALSE(host_of_boot(aliases, {"0a0b0c0d", "0a0b0c0d"}, "0a0b0c0d-31a5"));  // containers of one machine
  const std::string mine = boot_id()->substr(0, 8);
  CHECK(which_host(aliases, {"00000000", mine}) == std::string("gpu2"));
  CHECK_FALSE(which_host(aliases, {}));
}

TEST_CASE("Matrix products are counted, and one wrong element of one of them is seen") {
  const BurninLine well = measure_compute(here());
  CHECK(well.host == "n1");
  CHECK(figure(well, "compute")->value > 0);
  CHECK(figure(well, "wrong_results")->value == 0);
  CHECK(figure(well, "wrong_results")->exposure > 0);
  CHECK(well.error.empty());

  int products = 0;
  const BurninLine ill = measure_compute(here(), [&](std::span<float> product) {
    if (++products == 2) product[12'345] += 1;
  });
  REQUIRE(products >= 2);
  CHECK(figure(ill, "wrong_results")->value == 1);
  CHECK(figure(ill, "wrong_results")->exposure == products);
  CHECK(ill.error.empty());  // that it was measured is no error
}

TEST_CASE("Each core has a thread where cores are the node's own") {
  MeasureHere alone = here();
  alone.shares_cores = false;
  const BurninLine line = measure_compute(alone);
  CHECK(figure(line, "compute")->value > 0);
  CHECK_FALSE(figure(measure_compute(here()), "slowest_core"));  // of one thread
  if (cores_here().size() < 2) return test::skip("one core alone: none can be slower than another");
  const double well = figure(line, "slowest_core")->value;
  CHECK(well > 0);
  CHECK(well <= 1);
  // The last core sleeps 400 ms after each product, which takes a millisecond or so: it does few products a second even
  // beside a core that other processes keep busy, where the ratio is far below a half.
  const int slow = cores_here().back();
  const BurninLine ill = measure_compute(alone, [&](std::span<float>) {
    if (::sched_getcpu() == slow) ::usleep(400'000);
  });
  CHECK(figure(ill, "slowest_core")->value < 0.5);
}

TEST_CASE("Memory's bandwidth is measured, and one bit that flips is seen") {
  const BurninLine well = measure_memory(here());
  CHECK(figure(well, "memory")->value > 0);
  CHECK(figure(well, "memory_errors")->value == 0);
  CHECK(figure(well, "memory_errors")->exposure >= 2);
  CHECK(well.error.empty());

  for (const int time : {1, 2}) {  // in the pattern, and in its inverse
    int written = 0;
    const BurninLine ill = measure_memory(here(), [&](std::span<std::uint64_t> words) {
      if (++written == time) words[words.size() / 2] ^= std::uint64_t{1} << 63U;
    });
    REQUIRE(written >= time);
    CHECK(figure(ill, "memory_errors")->value == 1);
    CHECK(ill.error.empty());
  }
}

TEST_CASE("A disk is measured where there is one, and what is none is skipped aloud") {
  const BurninLine line = measure_storage(here());
  CHECK(line.error.empty());
  if (line.skipped.empty()) {
    CHECK(figure(line, "storage_write")->value > 0);
    CHECK(figure(line, "storage_sync")->value > 0);
  } else {
    CHECK(line.observations.empty());
    CHECK(line.skipped[0].starts_with("storage: "));
  }
  MeasureHere in_memory = here();
  in_memory.directory = "/dev/shm";
  if (why_no_disk("/dev/shm")) {
    const BurninLine skipped = measure_storage(in_memory);
    CHECK(skipped.observations.empty());
    REQUIRE(skipped.skipped.size() == 1);
    CHECK(skipped.skipped[0].find("tmpfs") != std::string::npos);
  }
  in_memory.directory = "/nowhere";
  CHECK(measure_storage(in_memory).skipped.size() == 1);
}

TEST_CASE("What a machine is made of is said in facts that fit one line") {
  const BurninLine line = measure_facts(here());
  for (const char* name : {"cpu_model", "cores", "memory_bytes", "kernel", "os"}) {
    CAPTURE(name);
    REQUIRE(line.facts.contains(name));
    CHECK_FALSE(line.facts.at(name).empty());
  }
  CHECK(std::stoll(line.facts.at("memory_bytes")) > 0);
  BurninCellResult result;
  result.cell.hosts = {"n1"};
  read_burnin_lines(burnin_line(line), result);
  CHECK(result.facts["n1"] == line.facts);
}

TEST_CASE("Checks of a text are read, those that alarm and those that do not, and one that is none is an error") {
  MeasureHere some = here();
  some.checks_source =
      "local grit = require \"grit\"\n"
      "return { grit.check.command { command = \"exit 2\", name = \"ill\" },\n"
      "         grit.check.command { command = \"exit 0\", name = \"well\" } }\n";
  const std::vector<BurninLine> lines = measure_checks(some);
  BurninCellResult result;
  result.cell.hosts = {"n1"};
  for (const BurninLine& line : lines) read_burnin_lines(burnin_line(line), result);
  CHECK(result.errors.empty());
  REQUIRE(result.alarms.size() == 1);
  CHECK(result.alarms[0].host == "n1");
  CHECK(result.alarms[0].check == "ill");
  CHECK(result.alarms[0].severity == "critical");
  CHECK_FALSE(result.alarms[0].of_machine);
  CHECK(result.alarm_free["n1"] == std::vector<std::string>{"well"});

  some.checks_source = "return 5";
  const std::vector<BurninLine> wrong = measure_checks(some);
  REQUIRE(wrong.size() == 1);
  CHECK(wrong[0].error.starts_with("checks: "));
}

TEST_CASE("A request that is none is refused before anything is measured") {
  CHECK_FALSE(measure({.kinds = {"elegance"}, .hosts = {"n1"}, .length_ns = kNsPerMs}));
  CHECK_FALSE(measure({.kinds = {}, .hosts = {"n1"}, .length_ns = kNsPerMs}));
  CHECK_FALSE(measure({.kinds = {"compute"}, .hosts = {"n1"}, .length_ns = 0}));
  CHECK_FALSE(measure({.kinds = {"compute"}, .hosts = {"not-me", "nor-me"}, .length_ns = kNsPerMs}));
}

TEST_CASE("What measures ends by itself at its limit, and when nobody reads what it finds") {
  const auto ends_in_child = [](const std::function<bool()>& work) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(work() ? 0 : 1);
    int status = -1;
    REQUIRE(::waitpid(child, &status, 0) == child);
    return status;
  };
  const int late = ends_in_child([] {
    return measure({.kinds = {"compute"}, .hosts = {"n1"}, .length_ns = 200 * kNsPerS, .limit_ns = 50 * kNsPerMs})
        .has_value();
  });
  REQUIRE(WIFSIGNALED(late));
  CHECK(WTERMSIG(late) == SIGALRM);

  const int unread = ends_in_child([] {
    std::array<int, 2> ends{};
    if (::pipe(ends.data()) != 0 || ::dup2(ends[1], STDOUT_FILENO) < 0 || ::close(ends[0]) != 0) return true;
    const auto done = measure({.kinds = {"compute"}, .hosts = {"n1"}, .length_ns = 200 * kNsPerS});
    return done.has_value() || done.error().kind != ErrorKind::unavailable;
  });
  REQUIRE(WIFEXITED(unread));
  CHECK(WEXITSTATUS(unread) == 1);
}

TEST_CASE("A request as words has an option for each member that is set") {
  const MeasureRequest request{.kinds = {"compute", "memory"},
                               .hosts = {"n1", "n2"},
                               .boots = {"6d1f6c1e", "0a0b0c0d"},
                               .burnin = "17",
                               .length_ns = 5,
                               .directory = "/scratch",
                               .scenario = "flap",
                               .sets = {{"down", "2s"}, {"node", "0"}},
                               .limit_ns = 7,
                               .checks_source = "return {}",
                               .seed = 3};
  CHECK(measure_words(request) == std::vector<std::string>{"measure",
                                                           "--kinds",
                                                           "compute,memory",
                                                           "--hosts",
                                                           "n1,n2",
                                                           "--length-ns",
                                                           "5",
                                                           "--directory",
                                                           "/scratch",
                                                           "--scenario",
                                                           "flap",
                                                           "--set",
                                                           "down=2s",
                                                           "--set",
                                                           "node=0",
                                                           "--limit-ns",
                                                           "7",
                                                           "--checks-source",
                                                           "return {}",
                                                           "--seed",
                                                           "3",
                                                           "--burnin",
                                                           "17",
                                                           "--boots",
                                                           "6d1f6c1e,0a0b0c0d"});
  CHECK(measure_words({.kinds = {"facts"}}) ==
        std::vector<std::string>{"measure", "--kinds", "facts", "--length-ns", "0", "--limit-ns", "0", "--seed", "1"});
}

TEST_CASE("How often a link has lost its carrier is read by its name, where there is one of that name") {
  const auto carriers = read_carriers({"lo", "no-such-nic"});
  REQUIRE(carriers);
  CHECK(carriers->netns == *netns_id());
  CHECK(carriers->read_ns > 0);
  REQUIRE(carriers->nics.size() == 1);
  CHECK(carriers->nics[0].nic == "lo");
  CHECK(carriers->nics[0].ifindex == 1);
  CHECK(carriers->nics[0].lost >= 0);
  for (const std::string& name : data_links()) CHECK(read_carriers({name})->nics.size() == 1);
}

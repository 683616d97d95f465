#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "harness/base/files.hpp"
#include "harness/burnin/console.hpp"
#include "harness/burnin/log.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/burnin/fake_nodes.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

class LogDirectory {
  test::TempDirectory place_{};

 public:
  const fs::path& path = place_.path();
  [[nodiscard]] std::string text() const { return read_file(path / "burnin.jsonl").value_or(""); }
  void append(const std::string& text) const { std::ofstream(path / "burnin.jsonl", std::ios::app) << text; }
};

BurninHead some_head() {
  BurninHead head{.setup = fake_setup(3, {facts_round(), links_round()}),
                  .config_file = "quick.lua",
                  .launcher = "srun",
                  .slurm_job = "4711",
                  .launcher_arguments = {"--mca", "btl", "tcp,self"},
                  .local_nodes = 0,
                  .before = "true",
                  .console = "/var/log/%n",
                  .save_reference = "/srv/reference.json",
                  .started_ns = 1'700'000'000'000'000'001,
                  .time_limit_ns = 7'200'000'000'000};
  head.setup.hosts[1].address = "10.0.0.2";
  head.setup.hosts[2].group = "leaf1";
  head.setup.shares_cores = true;
  head.setup.seed = 18'000'000'000'000'000'001U;
  head.setup.reference =
      BurninReference{.classes = {{"one", {{"compute", 1e9}}}}, .nodes = {{"n00", {{"memory", 2e9}}}}};
  return head;
}

BurninCellResult some_result(const std::string& id) {
  BurninCellResult result{.cell = {.id = id, .round = "links", .visit = 1, .hosts = {"n00", "n01"}, .kinds = {"link"}}};
  result.observations.push_back({"link_rate", "n00", "n01", 0.1 + 0.2, 0, id, 1, false});
  return result;
}

}  // namespace

TEST_CASE("a burn-in's log gives back what it was told", "[burnin]") {
  const LogDirectory directory;
  {
    auto log = BurninLog::create(directory.path, some_head());
    REQUIRE(log);
    REQUIRE(log->started(some_result("links/1/n00+n01").cell, {"mpirun", "x"}));
    REQUIRE(log->done(some_result("links/1/n00+n01")));
    REQUIRE(log->changed({{"n00", BurninNodeState::untested, BurninNodeState::testing, ""}}));
    REQUIRE(log->started(some_result("links/1/n00+n02").cell, {}));
  }
  const auto opened = BurninLog::open(directory.path);
  REQUIRE(opened);
  CHECK(opened->session == 2);
  REQUIRE(opened->results.size() == 1);
  CHECK(to_json(opened->results[0]) == to_json(some_result("links/1/n00+n01")));
  CHECK(opened->results[0].observations[0].value == 0.1 + 0.2);
  CHECK_FALSE(opened->ended);
  const BurninHead &head = opened->head, expected = some_head();
  CHECK(to_json(head.setup.config) == to_json(expected.setup.config));
  REQUIRE(head.setup.hosts.size() == 3);
  CHECK(head.setup.hosts[1].address == "10.0.0.2");
  CHECK(head.setup.hosts[2].group == "leaf1");
  CHECK(head.setup.seed == expected.setup.seed);
  CHECK(head.setup.shares_cores);
  REQUIRE(head.setup.reference);
  CHECK(head.setup.reference->classes == expected.setup.reference->classes);
  CHECK(head.setup.reference->nodes == expected.setup.reference->nodes);
  CHECK(head.launcher == "srun");
  CHECK(head.slurm_job == "4711");
  CHECK(head.launcher_arguments == expected.launcher_arguments);
  CHECK(head.console == expected.console);
  CHECK(head.save_reference == expected.save_reference);
  CHECK(head.before == expected.before);
  CHECK(head.started_ns == expected.started_ns);
  CHECK(head.time_limit_ns == expected.time_limit_ns);
}

TEST_CASE("a burn-in's log that is torn anywhere loses one line at most", "[burnin]") {
  const LogDirectory directory;
  {
    auto log = BurninLog::create(directory.path, some_head());
    REQUIRE(log);
    REQUIRE(log->done(some_result("links/1/n00+n01")));
    REQUIRE(log->done(some_result("links/1/n00+n02")));
  }
  const std::string whole = directory.text();
  const auto second = whole.rfind('\n', whole.size() - 2) + 1;
  for (const auto length : {second, second + 1, second + 40, whole.size() - 1, whole.size()}) {
    fs::resize_file(directory.path / "burnin.jsonl", 0);
    directory.append(whole.substr(0, length));
    {
      auto opened = BurninLog::open(directory.path);
      REQUIRE(opened);
      CHECK(opened->results.size() == (length == whole.size() ? 2 : 1));
      REQUIRE(opened->log.done(some_result("links/1/n01+n02")));
      REQUIRE(opened->log.ended("no time was left"));
    }
    const auto again = BurninLog::open(directory.path);
    REQUIRE(again);
    CHECK(again->results.back().cell.id == "links/1/n01+n02");
    CHECK(again->ended);
    REQUIRE(again->given_up);  // as logs of earlier versions say it
    CHECK(again->given_up->why == "no time was left");
    CHECK(again->given_up->results == again->results.size());
  }
}

TEST_CASE("results that a burn-in's log was told to forget are not given back", "[burnin]") {
  const LogDirectory directory;
  {
    auto log = BurninLog::create(directory.path, some_head());
    REQUIRE(log);
    for (const char* id : {"links/1/a", "links/1/b", "links/1/c"}) REQUIRE(log->done(some_result(id)));
    REQUIRE(log->forgotten(2));
  }
  {
    auto opened = BurninLog::open(directory.path);
    REQUIRE(opened);
    REQUIRE(opened->results.size() == 1);
    CHECK(opened->results[0].cell.id == "links/1/a");
    CHECK_FALSE(opened->ended);
    REQUIRE(opened->log.done(some_result("links/1/b")));
  }
  {
    auto again = BurninLog::open(directory.path);
    REQUIRE(again);
    REQUIRE(again->results.size() == 2);
    CHECK(again->results[1].cell.id == "links/1/b");
    REQUIRE(again->log.forgotten(99));
  }
  const auto last = BurninLog::open(directory.path);
  REQUIRE(last);
  CHECK(last->results.empty());
}

TEST_CASE("what the sessions of a burn-in took is told without the pauses between them", "[burnin]") {
  const LogDirectory directory;
  REQUIRE(BurninLog::create(directory.path, some_head()));
  const auto line = [&](const std::string& type, std::int64_t at_ns) {
    directory.append(fmt::format("{{\"type\": \"{}\", \"t_ns\": {}}}\n", type, at_ns));
  };
  line("session", 1'000);
  line("cell_started", 2'000);
  line("cell_started", 4'000);
  line("session", 10'000);  // it did not come to anything
  line("session", 20'000);
  line("cell_started", 21'000);
  line("forgotten", 19'000);  // the clock was set back
  for (int times = 0; times < 2; ++times) {
    const auto opened = BurninLog::open(directory.path);
    REQUIRE(opened);
    CHECK(opened->earlier_ns == 4'000);
  }
}

TEST_CASE("two at one burn-in are refused, and so is what is no burn-in", "[burnin]") {
  const LogDirectory directory;
  CHECK(BurninLog::open(directory.path).error().kind == ErrorKind::usage);
  const auto log = BurninLog::create(directory.path, some_head());
  REQUIRE(log);
  const auto other = BurninLog::open(directory.path);
  REQUIRE_FALSE(other);
  CHECK(other.error().message.find("another grit") != std::string::npos);
  CHECK(BurninLog::read_head(directory.path));
  const auto twice = BurninLog::create(directory.path, some_head());
  REQUIRE_FALSE(twice);
  CHECK(twice.error().message.find("grit resume") != std::string::npos);
  const LogDirectory foreign;
  foreign.append("{\"format\": 1, \"type\": \"run\"}\n");
  CHECK_FALSE(BurninLog::open(foreign.path));
  const LogDirectory newer;
  newer.append("{\"format\": 99, \"type\": \"burnin\"}\n");
  const auto refused = BurninLog::open(newer.path);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message.find("99") != std::string::npos);
}

TEST_CASE("a node's last kernel lines are those that were written since it was well", "[burnin]") {
  const LogDirectory directory;
  const auto file = directory.path / "console-n01";
  const auto write = [&](std::ios::openmode mode, const std::string& text) { std::ofstream(file, mode) << text; };
  std::string text;
  for (int i = 0; i < 50; ++i) text += fmt::format("line {}\r\n\r\n", i);
  NodeConsoles consoles((directory.path / "console-%n").string());
  CHECK(consoles.last_lines("n01").empty());
  CHECK(NodeConsoles("").last_lines("n01").empty());

  write(std::ios::trunc, text + "Kernel \033[1m died");
  auto lines = consoles.last_lines("n01");
  REQUIRE(lines.size() == 20);
  CHECK(lines.back() == "Kernel  [1m died");
  CHECK(lines.front() == "line 31");
  CHECK(telling_kernel_line(lines) == "Kernel  [1m died");
  CHECK(consoles.last_lines("n02").empty());

  SECTION("what was said before is of an earlier death") {
    write(std::ios::trunc, "Kernel panic - not syncing: of yesterday\n");
    consoles.note_well("n01");
    CHECK(consoles.last_lines("n01").empty());
    write(std::ios::app, "a word of today's\n");
    CHECK(consoles.last_lines("n01") == std::vector<std::string>{"a word of today's"});
    write(std::ios::trunc, "another file\n");
    CHECK(consoles.last_lines("n01") == std::vector<std::string>{"another file"});
  }
  SECTION("a panic is told even when a stack and the next start stand behind it") {
    consoles.note_well("n01");
    write(std::ios::app, "\nKernel panic - not syncing: Fatal machine check\n" + text + "Rebooting in 10 seconds..\n");
    lines = consoles.last_lines("n01");
    REQUIRE(lines.size() == 21);
    CHECK(lines.front() == "Kernel panic - not syncing: Fatal machine check");
    CHECK(lines[1] == "line 31");
    CHECK(lines.back() == "Rebooting in 10 seconds..");
    CHECK(telling_kernel_line(lines) == lines.front());
  }
}

}  // namespace grit

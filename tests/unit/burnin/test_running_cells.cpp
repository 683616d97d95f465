#include <fmt/format.h>

#include <csignal>
#include <cstdlib>
#include <fstream>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/burnin/running_cells.hpp"
#include "harness/model/burnin_observation.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/burnin/fake_nodes.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

/// Instead of grit on a node: what a shell does, by the cell's first host.
class ScriptLauncher : public JobLauncher {
 public:
  explicit ScriptLauncher(std::map<std::string, std::string> scripts) : scripts_(std::move(scripts)) {}
  [[nodiscard]] std::string name() const override { return "scripts"; }
  [[nodiscard]] std::vector<std::string> words(const HostJob& job) const override {
    const auto found = scripts_.find(job.hosts.front());
    return found == scripts_.end() ? std::vector<std::string>{"/no/such/launcher"}
                                   : std::vector<std::string>{"/bin/sh", "-c", found->second};
  }
  [[nodiscard]] std::vector<std::string> environment(const HostJob&) const override { return {"PATH=/usr/bin:/bin"}; }
  [[nodiscard]] std::string why_not_started(int, std::string_view printed) const override {
    return printed.find("no route") == std::string_view::npos ? "" : "no route to host";
  }

 private:
  std::map<std::string, std::string> scripts_;
};

class CellPlace {
  test::TempDirectory place_{};

 public:
  const fs::path& path = place_.path();
  CellPlace() {
    fs::create_directory(path / "cells");
    head.setup = fake_setup(6, {compute_round()});
    head.setup.config.rounds[0].limit_ns = 60 * kNsPerS;
  }

  /// A script that prints what a node says of itself.
  [[nodiscard]] std::string saying(const std::string& host, double value) const {
    BurninLine line{.host = host};
    line.observations.push_back({.measure = "compute", .host = host, .value = value});
    std::ofstream(path / host) << "a word of the launcher's\n" << burnin_line(line);
    return "cat " + (path / host).string();
  }

  BurninHead head{};
};

BurninCell cell_of(const std::string& host) {
  return {.id = "solo/0/" + host, .round = "solo", .hosts = {host}, .length_ns = 1, .kinds = {"compute"}};
}

std::map<std::string, BurninCellResult> wait_for_all(RunningCells& cells) {
  std::map<std::string, BurninCellResult> results;
  const std::int64_t deadline_ns = monotonic_ns() + 60 * kNsPerS;
  while (!cells.empty() && monotonic_ns() < deadline_ns) {
    std::vector<pollfd> waited;
    cells.add_to(waited);
    ::poll(waited.data(), waited.size(), 50);
    for (BurninCellResult& result : cells.ended()) {
      std::string host = result.cell.hosts.front();
      results.emplace(std::move(host), std::move(result));
    }
  }
  return results;
}

}  // namespace

TEST_CASE("cells end as their jobs do, and the others go on", "[burnin]") {
  CellPlace place;
  place.head.console = (place.path / "console-%n").string();
  const ScriptLauncher launcher(
      {{"n00", place.saying("n00", 42)},
       {"n01", place.saying("n01", 43) + "; echo broken >&2; exit 3"},
       {"n02", "echo no route; exit 255"},
       {"n03", "echo Kernel panic >> " + (place.path / "console-n03").string() + "; kill -9 $$"},
       {"n04", "true"}});
  std::ofstream(place.path / "console-n03") << "of an earlier death\n";
  RunningCells cells(place.head, launcher, place.path, "/usr/bin/grit");
  for (const char* host : {"n00", "n01", "n02", "n03", "n04", "n05"}) cells.start(cell_of(host));
  const auto results = wait_for_all(cells);
  REQUIRE(results.size() == 6);

  const BurninCellResult& good = results.at("n00");
  CHECK(good.end == BurninCellEnd::completed);
  REQUIRE(good.observations.size() == 1);
  CHECK(good.observations[0].value == 42);
  CHECK(good.observations[0].cell == "solo/0/n00");
  CHECK(good.words.empty());
  CHECK(good.started_ns > 0);
  CHECK(good.took_ns > 0);
  CHECK_FALSE(fs::exists(place.path / "cells" / "solo_0_n00.log"));

  const BurninCellResult& failed = results.at("n01");
  CHECK(failed.end == BurninCellEnd::failed);
  CHECK(failed.status == 3);
  CHECK(failed.observations.size() == 1);
  CHECK(failed.words == "a word of the launcher's\nbroken\n");
  const std::string kept = read_file(place.path / "cells" / "solo_0_n01.log").value_or("");
  CHECK(kept.find("grit_measure") != std::string::npos);
  CHECK(kept.find("failed: 3") != std::string::npos);

  CHECK(results.at("n02").end == BurninCellEnd::not_started);
  CHECK(results.at("n02").words == "no route to host");
  CHECK(results.at("n03").end == BurninCellEnd::failed);
  CHECK(results.at("n03").status == 128 + 9);
  CHECK(results.at("n03").kernel_lines.at("n03") == std::vector<std::string>{"Kernel panic"});
  CHECK(results.at("n04").end == BurninCellEnd::completed);
  CHECK(results.at("n04").observations.empty());
  CHECK(results.at("n05").end == BurninCellEnd::not_started);
  CHECK(results.at("n05").words.find("/no/such/launcher") != std::string::npos);
}

TEST_CASE("what a kernel said is told of all cells that are lost until its node is well again", "[burnin]") {
  CellPlace place;
  place.head.console = (place.path / "console-%n").string();
  const ScriptLauncher launcher({{"n00", fmt::format("cd {} && echo >> tries; case $(wc -l < tries) in "
                                                     "1) echo Kernel panic >> console-n00; exit 1;; 3) exit 0;; esac; "
                                                     "exit 1",
                                                     place.path.string())}});
  RunningCells cells(place.head, launcher, place.path, "/usr/bin/grit");
  const auto next = [&] {
    cells.start(cell_of("n00"));
    return wait_for_all(cells).at("n00");
  };
  const std::vector<std::string> panic{"Kernel panic"};
  CHECK(next().kernel_lines["n00"] == panic);
  CHECK(next().kernel_lines["n00"] == panic);  // it is asked again, and does not answer
  CHECK(next().end == BurninCellEnd::completed);
  const BurninCellResult later = next();
  CHECK(later.end == BurninCellEnd::failed);
  CHECK(later.kernel_lines.empty());
}

TEST_CASE("a cell that does not end is ended at its limit, and all are when the burn-in is", "[burnin]") {
  CellPlace place;
  place.head.setup.config.rounds[0].limit_ns = kNsPerMs;
  const ScriptLauncher launcher({{"n00", "sleep 1000"}, {"n01", place.saying("n01", 1) + "; sleep 1000"}});
  RunningCells cells(place.head, launcher, place.path, "/usr/bin/grit");
  SECTION("its limit") {
    for (const char* host : {"n00", "n01"}) cells.start(cell_of(host));
    const auto results = wait_for_all(cells);
    REQUIRE(results.size() == 2);
    CHECK(results.at("n00").end == BurninCellEnd::timed_out);
    CHECK(results.at("n01").end == BurninCellEnd::timed_out);
    CHECK(results.at("n01").observations.size() == 1);  // what was said before is known
  }
  SECTION("the burn-in's end") {
    cells.start(cell_of("n00"));
    cells.end_all(kNsPerS);
    const auto results = wait_for_all(cells);
    REQUIRE(results.size() == 1);
    CHECK(results.at("n00").end == BurninCellEnd::failed);
    const int status = results.at("n00").status;  // a signal before it is a shell is this program's to handle
    CHECK((status == 128 + SIGTERM || status == 128 + SIGKILL));
  }
}

TEST_CASE("what a cell runs on its nodes", "[burnin]") {
  CellPlace place;
  place.head.setup.config.rounds = {links_round(), compute_round()};
  place.head.setup.config.rounds[0].ranks_per_node = 2;
  place.head.setup.hosts[1].address = "10.0.0.2";
  class Asked : public ScriptLauncher {
   public:
    using ScriptLauncher::ScriptLauncher;
    [[nodiscard]] std::vector<std::string> words(const HostJob& job) const override {
      std::vector<std::string> all{fmt::format("{} {}", job.uses_mpi, job.ranks_per_node)};
      all.insert(all.end(), job.hosts.begin(), job.hosts.end());
      all.insert(all.end(), job.command.begin(), job.command.end());
      return all;
    }
  };
  const Asked launcher(std::map<std::string, std::string>{});
  const RunningCells cells(place.head, launcher, place.path, "/usr/bin/grit");
  const auto of_pair = cells.command(
      {.id = "links/0/n00-n01", .round = "links", .hosts = {"n00", "n01"}, .length_ns = 5, .kinds = {"link"}});
  REQUIRE(of_pair.size() > 5);
  CHECK(of_pair[0] == "true 2");
  CHECK(of_pair[1] == "n00");
  CHECK(of_pair[2] == "10.0.0.2");
  CHECK(of_pair[3] == "/usr/bin/grit");
  CHECK(of_pair[4] == "measure");
  CHECK(std::ranges::find(of_pair, "n00,n01") != of_pair.end());
  CHECK(std::ranges::find(of_pair, "--boots") == of_pair.end());
  // Once both have said which machine they are, others than by their names can be told apart.
  RunningCells later(place.head, launcher, place.path, "/usr/bin/grit");
  later.note({.boot_ids = {{"n00", "6d1f6c1e-31a5-4b8c-8f2d-0d0f0f4f2a11"}}});
  later.note({.boot_ids = {{"n01", "0a0b0c0d-31a5-4b8c-8f2d-0d0f0f4f2a11"}}});
  const auto known = later.command(
      {.id = "links/0/n00-n01", .round = "links", .hosts = {"n00", "n01"}, .length_ns = 5, .kinds = {"link"}});
  CHECK(std::ranges::find(known, "6d1f6c1e,0a0b0c0d") != known.end());
  // A node of it that was lost is asked alone, for which MPI is not needed.
  const auto alone =
      cells.command({.id = "links/0/n01-alone-1", .round = "links", .hosts = {"n01"}, .kinds = {"facts"}});
  CHECK(alone[0] == "false 1");
  CHECK(std::ranges::find(alone, "facts") != alone.end());
}

}  // namespace grit

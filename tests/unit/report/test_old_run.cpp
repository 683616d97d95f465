// Run directories of earlier versions, kept as they were written (tests/data), are judged as they were then, and
// reported and compared.
#include <filesystem>
#include <set>

#include "analysis/compare/compare.hpp"
#include "analysis/compare/trend.hpp"
#include "analysis/report/finish.hpp"
#include "analysis/report/text/terminal.hpp"
#include "harness/base/files.hpp"
#include "harness/model/format.hpp"
#include "harness/model/series.hpp"
#include "harness/record/run_dir.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;
namespace fs = std::filesystem;

namespace {

const fs::path kOfCommit29e12f6 = fs::path(GRIT_SOURCE_DIR) / "tests/data/29e12f6";

fs::path copy_of(const std::string& name, const test::TempDirectory& directory) {
  const fs::path run = directory.path() / name;
  fs::copy(kOfCommit29e12f6 / name, run, fs::copy_options::recursive);
  return run;
}

template <class T>
T ok(Result<T> result) {
  INFO((result ? std::string() : result.error().message));
  REQUIRE(result);
  return std::move(*result);
}

}  // namespace

TEST_CASE("a run whose checks are an event each and whose links are one document has the verdict that it had") {
  const test::TempDirectory directory;
  const fs::path run = copy_of("link_flap", directory);
  const auto before = read_json(run / "verdict.json");
  REQUIRE(before);
  fs::remove(run / "verdict.json");
  ok(finish_run(run));
  const auto now = read_json(run / "verdict.json");
  REQUIRE(now);
  // Eight pairs and three looks.
  auto now_checks = now->at("checks");
  for (Json& check : now_checks) {
    CHECK(check.at("p") == (check.at("node") == "node3" ? Json(3.0 / 256) : Json(1.0)));
    CHECK(check.at("pairs_worse") == (check.at("node") == "node3" ? 8 : 0));
    for (const char* later : {"p", "pairs", "pairs_worse", "not_here", "cpu_ns", "longest_ns"})
      check.erase(later);  // were not written then
  }
  CHECK(now_checks == before->at("checks"));
  for (const char* member : {"verdict", "outcome", "sentence", "faults", "effect", "culprit_text", "expectations"}) {
    CAPTURE(member);
    REQUIRE(before->contains(member));
    CHECK(now->at(member) == before->at(member));
  }
  for (const auto& [key, value] : before->at("culprit").items()) {
    CAPTURE(key);
    if (key != "why") CHECK(now->at("culprit").at(key) == value);  // in words, which have become more exact
  }
}

TEST_CASE("verdict.json of an earlier version is read as it is") {
  for (const char* run : {"link_flap", "killed", "quiet_monday", "quiet_tuesday"}) {
    CAPTURE(run);
    const Json document = ok(read_json(kOfCommit29e12f6 / run / "verdict.json"));
    CHECK(document.at("format") == 1);
    const Verdict verdict = ok(verdict_from_json(document));
    CHECK(to_string(verdict.kind) == document.at("verdict").get<std::string>());
    CHECK_THAT(terminal_summary(verdict, run), Catch::Matchers::Contains(verdict.sentence));
  }
}

TEST_CASE("runs of an earlier version are judged, reported and exported: a quiet one, and one that a death ended") {
  for (const char* name : {"quiet_monday", "quiet_tuesday", "killed"}) {
    CAPTURE(name);
    const test::TempDirectory directory;
    const fs::path run = copy_of(name, directory);
    const Json before = ok(read_json(run / "verdict.json"));
    const Verdict verdict = ok(finish_run(run));
    CHECK(to_string(verdict.kind) == before.at("verdict").get<std::string>());
    CHECK(verdict.outcome == before.at("outcome").get<std::string>());
    const Json now = ok(read_json(run / "verdict.json"));
    CHECK(now.at("format") == formats::kVerdict.number);
    if (!before.at("effect").is_null())
      for (const char* figure : {"estimate", "ci_low", "ci_high", "p"})
        CHECK(now.at("effect").at(figure).get<double>() == Approx(before.at("effect").at(figure).get<double>()));
    CHECK(fs::file_size(run / "report.html") > 1000);
    ok(export_run(run, {.csv_directory = run / "csv", .trace_file = run / "trace.json"}));
    CHECK(fs::file_size(run / "csv" / "steps.csv") > 100);
  }
}

TEST_CASE("two days of an earlier version are compared, and a week of one that did not know formats") {
  std::vector<ComparedRun> then{ok(read_compared_run(kOfCommit29e12f6 / "quiet_monday"))};
  std::vector<ComparedRun> now{ok(read_compared_run(kOfCommit29e12f6 / "quiet_tuesday"))};
  REQUIRE(check_comparable(then, now, false));
  const Comparison comparison = compare_runs(then, now, 0.05);
  CHECK(comparison.change == Change::inconclusive);  // always so with one run a side
  CHECK(comparison.before.at(0).blocks == 8);
  CHECK(comparison.environment.nodes == 2);
  for (const Json& difference : to_json(comparison.environment).at("differences"))
    CHECK_FALSE(difference.at("what") == "format");
  CHECK(find_changes({ok(read_compared_run(kOfCommit29e12f6 / "quiet_monday"))}, 0.05).points.size() == 8);
}

TEST_CASE("a series of an earlier version is judged, reported and exported again, and so are its trials") {
  const test::TempDirectory directory;
  const fs::path series = copy_of("searched", directory);
  const Json before = ok(read_json(series / "verdict.json"));
  const Verdict verdict = ok(finish_series(series));
  CHECK(to_string(verdict.kind) == before.at("verdict").get<std::string>());
  const Json now = ok(read_json(series / "verdict.json"));
  REQUIRE(now.at("trials").size() == 3);
  for (std::size_t i = 0; i < 3; ++i) CHECK(now.at("trials").at(i).at("dose") == before.at("trials").at(i).at("dose"));
  CHECK(fs::file_size(series / "report.html") > 1000);
  CHECK_THAT(ok(read_file(series / "junit.xml")), Catch::Matchers::Contains("name=\"trial 3: delay = 4.31ms\""));
  ok(export_series(series, {.csv_directory = series / "csv"}));
  CHECK_THAT(ok(read_file(series / "csv" / "trials.csv")), Catch::Matchers::Contains("\r\n2,40000000,delay = 40ms,"));
  CHECK_FALSE(export_series(series, {.trace_file = series / "trace.json"}));
  const Json trial_before = ok(read_json(series / "trials/002/verdict.json"));
  CHECK(to_string(ok(finish_run(series / "trials/002")).kind) == trial_before.at("verdict").get<std::string>());
}

TEST_CASE("what a newer version wrote is refused, whichever file it is") {
  const auto newer = [](const fs::path& file) {
    Json document = ok(read_json(file));
    document["format"] = 1000;
    REQUIRE(write_file_durably(file, json_text(document)));
  };
  for (const char* file : {"plan.json", "run.json", "clock.json", "env/node1.json"}) {
    CAPTURE(file);
    const test::TempDirectory directory;
    const fs::path run = copy_of("quiet_monday", directory);
    newer(run / file);
    const auto finished = finish_run(run);
    REQUIRE_FALSE(finished);
    CHECK(finished.error().kind == ErrorKind::usage);
    CHECK_THAT(finished.error().message,
               Catch::Matchers::Contains("has format 1000, and this grit reads formats up to"));
    if (std::string(file) != "clock.json") CHECK_FALSE(read_compared_run(run));
  }
  const test::TempDirectory directory;
  const fs::path run = copy_of("quiet_monday", directory), series = copy_of("searched", directory);
  REQUIRE(write_file_durably(run / "events.jsonl", "{\"format\":1000}\n"));
  CHECK_FALSE(finish_run(run));
  CHECK_FALSE(read_compared_run(run));
  newer(series / "series.json");
  CHECK_FALSE(finish_series(series));
}

// Run directories of earlier versions, kept as they were written (tests/data), are judged as they were then.
#include <filesystem>

#include "analysis/report/finish.hpp"
#include "harness/record/run_dir.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;
namespace fs = std::filesystem;

TEST_CASE("a run whose checks are an event each and whose links are one document has the verdict that it had") {
  const test::TempDirectory directory;
  const fs::path run = directory.path() / "run";
  fs::copy(fs::path(GRIT_SOURCE_DIR) / "tests/data/run-29e12f6", run, fs::copy_options::recursive);
  const auto before = read_json(run / "verdict.json");
  REQUIRE(before);
  fs::remove(run / "verdict.json");
  const auto finished = finish_run(run);
  INFO((finished ? std::string() : finished.error().message));
  REQUIRE(finished);
  const auto now = read_json(run / "verdict.json");
  REQUIRE(now);
  // Eight pairs and three looks.
  auto now_checks = now->at("checks");
  for (Json& check : now_checks) {
    CHECK(check.at("p") == (check.at("node") == "node3" ? Json(3.0 / 256) : Json(1.0)));
    CHECK(check.at("pairs_worse") == (check.at("node") == "node3" ? 8 : 0));
    for (const char* later : {"p", "pairs", "pairs_worse"}) check.erase(later);  // were not written then
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

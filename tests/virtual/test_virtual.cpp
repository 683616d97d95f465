// Runs whose truth is known, from the scenario's text to the verdict: the same seed gives the same bytes, and the
// answer is exact.
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "analysis/series/search.hpp"
#include "harness/base/files.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"
#include "tests/virtual/cases.hpp"

using namespace grit;
using namespace grit::testing;
namespace fs = std::filesystem;

namespace {

/// Of every file below the directory, by its path in it.
std::map<std::string, std::string> contents(const fs::path& directory) {
  std::map<std::string, std::string> all;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    if (entry.is_regular_file())
      all[entry.path().lexically_relative(directory).string()] = read_file(entry.path()).value_or("unreadable");
  return all;
}

std::string three_digits(const std::optional<Effect>& effect) {
  if (!effect) return "none";
  const std::string text = fmt::format("{:#.3g}", effect->estimate);
  return std::abs(effect->estimate) < 0.005 ? "0.00" : text;
}

}  // namespace

TEST_CASE("the same seed gives the same bytes in every file, and another seed other ones") {
  const std::string name = GENERATE("link_flap", "rank_death");
  const auto all = cases();
  VirtualSetting setting = case_of(all, name).setting;
  const test::TempDirectory directory;
  run_virtually(setting, directory.path() / "a");
  run_virtually(setting, directory.path() / "b");
  setting.seed = 2;
  run_virtually(setting, directory.path() / "c");
  const auto a = contents(directory.path() / "a"), b = contents(directory.path() / "b"),
             c = contents(directory.path() / "c");
  for (const char* file : {"plan.json", "steps.npy", "events.jsonl", "verdict.json", "junit.xml", "report.html"}) {
    CAPTURE(file);
    REQUIRE(a.contains(file));
    CHECK(a.at(file).size() > 100);
  }
  REQUIRE(a.size() == b.size());
  for (const auto& [file, text] : a) {
    CAPTURE(file);
    CHECK((b.contains(file) && b.at(file) == text));
  }
  CHECK(a.at("steps.npy") != c.at("steps.npy"));
  CHECK(a.at("events.jsonl") != c.at("events.jsonl"));
}

TEST_CASE("of runs whose truth is known the answer is exact") {
  const auto all = cases();
  const Case& one = all[GENERATE_COPY(range(std::size_t{0}, all.size()))];
  CAPTURE(one.name);
  const test::TempDirectory directory;
  const Verdict verdict = run_virtually(one.setting, directory.path() / "run").verdict;
  INFO(verdict.sentence << "\n" << (verdict.culprit ? verdict.culprit->text : std::string()));
  CHECK(to_string(verdict.kind) == to_string(one.kind));
  CHECK(verdict.outcome == one.outcome);
  CHECK(three_digits(verdict.effect) == one.effect);
  std::set<int> named;
  if (verdict.culprit)
    for (int i = 0; i < verdict.culprit->named; ++i) {
      const Suspect& suspect = verdict.culprit->suspects.at(static_cast<std::size_t>(i));
      named.insert(suspect.nodes.begin(), suspect.nodes.end());
    }
  CHECK(named == std::set<int>(one.culprits.begin(), one.culprits.end()));
  const bool any = verdict.culprit && !verdict.culprit->suspects.empty();
  CHECK((any ? verdict.culprit->suspects.front().resource : "") == one.resource);
  CHECK((any ? verdict.culprit->suspects.front().node_name : "") == one.culprit_name);
}

#include <set>

#include "harness/model/format.hpp"
#include "harness/model/series.hpp"
#include "tests/catch.hpp"

using namespace grit;

TEST_CASE("series.json of another version: what it lacks keeps its default, what it has more is passed over") {
  Series series;
  series.scenario = "delay";
  series.search.kind = SearchSpec::Kind::magnitude;
  series.trials = {{.overrides = {{"rate", "1Gbit/s"}}, .dose = 1e9, .result = TrialResult{.slowdown = 0.2}}};
  const Json whole = to_json(series);
  const std::set<std::string> needed{"scenario", "seed", "search", "trials"};
  for (const char* object : {"", "/search", "/trials/0", "/trials/0/result"})
    for (const auto& [key, value] : whole.at(Json::json_pointer(object)).items()) {
      CAPTURE(object, key);
      Json json = whole;
      json[Json::json_pointer(object)].erase(key);
      CHECK(series_from_json(json).has_value() == (*object != '\0' || !needed.contains(key)));
    }
  Json other = whole;
  other["trials"][0]["weather"] = "fair";
  other["format"] = 0;
  const auto read = series_from_json(other);
  REQUIRE(read.has_value());
  CHECK(to_json(*read) == whole);
  other["format"] = formats::kSeries.number + 1;
  CHECK_FALSE(series_from_json(other).has_value());
}

// Runs for tests of comparisons: made of numbers alone, or written to a directory.
#pragma once

#include <cmath>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "analysis/compare/compared_run.hpp"
#include "harness/base/files.hpp"
#include "harness/record/run_dir.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/analysis/fixture.hpp"

namespace grit::testing {

struct RunSettings {
  double between = 0.03;  // standard deviation of the log step time between runs
  double within = 0.01;   // and between the blocks of one run
  double shift = 0;       // true change of the log step time
  int blocks = 8;
  double autocorrelation = 0;  // of runs that follow each other
};

/// `state`: what the run before left to it, in standard deviations; becomes this run's.
inline ComparedRun simulated_run(std::mt19937_64& random, const RunSettings& settings, const std::string& name,
                                 double& state) {
  std::normal_distribution<double> normal;
  ComparedRun run;
  run.directory = name;
  run.plan = small_plan(8, false);
  state = settings.autocorrelation * state +
          std::sqrt(1 - settings.autocorrelation * settings.autocorrelation) * normal(random);
  const double level = settings.shift + settings.between * state;
  for (int block = 0; block < settings.blocks; ++block) {
    const double time_ns = 1e7 * std::exp(level + settings.within * normal(random));
    run.baseline.push_back({block, time_ns, time_ns * 0.98});
  }
  return run;
}

inline ComparedRun simulated_run(std::mt19937_64& random, const RunSettings& settings, const std::string& name) {
  double state = std::normal_distribution<double>()(random);
  return simulated_run(random, settings, name, state);
}

inline std::vector<ComparedRun> simulated_runs(std::mt19937_64& random, int count, const RunSettings& settings,
                                               const std::string& name, double& state) {
  std::vector<ComparedRun> runs;
  for (int i = 0; i < count; ++i) runs.push_back(simulated_run(random, settings, name + std::to_string(i), state));
  return runs;
}

inline std::vector<ComparedRun> simulated_runs(std::mt19937_64& random, int count, const RunSettings& settings,
                                               const std::string& name) {
  double state = std::normal_distribution<double>()(random);
  return simulated_runs(random, count, settings, name, state);
}

/// A directory that goes with the test.
class RunDirectories {
 public:
  std::filesystem::path add(const std::string& name, const Plan& plan, const std::vector<StepRecord>& records,
                            const std::vector<Json>& events, const Json& environment = Json::object()) {
    const std::filesystem::path directory = path() / name;
    REQUIRE(create_run_directory(directory).has_value());
    REQUIRE(write_file_durably(directory / "plan.json", to_json(plan).dump()).has_value());
    const Json run{{"started_utc", "20261125T081500Z"}, {"version", "0.1.0"}, {"commit", "abc"}};
    REQUIRE(write_file_durably(directory / "run.json", run.dump()).has_value());
    for (const Node& node : plan.topology.nodes)
      REQUIRE(
          write_file_durably(directory / "env" / ("node" + std::to_string(node.index) + ".json"), environment.dump())
              .has_value());
    auto steps = StepsWriter::open(directory / "steps.npy");
    REQUIRE(steps.has_value());
    REQUIRE(steps->append(records).has_value());
    auto file = EventsWriter::open(directory / "events.jsonl");
    REQUIRE(file.has_value());
    for (const Json& event : events) REQUIRE(file->append(event).has_value());
    return directory;
  }
  [[nodiscard]] const std::filesystem::path& path() const { return directory_.path(); }

 private:
  test::TempDirectory directory_{};
};

}  // namespace grit::testing

// Lua -> Scenario. The only way a scenario file is read; Lua ends here, but for drive() (docs/scenarios.md).
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/series.hpp"

namespace grit {

/// The text of a scenario file, or of another Lua file, which errors then call `what`. Error (usage): it cannot be
/// read, or is compiled Lua.
Result<std::string> read_scenario(const std::filesystem::path& path, std::string_view what = "scenario");

struct LoadedScenario {
  Scenario scenario{};  // one trial, with the options as they are
  SearchSpec search{};  // how to make a series of them
};

/// Evaluates a scenario's text in a sandbox (harness/scenario/sandbox.hpp) and checks everything in it against the
/// registries of faults, workloads and checks. `file` is for messages; `overrides` are the --set NAME=VALUE of the
/// command line, later ones over earlier ones. Error (usage): it is not a scenario, or states something wrong:
/// "FILE:LINE: what is wrong and the nearest valid name". No Lua state and no exception outlives the call.
Result<LoadedScenario> evaluate_scenario(const std::string& file, const std::string& source,
                                         const Overrides& overrides);

/// What a scenario says of itself to whoever asks how to run it.
struct ScenarioBrief {
  std::string name{};
  std::string summary{};
  std::vector<std::string> comment{};  // the lines of the comment that the file begins with
  std::vector<ScenarioOption> options{};
};

/// Evaluates the text no further than its options, with their defaults. Error (usage): as evaluate_scenario, of what it
/// came to.
Result<ScenarioBrief> brief_of_scenario(const std::string& file, const std::string& source);

/// Both, for who wants one run only.
Result<Scenario> load_scenario(const std::filesystem::path& path, const Overrides& overrides);

/// What drive() returned: { verdict = "reproduced", text = "..." }.
struct DriveEnd {
  VerdictKind verdict = VerdictKind::inconclusive;
  std::string text{};
};

/// Runs one trial with these options over the others; returns what drive() sees of it.
using TrialFunction = std::function<Result<Json>(const Overrides&)>;

/// Evaluates the text once more and calls its drive(trial). The sandbox's limits on time hold for each stretch between
/// two trials. Error: that of a trial, even if the scenario caught it; or (usage) what is wrong in the scenario.
Result<DriveEnd> drive_scenario(const std::string& file, const std::string& source, const Overrides& overrides,
                                const TrialFunction& trial);

}  // namespace grit

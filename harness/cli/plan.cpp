// grit plan: what would be done, where, with which mechanism, and what is refused. Changes nothing.
#include <fmt/format.h>

#include <memory>

#include "harness/base/printable.hpp"
#include "harness/cli/commands.hpp"
#include "harness/cli/scenario_options.hpp"
#include "harness/run/series.hpp"
#include "harness/run/session.hpp"
#include "harness/scenario/planner.hpp"

namespace grit {
namespace {

/// "magnitude: rate from 100Mbit/s to 10Gbit/s, to be known to within 10 %".
std::string purpose_of(const SearchSpec& search) {
  using Kind = SearchSpec::Kind;
  const std::string kind(to_string(search.kind));
  if (search.kind == Kind::minimal || search.kind == Kind::drive) return kind;
  const std::string range = fmt::format("{}: {} from {} to {}", kind, search.option, dose_text(search, search.from),
                                        dose_text(search, search.to));
  if (search.kind == Kind::escalate) return range;
  return fmt::format("{}, to be known to within {}, which takes some {}", range,
                     format_quantity(search.resolution, Unit::fraction), default_trials(search));
}

struct PlanCommand {
  ScenarioOptions options{};
  bool json = false;

  [[nodiscard]] Result<int> print(const Topology& topology) const {
    GRIT_TRY(const LoadedScenario loaded, options.load());
    GRIT_TRY(const Plan plan, options.plan(loaded.scenario, topology));
    const std::string series = !is_series(loaded.search)
                                   ? ""
                                   : fmt::format("of at most {} trials ({}); this is one, with the options as they are",
                                                 loaded.search.trials, purpose_of(loaded.search));
    fmt::print("{}", json ? json_text(to_json(plan), 1) + "\n" : printable_lines(describe_plan(plan, series)));
    return check_guards(plan) ? 0 : static_cast<int>(ErrorKind::usage);
  }

  [[nodiscard]] Result<int> operator()() const {
    GRIT_TRY(const bool in_job, started_by_mpi());
    if (!in_job) {
      GRIT_TRY(const Topology topology, options.local_topology_or_error());
      return print(topology);
    }
    return run_in_job([this](const Job& job) -> Result<int> {
      GRIT_TRY(const Topology topology, discover_topology(job, "runs"));
      int code = 0;
      const auto print_plan = [&]() -> Status {
        GRIT_TRY(code, print(topology));
        return {};
      };
      GRIT_CHECK(job.first(print_plan));
      return code;
    });
  }
};

}  // namespace

void add_plan(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("plan", "say what a scenario would do, without doing it");
  command->footer("example: grit plan link_flap --seed 7 --json");
  auto plan = std::make_shared<PlanCommand>();
  plan->options.add_to(*command);
  command->add_flag("--json", plan->json, "the plan itself; the same inputs give the same bytes");
  command->callback([plan, &action] { action = [plan] { return (*plan)(); }; });
}

}  // namespace grit

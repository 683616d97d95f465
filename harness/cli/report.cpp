// grit report: verdict and report.html again from a run directory, also of a run that was cut off.
#include <fmt/format.h>

#include <memory>

#include "analysis/report/finish.hpp"
#include "harness/cli/commands.hpp"
#include "harness/run/execution.hpp"

namespace grit {

void add_report(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("report", "judge a run directory again and write its report, also after a crash");
  command->footer("example: grit report runs/link_flap/20261123T081500Z-7");
  auto run = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  command->add_option("run", *run, "the run's directory")->required();
  command->add_flag("--json", *json, "print verdict.json on standard output and nothing else");
  command->callback([run, json, &action] {
    action = [run, json]() -> Result<int> {
      if (auto finished = finish_run(*run); !finished) return with_context(finished.error(), "cannot report " + *run);
      return print_verdict(*run, *json);
    };
  });
}

}  // namespace grit

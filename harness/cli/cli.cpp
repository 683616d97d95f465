#include "harness/cli/cli.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <sstream>

#include "grit_version.hpp"
#include "harness/base/commit.hpp"
#include "harness/base/printable.hpp"
#include "harness/cli/arguments.hpp"
#include "harness/cli/scenario_words.hpp"

namespace grit {
namespace {

constexpr const char* kDescription =
    "grit throws faults into the gears of a training cluster, measures what they cost and proves it.\n"
    "\n"
    "  grit list scenarios                                  what comes with grit, and what each one asks\n"
    "  grit run link_flap --help                            what a scenario does, and its options\n"
    "  grit plan link_flap                                  what it would do, without doing it\n"
    "  grit run link_flap --down 2s                         on a cluster of network namespaces on this machine\n"
    "  mpirun -n 64 --hostfile nodes grit run link_flap     on real nodes\n"
    "  grit run FILE.lua                                    a scenario of your own\n"
    "  grit simulate link_flap --dp 512                     what would it cost a larger job?\n"
    "  grit score scorecard                                 do the health checks notice damage?\n"
    "  grit burnin --hosts n[01-64]                         which nodes may go live?\n";

constexpr const char* kExitCodes =
    "exit codes: 0 expectations met, 1 not met, 2 inconclusive, 64 bad usage or scenario,\n"
    "            69 something needed is not available here, 70 internal error or a fault that could not be reverted";

int report_error(const Error& error) {
  if (!error.message.empty()) fmt::print(stderr, "grit: {}\n", printable_lines(error.message));
  return static_cast<int>(error.kind);
}

void add_commands(CLI::App& app, Action& action) {
  add_run(app, action);
  add_plan(app, action);
  add_replay(app, action);
  add_resume(app, action);
  add_burnin(app, action);
  add_report(app, action);
  add_compare(app, action);
  add_simulate(app, action);
  add_import_nccl(app, action);
  add_list(app, action);
  add_describe(app, action);
  add_doctor(app, action);
  add_check(app, action);
  add_score(app, action);
  add_revert(app, action);
  add_manual(app, action);
  add_internal(app, action);
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
    for (CLI::Option* option : command->get_options())
      if (option->get_items_expected_max() == 0) option->disable_flag_override();  // "--json=no" is none of two things
}

/// What `--help` or `--version` asks for.
Result<Action> help_action(const CLI::App& app, const CLI::Success& asked) {
  const auto commands = app.get_subcommands();
  const CLI::Option* scenario = commands.empty() ? nullptr : commands.front()->get_option_no_throw("scenario");
  std::string text;
  std::error_code unreadable;
  if (scenario != nullptr && !scenario->results().empty() &&
      !std::filesystem::is_directory(scenario->results().front(), unreadable)) {  // which is finished runs
    GRIT_TRY(text, scenario_help(*commands.front(), scenario->results().front()));
  } else {
    std::ostringstream shown;
    app.exit(asked, shown, shown);
    text = shown.str();
  }
  return Action([text]() -> Result<int> { return fmt::print("{}", text), 0; });
}

/// `grit` alone has done nothing, which is no success to a script; people read what there is.
Action show_all(const CLI::App& app) {
  return [text = app.help()]() -> Result<int> {
    return fmt::print(stderr, "{}", text), static_cast<int>(ErrorKind::usage);
  };
}

}  // namespace

Result<Action> parse_command_line(const std::vector<std::string>& given) {
  const bool of_mpirun = !given.empty() && given.front() == "enter-node";  // its words are whatever mpirun needs
  if (!of_mpirun) GRIT_CHECK(check_arguments(given));
  const auto owned = std::make_shared<CLI::App>(kDescription, "grit");
  CLI::App& app = *owned;
  app.footer(kExitCodes);
  app.set_version_flag("--version", fmt::format("grit {} ({})", kVersion, commit()));
  app.require_subcommand(1);
  Action action;
  add_commands(app, action);
  if (given.empty()) return show_all(app);
  const auto commands = app.get_subcommands([&](CLI::App* one) { return one->get_name() == given.front(); });
  const auto words = commands.empty() || of_mpirun ? given : with_scenario_options(*commands.front(), given);
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // it takes them from the back
  } catch (const CLI::Success& asked) {
    return help_action(app, asked);
  } catch (const CLI::ParseError& error) {
    return usage_error(explain_usage(app, error, words));
  }
  return Action([owned, action] { return action(); });  // which may ask its options what was given
}

int cli_main(int argc, char** argv) {
  try {
    const auto action = parse_command_line({argv + std::min(argc, 1), argv + argc});
    if (!action) return report_error(action.error());
    const Result<int> code = (*action)();
    return code ? *code : report_error(code.error());
  } catch (const std::exception& error) {  // a library's exception that nobody expected: our bug, said as such
    return report_error(Error{ErrorKind::internal, std::string("internal error: ") + error.what()});
  }
}

}  // namespace grit

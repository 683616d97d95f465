#include "harness/cli/cli.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <sstream>

#include "grit_version.hpp"
#include "harness/base/commit.hpp"
#include "harness/cli/arguments.hpp"

namespace grit {
namespace {

constexpr const char* kDescription =
    "grit throws faults into the gears of a training cluster, measures what they cost and proves it.\n"
    "\n"
    "  grit run scenarios/link_flap.lua                     on a cluster of network namespaces on this machine\n"
    "  mpirun -n 64 --hostfile nodes grit run scenarios/link_flap.lua --set down=2s\n"
    "                                                       on real nodes\n";

constexpr const char* kExitCodes =
    "exit codes: 0 expectations met, 1 not met, 2 inconclusive, 64 bad usage or scenario,\n"
    "            69 something needed is not available here, 70 internal error or a fault that could not be reverted";

int report_error(const Error& error) {
  if (!error.message.empty()) fmt::print(stderr, "grit: {}\n", error.message);
  return static_cast<int>(error.kind);
}

void add_commands(CLI::App& app, Action& action) {
  add_run(app, action);
  add_plan(app, action);
  add_replay(app, action);
  add_resume(app, action);
  add_report(app, action);
  add_compare(app, action);
  add_list(app, action);
  add_describe(app, action);
  add_doctor(app, action);
  add_revert(app, action);
  add_internal(app, action);
  for (CLI::App* command : app.get_subcommands([](CLI::App*) { return true; }))
    for (CLI::Option* option : command->get_options())
      if (option->get_items_expected_max() == 0) option->disable_flag_override();  // "--json=no" is none of two things
}

}  // namespace

Result<Action> parse_command_line(const std::vector<std::string>& words) {
  const bool of_mpirun = !words.empty() && words.front() == "enter-node";  // its words are whatever mpirun needs
  if (!of_mpirun) GRIT_CHECK(check_arguments(words));
  const auto owned = std::make_shared<CLI::App>(kDescription, "grit");
  CLI::App& app = *owned;
  app.footer(kExitCodes);
  app.set_version_flag("--version", fmt::format("grit {} ({})", kVersion, commit()));
  app.require_subcommand(1);
  Action action;
  add_commands(app, action);
  try {
    app.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // it takes them from the back
  } catch (const CLI::Success& help) {
    std::ostringstream text;
    app.exit(help, text, text);
    return Action([text = text.str()]() -> Result<int> { return fmt::print("{}", text), 0; });
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

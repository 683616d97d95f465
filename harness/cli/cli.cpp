#include "harness/cli/cli.hpp"

#include <fmt/format.h>

#include "grit_version.hpp"
#include "harness/cli/commands.hpp"

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

}  // namespace

int cli_main(int argc, char** argv) {
  CLI::App app(kDescription, "grit");
  app.footer(kExitCodes);
  app.set_version_flag("--version", fmt::format("grit {} ({})", kVersion, kCommit));
  app.require_subcommand(1);
  Action action;
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
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ErrorKind::usage);
  }
  try {
    const Result<int> code = action();
    return code ? *code : report_error(code.error());
  } catch (const std::exception& error) {  // a library's exception that nobody expected: our bug, said as such
    return report_error(Error{ErrorKind::internal, std::string("internal error: ") + error.what()});
  }
}

}  // namespace grit

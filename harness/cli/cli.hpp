// The command line: one file per subcommand.
#pragma once

namespace grit {

/// Runs one grit command; returns the process's exit code.
int cli_main(int argc, char** argv);

}  // namespace grit

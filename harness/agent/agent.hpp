// The agent: one a node, the only place where faults are applied. Started by the node's first rank (agent_process.hpp).
#pragma once

namespace grit {

/// The `agent` subcommand's main: takes its configuration from the inherited bootstrap socket, then serves its node
/// until all of its ranks have ended. Exit code 0: the ranks ended, everything is reverted and written.
int agent_main();

}  // namespace grit

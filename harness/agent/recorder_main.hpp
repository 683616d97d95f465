// The recorder's process: one a run, on the first rank's node, kept by that rank (agent_process.hpp).
#pragma once

namespace grit {

/// The `recorder` subcommand's main. It ends with 0 when every node has said goodbye or is lost. When the first rank is
/// dead by then, and nobody outside of the job waits for its end, it starts `grit report` as its last act: the verdict
/// exists whoever died.
int recorder_main();

}  // namespace grit

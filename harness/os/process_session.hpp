// Signals for all processes of a session (setsid(2)), whatever process group they are in.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <set>
#include <vector>

namespace grit {

/// Their pids now, zombies among them.
std::vector<pid_t> processes_in_session(pid_t session);

/// Signals every process of the session that is not in `reached`, whatever its process group: timeout(1) and the jobs
/// of a shell have groups of their own. False: there was none. The session's leader must not have been reaped: until
/// then its number is no other session's.
bool signal_session(pid_t session, int number, std::set<pid_t>& reached);

/// SIGKILL, and looks again until it finds no other, or until the deadline (monotonic_ns()): one that was missed can
/// have started others.
void kill_session(pid_t session, std::int64_t deadline_ns);

}  // namespace grit

// A question that has another answer on a node of the local cluster than outside of it.
#pragma once

#include <functional>
#include <string>

#include "harness/base/result.hpp"

namespace grit {

/// What `ask` returns in a child that has entered new namespaces such as a node has (network, mounts, host name, IPC;
/// as root's, or as root of a user namespace of its own), which end with it. It stays in its pid namespace: the first
/// process that it would fork in a new one would take that with it when it ends. Call while the process has one thread.
/// Error (unavailable): they cannot be made; says what forbids it. Error (internal): the child could not be started, or
/// died.
Result<std::string> ask_in_namespaces(const std::function<std::string()>& ask);

}  // namespace grit

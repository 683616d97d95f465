// The kernel's link notifications as evidence; for all faults that act on a link.
#pragma once

#include <memory>

#include "harness/base/result.hpp"
#include "injectors/injector.hpp"

namespace grit {

/// Notifications of one interface of the calling thread's network namespace, as
/// {"t_ns", "what": "eth0 link down, carrier off", "operstate"}.
Result<std::unique_ptr<Witness>> watch_link(int ifindex);

}  // namespace grit

// What an agent watches for besides faults and blocks: what the plan's faults can touch of the node, and carriers that
// come back after them.
#include <fmt/format.h>

#include "harness/agent/serve.hpp"
#include "harness/model/event.hpp"

namespace grit {

void Agent::look_for_reach() {
  for (const PlannedFault& fault : config_.plan.faults) {
    if (fault.node != config_.node) continue;
    const Injector* injector = find_injector(fault.name);
    if (injector != nullptr && injector->runs_commands(Params(fault.params))) reach_.everything = true;
    if (injector != nullptr && injector->info().takes_nic) fault_interfaces_.insert(fault.device);
  }
  auto reach = reach_of(fault_interfaces_);
  reach_.interfaces = reach ? std::move(reach->interfaces) : fault_interfaces_;
}

Status Agent::check_machine_wide() const {
  const auto why = lock_.why_not_machine_wide();
  for (const PlannedFault& fault : config_.plan.faults) {
    const Injector* injector = find_injector(fault.name);
    if (why && fault.node == config_.node && injector != nullptr && injector->info().machine_wide)
      return unavailable_error(fmt::format("{}: {}", fault.name, *why));
  }
  return {};
}

/// What follows after a fault is measured from when it is off; all other blocks need the link.
bool Agent::waits_for_carrier() const {
  return carriers_.waits() && config_.plan.blocks[static_cast<std::size_t>(block_)].kind != BlockKind::recovery;
}

void Agent::watch_carriers() {
  if (!carriers_.waits()) return;
  for (const CarrierNews& news : carriers_.look(monotonic_ns())) {
    Json event = make_event("carrier", config_.node);
    event["interface"] = news.interface;
    event["back"] = news.back;
    event["after_ns"] = news.after_ns;
    if (!news.problem.empty()) event["problem"] = news.problem;
    emit(std::move(event));
    if (!news.back)
      report_residue({fmt::format("{}: it was set up again, but has no carrier after {} s", news.interface,
                                  kCarrierLimit_ns / kNsPerS)});
  }
}

}  // namespace grit

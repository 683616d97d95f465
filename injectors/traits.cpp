#include "injectors/traits.hpp"

#include "injectors/injector.hpp"

namespace grit {

FaultTraits fault_traits(const Topology& topology, const PlannedFault& fault) {
  const Injector* injector = find_injector(fault.name);
  if (injector == nullptr) return {};
  const InjectorInfo& info = injector->info();
  const Node& node = topology.nodes.at(static_cast<std::size_t>(fault.node));
  const Params params(fault.params);
  return {info.takes_nic, info.destructive, injector->runs_commands(params), injector->changes_gpu_settings(params),
          injector->memory_bytes(node, params)};
}

std::vector<Guard> guard_rails(const Plan& plan) {
  return guard_rails(plan, [&](const PlannedFault& fault) { return fault_traits(plan.topology, fault); });
}

}  // namespace grit

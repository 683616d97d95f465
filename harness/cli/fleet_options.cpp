#include "harness/cli/fleet_options.hpp"

#include <fmt/format.h>

namespace grit {

void FleetOptions::add_to(CLI::App& command, const std::string& bad_nodes_default) {
  constexpr std::uint64_t kMostGpus = 1'000'000'000;
  const auto number = [&](const std::string& name, auto& value, const std::string& help) {
    return add_number(
        command, name, {1, kMostGpus}, [&value](auto count) { value = static_cast<double>(count); }, help);
  };
  auto* gpus = number("--fleet", fleet.gpus, "GPUs of a fleet, to say what the slowdown costs it a week");
  auto* mix = command.add_option("--jobs", jobs, "its jobs: GPUs and share of its time, e.g. 1024:70%,128:30%");
  gpus->needs(mix);
  mix->needs(gpus);
  number("--bad-nodes", bad_nodes, fmt::format("how many of its nodes are so slow (default: {})", bad_nodes_default))
      ->needs(gpus);
  number("--gpus-per-node", fleet.gpus_per_node, "(default: 8)")->needs(gpus);
}

Status FleetOptions::parse() {
  if (!asked()) return {};
  GRIT_TRY(fleet.jobs, parse_job_mix(jobs));
  return {};
}

}  // namespace grit

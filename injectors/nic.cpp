#include "injectors/nic.hpp"

#include <fmt/format.h>

namespace grit {

ParamSpec fault_nic_param() {
  return {
      "nic", Unit::text, "data",
      "\"data\": the data NIC that the job is told to use, or the first; \"all\": every one, each with a fault of its "
      "own; \"rail:1\": the second of them; or the name of an interface"};
}

Result<std::string> resolve_nic(const Node& node, const std::string& nic) {
  GRIT_TRY(const auto chosen, choose_nics(node, nic));
  return chosen.front()->name;
}

std::string past_rdma(const Node& node, const Params& params) {
  const auto nics = choose_nics(node, params.text("nic"));
  if (!nics || !nics->front()->rdma) return {};
  return fmt::format("; RDMA of {} goes past it", nics->front()->rdma->device);
}

std::string past_infiniband(const Node& node, const Params& params) {
  const auto nics = choose_nics(node, params.text("nic"));
  return nics && nics->front()->rdma && nics->front()->rdma->link_layer == "InfiniBand" ? past_rdma(node, params) : "";
}

}  // namespace grit

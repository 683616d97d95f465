// Which data NICs the job is told to use, by the variables that tell MPI and NCCL.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "harness/model/topology.hpp"

namespace grit {

/// Sets chosen_by of the data NICs, whose roles are known. The first of these variables that names one of them decides:
/// OMPI_MCA_btl_tcp_if_include (interfaces or networks), UCX_NET_DEVICES, NCCL_IB_HCA and NCCL_SOCKET_IFNAME. Where
/// none does, MPI chooses by itself, and nobody is marked.
void mark_job_nics(std::vector<Nic>& nics, const std::map<std::string, std::string>& environment);

}  // namespace grit

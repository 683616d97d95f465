// Which data NICs MPI and NCCL are told to use.
#include "harness/cluster/job_nics.hpp"
#include "tests/catch.hpp"

using grit::Nic;
using grit::NicRole;

namespace {

/// eth0 management; eth1, eth2, eth10 data with mlx5_0 .. mlx5_2, 10.1.0.5, 10.2.0.5 and none.
std::vector<Nic> marked(const std::map<std::string, std::string>& environment) {
  std::vector<Nic> nics{{.name = "eth0", .addresses = {"192.0.2.5/24"}, .role = NicRole::management},
                        {.name = "eth1",
                         .addresses = {"10.1.0.5/16"},
                         .role = NicRole::data,
                         .rdma = grit::RdmaPort{"mlx5_0", 1, "Ethernet"}},
                        {.name = "eth2",
                         .addresses = {"10.2.0.5/16"},
                         .role = NicRole::data,
                         .rdma = grit::RdmaPort{"mlx5_1", 1, "Ethernet"}},
                        {.name = "eth10", .role = NicRole::data, .rdma = grit::RdmaPort{"mlx5_2", 2, "InfiniBand"}}};
  grit::mark_job_nics(nics, environment);
  return nics;
}

std::string names(const std::vector<Nic>& nics) {
  std::string names;
  for (const Nic& nic : nics)
    if (!nic.chosen_by.empty()) names += nic.name + " ";
  return names;
}

}  // namespace

TEST_CASE("the NICs that MPI and NCCL are told to use are known by their variables") {
  CHECK(names(marked({})).empty());
  CHECK(names(marked({{"OMPI_MCA_btl_tcp_if_include", "eth2"}})) == "eth2 ");
  CHECK(names(marked({{"OMPI_MCA_btl_tcp_if_include", "10.2.0.0/16,lo"}})) == "eth2 ");
  CHECK(names(marked({{"UCX_NET_DEVICES", "mlx5_1:1,eth10"}})) == "eth2 eth10 ");
  CHECK(names(marked({{"UCX_NET_DEVICES", "mlx5_2:1"}})).empty());
  CHECK(names(marked({{"UCX_NET_DEVICES", "all"}})).empty());
  CHECK(names(marked({{"NCCL_IB_HCA", "mlx5_2:2"}})) == "eth10 ");
  CHECK(names(marked({{"NCCL_IB_HCA", "^mlx5_2"}})) == "eth1 eth2 ");
  CHECK(names(marked({{"NCCL_IB_HCA", "mlx5"}})) == "eth1 eth2 eth10 ");
  CHECK(names(marked({{"NCCL_IB_HCA", "=mlx5"}})).empty());
  CHECK(names(marked({{"NCCL_SOCKET_IFNAME", "eth1"}})) == "eth1 eth10 ");  // what begins so
  CHECK(names(marked({{"NCCL_SOCKET_IFNAME", "=eth1"}})) == "eth1 ");
  CHECK(marked({{"NCCL_SOCKET_IFNAME", "=eth1"}})[1].chosen_by == "NCCL_SOCKET_IFNAME==eth1");
}

TEST_CASE("the first variable that names a data NIC decides, and a management NIC is never the job's") {
  CHECK(names(marked({{"OMPI_MCA_btl_tcp_if_include", "eth1"}, {"NCCL_SOCKET_IFNAME", "eth2"}})) == "eth1 ");
  CHECK(names(marked({{"OMPI_MCA_btl_tcp_if_include", "eth0"}, {"NCCL_SOCKET_IFNAME", "eth2"}})) == "eth2 ");
}

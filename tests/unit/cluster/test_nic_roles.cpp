#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "harness/base/files.hpp"
#include "harness/cluster/nic_roles.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

using grit::NicRole;

namespace {

grit::Nic nic(const std::string& name, int ifindex, std::vector<std::string> addresses, bool up = true) {
  grit::Nic result;
  result.name = name;
  result.ifindex = ifindex;
  result.addresses = std::move(addresses);
  result.up = up;
  return result;
}

grit::Route route(const std::string& destination, int prefix, int ifindex, std::uint32_t metric = 0) {
  grit::Route result;
  result.family = AF_INET;
  result.type = RTN_UNICAST;
  result.destination = destination;
  result.prefix = prefix;
  result.ifindex = ifindex;
  result.metric = metric;
  return result;
}

std::vector<grit::Nic> two_nics() { return {nic("eth0", 2, {"10.1.0.5/16"}), nic("eth1", 3, {"10.2.0.5/16"})}; }

std::vector<grit::Route> connected() { return {route("10.1.0.0", 16, 2), route("10.2.0.0", 16, 3)}; }

// The role of eth1, after eth0 was found to carry data.
grit::Nic role_of_second(const grit::RoleHints& hints) {
  auto nics = two_nics();
  grit::assign_roles(nics, hints);
  CHECK(nics[0].role == NicRole::data);
  return nics[1];
}

grit::Nic role_of_second(const std::string& variable, const std::string& value) {
  grit::RoleHints hints;
  hints.routes = connected();
  hints.environment[variable] = value;
  return role_of_second(hints);
}

using List = std::vector<std::string>;

/// The servers of one file.
List servers_of(const std::string& mountinfo, const std::filesystem::path& path) {
  List addresses;
  for (const auto& server : grit::file_servers(mountinfo, {{"a file", path}})) addresses.push_back(server.address);
  return addresses;
}

}  // namespace

TEST_CASE("a NIC with an address and no management traffic carries data") {
  const auto found = role_of_second(grit::RoleHints{});
  CHECK(found.role == NicRole::data);
}

TEST_CASE("the default route makes a management NIC, also one with several next hops") {
  grit::RoleHints hints;
  hints.routes = connected();
  hints.routes.push_back(route("", 0, 3));
  auto found = role_of_second(hints);
  CHECK(found.role == NicRole::management);
  CHECK(found.role_evidence == "carries the default route");
  hints.routes.back().ifindex = 0;
  hints.routes.back().multipath_ifindexes = {3, 9};
  CHECK(role_of_second(hints).role == NicRole::management);
  hints.routes.back().type = RTN_UNREACHABLE;
  CHECK(role_of_second(hints).role == NicRole::data);
}

TEST_CASE("the ssh session's NIC is management, by its own address or by the route to the client") {
  CHECK(role_of_second("SSH_CONNECTION", "192.0.2.9 50000 10.2.0.5 22").role == NicRole::management);
  const auto found = role_of_second("SSH_CONNECTION", "10.2.7.7 50000 172.16.0.1 22");
  CHECK(found.role == NicRole::management);
  CHECK_THAT(found.role_evidence, Catch::Contains("10.2.7.7"));
  CHECK(role_of_second("SSH_CONNECTION", "192.0.2.9 50000 10.9.0.5 22").role == NicRole::data);
  CHECK(role_of_second("SSH_CONNECTION", "garbage").role == NicRole::data);
}

TEST_CASE("Open MPI's out-of-band network is management") {
  CHECK(role_of_second("OMPI_MCA_oob_tcp_if_include", "10.2.0.0/16").role == NicRole::management);
  CHECK(role_of_second("OMPI_MCA_oob_tcp_if_include", "ib7,eth1").role == NicRole::management);
  CHECK(role_of_second("OMPI_MCA_oob_tcp_if_include", "10.3.0.0/16").role == NicRole::data);
  CHECK(role_of_second("OMPI_MCA_orte_hnp_uri", "1.0;tcp://10.2.0.1,10.1.0.1:4321").role == NicRole::management);
  CHECK(role_of_second("PMIX_SERVER_URI41", "1.1;tcp4://127.0.0.1:4321").role == NicRole::data);
  CHECK(role_of_second("PMIX_SERVER_URI41", "1.1;tcp6://[fd00::2]:4321;tcp4://10.2.0.5:1").role == NicRole::management);
}

TEST_CASE("the NIC towards the server of a needed file is management, and the reason says which file") {
  grit::RoleHints hints;
  hints.routes = connected();
  const std::string mountinfo =
      "20 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
      "30 20 0:40 / /mnt/my\\040runs rw,relatime shared:5 - nfs4 filer:/export rw,vers=4.2,addr=10.2.0.200\n"
      "31 20 0:41 / /mnt/other rw - nfs4 filer:/o rw,addr=10.1.0.200\n";
  // Whatever is needed: one of several is enough.
  for (const char* what : {"the run directory", "the program", "the library", "the home directory"}) {
    hints.file_servers = grit::file_servers(
        mountinfo,
        {{"the undo journals", "/var/lib/grit/journal"}, {what, "/mnt/my runs/one"}, {"something not known", ""}});
    REQUIRE(hints.file_servers.size() == 1);
    const auto found = role_of_second(hints);
    CHECK(found.role == NicRole::management);
    CHECK(found.role_evidence == fmt::format("carries the mount of {} /mnt/my runs/one (server 10.2.0.200)", what));
  }
  hints.file_servers = grit::file_servers(mountinfo, {{"the home directory", "/home/me"}});
  CHECK(hints.file_servers.empty());
  CHECK(role_of_second(hints).role == NicRole::data);
}

TEST_CASE("of the files that a process has mapped there is one for each directory") {
  const std::string maps =
      "55d0c0000000-55d0c0001000 r--p 00000000 fe:01 1234                       /opt/grit/bin/grit\n"
      "55d0c0001000-55d0c0002000 rw-p 00000000 00:00 0                          [heap]\n"
      "7f0000000000-7f0000001000 r-xp 00000000 00:2e 77                         /nfs/open mpi/lib/libmpi.so.40\n"
      "7f0000001000-7f0000002000 r-xp 00000000 00:2e 78                         /nfs/open mpi/lib/libopen-pal.so.40\n"
      "7f0000002000-7f0000003000 rw-p 00000000 00:00 0\n";
  using List = std::vector<std::filesystem::path>;
  CHECK(grit::mapped_files(maps) == List{"/nfs/open mpi/lib/libmpi.so.40", "/opt/grit/bin/grit"});
  const auto mine = grit::mapped_files(grit::read_file("/proc/self/maps").value_or(""));
  CHECK(std::any_of(mine.begin(), mine.end(),
                    [](const auto& file) { return file.filename().string().starts_with("lib"); }));
}

TEST_CASE("the run directory's mount is found by a relative path and behind a symbolic link") {
  const auto servers = [](const std::filesystem::path& mount, const std::filesystem::path& run) {
    return servers_of(
        "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:40 / " + mount.string() + " rw - nfs4 filer:/e rw,addr=10.2.0.200\n",
        run);
  };
  CHECK(servers(std::filesystem::current_path(), "runs") == List{"10.2.0.200"});
  CHECK(servers(std::filesystem::current_path(), "./runs/../runs/x") == List{"10.2.0.200"});
  CHECK(servers(std::filesystem::current_path() / "elsewhere", "runs").empty());

  const grit::test::TempDirectory place;
  std::filesystem::create_directory(place.path() / "storage");
  std::filesystem::create_directory_symlink(place.path() / "storage", place.path() / "home");
  CHECK(servers(place.path() / "storage", place.path() / "home" / "runs") == List{"10.2.0.200"});
}

TEST_CASE("the servers of a mount are read from its options and its source") {
  const auto servers = [](const std::string& tail) { return servers_of("1 0 0:1 / /d rw - " + tail + "\n", "/d/run"); };
  CHECK(servers("ceph 10.0.0.1:6789,10.0.0.2:6789:/vol rw") == List{"10.0.0.1", "10.0.0.2"});
  CHECK(servers("lustre 10.0.0.3@tcp:/fs rw") == List{"10.0.0.3"});
  CHECK(servers("cifs //10.0.0.4/share rw") == List{"10.0.0.4"});
  CHECK(servers("nfs [fd00::5]:/x rw") == List{"fd00::5"});
  CHECK(servers("ext4 /dev/sda1 rw").empty());
  CHECK(servers_of("1 0 0:1 / /d rw - nfs 10.0.0.1:/ rw\n2 1 0:2 / /d rw - ext4 /dev/sdb rw\n", "/d").empty());
  CHECK(servers_of("1 0 0:1 / /data rw - nfs 10.0.0.1:/ rw\n", "/database").empty());
}

TEST_CASE("names and the user's word make management NICs") {
  CHECK(role_of_second("GRIT_MANAGEMENT_NICS", "eth7,eth1").role == NicRole::management);
  CHECK(role_of_second("GRIT_MANAGEMENT_NICS", "eth11").role == NicRole::data);
  std::vector<grit::Nic> nics{nic("mgmt0", 2, {"10.1.0.1/24"}), nic("bmc1", 3, {}), nic("ib0", 4, {"10.3.0.1/24"})};
  grit::assign_roles(nics, {});
  CHECK(nics[0].role == NicRole::management);
  CHECK(nics[1].role == NicRole::management);
  CHECK(nics[2].role == NicRole::data);
}

TEST_CASE("what is down, has no address or is plumbing carries nothing") {
  std::vector<grit::Nic> nics{nic("eth0", 2, {"10.1.0.1/24"}, false), nic("eth1", 3, {}),
                              nic("docker0", 4, {"172.17.0.1/16"})};
  grit::RoleHints hints;
  hints.kinds["docker0"] = "bridge";
  grit::assign_roles(nics, hints);
  for (const auto& each : nics) CHECK(each.role == NicRole::other);
  CHECK(nics[0].role_evidence == "is down");
  CHECK(nics[1].role_evidence == "has no address");
  CHECK_THAT(nics[2].role_evidence, Catch::Contains("bridge"));
}

TEST_CASE("addresses are matched by prefix, in both families") {
  CHECK(grit::address_in_network("10.1.2.3", "10.1.0.0/16"));
  CHECK_FALSE(grit::address_in_network("10.2.2.3", "10.1.0.0/16"));
  CHECK(grit::address_in_network("10.1.2.127", "10.1.2.0/25"));
  CHECK_FALSE(grit::address_in_network("10.1.2.128", "10.1.2.0/25"));
  CHECK(grit::address_in_network("fd77::9", "fd77::/64"));
  CHECK_FALSE(grit::address_in_network("fd78::9", "fd77::/64"));
  CHECK_FALSE(grit::address_in_network("10.1.2.3", "fd77::/0"));
  CHECK_FALSE(grit::address_in_network("10.1.2.3", "10.1.0.0/33"));
  CHECK_FALSE(grit::address_in_network("10.1.2.3", "10.1.0.0/x"));
  CHECK_FALSE(grit::address_in_network("eth0", "10.1.0.0/16"));
}

TEST_CASE("what a management NIC is stacked on is a management NIC") {
  std::vector<grit::Nic> nics{nic("eth0", 2, {}), nic("eth1", 3, {}), nic("bond0", 4, {"10.1.0.5/16"}),
                              nic("bond0.7", 5, {"10.2.0.5/16"}), nic("eth2", 6, {"10.3.0.5/16"})};
  nics[2].lower = {"eth0", "eth1"};
  nics[3].lower = {"bond0"};
  grit::RoleHints hints;
  hints.kinds = {{"bond0", "bond"}, {"bond0.7", "vlan"}};
  hints.routes = {route("", 0, 5)};
  grit::assign_roles(nics, hints);
  for (const std::size_t i : {0U, 1U, 2U, 3U}) CHECK(nics[i].role == NicRole::management);
  CHECK(nics[1].role_evidence == "carries bond0, which carries bond0.7, which carries the default route");
  CHECK(nics[4].role == NicRole::data);

  hints.routes.clear();
  grit::assign_roles(nics, hints);
  CHECK(nics[0].role == NicRole::other);
  CHECK(nics[0].role_evidence == "carries bond0");
  CHECK(nics[2].role == NicRole::data);
  CHECK(nics[3].role == NicRole::data);
}

TEST_CASE("the physical function of a management NIC is a management NIC") {
  std::vector<grit::Nic> nics{nic("eth0", 2, {"10.1.0.5/16"}), nic("eth0v1", 3, {"10.2.0.5/16"})};
  grit::RoleHints hints;
  hints.routes = {route("", 0, 3)};
  hints.physical = {{"eth0v1", "eth0"}};
  grit::assign_roles(nics, hints);
  CHECK(nics[0].role == NicRole::management);
  CHECK(nics[0].role_evidence == "carries eth0v1, which carries the default route");
}

TEST_CASE("the NIC towards the host where srun was started is management, also without a default route") {
  CHECK(role_of_second("SLURM_LAUNCH_NODE_IPADDR", "10.2.0.9").role == NicRole::management);
  CHECK(role_of_second("SLURM_LAUNCH_NODE_IPADDR", "10.2.0.5").role == NicRole::management);
  CHECK(role_of_second("SLURM_LAUNCH_NODE_IPADDR", "10.3.0.5").role == NicRole::data);
  grit::RoleHints hints;
  hints.routes = connected();
  hints.environment = {{"SLURM_LAUNCH_NODE_IPADDR", "10.2.0.9"}, {"GRIT_DATA_NICS", "eth1"}};
  CHECK(role_of_second(hints).role == NicRole::data);
}

TEST_CASE("what is below what: ports, VLANs and Open vSwitch, what InfiniBand hardware is") {
  const auto link = [](int ifindex, const char* kind, int master = 0, int lower = 0) {
    grit::Link one;
    one.ifindex = ifindex, one.kind = kind, one.master_ifindex = master, one.link_ifindex = lower;
    return one;
  };
  const std::vector<grit::Link> all{link(2, "", 3),     link(3, "openvswitch"), link(4, "openvswitch"),
                                    link(5, "veth", 3), link(6, "vlan", 0, 2),  link(7, "", 8),
                                    link(8, "bond")};
  const auto below = [&](int lower, int upper) {
    const auto find = [&](int ifindex) {
      return *std::find_if(all.begin(), all.end(), [&](const grit::Link& one) { return one.ifindex == ifindex; });
    };
    return grit::is_below(find(lower), find(upper), all);
  };
  CHECK(below(2, 4));  // a bridge's internal port
  CHECK_FALSE(below(5, 4));
  CHECK_FALSE(below(4, 4));
  CHECK_FALSE(below(7, 4));
  CHECK(below(7, 8));
  CHECK(below(2, 6));
  CHECK_FALSE(below(6, 2));
  CHECK(grit::is_hardware(link(2, "")));
  CHECK(grit::is_hardware(link(2, "ipoib")));
  CHECK_FALSE(grit::is_hardware(link(3, "ipoib", 0, 2)));
  CHECK_FALSE(grit::is_hardware(link(3, "vlan", 0, 2)));
}

TEST_CASE("data NICs without an address of their own") {
  std::vector<grit::Nic> nics{nic("ib0", 2, {}), nic("swp1", 3, {}), nic("eth0", 4, {"fd00::5/64"}), nic("eth1", 5, {}),
                              nic("usb0", 6, {"169.254.3.1/24"})};
  nics[0].rdma = grit::RdmaPort{"mlx5_0", 1, "InfiniBand"};
  grit::RoleHints hints;
  auto link_local = route("fe80::", 64, 5);
  link_local.family = AF_INET6;
  auto to_a_rack = route("10.7.0.0", 16, 0);
  to_a_rack.multipath_ifindexes = {3, 9};
  hints.routes = {to_a_rack, link_local, route("169.254.3.0", 24, 6)};
  grit::assign_roles(nics, hints);
  CHECK(nics[0].role == NicRole::data);
  CHECK(nics[0].role_evidence == "is up, has an RDMA device (mlx5_0), and carries no management traffic");
  CHECK(nics[1].role == NicRole::data);  // an unnumbered fabric
  CHECK(nics[2].role == NicRole::data);
  CHECK(nics[3].role == NicRole::other);
  CHECK(nics[4].role == NicRole::other);  // a BMC's
  CHECK(nics[4].role_evidence == "has only an address of 169.254.0.0/16");
}

TEST_CASE("a default route over the fabric is no management when GRIT_DATA_NICS says so") {
  std::vector<grit::Nic> nics{nic("eth0", 2, {"10.1.0.5/16"}), nic("eth1", 3, {"10.2.0.5/16"})};
  grit::RoleHints hints;
  hints.routes = {route("", 0, 2), route("", 0, 3, 100)};
  hints.environment["GRIT_DATA_NICS"] = "eth1,eth3";
  grit::assign_roles(nics, hints);
  CHECK(nics[0].role == NicRole::management);
  CHECK(nics[1].role == NicRole::data);
  hints.environment["SSH_CONNECTION"] = "10.2.0.9 1 10.2.0.5 22";
  grit::assign_roles(nics, hints);
  CHECK(nics[1].role == NicRole::management);
}

TEST_CASE("a node with hundreds of veths and virtual functions keeps the NICs that somebody uses") {
  std::vector<grit::Nic> nics{nic("eth0", 2, {"10.1.0.5/16"}), nic("eth1", 3, {}, false),
                              nic("cni0", 4, {"10.9.0.1/16"}), nic("bond0", 5, {"10.2.0.5/16"}), nic("port0", 6, {})};
  nics[3].lower = {"port0"};
  grit::RoleHints hints;
  hints.kinds = {{"cni0", "bridge"}, {"bond0", "bond"}, {"port0", "veth"}};
  for (int i = 0; i < 300; ++i) {
    nics.push_back(nic("veth" + std::to_string(i), 100 + i, {}));
    hints.kinds[nics.back().name] = "veth";
    nics.push_back(nic("eth0v" + std::to_string(i), 500 + i, {}));
    nics.back().rdma = grit::RdmaPort{"mlx5_" + std::to_string(i), 1, "Ethernet"};
    hints.physical[nics.back().name] = "eth0";
  }
  nics.push_back(nic("eth0v300", 900, {"10.3.0.5/16"}));  // somebody's
  hints.physical["eth0v300"] = "eth0";
  grit::assign_roles(nics, hints);
  grit::drop_idle_nics(nics, hints);
  std::string names;
  for (const auto& one : nics) names += one.name + " ";
  CHECK(names == "eth0 eth1 bond0 port0 eth0v300 ");
}

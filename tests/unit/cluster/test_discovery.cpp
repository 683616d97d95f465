#include <sched.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <unistd.h>

#include <fstream>
#include <set>
#include <tuple>

#include "harness/cluster/discovery.hpp"
#include "harness/cluster/launch.hpp"
#include "harness/cluster/local.hpp"
#include "tests/namespace.hpp"

TEST_CASE("discovery describes this machine") {
  const auto node = grit::discover_node({});
  REQUIRE(node.has_value());
  char name[256] = {};
  ::gethostname(name, sizeof name - 1);
  CHECK(node->name == name);
  CHECK(node->cores >= 1);
  CHECK(node->numa_nodes >= 1);
  CHECK(node->memory_bytes > (std::int64_t{64} << 20));
  CHECK_FALSE(node->kernel.empty());
  for (const auto& nic : node->nics) {
    CHECK(nic.name != "lo");
    CHECK_FALSE(nic.role_evidence.empty());
    for (const auto& address : nic.addresses) CHECK_FALSE(address.starts_with("fe80:"));
  }
}

TEST_CASE("the NIC that any needed file comes over carries no data") {
  using grit::test::ok;
  const std::filesystem::path here = std::filesystem::temp_directory_path();
  const auto role_of_nic = [](const grit::DiscoveryHints& hints) {
    const grit::Node node = ok(grit::discover_node(hints));
    REQUIRE(node.nics.size() == 1);
    return std::pair(node.nics.front().role, node.nics.front().role_evidence);
  };
  grit::test::in_namespaces([&] {
    grit::test::without_dad();
    grit::Netlink netlink = ok(grit::Netlink::open());
    const grit::Fd elsewhere = grit::test::new_netns();
    grit::Netlink far = ok(grit::Netlink::open_in(elsewhere.get()));
    ok(netlink.create_veth({.name = "ens1"}, {.name = "far", .netns_fd = elsewhere.get()}));
    const int nic = ok(netlink.link("ens1")).ifindex;
    ok(netlink.add_address(nic, "10.2.0.5/24"));
    ok(netlink.set_up(nic));
    ok(far.set_up(ok(far.link("far")).ifindex));
    for (int i = 0; i < 500 && !ok(netlink.link("ens1")).running(); ++i)  // the kernel says so a little later
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    // Nothing is asked of this server: the mount table says that it is one, as with NFS.
    REQUIRE(::mount("10.2.0.200:/export", here.c_str(), "tmpfs", 0, nullptr) == 0);
    const auto file = here / "libneeded.so";
    std::ofstream(file) << "needed";
    ::setenv("HOME", "/", 1);
    ::unsetenv("SSH_CONNECTION");
    REQUIRE(role_of_nic({}).first == grit::NicRole::data);

    const std::string tail = here.string() + "/runs (server 10.2.0.200)";
    REQUIRE(role_of_nic({.run_directory = here / "runs"}).second == "carries the mount of the run directory " + tail);
    REQUIRE(role_of_nic({.journal_directory = here / "runs"}).second ==
            "carries the mount of the undo journals " + tail);
    ::setenv("HOME", here.c_str(), 1);
    REQUIRE_THAT(role_of_nic({}).second, Catch::StartsWith("carries the mount of the home directory"));
    ::setenv("HOME", "/", 1);
    const grit::Fd opened(::open(file.c_str(), O_RDONLY | O_CLOEXEC));
    REQUIRE(::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, opened.get(), 0) != MAP_FAILED);
    REQUIRE_THAT(role_of_nic({}).second, Catch::StartsWith("carries the mount of the library " + file.string()));
  });
}

TEST_CASE("cores are those this process could be given, whatever a launcher has bound it to") {
  cpu_set_t before;
  REQUIRE(::sched_getaffinity(0, sizeof before, &before) == 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core)
    if (CPU_ISSET(core, &before)) CPU_SET(core, &one);
  REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
  const int pinned = grit::describe_machine().cores;
  REQUIRE(::sched_setaffinity(0, sizeof before, &before) == 0);
  CHECK(pinned >= CPU_COUNT(&before));
  CHECK(grit::describe_machine().cores == pinned);
}

TEST_CASE("the environment names what tunes the job, and no secret") {
  ::setenv("NCCL_TEST_TUNING", "7", 1);
  ::setenv("SLURM_JWT", "s3cr3t", 1);
  ::setenv("UNRELATED_TEST_TUNING", "8", 1);
  const auto environment = grit::describe_environment();
  ::unsetenv("NCCL_TEST_TUNING");
  ::unsetenv("SLURM_JWT");
  ::unsetenv("UNRELATED_TEST_TUNING");
  CHECK(environment["variables"]["NCCL_TEST_TUNING"] == "7");
  CHECK_FALSE(environment["variables"].contains("UNRELATED_TEST_TUNING"));
  CHECK(environment.dump().find("s3cr3t") == std::string::npos);
  CHECK_FALSE(environment["kernel"]["command_line"].get<std::string>().empty());
  CHECK(environment["cpu"]["usable_cores"].get<int>() >= 1);
  CHECK(environment["nics"].size() >= 1);
  CHECK(environment["limits"]["open_files"].get<std::string>() != "");
  CHECK(environment["versions"]["libc"].get<std::string>().starts_with("2."));
  CHECK(environment["settings"].contains("kernel_numa_balancing"));
  for (const char* part : {"firmware", "vulnerabilities", "modules"}) CHECK(environment[part].is_object());
  CHECK(environment["infiniband"].is_array());
}

TEST_CASE("a local topology has a data and a management NIC on every node, all different") {
  const auto topology = grit::local_topology(64);
  REQUIRE(topology.nodes.size() == 64);
  CHECK(topology.local_cluster);
  CHECK(grit::to_json(topology) == grit::to_json(grit::local_topology(64)));
  std::set<std::string> seen;
  for (int index = 0; index < 64; ++index) {
    const auto& node = topology.nodes[static_cast<std::size_t>(index)];
    CHECK(node.index == index);
    CHECK(node.ranks == std::vector<int>{index});
    REQUIRE(node.nics.size() == 2);
    CHECK(node.nics[0].role == grit::NicRole::data);
    CHECK(node.nics[1].role == grit::NicRole::management);
    seen.insert(node.name);
    for (const auto& nic : node.nics) seen.insert({nic.mac, nic.addresses.at(0)});
  }
  CHECK(seen.size() == 5 * 64);
  CHECK(topology.nodes[63].nics[0].addresses[0] == "10.77.1.64/24");
  const int standard = grit::default_local_nodes();
  CHECK(standard >= 2);
  CHECK(standard <= 8);
}

TEST_CASE("the job's environment is the local cluster's, not that of a batch system around it") {
  const auto environment = grit::job_environment(
      {"PATH=/bin", "SLURM_JOB_ID=5", "OMPI_MCA_btl=openib", "SSH_CONNECTION=a", "MINE=1", "OMP_NUM_THREADS=2"},
      {"MINE=2", "GRIT_SHARED_CORES=0"});
  const std::set<std::string> found(environment.begin(), environment.end());
  CHECK(found == std::set<std::string>{"PATH=/bin", "OMP_NUM_THREADS=2", "MINE=2", "GRIT_LOCAL_CLUSTER=1",
                                       "GRIT_SHARED_CORES=0", "GRIT_SWITCH_NETNS=/dev/shm/grit-switch-netns"});
  CHECK(environment.size() == found.size());
}

TEST_CASE("options that cannot work are refused before anything is made") {
  grit::LocalClusterOptions options;
  options.command = {"/bin/true"};
  options.run_directory = "/tmp";
  const auto refused = [&] {
    const auto end = grit::run_local_cluster(options);
    REQUIRE_FALSE(end.has_value());
    CHECK(end.error().kind == grit::ErrorKind::usage);
    return end.error().message;
  };
  options.nodes = 1;
  CHECK_THAT(refused(), Catch::Contains("2 to 64"));
  options.nodes = 65;
  CHECK_THAT(refused(), Catch::Contains("2 to 64"));
  options.nodes = 2;
  options.run_directory = "/dev/shm";
  CHECK_THAT(refused(), Catch::Contains("--out"));
  options.run_directory = "/nonexistent/run";
  CHECK_THAT(refused(), Catch::Contains("exists"));
  options.run_directory = ".";
  CHECK_THAT(refused(), Catch::Contains("absolute"));
  options.run_directory = "/tmp";
  options.command.clear();
  CHECK_THAT(refused(), Catch::Contains("no command"));
}

TEST_CASE("a local topology places its ranks node by node") {
  const auto topology = grit::local_topology(3, 2);
  REQUIRE(topology.nodes.size() == 3);
  CHECK(topology.nodes[0].ranks == std::vector<int>{0, 1});
  CHECK(topology.nodes[2].ranks == std::vector<int>{4, 5});
}

TEST_CASE("a local cluster has a size that a machine can carry, else the option to change is named") {
  CHECK(grit::check_local_size(2, 1));
  CHECK(grit::check_local_size(64, 3));
  for (const auto& [nodes, ranks, option] :
       {std::tuple{1, 1, "-n"}, {65, 1, "-n"}, {4, 0, "--ranks-per-node"}, {64, 4, "--ranks-per-node"}}) {
    const auto checked = grit::check_local_size(nodes, ranks);
    CAPTURE(nodes, ranks);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().kind == grit::ErrorKind::usage);
    CHECK(checked.error().message.find(option) != std::string::npos);
  }
}

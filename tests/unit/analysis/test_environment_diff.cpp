#include "analysis/compare/environment_diff.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

Json sample() {
  return Json::parse(R"({
    "hostname": "a", "memory_bytes": 34359738368,
    "kernel": {"release": "6.1.0-37", "command_line": "quiet"},
    "cpu": {"model": "EPYC", "governor": "performance", "microcode": "0x1"},
    "nics": [{"name": "eth0", "kind": "", "mtu_bytes": 9000, "driver": {"name": "mlx5_core", "firmware": "16.35"},
              "features": ["rx-gro", "tx-checksum", "tx-tcp-segmentation"]}],
    "gpus": [], "variables": {"NCCL_ALGO": "Ring", "SLURM_JOB_ID": "1", "OMPI_MCA_orte_hnp_uri": "x"},
    "limits": {"cpu.max": "max 100000"}, "strange": 1})");
}

std::vector<Environments> nodes(int count, const Json& environment) {
  Environments all;
  for (int node = 0; node < count; ++node) all[node] = environment;
  return {all};
}

std::vector<std::string> whats(const EnvironmentComparison& comparison) {
  std::vector<std::string> names;
  for (const auto& one : comparison.differences) names.push_back(one.what);
  return names;
}

}  // namespace

TEST_CASE("equal machines do not differ, nor does what every job has anew") {
  Json other = sample();
  other["variables"]["SLURM_JOB_ID"] = "2";
  other["variables"]["OMPI_MCA_orte_hnp_uri"] = "y";
  other["memory_bytes"] = 34359738368 - 60'000'000;  // a little more for the kernel
  const auto comparison = compare_environments(nodes(3, sample()), nodes(3, other));
  CHECK(comparison.differences.empty());
  CHECK(comparison.unknown.empty());
  CHECK(comparison.nodes == 3);
}

TEST_CASE("differences come in the order of suspicion") {
  Json other = sample();
  other["strange"] = 2;
  other["variables"]["NCCL_ALGO"] = "Tree";
  other["limits"]["cpu.max"] = "50000 100000";
  other["nics"][0]["mtu_bytes"] = 1500;
  other["kernel"]["command_line"] = "quiet mitigations=off";
  other["cpu"]["governor"] = "powersave";
  other["nics"][0]["driver"]["firmware"] = "16.36";
  other["kernel"]["release"] = "6.1.0-38";
  other["hostname"] = "b";
  const auto comparison = compare_environments(nodes(2, sample()), nodes(2, other));
  CHECK(whats(comparison) == std::vector<std::string>{"hostname", "kernel.release", "nics.eth0.driver.firmware",
                                                      "cpu.governor", "kernel.command_line", "nics.eth0.mtu_bytes",
                                                      "limits.cpu_max", "variables.NCCL_ALGO", "strange"});
  for (const auto& one : comparison.differences) {
    CHECK(one.all_nodes);
    CHECK_FALSE(one.why.empty());
  }
  CHECK(comparison.differences[1].before == "6.1.0-37");
  CHECK(comparison.differences[1].after == "6.1.0-38");
  CHECK(comparison.differences[1].kind == "kernel");
}

TEST_CASE("the same difference on several nodes is one, another is its own") {
  auto after = nodes(4, sample());
  after[0][1]["cpu"]["governor"] = "powersave";
  for (const int node : {0, 2, 3}) after[0][node]["cpu"]["governor"] = "schedutil";
  const auto comparison = compare_environments(nodes(4, sample()), after);
  REQUIRE(comparison.differences.size() == 2);
  CHECK(comparison.differences[0].nodes == std::vector<int>{1});  // the odd one first
  CHECK(comparison.differences[1].nodes == std::vector<int>{0, 2, 3});
  CHECK_FALSE(comparison.differences[1].all_nodes);
}

TEST_CASE("devices and variables come and go, and other facts were not recorded") {
  Json other = sample();
  other["gpus"].push_back({{"pci", "0000:81:00.0"}, {"vendor", "0x10de"}, {"driver", "nvidia"}});
  other["variables"].erase("NCCL_ALGO");
  other["cpu"].erase("microcode");
  other["nics"].push_back({{"name", "veth12"}, {"kind", "veth"}, {"mtu_bytes", 1500}});  // a container's
  const auto comparison = compare_environments(nodes(1, sample()), nodes(1, other));
  REQUIRE(comparison.differences.size() == 2);
  CHECK(comparison.differences[0].what == "gpus.0000:81:00_0");
  CHECK(comparison.differences[0].kind == "machine");
  CHECK(comparison.differences[0].before == "absent");
  CHECK(comparison.differences[0].after == "present");
  CHECK(comparison.differences[1].before == "Ring");
  CHECK(comparison.differences[1].after == "absent");
  CHECK(comparison.unknown == std::vector<std::string>{"cpu.microcode"});
}

TEST_CASE("of long lists only what differs is told") {
  Json other = sample();
  other["nics"][0]["features"] = {"rx-gro", "tx-checksum", "rx-lro"};
  const auto comparison = compare_environments(nodes(1, sample()), nodes(1, other));
  REQUIRE(comparison.differences.size() == 1);
  CHECK(comparison.differences[0].before == "tx-tcp-segmentation");
  CHECK(comparison.differences[0].after == "rx-lro");
}

TEST_CASE("what varies within a side is less suspicious than anything that does not") {
  Json second = sample(), third = sample();
  second["kernel"]["release"] = "6.1.0-38";
  third["kernel"]["release"] = "6.1.0-38";
  third["strange"] = 2;
  const std::vector<Environments> before{{{0, sample()}}, {{0, second}}}, after{{{0, third}}};
  const auto comparison = compare_environments(before, after);
  CHECK(whats(comparison) == std::vector<std::string>{"strange", "kernel.release"});
  CHECK_FALSE(comparison.differences[1].separates);
  CHECK(comparison.differences[1].before == "6.1.0-37 / 6.1.0-38");
}

TEST_CASE("nodes that one side lacks, and values of any type") {
  Json odd = sample();
  odd["kernel"] = "a text";
  odd["nics"] = Json::object();
  odd["cpu"] = Json::array({1, Json::object(), "x"});
  CHECK_NOTHROW(compare_environments(nodes(2, sample()), nodes(1, odd)));
  CHECK(compare_environments(nodes(2, sample()), nodes(1, sample())).nodes == 1);
  CHECK(compare_environments({}, nodes(1, sample())).differences.empty());
  CHECK(compare_environments(nodes(1, Json(3)), nodes(1, Json())).differences.size() <= 1);
}

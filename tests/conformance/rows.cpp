#include "tests/conformance/rows.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <vector>

#include "harness/base/clock.hpp"
#include "harness/os/cpus.hpp"
#include "tests/catch.hpp"
#include "tests/conformance/node.hpp"
#include "tests/unit/record/support.hpp"

namespace grit::test {
namespace {

/// Harmless: a file in a directory of this test, and another that says how often it was made.
Row command_row() {
  static const TempDirectory directory;  // goes with this program; its children do not run destructors
  ::chmod(directory.path().c_str(), 0777);
  const std::string file = (directory.path() / "file").string();
  return {.name = "command",
          .params = {{"apply", fmt::format("echo x >> {0}.made && touch {0}", file)},
                     {"evidence", fmt::format("test -e {}", file)},
                     {"counter", fmt::format("cat {}.made 2>/dev/null | wc -l", file)},
                     {"revert", fmt::format("rm -f {}", file)}}};
}

}  // namespace

const Row& row_of(const std::string& fault) {
  static const std::vector<Row> rows{
      {.name = "link_flap", .anywhere = true},
      {.name = "link_down", .anywhere = true},
      {.name = "link_mtu",
       .params = {{"mtu", 400}},
       .anywhere = true,
       .prior = [](Node& node) { ok(node.network.node.set_mtu(node.network.eth0, 1400)); }},
      {.name = "link_delay"},
      {.name = "link_loss", .params = {{"loss", 0.3}}},
      {.name = "link_rate", .params = {{"rate", 200'000}}},
      // Datagrams to the permanent neighbour (tests/two_nodes.hpp): they leave through the NIC, whoever takes them.
      {.name = "ethernet_flood",
       .params = {{"protocol", "udp"}, {"rate", 100'000'000}, {"streams", 1}},
       .resolved =
           {{"send",
             {{{"from", 0}, {"to", 1}, {"source", "10.77.1.1"}, {"destination", "10.77.1.9"}, {"port", 20000}}}},
            {"listen", Json::array()}}},
      {.name = "gpu_throttle",
       .params = {{"clock", 0.5}, {"gpu", "0"}},
       .anywhere = true,
       .every_mechanism = true,
       .prior = [](Node& node) { node.add_fake_gpus(); }},
      // On stand-ins for CUDA, or where there is a GPU (CMakeLists.txt).
      {.name = "gpu_contention", .params = {{"gpu", "0"}}},
      {.name = "gpu_memory_pressure", .params = {{"free_share", 0.5}, {"gpu", "0"}}},
      {.name = "pcie_contention", .params = {{"share", 0.2}, {"gpu", "0"}}},
      {.name = "cpu_throttle", .params = {{"share", 0.05}, {"period", 20 * kNsPerMs}}},
      {.name = "cpu_contention", .params = {{"share", 0.5}}},
      {.name = "os_noise", .params = {{"period", 10 * kNsPerMs}, {"length", kNsPerMs}}},
      {.name = "process_pause", .anywhere = true},
      {.name = "partition", .resolved = {{"peers", {"10.77.1.9"}}}},
      {.name = "process_kill"},
      {.name = "numa_misplacement"},
      {.name = "affinity_squeeze", .anywhere = affinity_of_thread(0).value_or(Cpus{}).size() > 1},
      {.name = "irq_misplacement"},
      {.name = "clock_skew"},
      {.name = "rank_delay",
       .params = {{"rank", "all"}, {"delay", kNsPerMs}, {"jitter", kNsPerUs}, {"every_steps", 2}},
       .anywhere = true},
      {.name = "imbalance", .acts = false, .acts_where = "tests/e2e/test_imbalance.py: a workload with experts"},
      {.name = "bit_flip",
       .params = {{"rank", "all"}, {"bit", "any"}, {"every_steps", 2}, {"seed", 7}},
       .anywhere = true},
      {.name = "memory_pressure", .params = {{"hold", 64 << 20}, {"churn", 8 * (256LL << 20)}, {"threads", 2}}},
      {.name = "memory_bandwidth", .params = {{"rate", 8 * (256LL << 20)}, {"buffer", 16 << 20}}},
      {.name = "memory_leak", .params = {{"limit", 64 << 20}}},
      {.name = "page_cache_thrash", .params = {{"size", 4 << 20}, {"rate", 8 * (32LL << 20)}}},
      {.name = "disk_contention", .params = {{"size", 4 << 20}, {"rate", 8 * (32LL << 20)}}},
      {.name = "kernel_log"},
      // Longer than most of the moments at which it is killed, with a process group of its own within.
      {.name = "site_check",
       .params = {{"command", "timeout 10 sh -c 'i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done'"},
                  {"limit", 10 * kNsPerS}},
       .anywhere = true},
      command_row(),
  };
  const auto found = std::find_if(rows.begin(), rows.end(), [&](const Row& row) { return row.name == fault; });
  INFO("no row for " << fault << " in tests/conformance/rows.cpp");
  REQUIRE(found != rows.end());
  return *found;
}

}  // namespace grit::test

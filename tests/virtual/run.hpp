// A run from its scenario's text to its verdict in one process and no time: the real scenario, plan, windows of faults,
// recorder, files, analysis and report; ranks, links and clock are virtual. The same setting gives the same bytes in
// every file, so that tests can say exactly what the answer is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/model/plan.hpp"
#include "harness/model/series.hpp"
#include "harness/model/verdict.hpp"

namespace grit::testing {

/// A node vanishes, with its ranks and its agent, so long after the start of a block.
struct Loss {
  int node = 0;
  int block = 0;  // Block::index
  std::int64_t after_ns = 0;
};

struct VirtualSetting {
  std::string scenario{};  // Lua
  std::vector<std::pair<std::string, std::string>> options{};
  int nodes = 4, ranks_per_node = 1;
  std::uint64_t seed = 1;
  double noise = 0.02;            // of every phase of a step, standard deviation as a share
  std::int64_t aftermath_ns = 0;  // for so long after a fault the network is half as fast
  std::string idle_fault{};       // a fault that comes into force and does nothing
  int slow_node = -1;             // all work of its ranks takes `slow_times` as long, in the whole run
  double slow_times = 1;
  std::string started_utc = "20260101T000000Z";
  std::optional<Loss> loss{};
};

struct VirtualRun {
  Plan plan{};
  Verdict verdict{};
};

/// Without faults and noise a step takes so long.
constexpr std::int64_t kVirtualStep_ns = 40'000'000;

/// Nodes of a cluster, each a machine of its own, with ranks one after the other.
Topology virtual_topology(int nodes, int ranks_per_node);

/// `directory` is made. What it holds does not depend on where it is.
VirtualRun run_virtually(const VirtualSetting& setting, const std::filesystem::path& directory);

/// A scenario with a search: trial after trial, as harness/run/series.cpp asks for them. `directory` is made.
struct VirtualSeries {
  Series series{};
  Verdict verdict{};
};
VirtualSeries search_virtually(const VirtualSetting& setting, const std::filesystem::path& directory);

}  // namespace grit::testing

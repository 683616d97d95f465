// The NVIDIA GPUs of this node, as its driver's library tells of them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/topology.hpp"

namespace grit {

struct FoundGpus {
  std::string driver{};        // its version: "580.65.06"; of a library of the tests "FAKE 580.65.06"
  std::vector<NodeGpu> all{};  // that answer
  std::string problem{};       // what is wrong with the first that does not: "gpu3: the GPU is lost ..."; empty: all do
};

/// In the library's order. Asks in a process of its own, at most 30 s for starting the library and 10 s for the answer.
/// Nothing without an error: no NVIDIA driver is loaded here. Error (unavailable): there is one, and why it does not
/// tell of any GPU.
Result<FoundGpus> find_gpus(const std::filesystem::path& sys = "/sys");

/// The same of this machine, asked once in the life of this process: a GPU that is asleep is woken by it, which takes
/// seconds.
const Result<FoundGpus>& known_gpus();

/// Fills in the node's GPUs, driver and problem from known_gpus().
void describe_gpus(Node& node);

/// Fills in NodeGpu::nearest_nic from the node's rails.
void find_nearest_nics(Node& node, const std::filesystem::path& sys = "/sys");

}  // namespace grit

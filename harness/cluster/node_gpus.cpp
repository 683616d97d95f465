#include "harness/cluster/node_gpus.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <tuple>

#include "harness/base/clock.hpp"
#include "harness/os/gpu_process.hpp"
#include "harness/os/gpu_settings.hpp"
#include "harness/os/rdma.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;
using nvml::Functions;

constexpr std::int64_t kAsk_ns = 10 * kNsPerS;  // some ten questions for each of a node's GPUs
constexpr unsigned kMostGpus = 64;
constexpr unsigned kMostNvlinks = 18;  // NVML_NVLINK_MAX_LINKS

/// What a function writes into its last parameter; 0: it does not tell.
template <class Value, class... Parameters, class... Arguments>
Value number_of(const Nvml& nvml, int (*Functions::*function)(Parameters...), Arguments... arguments) {
  Value value{};
  return nvml.call(function, arguments..., &value) == nvml::success ? value : Value{};
}

nvml::Code read_text(const Nvml& nvml, nvml::Device device, int (*Functions::*function)(nvml::Device, char*, unsigned),
                     std::string& text) {
  std::array<char, nvml::kMostText_bytes> told{};
  const nvml::Code code = nvml.call(function, device, told.data(), nvml::kMostText_bytes - 1);
  text = told.data();
  return code;
}

int active_nvlinks(const Nvml& nvml, nvml::Device device) {
  int active = 0;
  for (unsigned link = 0; link < kMostNvlinks; ++link)
    active += number_of<int>(nvml, &Functions::nvlink_state, device, link) == 1 ? 1 : 0;
  return active;
}

Result<NodeGpu> describe_gpu(const Nvml& nvml, unsigned index) {
  nvml::Device device = nullptr;
  NodeGpu gpu{.index = static_cast<int>(index)};
  // A driver may give a handle of a GPU that is lost, and say so only when it is asked for something.
  nvml::Code code = nvml.call(&Functions::device_by_index, index, &device);
  if (code == nvml::success) code = read_text(nvml, device, &Functions::uuid, gpu.uuid);
  if (code == nvml::success) code = read_text(nvml, device, &Functions::name, gpu.name);
  if (code != nvml::success) return nvml_error(fmt::format("gpu{}", index), code);
  gpu.pci = pci_address_of(number_of<nvml::PciInfo>(nvml, &Functions::pci_info, device));
  const auto figure = [&](int (*Functions::*function)(nvml::Device, unsigned*)) {
    return static_cast<int>(number_of<unsigned>(nvml, function, device));
  };
  gpu.pcie_generation = figure(&Functions::pcie_generation);
  gpu.max_pcie_generation = figure(&Functions::max_pcie_generation);
  gpu.pcie_lanes = figure(&Functions::pcie_width);
  gpu.max_pcie_lanes = figure(&Functions::max_pcie_width);
  gpu.nvlinks = active_nvlinks(nvml, device);
  unsigned mig = 0, pending = 0;
  gpu.mig = nvml.call(&Functions::mig_mode, device, &mig, &pending) == nvml::success && mig == 1;
  return gpu;
}

/// One that is lost stays out, and the others are there.
Result<Json> all_gpus_of(const Nvml& nvml) {
  std::array<char, nvml::kMostText_bytes> driver{};
  static_cast<void>(nvml.call(&Functions::driver_version, driver.data(), nvml::kMostText_bytes - 1));
  unsigned count = 0;
  const nvml::Code code = nvml.call(&Functions::device_count, &count);
  if (code != nvml::success) return nvml_error("counting the GPUs", code);
  Json all = Json::array();
  std::string problem;
  for (unsigned i = 0; i < std::min(count, kMostGpus); ++i) {
    const auto gpu = describe_gpu(nvml, i);
    if (gpu)
      all.push_back(to_json(*gpu));
    else if (problem.empty())
      problem = gpu.error().message;
  }
  if (all.empty() && !problem.empty()) return unavailable_error(problem);
  return Json{{"driver", (nvml.is_fake() ? "FAKE " : "") + std::string(driver.data())},
              {"gpus", std::move(all)},
              {"problem", problem}};
}

/// The directories that lead to a PCI device, from its root complex on: how far two of them agree says how near they
/// are to each other.
std::vector<std::string> place_of(const std::string& pci, const fs::path& sys) {
  std::error_code error;
  const fs::path real = pci.empty() ? fs::path() : fs::canonical(sys / "bus/pci/devices" / pci, error);
  std::vector<std::string> place;
  if (!error)
    for (const fs::path& part : real) place.push_back(part.string());
  return place;
}

std::size_t common_part(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  const auto end = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<std::size_t>(end.first - a.begin());
}

}  // namespace

Result<FoundGpus> find_gpus(const fs::path& sys) {
  std::error_code error;
  const bool told_where = ::secure_getenv("GRIT_NVML_LIBRARY") != nullptr;  // Nvml::load()
  if (!told_where && !fs::exists(sys / "module/nvidia", error)) return FoundGpus{};
  GRIT_TRY(const Json told, ask_gpus(all_gpus_of, kAsk_ns));
  FoundGpus found{.driver = told.value("driver", ""), .problem = told.value("problem", "")};
  for (const Json& one : told.value("gpus", Json::array())) {
    GRIT_TRY(NodeGpu gpu, node_gpu_from_json(one));
    gpu.numa_node = pci_function(gpu.pci, sys).numa_node;
    found.all.push_back(std::move(gpu));
  }
  return found;
}

const Result<FoundGpus>& known_gpus() {
  static const Result<FoundGpus> found = find_gpus();
  return found;
}

void describe_gpus(Node& node) {
  const auto& found = known_gpus();
  if (!found) {
    node.gpu_problem = found.error().message;
    return;
  }
  node.gpus = found->all;
  node.gpu_driver = found->driver;
  node.gpu_problem = found->problem;
}

void find_nearest_nics(Node& node, const fs::path& sys) {
  for (NodeGpu& gpu : node.gpus) {
    const auto place = place_of(gpu.pci, sys);
    std::tuple<std::size_t, bool> best{0, false};
    for (const Nic* nic : rails(node)) {
      const auto other = place_of(nic->pci, sys);
      if (place.empty() || other.empty()) continue;
      const std::tuple near{common_part(place, other), nic->numa_node >= 0 && nic->numa_node == gpu.numa_node};
      if (!gpu.nearest_nic.empty() && near <= best) continue;
      best = near, gpu.nearest_nic = nic->name;
    }
  }
}

}  // namespace grit

// What a workload computes with: its parameter `compute`.
#pragma once

#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "harness/model/data_type.hpp"
#include "harness/model/params.hpp"
#include "workloads/compute/device.hpp"
#include "workloads/workload.hpp"

namespace grit {

enum class ComputeKind { emulated, cpu, cuda };

/// `compute` of every workload, and the speed of what is emulated.
std::vector<ParamSpec> compute_params();
/// Of a value that the parameter allows.
ComputeKind compute_kind(std::string_view name);
/// Does it multiply in fp8? Error (usage): `kind` cannot.
Result<bool> is_fp8(const Params& params, ComputeKind kind);
std::string_view to_string(ComputeKind kind);

/// What computes has to do: `type` and `step_flops`, of one rank in a step, matter to a GPU, the peak to the emulated
/// one.
struct ComputeNeeds {
  DataType type = DataType::bf16;
  double step_flops = 0;
  double peak_flops_per_s = 0;
  bool is_fp8 = false;  // a GPU's products, whatever `type` is
};
/// Error (usage): a GPU, and the context has none; (unavailable): its own.
Result<std::unique_ptr<Compute>> make_compute(ComputeKind kind, const ComputeNeeds& needs,
                                              const WorkloadContext& context);

/// `needed_bytes`: what the workload allocates there; the products' operands, of a step of `step_flops`, come on top.
/// NCCL's buffers are not counted: most are there already. Error (usage): the context's GPU has not so much memory free
/// for each rank that shares it. Nothing where there is none.
Status check_gpu_memory(double needed_bytes, double step_flops, const WorkloadContext& context);

/// Where a workload's data are: on the context's GPU where it computes there, else on `host`.
Device& device_for(ComputeKind kind, const WorkloadContext& context, HostDevice& host);

/// Of a GPU: "gpu": {"name", "pci", "fake": a library of the tests plays it, so that nothing measured is a GPU's}.
void describe_gpu(ComputeKind kind, const WorkloadContext& context, Json& description);

/// fp32 weights on a device, as the host sees them between two steps: in place, or in a copy. `device` outlives this.
class HostView {
 public:
  HostView(Device& device, DeviceBuffer weights) : device_(device), weights_(std::move(weights)) {}
  /// As they are now. Until it is next called.
  std::span<float> read();
  /// What was written to read()'s is on the device now.
  void write_back();

 private:
  Device& device_;
  DeviceBuffer weights_;
  std::vector<float> copy_{};
};

}  // namespace grit

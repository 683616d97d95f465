#include "workloads/compute_kind.hpp"

#include <fmt/format.h>

#include "harness/base/clock.hpp"
#include "workloads/compute/cuda_device.hpp"

namespace grit {

std::vector<ParamSpec> compute_params() {
  return {
      {.name = "compute",
       .unit = Unit::text,
       .default_value = "emulated",
       .help = "emulated: timer-driven accelerator, the CPU stays free; cpu: real matrix products on one core; cuda: "
               "real ones on a GPU for each rank, where the data are as well, moved by NCCL",
       .choices = {"emulated", "cpu", "cuda"}},
      {.name = "peak",
       .unit = Unit::flops_per_s,
       .default_value = 1e12,
       .help = "speed of the emulated accelerator",
       .min = 1e6},
      {.name = "products",
       .unit = Unit::text,
       .default_value = "dtype",
       .help =
           "cuda: the type of what is multiplied; dtype: that of the workload's dtype; fp8: E4M3, on a GPU that has "
           "it",
       .choices = {"dtype", "fp8"}},
      {.name = "patience",
       .unit = Unit::time_ns,
       .default_value = 600 * kNsPerS,
       .help = "cuda: how long an operation between ranks may take before it is said to hang and the job ends "
               "(the timeout of torch.distributed)",
       .min = 1e9}};
}

ComputeKind compute_kind(std::string_view name) {
  if (name == "cuda") return ComputeKind::cuda;
  return name == "cpu" ? ComputeKind::cpu : ComputeKind::emulated;
}

Result<bool> is_fp8(const Params& params, ComputeKind kind) {
  if (params.text("products") != "fp8") return false;
  if (kind == ComputeKind::cuda) return true;
  return usage_error(
      fmt::format("products = \"fp8\" is for compute = \"cuda\"; this workload has \"{}\"", to_string(kind)));
}

std::string_view to_string(ComputeKind kind) {
  switch (kind) {
    case ComputeKind::emulated:
      return "emulated";
    case ComputeKind::cpu:
      return "cpu";
    case ComputeKind::cuda:
      return "cuda";
  }
  return "?";
}

Result<std::unique_ptr<Compute>> make_compute(ComputeKind kind, const ComputeNeeds& needs,
                                              const WorkloadContext& context) {
  switch (kind) {
    case ComputeKind::cuda:
      if (context.gpu == nullptr) return usage_error("compute = \"cuda\": this job has no GPUs");
      return make_cuda_compute(*context.gpu, needs.type, needs.is_fp8, cuda_product_size(needs.step_flops));
    case ComputeKind::cpu:
      return make_cpu_compute();
    case ComputeKind::emulated:
      break;
  }
  return make_emulated_compute(needs.peak_flops_per_s, *context.accelerator_clock,
                               context.dials != nullptr ? &context.dials->throttled_ns : nullptr);
}

Status check_gpu_memory(double needed_bytes, double step_flops, const WorkloadContext& context) {
  if (context.gpu == nullptr) return {};
  needed_bytes += cuda_product_bytes(cuda_product_size(step_flops));
  const Accelerator& gpu = *context.gpu->accelerator();
  GRIT_TRY(const std::int64_t free_now_bytes, gpu.free_bytes());
  const std::int64_t free_bytes =
      context.ranks_sharing_gpu > 1 ? std::min(context.gpu_free_bytes, gpu.facts().memory_bytes) : free_now_bytes;
  if (needed_bytes * context.ranks_sharing_gpu < static_cast<double>(free_bytes)) return {};
  return usage_error(fmt::format(
      "the workload needs {:.1f} GB of a GPU's memory for each of {} rank(s), and {} has {:.1f} GB free; "
      "choose a smaller scale or sequence, or a mesh that divides the model further",
      needed_bytes / 1e9, context.ranks_sharing_gpu, gpu.facts().name, static_cast<double>(free_bytes) / 1e9));
}

Device& device_for(ComputeKind kind, const WorkloadContext& context, HostDevice& host) {
  if (kind == ComputeKind::cuda && context.gpu != nullptr) return *context.gpu;
  return host;
}

void describe_gpu(ComputeKind kind, const WorkloadContext& context, Json& description) {
  if (kind != ComputeKind::cuda || context.gpu == nullptr) return;
  const AcceleratorFacts& facts = context.gpu->accelerator()->facts();
  description["gpu"] = {{"name", facts.name}, {"pci", facts.pci_address}, {"fake", facts.is_fake}};
}

std::span<float> HostView::read() {
  const std::size_t count = weights_.size() / sizeof(float);
  if (device_.is_host()) return {weights_.as_floats(), count};
  copy_.resize(count);
  device_.to_host(copy_.data(), weights_.data(), weights_.size());
  return copy_;
}

void HostView::write_back() {
  if (!device_.is_host()) device_.from_host(weights_.data(), copy_.data(), weights_.size());
}

}  // namespace grit

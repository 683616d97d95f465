#include "workloads/accelerator/gemm.hpp"

#include <cublasLt.h>

#include <cstdio>
#include <memory>

#include "workloads/accelerator/device.hpp"
#include "workloads/accelerator/kernels.hpp"
#include "workloads/accelerator/why.hpp"

namespace grit::accelerator {
namespace {

constexpr std::int32_t kLargestSize = 32'768;
// What NVIDIA recommends for Hopper and newer devices (cuBLAS documentation, cublasSetWorkspace): 32 MiB.
constexpr std::size_t kWorkspace_bytes = std::size_t{32} << 20;

std::int32_t check_cublas(cublasStatus_t status, const char* call, grit_why* why) {
  if (status == CUBLAS_STATUS_SUCCESS) return GRIT_OK;
  char text[sizeof grit_why::text];
  std::snprintf(text, sizeof text, "%s: %s (cuBLAS status %d)", call, cublasLtGetStatusString(status),
                static_cast<int>(status));
  const std::int32_t code = status == CUBLAS_STATUS_ALLOC_FAILED ? GRIT_NO_MEMORY
                            : status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_ARCH_MISMATCH ||
                                    status == CUBLAS_STATUS_NOT_INITIALIZED
                                ? GRIT_UNAVAILABLE
                            : status == CUBLAS_STATUS_INVALID_VALUE    ? GRIT_INVALID
                            : status == CUBLAS_STATUS_EXECUTION_FAILED ? GRIT_DEVICE_LOST
                                                                       : GRIT_FAILED;
  return fail(why, code, static_cast<std::int32_t>(status), text);
}

struct DeviceMemory {
  void operator()(void* memory) const { cudaFree(memory); }
};
struct Handle {
  void operator()(cublasLtHandle_t handle) const { cublasLtDestroy(handle); }
};
struct Description {
  void operator()(cublasLtMatmulDesc_t description) const { cublasLtMatmulDescDestroy(description); }
};
struct Layout {
  void operator()(cublasLtMatrixLayout_t layout) const { cublasLtMatrixLayoutDestroy(layout); }
};
struct Preference {
  void operator()(cublasLtMatmulPreference_t preference) const { cublasLtMatmulPreferenceDestroy(preference); }
};
using Memory = std::unique_ptr<void, DeviceMemory>;

struct ElementType {
  cudaDataType_t type = CUDA_R_32F;
  std::size_t bytes = 4;
};

bool find_type(std::int32_t type, ElementType& found) {
  switch (type) {
    case GRIT_FP32:
      found = {CUDA_R_32F, 4};
      return true;
    case GRIT_BF16:
      found = {CUDA_R_16BF, 2};
      return true;
    case GRIT_FP16:
      found = {CUDA_R_16F, 2};
      return true;
    case GRIT_FP8_E4M3:
      found = {CUDA_R_8F_E4M3, 1};
      return true;
    default:
      return false;
  }
}

std::int32_t allocate_bytes(std::size_t bytes, Memory& memory, grit_why* why) {
  void* made = nullptr;
  GRIT_MODULE_CHECK(check_cuda(cudaMalloc(&made, bytes), "memory for a matrix product", why));
  memory.reset(made);
  return GRIT_OK;
}

}  // namespace
}  // namespace grit::accelerator

struct grit_gemm {
  std::unique_ptr<cublasLtContext, grit::accelerator::Handle> handle;
  std::unique_ptr<cublasLtMatmulDescOpaque_t, grit::accelerator::Description> description;
  std::unique_ptr<cublasLtMatrixLayoutOpaque_t, grit::accelerator::Layout> operand, product;
  cublasLtMatmulAlgo_t algorithm{};
  std::size_t workspace_bytes = 0;
  grit::accelerator::Memory a, b, c, workspace;
  std::uint32_t size = 0;
  float alpha = 2;
};

namespace grit::accelerator {
namespace {

/// A is read transposed, so that in both operands the numbers that are multiplied follow each other: the one form that
/// fp8 has (cuBLAS documentation, cublasLtMatmul).
std::int32_t describe(grit_gemm& gemm, cudaDataType_t type, grit_why* why) {
  cublasLtHandle_t handle = nullptr;
  GRIT_MODULE_CHECK(check_cublas(cublasLtCreate(&handle), "cublasLtCreate", why));
  gemm.handle.reset(handle);
  cublasLtMatmulDesc_t description = nullptr;
  GRIT_MODULE_CHECK(check_cublas(cublasLtMatmulDescCreate(&description, CUBLAS_COMPUTE_32F, CUDA_R_32F),
                                 "cublasLtMatmulDescCreate", why));
  gemm.description.reset(description);
  const cublasOperation_t transposed = CUBLAS_OP_T;
  GRIT_MODULE_CHECK(check_cublas(
      cublasLtMatmulDescSetAttribute(description, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed),
      "cublasLtMatmulDescSetAttribute", why));
  cublasLtMatrixLayout_t layout = nullptr;
  GRIT_MODULE_CHECK(check_cublas(cublasLtMatrixLayoutCreate(&layout, type, gemm.size, gemm.size, gemm.size),
                                 "cublasLtMatrixLayoutCreate", why));
  gemm.operand.reset(layout);
  GRIT_MODULE_CHECK(check_cublas(cublasLtMatrixLayoutCreate(&layout, CUDA_R_32F, gemm.size, gemm.size, gemm.size),
                                 "cublasLtMatrixLayoutCreate", why));
  gemm.product.reset(layout);
  return GRIT_OK;
}

/// cuBLAS's own first choice for a product like this.
std::int32_t choose(grit_gemm& gemm, grit_why* why) {
  cublasLtMatmulPreference_t made = nullptr;
  GRIT_MODULE_CHECK(check_cublas(cublasLtMatmulPreferenceCreate(&made), "cublasLtMatmulPreferenceCreate", why));
  const std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, Preference> preference(made);
  GRIT_MODULE_CHECK(check_cublas(cublasLtMatmulPreferenceSetAttribute(made, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                                      &kWorkspace_bytes, sizeof kWorkspace_bytes),
                                 "cublasLtMatmulPreferenceSetAttribute", why));
  cublasLtMatmulHeuristicResult_t result{};
  int found = 0;
  GRIT_MODULE_CHECK(check_cublas(
      cublasLtMatmulAlgoGetHeuristic(gemm.handle.get(), gemm.description.get(), gemm.operand.get(), gemm.operand.get(),
                                     gemm.product.get(), gemm.product.get(), made, 1, &result, &found),
      "cublasLtMatmulAlgoGetHeuristic", why));
  if (found == 0) return fail(why, GRIT_UNAVAILABLE, 0, "cuBLAS has no matrix product of this type on this device");
  gemm.algorithm = result.algo;
  gemm.workspace_bytes = result.workspaceSize;
  return GRIT_OK;
}

std::int32_t make_operands(grit_gemm& gemm, std::int32_t type, std::size_t element_bytes, grit_why* why) {
  const std::size_t elements = std::size_t{gemm.size} * gemm.size;
  GRIT_MODULE_CHECK(allocate_bytes(elements * element_bytes, gemm.a, why));
  GRIT_MODULE_CHECK(allocate_bytes(elements * element_bytes, gemm.b, why));
  GRIT_MODULE_CHECK(allocate_bytes(elements * sizeof(float), gemm.c, why));
  if (gemm.workspace_bytes > 0) GRIT_MODULE_CHECK(allocate_bytes(gemm.workspace_bytes, gemm.workspace, why));
  GRIT_MODULE_CHECK(check_cuda(launch_operand(nullptr, gemm.a.get(), type, gemm.size, Operand::a), "an operand", why));
  GRIT_MODULE_CHECK(check_cuda(launch_operand(nullptr, gemm.b.get(), type, gemm.size, Operand::b), "an operand", why));
  return check_cuda(cudaStreamSynchronize(nullptr), "making the operands", why);
}

}  // namespace

std::int32_t gemm_create(grit_device* device, std::int32_t type, std::int32_t size, grit_gemm** gemm, grit_why* why) {
  return guarded(why, [&]() -> std::int32_t {
    ElementType element;
    if (!find_type(type, element) || size <= 0 || size % 16 != 0 || size > kLargestSize)
      return fail(why, GRIT_INVALID, 0, "no matrix product of such a type or size");
    GRIT_MODULE_CHECK(check_cuda(cudaSetDevice(device->index), "cudaSetDevice", why));
    auto made = std::make_unique<grit_gemm>();
    made->size = static_cast<std::uint32_t>(size);
    GRIT_MODULE_CHECK(describe(*made, element.type, why));
    GRIT_MODULE_CHECK(choose(*made, why));
    GRIT_MODULE_CHECK(make_operands(*made, type, element.bytes, why));
    *gemm = made.release();
    return GRIT_OK;
  });
}

void gemm_destroy(grit_gemm* gemm) { const std::unique_ptr<grit_gemm> destroyed(gemm); }

std::int32_t gemm_run(grit_gemm* gemm, grit_stream* stream, std::int32_t times, grit_why* why) {
  const float beta = 0;
  for (std::int32_t i = 0; i < times; ++i) {
    gemm->alpha = 3 - gemm->alpha;
    GRIT_MODULE_CHECK(
        check_cublas(cublasLtMatmul(gemm->handle.get(), gemm->description.get(), &gemm->alpha, gemm->a.get(),
                                    gemm->operand.get(), gemm->b.get(), gemm->operand.get(), &beta, gemm->c.get(),
                                    gemm->product.get(), gemm->c.get(), gemm->product.get(), &gemm->algorithm,
                                    gemm->workspace.get(), gemm->workspace_bytes, stream->stream),
                     "cublasLtMatmul", why));
  }
  return GRIT_OK;
}

std::int32_t gemm_check(grit_gemm* gemm, grit_stream* stream, grit_found* found, grit_why* why) {
  return check_cuda(
      launch_check_product(stream->stream, static_cast<const float*>(gemm->c.get()), gemm->size, gemm->alpha, found),
      "checking a matrix product", why);
}

}  // namespace grit::accelerator

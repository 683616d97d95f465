// libcublas: handles and the matrix products.
#include <cublas_v2.h>

#include <memory>
#include <mutex>
#include <set>

#include "tests/fakes/cuda/cublas/gemm.hpp"
#include "tests/fakes/cuda/script.hpp"

using namespace grit::fake;

struct cublasContext {
  cudaStream_t stream = nullptr;
  cublasPointerMode_t pointer_mode = CUBLAS_POINTER_MODE_HOST;
  cublasMath_t math_mode = CUBLAS_DEFAULT_MATH;
};

namespace {

/// What a function does that only fails as scripted, or for want of a handle.
template <class Body>
cublasStatus_t api(const char* function, cublasHandle_t handle, Body body) {
  if (const Call call = enter(function); call.code != 0) return static_cast<cublasStatus_t>(call.code);
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  body();
  return CUBLAS_STATUS_SUCCESS;
}

Matrix matrix(const void* data, cudaDataType type, std::int64_t rows, std::int64_t columns, int leading,
              std::int64_t stride = 0) {
  return {data, type, rows, columns, leading, stride};
}

}  // namespace

extern "C" {

cublasStatus_t cublasCreate_v2(cublasHandle_t* handle) {
  if (const Call call = enter(__func__); call.code != 0) return static_cast<cublasStatus_t>(call.code);
  *handle = std::make_unique<cublasContext>().release();
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy_v2(cublasHandle_t handle) {
  return api(__func__, handle, [&] { const std::unique_ptr<cublasContext> destroyed(handle); });
}
cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int* version) {
  return api(__func__, handle, [&] { *version = CUBLAS_VERSION; });
}
const char* cublasGetStatusName(cublasStatus_t status) { return status_name(status); }
const char* cublasGetStatusString(cublasStatus_t status) { return status_name(status); }
cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream) {
  return api(__func__, handle, [&] { handle->stream = stream; });
}
cublasStatus_t cublasGetStream_v2(cublasHandle_t handle, cudaStream_t* stream) {
  return api(__func__, handle, [&] { *stream = handle->stream; });
}
cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void*, size_t) {
  return api(__func__, handle, [] {});
}
cublasStatus_t cublasSetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t mode) {
  return api(__func__, handle, [&] { handle->pointer_mode = mode; });
}
cublasStatus_t cublasGetPointerMode_v2(cublasHandle_t handle, cublasPointerMode_t* mode) {
  return api(__func__, handle, [&] { *mode = handle->pointer_mode; });
}
cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode) {
  return api(__func__, handle, [&] { handle->math_mode = mode; });
}
cublasStatus_t cublasGetMathMode(cublasHandle_t handle, cublasMath_t* mode) {
  return api(__func__, handle, [&] { *mode = handle->math_mode; });
}

cublasStatus_t cublasGemmStridedBatchedEx(cublasHandle_t handle, cublasOperation_t a_operation,
                                          cublasOperation_t b_operation, int m, int n, int k, const void* alpha,
                                          const void* a, cudaDataType a_type, int a_leading, long long a_stride,
                                          const void* b, cudaDataType b_type, int b_leading, long long b_stride,
                                          const void* beta, void* c, cudaDataType c_type, int c_leading,
                                          long long c_stride, int batches, cublasComputeType_t compute,
                                          cublasGemmAlgo_t) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (compute != CUBLAS_COMPUTE_32F && compute != CUBLAS_COMPUTE_32F_PEDANTIC) return CUBLAS_STATUS_NOT_SUPPORTED;
  if (m < 0 || n < 0 || k < 0 || batches < 0) return CUBLAS_STATUS_INVALID_VALUE;
  const bool a_plain = a_operation == CUBLAS_OP_N;
  const bool b_plain = b_operation == CUBLAS_OP_N;
  Gemm gemm{.a_operation = a_operation, .b_operation = b_operation};
  gemm.a = matrix(a, a_type, a_plain ? m : k, a_plain ? k : m, a_leading, a_stride);
  gemm.b = matrix(b, b_type, b_plain ? k : n, b_plain ? n : k, b_leading, b_stride);
  gemm.c = gemm.d = matrix(c, c_type, m, n, c_leading, c_stride);
  gemm.batches = batches;
  gemm.alpha = alpha, gemm.beta = beta;
  gemm.scales_on_device = handle->pointer_mode == CUBLAS_POINTER_MODE_DEVICE;
  return enqueue("cublasGemmEx", gemm, handle->stream);
}
cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t a_operation, cublasOperation_t b_operation, int m,
                            int n, int k, const void* alpha, const void* a, cudaDataType a_type, int a_leading,
                            const void* b, cudaDataType b_type, int b_leading, const void* beta, void* c,
                            cudaDataType c_type, int c_leading, cublasComputeType_t compute,
                            cublasGemmAlgo_t algorithm) {
  return cublasGemmStridedBatchedEx(handle, a_operation, b_operation, m, n, k, alpha, a, a_type, a_leading, 0, b,
                                    b_type, b_leading, 0, beta, c, c_type, c_leading, 0, 1, compute, algorithm);
}
cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t a_operation, cublasOperation_t b_operation,
                              int m, int n, int k, const float* alpha, const float* a, int a_leading, const float* b,
                              int b_leading, const float* beta, float* c, int c_leading) {
  return cublasGemmEx(handle, a_operation, b_operation, m, n, k, alpha, a, CUDA_R_32F, a_leading, b, CUDA_R_32F,
                      b_leading, beta, c, CUDA_R_32F, c_leading, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT);
}

}  // extern "C"

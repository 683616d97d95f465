#include "tests/fakes/cuda/cublas/gemm.hpp"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <chrono>
#include <vector>

#include "tests/fakes/cuda/runtime/link.hpp"
#include "tests/fakes/cuda/script.hpp"

namespace grit::fake {
namespace {

std::size_t element_bytes(cudaDataType type) { return type == CUDA_R_32F ? 4 : type == CUDA_R_8F_E4M3 ? 1 : 2; }

float load(const Matrix& matrix, std::int64_t batch, std::int64_t row, std::int64_t column) {
  const std::int64_t at = batch * matrix.batch_stride + column * matrix.leading + row;
  switch (matrix.type) {
    case CUDA_R_16BF:
      return __bfloat162float(static_cast<const __nv_bfloat16*>(matrix.data)[at]);
    case CUDA_R_16F:
      return __half2float(static_cast<const __half*>(matrix.data)[at]);
    case CUDA_R_8F_E4M3:
      return static_cast<float>(static_cast<const __nv_fp8_e4m3*>(matrix.data)[at]);
    default:
      return static_cast<const float*>(matrix.data)[at];
  }
}

void store(const Matrix& matrix, std::int64_t batch, std::int64_t row, std::int64_t column, float value) {
  const std::int64_t at = batch * matrix.batch_stride + column * matrix.leading + row;
  void* data = const_cast<void*>(matrix.data);
  switch (matrix.type) {
    case CUDA_R_16BF:
      static_cast<__nv_bfloat16*>(data)[at] = __float2bfloat16(value);
      break;
    case CUDA_R_16F:
      static_cast<__half*>(data)[at] = __float2half(value);
      break;
    default:
      static_cast<float*>(data)[at] = value;
      break;
  }
}

/// op(matrix) in fp32, its rows one after the other.
std::vector<float> unpack(const Matrix& matrix, cublasOperation_t operation, std::int64_t batch) {
  const bool is_transposed = operation != CUBLAS_OP_N;
  const std::int64_t rows = is_transposed ? matrix.columns : matrix.rows;
  const std::int64_t columns = is_transposed ? matrix.rows : matrix.columns;
  std::vector<float> values(static_cast<std::size_t>(rows * columns));
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns; ++j)
      values[static_cast<std::size_t>(i * columns + j)] =
          is_transposed ? load(matrix, batch, j, i) : load(matrix, batch, i, j);
  return values;
}

void multiply(const Gemm& gemm, std::int64_t batch, float alpha, float beta) {
  const std::vector<float> a = unpack(gemm.a, gemm.a_operation, batch);
  const std::vector<float> b = unpack(gemm.b, gemm.b_operation, batch);
  const std::int64_t inner = gemm.a_operation == CUBLAS_OP_N ? gemm.a.columns : gemm.a.rows;
  const std::int64_t columns = gemm.d.columns;
  std::vector<float> sums(static_cast<std::size_t>(columns));
  for (std::int64_t i = 0; i < gemm.d.rows; ++i) {
    sums.assign(sums.size(), 0);
    for (std::int64_t k = 0; k < inner; ++k) {
      const float factor = a[static_cast<std::size_t>(i * inner + k)];
      const float* row = b.data() + k * columns;
      for (std::int64_t j = 0; j < columns; ++j) sums[static_cast<std::size_t>(j)] += factor * row[j];
    }
    for (std::int64_t j = 0; j < columns; ++j) {
      const float product = alpha * sums[static_cast<std::size_t>(j)];
      // C is not read where beta is 0.
      store(gemm.d, batch, i, j, beta == 0 ? product : product + beta * load(gemm.c, batch, i, j));
    }
  }
}

bool fits(const Matrix& matrix) {
  return matrix.rows >= 0 && matrix.columns >= 0 && matrix.leading >= matrix.rows && matrix.leading > 0 &&
         (matrix.data != nullptr || matrix.rows * matrix.columns == 0);
}

bool is_valid(const Gemm& gemm, bool needs_c) {
  const bool a_plain = gemm.a_operation == CUBLAS_OP_N;
  const bool b_plain = gemm.b_operation == CUBLAS_OP_N;
  const std::int64_t rows = a_plain ? gemm.a.rows : gemm.a.columns;
  const std::int64_t columns = b_plain ? gemm.b.columns : gemm.b.rows;
  const std::int64_t a_inner = a_plain ? gemm.a.columns : gemm.a.rows;
  const std::int64_t b_inner = b_plain ? gemm.b.rows : gemm.b.columns;
  if (!fits(gemm.a) || !fits(gemm.b) || !fits(gemm.d) || gemm.batches < 0) return false;
  if (needs_c && (!fits(gemm.c) || gemm.c.rows != rows || gemm.c.columns != columns)) return false;
  return a_inner == b_inner && gemm.d.rows == rows && gemm.d.columns == columns && gemm.alpha && gemm.beta;
}

/// All of a batch is where the device reaches it.
bool is_reached(const Matrix& matrix, std::int64_t batches) {
  if (matrix.rows * matrix.columns * batches == 0) return true;
  const std::int64_t last = (batches - 1) * matrix.batch_stride + (matrix.columns - 1) * matrix.leading + matrix.rows;
  return grit_fake_reaches(matrix.data, static_cast<std::size_t>(last) * element_bytes(matrix.type));
}

double flops_of(const Gemm& gemm) {
  const std::int64_t inner = gemm.a_operation == CUBLAS_OP_N ? gemm.a.columns : gemm.a.rows;
  return 2.0 * static_cast<double>(gemm.d.rows) * static_cast<double>(gemm.d.columns) * static_cast<double>(inner) *
         static_cast<double>(gemm.batches);
}

}  // namespace

bool is_type(cudaDataType type, bool is_operand) {
  return type == CUDA_R_32F || type == CUDA_R_16BF || type == CUDA_R_16F || (is_operand && type == CUDA_R_8F_E4M3);
}

cublasStatus_t enqueue(const char* function, Gemm gemm, cudaStream_t stream) {
  const Call call = enter(function);
  if (call.code != 0) return static_cast<cublasStatus_t>(call.code);
  if (!is_type(gemm.a.type, true) || !is_type(gemm.b.type, true) || !is_type(gemm.d.type, false) ||
      !is_type(gemm.c.type, false) || element_bytes(gemm.a.type) != element_bytes(gemm.b.type))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  // In fp8 cuBLASLt has only this form, of sizes that are multiples of 16.
  if (gemm.a.type == CUDA_R_8F_E4M3 && (gemm.a_operation != CUBLAS_OP_T || gemm.b_operation != CUBLAS_OP_N ||
                                        gemm.a.leading % 16 != 0 || gemm.b.leading % 16 != 0))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  const bool needs_c = gemm.scales_on_device || (gemm.beta && *static_cast<const float*>(gemm.beta) != 0);
  if (!is_valid(gemm, needs_c)) return CUBLAS_STATUS_INVALID_VALUE;
  float alpha = 0, beta = 0;
  if (!gemm.scales_on_device)
    alpha = *static_cast<const float*>(gemm.alpha), beta = *static_cast<const float*>(gemm.beta);
  const int device = grit_fake_current_device();
  const Work work = [gemm, needs_c, device, alpha, beta]() mutable {
    if (!is_reached(gemm.a, gemm.batches) || !is_reached(gemm.b, gemm.batches) || !is_reached(gemm.d, gemm.batches) ||
        (needs_c && !is_reached(gemm.c, gemm.batches)))
      return cudaErrorIllegalAddress;
    const auto start = std::chrono::steady_clock::now();
    if (gemm.scales_on_device)
      alpha = *static_cast<const float*>(gemm.alpha), beta = *static_cast<const float*>(gemm.beta);
    for (std::int64_t batch = 0; batch < gemm.batches; ++batch) multiply(gemm, batch, alpha, beta);
    if (const double rate = number_of(device, "flops_per_s", 0); rate > 0) keep_to(start, flops_of(gemm) / rate);
    return cudaSuccess;
  };
  const cudaError_t code = grit_fake_enqueue(stream, call.delay_s, call.async_code, work);
  if (code == cudaErrorInvalidResourceHandle) return CUBLAS_STATUS_INVALID_VALUE;
  return code == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

const char* status_name(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_NOT_INITIALIZED:
      return "CUBLAS_STATUS_NOT_INITIALIZED";
    case CUBLAS_STATUS_ALLOC_FAILED:
      return "CUBLAS_STATUS_ALLOC_FAILED";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_ARCH_MISMATCH:
      return "CUBLAS_STATUS_ARCH_MISMATCH";
    case CUBLAS_STATUS_MAPPING_ERROR:
      return "CUBLAS_STATUS_MAPPING_ERROR";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    case CUBLAS_STATUS_INTERNAL_ERROR:
      return "CUBLAS_STATUS_INTERNAL_ERROR";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    default:
      return "unknown status";
  }
}

}  // namespace grit::fake

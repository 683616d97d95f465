// A matrix product as the host computes it, for both of cuBLAS's interfaces.
#pragma once

#include <cublas_api.h>

#include <cstddef>
#include <cstdint>

namespace grit::fake {

/// A matrix in memory, by column: element (i, j) is at j · leading + i.
struct Matrix {
  const void* data = nullptr;
  cudaDataType type = CUDA_R_32F;
  std::int64_t rows = 0, columns = 0, leading = 0;
  std::int64_t batch_stride = 0;  // elements from one matrix of a batch to the next
};

/// D = alpha · op(A) op(B) + beta · C, each sum in fp32 and rounded once, to D's type.
struct Gemm {
  cublasOperation_t a_operation = CUBLAS_OP_N, b_operation = CUBLAS_OP_N;
  Matrix a{}, b{}, c{}, d{};
  std::int64_t batches = 1;
  const void* alpha = nullptr;  // fp32
  const void* beta = nullptr;
  bool scales_on_device = false;
};

/// bf16, fp16, fp32; as an operand also fp8 (E4M3).
bool is_type(cudaDataType type, bool is_operand);

/// Gives the stream the product. `function`: the script's name of it (cublasGemmEx for all of cublas). Error:
/// INVALID_VALUE, sizes that do not fit or no memory; NOT_SUPPORTED, such types; EXECUTION_FAILED, the device's.
cublasStatus_t enqueue(const char* function, Gemm gemm, cudaStream_t stream);

const char* status_name(cublasStatus_t status);

}  // namespace grit::fake

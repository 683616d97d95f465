// Matrix products against a reference in double precision.
#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <cmath>

#include "tests/fakes/cuda/scenarios/scenario.hpp"

namespace grit::scenarios {
namespace {

/// Small numbers of either sign, each a multiple of 1/4: exact in all types.
template <class Element>
std::vector<Element> draw(std::size_t count, unsigned seed) {
  std::vector<Element> values(count);
  for (Element& value : values) {
    seed = seed * 1664525U + 1013904223U;
    value = static_cast<Element>(static_cast<float>(static_cast<int>(seed >> 24) % 15 - 7) / 4);
  }
  return values;
}

struct Shape {
  cublasOperation_t a_operation, b_operation;
  int m, n, k;
  [[nodiscard]] int a_rows() const { return a_operation == CUBLAS_OP_N ? m : k; }
  [[nodiscard]] int a_columns() const { return a_operation == CUBLAS_OP_N ? k : m; }
  [[nodiscard]] int b_rows() const { return b_operation == CUBLAS_OP_N ? k : n; }
  [[nodiscard]] int b_columns() const { return b_operation == CUBLAS_OP_N ? n : k; }
};

constexpr float kAlpha = 2, kBeta = -0.5F;
constexpr int kPadding = 3;  // of the leading dimensions

template <class Element, class Result>
void check_product(const Shape& shape, const std::vector<Element>& a, int a_leading, const std::vector<Element>& b,
                   int b_leading, const std::vector<Result>& before, const std::vector<Result>& after, int leading) {
  for (int j = 0; j < shape.n; ++j) {
    for (int i = 0; i < shape.m; ++i) {
      double sum = 0;
      for (int k = 0; k < shape.k; ++k) {
        const int a_at = shape.a_operation == CUBLAS_OP_N ? k * a_leading + i : i * a_leading + k;
        const int b_at = shape.b_operation == CUBLAS_OP_N ? j * b_leading + k : k * b_leading + j;
        sum += static_cast<double>(static_cast<float>(a[a_at])) * static_cast<double>(static_cast<float>(b[b_at]));
      }
      const auto at = static_cast<std::size_t>(j * leading + i);
      const double exact = kAlpha * sum + kBeta * static_cast<double>(static_cast<float>(before[at]));
      EXPECT_IS(static_cast<float>(after[at]), static_cast<float>(static_cast<Result>(static_cast<float>(exact))));
    }
    for (int i = shape.m; i < leading; ++i)  // nothing between the columns is written
      EXPECT_IS(static_cast<float>(after[j * leading + i]), static_cast<float>(before[j * leading + i]));
  }
}

template <class Element, class Result>
void multiply(const Shape& shape, cudaDataType type, cudaDataType result_type) {
  const int a_leading = shape.a_rows() + kPadding, b_leading = shape.b_rows() + kPadding, leading = shape.m + kPadding;
  const auto a = draw<Element>(static_cast<std::size_t>(a_leading * shape.a_columns()), 1);
  const auto b = draw<Element>(static_cast<std::size_t>(b_leading * shape.b_columns()), 2);
  const auto before = draw<Result>(static_cast<std::size_t>(leading * shape.n), 3);
  Result* c = on_device(before);
  cublasHandle_t handle = nullptr;
  EXPECT_OK(cublasCreate(&handle));
  const cudaStream_t stream = make_stream();
  EXPECT_OK(cublasSetStream(handle, stream));
  EXPECT_OK(cublasGemmEx(handle, shape.a_operation, shape.b_operation, shape.m, shape.n, shape.k, &kAlpha, on_device(a),
                         type, a_leading, on_device(b), type, b_leading, &kBeta, c, result_type, leading,
                         CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT));
  EXPECT_OK(cudaStreamSynchronize(stream));
  check_product(shape, a, a_leading, b, b_leading, before, from_device(c, before.size()), leading);
  EXPECT_OK(cublasDestroy(handle));
}

void products_are_right(const Rank&) {
  for (const cublasOperation_t a : {CUBLAS_OP_N, CUBLAS_OP_T}) {
    for (const cublasOperation_t b : {CUBLAS_OP_N, CUBLAS_OP_T}) {
      const Shape shape{a, b, 17, 9, 31};
      multiply<float, float>(shape, CUDA_R_32F, CUDA_R_32F);
      multiply<__nv_bfloat16, float>(shape, CUDA_R_16BF, CUDA_R_32F);
      multiply<__nv_bfloat16, __nv_bfloat16>(shape, CUDA_R_16BF, CUDA_R_16BF);
      multiply<__half, __half>(shape, CUDA_R_16F, CUDA_R_16F);
    }
  }
}

/// A product by cuBLASLt, as a user makes one: C = alpha · A' B.
struct Product {
  cublasLtHandle_t handle = nullptr;
  cublasLtMatmulDesc_t description = nullptr;
  cublasLtMatrixLayout_t operand = nullptr, result = nullptr;
  cublasLtMatmulHeuristicResult_t choice{};
  void* workspace = nullptr;

  Product(cudaDataType type, int size) {
    EXPECT_OK(cublasLtCreate(&handle));
    EXPECT_OK(cublasLtMatmulDescCreate(&description, CUBLAS_COMPUTE_32F, CUDA_R_32F));
    const cublasOperation_t transposed = CUBLAS_OP_T;
    EXPECT_OK(cublasLtMatmulDescSetAttribute(description, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed));
    const auto side = static_cast<std::uint64_t>(size);
    EXPECT_OK(cublasLtMatrixLayoutCreate(&operand, type, side, side, size));
    EXPECT_OK(cublasLtMatrixLayoutCreate(&result, CUDA_R_32F, side, side, size));
    cublasLtMatmulPreference_t preference = nullptr;
    EXPECT_OK(cublasLtMatmulPreferenceCreate(&preference));
    const std::size_t most_bytes = 4 << 20;
    EXPECT_OK(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &most_bytes,
                                                   sizeof most_bytes));
    int found = 0;
    EXPECT_OK(cublasLtMatmulAlgoGetHeuristic(handle, description, operand, operand, result, result, preference, 1,
                                             &choice, &found));
    EXPECT_IS(found, 1);
    EXPECT_TRUE(choice.workspaceSize <= most_bytes);
    EXPECT_OK(cudaMalloc(&workspace, choice.workspaceSize));
    EXPECT_OK(cublasLtMatmulPreferenceDestroy(preference));
  }
  ~Product() {
    EXPECT_OK(cublasLtMatrixLayoutDestroy(operand));
    EXPECT_OK(cublasLtMatrixLayoutDestroy(result));
    EXPECT_OK(cublasLtMatmulDescDestroy(description));
    EXPECT_OK(cublasLtDestroy(handle));
    EXPECT_OK(cudaFree(workspace));
  }
  Product(const Product&) = delete;
  Product& operator=(const Product&) = delete;

  cublasStatus_t run(const void* a, const void* b, float* c, cudaStream_t stream) const {
    const float beta = 0;
    return cublasLtMatmul(handle, description, &kAlpha, a, operand, b, operand, &beta, c, result, c, result,
                          &choice.algo, workspace, choice.workspaceSize, stream);
  }
};

template <class Element>
void multiply_by_lt(cudaDataType type) {
  constexpr int kSize = 32;
  const auto a = draw<Element>(kSize * kSize, 1), b = draw<Element>(kSize * kSize, 2);
  const std::vector<float> before(kSize * kSize, NAN);  // not read, as beta is 0
  float* c = on_device(before);
  const cudaStream_t stream = make_stream();
  const Product product(type, kSize);
  EXPECT_OK(product.run(on_device(a), on_device(b), c, stream));
  EXPECT_OK(cudaStreamSynchronize(stream));
  check_product({CUBLAS_OP_T, CUBLAS_OP_N, kSize, kSize, kSize}, a, kSize, b, kSize,
                std::vector<float>(before.size(), 0.0F), from_device(c, before.size()), kSize);
}

void products_of_lt_are_right(const Rank&) {
  multiply_by_lt<float>(CUDA_R_32F);
  multiply_by_lt<__nv_bfloat16>(CUDA_R_16BF);
  multiply_by_lt<__half>(CUDA_R_16F);
  multiply_by_lt<__nv_fp8_e4m3>(CUDA_R_8F_E4M3);
}

void wrong_products_are_refused(const Rank&) {
  cublasHandle_t handle = nullptr;
  EXPECT_OK(cublasCreate(&handle));
  const float one = 1;
  float* data = on_device(std::vector<float>(64));
  const auto run = [&](int m, int leading, cudaDataType type, cublasComputeType_t compute) {
    return cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, m, 4, 4, &one, data, type, leading, data, type, 4, &one, data,
                        CUDA_R_32F, 8, compute, CUBLAS_GEMM_DEFAULT);
  };
  EXPECT_OK(run(4, 4, CUDA_R_32F, CUBLAS_COMPUTE_32F));
  EXPECT_IS(run(4, 3, CUDA_R_32F, CUBLAS_COMPUTE_32F), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_IS(run(-1, 4, CUDA_R_32F, CUBLAS_COMPUTE_32F), CUBLAS_STATUS_INVALID_VALUE);
  EXPECT_IS(run(4, 4, CUDA_R_8I, CUBLAS_COMPUTE_32F), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_IS(run(4, 4, CUDA_R_32F, CUBLAS_COMPUTE_64F), CUBLAS_STATUS_NOT_SUPPORTED);
  EXPECT_IS(cublasSetStream(nullptr, nullptr), CUBLAS_STATUS_NOT_INITIALIZED);
  EXPECT_OK(cublasDestroy(handle));
}

void memory_out_of_reach_fails_the_device(const Rank&) {
  const Product product(CUDA_R_32F, 16);
  float* data = on_device(std::vector<float>(16 * 16));
  const std::vector<float> pageable(16 * 16);
  const cudaStream_t stream = make_stream();
  EXPECT_OK(product.run(pageable.data(), data, data, stream));
  EXPECT_IS(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
  EXPECT_IS(product.run(data, data, data, stream), CUBLAS_STATUS_EXECUTION_FAILED);
  std::_Exit(0);  // the product cannot be destroyed any more
}

void products_take_as_long_as_scripted(const Rank&) {
  const Product product(CUDA_R_32F, 16);  // 8192 operations, at 81920 a second
  float* data = on_device(std::vector<float>(16 * 16));
  const cudaStream_t stream = make_stream();
  EXPECT_IS(product.run(data, data, data, stream), CUBLAS_STATUS_NOT_SUPPORTED);  // the first call, as scripted
  const double start_s = now_s();
  EXPECT_OK(product.run(data, data, data, stream));
  EXPECT_OK(cudaStreamSynchronize(stream));
  EXPECT_TRUE(now_s() - start_s >= 0.1);
}

}  // namespace

std::vector<Scenario> cublas_scenarios() {
  return {
      {"products are right", 1, "", products_are_right},
      {"products of cuBLASLt are right", 1, "", products_of_lt_are_right},
      {"wrong products are refused", 1, "", wrong_products_are_refused},
      {"memory out of reach fails the device", 1, "", memory_out_of_reach_fails_the_device},
      {"products take as long as scripted", 1, "gpu0.flops_per_s 81920\nreturn cublasLtMatmul#1 15\n",
       products_take_as_long_as_scripted},
  };
}

}  // namespace grit::scenarios

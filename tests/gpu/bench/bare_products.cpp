#include "tests/gpu/bench/bare_products.hpp"

#include <fmt/format.h>

#include <cmath>
#include <vector>

#include "tests/gpu/bench/bench.hpp"
#include "workloads/accelerator/operands.h"
#include "workloads/fabric/sum.hpp"

namespace grit::bench {
namespace {

constexpr std::size_t kWorkspace_bytes = std::size_t{32} << 20;  // the module's

struct Type {
  std::string_view name;
  cudaDataType_t cuda;
  std::size_t bytes;
};
constexpr Type kTypes[] = {
    {"fp32", CUDA_R_32F, 4}, {"bf16", CUDA_R_16BF, 2}, {"fp16", CUDA_R_16F, 2}, {"fp8", CUDA_R_8F_E4M3, 1}};

Status check(cublasStatus_t status, std::string_view call) {
  if (status == CUBLAS_STATUS_SUCCESS) return {};
  return unavailable_error(fmt::format("{}: {}", call, cublasLtGetStatusString(status)));
}

/// E4M3 of a number that is a sign and a power of two from 1/64 to 256: 1 bit sign, 4 exponent (bias 7), 3 mantissa.
std::byte e4m3(float value) {
  int exponent = 0;
  std::frexp(value, &exponent);  // of 0.5 ... 1 times 2^exponent
  return static_cast<std::byte>((value < 0 ? 0x80 : 0) | ((exponent - 1 + 7) << 3));
}

void store(std::byte* to, std::size_t index, const Type& type, float value) {
  if (type.bytes == 1) {
    to[index] = e4m3(value);
  } else {
    store_element(to, index,
                  type.bytes == 4           ? DataType::fp32
                  : type.cuda == CUDA_R_16F ? DataType::fp16
                                            : DataType::bf16,
                  value);
  }
}

std::vector<std::byte> operand_values(const Type& type, int size, accelerator::Operand which, Numbers numbers) {
  const auto edge = static_cast<std::uint32_t>(size);
  std::vector<std::byte> values(std::size_t{edge} * edge * type.bytes);
  std::uint32_t state = 12345 + static_cast<std::uint32_t>(which);
  for (std::uint32_t i = 0; i < edge; ++i) {
    for (std::uint32_t k = 0; k < edge; ++k) {
      float value = static_cast<float>(accelerator::outer(which, i) * accelerator::inner(which, k));
      state = state * 1'664'525U + 1'013'904'223U;
      // In -1 ... 1; fp8's are of its powers of two only.
      if (numbers == Numbers::random && type.bytes > 1) value = static_cast<float>(state) / 2'147'483'648.0F - 1.0F;
      store(values.data(), std::size_t{i} * edge + k, type, value);
    }
  }
  return values;
}

}  // namespace

BareProducts::Memory BareProducts::allocate(std::size_t bytes) {
  void* made = nullptr;
  check_cuda(cudaMalloc(&made, bytes), "cudaMalloc");
  return Memory(made);
}

Status BareProducts::describe(cudaDataType_t type) {
  cublasLtHandle_t handle = nullptr;
  GRIT_CHECK(check(cublasLtCreate(&handle), "cublasLtCreate"));
  handle_.reset(handle);
  cublasLtMatmulDesc_t description = nullptr;
  GRIT_CHECK(check(cublasLtMatmulDescCreate(&description, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate"));
  description_.reset(description);
  const cublasOperation_t transposed = CUBLAS_OP_T;
  GRIT_CHECK(
      check(cublasLtMatmulDescSetAttribute(description, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed),
            "cublasLtMatmulDescSetAttribute"));
  const auto edge = static_cast<std::uint64_t>(size_);
  cublasLtMatrixLayout_t layout = nullptr;
  GRIT_CHECK(check(cublasLtMatrixLayoutCreate(&layout, type, edge, edge, size_), "cublasLtMatrixLayoutCreate"));
  operand_.reset(layout);
  GRIT_CHECK(check(cublasLtMatrixLayoutCreate(&layout, CUDA_R_32F, edge, edge, size_), "cublasLtMatrixLayoutCreate"));
  product_.reset(layout);
  return {};
}

Status BareProducts::choose() {
  cublasLtMatmulPreference_t made = nullptr;
  GRIT_CHECK(check(cublasLtMatmulPreferenceCreate(&made), "cublasLtMatmulPreferenceCreate"));
  const std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, Destroy> preference(made);
  GRIT_CHECK(check(cublasLtMatmulPreferenceSetAttribute(made, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                        &kWorkspace_bytes, sizeof kWorkspace_bytes),
                   "cublasLtMatmulPreferenceSetAttribute"));
  cublasLtMatmulHeuristicResult_t result{};
  int found = 0;
  GRIT_CHECK(check(cublasLtMatmulAlgoGetHeuristic(handle_.get(), description_.get(), operand_.get(), operand_.get(),
                                                  product_.get(), product_.get(), made, 1, &result, &found),
                   "cublasLtMatmulAlgoGetHeuristic"));
  if (found == 0) return unavailable_error("cuBLAS has no matrix product of this type on this device");
  algorithm_ = result.algo;
  workspace_bytes_ = result.workspaceSize;
  return {};
}

Result<std::unique_ptr<BareProducts>> BareProducts::make(std::string_view name, int size, Numbers numbers) {
  const Type* type = nullptr;
  for (const Type& one : kTypes)
    if (one.name == name) type = &one;
  GRIT_ASSERT(type != nullptr);
  std::unique_ptr<BareProducts> made(new BareProducts);
  made->size_ = size;
  GRIT_CHECK(made->describe(type->cuda));
  GRIT_CHECK(made->choose());
  for (const auto which : {accelerator::Operand::a, accelerator::Operand::b}) {
    const std::vector<std::byte> values = operand_values(*type, size, which, numbers);
    Memory memory = allocate(values.size());
    check_cuda(cudaMemcpy(memory.get(), values.data(), values.size(), cudaMemcpyHostToDevice), "cudaMemcpy");
    (which == accelerator::Operand::a ? made->a_ : made->b_) = std::move(memory);
  }
  const auto edge = static_cast<std::size_t>(size);
  made->c_ = allocate(edge * edge * sizeof(float));
  if (made->workspace_bytes_ > 0) made->workspace_ = allocate(made->workspace_bytes_);
  return made;
}

void BareProducts::run(int products) {
  const float alpha = 1, beta = 0;
  for (int i = 0; i < products; ++i)
    need(check(cublasLtMatmul(handle_.get(), description_.get(), &alpha, a_.get(), operand_.get(), b_.get(),
                              operand_.get(), &beta, c_.get(), product_.get(), c_.get(), product_.get(), &algorithm_,
                              workspace_.get(), workspace_bytes_, stream_.get()),
               "cublasLtMatmul"));
  stream_.wait();
}

}  // namespace grit::bench

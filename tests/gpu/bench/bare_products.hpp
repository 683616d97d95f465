// Matrix products by cuBLASLt, called directly: as the module has it done (workloads/accelerator/gemm.cpp), by calls of
// its own.
#pragma once

#include <cublasLt.h>
#include <cuda_runtime.h>

#include <cstdint>
#include <memory>
#include <string_view>

#include "harness/base/result.hpp"
#include "tests/gpu/bench/check_cuda.hpp"

namespace grit::bench {

enum class Numbers {
  of_operands,  // those of workloads/accelerator/operands.h, as the module multiplies them
  random        // bits as training has them, which draw more power
};

/// The same products, of the module's types by name: "bf16", "fp16", "fp32", "fp8".
class BareProducts {
 public:
  /// On the calling thread's device. Error (unavailable): cuBLAS has no such products here.
  static Result<std::unique_ptr<BareProducts>> make(std::string_view type, int size, Numbers numbers);
  /// Returns when so many are done.
  void run(int products);

 private:
  struct Free {
    void operator()(void* memory) const { cudaFree(memory); }
  };
  struct Destroy {
    void operator()(cublasLtHandle_t object) const { cublasLtDestroy(object); }
    void operator()(cublasLtMatmulDesc_t object) const { cublasLtMatmulDescDestroy(object); }
    void operator()(cublasLtMatrixLayout_t object) const { cublasLtMatrixLayoutDestroy(object); }
    void operator()(cublasLtMatmulPreference_t object) const { cublasLtMatmulPreferenceDestroy(object); }
  };
  using Memory = std::unique_ptr<void, Free>;

  BareProducts() = default;
  Status describe(cudaDataType_t type);
  Status choose();
  static Memory allocate(std::size_t bytes);

  int size_ = 0;
  std::unique_ptr<cublasLtContext, Destroy> handle_{};
  std::unique_ptr<cublasLtMatmulDescOpaque_t, Destroy> description_{};
  std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Destroy> operand_{}, product_{};
  BareStream stream_{};
  cublasLtMatmulAlgo_t algorithm_{};
  std::size_t workspace_bytes_ = 0;
  Memory a_{}, b_{}, c_{}, workspace_{};
};

}  // namespace grit::bench

// libcublasLt: descriptions of products, and the products.
#include <cublasLt.h>

#include <cstring>
#include <memory>

#include "tests/fakes/cuda/cublas/gemm.hpp"
#include "tests/fakes/cuda/script.hpp"

using namespace grit::fake;

struct cublasLtContext {};

namespace {

// What the opaque structs of the header hold.
struct Layout {
  cudaDataType type;
  std::int32_t order;
  std::uint64_t rows, columns;
  std::int64_t leading;
  std::int32_t batches;
  std::int64_t batch_stride;
};
struct Description {
  cublasComputeType_t compute;
  cudaDataType scale;
  std::int32_t pointer_mode;
  std::int32_t a_operation, b_operation;
  std::uint32_t epilogue;
};
struct Preference {
  std::uint64_t workspace_bytes;
};
static_assert(sizeof(Layout) <= sizeof(cublasLtMatrixLayoutOpaque_t));
static_assert(sizeof(Description) <= sizeof(cublasLtMatmulDescOpaque_t));
static_assert(sizeof(Preference) <= sizeof(cublasLtMatmulPreferenceOpaque_t));

constexpr std::size_t kWorkspace_bytes = 1 << 20;  // what the one algorithm asks for
constexpr std::uint64_t kAlgorithm = 0xfa4e;

template <class Own, class Opaque>
Own read(const Opaque* opaque) {
  Own own;
  std::memcpy(&own, opaque, sizeof own);
  return own;
}
template <class Own, class Opaque>
void write(Opaque* opaque, const Own& own) {
  std::memcpy(opaque, &own, sizeof own);
}

cublasStatus_t scripted(const char* function) { return static_cast<cublasStatus_t>(enter(function).code); }

template <class Opaque, class Own>
cublasStatus_t create(const char* function, Opaque** made, const Own& own) {
  if (const auto status = scripted(function); status != CUBLAS_STATUS_SUCCESS) return status;
  auto opaque = std::make_unique<Opaque>();
  write(opaque.get(), own);
  *made = opaque.release();
  return CUBLAS_STATUS_SUCCESS;
}
template <class Opaque>
cublasStatus_t destroy(const char* function, Opaque* made) {
  const std::unique_ptr<Opaque> destroyed(made);
  return scripted(function);
}

/// An attribute's value, if it has the size that the attribute has.
template <class Value>
cublasStatus_t take(Value& to, const void* from, std::size_t size_bytes) {
  if (from == nullptr || size_bytes != sizeof to) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, from, sizeof to);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t set(Layout& layout, cublasLtMatrixLayoutAttribute_t attribute, const void* value, std::size_t bytes) {
  switch (attribute) {
    case CUBLASLT_MATRIX_LAYOUT_TYPE:
      return take(layout.type, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_ORDER:
      return take(layout.order, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_ROWS:
      return take(layout.rows, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_COLS:
      return take(layout.columns, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_LD:
      return take(layout.leading, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT:
      return take(layout.batches, value, bytes);
    case CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET:
      return take(layout.batch_stride, value, bytes);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}
cublasStatus_t set(Description& description, cublasLtMatmulDescAttributes_t attribute, const void* value,
                   std::size_t bytes) {
  std::int8_t fast = 0;
  std::int32_t multiprocessors = 0;
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_COMPUTE_TYPE:
      return take(description.compute, value, bytes);
    case CUBLASLT_MATMUL_DESC_SCALE_TYPE:
      return take(description.scale, value, bytes);
    case CUBLASLT_MATMUL_DESC_POINTER_MODE:
      return take(description.pointer_mode, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return take(description.a_operation, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return take(description.b_operation, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return take(description.epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_FAST_ACCUM:
      return take(fast, value, bytes);
    case CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET:
      return take(multiprocessors, value, bytes);
    default:
      return CUBLAS_STATUS_INVALID_VALUE;
  }
}

Matrix matrix(const void* data, const Layout& layout) {
  return {.data = data,
          .type = layout.type,
          .rows = static_cast<std::int64_t>(layout.rows),
          .columns = static_cast<std::int64_t>(layout.columns),
          .leading = layout.leading,
          .batch_stride = layout.batch_stride};
}

/// None of what this fake lacks is asked for.
bool is_supported(const Description& description, const Layout& a, const Layout& b, const Layout& c, const Layout& d) {
  bool are_by_column = true;
  for (const Layout* layout : {&a, &b, &c, &d}) are_by_column &= layout->order == CUBLASLT_ORDER_COL;
  return are_by_column && is_type(a.type, true) && is_type(b.type, true) && is_type(c.type, false) &&
         is_type(d.type, false) && description.scale == CUDA_R_32F &&
         description.epilogue == CUBLASLT_EPILOGUE_DEFAULT &&
         (description.compute == CUBLAS_COMPUTE_32F || description.compute == CUBLAS_COMPUTE_32F_PEDANTIC);
}

}  // namespace

extern "C" {

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  if (const auto status = scripted(__func__); status != CUBLAS_STATUS_SUCCESS) return status;
  *handle = std::make_unique<cublasLtContext>().release();
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return destroy(__func__, handle); }
size_t cublasLtGetVersion() { return CUBLAS_VERSION; }
size_t cublasLtGetCudartVersion() { return CUDART_VERSION; }
const char* cublasLtGetStatusName(cublasStatus_t status) { return status_name(status); }
const char* cublasLtGetStatusString(cublasStatus_t status) { return status_name(status); }

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t leading) {
  return create(__func__, layout, Layout{type, CUBLASLT_ORDER_COL, rows, columns, leading, 1, 0});
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) { return destroy(__func__, layout); }
cublasStatus_t cublasLtMatrixLayoutSetAttribute(cublasLtMatrixLayout_t layout, cublasLtMatrixLayoutAttribute_t name,
                                                const void* value, size_t bytes) {
  if (const auto status = scripted(__func__); status != CUBLAS_STATUS_SUCCESS) return status;
  auto own = read<Layout>(layout);
  const cublasStatus_t status = set(own, name, value, bytes);
  write(layout, own);
  return status;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* description, cublasComputeType_t compute,
                                        cudaDataType scale) {
  return create(
      __func__, description,
      Description{compute, scale, CUBLASLT_POINTER_MODE_HOST, CUBLAS_OP_N, CUBLAS_OP_N, CUBLASLT_EPILOGUE_DEFAULT});
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) { return destroy(__func__, description); }
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description, cublasLtMatmulDescAttributes_t name,
                                              const void* value, size_t bytes) {
  if (const auto status = scripted(__func__); status != CUBLAS_STATUS_SUCCESS) return status;
  auto own = read<Description>(description);
  const cublasStatus_t status = set(own, name, value, bytes);
  write(description, own);
  return status;
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return create(__func__, preference, Preference{0});
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return destroy(__func__, preference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t name, const void* value,
                                                    size_t bytes) {
  if (const auto status = scripted(__func__); status != CUBLAS_STATUS_SUCCESS) return status;
  if (name != CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return CUBLAS_STATUS_SUCCESS;
  Preference own{};
  const cublasStatus_t status = take(own.workspace_bytes, value, bytes);
  if (status == CUBLAS_STATUS_SUCCESS) write(preference, own);
  return status;
}

/// One algorithm; it wants a workspace where it may have one.
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t description,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int wanted,
                                              cublasLtMatmulHeuristicResult_t* results, int* found) {
  *found = 0;
  if (const auto status = scripted(__func__); status != CUBLAS_STATUS_SUCCESS) return status;
  if (wanted < 1) return CUBLAS_STATUS_INVALID_VALUE;
  if (!is_supported(read<Description>(description), read<Layout>(a), read<Layout>(b), read<Layout>(c), read<Layout>(d)))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  *results = {};
  results->algo.data[0] = kAlgorithm;
  results->workspaceSize = read<Preference>(preference).workspace_bytes >= kWorkspace_bytes ? kWorkspace_bytes : 0;
  results->algo.data[1] = results->workspaceSize;
  results->state = CUBLAS_STATUS_SUCCESS;
  results->wavesCount = 1;
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t description, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace, size_t workspace_bytes,
                              cudaStream_t stream) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  // An algorithm that nobody chose, or that has not the workspace it was chosen with.
  if (algorithm != nullptr && (algorithm->data[0] != kAlgorithm || algorithm->data[1] > workspace_bytes ||
                               (algorithm->data[1] > 0 && workspace == nullptr)))
    return CUBLAS_STATUS_INVALID_VALUE;
  const auto own = read<Description>(description);
  if (!is_supported(own, read<Layout>(a_layout), read<Layout>(b_layout), read<Layout>(c_layout),
                    read<Layout>(d_layout)))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  Gemm gemm{.a_operation = static_cast<cublasOperation_t>(own.a_operation),
            .b_operation = static_cast<cublasOperation_t>(own.b_operation)};
  gemm.a = matrix(a, read<Layout>(a_layout)), gemm.b = matrix(b, read<Layout>(b_layout));
  gemm.c = matrix(c, read<Layout>(c_layout)), gemm.d = matrix(d, read<Layout>(d_layout));
  gemm.batches = read<Layout>(d_layout).batches;
  gemm.alpha = alpha, gemm.beta = beta;
  gemm.scales_on_device = own.pointer_mode == CUBLASLT_POINTER_MODE_DEVICE;
  return enqueue(__func__, gemm, stream);
}

}  // extern "C"

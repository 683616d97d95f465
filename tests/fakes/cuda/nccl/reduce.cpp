#include "tests/fakes/cuda/nccl/reduce.hpp"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <algorithm>
#include <cstdint>
#include <type_traits>

#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 24, 0)  // which has these types
#define GRIT_FAKE_NCCL_FP8
#endif

namespace grit::fake {
namespace {

template <class Sum>
Sum combine(ncclRedOp_t operation, Sum left, Sum right) {
  switch (operation) {
    case ncclProd:
      return static_cast<Sum>(left * right);
    case ncclMax:
      return std::max(left, right);
    case ncclMin:
      return std::min(left, right);
    default:
      return static_cast<Sum>(left + right);
  }
}

/// `Sum`: what Element is combined in.
template <class Element, class Sum>
void reduce_as(ncclRedOp_t operation, const void* const* parts, std::size_t part_count, void* to, std::size_t count) {
  const auto at = [&](std::size_t part, std::size_t i) {
    return static_cast<Sum>(static_cast<const Element*>(parts[part])[i]);
  };
  for (std::size_t i = 0; i < count; ++i) {
    Sum sum = at(0, i);
    for (std::size_t part = 1; part < part_count; ++part) sum = combine(operation, sum, at(part, i));
    if (operation == ncclAvg) sum = static_cast<Sum>(sum / static_cast<Sum>(part_count));
    static_cast<Element*>(to)[i] = static_cast<Element>(sum);
  }
}

}  // namespace

std::size_t element_bytes(ncclDataType_t type) {
  switch (type) {
    case ncclInt8:
    case ncclUint8:
#ifdef GRIT_FAKE_NCCL_FP8
    case ncclFloat8e4m3:
    case ncclFloat8e5m2:
#endif
      return 1;
    case ncclFloat16:
    case ncclBfloat16:
      return 2;
    case ncclInt32:
    case ncclUint32:
    case ncclFloat32:
      return 4;
    case ncclInt64:
    case ncclUint64:
    case ncclFloat64:
      return 8;
    default:
      return 0;
  }
}

bool is_reduction(ncclRedOp_t operation) { return operation >= ncclSum && operation < ncclNumOps; }

void reduce(ncclDataType_t type, ncclRedOp_t operation, const void* const* parts, std::size_t part_count, void* to,
            std::size_t count) {
  const auto as = [&]<class Element, class Sum = Element>(std::type_identity<Element>, std::type_identity<Sum>) {
    reduce_as<Element, Sum>(operation, parts, part_count, to, count);
  };
  using std::type_identity;
  constexpr type_identity<float> in_fp32;
  switch (type) {
    case ncclInt8:
      return as(type_identity<std::int8_t>{}, type_identity<std::int8_t>{});
    case ncclUint8:
      return as(type_identity<std::uint8_t>{}, type_identity<std::uint8_t>{});
    case ncclInt32:
      return as(type_identity<std::int32_t>{}, type_identity<std::int32_t>{});
    case ncclUint32:
      return as(type_identity<std::uint32_t>{}, type_identity<std::uint32_t>{});
    case ncclInt64:
      return as(type_identity<std::int64_t>{}, type_identity<std::int64_t>{});
    case ncclUint64:
      return as(type_identity<std::uint64_t>{}, type_identity<std::uint64_t>{});
    case ncclFloat64:
      return as(type_identity<double>{}, type_identity<double>{});
    case ncclFloat16:
      return as(type_identity<__half>{}, in_fp32);
    case ncclBfloat16:
      return as(type_identity<__nv_bfloat16>{}, in_fp32);
#ifdef GRIT_FAKE_NCCL_FP8
    case ncclFloat8e4m3:
      return as(type_identity<__nv_fp8_e4m3>{}, in_fp32);
    case ncclFloat8e5m2:
      return as(type_identity<__nv_fp8_e5m2>{}, in_fp32);
#endif
    default:
      return as(type_identity<float>{}, in_fp32);
  }
}

}  // namespace grit::fake

// Elements and what is done with them.
#pragma once

#include <nccl.h>

#include <cstddef>

namespace grit::fake {

/// 0: no such type.
std::size_t element_bytes(ncclDataType_t type);
bool is_reduction(ncclRedOp_t operation);

/// to[i] = the reduction of parts[0][i], parts[1][i] ..., in this order; 16 and 8 bit floats are added in fp32 and
/// rounded once. `to` may be one of the parts.
void reduce(ncclDataType_t type, ncclRedOp_t operation, const void* const* parts, std::size_t part_count, void* to,
            std::size_t count);

}  // namespace grit::fake

/* The operands of the matrix products that are checked: chosen so that every element of the product is known without
 * computing it, and exact whatever the order of summation.
 *
 * A[i][k] = outer(i) inner(k) and B[k][j] = inner'(k) outer'(j), so C[i][j] = outer(i) outer'(j) S with S the sum over
 * k of inner(k) inner'(k). Outer numbers are +-1 and +-2, inner ones +-1; where a quarter of the k differ in sign S is
 * near size / 2, never 0, so that any element of A or B that is wrong makes a row or column of C wrong. Every partial
 * sum is an integer below 2^15 times a power of two: exact in fp32, and in accumulators of fewer bits while size is at
 * most 8192. Compiled for the device and for the host, which both must have the same numbers. */
#ifndef GRIT_ACCELERATOR_OPERANDS_H
#define GRIT_ACCELERATOR_OPERANDS_H

#include <cstdint>

#ifdef __CUDACC__
#define GRIT_BOTH __host__ __device__
#else
#define GRIT_BOTH
#endif

namespace grit::accelerator {

enum class Operand : int { a = 0, b = 1 };

/* A hash of 32 bits: the finalizer of MurmurHash3 (A. Appleby, public domain). */
GRIT_BOTH inline std::uint32_t mixed(std::uint32_t value) {
  value = (value ^ (value >> 16)) * 0x85ebca6bU;
  value = (value ^ (value >> 13)) * 0xc2b2ae35U;
  return value ^ (value >> 16);
}

GRIT_BOTH inline int outer(Operand operand, std::uint32_t index) {
  const std::uint32_t draw = mixed(2 * index + static_cast<std::uint32_t>(operand) + 0x51ed27U);
  return (draw & 1U ? -1 : 1) * (draw & 2U ? 2 : 1);
}

GRIT_BOTH inline int inner(Operand operand, std::uint32_t k) {
  const std::uint32_t draw = mixed(k + 0x9e3779b9U);
  const bool differs = operand == Operand::b && k % 4 == 3;
  return ((draw & 1U) != 0) != differs ? -1 : 1;
}

/* S of a product of this size, a multiple of 4. */
GRIT_BOTH inline int inner_sum(int size) { return size - 2 * (size / 4); }

}  // namespace grit::accelerator

#undef GRIT_BOTH
#endif

// What the test program of training puts between itself and the allocator, and between itself and MPI.
#pragma once

#include <cstddef>

namespace grit::test {

/// Of this thread, while it counts.
struct Allocations {
  bool counting = false;
  std::size_t count = 0;
  std::size_t bytes = 0;
};
extern thread_local Allocations allocations;

/// The next call of this kind that this rank makes has a bit of its first element flipped.
enum class Hit { nothing, all_reduce, reduce_scatter, all_gather, send };
extern Hit hit;

}  // namespace grit::test

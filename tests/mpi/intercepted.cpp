#include "tests/mpi/intercepted.hpp"

#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <cstdlib>
#include <new>

namespace grit::test {

thread_local Allocations allocations;
Hit hit = Hit::nothing;

}  // namespace grit::test

using grit::test::allocations;
using grit::test::hit;
using grit::test::Hit;

namespace {

/// A bit of the exponent: no sum absorbs it.
void flip_if(Hit kind, void* buffer, MPI_Datatype type) {
  if (hit != kind) return;
  hit = Hit::nothing;
  int size = 0;
  PMPI_Type_size(type, &size);
  static_cast<std::byte*>(buffer)[size - 1] ^= std::byte{0x40};
}

}  // namespace

void* operator new(std::size_t size) {
  if (allocations.counting) ++allocations.count, allocations.bytes += size;
  if (void* memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

extern "C" int MPI_Iallreduce(const void* send, void* receive, int count, MPI_Datatype type, MPI_Op op, MPI_Comm comm,
                              MPI_Request* request) {
  flip_if(Hit::all_reduce, send == MPI_IN_PLACE ? receive : const_cast<void*>(send), type);
  return PMPI_Iallreduce(send, receive, count, type, op, comm, request);
}
extern "C" int MPI_Ireduce_scatter_block(const void* send, void* receive, int count, MPI_Datatype type, MPI_Op op,
                                         MPI_Comm comm, MPI_Request* request) {
  flip_if(Hit::reduce_scatter, const_cast<void*>(send), type);
  return PMPI_Ireduce_scatter_block(send, receive, count, type, op, comm, request);
}
extern "C" int MPI_Iallgather(const void* send, int count, MPI_Datatype type, void* receive, int receive_count,
                              MPI_Datatype receive_type, MPI_Comm comm, MPI_Request* request) {
  int rank = 0;
  int size = 0;
  PMPI_Comm_rank(comm, &rank);
  PMPI_Type_size(type, &size);
  flip_if(Hit::all_gather,
          send == MPI_IN_PLACE ? static_cast<std::byte*>(receive) + std::ptrdiff_t{rank} * count * size
                               : static_cast<std::byte*>(const_cast<void*>(send)),
          type);
  return PMPI_Iallgather(send, count, type, receive, receive_count, receive_type, comm, request);
}
extern "C" int MPI_Isend(const void* buffer, int count, MPI_Datatype type, int to, int tag, MPI_Comm comm,
                         MPI_Request* request) {
  if (type != MPI_BYTE) flip_if(Hit::send, const_cast<void*>(buffer), type);
  return PMPI_Isend(buffer, count, type, to, tag, comm, request);
}

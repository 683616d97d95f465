// Preloaded into a rank: throws in place of one of its MPI calls, so that one rank alone fails at that point.
//
//   PLANT_RANK=1 PLANT_LIST=FILE   writes a line a call: "COUNT CALL STACK", where STACK tells one place of the program
//                                  from another
//   PLANT_RANK=1 PLANT_AT=COUNT    throws in that call
#define OMPI_SKIP_MPICXX 1
#include <execinfo.h>
#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

namespace {

bool is_chosen_rank() {
  const char* chosen = std::getenv("PLANT_RANK");
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  if (rank == nullptr) rank = std::getenv("SLURM_PROCID");
  return chosen != nullptr && rank != nullptr && std::strcmp(chosen, rank) == 0;
}

void list(const char* file, long count, const char* call) {
  void* stack[12];
  const int depth = ::backtrace(stack, 12);
  std::FILE* out = std::fopen(file, "a");
  if (out == nullptr) return;
  std::fprintf(out, "%ld %s", count, call);
  for (int i = 2; i < depth; ++i) std::fprintf(out, "%c%p", i == 2 ? ' ' : ',', stack[i]);
  std::fprintf(out, "\n");
  std::fclose(out);
}

void pass(const char* call) {
  static const bool chosen = is_chosen_rank();
  static const char* file = std::getenv("PLANT_LIST");
  static const char* at = std::getenv("PLANT_AT");
  static long calls = 0;
  if (!chosen) return;
  const long count = calls++;
  if (file != nullptr) list(file, count, call);
  if (at != nullptr && count == std::atol(at)) throw std::runtime_error("planted failure");
}

}  // namespace

#define PLANT(name, parameters, arguments) \
  extern "C" int MPI_##name parameters {   \
    pass("MPI_" #name);                    \
    return PMPI_##name arguments;          \
  }

PLANT(Bcast, (void* b, int n, MPI_Datatype t, int root, MPI_Comm c), (b, n, t, root, c))
PLANT(Ibcast, (void* b, int n, MPI_Datatype t, int root, MPI_Comm c, MPI_Request* r), (b, n, t, root, c, r))
PLANT(Barrier, (MPI_Comm c), (c))
PLANT(Exscan, (const void* s, void* r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c), (s, r, n, t, o, c))
PLANT(Allreduce, (const void* s, void* r, int n, MPI_Datatype t, MPI_Op o, MPI_Comm c), (s, r, n, t, o, c))
PLANT(Gather, (const void* s, int n, MPI_Datatype t, void* r, int m, MPI_Datatype u, int root, MPI_Comm c),
      (s, n, t, r, m, u, root, c))
PLANT(Allgather, (const void* s, int n, MPI_Datatype t, void* r, int m, MPI_Datatype u, MPI_Comm c),
      (s, n, t, r, m, u, c))
PLANT(Send, (const void* b, int n, MPI_Datatype t, int to, int tag, MPI_Comm c), (b, n, t, to, tag, c))
PLANT(Recv, (void* b, int n, MPI_Datatype t, int from, int tag, MPI_Comm c, MPI_Status* s), (b, n, t, from, tag, c, s))
PLANT(Comm_dup, (MPI_Comm c, MPI_Comm* n), (c, n))
PLANT(Comm_split, (MPI_Comm c, int color, int key, MPI_Comm* n), (c, color, key, n))
PLANT(Get_library_version, (char* v, int* n), (v, n))

// Preloaded into a rank: throws in place of one of its MPI calls, so that one rank alone fails at that point.
//
//   PLANT_RANK=1 PLANT_LIST=FILE   writes a line for the first call from each place of the program: "CALL PLACE", where
//                                  PLACE (the stack) is the same in every run
//   PLANT_RANK=1 PLANT_AT=PLACE    throws in the first call from there. How many calls come before differs: a busy
//                                  machine makes fewer steps
#define OMPI_SKIP_MPICXX 1
#include <dlfcn.h>
#include <execinfo.h>
#include <mpi.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <set>
#include <stdexcept>
#include <string>

namespace {

bool is_chosen_rank() {
  const char* chosen = std::getenv("PLANT_RANK");
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  if (rank == nullptr) rank = std::getenv("SLURM_PROCID");
  return chosen != nullptr && rank != nullptr && std::strcmp(chosen, rank) == 0;
}

/// The callers' addresses, each from where its program or library lies, which is elsewhere in every run.
std::string place() {
  void* stack[12];
  const int depth = ::backtrace(stack, 12);
  std::string found;
  for (int i = 3; i < depth; ++i) {  // place(), pass() and the call itself say nothing
    Dl_info lies{};
    if (::dladdr(stack[i], &lies) == 0) continue;
    char text[32];
    std::snprintf(text, sizeof text, "%lx",
                  static_cast<long>(static_cast<char*>(stack[i]) - static_cast<char*>(lies.dli_fbase)));
    found += (found.empty() ? "" : ",") + std::string(text);
  }
  return found;
}

void list(const char* file, const char* call, const std::string& from) {
  std::FILE* out = std::fopen(file, "a");
  if (out == nullptr) return;
  std::fprintf(out, "%s %s\n", call, from.c_str());
  std::fclose(out);
}

void pass(const char* call) {
  static const bool chosen = is_chosen_rank();
  static const char* file = std::getenv("PLANT_LIST");
  static const char* at = std::getenv("PLANT_AT");
  static std::set<std::string> seen;
  if (!chosen) return;
  const std::string from = place();
  if (!seen.insert(from).second) return;
  if (file != nullptr) list(file, call, from);
  if (at != nullptr && from == at) throw std::runtime_error("planted failure");
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

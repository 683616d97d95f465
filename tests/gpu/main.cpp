// Every rank runs all test cases in the same order, as in tests/mpi. Exit code 77, a skip, where there are fewer GPUs
// than ranks.
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <cstdio>
#include <cstdlib>

#include "tests/catch.hpp"
#include "workloads/compute/accelerator.hpp"

namespace {

/// Empty: there are enough.
std::string why_not(int ranks) {
  const auto module = grit::AcceleratorModule::load();
  if (!module) return module.error().message;
  const auto devices = (*module)->devices();
  if (!devices) return devices.error().message;
  if (std::getenv("GRIT_TEST_SHARED_GPUS") != nullptr) return "";
  return static_cast<int>(devices->size()) < ranks ? "fewer GPUs than ranks" : "";
}

}  // namespace

int main(int argc, char** argv) {
  if (MPI_Init(&argc, &argv) != MPI_SUCCESS) return 1;
  int ranks = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &ranks);
  const std::string why = why_not(ranks);
  const int code = why.empty() ? grit::test::run_tests(argc, argv) : 77;
  if (!why.empty()) std::fprintf(stderr, "SKIPPED: %s\n", why.c_str());
  if (code != 0 && why.empty()) MPI_Abort(MPI_COMM_WORLD, code);
  MPI_Finalize();
  return code;
}

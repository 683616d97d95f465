// Every rank runs all test cases in the same order. Run with --abort: the first assertion that fails on any rank ends
// the job, as the others would wait for that rank in a collective.
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include "tests/catch.hpp"

int main(int argc, char** argv) {
  if (MPI_Init(&argc, &argv) != MPI_SUCCESS) return 1;
  const int code = grit::test::run_tests(argc, argv);
  if (code != 0) MPI_Abort(MPI_COMM_WORLD, code);
  MPI_Finalize();
  return 0;
}

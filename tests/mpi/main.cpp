// Every rank runs all test cases in the same order. The first assertion that fails on any rank ends the job: the others
// would wait for that rank in a collective.
#define CATCH_CONFIG_RUNNER
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include "tests/catch.hpp"

int main(int argc, char** argv) {
  if (MPI_Init(&argc, &argv) != MPI_SUCCESS) return 1;
  Catch::Session session;
  session.configData().abortAfter = 1;
  const int failures = session.run(argc, argv);
  if (failures != 0) MPI_Abort(MPI_COMM_WORLD, 1);
  MPI_Finalize();
  return 0;
}

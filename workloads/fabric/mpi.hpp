// The fabric over MPI: one nonblocking all-reduce a bucket.
#pragma once

// Open MPI's C++ bindings, gone from MPI 3, would have to be linked as well.
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <memory>

#include "workloads/fabric/fabric.hpp"

namespace grit {

/// A fabric over a duplicate of `communicator`. Collective over it; MPI must be initialised, and the fabric must be
/// destroyed, on all ranks, before MPI_Finalize.
///
/// The duplicate returns errors instead of aborting (MPI 3.1 §8.3). A fabric that failed, also while it was set up,
/// stays failed: the next call returns the first error, with MPI's own text.
///
/// bf16 and fp16 have no MPI data type: they travel as MPI_UINT16_T and are summed by an operation of ours.
///
/// Waiting polls. Where ranks outnumber cores a polling rank would take the core from the one it waits for, so there it
/// sleeps 30 µs between polls: when this host runs more ranks than it has online CPUs, or when the environment has
/// GRIT_SHARED_CORES=1 (set by whoever launches ranks in namespaces, each of which looks like a host to MPI).
///
/// Which algorithm sums is MPI's choice; with Open MPI set it by `--mca coll_libnbc_iallreduce_algorithm` (1 ring,
/// 3 Rabenseifner). On four ranks over loopback TCP its own choice, the ring and Rabenseifner's were within noise of
/// each other and near the blocking MPI_Allreduce, and cutting buckets into segments did not help, so they are not cut
/// (except above 2^30 elements, for MPI's int counts).
std::unique_ptr<Fabric> make_mpi_fabric(MPI_Comm communicator);

}  // namespace grit

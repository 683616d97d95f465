// Communicators over MPI.
#pragma once

// Open MPI's C++ bindings, gone from MPI 3, would have to be linked as well.
#define OMPI_SKIP_MPICXX 1
#include <mpi.h>

#include <memory>

#include "workloads/fabric/communicator.hpp"

namespace grit {

struct MpiOptions {
  SpanSink* spans = nullptr;  // where the spans of this rank go; outlives the communicators. nullptr: nowhere
  /// The most elements that one MPI call moves for a rank (MPI 3 counts are int). What is larger is cut.
  std::size_t largest_count = std::size_t{1} << 30;
};

/// The communicator of all ranks of `communicator`, of which it makes a duplicate; the ranks of the job are those of
/// `communicator`. Collective over it; MPI must be initialised. It and all that were split from it must be destroyed,
/// on all ranks in the same order, before MPI_Finalize. Error (internal): MPI's own; it may be this rank's alone.
///
/// The duplicate returns errors instead of aborting (MPI 3.1 §8.3). Errors have MPI's own text. MPI cannot call back an
/// operation: after an error or abort() what was open stays open, and neither communicators nor buffers are freed.
///
/// bf16 and fp16 have no MPI data type: they travel as MPI_UINT16_T and are summed by an operation of ours.
///
/// Waiting polls. Where ranks outnumber cores a polling rank would take the core from the one it waits for, so there it
/// sleeps 30 µs between polls: when this host runs more ranks than it has online CPUs, or when the environment has
/// GRIT_SHARED_CORES=1 (set by whoever launches ranks in namespaces, each of which looks like a host to MPI).
///
/// An all-reduce, a reduce-scatter and an all-gather are MPI's own, one call each; an all-to-all is a message to and
/// from each peer, so that ranks need not agree on how to cut it, and that is also all that Open MPI does for
/// MPI_Ialltoallv. Parts of a reduce-scatter or all-gather that are too large together, and a reduce-scatter in place,
/// which MPI lacks, are reduced to, or broadcast from, one rank after the other.
///
/// Which algorithm sums is MPI's choice; with Open MPI set it by `--mca coll_libnbc_iallreduce_algorithm` (1 ring,
/// 3 Rabenseifner). On four ranks over loopback TCP its own choice, the ring and Rabenseifner's were within noise of
/// each other and near the blocking MPI_Allreduce, and cutting buckets into segments did not help, so they are not cut
/// but for MPI's counts.
Result<std::unique_ptr<Communicator>> make_mpi_communicator(MPI_Comm communicator, const MpiOptions& options = {});

}  // namespace grit

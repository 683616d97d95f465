// The MPI job: who is on which node, and small exchanges between ranks outside of the steps.
#pragma once

#define OMPI_SKIP_MPICXX 1  // the C interface only; the C++ bindings left the standard in 2012
#include <mpi.h>

#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// True when an MPI launcher (mpirun, srun) started this process.
bool started_by_mpi();

/// MPI_Init to MPI_Finalize. One per process.
class Job {
 public:
  static Result<Job> init();
  Job(Job&& other) noexcept;
  Job& operator=(Job&&) = delete;
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;
  ~Job();

  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }
  [[nodiscard]] int node() const { return node_; }  // nodes are numbered by their lowest rank
  [[nodiscard]] int node_count() const { return node_count_; }
  [[nodiscard]] int local_rank() const { return local_rank_; }  // 0: the node's first rank
  [[nodiscard]] int local_size() const { return local_size_; }
  [[nodiscard]] MPI_Comm world() const { return MPI_COMM_WORLD; }
  [[nodiscard]] MPI_Comm local() const { return local_; }

  /// Rank 0's text, on every rank.
  [[nodiscard]] std::string broadcast(std::string text) const;
  /// The same among the ranks of a node, from its first.
  [[nodiscard]] std::string broadcast_local(std::string text) const;
  /// Every rank's text, in rank order, on every rank.
  [[nodiscard]] std::vector<std::string> gather(const std::string& text) const;
  /// The same outcome on every rank: success, or the first failing rank's error.
  [[nodiscard]] Status agree(const Status& mine) const;
  /// An error that every rank has: rank 0 says it on standard error, and what is returned has no words left. While the
  /// Job lives, where no rank can have ended: mpirun kills all others as soon as one exits, and MPI_Finalize is left by
  /// none before all are in it.
  [[nodiscard]] Error say(const Error& error) const;
  void barrier() const;
  void barrier_local() const;

 private:
  Job() = default;
  MPI_Comm local_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1, node_ = 0, node_count_ = 1, local_rank_ = 0, local_size_ = 1;
};

}  // namespace grit

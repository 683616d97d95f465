// The MPI job: who is on which node, and small exchanges between ranks outside of the steps.
#pragma once

#define OMPI_SKIP_MPICXX 1  // the C interface only; the C++ bindings left the standard in 2012
#include <mpi.h>

#include <functional>
#include <string>
#include <vector>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"

namespace grit {

/// True when an MPI launcher (mpirun, srun) started this process, false when it is on its own. Error (unavailable): a
/// launcher started several that do not see each other.
Result<bool> started_by_mpi();

/// MPI_Init to MPI_Finalize. One per process.
class Job {
 public:
  /// Error (unavailable): the launcher started several tasks, and this one finds itself alone. Where the ranks do not
  /// come together within launch_timeout_ns() the process says so and ends.
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
  /// On rank 0 every rank's text, by rank; elsewhere nothing: what all ranks say may be more than the memory of each of
  /// them holds. Of any size.
  [[nodiscard]] std::vector<std::string> gather(const std::string& text) const;
  /// The same outcome on every rank: success, or the first failing rank's error. Only an error costs more than one
  /// number a rank.
  [[nodiscard]] Status agree(const Status& mine) const;
  /// Each rank's share of a stage; collective. What it returns or throws on any rank is the outcome on all: the first
  /// failing rank's error, with its rank and node.
  [[nodiscard]] Status each(const std::function<Status()>& work) const;
  /// What rank 0 does for all; collective. What it returns or throws there is the outcome on all.
  [[nodiscard]] Status first(const std::function<Status()>& work) const;
  /// "rank 3 on n1", for messages.
  [[nodiscard]] std::string who() const;
  /// After an error: returns when every rank has one. Where only this rank has, and the others wait for it in a
  /// collective that it will never enter, abort().
  void all_failed_or_abort(const Error& error) const;
  /// An error that every rank has: rank 0 says it on standard error, and what is returned has no words left. While the
  /// Job lives, where no rank can have ended: mpirun kills all others as soon as one exits, and MPI_Finalize is left by
  /// none before all are in it.
  [[nodiscard]] Error say(const Error& error) const;
  /// Says who failed and why, and ends the job on all nodes.
  [[noreturn]] void abort(const Error& error) const;
  void barrier() const;
  void barrier_local() const;

 private:
  Job() = default;
  Status join();
  MPI_Comm local_ = MPI_COMM_NULL;
  MPI_Comm ends_ = MPI_COMM_NULL;  // of all ranks, for all_failed_or_abort() alone
  mutable bool agreed_ = false;    // agree() has found an error, which all ranks have
  int rank_ = 0, size_ = 1, node_ = 0, node_count_ = 1, local_rank_ = 0, local_size_ = 1;
};

/// A command by the ranks of an MPI job, from MPI_Init to its exit code. An error or exception on any rank, at any
/// time, ends the job on all, with rank, node and text.
Result<int> run_in_job(const std::function<Result<int>(const Job&)>& work);

}  // namespace grit

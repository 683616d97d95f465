// How the ranks of a group exchange data: the contract of every backend (MPI; later NCCL and verbs).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.hpp"
#include "workloads/compute/compute.hpp"
#include "workloads/fabric/open_operations.hpp"

namespace grit {

/// Which ranks a communicator is of; the same on all of them.
struct CommunicatorGroup {
  std::string axis = "world";     // what the ranks differ in: "dp", "tp", "pp", "ep"; "world": all of the job
  int index = 0;                  // among the groups of that axis
  std::uint16_t id = 0;           // among all groups of the run: CollectiveRecord::group
  std::vector<int> members = {};  // ranks of the job, in the order of the group's own ranks
};

/// One operation, as a backend gets it.
struct OperationCall {
  CollectiveOperation operation = CollectiveOperation::all_reduce;
  DataType type = DataType::fp32;
  const void* send = nullptr;
  void* receive = nullptr;
  std::size_t count = 0;  // elements: of one rank's part (reduce_scatter, all_gather), else of the buffer
  std::span<const std::size_t> send_counts = {};  // all_to_all only: elements for each rank, from each
  std::span<const std::size_t> receive_counts = {};
  int peer = -1;  // send and receive only: the other end's rank in the group
};

/// A group of ranks and the operations among them. Every operation returns at once with a handle, and is complete when
/// wait() for it, or wait_all(), has returned; meanwhile poke() moves it on. Each leaves a span (CollectiveRecord).
///
/// What every user keeps to:
/// - All ranks of a group begin its collectives in the same order, with the same counts and type, all of them in place
///   or none. Sends find their receives by order: the n-th to a peer is its n-th from this rank, with the same count
///   and type.
/// - Groups that share ranks are begun in one order as well: were A before B on one rank and B before A on another, a
///   backend whose operations follow each other on a stream would wait for ever.
/// - A send and a receive that can end only together (two ranks that exchange) are begun one right after the other,
///   with no poke() or wait in between: such a backend starts them as one.
/// - Buffers stay as they are from the beginning of an operation until it was waited for: what is sent is not written
///   to, what is received not read. They do not overlap but for what "in place" allows.
///
/// Counts are of elements, of any size; of zero elements an operation is complete when it is begun. What breaks this
/// contract in a way that this rank alone can see (a peer that is not of the group, a sum of `bytes`, lists of counts
/// of another length) ends the process.
///
/// Errors: an operation that failed, also long after it was begun, or a peer that died makes all communicators of this
/// rank fail for good: every later call returns the first error (internal), and no operation completes any more. What
/// other ranks see of it is the backend's matter; a job that cannot go on is ended by its launcher or by who gets the
/// error. Of one thread.
class Communicator : public Progress {
 public:
  /// This rank within the group, from 0; size() ranks are in it.
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return static_cast<int>(group_.members.size()); }
  [[nodiscard]] const CommunicatorGroup& group() const { return group_; }

  /// Collective; for setting up. `groups` is the same on all ranks: lists of ranks of this communicator, each rank in
  /// one list; the order within a list is that of the new ranks. List i has index i and the id first_id + i. Returns
  /// the communicator of this rank's list. Error (usage): a rank is in no list or in several, or is none of this
  /// communicator; (internal): the backend's.
  virtual Result<std::unique_ptr<Communicator>> split(std::string_view axis, std::uint16_t first_id,
                                                      std::span<const std::vector<int>> groups) = 0;

  /// receive[i] = sum of send[i] over all ranks. In place: receive == send.
  Result<OperationHandle> all_reduce(const void* send, void* receive, std::size_t count, DataType type);
  /// receive[i] = sum of send[rank · count + i] over all ranks; `send` has size · count elements, `receive` count. In
  /// place: receive is at send[rank · count]; the rest of `send` is undefined afterwards.
  Result<OperationHandle> reduce_scatter(const void* send, void* receive, std::size_t count, DataType type);
  /// receive[r · count + i] = send[i] of rank r; `send` has count elements, `receive` size · count. In place: send is
  /// at receive[rank · count].
  Result<OperationHandle> all_gather(const void* send, void* receive, std::size_t count, DataType type);
  /// Each rank has a part for each rank, its own too: `send` holds them in the order of ranks, without gaps, part r of
  /// send_counts[r] elements, and `receive` likewise what came from each. Counts may differ and be zero; the number
  /// that one rank sends to another is the number that this one receives from it. The counts are read before this
  /// returns. Not in place.
  Result<OperationHandle> all_to_all(const void* send, std::span<const std::size_t> send_counts, void* receive,
                                     std::span<const std::size_t> receive_counts, DataType type);
  Result<OperationHandle> send(const void* buffer, std::size_t count, DataType type, int peer);
  Result<OperationHandle> receive(void* buffer, std::size_t count, DataType type, int peer);

  /// Returns when the operation is complete. Polls, of all that is open. What is not complete when it is called has
  /// this moment in its span (CollectiveRecord::wait_ns); that is the one reading of the clock that it adds.
  Status wait(const OperationHandle& handle);
  /// Returns when every operation that this rank has begun, in whichever group, is complete. Their spans as in wait().
  Status wait_all();
  /// Moves on what is open in all groups of this rank, and notes what has completed. Errors show in the next call that
  /// returns one. (Progress)
  void poke() override = 0;

  /// What this rank's check of the received values found wrong; into the operation's span.
  void add_wrong(const OperationHandle& handle, std::uint64_t values) { open_->add_wrong(handle, values); }

  /// Gives up all that is open: every later call returns an error with this reason. A backend that cannot take its
  /// operations back may still read and write their buffers: keep them until the process ends.
  virtual void abort(std::string_view reason);

 protected:
  Communicator(CommunicatorGroup group, int rank, std::shared_ptr<OpenOperations> open);

  [[nodiscard]] OpenOperations& open() { return *open_; }

  /// Starts an operation of at least one element, in parts that are added to `slot` and ended by poke(). An all_to_all
  /// is started even if this rank has nothing to send or receive. An error makes the rank fail.
  virtual Status start(const OperationCall& call, std::uint32_t slot) = 0;

  /// split()'s work that needs no other rank: the group of the list in which this rank is.
  struct OwnList {
    CommunicatorGroup group;
    int rank = 0;  // in it
  };
  [[nodiscard]] Result<OwnList> find_own_list(std::string_view axis, std::uint16_t first_id,
                                              std::span<const std::vector<int>> groups) const;

 private:
  Result<OperationHandle> begin(const OperationCall& call, std::size_t elements);
  std::uint32_t next_sequence(const OperationCall& call);

  CommunicatorGroup group_;
  int rank_;
  std::shared_ptr<OpenOperations> open_;  // of all communicators of this rank
  std::uint32_t collectives_ = 0;
  std::vector<std::uint32_t> sends_;  // by peer
  std::vector<std::uint32_t> receives_;
};

}  // namespace grit

// A communicator of the fake NCCL: connections to all other ranks, operations that streams do, and jobs (init, split,
// finalize, and for a communicator that does not block also giving operations to streams).
//
// An operation that fails stays on its stream until the communicator is aborted, as a real one's kernel does.
#pragma once

#include <nccl.h>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/fakes/cuda/nccl/profiler.hpp"
#include "tests/fakes/cuda/nccl/sockets.hpp"
#include "tests/fakes/cuda/script.hpp"

namespace grit::fake {

enum class Kind : std::uint32_t {
  all_reduce = 1,
  reduce_scatter,
  all_gather,
  all_to_all,
  broadcast,
  reduce,
  gather,
  scatter,
  send,
  receive,
  split,
  finalize
};

struct Operation {
  Kind kind = Kind::all_reduce;
  const void* send = nullptr;
  void* receive = nullptr;
  std::size_t count = 0;
  ncclDataType_t type = ncclFloat32;
  ncclRedOp_t reduction = ncclSum;
  int root = -1;  // or the peer
  // Of the profiler plugin.
  void* call = nullptr;
  void* told = nullptr;
};

/// What a rank tells the others of itself.
struct Peer {
  std::int32_t rank = 0;
  std::int32_t ranks = 0;
  sockaddr_in address{};
  std::uint64_t host = 0;  // of the machine, or of what NCCL_HOSTID calls so
  char pci_address[16]{};
  std::int32_t color = 0;
  std::int32_t key = 0;
};

}  // namespace grit::fake

struct ncclComm : std::enable_shared_from_this<ncclComm> {
  ncclComm(int device_number, bool blocks) : device(device_number), is_blocking(blocks) {}

  const int device;
  const bool is_blocking;
  int rank = -1;  // known when it is ready, as the number of ranks
  int ranks = 0;
  bool is_finalized = false;
  grit::fake::Profile profile{};

  // Jobs; each returns its result.
  ncclResult_t connect(const ncclUniqueId& id, int own_rank, int all_ranks);
  ncclResult_t split(int color, int key, const std::shared_ptr<ncclComm>& part);
  ncclResult_t finalize();
  /// Gives the stream one operation, or the sends and receives of a group.
  ncclResult_t launch(const std::vector<grit::fake::Operation>& operations, cudaStream_t stream,
                      const grit::fake::Call& call);

  /// Does a job: now, or when the communicator does not block on a thread of its own and returns ncclInProgress.
  ncclResult_t start(const grit::fake::Call& call, std::function<ncclResult_t()> job);
  void join_job();
  /// Ends what runs, and what is to come; also in the part that is being split from it.
  void abort();

  [[nodiscard]] ncclResult_t state();
  void set_state(ncclResult_t state, const std::string& why = "");
  [[nodiscard]] const char* why();

 private:
  cudaError_t run(const std::vector<grit::fake::Operation>& operations, const grit::fake::Call& call,
                  std::uint64_t number);
  grit::fake::Outcome perform(const std::vector<grit::fake::Operation>& operations);
  grit::fake::Outcome all_reduce(const grit::fake::Operation& operation);
  grit::fake::Outcome reduce_scatter(const grit::fake::Operation& operation);
  grit::fake::Outcome move(const grit::fake::Operation& operation);
  grit::fake::Outcome point_to_point(const std::vector<grit::fake::Operation>& operations);
  [[nodiscard]] std::vector<grit::fake::Lane> lanes() const;
  ncclResult_t make_part(int color, int key, const std::shared_ptr<ncclComm>& part);
  ncclResult_t connect_all(const std::vector<grit::fake::Peer>& table, const grit::fake::Listener& listener);
  ncclResult_t result_of(grit::fake::Outcome outcome);
  void wait_for_operations();

  std::vector<grit::fake::Socket> peers_{};  // by rank; none for this one
  grit::fake::Cancel cancel_{};
  std::thread job_{};
  std::mutex mutex_{};
  std::condition_variable changed_{};
  ncclResult_t state_ = ncclInProgress;  // what follows is the mutex's
  std::string why_{};
  std::uint64_t issued_ = 0;  // operations
  std::uint64_t done_ = 0;
  int running_ = 0;
  std::shared_ptr<ncclComm> part_{};  // that a split makes now
};

namespace grit::fake {

/// Listens for the ranks of a new communicator, and makes them known to each other. Error: no address.
ncclResult_t make_id(ncclUniqueId& id);

}  // namespace grit::fake

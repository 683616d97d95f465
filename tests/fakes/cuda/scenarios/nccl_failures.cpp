// Hangs, asynchronous errors, dead ranks and what ends them.
#include <cstring>
#include <thread>

#include "tests/fakes/cuda/scenarios/nccl.hpp"

namespace grit::scenarios {
namespace {

constexpr double kLong_s = 0.1;

/// Rank 1 never takes part; rank 0's stream hangs until it aborts, and is free then.
void a_hang_ends_by_abort(const Rank& rank) {
  const ncclComm_t comm = open(rank);
  const cudaStream_t stream = make_stream();
  if (rank.rank == 0) {
    float* data = on_device(std::vector<float>(4));
    expect_done(ncclAllReduce(data, data, 4, ncclFloat, ncclSum, comm, stream), comm);
    sleep_s(kLong_s);
    EXPECT_IS(cudaStreamQuery(stream), cudaErrorNotReady);
    EXPECT_OK(settle(comm));  // the library sees nothing wrong
  }
  meet(rank, "seen");
  EXPECT_OK(ncclCommAbort(comm));
  EXPECT_OK(cudaStreamSynchronize(stream));
  ncclResult_t state = ncclSuccess;
  EXPECT_IS(ncclCommGetAsyncError(comm, &state), ncclInvalidArgument);
}

/// Rank 1's second all-reduce never begins; nobody is told.
void a_hang_is_scripted(const Rank& rank) {
  const ncclComm_t comm = open(rank);
  const cudaStream_t stream = make_stream();
  float* data = on_device(std::vector<float>{1});
  expect_done(ncclAllReduce(data, data, 1, ncclFloat, ncclSum, comm, stream), comm);
  EXPECT_OK(cudaStreamSynchronize(stream));
  expect_done(ncclAllReduce(data, data, 1, ncclFloat, ncclSum, comm, stream), comm);
  sleep_s(kLong_s);
  EXPECT_IS(cudaStreamQuery(stream), cudaErrorNotReady);
  EXPECT_OK(settle(comm));
  meet(rank, "seen");
  EXPECT_OK(ncclCommAbort(comm));
  EXPECT_OK(cudaStreamSynchronize(stream));
}

/// Of rank 1, in an operation that rank 0 takes no part in.
void a_lost_device_is_a_cuda_error(const Rank& rank) {
  const ncclComm_t comm = open(rank);
  if (rank.rank == 1) {
    const cudaStream_t stream = make_stream();
    float* data = on_device(std::vector<float>(4));
    expect_done(ncclAllReduce(data, data, 4, ncclFloat, ncclSum, comm, stream), comm);
    float* other = on_device(std::vector<float>(4));
    EXPECT_OK(cudaMemsetAsync(other, 0, 4, make_stream()));  // as scripted, the device fails with it
    EXPECT_IS(cudaStreamSynchronize(stream), cudaErrorLaunchFailure);
    EXPECT_IS(ncclAllReduce(data, data, 4, ncclFloat, ncclSum, comm, stream), ncclInProgress);
    EXPECT_IS(await_error(comm), ncclUnhandledCudaError);
  }
  meet(rank, "lost");
  EXPECT_OK(ncclCommAbort(comm));
}

/// Rank 1 takes no part in it; the part is aborted with what it is split from.
void abort_ends_a_split(const Rank& rank) {
  const ncclComm_t comm = open(rank);
  ncclComm_t part = nullptr;
  if (rank.rank == 0) {
    EXPECT_IS(ncclCommSplit(comm, 0, 0, &part, nullptr), ncclInProgress);
    sleep_s(kLong_s);
    ncclResult_t state = ncclSuccess;
    EXPECT_OK(ncclCommGetAsyncError(comm, &state));
    EXPECT_IS(state, ncclInProgress);
  }
  meet(rank, "seen");
  EXPECT_OK(ncclCommAbort(comm));
  EXPECT_IS(part != nullptr, rank.rank == 0);
  if (part != nullptr) EXPECT_OK(ncclCommAbort(part));
}

/// Abort comes from one thread while another waits for the stream.
void abort_frees_a_thread_that_waits(const Rank& rank) {
  const ncclComm_t comm = open(rank);
  const cudaStream_t stream = make_stream();
  float* data = on_device(std::vector<float>(4));
  if (rank.rank == 0) {
    expect_done(ncclAllReduce(data, data, 4, ncclFloat, ncclSum, comm, stream), comm);
    expect_done(ncclAllReduce(data, data, 4, ncclFloat, ncclSum, comm, stream), comm);
    std::thread watchdog([comm] {
      sleep_s(kLong_s);
      EXPECT_OK(ncclCommAbort(comm));
    });
    EXPECT_OK(cudaStreamSynchronize(stream));
    watchdog.join();
  }
  meet(rank, "freed");
  if (rank.rank == 1) EXPECT_OK(ncclCommAbort(comm));
}

/// Rank 2 ends while the others are in an operation with it.
void a_dead_rank_is_a_remote_error(const Rank& rank) {
  const ncclComm_t comm = open(rank);
  if (rank.rank == 2) std::_Exit(0);
  const cudaStream_t stream = make_stream();
  float* data = on_device(std::vector<float>(4));
  EXPECT_IS(ncclAllReduce(data, data, 4, ncclFloat, ncclSum, comm, stream), ncclInProgress);
  EXPECT_IS(await_error(comm), ncclRemoteError);
  EXPECT_IS(cudaStreamQuery(stream), cudaErrorNotReady);  // its kernel does not end by itself
  EXPECT_IS(ncclAllReduce(data, data, 4, ncclFloat, ncclSum, comm, stream), ncclRemoteError);
  EXPECT_TRUE(std::strstr(ncclGetLastError(comm), "FAKE") != nullptr);
  EXPECT_OK(ncclCommAbort(comm));
  EXPECT_OK(cudaStreamSynchronize(stream));
}

/// As scripted, at the third of rank 1's. The first two are right.
void the_nth_operation_fails_later(const Rank& rank) {
  const ncclComm_t comm = open(rank);
  const cudaStream_t stream = make_stream();
  float* data = on_device(std::vector<float>{1});
  for (int i = 0; i < 2; ++i) expect_done(ncclAllReduce(data, data, 1, ncclFloat, ncclSum, comm, stream), comm);
  EXPECT_OK(cudaStreamSynchronize(stream));
  EXPECT_IS(from_device(data, 1)[0], 4);
  EXPECT_IS(ncclAllReduce(data, data, 1, ncclFloat, ncclSum, comm, stream), ncclInProgress);
  if (rank.rank == 1) EXPECT_IS(await_error(comm), ncclSystemError);
  meet(rank, "failed");
  if (rank.rank == 0) EXPECT_OK(settle(comm));  // only hangs
  EXPECT_IS(cudaStreamQuery(stream), cudaErrorNotReady);
  meet(rank, "seen");
  EXPECT_OK(ncclCommAbort(comm));
  EXPECT_OK(cudaStreamSynchronize(stream));
}

void the_nth_call_fails_at_once(const Rank& rank) {
  const ncclComm_t comm = open(rank);
  const cudaStream_t stream = make_stream();
  float* data = on_device(std::vector<float>{1});
  expect_done(ncclAllReduce(data, data, 1, ncclFloat, ncclSum, comm, stream), comm);
  EXPECT_IS(ncclAllReduce(data, data, 1, ncclFloat, ncclSum, comm, stream), ncclUnhandledCudaError);
  double start_s = now_s();
  expect_done(ncclAllReduce(data, data, 1, ncclFloat, ncclSum, comm, stream), comm);
  EXPECT_OK(cudaStreamSynchronize(stream));
  EXPECT_TRUE(now_s() - start_s >= kLong_s);  // delayed on rank 1, so on both
  EXPECT_IS(from_device(data, 1)[0], 4);
  start_s = now_s();
  EXPECT_OK(ncclCommAbort(comm));
  EXPECT_TRUE(now_s() - start_s >= kLong_s);
}

/// Rank 1 never comes.
void a_start_that_hangs_is_aborted(const Rank& rank) {
  if (rank.rank == 1) return;
  const ncclComm_t comm = begin(rank);
  sleep_s(kLong_s);
  ncclResult_t state = ncclSuccess;
  EXPECT_OK(ncclCommGetAsyncError(comm, &state));
  EXPECT_IS(state, ncclInProgress);
  EXPECT_OK(ncclCommAbort(comm));
}

void a_start_fails_later(const Rank& rank) {
  const double start_s = now_s();
  const ncclComm_t comm = begin(rank);
  EXPECT_IS(settle(comm), ncclSystemError);
  EXPECT_TRUE(now_s() - start_s >= kLong_s);
  EXPECT_OK(ncclCommAbort(comm));
}

/// As NCCL before 2.30: one rank a device, on one host.
void two_ranks_of_a_device_are_refused(const Rank& rank) {
  const ncclUniqueId id = exchange_id(rank);
  ncclComm_t comm = nullptr;
  EXPECT_IS(ncclCommInitRank(&comm, rank.ranks, id, rank.rank), ncclInvalidUsage);
  EXPECT_TRUE(std::strstr(ncclGetLastError(comm), "Duplicate GPU") != nullptr);
}

void two_hosts_share_a_device(const Rank& rank) {
  EXPECT_OK(::setenv("NCCL_HOSTID", rank.rank == 0 ? "host-a" : "host-b", 1));
  const ncclUniqueId id = exchange_id(rank);
  ncclComm_t comm = nullptr;
  EXPECT_OK(ncclCommInitRank(&comm, rank.ranks, id, rank.rank));
  EXPECT_OK(ncclCommDestroy(comm));
}

/// Other sizes on two ranks, where a real one hangs or worse.
void a_mismatch_is_seen(const Rank& rank) {
  const ncclComm_t comm = open(rank);
  const cudaStream_t stream = make_stream();
  float* data = on_device(std::vector<float>(8));
  const std::size_t count = rank.rank == 0 ? 4 : 6;
  float* all = on_device(std::vector<float>(12));
  EXPECT_IS(ncclAllGather(data, all, count, ncclFloat, comm, stream), ncclInProgress);
  EXPECT_IS(await_error(comm), ncclInvalidUsage);
  meet(rank, "seen");
  EXPECT_OK(ncclCommAbort(comm));
}

void memory_of_the_host_fails_the_device(const Rank& rank) {
  const ncclComm_t comm = open(rank);
  const cudaStream_t stream = make_stream();
  std::vector<float> pageable(4);
  expect_done(ncclAllReduce(pageable.data(), pageable.data(), 4, ncclFloat, ncclSum, comm, stream), comm);
  EXPECT_IS(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
  EXPECT_OK(ncclCommAbort(comm));
}

}  // namespace

std::vector<Scenario> nccl_failure_scenarios() {
  return {
      {"a hang ends by abort", 2, "devices 2\n", a_hang_ends_by_abort},
      {"a hang is scripted", 2, "devices 2\non RANK=1 delay ncclAllReduce#2 1e6\n", a_hang_is_scripted},
      {"a lost device is a CUDA error", 2, "devices 2\nasync cudaMemsetAsync 719\n", a_lost_device_is_a_cuda_error},
      {"abort ends a split", 2, "devices 2\n", abort_ends_a_split},
      {"abort frees a thread that waits", 2, "devices 2\n", abort_frees_a_thread_that_waits},
      {"a dead rank is a remote error", 3, "devices 3\n", a_dead_rank_is_a_remote_error},
      {"the n-th operation fails later", 2, "devices 2\non RANK=1 async ncclAllReduce#3 2\n",
       the_nth_operation_fails_later},
      {"the n-th call fails at once", 2,
       "devices 2\nreturn ncclAllReduce#2 1\non RANK=1 delay ncclAllReduce#3 0.1\nhang ncclCommAbort 0.1\n",
       the_nth_call_fails_at_once},
      {"a start that hangs is aborted", 2, "devices 2\n", a_start_that_hangs_is_aborted},
      {"a start fails later", 2, "devices 2\nasync ncclCommInitRankConfig 2\nprogress ncclCommInitRankConfig 0.1\n",
       a_start_fails_later},
      {"two ranks of a device are refused", 2, "", two_ranks_of_a_device_are_refused},
      {"two hosts share a device", 2, "", two_hosts_share_a_device},
      {"a mismatch is seen", 2, "devices 2\n", a_mismatch_is_seen},
      {"memory of the host fails the device", 2, "devices 2\n", memory_of_the_host_fails_the_device},
  };
}

}  // namespace grit::scenarios

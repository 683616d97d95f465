// Communicators and their operations, by ranks that are processes.
#include "tests/fakes/cuda/scenarios/nccl.hpp"

#include <filesystem>
#include <fstream>

namespace grit::scenarios {

ncclUniqueId exchange_id(const Rank& rank) {
  const std::string path = rank.directory + "/id";
  ncclUniqueId id{};
  if (rank.rank == 0) {
    EXPECT_OK(ncclGetUniqueId(&id));
    std::ofstream(path + ".new", std::ios::binary).write(id.internal, sizeof id.internal);
    std::filesystem::rename(path + ".new", path);
    return id;
  }
  while (!std::filesystem::exists(path)) sleep_s(0.001);
  std::ifstream(path, std::ios::binary).read(id.internal, sizeof id.internal);
  return id;
}

ncclComm_t begin(const Rank& rank) {
  const ncclUniqueId id = exchange_id(rank);
  EXPECT_OK(cudaSetDevice(rank.rank));
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  ncclComm_t comm = nullptr;
  EXPECT_IS(ncclCommInitRankConfig(&comm, rank.ranks, id, rank.rank, &config), ncclInProgress);
  EXPECT_TRUE(comm != nullptr);
  return comm;
}

ncclResult_t settle(ncclComm_t comm) {
  ncclResult_t state = ncclInProgress;
  for (; state == ncclInProgress; sleep_s(0.0005)) EXPECT_OK(ncclCommGetAsyncError(comm, &state));
  return state;
}

ncclComm_t open(const Rank& rank) {
  const ncclComm_t comm = begin(rank);
  EXPECT_OK(settle(comm));
  return comm;
}

void expect_done(ncclResult_t code, ncclComm_t comm) {
  EXPECT_IS(code, ncclInProgress);
  EXPECT_OK(settle(comm));
}

ncclResult_t await_error(ncclComm_t comm) {
  ncclResult_t state = ncclSuccess;
  for (; state == ncclSuccess || state == ncclInProgress; sleep_s(0.0005))
    EXPECT_OK(ncclCommGetAsyncError(comm, &state));
  return state;
}

void meet(const Rank& rank, const std::string& word) {
  std::ofstream(rank.directory + "/" + word + std::to_string(rank.rank)).close();
  for (int other = 0; other < rank.ranks; ++other)
    while (!std::filesystem::exists(rank.directory + "/" + word + std::to_string(other))) sleep_s(0.001);
}

void close(ncclComm_t comm) {
  expect_done(ncclCommFinalize(comm), comm);
  EXPECT_OK(ncclCommDestroy(comm));
  EXPECT_IS(ncclCommDestroy(comm), ncclInvalidArgument);
}

namespace {

/// Rank r's element i.
float value_of(int rank, std::size_t i) { return static_cast<float>(rank * 1000 + static_cast<int>(i)); }
std::vector<float> values_of(int rank, std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = value_of(rank, i);
  return values;
}
float sum_of(int ranks, std::size_t i) {
  float sum = 0;
  for (int rank = 0; rank < ranks; ++rank) sum += value_of(rank, i);
  return sum;
}

void a_communicator_is_in_progress_first(const Rank& rank) {
  const ncclComm_t comm = begin(rank);
  int count = 0, own = -1, version = 0;
  float* data = on_device(std::vector<float>(1));
  const cudaStream_t stream = make_stream();
  EXPECT_IS(ncclAllReduce(data, data, 1, ncclFloat, ncclSum, comm, stream), ncclInvalidArgument);
  EXPECT_OK(settle(comm));
  EXPECT_OK(ncclCommCount(comm, &count));
  EXPECT_OK(ncclCommUserRank(comm, &own));
  EXPECT_IS(count, rank.ranks);
  EXPECT_IS(own, rank.rank);
  EXPECT_OK(ncclGetVersion(&version));
  EXPECT_IS(version, NCCL_VERSION_CODE);
  // It is on the stream when it is no longer in progress, and may not be used before.
  EXPECT_IS(ncclAllReduce(data, data, 1, ncclFloat, ncclSum, comm, stream), ncclInProgress);
  EXPECT_IS(ncclAllReduce(data, data, 1, ncclFloat, ncclSum, comm, stream), ncclInvalidArgument);
  EXPECT_OK(settle(comm));
  EXPECT_OK(cudaStreamSynchronize(stream));
  close(comm);
}

void one_that_blocks_does_so(const Rank& rank) {
  const ncclUniqueId id = exchange_id(rank);
  EXPECT_OK(cudaSetDevice(rank.rank));
  ncclComm_t comm = nullptr;
  EXPECT_OK(ncclCommInitRank(&comm, rank.ranks, id, rank.rank));
  float* data = on_device(std::vector<float>{value_of(rank.rank, 0)});
  const cudaStream_t stream = make_stream();
  EXPECT_OK(ncclAllReduce(data, data, 1, ncclFloat, ncclAvg, comm, stream));
  EXPECT_OK(cudaStreamSynchronize(stream));
  EXPECT_IS(from_device(data, 1)[0], sum_of(rank.ranks, 0) / static_cast<float>(rank.ranks));
  EXPECT_OK(ncclCommDestroy(comm));
}

void sums_are_right(const Rank& rank) {
  const ncclComm_t comm = open(rank);
  const cudaStream_t stream = make_stream();
  const auto ranks = static_cast<std::size_t>(rank.ranks);
  // Fewer elements than ranks, one that ranks do not divide, and more than a connection buffers.
  for (const std::size_t count : {std::size_t{2}, std::size_t{1001}, std::size_t{1'000'000}}) {
    float* data = on_device(values_of(rank.rank, count));
    float* result = on_device(std::vector<float>(count));
    expect_done(ncclAllReduce(data, result, count, ncclFloat, ncclSum, comm, stream), comm);
    expect_done(ncclAllReduce(data, data, count, ncclFloat, ncclMax, comm, stream), comm);
    EXPECT_OK(cudaStreamSynchronize(stream));
    const std::vector<float> sums = from_device(result, count), largest = from_device(data, count);
    for (std::size_t i = 0; i < count; ++i) EXPECT_IS(sums[i], sum_of(rank.ranks, i));
    for (std::size_t i = 0; i < count; ++i) EXPECT_IS(largest[i], value_of(rank.ranks - 1, i));
    EXPECT_OK(cudaFree(data));
    EXPECT_OK(cudaFree(result));
  }
  // In place: the result is at the rank's part of what is sent.
  constexpr std::size_t kCount = 5;
  float* parts = on_device(values_of(rank.rank, kCount * ranks));
  float* own = parts + static_cast<std::size_t>(rank.rank) * kCount;
  expect_done(ncclReduceScatter(parts, own, kCount, ncclFloat, ncclSum, comm, stream), comm);
  EXPECT_OK(cudaStreamSynchronize(stream));
  const std::vector<float> reduced = from_device(own, kCount);
  for (std::size_t i = 0; i < kCount; ++i)
    EXPECT_IS(reduced[i], sum_of(rank.ranks, static_cast<std::size_t>(rank.rank) * kCount + i));
  std::vector<__nv_bfloat16> halves(3, __nv_bfloat16(1.5F));
  __nv_bfloat16* half_data = on_device(halves);
  expect_done(ncclAllReduce(half_data, half_data, 3, ncclBfloat16, ncclSum, comm, stream), comm);
  EXPECT_OK(cudaStreamSynchronize(stream));
  EXPECT_IS(static_cast<float>(from_device(half_data, 3)[2]), 1.5F * static_cast<float>(rank.ranks));
  close(comm);
}

void parts_arrive(const Rank& rank) {
  const ncclComm_t comm = open(rank);
  const cudaStream_t stream = make_stream();
  const auto ranks = static_cast<std::size_t>(rank.ranks);
  constexpr std::size_t kCount = 7;
  float* own = on_device(values_of(rank.rank, kCount));
  float* parts = on_device(values_of(rank.rank, kCount * ranks));
  float* all = on_device(std::vector<float>(kCount * ranks));
  const int root = rank.ranks - 1;
  const auto result = [&](std::size_t count) {
    EXPECT_OK(cudaStreamSynchronize(stream));
    return from_device(all, count);
  };
  const auto expect_from_all = [&](std::size_t first) {
    const std::vector<float> values = result(kCount * ranks);
    for (std::size_t i = 0; i < values.size(); ++i)
      EXPECT_IS(values[i], value_of(static_cast<int>(i / kCount), first + i % kCount));
  };
  expect_done(ncclAllGather(own, all, kCount, ncclFloat, comm, stream), comm);
  expect_from_all(0);
  EXPECT_OK(cudaMemset(all, 0, sizeof(float)));
  expect_done(ncclBroadcast(own, all, kCount, ncclFloat, root, comm, stream), comm);
  for (std::size_t i = 0; const float value : result(kCount)) EXPECT_IS(value, value_of(root, i++));
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 28, 0)  // which has these operations
  expect_done(ncclScatter(parts, all, kCount, ncclFloat, root, comm, stream), comm);
  for (std::size_t i = kCount * static_cast<std::size_t>(rank.rank); const float value : result(kCount))
    EXPECT_IS(value, value_of(root, i++));
  expect_done(ncclAlltoAll(parts, all, kCount, ncclFloat, comm, stream), comm);
  expect_from_all(kCount * static_cast<std::size_t>(rank.rank));
  EXPECT_OK(cudaMemset(all, 0, sizeof(float)));
  expect_done(ncclGather(own, all, kCount, ncclFloat, root, comm, stream), comm);
  if (rank.rank == root) expect_from_all(0);
#endif
  expect_done(ncclReduce(own, all, kCount, ncclFloat, ncclMin, root, comm, stream), comm);
  if (rank.rank == root)
    for (std::size_t i = 0; const float value : result(kCount)) EXPECT_IS(value, value_of(0, i++));
  close(comm);
}

/// Each rank sends rank + 1 + peer elements to each peer, itself too: more than connections buffer, in one group.
void a_group_of_sends_and_receives_is_one(const Rank& rank) {
  const ncclComm_t comm = open(rank);
  const cudaStream_t stream = make_stream();
  constexpr std::size_t kUnit = 500'000;
  const auto count_of = [&](int from, int to) { return static_cast<std::size_t>(from + 1 + to) * kUnit; };
  std::vector<float*> received;
  EXPECT_OK(ncclGroupStart());
  for (int peer = 0; peer < rank.ranks; ++peer) {
    float* sent = on_device(values_of(10 * rank.rank + peer, count_of(rank.rank, peer)));
    received.push_back(on_device(std::vector<float>(count_of(peer, rank.rank))));
    EXPECT_OK(ncclSend(sent, count_of(rank.rank, peer), ncclFloat, peer, comm, stream));
    EXPECT_OK(ncclRecv(received.back(), count_of(peer, rank.rank), ncclFloat, peer, comm, stream));
  }
  expect_done(ncclGroupEnd(), comm);
  EXPECT_OK(cudaStreamSynchronize(stream));
  for (int peer = 0; peer < rank.ranks; ++peer) {
    const std::size_t count = count_of(peer, rank.rank);
    EXPECT_TRUE(from_device(received[static_cast<std::size_t>(peer)], count) ==
                values_of(10 * peer + rank.rank, count));
  }
  EXPECT_OK(ncclGroupStart());
  EXPECT_IS(ncclSend(received[0], 1, ncclFloat, rank.ranks, comm, stream), ncclInvalidArgument);
  EXPECT_IS(ncclGroupEnd(), ncclInvalidArgument);
  EXPECT_IS(ncclGroupEnd(), ncclInvalidUsage);
  close(comm);
}

/// Work of the stream before and after, and another stream that waits for the event.
void operations_are_in_the_order_of_their_stream(const Rank& rank) {
  const ncclComm_t comm = open(rank);
  const cudaStream_t stream = make_stream(), other = make_stream();
  float *data = on_device(std::vector<float>(4)), *sum = on_device(std::vector<float>(4));
  cudaEvent_t reduced = nullptr;
  EXPECT_OK(cudaEventCreate(&reduced));
  Gate gate;
  gate.put_into(stream);
  EXPECT_OK(cudaMemsetAsync(data, 0x3f, 4 * sizeof(float), stream));
  expect_done(ncclAllReduce(data, sum, 4, ncclFloat, ncclSum, comm, stream), comm);
  EXPECT_OK(cudaMemsetAsync(data, 0, 4 * sizeof(float), stream));
  EXPECT_OK(cudaEventRecord(reduced, stream));
  EXPECT_OK(cudaStreamWaitEvent(other, reduced, 0));
  sleep_s(0.02);
  EXPECT_IS(cudaStreamQuery(other), cudaErrorNotReady);
  gate.open();
  EXPECT_OK(cudaStreamSynchronize(other));
  float one = 0;
  __builtin_memset(&one, 0x3f, sizeof one);
  EXPECT_IS(from_device(sum, 4)[3], one * static_cast<float>(rank.ranks));
  EXPECT_IS(from_device(data, 4)[3], 0);
  close(comm);
}

/// Ranks 0 and 2, in the order of their keys: 2 first; rank 1 alone; rank 3 in none.
void parts_of_a_split_are_communicators(const Rank& rank) {
  const ncclComm_t comm = open(rank);
  const int color = rank.rank == 3 ? NCCL_SPLIT_NOCOLOR : rank.rank % 2;
  ncclComm_t part = nullptr;
  expect_done(ncclCommSplit(comm, color, -rank.rank, &part, nullptr), comm);
  EXPECT_IS(part == nullptr, rank.rank == 3);
  if (part != nullptr) {
    EXPECT_OK(settle(part));
    int own = -1, count = 0;
    EXPECT_OK(ncclCommUserRank(part, &own));
    EXPECT_OK(ncclCommCount(part, &count));
    EXPECT_IS(count, rank.rank == 1 ? 1 : 2);
    EXPECT_IS(own, rank.rank == 0 ? 1 : 0);
    const cudaStream_t stream = make_stream();
    float* data = on_device(std::vector<float>{value_of(rank.rank, 1)});
    expect_done(ncclAllReduce(data, data, 1, ncclFloat, ncclSum, part, stream), part);
    EXPECT_OK(cudaStreamSynchronize(stream));
    EXPECT_IS(from_device(data, 1)[0], rank.rank == 1 ? value_of(1, 1) : value_of(0, 1) + value_of(2, 1));
    close(part);
  }
  close(comm);
}

}  // namespace

std::vector<Scenario> nccl_scenarios() {
  return {
      {"a communicator is in progress first", 2,
       "devices 2\nprogress ncclCommInitRankConfig 2\nprogress ncclAllReduce 2\n", a_communicator_is_in_progress_first},
      {"one that blocks does so", 3, "devices 3\n", one_that_blocks_does_so},
      {"sums are right", 3, "devices 3\n", sums_are_right},
      {"one rank alone has its own sums", 1, "", sums_are_right},
      {"parts arrive", 4, "devices 4\n", parts_arrive},
      {"a group of sends and receives is one", 3, "devices 3\n", a_group_of_sends_and_receives_is_one},
      {"operations are in the order of their stream", 2, "devices 2\n", operations_are_in_the_order_of_their_stream},
      {"parts of a split are communicators", 4, "devices 4\n", parts_of_a_split_are_communicators},
  };
}

}  // namespace grit::scenarios

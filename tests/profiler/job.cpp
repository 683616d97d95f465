// A small NCCL job that knows nothing of grit, as a rank of torchrun would be: RANK and WORLD_SIZE are its place.
// usage: job ID_FILE STEPS WORK_MS [DIE_AT_STEP]
#include <cuda_runtime_api.h>
#include <nccl.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

namespace {

constexpr std::size_t kElements = 4096;

int number_in(const char* variable) {
  const char* text = std::getenv(variable);
  return text == nullptr ? 0 : std::atoi(text);
}

void check(int code, const char* what) {
  if (code == 0) return;
  std::fprintf(stderr, "%s: code %d\n", what, code);
  std::exit(1);
}
#define CHECK(call) check(static_cast<int>(call), #call)

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

ncclUniqueId exchange_id(const std::string& file, int rank) {
  ncclUniqueId id{};
  if (rank == 0) {
    CHECK(ncclGetUniqueId(&id));
    std::ofstream(file + ".new", std::ios::binary).write(id.internal, sizeof id.internal);
    std::filesystem::rename(file + ".new", file);
    return id;
  }
  while (!std::filesystem::exists(file)) sleep_ms(1);
  std::ifstream(file, std::ios::binary).read(id.internal, sizeof id.internal);
  return id;
}

/// What a step of data-parallel training does: two buckets of gradients, of which one is sharded, and, among others, a
/// message to the next rank.
void step(ncclComm_t comm, cudaStream_t stream, float* data, int rank, int ranks) {
  const auto share = kElements / static_cast<std::size_t>(ranks);
  CHECK(ncclAllReduce(data, data, kElements, ncclFloat32, ncclSum, comm, stream));
  CHECK(ncclAllReduce(data, data, kElements / 4, ncclFloat32, ncclSum, comm, stream));
  CHECK(ncclReduceScatter(data, data + static_cast<std::size_t>(rank) * share, share, ncclFloat32, ncclSum, comm,
                          stream));
  CHECK(ncclAllGather(data + static_cast<std::size_t>(rank) * share, data, share, ncclFloat32, comm, stream));
  CHECK(ncclGroupStart());
  CHECK(ncclSend(data, 64, ncclFloat32, (rank + 1) % ranks, comm, stream));
  CHECK(ncclRecv(data + 64, 64, ncclFloat32, (rank + ranks - 1) % ranks, comm, stream));
  CHECK(ncclGroupEnd());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const int rank = number_in("RANK"), ranks = number_in("WORLD_SIZE"), steps = std::atoi(argv[2]);
  const int work_ms = std::atoi(argv[3]), die_at = argc > 4 ? std::atoi(argv[4]) : -1;
  CHECK(cudaSetDevice(rank));
  cudaStream_t stream = nullptr;
  CHECK(cudaStreamCreate(&stream));
  void* data = nullptr;
  CHECK(cudaMalloc(&data, kElements * sizeof(float)));
  CHECK(cudaMemset(data, 0, kElements * sizeof(float)));
  ncclComm_t comm = nullptr;
  CHECK(ncclCommInitRank(&comm, ranks, exchange_id(argv[1], rank), rank));
  CHECK(ncclBroadcast(data, data, kElements, ncclFloat32, 0, comm, stream));
  for (int i = 0; i < steps; ++i) {
    if (i == die_at) {
      sleep_ms(300);
      std::raise(SIGKILL);
    }
    sleep_ms(work_ms);
    step(comm, stream, static_cast<float*>(data), rank, ranks);
    CHECK(cudaStreamSynchronize(stream));
  }
  CHECK(ncclCommDestroy(comm));
  std::printf("rank %d of %d did %d steps\n", rank, ranks, steps);
  return 0;
}

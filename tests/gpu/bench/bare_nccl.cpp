#include "tests/gpu/bench/bare_nccl.hpp"

#include <fmt/format.h>

#include <vector>

namespace grit::bench {
namespace {

void check_nccl(ncclResult_t result, std::string_view call) {
  if (result != ncclSuccess)
    give_up(fmt::format("{}: {}: {}", call, ncclGetErrorString(result), ncclGetLastError(nullptr)));
}

}  // namespace

BareNccl::BareNccl(FileBootstrap& bootstrap) {
  std::vector<ncclUniqueId> ids(static_cast<std::size_t>(bootstrap.size()));
  ncclUniqueId own{};
  if (bootstrap.rank() == 0) check_nccl(ncclGetUniqueId(&own), "ncclGetUniqueId");
  need(bootstrap.wait(need(bootstrap.all_gather(&own, ids.data(), sizeof own, DataType::bytes))));
  check_nccl(ncclCommInitRank(&communicator_, bootstrap.size(), ids.front(), bootstrap.rank()), "ncclCommInitRank");
}

BareNccl::~BareNccl() { ncclCommDestroy(communicator_); }

void BareNccl::begin(CollectiveOperation operation, const float* send, float* receive, std::size_t count) {
  switch (operation) {
    case CollectiveOperation::all_reduce:
      return check_nccl(ncclAllReduce(send, receive, count, ncclFloat, ncclSum, communicator_, stream_.get()),
                        "ncclAllReduce");
    case CollectiveOperation::reduce_scatter:
      return check_nccl(ncclReduceScatter(send, receive, count, ncclFloat, ncclSum, communicator_, stream_.get()),
                        "ncclReduceScatter");
    case CollectiveOperation::all_gather:
      return check_nccl(ncclAllGather(send, receive, count, ncclFloat, communicator_, stream_.get()), "ncclAllGather");
    case CollectiveOperation::all_to_all:
    case CollectiveOperation::send:
    case CollectiveOperation::receive:
      break;
  }
  give_up("no such operation of the bare NCCL");
}

void BareNccl::wait() {
  cudaError_t state = cudaErrorNotReady;
  while ((state = cudaStreamQuery(stream_.get())) == cudaErrorNotReady) {
  }
  check_cuda(state, "cudaStreamQuery");
}

}  // namespace grit::bench

#include "workloads/accelerator/communicator.hpp"

#include <nccl.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "workloads/accelerator/device.hpp"
#include "workloads/accelerator/why.hpp"

static_assert(NCCL_VERSION_CODE >= NCCL_VERSION(2, 18, 0), "communicators are split by ncclCommSplit, of NCCL 2.18");
static_assert(sizeof(ncclUniqueId) == sizeof grit_communicator_options::id);

struct grit_communicator {
  /// Of a part NCCL's thread writes it before the parent is ready, if the part is there any more or not: so it is the
  /// parent's as well.
  struct Named {
    ncclComm_t comm = nullptr;
    std::string name{};
  };
  std::shared_ptr<Named> handle = std::make_shared<Named>();
  std::vector<std::shared_ptr<Named>> parts{};
  grit_communicator* parent = nullptr;  // not null: it is being split from this one
  int ranks = 0;                        // 0: not known yet
  bool is_ending = false;

  [[nodiscard]] ncclComm_t comm() const { return handle->comm; }
};

namespace grit::accelerator {
namespace {

std::int32_t meaning_of(ncclResult_t code) {
  switch (code) {
    case ncclSuccess:
      return GRIT_OK;
    case ncclInProgress:
      return GRIT_PENDING;
    case ncclInvalidArgument:
    case ncclInvalidUsage:
      return GRIT_INVALID;
    case ncclRemoteError:
      return GRIT_PEER_FAILED;
    default:
      return GRIT_FAILED;
  }
}

std::int32_t check_nccl(ncclResult_t code, const char* call, ncclComm_t comm, grit_why* why) {
  const std::int32_t meaning = meaning_of(code);
  if (meaning == GRIT_OK || meaning == GRIT_PENDING) return meaning;
  const char* more = ncclGetLastError(comm);
  char text[sizeof grit_why::text];
  std::snprintf(text, sizeof text, "%s: %s%s%s (NCCL error %d)", call, ncclGetErrorString(code),
                more != nullptr && *more != '\0' ? ": " : "", more != nullptr ? more : "", static_cast<int>(code));
  return fail(why, meaning, static_cast<std::int32_t>(code), text);
}

ncclConfig_t configuration(const grit_communicator& communicator) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
#if NCCL_VERSION_CODE >= NCCL_VERSION(2, 27, 0)
  config.commName = communicator.handle->name.c_str();
#else
  static_cast<void>(communicator);
#endif
  return config;
}

bool find_type(std::int32_t type, ncclDataType_t& found, std::size_t& bytes) {
  switch (type) {
    case GRIT_FP32:
      found = ncclFloat32, bytes = 4;
      return true;
    case GRIT_BF16:
      found = ncclBfloat16, bytes = 2;
      return true;
    case GRIT_FP16:
      found = ncclFloat16, bytes = 2;
      return true;
    case GRIT_BYTES:
      found = ncclUint8, bytes = 1;
      return true;
    default:
      return false;
  }
}

/// A message to each rank and one from each; of none where there is nothing to send, which both ends know.
ncclResult_t all_to_all(const grit_call& call, ncclDataType_t type, std::size_t element_bytes, ncclComm_t comm,
                        int ranks, cudaStream_t stream) {
  const auto* from = static_cast<const char*>(call.send);
  auto* to = static_cast<char*>(call.receive);
  for (int peer = 0; peer < ranks; ++peer) {
    const std::size_t sent = call.send_counts[peer], received = call.receive_counts[peer];
    if (sent > 0) {
      if (const ncclResult_t code = ncclSend(from, sent, type, peer, comm, stream); code != ncclSuccess) return code;
    }
    if (received > 0) {
      if (const ncclResult_t code = ncclRecv(to, received, type, peer, comm, stream); code != ncclSuccess) return code;
    }
    from += sent * element_bytes;
    to += received * element_bytes;
  }
  return ncclSuccess;
}

ncclResult_t call_nccl(const grit_call& call, const grit_communicator& communicator, cudaStream_t stream) {
  ncclDataType_t type = ncclUint8;
  std::size_t element_bytes = 1;
  if (!find_type(call.type, type, element_bytes)) return ncclInvalidArgument;
  const ncclComm_t comm = communicator.comm();
  switch (call.operation) {
    case GRIT_ALL_REDUCE:
      return ncclAllReduce(call.send, call.receive, call.count, type, ncclSum, comm, stream);
    case GRIT_REDUCE_SCATTER:
      return ncclReduceScatter(call.send, call.receive, call.count, type, ncclSum, comm, stream);
    case GRIT_ALL_GATHER:
      return ncclAllGather(call.send, call.receive, call.count, type, comm, stream);
    case GRIT_ALL_TO_ALL:
      return all_to_all(call, type, element_bytes, comm, communicator.ranks, stream);
    case GRIT_SEND:
      return ncclSend(call.send, call.count, type, call.peer, comm, stream);
    case GRIT_RECEIVE:
      return ncclRecv(call.receive, call.count, type, call.peer, comm, stream);
    default:
      return ncclInvalidArgument;
  }
}

bool is_started(ncclResult_t code) { return code == ncclSuccess || code == ncclInProgress; }

std::int32_t state_of(ncclComm_t comm, grit_why* why) {
  ncclResult_t state = ncclSuccess;
  GRIT_MODULE_CHECK(check_nccl(ncclCommGetAsyncError(comm, &state), "ncclCommGetAsyncError", comm, why));
  return check_nccl(state, "the communicator", comm, why);
}

}  // namespace

std::int32_t communicator_version(std::int32_t* version, grit_why* why) {
  int number = 0;
  GRIT_MODULE_CHECK(check_nccl(ncclGetVersion(&number), "ncclGetVersion", nullptr, why));
  *version = number;
  return GRIT_OK;
}

std::int32_t communicator_id(unsigned char id[128], grit_why* why) {
  ncclUniqueId made{};
  GRIT_MODULE_CHECK(check_nccl(ncclGetUniqueId(&made), "ncclGetUniqueId", nullptr, why));
  std::memcpy(id, &made, sizeof made);
  return GRIT_OK;
}

std::int32_t communicator_open(grit_device* device, const grit_communicator_options* options,
                               grit_communicator** communicator, grit_why* why) {
  return guarded(why, [&]() -> std::int32_t {
    GRIT_MODULE_CHECK(check_cuda(cudaSetDevice(device->index), "cudaSetDevice", why));
    auto made = std::make_unique<grit_communicator>();
    made->ranks = options->ranks;
    made->handle->name.assign(options->name, ::strnlen(options->name, sizeof options->name));
    ncclUniqueId id{};
    std::memcpy(&id, options->id, sizeof id);
    ncclConfig_t config = configuration(*made);
    const ncclResult_t code = ncclCommInitRankConfig(&made->handle->comm, options->ranks, id, options->rank, &config);
    if (!is_started(code)) return check_nccl(code, "ncclCommInitRankConfig", nullptr, why);
    *communicator = made.release();
    return check_nccl(code, "ncclCommInitRankConfig", nullptr, why);
  });
}

std::int32_t communicator_state(grit_communicator* communicator, grit_why* why) {
  if (communicator->parent != nullptr) {
    GRIT_MODULE_CHECK(state_of(communicator->parent->comm(), why));
    communicator->parent = nullptr;
  }
  if (communicator->comm() == nullptr)
    return fail(why, GRIT_FAILED, 0, "NCCL made no communicator and did not say why");
  GRIT_MODULE_CHECK(state_of(communicator->comm(), why));
  if (communicator->ranks != 0) return GRIT_OK;
  return check_nccl(ncclCommCount(communicator->comm(), &communicator->ranks), "ncclCommCount", communicator->comm(),
                    why);
}

std::int32_t communicator_split(grit_communicator* communicator, std::int32_t color, std::int32_t key, const char* name,
                                grit_communicator** part, grit_why* why) {
  return guarded(why, [&]() -> std::int32_t {
    auto made = std::make_unique<grit_communicator>();
    made->handle->name = name;
    made->parent = communicator;
    ncclConfig_t config = configuration(*made);
    const ncclResult_t code = ncclCommSplit(communicator->comm(), color, key, &made->handle->comm, &config);
    if (!is_started(code)) return check_nccl(code, "ncclCommSplit", communicator->comm(), why);
    communicator->parts.push_back(made->handle);
    *part = made.release();
    return check_nccl(code, "ncclCommSplit", communicator->comm(), why);
  });
}

std::int32_t communicator_start(grit_communicator* communicator, grit_stream* stream, const grit_call* calls,
                                std::int32_t count, grit_why* why) {
  GRIT_MODULE_CHECK(check_nccl(ncclGroupStart(), "ncclGroupStart", communicator->comm(), why));
  ncclResult_t first = ncclSuccess;
  for (std::int32_t i = 0; i < count && is_started(first); ++i)
    first = call_nccl(calls[i], *communicator, stream->stream);
  // Closed in any case: NCCL counts how deep groups are in each other.
  const ncclResult_t end = ncclGroupEnd();
  if (!is_started(first)) return check_nccl(first, "an operation", communicator->comm(), why);
  return check_nccl(end, "ncclGroupEnd", communicator->comm(), why);
}

std::int32_t communicator_abort(grit_communicator* communicator, grit_why* why) {
  const std::unique_ptr<grit_communicator> aborted(communicator);
  // Who aborts the parent aborts what is being split from it.
  if (aborted->parent != nullptr || aborted->comm() == nullptr) return GRIT_OK;
  return check_nccl(ncclCommAbort(aborted->comm()), "ncclCommAbort", nullptr, why);
}

std::int32_t communicator_close(grit_communicator* communicator, grit_why* why) {
  std::int32_t code = GRIT_OK;
  if (!communicator->is_ending) {
    communicator->is_ending = true;
    code = check_nccl(ncclCommFinalize(communicator->comm()), "ncclCommFinalize", communicator->comm(), why);
  } else {
    code = state_of(communicator->comm(), why);
  }
  if (code == GRIT_PENDING) return code;
  const std::unique_ptr<grit_communicator> closed(communicator);
  if (code != GRIT_OK) {
    ncclCommAbort(closed->comm());
    return code;
  }
  return check_nccl(ncclCommDestroy(closed->comm()), "ncclCommDestroy", nullptr, why);
}

}  // namespace grit::accelerator

// The interface: what is asked for is checked, collected between ncclGroupStart and ncclGroupEnd, and given to
// communicators.
#include <nccl.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <optional>
#include <utility>

#include "tests/fakes/cuda/nccl/communicator.hpp"
#include "tests/fakes/cuda/nccl/reduce.hpp"
#include "tests/fakes/cuda/runtime/link.hpp"

using namespace grit::fake;

namespace {

using Communicator = std::shared_ptr<ncclComm>;

struct Registry {
  std::mutex mutex{};
  std::map<ncclComm_t, Communicator> communicators{};
};
/// Never destroyed: threads use it until the process ends.
Registry& registry() {
  static Registry& one = *new Registry;
  return one;
}

Communicator find(ncclComm_t handle) {
  const std::lock_guard lock(registry().mutex);
  const auto found = registry().communicators.find(handle);
  return found == registry().communicators.end() ? nullptr : found->second;
}
Communicator add(const ncclConfig_t* config, const Communicator& parent) {
  const bool is_told = config != nullptr && config->blocking != NCCL_CONFIG_UNDEF_INT;
  const bool blocks = is_told ? config->blocking != 0 : parent == nullptr || parent->is_blocking;
  auto made = std::make_shared<ncclComm>(grit_fake_current_device(), blocks);
  const std::lock_guard lock(registry().mutex);
  return registry().communicators[made.get()] = made;
}
void remove(const Communicator& communicator) {
  const std::lock_guard lock(registry().mutex);
  registry().communicators.erase(communicator.get());
}

/// Something that is asked of a communicator: an operation on a stream, or a job.
struct Request {
  Communicator communicator{};
  Call call{};
  std::optional<Operation> operation{};
  cudaStream_t stream = nullptr;
  std::function<ncclResult_t()> job{};
};

struct Group {
  int depth = 0;
  ncclResult_t error = ncclSuccess;
  std::vector<Request> requests{};
};
Group& group() {
  static thread_local Group one;
  return one;
}

bool is_point_to_point(const Request& request) {
  return request.operation->kind == Kind::send || request.operation->kind == Kind::receive;
}

/// A communicator's operations of a group: each collective, then all sends and receives as one.
ncclResult_t start_operations(const Communicator& communicator, const std::vector<Request>& requests) {
  for (const Request& request : requests)
    if (request.stream != requests.front().stream) {
      communicator->set_state(ncclInvalidUsage, "operations of one group are on several streams: not in this fake");
      return ncclInvalidUsage;
    }
  const Call of_job{.progress_s = requests.front().call.progress_s};
  return communicator->start(of_job, [communicator, requests] {
    std::vector<Operation> exchanged;
    Call call;
    for (const Request& request : requests) {
      if (is_point_to_point(request)) {
        exchanged.push_back(*request.operation);
        call.delay_s = std::max(call.delay_s, request.call.delay_s);
        call.async_code = std::max(call.async_code, request.call.async_code);
      } else if (const ncclResult_t code = communicator->launch({*request.operation}, request.stream, request.call);
                 code != ncclSuccess) {
        return code;
      }
    }
    return exchanged.empty() ? ncclSuccess : communicator->launch(exchanged, requests.front().stream, call);
  });
}

/// Blocking jobs of several communicators in one group wait for each other: each has a thread.
ncclResult_t start_jobs(const std::vector<Request>& jobs) {
  if (jobs.size() == 1) return jobs[0].communicator->start(jobs[0].call, jobs[0].job);
  std::vector<ncclResult_t> results(jobs.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < jobs.size(); ++i)
    threads.emplace_back([&, i] { results[i] = jobs[i].communicator->start(jobs[i].call, jobs[i].job); });
  for (std::thread& thread : threads) thread.join();
  return *std::max_element(results.begin(), results.end());
}

/// The first error, else ncclInProgress where something is.
void add_result(ncclResult_t& result, ncclResult_t more) {
  const bool is_error = result != ncclSuccess && result != ncclInProgress;
  if (!is_error && more != ncclSuccess) result = more;
}

ncclResult_t start(const std::vector<Request>& requests) {
  ncclResult_t result = ncclSuccess;
  std::vector<Request> jobs;
  std::vector<std::pair<Communicator, std::vector<Request>>> operations;
  for (const Request& request : requests) {
    if (!request.operation) {
      jobs.push_back(request);
      continue;
    }
    const auto is_same = [&](const auto& of_one) { return of_one.first == request.communicator; };
    auto found = std::find_if(operations.begin(), operations.end(), is_same);
    if (found == operations.end()) found = operations.insert(operations.end(), {request.communicator, {}});
    found->second.push_back(request);
  }
  if (!jobs.empty()) add_result(result, start_jobs(jobs));
  for (const auto& [communicator, own] : operations) add_result(result, start_operations(communicator, own));
  return result;
}

ncclResult_t submit(Request request) {
  if (group().depth == 0) return start({std::move(request)});
  group().requests.push_back(std::move(request));
  return ncclSuccess;
}

ncclResult_t refuse(ncclResult_t code) {
  if (group().depth > 0 && group().error == ncclSuccess) group().error = code;
  return code;
}

/// Nothing more is asked of one that is in progress or has failed.
ncclResult_t check_ready(const Communicator& communicator) {
  if (!communicator) return ncclInvalidArgument;
  const ncclResult_t state = communicator->state();
  return state == ncclInProgress ? ncclInvalidArgument : state;
}

ncclResult_t operate(const char* function, const Operation& operation, ncclComm_t handle, cudaStream_t stream) {
  const Call call = enter(function);
  if (call.code != 0) return refuse(static_cast<ncclResult_t>(call.code));
  const Communicator communicator = find(handle);
  if (const ncclResult_t code = check_ready(communicator); code != ncclSuccess) return refuse(code);
  const bool has_root = operation.kind >= Kind::broadcast && operation.kind <= Kind::receive;
  if (element_bytes(operation.type) == 0 || !is_reduction(operation.reduction) ||
      (has_root && (operation.root < 0 || operation.root >= communicator->ranks)))
    return refuse(ncclInvalidArgument);
  if (operation.count == 0) return ncclSuccess;
  Operation called = operation;
  called.call = communicator->profile.call(operation);
  return submit({.communicator = communicator, .call = call, .operation = called, .stream = stream});
}

template <class Answer>
ncclResult_t ask(const char* function, ncclComm_t handle, Answer answer) {
  if (const Call call = enter(function); call.code != 0) return static_cast<ncclResult_t>(call.code);
  const Communicator communicator = find(handle);
  if (const ncclResult_t code = check_ready(communicator); code != ncclSuccess) return code;
  answer(*communicator);
  return ncclSuccess;
}

bool is_config(const ncclConfig_t* config) { return config == nullptr || config->magic == 0xcafebeef; }

}  // namespace

extern "C" {

ncclResult_t ncclGetVersion(int* version) {
  const Call call = enter(__func__);
  *version = NCCL_VERSION_CODE;
  return static_cast<ncclResult_t>(call.code);
}
const char* ncclGetErrorString(ncclResult_t code) {
  constexpr const char* kTexts[] = {"no error",
                                    "unhandled cuda error",
                                    "unhandled system error",
                                    "internal error",
                                    "invalid argument",
                                    "invalid usage",
                                    "remote process exited or there was a network error",
                                    "NCCL operation in progress"};
  return code >= 0 && code < ncclNumResults ? kTexts[code] : "unknown result code";
}
const char* ncclGetLastError(ncclComm_t handle) {
  static thread_local std::string text;
  const Communicator communicator = find(handle);
  text = communicator ? communicator->why() : "";
  return text.c_str();
}

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  const Call call = enter(__func__);
  return call.code != 0 ? static_cast<ncclResult_t>(call.code) : make_id(*id);
}
ncclResult_t ncclCommInitRankConfig(ncclComm_t* handle, int ranks, ncclUniqueId id, int rank, ncclConfig_t* config) {
  const Call call = enter(__func__);
  *handle = nullptr;
  if (call.code != 0) return refuse(static_cast<ncclResult_t>(call.code));
  if (ranks < 1 || rank < 0 || rank >= ranks || !is_config(config)) return refuse(ncclInvalidArgument);
  const Communicator made = add(config, nullptr);
  *handle = made.get();
  return submit(
      {.communicator = made, .call = call, .job = [made, id, rank, ranks] { return made->connect(id, rank, ranks); }});
}
ncclResult_t ncclCommInitRank(ncclComm_t* handle, int ranks, ncclUniqueId id, int rank) {
  return ncclCommInitRankConfig(handle, ranks, id, rank, nullptr);
}
ncclResult_t ncclCommSplit(ncclComm_t handle, int color, int key, ncclComm_t* part_handle, ncclConfig_t* config) {
  const Call call = enter(__func__);
  *part_handle = nullptr;
  if (call.code != 0) return refuse(static_cast<ncclResult_t>(call.code));
  const Communicator communicator = find(handle);
  if (const ncclResult_t code = check_ready(communicator); code != ncclSuccess) return refuse(code);
  if (!is_config(config) || (color < 0 && color != NCCL_SPLIT_NOCOLOR)) return refuse(ncclInvalidArgument);
  const Communicator part = color == NCCL_SPLIT_NOCOLOR ? nullptr : add(config, communicator);
  // The part's handle is there when this is done, well or not, and written by the thread that does it, as NCCL does.
  return submit({.communicator = communicator, .call = call, .job = [communicator, color, key, part, part_handle] {
                   const ncclResult_t code = communicator->split(color, key, part);
                   if (!part) return code;
                   part->set_state(code);
                   std::atomic_ref(*part_handle).store(part.get(), std::memory_order_release);
                   return code;
                 }});
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t handle, ncclResult_t* state) {
  const Call call = enter(__func__);
  const Communicator communicator = find(handle);
  if (call.code != 0 || !communicator)
    return call.code != 0 ? static_cast<ncclResult_t>(call.code) : ncclInvalidArgument;
  *state = communicator->state();
  return ncclSuccess;
}
ncclResult_t ncclCommCount(const ncclComm_t handle, int* count) {
  return ask(__func__, handle, [&](const ncclComm& communicator) { *count = communicator.ranks; });
}
ncclResult_t ncclCommUserRank(const ncclComm_t handle, int* rank) {
  return ask(__func__, handle, [&](const ncclComm& communicator) { *rank = communicator.rank; });
}
ncclResult_t ncclCommCuDevice(const ncclComm_t handle, int* device) {
  return ask(__func__, handle, [&](const ncclComm& communicator) { *device = communicator.device; });
}

ncclResult_t ncclCommFinalize(ncclComm_t handle) {
  const Call call = enter(__func__);
  if (call.code != 0) return static_cast<ncclResult_t>(call.code);
  const Communicator communicator = find(handle);
  if (const ncclResult_t code = check_ready(communicator); code != ncclSuccess) return code;
  communicator->is_finalized = true;
  return submit(
      {.communicator = communicator, .call = call, .job = [communicator] { return communicator->finalize(); }});
}
/// Of one that was not finalized it does that first, and waits: for ever after an error, as the real one may.
ncclResult_t ncclCommDestroy(ncclComm_t handle) {
  const Call call = enter(__func__);
  if (call.code != 0) return static_cast<ncclResult_t>(call.code);
  const Communicator communicator = find(handle);
  if (!communicator) return ncclInvalidArgument;
  communicator->join_job();
  if (!communicator->is_finalized) (void)communicator->finalize();
  communicator->profile.close();
  remove(communicator);
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t handle) {
  const Call call = enter(__func__);
  if (call.code != 0) return static_cast<ncclResult_t>(call.code);
  const Communicator communicator = find(handle);
  if (!communicator) return ncclInvalidArgument;
  communicator->abort();
  communicator->profile.close();
  remove(communicator);
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  const Call call = enter(__func__);
  if (call.code != 0) return static_cast<ncclResult_t>(call.code);
  ++group().depth;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  const Call call = enter(__func__);
  Group& own = group();
  if (own.depth == 0) return ncclInvalidUsage;
  if (--own.depth > 0) return own.error;
  const std::vector<Request> requests = std::exchange(own.requests, {});
  const ncclResult_t error = std::exchange(own.error, ncclSuccess);
  if (call.code != 0) return static_cast<ncclResult_t>(call.code);
  return error != ncclSuccess ? error : start(requests);
}

ncclResult_t ncclAllReduce(const void* send, void* receive, size_t count, ncclDataType_t type, ncclRedOp_t reduction,
                           ncclComm_t comm, cudaStream_t stream) {
  return operate(__func__, {Kind::all_reduce, send, receive, count, type, reduction}, comm, stream);
}
ncclResult_t ncclReduceScatter(const void* send, void* receive, size_t count, ncclDataType_t type,
                               ncclRedOp_t reduction, ncclComm_t comm, cudaStream_t stream) {
  return operate(__func__, {Kind::reduce_scatter, send, receive, count, type, reduction}, comm, stream);
}
ncclResult_t ncclAllGather(const void* send, void* receive, size_t count, ncclDataType_t type, ncclComm_t comm,
                           cudaStream_t stream) {
  return operate(__func__, {Kind::all_gather, send, receive, count, type}, comm, stream);
}
ncclResult_t ncclAlltoAll(const void* send, void* receive, size_t count, ncclDataType_t type, ncclComm_t comm,
                          cudaStream_t stream) {
  return operate(__func__, {Kind::all_to_all, send, receive, count, type}, comm, stream);
}
ncclResult_t ncclReduce(const void* send, void* receive, size_t count, ncclDataType_t type, ncclRedOp_t reduction,
                        int root, ncclComm_t comm, cudaStream_t stream) {
  return operate(__func__, {Kind::reduce, send, receive, count, type, reduction, root}, comm, stream);
}
ncclResult_t ncclBroadcast(const void* send, void* receive, size_t count, ncclDataType_t type, int root,
                           ncclComm_t comm, cudaStream_t stream) {
  return operate(__func__, {Kind::broadcast, send, receive, count, type, ncclSum, root}, comm, stream);
}
ncclResult_t ncclGather(const void* send, void* receive, size_t count, ncclDataType_t type, int root, ncclComm_t comm,
                        cudaStream_t stream) {
  return operate(__func__, {Kind::gather, send, receive, count, type, ncclSum, root}, comm, stream);
}
ncclResult_t ncclScatter(const void* send, void* receive, size_t count, ncclDataType_t type, int root, ncclComm_t comm,
                         cudaStream_t stream) {
  return operate(__func__, {Kind::scatter, send, receive, count, type, ncclSum, root}, comm, stream);
}
ncclResult_t ncclSend(const void* send, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return operate(__func__, {Kind::send, send, nullptr, count, type, ncclSum, peer}, comm, stream);
}
ncclResult_t ncclRecv(void* receive, size_t count, ncclDataType_t type, int peer, ncclComm_t comm,
                      cudaStream_t stream) {
  return operate(__func__, {Kind::receive, nullptr, receive, count, type, ncclSum, peer}, comm, stream);
}

}  // extern "C"

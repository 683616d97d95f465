#include "tests/fakes/cuda/nccl/communicator.hpp"

#include <cstdio>
#include <utility>

#include "tests/fakes/cuda/nccl/reduce.hpp"
#include "tests/fakes/cuda/runtime/link.hpp"

using namespace grit::fake;

namespace {

constexpr double kForEver_s = 1e6;

/// What an operation reads and writes, in elements.
struct Extent {
  std::size_t send, receive;
};
Extent extent_of(const Operation& operation, std::size_t ranks, bool is_root) {
  const std::size_t count = operation.count;
  switch (operation.kind) {
    case Kind::reduce_scatter:
      return {ranks * count, count};
    case Kind::all_gather:
      return {count, ranks * count};
    case Kind::all_to_all:
      return {ranks * count, ranks * count};
    case Kind::broadcast:
      return {is_root ? count : 0, count};
    case Kind::reduce:
      return {count, is_root ? count : 0};
    case Kind::gather:
      return {count, is_root ? ranks * count : 0};
    case Kind::scatter:
      return {is_root ? ranks * count : 0, count};
    case Kind::send:
      return {count, 0};
    case Kind::receive:
      return {0, count};
    default:
      return {count, count};
  }
}

}  // namespace

ncclResult_t ncclComm::state() {
  const std::lock_guard lock(mutex_);
  return state_;
}

/// The first error stays.
void ncclComm::set_state(ncclResult_t state, const std::string& why) {
  const std::lock_guard lock(mutex_);
  if (state_ != ncclSuccess && state_ != ncclInProgress) return;
  state_ = state;
  if (!why.empty()) {
    why_ = "FAKE: " + why;
    std::fprintf(stderr, "FAKE NCCL: rank %d of %d: %s\n", rank, ranks, why.c_str());
  }
}

const char* ncclComm::why() {
  const std::lock_guard lock(mutex_);
  return why_.c_str();
}

ncclResult_t ncclComm::start(const Call& call, std::function<ncclResult_t()> job) {
  if (is_blocking) {
    const ncclResult_t result = job();
    set_state(result);
    return result;
  }
  join_job();
  set_state(ncclInProgress);
  job_ = std::thread([this, call, job = std::move(job)] {
    grit_fake_set_device(device);
    const ncclResult_t result = cancel_.wait_s(call.progress_s) ? ncclInternalError : job();
    set_state(call.async_code != 0 ? static_cast<ncclResult_t>(call.async_code) : result);
  });
  return ncclInProgress;
}

void ncclComm::join_job() {
  if (job_.joinable()) job_.join();
}

void ncclComm::abort() {
  cancel_.set();
  {
    std::unique_lock lock(mutex_);
    if (part_) part_->cancel_.set();
    changed_.notify_all();
    changed_.wait(lock, [&] { return running_ == 0; });
  }
  join_job();
}

void ncclComm::wait_for_operations() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return done_ == issued_ || cancel_.is_set(); });
}

ncclResult_t ncclComm::launch(const std::vector<Operation>& operations, cudaStream_t stream, const Call& call) {
  std::uint64_t number = 0;
  {
    const std::lock_guard lock(mutex_);
    number = issued_++;
  }
  std::vector<Operation> told = operations;
  for (Operation& one : told) one.told = profile.begin(one);
  const Work work = [self = shared_from_this(), told, call, number] { return self->run(told, call, number); };
  if (grit_fake_enqueue(stream, 0, 0, work) == cudaSuccess) return ncclSuccess;
  const std::lock_guard lock(mutex_);
  --issued_;
  return ncclUnhandledCudaError;
}

/// On a stream's thread. Operations of a communicator follow each other, whatever streams they are on.
cudaError_t ncclComm::run(const std::vector<Operation>& operations, const Call& call, std::uint64_t number) {
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_ == number || cancel_.is_set(); });
    if (cancel_.is_set()) return cudaSuccess;
    ++running_;
  }
  cudaError_t code = cudaSuccess;
  for (const Operation& one : operations) {
    const Extent extent = extent_of(one, static_cast<std::size_t>(ranks), one.root == rank);
    if (!grit_fake_reaches(one.send, extent.send * element_bytes(one.type)) ||
        !grit_fake_reaches(one.receive, extent.receive * element_bytes(one.type)))
      code = cudaErrorIllegalAddress;
  }
  if (code == cudaSuccess && !cancel_.wait_s(call.delay_s)) {
    std::vector<ChannelHandles> channels;
    for (const Operation& one : operations) channels.push_back(profile.begin_channels(one.told, device));
    ncclResult_t result = static_cast<ncclResult_t>(call.async_code);
    if (result != ncclSuccess)
      set_state(result, "an asynchronous error, as scripted");
    else
      result = result_of(perform(operations));
    if (result != ncclSuccess) (void)cancel_.wait_s(kForEver_s);
    for (const ChannelHandles& one : channels) profile.end_channels(one, device);
  }
  const std::lock_guard lock(mutex_);
  ++done_, --running_;
  changed_.notify_all();
  return code;
}

ncclResult_t ncclComm::result_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::done:
      return ncclSuccess;
    case Outcome::cancelled:
      return ncclInternalError;
    case Outcome::peer_lost:
      set_state(ncclRemoteError, "the connection to a peer was closed");
      return ncclRemoteError;
    default:
      set_state(ncclInvalidUsage, "a peer does another operation, or one of another size");
      return ncclInvalidUsage;
  }
}

ncclResult_t ncclComm::finalize() {
  wait_for_operations();
  std::vector<Lane> all = lanes();
  for (Lane& lane : all) {
    lane.add_send(static_cast<std::uint32_t>(Kind::finalize), nullptr, 0);
    lane.add_receive(static_cast<std::uint32_t>(Kind::finalize), nullptr, 0);
  }
  return result_of(exchange_all(all, cancel_));
}

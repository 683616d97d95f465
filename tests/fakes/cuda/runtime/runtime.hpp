// The state of the fake CUDA runtime: devices, streams, events, memory. One mutex guards all of it; work runs without
// it.
//
// A stream is a thread that does its work in order. It has done the n-th piece when done >= n, and whoever waits for
// that (a host thread, another stream) waits on one condition variable.
#pragma once

#include <cuda_runtime_api.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "tests/fakes/cuda/runtime/link.hpp"
#include "tests/fakes/cuda/script.hpp"

namespace grit::fake {

using Clock = std::chrono::steady_clock;
using Lock = std::unique_lock<std::mutex>;

/// A piece of a stream's work.
struct Ticket {
  std::shared_ptr<CUstream_st> stream{};
  std::uint64_t number = 0;
};

struct Piece {
  Work run;
  std::vector<Ticket> after;  // what of other streams comes before it
};

}  // namespace grit::fake

struct CUstream_st {
  int device = 0;
  unsigned flags = cudaStreamDefault;
  int priority = 0;
  bool is_legacy = false;  // the device's stream 0
  bool closing = false;    // its handle is none any more; its thread ends when the work is done
  std::deque<grit::fake::Piece> queue{};
  std::uint64_t enqueued = 0;
  std::uint64_t done = 0;
};

struct CUevent_st {
  int device = 0;
  unsigned flags = cudaEventDefault;
  grit::fake::Ticket record{};  // the last one; without a stream: none yet
  std::shared_ptr<grit::fake::Clock::time_point> time{};
};

namespace grit::fake {

enum class Place { device, host, registered, managed };

/// A piece of memory that the runtime knows.
struct Block {
  Place place = Place::device;
  std::size_t size_bytes = 0;
  int device = 0;
  unsigned flags = 0;
};

struct Device {
  cudaError_t failed = cudaSuccess;  // what all calls return from now on
  std::size_t used_bytes = 0;
  std::shared_ptr<CUstream_st> legacy{};
};

struct Runtime {
  std::mutex mutex{};
  std::condition_variable changed{};
  std::vector<Device> devices{};
  std::map<CUstream_st*, std::shared_ptr<CUstream_st>> streams{};  // by handle; also the devices' own
  std::map<CUevent_st*, std::shared_ptr<CUevent_st>> events{};
  std::map<std::uintptr_t, Block> blocks{};  // by address

  /// Finds the devices, once. Error: there is none; the driver is too old.
  cudaError_t start();
  /// The stream of a handle; none for one that is no stream. 0 is the current device's own.
  std::shared_ptr<CUstream_st> find_stream(cudaStream_t handle);
  std::shared_ptr<CUstream_st> add_stream(int device, unsigned flags, int priority, bool is_legacy);
  /// Gives the stream work, in the order that stream 0 has with the others.
  Ticket enqueue(const std::shared_ptr<CUstream_st>& stream, const Call& call, Work run,
                 std::vector<Ticket> after = {});
  /// Returns when the piece is done. Error: its device's failure, also when the piece is not done and never will be.
  cudaError_t wait(const Ticket& ticket, Lock& lock);
  /// The same, but when the piece is done in any case: what it touches is the caller's.
  cudaError_t wait_to_the_end(const Ticket& ticket, Lock& lock);
  /// The same of all work on a device.
  cudaError_t wait_for_device(int device, Lock& lock);
  [[nodiscard]] static bool is_done(const Ticket& ticket);
  /// The block that has all these bytes; none: no block does.
  const Block* find_block(const void* address, std::size_t size_bytes);
};

Runtime& runtime();

/// The calling thread's device, and the last error of its calls.
int& current_device();
cudaError_t& last_error();

/// What the script says of this device: lost, or well.
cudaError_t state_of(int device);

enum class Needs { nothing, device };

/// A function of the API: does what the script says, refuses when the device has failed, notes an error.
template <class Body>
cudaError_t api(const char* function, Needs needs, Body body) {
  const Call call = enter(function);
  auto code = static_cast<cudaError_t>(call.code);
  Lock lock(runtime().mutex);
  if (code == cudaSuccess && needs == Needs::device) code = runtime().start();
  if (code == cudaSuccess && needs == Needs::device) code = state_of(current_device());
  if (code == cudaSuccess) code = body(call, lock);
  if (code != cudaSuccess) last_error() = code;
  return code;
}

}  // namespace grit::fake

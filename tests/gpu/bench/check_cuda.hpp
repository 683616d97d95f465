// The CUDA runtime, called directly: an error of it ends a measurement.
#pragma once

#include <cuda_runtime.h>
#include <fmt/format.h>

#include <string_view>

#include "tests/gpu/bench/bench.hpp"

namespace grit::bench {

inline void check_cuda(cudaError_t code, std::string_view call) {
  if (code != cudaSuccess) give_up(fmt::format("{}: {}", call, cudaGetErrorString(code)));
}

/// A stream of one's own.
class BareStream {
 public:
  BareStream() { check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreateWithFlags"); }
  BareStream(const BareStream&) = delete;
  BareStream& operator=(const BareStream&) = delete;
  ~BareStream() { cudaStreamDestroy(stream_); }
  [[nodiscard]] cudaStream_t get() const { return stream_; }
  void wait() const { check_cuda(cudaStreamSynchronize(stream_), "cudaStreamSynchronize"); }

 private:
  cudaStream_t stream_ = nullptr;
};

}  // namespace grit::bench

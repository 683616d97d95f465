// NCCL, called directly, as nccl-tests does it: one communicator of all ranks on one stream.
#pragma once

#include <nccl.h>

#include "harness/model/collective_record.hpp"
#include "tests/gpu/bench/check_cuda.hpp"
#include "tests/gpu/bench/file_bootstrap.hpp"

namespace grit::bench {

class BareNccl {
 public:
  /// Collective; on the calling thread's device. Ends the program where NCCL refuses.
  explicit BareNccl(FileBootstrap& bootstrap);
  BareNccl(const BareNccl&) = delete;
  BareNccl& operator=(const BareNccl&) = delete;
  ~BareNccl();

  /// An all-reduce, reduce-scatter or all-gather of fp32. `count`: as OperationCall has it.
  void begin(CollectiveOperation operation, const float* send, float* receive, std::size_t count);
  /// Returns when all that was begun is done. Polls, as grit's communicators do.
  void wait();

 private:
  ncclComm_t communicator_ = nullptr;
  BareStream stream_{};
};

}  // namespace grit::bench

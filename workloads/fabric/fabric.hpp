// How gradients travel between ranks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "harness/base/result.hpp"
#include "workloads/compute/compute.hpp"

namespace grit {

enum class DataType { fp32, bf16, fp16 };
std::size_t bytes_per_element(DataType type);

/// Sums buffers over all ranks. One step's collectives are begun in the same order on every rank.
class Fabric : public Progress {
 public:
  [[nodiscard]] virtual int rank() const = 0;
  [[nodiscard]] virtual int size() const = 0;
  /// Starts an in-place sum. The buffer stays untouched by the caller until wait_all() returns.
  virtual Status allreduce_begin(void* buffer, std::size_t count, DataType type) = 0;
  /// Returns when every collective begun has ended.
  virtual Status wait_all() = 0;
};

}  // namespace grit

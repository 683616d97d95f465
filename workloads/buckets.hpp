// How gradients are put together into buckets, one collective each.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "workloads/models.hpp"

namespace grit {

/// A contiguous part of the gradient buffer that is reduced as a whole.
struct Bucket {
  std::size_t first_element = 0;
  std::size_t elements = 0;
  std::size_t ready_after_layer = 0;  // complete once the backward pass has done this layer
};

/// PyTorch's DistributedDataParallel starts with a smaller bucket, so that the first collective starts early:
/// kDefaultFirstBucketBytes in torch/csrc/distributed/c10d/reducer.hpp.
constexpr double kFirstBucketBytes = 1024.0 * 1024.0;
/// bucket_cap_mb = 25, counted in MiB (torch/nn/parallel/distributed.py).
constexpr double kDefaultBucketBytes = 25.0 * 1024.0 * 1024.0;

/// Buckets in the order in which they become ready: tensors are taken in reverse order of registration, none is split,
/// and a bucket is closed by the tensor with which it reaches its cap (Li et al. 2020, "PyTorch Distributed", VLDB
/// 13(12), §3.2; compute_bucket_assignment_by_size in reducer.cpp). Their elements follow each other in one buffer.
std::vector<Bucket> plan_buckets(std::span<const ModelLayer> layers, std::size_t element_bytes, double first_cap_bytes,
                                 double cap_bytes);

}  // namespace grit

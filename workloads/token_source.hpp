// Where a rank's training data come from: made up, or read from files by processes beside it. Any workload with an
// input phase takes it with token_source_params() among its parameters, and next() for each micro-batch.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "workloads/workload.hpp"

namespace grit {

class TokenSource {
 public:
  TokenSource() = default;
  TokenSource(const TokenSource&) = delete;
  TokenSource& operator=(const TokenSource&) = delete;
  virtual ~TokenSource() = default;

  /// Draws the next micro-batch, and waits for it where it is not there yet. Returns how many words of what was read
  /// were wrong. Error (unavailable): the data cannot be read, or who reads them has ended.
  virtual Result<std::uint64_t> next() = 0;
  /// Of the micro-batch; one more than the sequence: the last one is only predicted.
  [[nodiscard]] virtual std::span<const std::uint32_t> tokens() const = 0;
  /// For Workload::description().
  [[nodiscard]] virtual Json description() const = 0;
};

/// `input` and what belongs to it.
std::vector<ParamSpec> token_source_params();

/// What the micro-batches are.
struct TokenShape {
  int vocabulary = 0;
  int sequence = 0;
  int sample = 0;                // which part of the data: ranks of the same number have the same
  std::int64_t first_batch = 0;  // with which next() begins: a job that goes on from another has those before it behind
};

/// Of this rank. Files are in context.checkpoint_directory, without a name, and their readers have started when this
/// returns: as children of the calling thread, with its affinity and its nice value. Error (usage): more memory or disk
/// than there is; (unavailable): the file cannot be made.
Result<std::unique_ptr<TokenSource>> make_token_source(const Params& params, const WorkloadContext& context,
                                                       const TokenShape& shape);

}  // namespace grit

// Training data from files: a rank's own file, the processes that read it ahead, and the rank that takes what they
// made.
#pragma once

#include <memory>

#include "workloads/token_source.hpp"

namespace grit {

constexpr int kMostInputWorkers = 64;

/// make_token_source() with input = "files". Before it returns the rank's file is written and flushed, and its workers
/// have been started (input_ring.hpp). next() takes the batches in order; while it waits it looks four times a second
/// whether the worker lives. The rank checks every word, and makes token ids of the batch's 32-bit halves, repeated
/// where the batch is shorter than the sequence.
Result<std::unique_ptr<TokenSource>> make_input_loader(const Params& params, const WorkloadContext& context,
                                                       const TokenShape& tokens);

}  // namespace grit

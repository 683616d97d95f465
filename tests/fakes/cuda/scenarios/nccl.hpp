// What the scenarios of NCCL share.
#pragma once

#include <nccl.h>

#include "tests/fakes/cuda/scenarios/scenario.hpp"

namespace grit::scenarios {

/// The identity that rank 0 made, by a file of the scenario's directory.
ncclUniqueId exchange_id(const Rank& rank);
/// Starts a communicator over all ranks that does not block; the device has the rank's number.
ncclComm_t begin(const Rank& rank);
/// Returns when it is no longer in progress: its state.
ncclResult_t settle(ncclComm_t comm);
/// begin() and settle().
ncclComm_t open(const Rank& rank);
/// What a user does after each call: waits until it is no longer in progress, and expects success.
void expect_done(ncclResult_t code, ncclComm_t comm);
/// The first error that the communicator has asynchronously.
ncclResult_t await_error(ncclComm_t comm);
/// Returns when all ranks have called it with this word.
void meet(const Rank& rank, const std::string& word);
/// Finalizes and destroys.
void close(ncclComm_t comm);

}  // namespace grit::scenarios

// NCCL's own account of a job that hangs: its RAS subsystem knows who has begun how many collectives.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "harness/base/result.hpp"

namespace grit {

/// Where RAS listens on this node: NCCL_RAS_ADDR, else localhost:28028 (NCCL's documentation, "RAS").
std::string nccl_ras_address();

/// What RAS answers to VERBOSE STATUS, as JSON (NCCL 2.28.7 or newer). It asks all processes of the job, and waits for
/// those that are gone. Error (unavailable): nobody listens, RAS does not know JSON, or the answer is not whole within
/// `patience_ns`. What the system takes to resolve a host's name comes on top: an address in numbers takes none.
Result<std::string> ask_nccl_ras(const std::string& address, std::int64_t patience_ns);

/// That answer in a sentence: which ranks have begun fewer collectives than others of their communicator, and which do
/// not answer. RAS counts what was launched, and knows no times. Error (usage): it is not as documented.
Result<std::string> read_nccl_ras(std::string_view answer);

/// For the end of a message on a hang: "; RAS: ..." with what was read, or "; RAS did not answer (why)". Never fails.
std::string nccl_ras_words(const std::string& address, std::int64_t patience_ns);

}  // namespace grit

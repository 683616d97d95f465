// What an event tells that ends a run: read by the recorder, which then ends the run everywhere, and by the analysis,
// which names the first of them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "harness/base/json.hpp"

namespace grit {

struct EndCause {
  enum class Kind {
    rank_death,
    node_loss,
    hang,
    corruption,
    failed,         // a rank gave up, or a fault could not be taken off
    recorder_loss,  // an agent heard nothing of it for too long
    stood_still,    // nothing of the job ran on a node for some seconds
    interrupted,    // by whoever started the run
    told_to_end,    // a rank or an agent got SIGTERM: by the launcher because of another cause, or by somebody
  };
  Kind kind = Kind::failed;
  std::int64_t node = -1;  // what it happened to
  std::int64_t rank = -1;  // -1: no certain one
  std::int64_t clock = 0;  // the node whose clock t_ns was read from
  std::int64_t t_ns = 0;   // when it happened: of a lost node, when it was last heard of
};

/// Nothing: this event ends no run, or it is not as documented (harness/model/event.hpp).
std::optional<EndCause> end_cause_in(const Json& event);

/// Verdict::outcome of a run that ends by it.
std::string_view outcome_of(EndCause::Kind kind);

}  // namespace grit

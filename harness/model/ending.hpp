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
    not_recorded,   // the recorder could not write down what it heard: a full disk
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

/// With which exit code the ranks leave that are ended because of an event of this type, so that the launcher, which
/// gives on the code of the first one, says what grit has to say: 70 when a fault does not come off, 69 when nothing
/// can be written down. 0: they are killed, for what has happened to the job is for the launcher to tell.
int ranks_exit_code(std::string_view type);

}  // namespace grit

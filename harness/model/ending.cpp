#include "harness/model/ending.hpp"

#include "harness/base/json_fields.hpp"
#include "harness/base/result.hpp"

namespace grit {
namespace {

std::optional<EndCause::Kind> kind_of(const Json& event, bool of_a_rank) {
  using Kind = EndCause::Kind;
  if (has_text(event, "type", "rank_died")) return Kind::rank_death;
  if (has_text(event, "type", "node_lost")) return Kind::node_loss;
  if (has_text(event, "type", "hang")) return Kind::hang;
  if (has_text(event, "type", "corruption")) return Kind::corruption;
  if (has_text(event, "type", "stood_still")) return Kind::stood_still;
  if (has_text(event, "type", "recorder_lost")) return Kind::recorder_loss;
  if (has_text(event, "type", "agent_stopped")) return Kind::told_to_end;
  if (has_text(event, "type", "run") && has_text(event, "state", "failed")) return Kind::failed;
  if (has_text(event, "type", "run") && has_text(event, "state", "interrupted"))
    return of_a_rank ? Kind::told_to_end : Kind::interrupted;
  if (has_text(event, "type", "not_recorded")) return Kind::not_recorded;
  const auto ok = event.find("ok");
  const bool failed = ok != event.end() && ok->is_boolean() && !ok->get<bool>();
  if (has_text(event, "type", "fault") && has_text(event, "action", "reverted") && failed) return Kind::failed;
  return std::nullopt;
}

}  // namespace

std::optional<EndCause> end_cause_in(const Json& event) {
  if (!event.is_object()) return std::nullopt;
  EndCause cause;
  cause.node = cause.clock = integer_at(event, "node", 0);
  cause.rank = integer_at(event, "rank", -1);
  cause.t_ns = integer_at(event, "t_ns", 0);
  const auto kind = kind_of(event, cause.rank >= 0);
  if (!kind) return std::nullopt;
  cause.kind = *kind;
  if (cause.kind != EndCause::Kind::node_loss) return cause;
  cause.node = integer_at(event, "lost_node", -1);
  const std::int64_t heard_ns = integer_at(event, "last_heard_ns", 0);
  if (heard_ns > 0) cause.t_ns = heard_ns;
  return cause;
}

std::string_view outcome_of(EndCause::Kind kind) {
  switch (kind) {
    case EndCause::Kind::rank_death:
      return "rank_death";
    case EndCause::Kind::node_loss:
      return "node_loss";
    case EndCause::Kind::hang:
      return "hang";
    case EndCause::Kind::corruption:
      return "corruption";
    case EndCause::Kind::stood_still:
    case EndCause::Kind::interrupted:
    case EndCause::Kind::told_to_end:
      return "interrupted";
    case EndCause::Kind::failed:
    case EndCause::Kind::recorder_loss:
    case EndCause::Kind::not_recorded:
      return "failed";
  }
  return "failed";
}

int ranks_exit_code(std::string_view type) {
  if (type == "fault") return static_cast<int>(ErrorKind::internal);
  if (type == "not_recorded") return static_cast<int>(ErrorKind::unavailable);
  return 0;
}

}  // namespace grit

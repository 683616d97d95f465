#include "harness/model/ending.hpp"

namespace grit {
namespace {

std::int64_t integer_at(const Json& event, const char* key, std::int64_t otherwise) {
  const auto found = event.find(key);
  return found != event.end() && found->is_number_integer() ? found->get<std::int64_t>() : otherwise;
}

bool has(const Json& event, const char* key, std::string_view text) {
  const auto found = event.find(key);
  return found != event.end() && found->is_string() && found->get_ref<const std::string&>() == text;
}

std::optional<EndCause::Kind> kind_of(const Json& event, bool of_a_rank) {
  using Kind = EndCause::Kind;
  if (has(event, "type", "rank_died")) return Kind::rank_death;
  if (has(event, "type", "node_lost")) return Kind::node_loss;
  if (has(event, "type", "hang")) return Kind::hang;
  if (has(event, "type", "corruption")) return Kind::corruption;
  if (has(event, "type", "stood_still")) return Kind::stood_still;
  if (has(event, "type", "recorder_lost")) return Kind::recorder_loss;
  if (has(event, "type", "agent_stopped")) return Kind::told_to_end;
  if (has(event, "type", "run") && has(event, "state", "failed")) return Kind::failed;
  if (has(event, "type", "run") && has(event, "state", "interrupted"))
    return of_a_rank ? Kind::told_to_end : Kind::interrupted;
  const auto ok = event.find("ok");
  const bool failed = ok != event.end() && ok->is_boolean() && !ok->get<bool>();
  if (has(event, "type", "fault") && has(event, "action", "reverted") && failed) return Kind::failed;
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
      return "failed";
  }
  return "failed";
}

}  // namespace grit

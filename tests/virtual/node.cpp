#include "tests/virtual/node.hpp"

#include <utility>

#include "harness/base/json_fields.hpp"
#include "harness/model/event.hpp"
#include "tests/catch.hpp"

namespace grit::testing {
namespace {

Segment segment_of(const Node& node, FaultBoard& board) {
  auto segment = Segment::create(static_cast<int>(node.ranks.size()));
  REQUIRE(segment.has_value());
  for (std::size_t i = 0; i < node.ranks.size(); ++i) segment->slots()[i].rank = node.ranks[i];
  board.add_node(segment->control());
  return std::move(*segment);
}

/// Without processes: nobody signals them.
NodeRanks ranks_of(const Segment& segment) {
  NodeRanks ranks{.control = &segment.control()};
  for (RankSlot& slot : segment.slots()) ranks.all.push_back({ProcessIdentity{}, &slot});
  return ranks;
}

}  // namespace

VirtualNode::VirtualNode(const Plan& plan, int index, const std::filesystem::path& run_directory, Wire& wire,
                         FaultBoard& board)
    : plan_(plan),
      index_(index),
      wire_(wire),
      segment_(segment_of(plan.topology.nodes[static_cast<std::size_t>(index)], board)),
      windows_(
          plan, index, run_directory / "journal" / "virtual.jsonl", [this](const Json& event) { emit(event); },
          ranks_of(segment_)),
      checks_(index, plan.topology.local_cluster, [this](const Json& event) { emit(event); }),
      hang_(plan.design.hang_ns) {
  const Status available = windows_.check_available();
  INFO((available ? std::string() : available.error().message));
  REQUIRE(available.has_value());
  wire_.to_recorder(index_, MessageKind::hello);
}

void VirtualNode::emit(const Json& event) { wire_.to_recorder(index_, MessageKind::event, json_text(event)); }

void VirtualNode::arm(const Block& block) {
  block_ = block;
  windows_.arm(block);
}

void VirtualNode::say_block(std::string_view edge) {
  Json event = make_event("block", index_);
  event["block"] = block_.index;
  event["kind"] = to_string(block_.kind);
  event["edge"] = edge;
  emit(event);
}

void VirtualNode::report_usage(std::string_view edge, Json usage) {
  Json event = make_event("usage", index_);
  event["block"] = block_.index;
  event["edge"] = edge;
  event.update(usage);
  emit(event);
}

void VirtualNode::begin_block(const Json& usage) {
  for (RankSlot& slot : slots()) {
    slot.step_in_block = 0;
    slot.block_entered_ns = monotonic_ns();
    slot.block_entered = block_.index;
  }
  windows_.start(monotonic_ns());
  act();
  say_block("begin");
  report_usage("begin", usage);
}

void VirtualNode::end_block(const Json& usage) {
  for (RankSlot& slot : slots()) slot.block_left = block_.index;
  windows_.end(RevertReason::block_end);
  report_usage("end", usage);
  checks_.end_block(block_.index);
  send_records();
  say_block("end");
}

void VirtualNode::act() {
  if (windows_.waits_for_step()) windows_.step_begun(slots()[0].step_in_block, monotonic_ns());
  for (auto due = windows_.next_action_ns(); due && *due <= monotonic_ns(); due = windows_.next_action_ns())
    windows_.act(monotonic_ns());
}

void VirtualNode::observe(bool link_is_up, const std::set<int>& stopped) {
  for (std::size_t i = 0; i < plan_.checks.size(); ++i)
    checks_.take({.label = plan_.checks[i].name, .info = find_check(plan_.checks[i].name)->info}, block_.index,
                 {.place = i,
                  .outcomes = {{.severity = link_is_up ? Severity::ok : Severity::critical,
                                .subject = "eth0",
                                .detail = link_is_up ? "is up" : "is down"}},
                  .began_ns = monotonic_ns(),
                  .ended_ns = monotonic_ns()});
  wire_.to_recorder(index_, MessageKind::heartbeat);
  const auto waited_ns = hang_.look(slots(), monotonic_ns());
  if (!waited_ns) return;
  Json event = make_event("hang", index_);
  event["block"] = block_.index;
  event["waited_ns"] = *waited_ns;
  event["ranks"] = Json::array();
  for (const RankSlot& slot : slots())
    event["ranks"].push_back({{"rank", slot.rank},
                              {"step", slot.step_in_block.load()},
                              {"phase", to_string(static_cast<Phase>(slot.phase.load()))},
                              {"stopped", stopped.contains(slot.rank)}});
  emit(event);
}

void VirtualNode::tell_death(const RankSlot& slot) {
  Json event = make_event("rank_died", index_);
  event["rank"] = slot.rank;
  event["pid"] = 1000 + slot.rank;
  emit(event);
  windows_.take_off(RevertReason::rank_died);
}

std::optional<std::string> VirtualNode::listen() {
  std::optional<std::string> end;
  while (const auto message = wire_.to_agent(index_)) {
    if (message->kind != MessageKind::end || std::exchange(ended_, true)) continue;
    const auto cause = parse_json(message->payload);
    REQUIRE(cause.has_value());
    end = text_at(*cause, "type");
  }
  return end;
}

void VirtualNode::end_run(const std::string& why, const std::vector<int>& ranks) {
  windows_.take_off(RevertReason::shutdown);
  Json event = make_event("ended", index_);
  event["why"] = why;
  event["ranks"] = ranks;
  emit(event);
  windows_.end(RevertReason::shutdown);
  checks_.end_block(block_.index);
}

void VirtualNode::say_goodbye() {
  windows_.end(RevertReason::shutdown);
  CHECK(windows_.close());
  send_records();
  wire_.to_recorder(index_, MessageKind::goodbye);
}

void VirtualNode::send_records() {
  for (RankSlot& slot : slots()) {
    std::vector<StepRecord> records(slot.steps.waiting());
    records.resize(slot.steps.pop(records));
    if (!records.empty())
      wire_.to_recorder(
          index_, MessageKind::records,
          std::string(reinterpret_cast<const char*>(records.data()), records.size() * sizeof(StepRecord)));
  }
}

}  // namespace grit::testing

#include "harness/run/simulated_events.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>
#include <utility>

#include "harness/base/json_fields.hpp"
#include "harness/model/event.hpp"

namespace grit {
namespace {

constexpr std::array<std::string_view, 5> kTaken{"fault", "acting", "usage", "check_summary", "check_change"};

std::int64_t whole(double t_ns) { return static_cast<std::int64_t>(t_ns); }

std::int64_t end_of(const Upward::PlayedBlock& block, int larger_node, const SimulatedEvents::Ends& ends) {
  const auto found = ends.find({static_cast<std::uint32_t>(larger_node), static_cast<std::uint32_t>(block.block)});
  return found == ends.end() ? whole(block.end_ns) : found->second;
}

}  // namespace

SimulatedEvents::SimulatedEvents(const Plan& plan, const LargerMesh& mesh, std::span<const StepRecord> records,
                                 const JsonLines& measured)
    : plan_(plan), mesh_(mesh), larger_rank_(static_cast<std::size_t>(mesh.measured().ranks())) {
  for (int unit = 0; unit < mesh.units_measured(); ++unit)
    for (int seat = 0; seat < mesh.seats(); ++seat)
      larger_rank_[static_cast<std::size_t>(mesh.measured_rank(unit, seat))] = mesh.rank(unit, seat);
  for (const StepRecord& record : records) {
    Edges& edges = edges_[{record.node, record.block}];
    edges.end_ns = std::max(edges.end_ns, record.end_ns);
  }
  measured.for_each([this](const Json& event) { take(event); });
}

void SimulatedEvents::take(const Json& event) {
  const std::int64_t node = integer_at(event, "node"), block = integer_at(event, "block");
  if (node < 0 || node >= static_cast<std::int64_t>(plan_.topology.nodes.size()) || block < 0) return;
  const std::string type = text_at(event, "type");
  if (type == "block" && has_text(event, "edge", "begin"))
    edges_[{node, block}].begin_ns = integer_at(event, "t_ns", 0);
  if (std::find(kTaken.begin(), kTaken.end(), type) != kTaken.end()) by_block_[block].push_back(event);
  if (type == "look") looks_[block].push_back(event);
}

/// What came after the node's ranks had left the block comes as long after its end. What came in it keeps its part of
/// the time from beginning to end, so that it stays with its step as far as steps are equally long.
Json SimulatedEvents::moved(Json event, const Upward::PlayedBlock& block, const Ends& ends) const {
  const std::int64_t t_ns = integer_at(event, "t_ns", 0), node = integer_at(event, "node");
  const auto found = edges_.find({node, block.block});
  const Edges edges = found == edges_.end() ? Edges{} : found->second;
  const int larger_node = mesh_.node_of(static_cast<int>(node));
  const std::int64_t begin_ns = whole(block.begin_ns), end_ns = end_of(block, larger_node, ends);
  std::int64_t moved_ns = begin_ns;
  if (edges.end_ns > 0 && t_ns >= edges.end_ns)
    moved_ns = end_ns + t_ns - edges.end_ns;
  else if (edges.begin_ns > 0 && edges.begin_ns < edges.end_ns)
    moved_ns += whole(static_cast<double>(end_ns - begin_ns) / static_cast<double>(edges.end_ns - edges.begin_ns) *
                      static_cast<double>(t_ns - edges.begin_ns));
  event["t_ns"] = moved_ns;
  event["node"] = larger_node;
  event.erase("format");
  const auto ranks = event.find("ranks");
  if (has_text(event, "type", "usage") && ranks != event.end() && ranks->is_array())
    for (Json& one : *ranks) {
      const std::int64_t rank = one.is_object() ? integer_at(one, "rank") : -1;
      if (rank >= 0 && rank < static_cast<std::int64_t>(larger_rank_.size()))
        one["rank"] = larger_rank_[static_cast<std::size_t>(rank)];
    }
  return event;
}

/// Those before one of the blocks from `first` up to but for `end`.
Status SimulatedEvents::write_looks(std::int64_t first, std::int64_t end, std::int64_t t_ns,
                                    EventsWriter& events) const {
  for (auto at = looks_.lower_bound(first); at != looks_.end() && at->first < end; ++at)
    for (Json look : at->second) {
      look["t_ns"] = t_ns;
      look["node"] = mesh_.node_of(static_cast<int>(integer_at(look, "node")));
      look.erase("format");
      GRIT_CHECK(events.append(look));
    }
  return {};
}

Status SimulatedEvents::write(const std::vector<Upward::PlayedBlock>& played, const Ends& ends,
                              EventsWriter& events) const {
  std::int64_t looked_before = 0, over_ns = 0;
  for (const Upward::PlayedBlock& block : played) {
    GRIT_CHECK(write_looks(looked_before, block.block + 1, whole(block.begin_ns), events));
    looked_before = block.block + 1;
    over_ns = whole(block.end_ns);
    const auto kind = std::find_if(plan_.blocks.begin(), plan_.blocks.end(), [&](const Block& one) {
                        return one.index == block.block;
                      })->kind;
    const auto edges = [&](const char* which) -> Status {
      for (const Node& node : plan_.topology.nodes) {
        const int larger_node = mesh_.node_of(node.index);
        const bool is_end = std::string_view(which) == "end";
        Json event =
            make_event("block", larger_node, is_end ? end_of(block, larger_node, ends) : whole(block.begin_ns));
        event.update(Json{{"block", block.block}, {"kind", to_string(kind)}, {"edge", which}});
        GRIT_CHECK(events.append(event));
      }
      return {};
    };
    GRIT_CHECK(edges("begin"));
    if (const auto found = by_block_.find(block.block); found != by_block_.end())
      for (const Json& event : found->second) GRIT_CHECK(events.append(moved(event, block, ends)));
    GRIT_CHECK(edges("end"));
  }
  // The look that ended the run comes before a block that there never was.
  return write_looks(looked_before, std::numeric_limits<std::int64_t>::max(), over_ns, events);
}

}  // namespace grit

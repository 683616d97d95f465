#include "analysis/report/export/trace_spans.hpp"

#include <algorithm>

namespace grit {

SpanTracks::SpanTracks(Trace& trace, const Plan& plan, const TimeAxis& axis)
    : trace_(trace), axis_(axis), ranks_(rank_count(plan.topology)) {
  for (const RecordedGroup& group : recorded_groups(mesh_of(plan)).list) {
    if (axes_.empty() || axes_.back() != group.axis) axes_.push_back(group.axis);
    axis_of_group_.push_back(axes_.size() - 1);
  }
  for (const Node& node : plan.topology.nodes)
    for (const int rank : node.ranks)
      if (rank >= 0 && static_cast<std::size_t>(rank) < ranks_.size())
        ranks_[static_cast<std::size_t>(rank)].node = node.index;
}

Thread SpanTracks::thread(const CollectiveRecord& span, std::size_t axis, std::size_t lane) const {
  const auto tracks_of_rank = static_cast<std::int64_t>(axes_.size() * kLanes);
  return {kFirstNodeProcess + ranks_[span.rank].node,
          kFirstSpanThread + span.rank * tracks_of_rank + static_cast<std::int64_t>(axis * kLanes + lane)};
}

void SpanTracks::add(const CollectiveRecord& span) {
  if (span.rank >= ranks_.size() || span.group >= axis_of_group_.size() || span.exit_ns < span.entry_ns) return;
  Rank& rank = ranks_[span.rank];
  if (rank.node < 0) return;
  const std::size_t axis = axis_of_group_[span.group];
  const auto node = static_cast<std::uint32_t>(rank.node);
  const std::int64_t start_ns = axis_.since_start_ns(node, span.entry_ns);
  const std::int64_t end_ns = axis_.since_start_ns(node, span.exit_ns);
  std::vector<std::int64_t>& free_ns = rank.free_ns[axis];
  const auto lane = static_cast<std::size_t>(
      std::find_if(free_ns.begin(), free_ns.end(), [&](std::int64_t at_ns) { return at_ns <= start_ns; }) -
      free_ns.begin());
  if (lane == kLanes) return;
  const Thread at = thread(span, axis, lane);
  if (lane == free_ns.size()) {
    free_ns.push_back(0);
    trace_.thread_name(
        at, fmt::format("rank {} {}{}", span.rank, axes_[axis], lane > 0 ? fmt::format(", {}", lane + 1) : ""),
        2 * static_cast<std::int64_t>(span.rank) + 1);
  }
  free_ns[lane] = end_ns;
  const std::int64_t waited_ns = span.wait_ns > 0 ? span.exit_ns - span.wait_ns : 0;
  trace_.complete(
      at, fmt::format(R"("{}")", to_string(span.operation)), start_ns, end_ns - start_ns,
      fmt::format(R"({{"step":{},"bytes":{},"sequence":{},"group":{},"waited_us":{:.3f},"wrong":{}}})", span.step,
                  span.bytes, span.sequence, span.group, static_cast<double>(waited_ns) / 1e3, span.wrong));
  const bool sends = span.operation == CollectiveOperation::send;
  if (!sends && span.operation != CollectiveOperation::receive) return;
  const auto self = static_cast<std::int64_t>(span.rank), peer = static_cast<std::int64_t>(span.peer);
  trace_.arrow(at, sends,
               fmt::format("{}-{}-{}-{}", span.group, sends ? self : peer, sends ? peer : self, span.sequence),
               sends ? start_ns : std::max(start_ns, end_ns - 1));
}

}  // namespace grit

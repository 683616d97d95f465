#include "analysis/report/export/trace.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "analysis/report/export/text_file.hpp"
#include "analysis/report/export/trace_spans.hpp"
#include "analysis/report/export/trace_writer.hpp"
#include "harness/base/shortened.hpp"

namespace grit {
namespace {

bool within(const StepRange& range, std::uint32_t step) { return step >= range.first && step <= range.last; }

Thread rank_thread(std::uint32_t node, std::uint32_t rank) {
  return {kFirstNodeProcess + node, kFirstRankThread + rank};
}
Thread collectives_thread(std::uint32_t node, std::uint32_t rank) {
  return {kFirstNodeProcess + node, kFirstCollectivesThread + rank};
}
Thread fault_thread(const PlannedFault& fault) {
  return {kFirstNodeProcess + fault.node, kFirstFaultThread + fault.id};
}

void add_names(Trace& trace, const Plan& plan) {
  trace.process_name(kBlocksProcess, "blocks");
  trace.thread_name({kBlocksProcess, kFirstRankThread}, "blocks", 0);
  for (const Node& node : plan.topology.nodes) {
    trace.process_name(kFirstNodeProcess + node.index, node_name(plan, node.index));
    for (const int rank : node.ranks) {
      const auto of_node = static_cast<std::uint32_t>(node.index), number = static_cast<std::uint32_t>(rank);
      trace.thread_name(rank_thread(of_node, number), fmt::format("rank {}", rank), 2 * rank);
      trace.thread_name(collectives_thread(of_node, number), fmt::format("rank {} collectives", rank), 2 * rank + 1);
    }
  }
  for (const PlannedFault& fault : plan.faults)
    trace.thread_name(fault_thread(fault), fault_label(plan, fault.id), -1000 + fault.id);
}

void add_record(Trace& trace, const StepRecord& record, const TimeAxis& axis) {
  const Thread thread = rank_thread(record.node, record.rank);
  const std::int64_t start_ns = axis.since_start_ns(record.node, record.start_ns);
  const std::int64_t end_ns = axis.since_start_ns(record.node, record.end_ns);
  trace.complete(thread, R"("step")", start_ns, end_ns - start_ns,
                 fmt::format(R"({{"step":{},"block":{}}})", record.step, record.block));
  // In the order of the workload (workloads/ddp.cpp), each directly after the one before.
  const std::pair<std::string_view, std::int64_t> phases[] = {
      {R"("input")", record.input_ns},         {R"("forward")", record.forward_ns},
      {R"("backward")", record.backward_ns},   {R"("exposed communication")", record.exposed_comm_ns},
      {R"("optimizer")", record.optimizer_ns}, {R"("checkpoint")", record.checkpoint_ns}};
  std::int64_t from_ns = start_ns;
  for (const auto& [name, asked_ns] : phases) {
    const std::int64_t length_ns = std::min(asked_ns, end_ns - from_ns);  // nested, whatever the record says
    if (length_ns <= 0) continue;
    trace.complete(thread, name, from_ns, length_ns);
    from_ns += length_ns;
  }
  if (record.collective_exit_ns > record.collective_entry_ns)
    trace.complete(collectives_thread(record.node, record.rank), R"("collectives")",
                   axis.since_start_ns(record.node, record.collective_entry_ns),
                   record.collective_exit_ns - record.collective_entry_ns,
                   fmt::format(R"({{"step":{}}})", record.step));
}

void add_blocks_and_faults(Trace& trace, const ReportInput& input, const RunData& data, double from_s, double to_s) {
  const auto ns = [](double seconds) { return static_cast<std::int64_t>(seconds * 1e9); };
  for (const BlockSummary& block : data.blocks) {
    if (block.end_s < from_s || block.start_s > to_s) continue;
    trace.complete({kBlocksProcess, kFirstRankThread}, json_text(std::string(to_string(block.kind))), ns(block.start_s),
                   ns(block.end_s) - ns(block.start_s),
                   fmt::format(R"({{"block":{},"pair":{},"steps":{}}})", block.index, block.pair, block.steps));
  }
  for (const FaultWindow& window : data.windows) {
    if (window.end_s < from_s || window.start_s > to_s) continue;
    for (const PlannedFault& fault : input.plan.faults)
      if (fault.id == window.fault)
        trace.complete(fault_thread(fault), json_text(window.label), ns(window.start_s),
                       ns(window.end_s) - ns(window.start_s),
                       fmt::format(R"({{"block":{},"reverted":{}}})", window.block, window.reverted));
  }
}

bool fits_topology(const Plan& plan, const StepRecord& record) {
  return record.node < plan.topology.nodes.size() && record.rank < kFirstCollectivesThread - kFirstRankThread;
}

/// Of the steps that the trace shows, in seconds of the axis.
std::pair<double, double> time_shown(const RunData& data, const StepRange& range) {
  double from_s = 1e300, to_s = -1e300;
  for (const StepPoint& step : data.steps) {
    if (!within(range, step.step)) continue;
    from_s = std::min(from_s, step.start_s);
    to_s = std::max(to_s, step.end_s);
  }
  return {from_s, to_s};
}

}  // namespace

Result<StepRange> parse_step_range(const std::string& text) {
  const auto bad = [&] {
    return usage_error("\"" + shortened(text) + "\" is no range of steps; write e.g. 100..200, 100.. or ..200");
  };
  const auto dots = text.find("..");
  if (dots == std::string::npos) return bad();
  StepRange range;
  const auto number = [](std::string_view word, std::uint32_t& value) {
    if (word.empty()) return true;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    return error == std::errc() && end == word.data() + word.size();
  };
  const std::string_view words = text;
  if (!number(words.substr(0, dots), range.first) || !number(words.substr(dots + 2), range.last)) return bad();
  if (range.first > range.last) return bad();
  return range;
}

Result<std::uint64_t> write_trace(const ReportInput& input, const RunData& data, StepRange steps,
                                  const std::filesystem::path& file) {
  const auto shown = [&](const auto& record) { return within(steps, record.step); };
  const auto records = static_cast<std::uint64_t>(std::count_if(input.steps.begin(), input.steps.end(), shown));
  const auto spans = static_cast<std::uint64_t>(std::count_if(input.spans.begin(), input.spans.end(), shown));
  if (const std::uint64_t bytes = records * kTraceBytesARecord + spans * kTraceBytesASpan; bytes > kMaxTraceBytes) {
    const std::uint64_t bytes_a_step =
        bytes * static_cast<std::uint64_t>(std::max(data.ranks, 1)) / std::max<std::uint64_t>(records, 1);
    return usage_error(fmt::format(
        "the trace would be about {:.1f} GB, more than viewers open; choose about {} steps with --steps FIRST..LAST",
        static_cast<double>(bytes) / 1e9,
        std::max<std::uint64_t>(kMaxTraceBytes / std::max<std::uint64_t>(bytes_a_step, 1), 1)));
  }
  GRIT_TRY(TextFile out, TextFile::create(file));
  Trace trace(out);
  trace.begin();
  add_names(trace, input.plan);
  const auto [from_s, to_s] = time_shown(data, steps);
  add_blocks_and_faults(trace, input, data, from_s, to_s);
  for (const StepRecord& record : input.steps) {
    if (within(steps, record.step) && fits_topology(input.plan, record)) add_record(trace, record, data.axis);
    if (out.failed()) break;
  }
  SpanTracks tracks(trace, input.plan, data.axis);
  for (const CollectiveRecord& span : input.spans) {
    if (shown(span)) tracks.add(span);
    if (out.failed()) break;
  }
  trace.end();
  GRIT_CHECK(out.commit());
  return out.bytes();
}

}  // namespace grit

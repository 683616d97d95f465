// A run for a trace viewer: https://ui.perfetto.dev, or Chrome's chrome://tracing.
#pragma once

#include <cstdint>
#include <filesystem>

#include "analysis/report/run_data.hpp"

namespace grit {

/// Steps by StepRecord::step, both ends included.
struct StepRange {
  std::uint32_t first = 0;
  std::uint32_t last = UINT32_MAX;
};

/// "100..200", "100..", "..200". Error (usage): anything else.
Result<StepRange> parse_step_range(const std::string& text);

/// What a record takes in the file, roughly.
constexpr std::uint64_t kTraceBytesARecord = 700;
constexpr std::uint64_t kTraceBytesASpan = 260;

/// Viewers keep a trace in memory as a whole; more than this is not written.
constexpr std::uint64_t kMaxTraceBytes = std::uint64_t{1} << 30;

/// Writes JSON of the Trace Event Format (N. Duca and D. Sinclair,
/// https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU): complete events ("X") in
/// microseconds since the run's first step, on one axis (TimeAxis). A node is a process, a rank a thread of it with its
/// steps, and in them their phases; a second thread has the rank's collectives, from the entry into a step's first to
/// the exit from its last, since events of one thread may only nest (perfetto.dev/docs/faq) and collectives overlap
/// phases. Spans have threads of their own (trace_spans.hpp). Each fault has a thread of its node; the blocks are a process of their own.
///
/// Phases are laid one after another from the step's start: records have how long each took, not when, and their order
/// here is the workload's. Where communication overlaps own work this is a picture, not a measurement.
///
/// Returns how many bytes it wrote. Memory does not grow with the run. Error (usage): it would be larger than
/// kMaxTraceBytes; says how many steps fit. Error (internal): it cannot be written.
Result<std::uint64_t> write_trace(const ReportInput& input, const RunData& data, StepRange steps,
                                  const std::filesystem::path& file);

}  // namespace grit

#include "analysis/report/export/csv.hpp"

#include <fmt/format.h>

#include <map>

#include "analysis/facts/evidence.hpp"
#include "analysis/report/export/text_file.hpp"

namespace grit {
namespace {

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

/// One file: its header at once, its rows from `rows`.
template <class Rows>
Status write_table(const std::filesystem::path& file, std::string_view header, const Rows& rows) {
  GRIT_TRY(TextFile out, TextFile::create(file));
  out.add(header);
  out.add("\r\n");
  rows([&](const std::string& row) {
    out.add(row);
    out.add("\r\n");
  });
  return out.commit();
}

Status write_steps(const RunData& data, const std::map<int, int>& pairs, const std::filesystem::path& file) {
  return write_table(file, "step,block,kind,pair,measured,start_s,end_s,mean_ns,max_ns,slowest_rank", [&](auto add) {
    for (const StepPoint& step : data.steps) {
      const auto pair = pairs.find(static_cast<int>(step.block));
      add(fmt::format("{},{},{},{},{},{:.9f},{:.9f},{:.1f},{:.0f},{}", step.step, step.block, to_string(step.kind),
                      pair == pairs.end() || pair->second < 0 ? "" : std::to_string(pair->second),
                      step.measured ? 1 : 0, step.start_s, step.end_s, step.mean_ns, step.max_ns, step.slowest_rank));
    }
  });
}

Status write_blocks(const RunData& data, const std::filesystem::path& file) {
  return write_table(file, "block,pair,kind,start_s,end_s,steps,steps_measured,mean_ns,median_ns,slowest_ns",
                     [&](auto add) {
                       for (const BlockSummary& block : data.blocks) {
                         const bool measured = block.measured > 0;
                         add(fmt::format("{},{},{},{:.9f},{:.9f},{},{},{},{},{:.0f}", block.index,
                                         block.pair < 0 ? "" : std::to_string(block.pair), to_string(block.kind),
                                         block.start_s, block.end_s, block.steps, block.measured,
                                         measured ? fmt::format("{:.1f}", block.mean_ns) : "",
                                         measured ? fmt::format("{:.1f}", block.median_ns) : "", block.max_ns));
                       }
                     });
}

Status write_pairs(const RunData& data, const std::filesystem::path& file) {
  return write_table(file, "pair,statistic,baseline_ns,fault_ns,change_fraction", [&](auto add) {
    for (const PairPoint& pair : data.pairs)
      add(fmt::format("{},{},{:.1f},{:.1f},{:.6g}", pair.pair, data.statistic, pair.baseline_ns, pair.fault_ns,
                      pair.effect()));
  });
}

Status write_phases(const ReportInput& input, const RunData& data, const std::filesystem::path& file) {
  return write_table(
      file, "rank,node,kind,steps,input_ns,forward_ns,backward_ns,exposed_comm_ns,optimizer_ns,checkpoint_ns,other_ns",
      [&](auto add) {
        for (const PhaseRow& row : data.phases) {
          std::string line =
              fmt::format("{},{},{},{}", row.rank, quoted(node_name(input.plan, static_cast<int>(row.node))),
                          to_string(row.kind), row.steps);
          for (const double mean_ns : row.mean_ns) line += fmt::format(",{:.1f}", mean_ns);
          add(line);
        }
      });
}

/// From the first pulse's start to the last one's end, as seen in events.
std::map<std::pair<int, int>, std::pair<double, double>> spans_in_force(const RunData& data) {
  std::map<std::pair<int, int>, std::pair<double, double>> spans;
  for (const FaultWindow& window : data.windows) {
    const auto [span, is_new] = spans.try_emplace({window.fault, window.block}, window.start_s, window.end_s);
    span->second.first = std::min(span->second.first, window.start_s);
    span->second.second = std::max(span->second.second, window.end_s);
  }
  return spans;
}

Status write_windows(const ReportInput& input, const RunData& data, const std::filesystem::path& file) {
  const RunEvidence evidence = collect_evidence(input.plan, input.events);
  const auto spans = spans_in_force(data);
  return write_table(
      file, "fault,name,node,device,block,applied,acting,reverted,lease_ended,start_s,end_s,error", [&](auto add) {
        for (std::size_t i = 0; i < evidence.faults.size(); ++i) {
          const PlannedFault& fault = input.plan.faults[i];
          for (std::size_t block = 0; block < evidence.faults[i].blocks.size(); ++block) {
            const WindowEvidence& window = evidence.faults[i].blocks[block];
            if (!window.began) continue;
            const auto span = spans.find({fault.id, static_cast<int>(block)});
            // Nothing: it is not known.
            const auto proven = [&](bool yes) { return yes ? "1" : window.may_have_taken_effect() ? "" : "0"; };
            const std::string times = span == spans.end()
                                          ? std::string(",")
                                          : fmt::format("{:.9f},{:.9f}", span->second.first, span->second.second);
            add(fmt::format("{},{},{},{},{},{},{},{},{},{},{}", fault.id, quoted(fault.name),
                            quoted(node_name(input.plan, fault.node)), quoted(fault.device), block,
                            proven(window.applied), proven(window.acting), window.touched && !window.unreverted ? 1 : 0,
                            window.lease_ended ? 1 : 0, times, quoted(window.error)));
          }
        }
      });
}

}  // namespace

Status write_csv(const ReportInput& input, const RunData& data, const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return internal_error("cannot make the directory " + directory.string() + ": " + error.message());
  std::map<int, int> pairs;
  for (const Block& block : input.plan.blocks) pairs[block.index] = block.pair;
  GRIT_CHECK(write_steps(data, pairs, directory / "steps.csv"));
  GRIT_CHECK(write_blocks(data, directory / "blocks.csv"));
  GRIT_CHECK(write_pairs(data, directory / "pairs.csv"));
  GRIT_CHECK(write_phases(input, data, directory / "phases.csv"));
  return write_windows(input, data, directory / "windows.csv");
}

}  // namespace grit

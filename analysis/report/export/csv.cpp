#include "analysis/report/export/csv.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "analysis/facts/counted_pairs.hpp"
#include "analysis/facts/evidence.hpp"
#include "analysis/records/block_times.hpp"
#include "analysis/report/export/text_file.hpp"
#include "analysis/series/search.hpp"

namespace grit {
namespace {

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

/// Those that do not count are there, too: a fault did not take effect in them, or records are missing.
Status write_pairs(const ReportInput& input, const RunEvidence& evidence, const RunData& data,
                   const std::filesystem::path& file) {
  const RunTimes times = input.times ? *input.times : block_times(input.plan, input.steps);
  const std::vector<int> counted = DoneBlocks(input.plan, times, evidence).pairs().numbers();
  return write_table(file, "pair,statistic,baseline_ns,fault_ns,change_fraction,counts", [&](auto add) {
    for (const PairPoint& pair : data.pairs)
      add(fmt::format("{},{},{:.1f},{:.1f},{:.6g},{}", pair.pair, data.statistic, pair.baseline_ns, pair.fault_ns,
                      pair.effect(), std::find(counted.begin(), counted.end(), pair.pair) != counted.end() ? 1 : 0));
  });
}

/// Of a value that may not be known.
std::string or_nothing(const std::optional<bool>& value) { return !value ? "" : *value ? "1" : "0"; }

Status write_faults(const Verdict& verdict, const std::filesystem::path& file) {
  return write_table(
      file,
      "name,node,device,mechanism,windows,applied_windows,acting_windows,unread_windows,reverted_windows,"
      "unreverted_windows,harmful",
      [&](auto add) {
        for (const FaultResult& fault : verdict.faults)
          add(fmt::format("{},{},{},{},{},{},{},{},{},{},{}", csv_field(fault.name), csv_field(fault.node),
                          csv_field(fault.device), csv_field(fault.mechanism), fault.windows, fault.applied,
                          fault.acting, fault.unread, fault.reverted, fault.unreverted, or_nothing(fault.harmful)));
      });
}

Status write_checks(const Verdict& verdict, const std::filesystem::path& file) {
  return write_table(
      file, "check,node,baseline_readings,baseline_failures,fault_readings,fault_failures,not_made,p,obstacle",
      [&](auto add) {
        for (const CheckResult& check : verdict.checks)
          add(fmt::format("{},{},{},{},{},{},{},{},{}", csv_field(check.name), csv_field(check.node),
                          check.baseline_runs, check.baseline_failures, check.fault_runs, check.fault_failures,
                          check.not_made, check.p ? fmt::format("{:.6g}", *check.p) : "", csv_field(check.obstacle)));
      });
}

Status make_directory(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return internal_error("cannot make the directory " + directory.string() + ": " + error.message());
  return {};
}

std::string trial_row(const Series& series, const Trial& trial) {
  std::string row = fmt::format("{},{},{},{}", trial.number, trial.dose ? fmt::format("{:.10g}", *trial.dose) : "",
                                csv_field(trial_subject(series, trial)), csv_field(trial.why));
  if (!trial.result) return row + ",,,,,,,,,,";
  const TrialResult& result = *trial.result;
  row += fmt::format(",{},{}", to_string(result.verdict), csv_field(result.outcome));
  row +=
      result.slowdown ? fmt::format(",{:.6g},{:.6g},{:.6g}", *result.slowdown, result.ci_low, result.ci_high) : ",,,";
  return row + fmt::format(",{:.1f},{},{},{},{}", result.baseline_step_ns, result.applied ? 1 : 0,
                           csv_field(fmt::format("{}", fmt::join(result.failed_checks, "; "))),
                           csv_field(result.culprit), csv_field(result.sentence));
}

Status write_phases(const ReportInput& input, const RunData& data, const std::filesystem::path& file) {
  return write_table(
      file, "rank,node,kind,steps,input_ns,forward_ns,backward_ns,exposed_comm_ns,optimizer_ns,checkpoint_ns,other_ns",
      [&](auto add) {
        for (const PhaseRow& row : data.phases) {
          std::string line =
              fmt::format("{},{},{},{}", row.rank, csv_field(node_name(input.plan, static_cast<int>(row.node))),
                          to_string(row.kind), row.steps);
          for (const double mean_ns : row.mean_ns) line += fmt::format(",{:.1f}", mean_ns);
          add(line);
        }
      });
}

Status write_operations(const RunData& data, const std::filesystem::path& file) {
  return write_table(
      file,
      "operation,axis,ranks,least_bytes,most_bytes,kind,count,bytes,median_ns,p90_ns,bus_bandwidth_bits_per_s,"
      "wrong_values",
      [&](auto add) {
        for (const OperationRow& row : data.operations)
          for (const auto& [kind, figures] :
               {std::pair(BlockKind::baseline, &row.baseline), {BlockKind::fault, &row.fault}})
            if (figures->count > 0)
              add(fmt::format("{},{},{},{},{},{},{},{:.0f},{:.0f},{:.0f},{:.0f},{}", to_string(row.operation), row.axis,
                              row.ranks, row.least_bytes, row.most_bytes, to_string(kind), figures->count,
                              figures->bytes, figures->median_ns, figures->p90_ns, figures->bus_bits_per_s,
                              figures->wrong));
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

Status write_windows(const ReportInput& input, const RunEvidence& evidence, const RunData& data,
                     const std::filesystem::path& file) {
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
            add(fmt::format("{},{},{},{},{},{},{},{},{},{},{}", fault.id, csv_field(fault.name),
                            csv_field(node_name(input.plan, fault.node)), csv_field(fault.device), block,
                            proven(window.applied), proven(window.acting), window.touched && !window.unreverted ? 1 : 0,
                            window.lease_ended ? 1 : 0, times, csv_field(window.error)));
          }
        }
      });
}

}  // namespace

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

Status write_csv(const ReportInput& input, const RunData& data, const std::filesystem::path& directory) {
  GRIT_CHECK(make_directory(directory));
  const RunEvidence evidence = collect_evidence(input.plan, input.events);
  std::map<int, int> pairs;
  for (const Block& block : input.plan.blocks) pairs[block.index] = block.pair;
  GRIT_CHECK(write_steps(data, pairs, directory / "steps.csv"));
  GRIT_CHECK(write_blocks(data, directory / "blocks.csv"));
  GRIT_CHECK(write_pairs(input, evidence, data, directory / "pairs.csv"));
  GRIT_CHECK(write_phases(input, data, directory / "phases.csv"));
  GRIT_CHECK(write_windows(input, evidence, data, directory / "windows.csv"));
  GRIT_CHECK(write_operations(data, directory / "operations.csv"));
  GRIT_CHECK(write_faults(input.verdict, directory / "faults.csv"));
  return write_checks(input.verdict, directory / "checks.csv");
}

Status write_csv(const Series& series, const std::filesystem::path& directory) {
  GRIT_CHECK(make_directory(directory));
  return write_table(directory / "trials.csv",
                     "trial,dose,with,why,verdict,outcome,slowdown_fraction,ci_low_fraction,ci_high_fraction,"
                     "baseline_step_ns,applied,failed_checks,culprit,sentence",
                     [&](auto add) {
                       for (const Trial& trial : series.trials) add(trial_row(series, trial));
                     });
}

Status write_csv(const ScoreInput& input, const Scorecard& card, const std::filesystem::path& file) {
  return write_table(
      file,
      "check,fault,magnitude,mechanism,found,of,recall,low,high,credited,p,warned,on_at_onset,unreadable,late,"
      "elsewhere,subject_right,node_right,ttd_median_s,ttd_low_s,ttd_high_s,shams_fired,shams,damage,not_run",
      [&](auto add) {
        const auto seconds = [](const std::optional<double>& ns) {
          return ns && std::isfinite(*ns) ? fmt::format("{:.6g}", *ns / 1e9) : std::string();
        };
        for (const Recall& one : card.recalls) {
          const DamageCell& cell = input.cells[static_cast<std::size_t>(one.cell)];
          const auto& interval = one.to_detection.interval;
          std::string row =
              fmt::format("{},{},{},{},{},{},{},{:.6g},{:.6g},{},{:.6g}",
                          csv_field(input.checks[static_cast<std::size_t>(one.check)].name), csv_field(cell.fault),
                          csv_field(cell.magnitude), csv_field(cell.mechanism), one.found, one.of,
                          one.of > 0 ? fmt::format("{:.6g}", static_cast<double>(one.found) / one.of) : "",
                          one.interval.low, one.interval.high, one.credited ? 1 : 0, one.p);
          row += fmt::format(",{},{},{},{},{},{},{}", one.warned, one.on_at_onset, one.unreadable, one.late,
                             one.elsewhere, one.subject_right, one.node_right);
          add(row + fmt::format(",{},{},{},{},{},{},", seconds(one.to_detection.median),
                                seconds(interval ? std::optional(interval->low) : std::nullopt),
                                seconds(interval ? std::optional(interval->high) : std::nullopt), one.shams_fired,
                                one.shams, csv_field(fmt::format("{}", fmt::join(cell.damages, ";")))));
        }
        for (const NotRun& one : input.not_run)
          add(fmt::format(",,,,0,0{},{},{}", std::string(17, ','), csv_field(one.damage),
                          csv_field(one.what + ": " + one.reason)));
      });
}

Status write_csv(const Comparison& comparison, const std::filesystem::path& file) {
  return write_table(file, "side,run,started_utc,blocks,mean_ns,median_ns,low_ns,high_ns", [&](auto add) {
    const auto rows = [&](std::string_view side, const std::vector<RunPoint>& points) {
      for (const RunPoint& point : points)
        add(fmt::format("{},{},{},{},{:.1f},{:.1f},{:.1f},{:.1f}", side, csv_field(point.name),
                        csv_field(point.started_utc), point.blocks, point.mean_ns, point.median_ns, point.low_ns,
                        point.high_ns));
    };
    rows("old", comparison.before);
    rows("new", comparison.after);
  });
}

Status write_csv(const Trend& trend, const std::filesystem::path& file) {
  return write_table(file, "point,run,started_utc,block,median_ns,changes_here", [&](auto add) {
    for (std::size_t i = 0; i < trend.points.size(); ++i) {
      const TrendPoint& point = trend.points[i];
      const bool changes = std::any_of(trend.changes.begin(), trend.changes.end(),
                                       [&](const TrendChange& change) { return change.first == i; });
      add(fmt::format("{},{},{},{},{:.1f},{}", i, csv_field(point.run), csv_field(point.started_utc),
                      point.block < 0 ? "" : std::to_string(point.block), point.median_ns, changes ? 1 : 0));
    }
  });
}

}  // namespace grit

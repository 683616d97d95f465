#include "analysis/report/text/terminal.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/facts/wording.hpp"
#include "analysis/report/text/line.hpp"
#include "analysis/verdict/cost.hpp"
#include "analysis/verdict/restarts.hpp"
#include "harness/base/printable.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

/// Of one kind: hundreds of nodes have hundreds of faults and checks.
constexpr std::size_t kMostLines = 12;

std::string evidence_text(const FaultResult& fault, bool named) {
  std::string text;
  if (named)
    text = fmt::format("{} on {}{}{}: ", fault.name, fault.node, fault.device.empty() ? "" : " ", fault.device);
  const std::string acted = acted_text(fault.acted);
  text += fmt::format("applied {}/{}, acting {}/{}{}{}, harmful: {}, reverted {}/{}", fault.applied, fault.windows,
                      fault.acting, fault.windows, acted.empty() ? "" : " (" + acted + ")",
                      fault.unread > 0 ? fmt::format(", not known in {}", fault.unread) : "",
                      !fault.harmful   ? "cannot tell"
                      : *fault.harmful ? "yes"
                                       : "no",
                      fault.reverted, fault.windows);
  if (!fault.mechanism.empty()) text += " (mechanism: " + fault.mechanism + ")";
  return text;
}

std::string_view met_text(const std::optional<bool>& met) {
  if (!met) return "cannot tell";
  return *met ? "met" : "not met";
}

/// With the size of a fleet and its jobs known, `grit report --fleet` says more.
std::string cost_line(const Verdict& verdict) {
  const std::string text = cost_text(verdict);
  return text.empty() ? "" : line("cost", text);
}

std::string restart_lines(const Verdict& verdict) {
  if (!verdict.restarts) return "";
  std::string lines;
  for (const Restart& restart : verdict.restarts->each)
    lines += line("restart", fmt::format("with step {}; {}", restart.first_step, restart_text(restart)));
  const std::string goodput = goodput_text(*verdict.restarts, verdict.baseline_step_ns);
  return lines + (goodput.empty() ? "" : line("restart", goodput));
}

std::string recovery_lines(const Verdict& verdict) {
  std::string lines;
  if (verdict.sham)
    lines += line("sham", fmt::format("all but the fault itself: {} ({})", percent(verdict.sham->estimate),
                                      interval_text(*verdict.sham)));
  if (!verdict.recovery) return lines;
  const Recovery& recovery = *verdict.recovery;
  const std::string when =
      recovery.p50_ns ? fmt::format("steps were as before {} after the fault's end (median{})",
                                    format_duration(*recovery.p50_ns), recovery_interval_text(recovery))
                      : std::string("in half of the recovery blocks or more, steps did not get as fast as before");
  return lines + line("recovery", fmt::format("{}; {} of {} blocks", when, recovery.recovered, recovery.blocks));
}

/// Whether that is more than chance does.
std::string chance_text(const CheckResult& check) {
  if (!check.p) return "";
  return check.fails_more() ? fmt::format(": more often ({})", p_text(*check.p))
                            : fmt::format(": not shown to be more often ({})", p_text(*check.p));
}

std::string evidence_lines(const Verdict& verdict) {
  std::string lines;
  const std::size_t faults = verdict.faults.size();
  for (std::size_t i = 0; i < std::min(faults, kMostLines); ++i)
    lines += line("evidence", evidence_text(verdict.faults[i], faults > 1));
  if (faults > kMostLines)
    lines += line("evidence", fmt::format("{} more faults: grit report --csv lists all", faults - kMostLines));
  if (verdict.onset)
    lines += line("onset", fmt::format("{} late ({}×)", lateness_text(*verdict.onset), verdict.onset->count));
  if (verdict.end) lines += line("end", fmt::format("{} late ({}×)", lateness_text(*verdict.end), verdict.end->count));
  if (verdict.skew)
    lines +=
        line("skew", fmt::format("{} between nodes ({}×)", skew_text(*verdict.skew), verdict.skew->lateness.count));
  std::size_t failed = 0;
  for (const CheckResult& check : verdict.checks)
    if (check.baseline_failures + check.fault_failures > 0 && ++failed <= kMostLines)
      lines += line("check",
                    printable(fmt::format("{} on {}: failed in {} of {} readings under the fault, {} of {} without{}",
                                          check.name, check.node, check.fault_failures, check.fault_runs,
                                          check.baseline_failures, check.baseline_runs, chance_text(check))));
  if (failed > kMostLines)
    lines +=
        line("check", fmt::format("{} more failed, on other nodes: grit report --csv lists all", failed - kMostLines));
  return lines;
}

}  // namespace

std::string terminal_summary(const Verdict& verdict, const std::filesystem::path& run_directory) {
  const bool plain = verdict.outcome == "completed";
  const std::string name = verdict.scenario.empty() ? "run" : verdict.scenario;
  std::string kind(to_string(verdict.kind));
  std::replace(kind.begin(), kind.end(), '_', ' ');
  const std::string fake = has_fake_gpus(verdict.emulated) ? "FAKE GPUs, " : "";
  std::string text =
      printable(fmt::format("{}: {}{}{}", name, fake, kind, plain ? "" : " (" + verdict.outcome + ")")) + "\n";
  if (!verdict.emulated.empty()) text += line("emulated", emulated_text(verdict.emulated));
  text += "  " + printable(verdict.sentence) + "\n";
  for (const ExpectationResult& expectation : verdict.expectations)
    text += line("expected", fmt::format("{}: {}", expectation.text, met_text(expectation.met)));
  if (verdict.culprit) text += line("culprit", verdict.culprit->text);
  text += cost_line(verdict);
  text += restart_lines(verdict) + recovery_lines(verdict);
  text += evidence_lines(verdict);
  std::string to_mend;
  for (const std::string& reason : verdict.reasons) {
    const bool acts = reason.starts_with(kNotReverted) || reason.starts_with(kLeftBehind);
    (acts ? to_mend : text) += acts ? printable(reason) + "\n" : line("note", reason);
  }
  text += line("report", (run_directory / "report.html").string());
  return text + to_mend;
}

}  // namespace grit

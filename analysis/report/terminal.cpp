#include "analysis/report/terminal.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace grit {
namespace {

std::string line(std::string_view label, std::string_view text) { return fmt::format("  {:<9} {}\n", label, text); }

std::string emulated_text(const Verdict& verdict) {
  return fmt::format("{}; everything else is real", fmt::join(verdict.emulated, ", "));
}

std::string evidence_text(const FaultResult& fault, bool named) {
  std::string text;
  if (named)
    text = fmt::format("{} on {}{}{}: ", fault.name, fault.node, fault.device.empty() ? "" : " ", fault.device);
  text += fmt::format("applied {}/{}, acting {}/{}, reverted {}/{}", fault.applied, fault.windows, fault.acting,
                      fault.windows, fault.reverted, fault.windows);
  if (!fault.mechanism.empty()) text += " (mechanism: " + fault.mechanism + ")";
  return text;
}

std::string_view met_text(const std::optional<bool>& met) {
  if (!met) return "cannot tell";
  return *met ? "met" : "not met";
}

/// A terminal escape in a message that came from a node must not reach the user's terminal.
std::string printable(std::string text) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  std::replace_if(text.begin(), text.end(), control, ' ');
  return text;
}

std::string evidence_lines(const Verdict& verdict) {
  std::string lines;
  for (const FaultResult& fault : verdict.faults)
    lines += line("evidence", printable(evidence_text(fault, verdict.faults.size() > 1)));
  for (const CheckResult& check : verdict.checks)
    if (check.baseline_failures + check.fault_failures > 0)
      lines +=
          line("check", printable(fmt::format("{} on {}: failed in {} of {} readings under the fault, {} of {} without",
                                              check.name, check.node, check.fault_failures, check.fault_runs,
                                              check.baseline_failures, check.baseline_runs)));
  return lines;
}

}  // namespace

std::string terminal_summary(const Verdict& verdict, const std::filesystem::path& run_directory) {
  const bool plain = verdict.outcome == "completed";
  const std::string name = verdict.scenario.empty() ? "run" : verdict.scenario;
  std::string kind(to_string(verdict.kind));
  std::replace(kind.begin(), kind.end(), '_', ' ');
  std::string text = printable(fmt::format("{}: {}{}", name, kind, plain ? "" : " (" + verdict.outcome + ")")) + "\n";
  if (!verdict.emulated.empty()) text += line("emulated", printable(emulated_text(verdict)));
  text += "  " + printable(verdict.sentence) + "\n";
  for (const ExpectationResult& expectation : verdict.expectations)
    text += line("expected", fmt::format("{}: {}", printable(expectation.text), met_text(expectation.met)));
  text += evidence_lines(verdict);
  for (const std::string& reason : verdict.reasons) text += line("note", printable(reason));
  text += line("report", (run_directory / "report.html").string());
  return text;
}

}  // namespace grit

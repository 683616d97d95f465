// The parts of the report page that are text and tables. Each returns HTML in which all data is escaped.
#pragma once

#include <string>

#include "analysis/report/plots/plots.hpp"
#include "analysis/report/run_data.hpp"

namespace grit {

/// What is not real, as the first line of the page: "Compute was emulated (timer-driven accelerator); everything else
/// is real."
std::string emulation_sentence(const Plan& plan, const Verdict& verdict);

/// One of the figures under the verdict.
std::string figure(std::string_view value, std::string_view name, std::string_view remark);
std::string verdict_section(const ReportInput& input, const RunData& data);
std::string figures_section(const ReportInput& input, const RunData& data);
/// How the job came back after deaths, in a section of its own; empty where the run has no restarts.
std::string restarts_section(const Verdict& verdict);
std::string expectations_section(const Verdict& verdict);
std::string plot_section(const Plot& plot);
std::string numbers_section(const ReportInput& input, const RunData& data);  // the plots' figures as tables
std::string evidence_section(const ReportInput& input, const RunData& data);
std::string checks_section(const ReportInput& input, const RunData& data);
std::string incidents_section(const ReportInput& input, const RunData& data);
/// Of the numbers, where there are spans.
std::string operation_table(const std::vector<OperationRow>& rows);
/// The ranks with their coordinates, drawn by node, in a section of its own; empty where all of them are on dp.
std::string mesh_section(const Plan& plan);
std::string environment_section(const ReportInput& input);
std::string rerun_section(const ReportInput& input);

}  // namespace grit

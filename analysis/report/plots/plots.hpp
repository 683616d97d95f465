// The plots of the report: complete Vega specifications with their data.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "analysis/report/run_data.hpp"

namespace grit {

struct Plot {
  std::string id;  // of its element: "plot-steps"
  std::string title;
  std::string caption;         // how to read it
  std::optional<Json> spec{};  // empty: there is nothing to draw
  std::string missing{};       // then: what is missing, and why
  std::string note{};          // what was left out, when something was
  std::string legend_html{};   // made here, of constant parts and escaped texts
};

/// Steps drawn at most; above, neighbours are thinned out (thin_out).
constexpr std::size_t kMaxPlottedSteps = 20'000;
/// Ranks drawn at most in the phase plot; above, those whose own work changed most.
constexpr std::size_t kMaxPlottedRanks = 32;

/// The ranks of which the page says how their phases changed, in their order: all, or those whose own work changed
/// most.
std::set<std::uint32_t> most_changed_ranks(const std::vector<PhaseRow>& rows, std::size_t limit);

/// All plots in the order of the page. Error (internal): an embedded specification is broken.
Result<std::vector<Plot>> make_plots(const ReportInput& input, const RunData& data);

}  // namespace grit

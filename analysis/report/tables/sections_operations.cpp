// The table of operations.
#include <fmt/format.h>

#include "analysis/facts/wording.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/tables/sections.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

std::string sizes(const OperationRow& row) {
  const auto text = [](std::int64_t bytes) { return format_quantity(bytes, Unit::bytes); };
  return row.least_bytes == row.most_bytes ? text(row.most_bytes)
                                           : text(row.least_bytes) + " to " + text(row.most_bytes);
}

Cell number(bool known, std::string text) { return {known ? std::move(text) : std::string(), "number"}; }

std::string rate(double bits_per_s) { return fmt::format("{:.3g} Gbit/s", bits_per_s / 1e9); }

}  // namespace

std::string operation_table(const std::vector<OperationRow>& rows) {
  HtmlTable table("Operations by kind, axis and size",
                  {"operation", "axis", "ranks", "bytes", "baseline", "median", "90 %", "bus bandwidth", "fault",
                   "median", "90 %", "bus bandwidth", "change of median", "wrong values"});
  for (const OperationRow& row : rows) {
    if (table.full()) {
      table.leave_out();
      continue;
    }
    std::vector<Cell> cells{std::string(to_string(row.operation)), row.axis, Cell(std::to_string(row.ranks), "number"),
                            Cell(sizes(row), "number")};
    for (const OperationFigures* figures : {&row.baseline, &row.fault}) {
      const bool any = figures->count > 0;
      cells.push_back(number(any, std::to_string(figures->count)));
      cells.push_back(number(any, format_duration(figures->median_ns)));
      cells.push_back(number(any, format_duration(figures->p90_ns)));
      cells.push_back(number(figures->bus_bits_per_s > 0, rate(figures->bus_bits_per_s)));
    }
    const bool both = row.baseline.count > 0 && row.fault.count > 0;
    cells.push_back(
        number(both, both ? signed_percent(row.fault.median_ns / row.baseline.median_ns - 1, Digits::tenths) : ""));
    cells.push_back(number(true, std::to_string(row.baseline.wrong + row.fault.wrong)));
    table.row(cells);
  }
  return table.html() +
         element(
             "p",
             "Times are from a rank's entry to its seeing the operation complete, so that what a late rank costs the "
             "others is in them; sizes and bus bandwidth are those of nccl-tests. Measured steps only.",
             "note");
}

}  // namespace grit

// machine_check: the machine reports no new errors of its memory and processors (EDAC, machine checks, pages that the
// kernel took out of use).
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "harness/base/files.hpp"
#include "harness/base/printable.hpp"
#include "harness/base/shortened.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/os/kernel_text.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

/// Errors of a memory module, or of a memory controller that cannot tell of which.
struct EdacCounts {
  std::string subject{};  // "mc0/dimm3"
  std::string label{};    // "DIMM_A1": what the board calls it, if it does; several can have the same
  std::int64_t corrected = 0, uncorrected = 0;
};

/// Documentation/admin-guide/ras.rst, "Memory Controller": one directory a module.
std::optional<EdacCounts> module_counts(const fs::path& directory, const std::string& controller) {
  const auto corrected = number_in(directory / "dimm_ce_count"), uncorrected = number_in(directory / "dimm_ue_count");
  if (!corrected || !uncorrected) return std::nullopt;
  return EdacCounts{controller + "/" + directory.filename().string(),
                    shortened(printable(first_line(directory / "dimm_label"))), *corrected, *uncorrected};
}

std::optional<EdacCounts> controller_counts(const fs::path& directory, bool has_modules) {
  // What is counted of no module; of a controller without modules all of it.
  const auto corrected = number_in(directory / (has_modules ? "ce_noinfo_count" : "ce_count"));
  const auto uncorrected = number_in(directory / (has_modules ? "ue_noinfo_count" : "ue_count"));
  if (!corrected || !uncorrected) return std::nullopt;
  return EdacCounts{directory.filename(), "", *corrected, *uncorrected};
}

std::vector<EdacCounts> edac_counts(const fs::path& controller) {
  std::vector<EdacCounts> counts;
  for (const std::string& name : entries_of(controller))
    if (name.starts_with("dimm") || name.starts_with("rank"))
      if (auto module = module_counts(controller / name, controller.filename())) counts.push_back(std::move(*module));
  if (auto own = controller_counts(controller, !counts.empty())) counts.push_back(std::move(*own));
  return counts;
}

Outcome edac_outcome(const EdacCounts& now, const CheckInput& input) {
  const std::int64_t corrected = input.memory.growth(now.subject + " corrected", now.corrected).value_or(0);
  const std::int64_t uncorrected = input.memory.growth(now.subject + " uncorrected", now.uncorrected).value_or(0);
  const Severity severity = std::max(
      judge_at_least(static_cast<double>(uncorrected), 0, 1),
      judge_at_least(static_cast<double>(corrected), static_cast<double>(input.params.integer("corrected")), 0));
  return {.severity = severity,
          .subject = now.subject,
          .value = static_cast<double>(uncorrected > 0 ? uncorrected : corrected),
          .unit = "count",
          .detail = fmt::format("{}{} uncorrectable and {} corrected errors of memory more, {} and {} in all",
                                now.label.empty() ? "" : now.label + ": ", uncorrected, corrected, now.uncorrected,
                                now.corrected),
          .hint = is_alarm(severity) ? "edac-util -v; the BMC's log (ipmitool sel list)" : ""};
}

/// Documentation/ABI/testing/sysfs-devices-edac. With many modules only those that are not well are named.
std::vector<Outcome> edac_outcomes(const CheckInput& input) {
  const fs::path all = input.sys / "devices/system/edac/mc";
  constexpr std::size_t kMost = 50;
  std::vector<Outcome> alarms;
  std::size_t well = 0;
  for (const std::string& name : entries_of(all)) {
    if (!name.starts_with("mc") || !whole_number(std::string_view(name).substr(2))) continue;
    for (const EdacCounts& counts : edac_counts(all / name)) {
      Outcome outcome = edac_outcome(counts, input);
      if (outcome.severity == Severity::ok)
        ++well;
      else if (alarms.size() < kMost)
        alarms.push_back(std::move(outcome));
    }
  }
  if (well == 0 && alarms.empty()) {
    alarms.push_back(not_here("no EDAC driver: errors of memory modules are not counted here"));
    alarms.back().subject = "edac", alarms.back().hint = "the BMC's log (ipmitool sel list)";
  } else if (well > 0) {
    alarms.push_back({.severity = Severity::ok,
                      .subject = "edac",
                      .detail = fmt::format("{} memory modules and controllers have no new errors", well)});
  }
  return alarms;
}

/// Rows of /proc/interrupts that count errors of the hardware (arch/x86/kernel/irq.c). MCP, which counts how often the
/// kernel looked, is none.
struct ErrorRow {
  const char* name;
  const char* what;
  bool critical;
};
constexpr std::array<ErrorRow, 3> kErrorRows{
    {{"MCE", "machine check exceptions", true},
     {"DFR", "uncorrectable errors that nothing has used yet", true},
     {"THR", "interrupts for corrected errors beyond the processor's own limit", false}}};

/// "   0   0   Machine check exceptions": the sum over all CPUs.
std::int64_t sum_of(std::string_view row) {
  std::int64_t sum = 0;
  for (const std::string_view word : words_of(row)) {
    const auto count = whole_number(word);
    if (!count || *count < 0 || *count > INT64_MAX - sum) break;  // what it means, in words
    sum += *count;
  }
  return sum;
}

/// The sum of each row of kErrorRows; empty where there is no such row. With hundreds of CPUs the table has megabytes:
/// it is gone through once.
std::array<std::optional<std::int64_t>, kErrorRows.size()> sums_of_rows(std::string_view interrupts) {
  std::array<std::optional<std::int64_t>, kErrorRows.size()> sums;
  for (const std::string_view line : lines_of(interrupts)) {
    const std::size_t from = line.find_first_not_of(' ');
    if (from == std::string_view::npos) continue;
    const std::string_view row = line.substr(from);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const std::string_view name = kErrorRows.at(i).name;
      if (!sums.at(i) && row.starts_with(name) && row.substr(name.size()).starts_with(':'))
        sums.at(i) = sum_of(row.substr(name.size() + 1));
    }
  }
  return sums;
}

Outcome interrupts_outcome(const CheckInput& input) {
  const auto text = read_file(input.proc / "interrupts", std::size_t{64} << 20U);
  if (!text) return {.subject = "cpu", .detail = text.error().message};
  Outcome outcome{.severity = Severity::ok, .subject = "cpu", .value = 0, .unit = "count"};
  std::vector<std::string> found;
  bool has_row = false;
  const auto sums = sums_of_rows(*text);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const ErrorRow& row = kErrorRows.at(i);
    const auto& sum = sums.at(i);
    if (!sum) continue;
    has_row = true;
    const std::int64_t more = input.memory.growth(row.name, *sum).value_or(0);
    if (more <= 0) continue;
    outcome.severity = std::max(outcome.severity, row.critical ? Severity::critical : Severity::warning);
    *outcome.value += static_cast<double>(more);
    found.push_back(fmt::format("{} {}", more, row.what));
  }
  if (!has_row) {
    outcome = not_here("this kernel counts no machine checks in /proc/interrupts");
    outcome.subject = "cpu";
    return outcome;
  }
  outcome.detail = found.empty() ? "no new machine checks" : fmt::format("{} more", fmt::join(found, ", "));
  if (!found.empty()) outcome.hint = "dmesg | grep -i 'hardware error'; ras-mc-ctl --errors";
  return outcome;
}

/// How many errors the kernel tried to get over by taking a page out of use; Linux 6.3 and later.
std::optional<std::int64_t> memory_failures(const fs::path& sys) {
  std::optional<std::int64_t> sum;
  for (const std::string& node : entries_of(sys / "devices/system/node"))
    if (const auto total = number_in(sys / "devices/system/node" / node / "memory_failure/total"))
      sum = sum.value_or(0) + *total;
  return sum;
}

/// HardwareCorrupted of proc(5).
std::optional<std::int64_t> corrupted_kb(const fs::path& proc) {
  const auto text = read_file(proc / "meminfo", std::size_t{1} << 20U);
  if (!text) return std::nullopt;
  for (const std::string_view line : lines_of(*text))
    if (const auto words = words_of(line); words.size() >= 2 && words[0] == "HardwareCorrupted:")
      return whole_number(words[1]);
  return std::nullopt;
}

Outcome pages_outcome(const CheckInput& input) {
  const auto failures = memory_failures(input.sys), corrupted = corrupted_kb(input.proc);
  if (!failures && !corrupted) {
    Outcome outcome = not_here("this kernel takes no bad memory out of use (CONFIG_MEMORY_FAILURE)");
    outcome.subject = "pages";
    return outcome;
  }
  const std::int64_t failed = failures ? input.memory.growth("memory_failure", *failures).value_or(0) : 0;
  const std::int64_t more_kb = corrupted ? input.memory.growth("HardwareCorrupted", *corrupted).value_or(0) : 0;
  // A page may also be taken out of use because of many corrected errors, before they become worse.
  Outcome outcome{.severity = std::max(judge_at_least(static_cast<double>(failed), 0, 1),
                                       judge_at_least(static_cast<double>(more_kb), 1, 0)),
                  .subject = "pages",
                  .value = static_cast<double>(more_kb) * 1024,
                  .unit = "bytes",
                  .detail = fmt::format("{} uncorrectable errors and {} kB of bad memory more, {} kB out of use in all",
                                        failed, more_kb, corrupted.value_or(0))};
  if (is_alarm(outcome.severity)) outcome.hint = "dmesg | grep -i 'memory failure'";
  return outcome;
}

Result<std::vector<Outcome>> read(const CheckInput& input) {
  std::vector<Outcome> outcomes = edac_outcomes(input);
  outcomes.push_back(interrupts_outcome(input));
  outcomes.push_back(pages_outcome(input));
  return outcomes;
}

}  // namespace

const Check& machine_check() {
  static const Check check{
      .info = {.name = "machine_check",
               .summary = "Memory and processors report no new errors (EDAC, machine checks, bad pages)",
               .params = {{"corrected",
                           Unit::count,
                           1,
                           "alarms when a memory module corrected so many errors since the last reading; 0: off "
                           "(node-problem-detector reports each)",
                           {},
                           0.0,
                           {}}},
               .counts = true,
               .of_machine = true,
               .period_ns = 10 * kNsPerS,
               .untripped = "no fault here breaks memory",
               .proven = "a page of memory that is declared broken, in a virtual machine"},
      .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit

#include "harness/burnin/cell_words.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "harness/base/units.hpp"

namespace grit {
namespace {

/// What mpirun says of every job that failed (Open MPI: orte/tools/orterun/help-orterun.txt, ompi/mpi/c/abort.c): the
/// exit code is known without it.
constexpr std::array<std::string_view, 12> kOfEveryFailure{
    "Primary job  terminated normally, but",
    "a non-zero exit code",
    "mpirun detected that one or more processes exited with non-zero status",
    "prterun detected that one or more processes exited with non-zero status",
    "the job to be terminated.",
    "Process name:",
    "Exit code:",
    "MPI_ABORT was invoked on rank",
    "with errorcode",
    "NOTE: invoking MPI_ABORT causes",
    "You may or may not see output",
    "exactly when Open MPI kills them"};
constexpr std::array<std::string_view, 2> kOfGrit{"grit: ", "grit measure: "};

bool begins_with_any(std::string_view line, const auto& phrases) {
  return std::any_of(phrases.begin(), phrases.end(), [&](std::string_view phrase) { return line.starts_with(phrase); });
}

std::string_view stripped(std::string_view line) {
  const auto first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r") + 1 - first);
}

bool has_letter(std::string_view line) {
  return std::any_of(line.begin(), line.end(), [](unsigned char c) { return std::isalpha(c) != 0 || c >= 0x80; });
}

/// A row of dashes, before and behind what mpirun has to say.
bool is_frame(std::string_view line) {
  return line.size() >= 20 && line.find_first_not_of('-') == std::string_view::npos;
}

/// "[n1:4242] ...", and the addresses of a backtrace.
bool is_of_process(std::string_view line) {
  const auto end = line.find(']'), colon = line.find(':');
  return line.starts_with('[') && colon < end && end != std::string_view::npos;
}

bool is_of_slurm(std::string_view line) { return line.starts_with("srun: ") || line.starts_with("slurmstepd"); }

}  // namespace

std::string telling_line(std::string_view words) {
  std::string_view of_job, of_frame, of_slurm, of_process;
  bool in_frame = false;
  while (!words.empty()) {
    const auto end = std::min(words.find('\n'), words.size());
    const std::string_view line = stripped(words.substr(0, end));
    words.remove_prefix(std::min(end + 1, words.size()));
    if (is_frame(line)) {
      in_frame = !in_frame;
      continue;
    }
    if (!has_letter(line) || begins_with_any(line, kOfEveryFailure)) continue;
    if (begins_with_any(line, kOfGrit)) return std::string(line);
    if (in_frame)
      of_frame = of_frame.empty() ? line : of_frame;
    else if (is_of_slurm(line))
      of_slurm = of_slurm.empty() && line.find("error:") != std::string_view::npos ? line : of_slurm;
    else if (is_of_process(line))
      of_process = line;
    else
      of_job = line;
  }
  for (const std::string_view line : {of_job, of_frame, of_slurm, of_process})
    if (!line.empty()) return std::string(line);
  return {};
}

std::string why_nothing_came(const BurninCellResult& result, const std::string& host) {
  if (const auto error = result.errors.find(host); error != result.errors.end()) return error->second;
  const std::string line = telling_line(result.words);
  const std::string said = line.empty() ? "it said nothing" : line;
  switch (result.end) {
    case BurninCellEnd::timed_out:
      return fmt::format("nothing came within {}", format_duration(static_cast<double>(result.took_ns)));
    case BurninCellEnd::not_started:
      return "it could not be started: " + said;
    case BurninCellEnd::failed:
      return fmt::format("ended with {}: {}", result.status, said);
    case BurninCellEnd::completed:
      break;
  }
  return "it said nothing of itself";
}

}  // namespace grit

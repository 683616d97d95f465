// grit import-nccl: a job that ran with grit's NCCL profiler as a run directory.
#include <fmt/format.h>

#include <memory>

#include "harness/base/printable.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/cli/arguments.hpp"
#include "harness/cli/commands.hpp"
#include "harness/run/nccl_import.hpp"

namespace grit {
namespace {

constexpr std::uint64_t kMostOperations = 1'000'000;  // of a step
constexpr std::uint64_t kMostRanks = 1'000'000;       // on one axis

struct ImportCommand {
  std::string parts{}, out{};
  NcclImport wanted{};

  [[nodiscard]] std::vector<std::string> command_line() const {
    std::vector<std::string> words{"grit", "import-nccl", parts};
    if (wanted.operations) words.insert(words.end(), {"--operations", std::to_string(*wanted.operations)});
    for (const auto& [axis, size] : wanted.mesh)
      words.insert(words.end(), {fmt::format("--{}", to_string(axis)), std::to_string(size)});
    return words;
  }

  [[nodiscard]] Result<int> operator()() {
    wanted.parts = parts, wanted.out = out;
    wanted.command_line = command_line();
    GRIT_TRY(const NcclImported imported, import_nccl(wanted));
    for (const std::string& text : imported.texts) fmt::print("  {}\n", printable(text));
    fmt::print("{0}\ngrit report {0}\n", shell_word(imported.directory.string()));
    return 0;
  }
};

}  // namespace

void add_import_nccl(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "import-nccl", "make a run directory of a job of any framework that ran with grit's NCCL profiler");
  command->footer(
      "In the job, on every node (NCCL 2.28 or newer):\n"
      "  NCCL_PROFILER_PLUGIN=.../libnccl-profiler-grit.so GRIT_PROFILE_DIR=/shared/job torchrun train.py\n"
      "then: grit import-nccl /shared/job\n"
      "It says who begins collectives last, by the devices' times; grit report and grit compare read the directory.");
  auto import = std::make_shared<ImportCommand>();
  command->add_option("parts", import->parts, "the directory with the *.grit-nccl of all processes")->required();
  add_number(
      *command, "--operations", {1, kMostOperations},
      [import](std::uint64_t count) { import->wanted.operations = count; },
      "how many operations rank 0 begins in a step (default: found, as they repeat)");
  for (const Axis axis : {Axis::dp, Axis::tp, Axis::pp, Axis::ep})
    add_number(
        *command, fmt::format("--{}", to_string(axis)), {1, kMostRanks},
        [import, axis](std::uint64_t size) { import->wanted.mesh[axis] = static_cast<int>(size); },
        axis == Axis::dp ? "data-parallel ranks of the job (default: what the others leave)" : "the same of this axis");
  command->add_option("--out", import->out, "the run directory (default: runs/nccl_job/<UTC time of the job>)");
  command->callback([import, &action] { action = [import] { return (*import)(); }; });
}

}  // namespace grit

// grit simulate: a measured run played for a larger job: what a step would take there, and what the fault would cost.
#include "harness/run/simulate.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <limits>
#include <memory>

#include "harness/base/clock.hpp"
#include "harness/cli/arguments.hpp"
#include "harness/cli/commands.hpp"
#include "harness/cli/find_run.hpp"
#include "harness/run/execution.hpp"

namespace grit {
namespace {

constexpr std::uint64_t kMostRanks = 1'000'000;  // on one axis

/// Says how far it is, once it takes more than two seconds.
class ShareLine {
 public:
  void show(double share) {
    const std::int64_t now_ns = monotonic_ns();
    const std::int64_t every_ns = is_terminal_ ? kNsPerS / 5 : 5 * kNsPerS;
    if (now_ns - started_ns_ < 2 * kNsPerS || now_ns - last_ns_ < every_ns) return;
    last_ns_ = now_ns;
    const std::string text = fmt::format("grit: simulating, {:.0f} %", 100 * share);
    fmt::print(stderr, "{}{}{}", is_terminal_ ? "\r\033[K" : "", text, is_terminal_ ? "" : "\n");
  }
  void end() const {
    if (last_ns_ != 0 && is_terminal_) fmt::print(stderr, "\r\033[K");
  }

 private:
  bool is_terminal_ = ::isatty(STDERR_FILENO) != 0;
  std::int64_t started_ns_ = monotonic_ns(), last_ns_ = 0;
};

struct SimulateCommand {
  Simulation simulation{};
  std::string run{}, out{};

  [[nodiscard]] std::vector<std::string> command_line() const {
    std::vector<std::string> words{"grit", "simulate", run};
    for (const auto& [axis, size] : simulation.sizes)
      words.insert(words.end(), {fmt::format("--{}", to_string(axis)), std::to_string(size)});
    if (simulation.seed) words.insert(words.end(), {"--seed", std::to_string(*simulation.seed)});
    return words;
  }

  [[nodiscard]] Result<int> operator()() {
    GRIT_TRY(run, find_run(run));
    simulation.run = run, simulation.out = out;
    simulation.command_line = command_line();
    ShareLine line;
    simulation.progress = [&line](double share) { line.show(share); };
    const auto simulated = simulate(simulation);
    line.end();
    if (!simulated) return tl::make_unexpected(simulated.error());
    const Prediction& prediction = simulated->prediction;
    fmt::print(stderr, "grit: {} ranks (dp {}) from {} measured ones (dp {}), {} times as many\n", prediction.ranks,
               prediction.dp, prediction.ranks_measured, prediction.dp_measured,
               prediction.ranks / prediction.ranks_measured);
    return print_verdict(simulated->directory, false);
  }
};

}  // namespace

void add_simulate(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand(
      "simulate", "play a measured run for a larger job: what a step would take there, and what the fault would cost");
  command->footer(
      "examples: grit simulate runs/link_flap/20261123T081500Z-7 --dp 512\n"
      "          grit simulate link_flap --dp 64 --out larger    from the latest run of that scenario\n"
      "Only dp grows: the batch of a rank, and with it its work, stays as it was. The larger run is a directory like\n"
      "any other, which says that everything in it was emulated; prediction.json there has the intervals.");
  auto simulate = std::make_shared<SimulateCommand>();
  command
      ->add_option("run", simulate->run, "the directory of the measured run, or a scenario's name for its latest here")
      ->required();
  const auto add_axis = [&](Axis axis, const std::string& help) {
    return add_number(
        *command, fmt::format("--{}", to_string(axis)), {1, kMostRanks},
        [simulate, axis](std::uint64_t size) { simulate->simulation.sizes[axis] = static_cast<int>(size); }, help);
  };
  add_axis(Axis::dp, "data-parallel ranks of the larger job, a multiple of those of the run")->required();
  for (const Axis axis : {Axis::tp, Axis::pp, Axis::ep})
    add_axis(axis, "as in the run, which is the only choice so far");
  command->add_option("--out", simulate->out,
                      "the directory of the larger run (default: runs/<scenario>/<UTC time>-<seed>-dp<N>)");
  add_number(
      *command, "--seed", {0, std::numeric_limits<std::uint64_t>::max()},
      [simulate](std::uint64_t seed) { simulate->simulation.seed = seed; }, "of what is drawn (default: the run's)");
  command->callback([simulate, &action] { action = [simulate] { return (*simulate)(); }; });
}

}  // namespace grit

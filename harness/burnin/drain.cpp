#include "harness/burnin/drain.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/report/export/burnin_export.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/printable.hpp"
#include "harness/cluster/launch.hpp"
#include "harness/os/child_process.hpp"

namespace grit {
namespace {

constexpr std::int64_t kLimit_ns = 10 * kNsPerS;
constexpr std::string_view kNodeWord = "NodeName=";

Result<ChildResult> run_scontrol(const std::string& program, std::vector<std::string> words) {
  words.front() = program;
  GRIT_TRY(ChildResult done, run_child({.argv = words, .environment = own_environment()}, kLimit_ns));
  if (done.end == ChildEnd::exited && done.status == 0) return done;
  return internal_error(fmt::format("scontrol did not do it: {}", printable(done.errors + done.output)));
}

std::string node_of(const std::vector<std::string>& words) {
  const auto found = std::ranges::find_if(words, [](const std::string& word) { return word.starts_with(kNodeWord); });
  return found == words.end() ? std::string() : found->substr(kNodeWord.size());
}

/// "State=IDLE+DRAIN ..." of `scontrol show node`.
bool is_drained(const std::string& shown) {
  const auto state = shown.find("State=");
  return state != std::string::npos &&
         shown.substr(state, shown.find(' ', state) - state).find("DRAIN") != std::string::npos;
}

Status drain(const std::string& program, const std::vector<std::string>& words) {
  const std::string node = node_of(words);
  GRIT_TRY(const ChildResult shown, run_scontrol(program, {"scontrol", "show", "node", node}));
  if (is_drained(shown.output)) {
    fmt::print(stderr, "grit: {} is drained already, and is left as it is\n", node);
    return {};
  }
  GRIT_CHECK(run_scontrol(program, words));
  fmt::print(stderr, "grit: {} is drained\n", node);
  return {};
}

}  // namespace

void drain_bad_nodes(const BurninReport& report) {
  const auto apart = std::ranges::count(report.nodes, BurninNodeState::apart, &BurninNodeReport::state);
  if (apart > 0)
    fmt::print(stderr,
               "grit: nodes that were set apart, and are not drained: {}; their lines in drain.sh are comments\n",
               apart);
  const auto commands = drain_commands(report);
  if (commands.empty()) return;
  const auto program = program_in_path("scontrol");
  if (!program) {
    fmt::print(stderr, "grit: no node is drained: --apply-drain needs scontrol, which is not in PATH\n");
    return;
  }
  for (const auto& words : commands)
    if (const auto done = drain(*program, words); !done)
      fmt::print(stderr, "grit: {} is not drained: {}\n", node_of(words), done.error().message);
}

}  // namespace grit

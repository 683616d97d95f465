// grit check: is this node well? All health checks, read once, without MPI and without a scenario.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <memory>

#include "harness/agent/journal.hpp"
#include "harness/base/files.hpp"
#include "harness/base/json_fields.hpp"
#include "harness/base/printable.hpp"
#include "harness/base/shortened.hpp"
#include "harness/cli/arguments.hpp"
#include "harness/cli/check_state.hpp"
#include "harness/cli/commands.hpp"
#include "harness/cluster/discovery.hpp"
#include "harness/health/check_output.hpp"
#include "harness/health/read_checks.hpp"
#include "harness/os/identity.hpp"
#include "harness/os/trusted_path.hpp"
#include "harness/scenario/load_checks.hpp"

namespace grit {
namespace {

/// What an earlier call remembered says nothing any more: a rate over an hour hides a minute.
constexpr std::int64_t kOldest_ns = 3600 * kNsPerS;

/// A node exporter has a user of its own, and whoever calls grit may have a umask of 077.
constexpr unsigned kForAll = 0644;

struct Request {
  std::vector<std::string> names{};
  std::string config{};
  bool json = false, line = false, table = false, strict = false;
  std::string openmetrics{}, state{};
};

/// The file itself, behind all links. This process runs what is in it, so nobody else may be able to write it.
Result<std::filesystem::path> config_file(const std::string& file) {
  std::error_code failed;
  const auto real = std::filesystem::canonical(file, failed);
  if (failed) return usage_error(fmt::format("cannot read {}: {}", file, failed.message()));
  if (!std::filesystem::is_regular_file(real, failed))
    return usage_error(fmt::format("{} is not a file: name a file of checks, such as {}", real.string(),
                                   (real / "checks.lua").string()));
  if (is_safe_to_run(real)) return real;
  return usage_error(
      fmt::format("{} can be changed by others than {}, and its commands would be run: chown it and chmod go-w it and "
                  "the directories above it",
                  real.string(), ::geteuid() == 0 ? "root" : "you and root"));
}

/// Why none of the checks of this call has that name, and which it could be.
Failure no_such_check(const std::string& name, const std::vector<std::string>& known, const std::string& config) {
  if (const Check* check = find_check(name); check != nullptr && config.empty())
    return usage_error(
        fmt::format("check {0} needs parameters: write them into a file, grit.check.{0} {{ ... }}, and "
                    "name it with --config; grit describe {0} shows them",
                    name));
  const std::string near = nearest_name(name, known);
  std::string what = fmt::format("there is no check called {}", shortened(name));
  if (!config.empty()) what += fmt::format(" in {}", config);
  if (name.find(',') != std::string::npos)
    what += "; separate names by spaces";
  else if (!near.empty())
    what += fmt::format("; did you mean {}?", near);
  return usage_error(what + (config.empty()
                                 ? "; grit list checks shows all"
                                 : fmt::format("; it has: {}", shortened(fmt::format("{}", fmt::join(known, ", "))))));
}

Result<std::vector<ScenarioPlugin>> wanted_checks(const Request& request) {
  std::vector<ScenarioPlugin> checks;
  if (!request.config.empty()) {
    GRIT_TRY(const std::filesystem::path file, config_file(request.config));
    GRIT_TRY(checks, load_checks(file));
  } else {
    checks = checks_without_params();
  }
  if (request.names.empty()) return checks;
  std::vector<std::string> known;
  for (const ScenarioPlugin& check : checks) known.push_back(check_label(check));
  for (const std::string& name : request.names)
    if (std::find(known.begin(), known.end(), name) == known.end()) return no_such_check(name, known, request.config);
  std::erase_if(checks, [&](const ScenarioPlugin& check) {
    return std::find(request.names.begin(), request.names.end(), check_label(check)) == request.names.end();
  });
  return checks;
}

/// What checks counted at an earlier call on this boot.
std::vector<CheckMemory> memories_of(const CheckState& earlier, const std::vector<ScenarioPlugin>& checks) {
  std::vector<CheckMemory> memories(checks.size());
  if (earlier.boot != boot_id().value_or("")) return memories;
  for (std::size_t place = 0; place < checks.size(); ++place) {
    const auto one = earlier.checks.find(check_label(checks[place]));
    if (one == earlier.checks.end() || !one->is_object()) continue;
    const std::int64_t age_ns = monotonic_ns() - integer_at(*one, "read_ns", earlier.t_ns);
    if (age_ns >= 0 && age_ns <= kOldest_ns) memories[place] = CheckMemory::from_json(*one);
  }
  return memories;
}

/// What a check counted that was not read at this call stays, as far as it is of this boot.
CheckState state_of(const NodeCheck& all, Node node, const std::optional<CheckState>& earlier) {
  CheckState state{.node = std::move(node), .boot = boot_id().value_or(""), .t_ns = monotonic_ns()};
  if (earlier && earlier->boot == state.boot) state.checks = earlier->checks;
  for (const CheckedOnce& check : all.checks)
    if (!check.reading.memory.is_empty()) state.checks[check.label] = check.reading.memory.to_json();
  return state;
}

/// Only who runs the node can say that it is meant to be another than before.
void say_how_to_accept(NodeCheck& all, const Node& expected, const Node& now, const std::string& state) {
  for (CheckedOnce& check : all.checks) {
    if (!check.of_links) continue;
    for (Outcome& outcome : check.reading.outcomes)
      if (is_alarm(outcome.severity) && contradicts(expected, now, outcome.subject))
        outcome.hint +=
            fmt::format("{}if it is meant to be so from now on, remove {}", outcome.hint.empty() ? "" : "; ", state);
  }
}

struct Checked {
  NodeCheck all{};
  Node expected{};  // what the checks held the node against
  std::optional<CheckState> earlier{};
  Status state_can_be_written{};  // and could be read
};

Result<Checked> check_node(const Request& request) {
  GRIT_TRY(std::vector<ScenarioPlugin> planned, wanted_checks(request));
  const std::int64_t began_ns = monotonic_ns();
  GRIT_TRY(const Node now, discover_node({"", default_journal_directory()}));
  Checked checked{.all = {.node = now.name, .t_ns = realtime_ns()}, .expected = now};
  for (const ScenarioPlugin& check : planned) {
    const Check* plugin = find_check(check.name);
    checked.all.checks.push_back({.label = check_label(check),
                                  .is_asked_for = !request.names.empty() || !request.config.empty(),
                                  .of_links = plugin != nullptr && plugin->info.of_links});
  }
  std::vector<CheckMemory> memories(planned.size());
  if (!request.state.empty()) {
    auto earlier = read_check_state(request.state, now.name);
    if (!earlier) checked.state_can_be_written = Failure(std::move(earlier).error());
    if (earlier) checked.earlier = std::move(*earlier);
    if (checked.earlier) memories = memories_of(*checked.earlier, planned);
    if (checked.earlier && checked.earlier->node) checked.expected = expected_node(*checked.earlier->node, now);
  }
  GRIT_TRY(CheckRunner runner,
           CheckRunner::start(
               {.node = checked.expected, .checks = std::move(planned), .memories = memories, .wants_memory = true}));
  read_checks(runner, checked.all.checks, memories, began_ns);
  say_how_to_accept(checked.all, checked.expected, now, request.state);
  checked.all.duration_ns = monotonic_ns() - began_ns;
  return checked;
}

Status or_another(Status written) {
  if (written) return written;
  Error error = std::move(written).error();
  error.message += "; name a file in a directory that is there";
  return Failure(std::move(error));
}

Status write_state(const std::string& file, const Checked& checked) {
  if (file.empty()) return {};
  GRIT_CHECK(checked.state_can_be_written);
  return or_another(write_check_state(file, state_of(checked.all, checked.expected, checked.earlier)));
}

/// What is asked for beside the answer, each whatever becomes of the other. Error: the first that could not be written.
Status write_files(const Request& request, const Checked& checked) {
  Status metrics{};
  if (!request.openmetrics.empty())
    metrics = or_another(write_file_durably(request.openmetrics, openmetrics_text(checked.all), kForAll));
  Status state = write_state(request.state, checked);
  return metrics ? state : metrics;
}

/// What cannot be written is said, and the answer is not "ok" then: who reads the file would go by an old one.
Result<int> check(const Request& request) {
  GRIT_TRY(const Checked checked, check_node(request));
  const NodeCheck& all = checked.all;
  const Status written = write_files(request, checked);
  Severity severity = severity_of(all, request.strict);
  if (!written && severity == Severity::ok) severity = Severity::unknown;
  if (request.json)
    fmt::print("{}\n", json_text(check_json(all, severity)));
  else if (request.table || (!request.line && ::isatty(STDOUT_FILENO) != 0))
    fmt::print("{}", check_table(all, severity));
  else
    fmt::print("{}", plugin_lines(all, severity));
  if (!written) fmt::print(stderr, "grit: {}\n", printable(written.error().message));
  return static_cast<int>(severity);
}

}  // namespace

void add_check(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("check", "is this node well? All health checks once, without a scenario");
  command->footer(
      "exit code: 0 ok, 1 warning, 2 critical, 3 unknown, as monitoring plug-ins; 64: the command line or FILE is "
      "wrong\n"
      "example: grit check\n"
      "example: grit check --config /etc/grit/checks.lua --state /var/lib/grit/check.json --line");
  auto request = std::make_shared<Request>();
  command->add_option("check", request->names, "only these; grit list checks shows all (default: all)");
  command->add_option("--config", request->config,
                      "a Lua file: local grit = require \"grit\"; return { grit.check.link_up {}, ... }; in place of "
                      "all with their defaults");
  auto* json = command->add_flag("--json", request->json, "everything, as JSON");
  auto* line = command->add_flag("--line", request->line, "as a monitoring plug-in (default, unless on a terminal)");
  auto* table = command->add_flag("--table", request->table, "a row an outcome (default on a terminal)");
  line->excludes(json)->excludes(table);
  json->excludes(table);
  command->add_option("--openmetrics", request->openmetrics,
                      "write metrics there, too, for a node exporter's textfile collector (a name that ends in .prom)");
  command->add_option(
      "--state", request->state,
      "what the node was and what counters said, from call to call: a NIC that is lost is missed, what happened in "
      "between is seen, and nothing is read twice. Remove the file when the node is meant to be another from now on");
  command->add_flag("--strict", request->strict, "a check that has nothing to look at here is unknown, too (3)");
  command->callback([request, &action] { action = [request] { return check(*request); }; });
}

}  // namespace grit

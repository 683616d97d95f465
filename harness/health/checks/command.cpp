// command: a program of the site's, whose exit status says how the node is.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <csignal>
#include <cstring>
#include <optional>
#include <utility>

#include "harness/base/clock.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/site_command.hpp"
#include "harness/health/perfdata.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxDetail_bytes = 240;

constexpr int kSignalled = 128;  // and a signal's number: what a shell says of a program that one ended (as kCannotRun)

// smartctl(8), "EXIT STATUS": 3 the disk is failing, 4 an attribute is at its limit now; 0 to 2 it could not look; 5 to
// 7 an attribute was at its limit once, there are entries in the error log or in that of the self-tests.
constexpr std::int64_t kSmartCritical = 0x18, kSmartUnknown = 0x07, kSmartWarning = 0xe0;

struct Verdict {
  Severity severity = Severity::unknown;
  std::string why{};  // where the output alone does not say it
};

/// Monitoring Plugins Interface, "Exit codes": 4 to 255 are reserved.
Verdict by_nagios(int status) {
  if (status <= 3) return {static_cast<Severity>(status)};
  return {Severity::unknown, fmt::format("exit status {} is not one of 0 to 3", status)};
}

/// NVIDIA Health Validation, "Exit codes": 0 also for its warnings, 1 also when it could not read a sensor; any other:
/// it came to no verdict.
Verdict by_health_validation(int status) {
  if (status <= 1) return {status == 0 ? Severity::ok : Severity::critical};
  return {Severity::unknown, fmt::format("no verdict: exit status {}", status)};
}

/// LBNL Node Health Check marks a node offline for whatever status is not 0; 10 is what it ends with when it does not
/// understand its own command line.
Verdict by_nhc(int status) {
  if (status == 10) return {Severity::unknown, "it does not understand its command line"};
  return {status == 0 ? Severity::ok : Severity::critical};
}

Verdict by_bits(int status, const Params& params) {
  if (status == 0) return {Severity::ok};
  const std::string why = fmt::format("exit status {:#x}", status);
  const auto any_of = [&](const char* bits) { return (status & params.integer(bits)) != 0; };
  if (any_of("bits_critical")) return {Severity::critical, why};
  if (any_of("bits_unknown")) return {Severity::unknown, why};
  return {any_of("bits_warning") ? Severity::warning : Severity::ok, why};
}

/// Without a shell these are a program's own: one that cannot be run is an error then.
bool is_of_shell(int status, const Params& params) {
  return params.boolean("shell") && (status == kCannotRun || status == kNotFound);
}

Verdict by_status(int status, const Params& params) {
  const std::string map = params.text("exit");
  if (is_of_shell(status, params)) return {Severity::unknown, "cannot be run"};
  if (map == "bitmask") return by_bits(status, params);
  if (map == "nhc") return by_nhc(status);
  if (status > kSignalled && status < kSignalled + NSIG)
    return {Severity::unknown, fmt::format("ended by {}", ::strsignal(status - kSignalled))};
  return map == "nagios" ? by_nagios(status) : by_health_validation(status);
}

std::string seconds(std::int64_t ns) { return format_duration(static_cast<double>(ns)); }

Verdict judge(const ChildResult& result, const Params& params, std::int64_t limit_ns) {
  switch (result.end) {
    case ChildEnd::exited:
      return by_status(result.status, params);
    case ChildEnd::signalled:
      return {Severity::unknown, fmt::format("ended by {}", ::strsignal(result.status))};
    case ChildEnd::timed_out:
      return {Severity::unknown,
              fmt::format("timed out after {}, having used {} of CPU", seconds(limit_ns), seconds(result.cpu_ns))};
    case ChildEnd::flooded:
      return {Severity::unknown, "flooded its output (over 1 MiB) and was killed"};
    case ChildEnd::stopped:  // nobody can: it has no stop_fd
    case ChildEnd::stuck:
      break;
  }
  return {Severity::unknown,
          fmt::format("process {} cannot be killed: it waits in the kernel (D state), for a disk or a file server?",
                      result.stuck_pid)};
}

std::string hint_of(const ChildResult& result, const Params& params) {
  if (result.end == ChildEnd::timed_out) return "raise `limit`, or give the program a time limit of its own below it";
  if (result.end == ChildEnd::stuck) return fmt::format("cat /proc/{}/stack", result.stuck_pid);
  if (result.end == ChildEnd::exited && is_of_shell(result.status, params))
    return "is it installed on this node, and executable?";
  return "";
}

std::string cut(std::string text) {
  if (text.size() <= kMaxDetail_bytes) return text;
  text.resize(kMaxDetail_bytes);
  while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xC0) == 0x80) text.pop_back();
  if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0x80) text.pop_back();
  return text + "...";
}

std::string detail_of(const ChildResult& result, const Verdict& verdict, std::string said) {
  if (said.empty()) {
    const PluginOutput errors = parse_plugin_output(result.errors);
    said = errors.text.empty() ? "(no output)" : errors.text;
  }
  std::string detail = cut(verdict.why.empty() ? said : fmt::format("{}: {}", verdict.why, said));
  if (result.left_processes) detail += " (+ it left processes running, which were killed)";
  return detail;
}

Outcome outcome_of(const ChildResult& result, const Params& params, std::int64_t limit_ns) {
  const Verdict verdict = judge(result, params, limit_ns);
  PluginOutput said = parse_plugin_output(result.output);
  Outcome outcome{.severity = verdict.severity,
                  .subject = params.text("subject"),
                  .detail = detail_of(result, verdict, std::move(said.text)),
                  .hint = hint_of(result, params)};
  if (params.boolean("perfdata") && !said.metrics.empty()) {
    outcome.value = value_of(said.metrics.front());
    if (outcome.value) outcome.unit = unit_of(said.metrics.front());
  }
  return outcome;
}

/// As a shell splits a line: at blanks, but for what stands between quotes or behind a backslash. Nothing else has a
/// meaning. Empty: a quote is not closed, or a backslash is the last character.
std::optional<std::vector<std::string>> split_words(const std::string& line) {
  std::vector<std::string> words;
  bool in_word = false;
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote == 0 && (c == ' ' || c == '\t')) {
      in_word = false;
      continue;
    }
    if (!std::exchange(in_word, true)) words.emplace_back();
    if (c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '"' || c == '\'')) {
      quote = c;
    } else if (c == '\\' && quote != '\'') {
      if (++i == line.size()) return std::nullopt;
      if (quote == '"' && line[i] != '"' && line[i] != '\\') words.back() += c;
      words.back() += line[i];
    } else {
      words.back() += c;
    }
  }
  if (quote != 0) return std::nullopt;
  return words;
}

/// In place of what has its name already.
void set_variable(std::vector<std::string>& environment, const std::string& variable) {
  const std::string name = variable.substr(0, variable.find('=') + 1);
  std::erase_if(environment, [&](const std::string& one) { return one.starts_with(name); });
  environment.push_back(variable);
}

ChildCommand command_line(const CheckInput& input) {
  const Params& params = input.params;
  ChildCommand command = site_command(input, kCommandCheck, params.text("command"));
  command.directory = params.text("directory");
  if (!params.boolean("shell")) command.argv = split_words(params.text("command")).value_or(command.argv);
  for (const std::string& variable : split_words(params.text("environment")).value_or(std::vector<std::string>{}))
    set_variable(command.environment, variable);
  return command;
}

class Reader {
 public:
  Result<std::vector<Outcome>> operator()(const CheckInput& input) {
    if (stuck_pid_ > 0) stuck_pid_ = still_stuck();
    if (stuck_pid_ > 0) {
      const ChildResult still{.end = ChildEnd::stuck, .stuck_pid = stuck_pid_};
      return std::vector{outcome_of(still, input.params, 0)};
    }
    GRIT_TRY(const ChildResult result, run_child(command_line(input), input.limit_ns));
    stuck_pid_ = result.stuck_pid;
    return std::vector{outcome_of(result, input.params, input.limit_ns)};
  }

 private:
  pid_t stuck_pid_ = -1;
};

/// POSIX.1-2017, Base Definitions, 3.235.
bool is_variable(const std::string& word) {
  const std::size_t equals = word.find('=');
  const auto is_letter = [](unsigned char c) { return c == '_' || (c < 0x80 && std::isalpha(c) != 0); };
  if (equals == std::string::npos || equals == 0 || !is_letter(static_cast<unsigned char>(word[0]))) return false;
  return std::all_of(word.begin(), word.begin() + static_cast<std::ptrdiff_t>(equals),
                     [&](unsigned char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

Status validate(const Params& params) {
  const std::string command = params.text("command"), environment = params.text("environment"),
                    directory = params.text("directory");
  GRIT_CHECK(check_site_command("command", command));
  const auto words = split_words(command);
  if (!params.boolean("shell") && (!words || words->empty() || !words->front().starts_with('/')))
    return usage_error(
        "with shell = false `command` must be a program with its whole path (/usr/bin/...) and its "
        "arguments, and every quote closed");
  const auto variables = split_words(environment);
  if (!is_one_line(environment) || !variables || !std::all_of(variables->begin(), variables->end(), is_variable))
    return usage_error(
        "`environment` must be NAME=value, with blanks between several and quotes around a value with "
        "blanks");
  if (!directory.starts_with('/') || !is_one_line(directory))
    return usage_error("`directory` must be a whole path (/...)");
  return {};
}

ParamSpec bits(const char* name, std::int64_t bits, const char* what) {
  return {name, Unit::count, bits, fmt::format("of the exit status, {} (smartctl(8))", what), {}, 0.0, 255.0};
}

}  // namespace

const Check& command_check() {
  static const Check check{
      .info = {.name = std::string(kCommandCheck),
               .summary = "A program of the site's: its exit status says how the node is (only with --allow-command)",
               .params = {{"command", Unit::text, nullptr, "one line for /bin/sh -c"},
                          {"shell", Unit::boolean, true,
                           "false: run the program that `command` begins with (/usr/...) itself; blanks, quotes and "
                           "backslashes make its arguments as a shell would, and nothing else has a meaning"},
                          {"environment", Unit::text, "",
                           "variables beside or in place of those that it has: \"NAME=value OTHER='two words'\""},
                          {"directory", Unit::text, "/", "in which it runs"},
                          {"exit",
                           Unit::text,
                           "nagios",
                           "what its exit status means",
                           {"nagios", "health_validation", "nhc", "bitmask"}},
                          bits("bits_critical", kSmartCritical, "with exit = \"bitmask\": any of these is critical"),
                          bits("bits_unknown", kSmartUnknown, "else any of these is unknown"),
                          bits("bits_warning", kSmartWarning, "else any of these is a warning; others are passed over"),
                          {"subject", Unit::text, "", "what it looks at: \"eth0\"; default: the node"},
                          {"perfdata", Unit::boolean, true, "take the first figure behind the | as value"}},
               .place = CheckPlace::own,
               .period_ns = 10 * kNsPerS,
               .limit_ns = 10 * kNsPerS,
               .needs = "--allow-command, and the program",
               .untripped = "it depends on the program",
               .proven = "check_ping, check_disk and smartctl of the distribution"},
      .make = [] { return ReadCheck(Reader()); },
      .validate = validate};
  return check;
}

}  // namespace grit

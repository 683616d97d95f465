// command: whatever the user's own commands do. One applies it, one says whether it is in force, one prints a number
// that moves when it acts, one reverts it; they run in /bin/sh as the user that grit runs as, each with a time limit.
//
// What the other faults promise is here the commands' part: `revert` must be idempotent, and succeed also when `apply`
// never ran or ran in part. It stands in the undo journal, so that `grit revert` can run it after everything was
// killed.
#include <fmt/format.h>

#include <charconv>

#include "harness/base/clock.hpp"
#include "harness/os/child_process.hpp"
#include "harness/os/closed_object.hpp"
#include "harness/os/shell.hpp"
#include "injectors/faults.hpp"
#include "injectors/setting.hpp"

namespace grit {
namespace {

constexpr std::int64_t kMaxTimeout_ns = 600 * kNsPerS;

/// The undo record, typed: all but `apply`, which must not run again.
struct Undo {
  std::string evidence, counter, revert;
  std::int64_t timeout_ns = 0;
};

Json to_json(const Undo& undo) {
  return Json{
      {"evidence", undo.evidence}, {"counter", undo.counter}, {"revert", undo.revert}, {"timeout_ns", undo.timeout_ns}};
}

Undo undo_of(const Params& params) {
  return {params.text("evidence"), params.text("counter"), params.text("revert"), params.integer("timeout")};
}

Result<Undo> undo_from_json(const Json& json) {
  ClosedObject object(json, "undo record of command");
  Undo undo;
  undo.evidence = object.text("evidence", kMaxCommand_bytes);
  undo.counter = object.text("counter", kMaxCommand_bytes);
  undo.revert = object.text("revert", kMaxCommand_bytes);
  undo.timeout_ns = object.integer("timeout_ns", 1, kMaxTimeout_ns);
  GRIT_CHECK(object.done());
  if (undo.evidence.empty() || undo.counter.empty() || undo.revert.empty())
    return usage_error("undo record of command: a command is empty");
  return undo;
}

Status must_succeed(const char* which, const std::string& command, std::int64_t timeout_ns) {
  GRIT_TRY(const ShellResult result, run_in_shell(command, timeout_ns));
  if (result.status == 0) return {};
  return internal_error(
      fmt::format("`{}` (\"{}\") ended with status {}: {}", which, command, result.status, result.output));
}

class Command final : public SettingInjector<Undo> {
 public:
  [[nodiscard]] const InjectorInfo& info() const override {
    static const InjectorInfo info{
        .name = "command",
        .summary = "Whatever the commands of the scenario do (only with --allow-command)",
        .params = {{"apply", Unit::text, nullptr, "puts it in force, and ends"},
                   {"evidence", Unit::text, nullptr, "ends with status 0 when it is in force, and prints what it saw"},
                   {"counter", Unit::text, nullptr, "prints a number that moves when it acts"},
                   {"revert", Unit::text, nullptr, "puts everything back; also when there is nothing to put back"},
                   {"timeout",
                    Unit::time_ns,
                    5 * kNsPerS,
                    "a command that takes longer is killed and has failed",
                    {},
                    static_cast<double>(kNsPerMs),
                    static_cast<double>(kMaxTimeout_ns)}},
        .mechanisms = {"/bin/sh"},
        .needs = {"--allow-command", "/bin/sh and the programs that the commands name"},
        .undo = UndoClass::persistent,
        .runs_commands = true,
        .outlives_reboot = true};
    return info;
  }
  [[nodiscard]] std::int64_t call_limit_ns(const Params& params) const override { return params.integer("timeout"); }

  [[nodiscard]] Result<std::string> resolve_device(const Node&, const Params& params) const override {
    auto tried = undo_from_json(to_json(undo_of(params)));
    if (!tried || params.text("apply").empty())
      return usage_error(
          fmt::format("command: `apply`, `evidence`, `counter` and `revert` must each be one line of 1 to {} bytes",
                      kMaxCommand_bytes));
    return std::string();
  }

  [[nodiscard]] std::optional<std::string> why_unavailable(const Target& target) const override {
    const auto shell = run_in_shell("exit 0", target.params.integer("timeout"));
    if (!shell) return shell.error().message;
    if (shell->status != 0) return "/bin/sh does not work here";
    const auto seen = run_in_shell(target.params.text("evidence"), target.params.integer("timeout"));
    if (!seen) return seen.error().message;
    if (seen->status == 0) return "`evidence` says that it is in force already: " + seen->output;
    if (seen->status == 127) return "`evidence` cannot be run: " + seen->output;
    return std::nullopt;
  }

  [[nodiscard]] bool acted(const Json& before, const Json& after) const override {
    return before.contains("counter") && after.contains("counter") && before["counter"] != after["counter"];
  }

 protected:
  [[nodiscard]] Result<Undo> snapshot(const Target& target) const override {
    return undo_from_json(to_json(undo_of(target.params)));
  }
  [[nodiscard]] Result<Undo> parse(const Json& record) const override { return undo_from_json(record); }
  /// What a command starts in the background may take until it shows.
  [[nodiscard]] std::int64_t patience_ns(const Undo& undo) const override { return undo.timeout_ns; }

  [[nodiscard]] Status set(const Target& target, const Undo&) const override {
    return must_succeed("apply", target.params.text("apply"), target.params.integer("timeout"));
  }

  [[nodiscard]] Result<Reading> read(const Target&, const Undo& undo) const override {
    GRIT_TRY(const ShellResult seen, run_in_shell(undo.evidence, undo.timeout_ns));
    return Reading{.holds = seen.status == 0,
                   .left = seen.status == 0,
                   .details = {{"status", seen.status}, {"output", printable(seen.output)}}};
  }

  [[nodiscard]] Result<Json> counters(const Target&, const Undo& undo) const override {
    GRIT_TRY(const ShellResult counted, run_in_shell(undo.counter, undo.timeout_ns));
    const std::string text =
        counted.output.substr(std::min(counted.output.find_first_not_of(" \t"), counted.output.size()));
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (counted.status != 0 || error != std::errc())
      return internal_error(fmt::format("`counter` (\"{}\") printed no number, status {}: {}", undo.counter,
                                        counted.status, printable(counted.output)));
    return Json{{"counter", value}};
  }

  [[nodiscard]] Result<Reverted> restore(const Undo& undo) const override {
    GRIT_CHECK(must_succeed("revert", undo.revert, undo.timeout_ns));
    return Reverted::put_back;
  }

 private:
  /// What a command printed may be no valid UTF-8, which JSON needs.
  static std::string printable(std::string text) {
    for (char& c : text)
      if (const auto byte = static_cast<unsigned char>(c); (byte < 0x20 && c != '\n' && c != '\t') || byte >= 0x7f)
        c = '?';
    return text;
  }
};

}  // namespace

const Injector& command() {
  static const Command injector;
  return injector;
}

}  // namespace grit

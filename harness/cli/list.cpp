// grit list, grit describe: what there is, and what each accepts.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <set>

#include "harness/base/printable.hpp"
#include "harness/base/shortened.hpp"
#include "harness/cli/arguments.hpp"
#include "harness/cli/commands.hpp"
#include "harness/cli/params_table.hpp"
#include "harness/cli/shipped_scenarios.hpp"
#include "harness/health/check.hpp"
#include "harness/scenario/annotations.hpp"
#include "harness/scenario/load.hpp"
#include "harness/scenario/load_burnin.hpp"
#include "harness/scenario/timing.hpp"
#include "injectors/injector.hpp"
#include "workloads/compute/accelerator.hpp"
#include "workloads/workload.hpp"

namespace grit {
namespace {

const std::vector<std::string> kKinds{"faults", "workloads", "checks", "scenarios"};

void print_row(std::string_view name, std::string_view summary) { fmt::print("  {:<19} {}\n", name, summary); }

/// The reasons above are this user's on the machine itself.
void print_rootless_hint() {
  if (::geteuid() == 0) return;
  fmt::print(
      "\n  without root: faults on the network work on the local cluster all the same (grit run without mpirun), whose "
      "network is grit's own\n");
}

/// "not here: why", when no mechanism of it works on this machine.
void print_fault(const Injector& injector) {
  print_row(injector.info().name, injector.info().summary);
  const auto all = injector.mechanisms_here();
  const bool any = std::any_of(all.begin(), all.end(), [](const auto& one) { return !one.why_not; });
  if (!any && !all.empty()) print_row("", "not here: " + *all.front().why_not);
}

/// Empty when it was seen to alarm.
std::string why_unproven(const CheckInfo& info) {
  return info.proven.empty() ? "no real thing was seen to make it alarm, only " + info.unproven : "";
}

/// What it asks; or why it cannot be read, since a site's own are among them.
std::string question_of(const std::filesystem::path& file) {
  const auto source = read_scenario(file);
  if (!source) return printable(source.error().message);
  const auto brief = brief_of_scenario(file.string(), *source);
  return printable(brief ? brief->summary : "cannot be read: " + brief.error().message);
}

/// Of these files, as `grit list` says it.
std::string places_of(const std::vector<std::filesystem::path>& files) {
  std::set<std::string> directories;
  for (const auto& file : files) directories.insert(printable(file.parent_path().string()));
  return files.empty() ? "none were found" : fmt::format("{}", fmt::join(directories, ", "));
}

void print_scenarios() {
  const std::vector<std::filesystem::path> files = shipped_scenarios();
  for (const auto& file : files) fmt::print("  {:<22} {}\n", printable(file.stem().string()), question_of(file));
  fmt::print(
      "\n  grit run NAME, or grit run NAME --help for its options; the files: {}; a site's own directories are named "
      "in "
      "GRIT_SCENARIOS\n",
      places_of(files));
}

void print_burnins() {
  const std::vector<std::filesystem::path> files = shipped_burnins();
  fmt::print("\n");
  for (const auto& file : files) {
    const auto config = load_burnin(file);
    fmt::print("  {:<22} {}\n", printable(file.stem().string()),
               printable(config ? config->summary : "cannot be read: " + config.error().message));
  }
  fmt::print("\n  grit burnin --config NAME; the files: {}\n", places_of(files));
}

void list(const std::string& kind) {
  const auto wanted = [&](std::string_view one) { return kind.empty() || kind == one; };
  const auto heading = [&](std::string_view one) {
    if (kind.empty()) fmt::print("{}\n", one);
  };
  if (wanted("faults")) {
    heading("faults");
    for (const Injector* injector : injectors()) print_fault(*injector);
    print_rootless_hint();
  }
  if (wanted("workloads")) {
    heading("workloads");
    for (const WorkloadInfo& workload : workloads()) print_row(workload.name, workload.summary);
  }
  if (wanted("checks")) {
    heading("checks");
    for (const Check* check : checks()) {
      print_row(check->info.name, check->info.summary);
      if (const std::string why = why_unproven(check->info); !why.empty()) print_row("", "unproven: " + why);
    }
  }
  if (wanted("scenarios")) {
    heading("scenarios");
    print_scenarios();
    print_burnins();
  }
}

void print_params(const std::vector<ParamSpec>& params) { fmt::print("\n{}", params_table("parameter", params)); }

/// Each on its own line, with why it cannot work on this machine.
void print_mechanisms(const Injector& injector) {
  const auto all = injector.mechanisms_here();
  fmt::print("\n  mechanisms on this machine, in order of preference\n");
  for (const Injector::Mechanism& one : all)
    fmt::print("  {:<16} {}\n", one.name, one.why_not ? "not here: " + *one.why_not : "available");
  print_rootless_hint();
}

/// With the parameters that a mechanism needs, any of them.
bool may_change_gpu_settings(const Injector& injector) {
  const auto& all = injector.info().mechanisms;
  return std::any_of(all.begin(), all.end(), [&](const std::string& one) {
    return injector.changes_gpu_settings(Params(Json{{"mechanism", one}}));
  });
}

void print_guards(const Injector& injector) {
  const InjectorInfo& info = injector.info();
  if (info.takes_nic) fmt::print("  guard rail       on a management NIC only with --allow-management\n");
  if (info.destructive)
    fmt::print("  guard rail       what it ends does not come back: only with --allow-destructive\n");
  if (info.runs_commands) fmt::print("  guard rail       runs commands of the scenario: only with --allow-command\n");
  if (may_change_gpu_settings(injector))
    fmt::print("  guard rail       changes settings of GPUs, by some mechanisms: only with --allow-gpu-settings\n");
}

std::string_view what_remains(UndoClass undo) {
  switch (undo) {
    case UndoClass::process:
      return "process: it ends with the process that does it";
    case UndoClass::kernel:
      return "kernel: the kernel takes it off when grit's agent dies";
    case UndoClass::persistent:
      break;
  }
  return "persistent: undone from the journal on disk, also after a crash (`grit revert`)";
}

void describe_fault(const Injector& injector) {
  const InjectorInfo& info = injector.info();
  fmt::print("{} (fault): {}\n\n", info.name, info.summary);
  for (const std::string& need : info.needs) fmt::print("  needs            {}\n", need);
  fmt::print("  undo             {}\n", what_remains(info.undo));
  print_guards(injector);
  print_mechanisms(injector);
  print_params(info.params);
  std::vector<std::string> times;
  for (const ParamSpec& param : timing_params_beside(info)) times.push_back(param.name);
  fmt::print("\n  and when (grit describe timing): on, {}\n", fmt::join(times, ", "));
  if (!info.dose.param.empty()) fmt::print("  its dose, for `ramp`, is `{}`\n", info.dose.param);
  fmt::print("\n  in a scenario: grit.fault.{} {{ on = \"any\" }}\n  to try it: grit run {}\n", info.name, info.name);
}

void describe_workload(const WorkloadInfo& info) {
  std::vector<std::string_view> axes;
  for (const Axis axis : info.axes) axes.push_back(to_string(axis));
  fmt::print("{} (workload): {}\n\n  axes of a mesh   {}\n", info.name, info.summary, fmt::join(axes, ", "));
  const auto cuda = describe_cuda_here();
  fmt::print("  compute = cuda   {}\n", printable(cuda ? *cuda : "not here: " + cuda.error().message));
  print_params(info.params);
}

void describe_check(const CheckInfo& info) {
  fmt::print("{} (check): {}\n\n", info.name, info.summary);
  if (!info.needs.empty()) fmt::print("  needs            {}\n", info.needs);
  if (!info.trips.empty()) fmt::print("  alarms under     {} (grit describe {})\n", info.trips, info.trips);
  if (!info.untripped.empty()) fmt::print("  alarms under     none: {}\n", info.untripped);
  if (!info.proven.empty()) fmt::print("  seen to alarm    {}\n", info.proven);
  if (const std::string why = why_unproven(info); !why.empty()) fmt::print("  unproven         {}\n", why);
  if (info.of_machine) fmt::print("  of the machine   one node of a local cluster reads it for all\n");
  print_params(check_params(info));
  fmt::print("\n  in a scenario: checks = {{ grit.check.{} {{}} }}\n", info.name);
}

Result<int> describe(const std::string& name) {
  std::vector<std::string> known{"timing"};
  const Check* check = find_check(name);
  if (const Injector* injector = find_injector(name)) {
    describe_fault(*injector);
    if (check != nullptr) fmt::print("\n"), describe_check(check->info);  // the check of that name
    return 0;
  }
  if (name == "timing") {
    fmt::print("timing: when a fault is in force; every fault takes these beside its own parameters\n");
    return print_params(timing_params()), 0;
  }
  for (const Injector* injector : injectors()) known.push_back(injector->info().name);
  if (const WorkloadInfo* workload = find_workload(name)) return describe_workload(*workload), 0;
  for (const WorkloadInfo& workload : workloads()) known.push_back(workload.name);
  if (check != nullptr) return describe_check(check->info), 0;
  for (const Check* one : checks()) known.push_back(one->info.name);
  const std::string near = nearest_name(name, known);
  return usage_error(fmt::format("there is no fault, workload or check called {}{}; `grit list` shows all",
                                 shortened(name), near.empty() ? "" : "; did you mean " + near + "?"));
}

}  // namespace

void add_list(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("list", "list faults, workloads, checks and the scenarios that come with grit");
  command->footer("example: grit list scenarios");
  auto kind = std::make_shared<std::string>();
  command->add_option("kind", *kind, "faults, workloads, checks or scenarios (default: all)")->check(one_of(kKinds));
  command->callback([kind, &action] { action = [kind]() -> Result<int> { return list(*kind), 0; }; });
}

void add_describe(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("describe", "the parameters, mechanisms and needs of a fault, workload or check");
  command->footer("example: grit describe link_flap");
  auto name = std::make_shared<std::string>();
  auto lua = std::make_shared<bool>(false);
  auto* what = command->add_option("name", *name, "e.g. link_flap, or timing: what every fault takes");
  command->add_flag("--lua", *lua, "all that a scenario can use, as scenarios/lib/grit.lua describes it to editors")
      ->excludes(what);
  command->callback([=, &action] {
    action = [=]() -> Result<int> {
      if (*lua) return fmt::print("{}", lua_annotations()), 0;
      if (name->empty()) return usage_error("say what to describe, for example: grit describe link_flap");
      return describe(*name);
    };
  });
}

}  // namespace grit

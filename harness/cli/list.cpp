// grit list, grit describe: what there is, and what each accepts.
#include <fmt/format.h>

#include <memory>

#include "harness/cli/commands.hpp"
#include "harness/health/check.hpp"
#include "injectors/injector.hpp"
#include "workloads/workload.hpp"

namespace grit {
namespace {

const std::vector<std::string> kKinds{"faults", "workloads", "checks"};

void print_row(std::string_view name, std::string_view summary) { fmt::print("  {:<18} {}\n", name, summary); }

void list(const std::string& kind) {
  const auto wanted = [&](std::string_view one) { return kind.empty() || kind == one; };
  const auto heading = [&](std::string_view one) {
    if (kind.empty()) fmt::print("{}\n", one);
  };
  if (wanted("faults")) {
    heading("faults");
    for (const Injector* injector : injectors()) print_row(injector->info().name, injector->info().summary);
  }
  if (wanted("workloads")) {
    heading("workloads");
    for (const WorkloadInfo& workload : workloads()) print_row(workload.name, workload.summary);
  }
  if (wanted("checks")) {
    heading("checks");
    for (const CheckInfo& check : checks()) print_row(check.name, check.summary);
  }
}

void print_params(const std::vector<ParamSpec>& params) {
  fmt::print("\n  {:<18} {:<12} {:<14} {}\n", "parameter", "unit", "default", "");
  for (const ParamSpec& param : params) {
    const std::string value =
        param.default_value.is_null() ? "(required)" : format_quantity(param.default_value, param.unit);
    std::string help = param.help;
    if (!param.choices.empty()) help += fmt::format(" [{}]", fmt::join(param.choices, " | "));
    fmt::print("  {:<18} {:<12} {:<14} {}\n", param.name, unit_name(param.unit), value, help);
  }
}

void describe_fault(const InjectorInfo& info) {
  fmt::print("{} (fault): {}\n\n  mechanisms  {}\n  needs       {}\n  undo class  {}\n", info.name, info.summary,
             fmt::join(info.mechanisms, ", "), fmt::join(info.needs, "; "), to_string(info.undo));
  print_params(info.params);
  fmt::print("\n  in a scenario: grit.fault.{} {{ on = \"any\" }}\n", info.name);
}

Result<int> describe(const std::string& name) {
  std::vector<std::string> known;
  if (const Injector* injector = find_injector(name)) return describe_fault(injector->info()), 0;
  for (const Injector* injector : injectors()) known.push_back(injector->info().name);
  const auto try_plain = [&](const auto& infos, std::string_view kind) {
    for (const auto& info : infos) {
      known.push_back(info.name);
      if (info.name != name) continue;
      fmt::print("{} ({}): {}\n", info.name, kind, info.summary);
      print_params(info.params);
      return true;
    }
    return false;
  };
  if (try_plain(workloads(), "workload") || try_plain(checks(), "check")) return 0;
  const std::string near = nearest_name(name, known);
  return usage_error(fmt::format("there is no fault, workload or check called {}{}; `grit list` shows all", name,
                                 near.empty() ? "" : "; did you mean " + near + "?"));
}

}  // namespace

void add_list(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("list", "list faults, workloads and checks");
  command->footer("example: grit list faults");
  auto kind = std::make_shared<std::string>();
  command->add_option("kind", *kind, "faults, workloads or checks (default: all)")->check(CLI::IsMember(kKinds));
  command->callback([kind, &action] { action = [kind]() -> Result<int> { return list(*kind), 0; }; });
}

void add_describe(CLI::App& app, Action& action) {
  auto* command = app.add_subcommand("describe", "the parameters, mechanisms and needs of a fault, workload or check");
  command->footer("example: grit describe link_flap");
  auto name = std::make_shared<std::string>();
  command->add_option("name", *name, "e.g. link_flap")->required();
  command->callback([name, &action] { action = [name] { return describe(*name); }; });
}

}  // namespace grit

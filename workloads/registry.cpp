// All workloads. A new one is a file of its own and an entry here.
#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "workloads/ddp.hpp"
#include "workloads/training/training.hpp"
#include "workloads/training/workloads.hpp"
#include "workloads/workload.hpp"

namespace grit {
namespace {

struct Entry {
  WorkloadInfo info;
  std::function<Result<WorkloadOnMesh>(const Params&, const Mesh&)> check;
  std::function<Result<std::unique_ptr<Workload>>(const Params&, const WorkloadContext&)> make;
};

Entry training_entry(TrainingWorkload workload) {
  const auto settings_of = [fixed = std::move(workload.fixed)](const Params& params) {
    Json settings = fixed;
    settings.update(params.json());
    return settings;
  };
  Entry entry;
  entry.info = std::move(workload.info);
  entry.check = [settings_of](const Params& params, const Mesh& mesh) -> Result<WorkloadOnMesh> {
    GRIT_TRY(const TrainingSettings settings, read_training_settings(settings_of(params), mesh));
    return WorkloadOnMesh{.by_formula = training_description(settings), .remarks = training_remarks(settings)};
  };
  entry.make = [settings_of](const Params& params, const WorkloadContext& context) {
    return make_training(settings_of(params), context);
  };
  return entry;
}

const std::vector<Entry>& entries() {
  static const std::vector<Entry> all{
      {ddp_info(), [](const Params&, const Mesh&) { return WorkloadOnMesh{}; }, make_ddp},
      training_entry(fsdp_workload()),
      training_entry(tensor_workload()),
      training_entry(pipeline_workload()),
      training_entry(moe_workload()),
      training_entry(transformer_workload()),
  };
  return all;
}

const Entry* find_entry(std::string_view name) {
  const auto found = std::ranges::find_if(entries(), [name](const Entry& entry) { return entry.info.name == name; });
  return found == entries().end() ? nullptr : &*found;
}

Failure unknown_workload(std::string_view name) {
  std::vector<std::string> names;
  for (const WorkloadInfo& info : workloads()) names.push_back(info.name);
  return usage_error(fmt::format("unknown workload \"{}\": did you mean \"{}\"?", name, nearest_name(name, names)));
}

}  // namespace

const std::vector<WorkloadInfo>& workloads() {
  static const std::vector<WorkloadInfo> infos = [] {
    std::vector<WorkloadInfo> all;
    for (const Entry& entry : entries()) all.push_back(entry.info);
    return all;
  }();
  return infos;
}

const WorkloadInfo* find_workload(std::string_view name) {
  const Entry* entry = find_entry(name);
  return entry == nullptr ? nullptr : &entry->info;
}

std::vector<std::string> emulated_parts(std::string_view name, const Params& params) {
  if (find_entry(name) == nullptr || params.text("compute") != "emulated") return {};
  return {"compute (timer-driven accelerator)"};
}

Result<WorkloadOnMesh> check_workload(std::string_view name, const Params& params, const Mesh& mesh) {
  const Entry* entry = find_entry(name);
  if (entry == nullptr) return unknown_workload(name);
  return entry->check(params, mesh);
}

Result<std::unique_ptr<Workload>> make_workload(std::string_view name, const Params& params,
                                                const WorkloadContext& context) {
  const Entry* entry = find_entry(name);
  if (entry == nullptr) return unknown_workload(name);
  return entry->make(params, context);
}

}  // namespace grit

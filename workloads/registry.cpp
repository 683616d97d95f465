// All workloads. A new one is a file of its own and an entry here.
#include <fmt/format.h>

#include <algorithm>

#include "workloads/ddp.hpp"
#include "workloads/workload.hpp"

namespace grit {
namespace {

struct Entry {
  WorkloadInfo info;
  std::vector<std::string> (*emulated_parts)(const Params&);
  Result<std::unique_ptr<Workload>> (*make)(const Params&, const WorkloadContext&);
};

const std::vector<Entry>& entries() {
  static const std::vector<Entry> all{
      {ddp_info(), ddp_emulated_parts, make_ddp},
  };
  return all;
}

const Entry* find_entry(std::string_view name) {
  const auto found = std::ranges::find_if(entries(), [name](const Entry& entry) { return entry.info.name == name; });
  return found == entries().end() ? nullptr : &*found;
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
  const Entry* entry = find_entry(name);
  return entry == nullptr ? std::vector<std::string>{} : entry->emulated_parts(params);
}

Result<std::unique_ptr<Workload>> make_workload(std::string_view name, const Params& params,
                                                const WorkloadContext& context) {
  const Entry* entry = find_entry(name);
  if (entry == nullptr) {
    std::vector<std::string> names;
    for (const WorkloadInfo& info : workloads()) names.push_back(info.name);
    return usage_error(fmt::format("unknown workload \"{}\": did you mean \"{}\"?", name, nearest_name(name, names)));
  }
  return entry->make(params, context);
}

}  // namespace grit

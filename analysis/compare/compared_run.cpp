#include "analysis/compare/compared_run.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "analysis/facts/counted_pairs.hpp"
#include "analysis/facts/evidence.hpp"
#include "analysis/facts/wording.hpp"
#include "analysis/records/block_times.hpp"
#include "harness/base/units.hpp"
#include "harness/record/run_dir.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

void take_blocks(ComparedRun& run, const RunTimes& times, const RunEvidence& evidence) {
  const DoneBlocks blocks_done(run.plan, times, evidence);
  std::size_t left_out = 0;
  for (std::size_t i = 0; i < run.plan.blocks.size(); ++i) {
    const BlockKind kind = run.plan.blocks[i].kind;
    if (kind != BlockKind::baseline && kind != BlockKind::fault) continue;
    const BlockTimes& block = times.blocks[i];
    const bool whole = block.complete && blocks_done.ended(i);
    if (kind == BlockKind::baseline && block.any_record && !whole) ++left_out;
    if (!whole || (kind == BlockKind::fault && !faults_took_effect(run.plan, evidence, i))) continue;
    auto& blocks = kind == BlockKind::baseline ? run.baseline : run.fault;
    blocks.push_back({static_cast<int>(i), block.mean_ns, block.median_ns, {}});
  }
  if (left_out > 0)
    run.remarks.push_back(fmt::format("{}: {} of {} baseline blocks are incomplete and were left out", run.name(),
                                      left_out, left_out + run.baseline.size()));
  if (!evidence.finished) run.remarks.push_back(run.name() + ": the run did not come to its end");
}

std::vector<RankPhases> phases_of(const ComparedRun& run, std::span<const StepRecord> records) {
  std::set<std::uint32_t> wanted;
  for (const ComparedBlock& block : run.baseline) wanted.insert(static_cast<std::uint32_t>(block.index));
  std::map<std::uint32_t, std::pair<RankPhases, double>> sums;  // with the number of steps
  for (const StepRecord& record : records) {
    if (!wanted.contains(record.block) || record.step_in_block < run.plan.design.settle_steps) continue;
    auto& [sum, steps] = sums[record.rank];
    sum.rank = static_cast<int>(record.rank);
    sum.node = static_cast<int>(record.node);
    const auto times_ns = phase_times_ns(record);
    for (std::size_t i = 0; i < times_ns.size(); ++i) sum.mean_ns[i] += static_cast<double>(times_ns[i]);
    steps += 1;
  }
  std::vector<RankPhases> result;
  for (auto& [rank, entry] : sums) {
    for (double& value_ns : entry.first.mean_ns) value_ns /= entry.second;
    result.push_back(entry.first);
  }
  return result;
}

std::string_view role_name(NicRole role) {
  return role == NicRole::data ? "data" : role == NicRole::management ? "management" : "other";
}

/// What plan.json and run.json know of a node, beside env/nodeN.json.
void add_known(Json& environment, const Node& node, const Json& run) {
  environment["hostname"] = node.name;
  if (const auto nics = environment.find("nics"); nics != environment.end() && nics->is_array())
    for (Json& nic : *nics)
      for (const Nic& planned : node.nics)
        if (nic.is_object() && nic.value("name", Json()) == planned.name) nic["role"] = role_name(planned.role);
  for (const char* key : {"version", "commit"})
    if (run.contains(key) && run.at(key).is_string()) environment["grit"][key] = run.at(key);
}

/// Of thousands of names the first ones.
std::string few_of(std::span<const std::string> names, std::string_view separator) {
  constexpr std::size_t kNamed = 8;
  const std::string first = fmt::format("{}", fmt::join(names.first(std::min(kNamed, names.size())), separator));
  return names.size() > kNamed ? fmt::format("{} and {} more", first, names.size() - kNamed) : first;
}

Status take_environments(ComparedRun& run, const Json& description) {
  std::vector<std::string> missing;
  for (const Node& node : run.plan.topology.nodes) {
    const std::string file = fmt::format("node{}.json", node.index);
    auto environment = read_json(run.directory / "env" / file);
    if (!environment || !environment->is_object()) {
      missing.push_back(file);
      continue;
    }
    GRIT_CHECK(check_format(*environment, formats::kEnvironment));
    environment->erase("format");  // says how the file is written, nothing of the machine
    add_known(*environment, node, description);
    run.environments[node.index] = std::move(*environment);
  }
  if (!missing.empty())
    run.remarks.push_back(fmt::format("{}: env/{} cannot be read: the environment of {} is not compared", run.name(),
                                      few_of(missing, ", env/"), missing.size() == 1 ? "that node" : "those nodes"));
  return {};
}

std::string short_json(const Json& value) {
  if (value.is_number_float()) return fmt::format("{:g}", value.get<double>());
  return value.is_string() ? value.get<std::string>() : json_text(value);
}

std::vector<std::string> fault_names(const Plan& plan) {
  std::vector<std::string> names;
  for (const PlannedFault& fault : plan.faults)
    if (!fault.passive) names.push_back(fmt::format("{} on node {}", fault.name, fault.node));
  return names;
}

std::string length_text(const Design& design) {
  return design.block_ns > 0 ? fmt::format("{} ms", design.block_ns / 1'000'000)
                             : fmt::format("{} steps", design.block_steps);
}

}  // namespace

Result<ComparedRun> read_compared_run(const fs::path& directory) {
  ComparedRun run;
  run.directory = directory.lexically_normal();
  if (!run.directory.has_filename()) run.directory = run.directory.parent_path();  // "runs/x/"
  const auto plan = read_json(run.directory / "plan.json");
  if (!plan) return with_context(plan.error(), run.name() + " is not a run directory of grit");
  auto parsed = plan_from_json(*plan);
  if (!parsed) return with_context(parsed.error(), (run.directory / "plan.json").string());
  run.plan = std::move(*parsed);
  const auto steps = StepsFile::open(run.directory / "steps.npy");
  if (!steps) return with_context(steps.error(), run.name() + " cannot be compared");
  const auto records = steps->records();
  GRIT_TRY(const JsonLines events, JsonLines::open(run.directory / "events.jsonl", formats::kEvents));
  const Json description = read_json(run.directory / "run.json").value_or(Json::object());
  GRIT_CHECK(check_format(description, formats::kRun));
  if (description.contains("started_utc") && description.at("started_utc").is_string())
    run.started_utc = description.at("started_utc").get<std::string>();

  const RunEvidence evidence = collect_evidence(run.plan, events);
  if (evidence.fake_gpus) run.plan.emulated.emplace_back(kFakeGpus);
  take_blocks(run, block_times(run.plan, records), evidence);
  if (run.baseline.size() < kFewestBaselineBlocks)
    return usage_error(fmt::format("{} has {}; a comparison needs at least {}", run.name(),
                                   plural(run.baseline.size(), "whole baseline block"), kFewestBaselineBlocks));
  run.phases = phases_of(run, records);
  std::vector<int> blocks;
  for (const ComparedBlock& block : run.baseline) blocks.push_back(block.index);
  const auto loads = machine_loads(run.plan, blocks, events);
  run.loads = mean_loads(loads);
  for (ComparedBlock& block : run.baseline)
    if (const auto found = loads.find(block.index); found != loads.end()) block.load = load_range(found->second);
  GRIT_CHECK(take_environments(run, description.is_object() ? description : Json::object()));
  return run;
}

std::vector<std::size_t> in_order_of_time(std::span<const ComparedRun> before, std::span<const ComparedRun> after) {
  std::vector<std::size_t> places(before.size() + after.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  const auto began = [&](std::size_t place) -> const std::string& {
    return place < before.size() ? before[place].started_utc : after[place - before.size()].started_utc;
  };
  if (std::none_of(places.begin(), places.end(), [&](std::size_t place) { return began(place).empty(); }))
    std::stable_sort(places.begin(), places.end(), [&](std::size_t a, std::size_t b) { return began(a) < began(b); });
  return places;
}

std::size_t match_hosts(ComparedRun& run, const Topology& reference) {
  const auto by_name = [](const Topology& topology) {
    std::map<std::string, const Node*> hosts;
    for (const Node& node : topology.nodes)
      if (!node.name.empty()) hosts[node.name] = &node;
    return hosts.size() == topology.nodes.size() ? hosts : std::map<std::string, const Node*>();
  };
  const auto wanted = by_name(reference);
  std::map<int, const Node*> new_places;  // in the reference, by number in the run
  std::set<int> taken;
  for (const auto& [name, node] : by_name(run.plan.topology))
    if (const auto same = wanted.find(name); same != wanted.end())
      new_places[node->index] = same->second, taken.insert(same->second->index);
  const std::size_t shared = taken.size();
  if (shared == 0) return 0;
  auto free = reference.nodes.begin();
  const auto next_free = [&]() -> const Node* {
    while (free != reference.nodes.end() && taken.contains(free->index)) ++free;
    return free == reference.nodes.end() ? nullptr : &*free++;
  };
  std::map<int, const RankPhases*> phases_of;
  for (const RankPhases& rank : run.phases) phases_of[rank.rank] = &rank;
  std::map<int, RankPhases> phases;
  std::map<int, Json> environments;
  MachineLoads loads;
  for (const Node& node : run.plan.topology.nodes) {
    const auto same = new_places.find(node.index);
    const Node* place = same != new_places.end() ? same->second : next_free();
    if (place == nullptr) continue;
    if (const auto found = run.environments.find(node.index); found != run.environments.end())
      environments[place->index] = std::move(found->second);
    if (const auto found = run.loads.find(node.index); found != run.loads.end()) loads[place->index] = found->second;
    for (std::size_t i = 0; i < std::min(node.ranks.size(), place->ranks.size()); ++i) {
      const auto rank = phases_of.find(node.ranks[i]);
      if (rank == phases_of.end()) continue;
      RankPhases& moved = phases[place->ranks[i]] = *rank->second;
      moved.rank = place->ranks[i];
      moved.node = place->index;
    }
  }
  run.environments = std::move(environments);
  run.loads = std::move(loads);
  run.phases.clear();
  for (const auto& [rank, one] : phases) run.phases.push_back(one);
  return shared;
}

std::vector<std::string> incomparable(const Plan& before, const Plan& after) {
  std::vector<std::string> found;
  const auto differ = [&](std::string_view what, const auto& one, const auto& other) {
    if (one != other) found.push_back(fmt::format("{}: {} against {}", what, one, other));
  };
  differ("workload", before.workload.name, after.workload.name);
  if (before.workload.name == after.workload.name) {
    Json parameters = before.workload.params;
    parameters.update(after.workload.params);
    for (const auto& [name, unused] : parameters.items())
      differ("workload parameter " + name, short_json(before.workload.params.value(name, Json())),
             short_json(after.workload.params.value(name, Json())));
  }
  differ("nodes", before.topology.nodes.size(), after.topology.nodes.size());
  differ("ranks", rank_count(before.topology), rank_count(after.topology));
  if (rank_count(before.topology) == rank_count(after.topology))
    differ("mesh", to_string(mesh_of(before)), to_string(mesh_of(after)));
  const auto ranks_by_node = [](const Plan& plan) {  // in whatever order
    std::multiset<std::size_t> ranks;
    for (const Node& node : plan.topology.nodes) ranks.insert(node.ranks.size());
    return ranks;
  };
  if (found.empty() && ranks_by_node(before) != ranks_by_node(after))
    found.emplace_back("the ranks are spread over the nodes in another way");
  const auto emulated = [](const Plan& plan) {
    return plan.emulated.empty() ? std::string("nothing") : fmt::format("{}", fmt::join(plan.emulated, ", "));
  };
  differ("emulated", emulated(before), emulated(after));
  const auto place = [](const Plan& plan) { return plan.topology.local_cluster ? "a local cluster" : "real nodes"; };
  differ("on", std::string(place(before)), std::string(place(after)));
  return found;
}

std::vector<std::string> other_differences(const Plan& before, const Plan& after) {
  std::vector<std::string> found;
  const auto differ = [&](std::string_view what, const std::string& one, const std::string& other) {
    if (one != other)
      found.push_back(
          fmt::format("{}: {} against {}", what, one.empty() ? "none" : one, other.empty() ? "none" : other));
  };
  differ("scenario", before.scenario_name, after.scenario_name);
  if (const auto old_faults = fault_names(before), new_faults = fault_names(after); old_faults != new_faults)
    found.push_back(fmt::format("faults (between the baseline blocks): {} against {}",
                                old_faults.empty() ? "none" : few_of(old_faults, ", "),
                                new_faults.empty() ? "none" : few_of(new_faults, ", ")));
  differ("length of blocks", length_text(before.design), length_text(after.design));
  differ("settling steps", std::to_string(before.design.settle_steps), std::to_string(after.design.settle_steps));
  return found;
}

}  // namespace grit

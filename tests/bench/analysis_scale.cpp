// The analysis of a large run on one core: makes a run directory of 2,048 nodes with 8 ranks each and 1,000 steps, or
// takes the time of the passes over one. analysis_scale.py runs both.
//
//   bench_analysis generate DIR [NODES]     the same bytes every time; 1.7 GB with 2,048 nodes
//   bench_analysis measure DIR              one JSON object a line: what, seconds, records_per_s, anonymous memory
#include <fmt/format.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>

#include "analysis/block_times.hpp"
#include "analysis/report/finish.hpp"
#include "analysis/report/run_data.hpp"
#include "analysis/verdict.hpp"
#include "harness/base/files.hpp"
#include "harness/model/event.hpp"
#include "harness/record/npy_header.hpp"
#include "harness/record/run_dir.hpp"

using namespace grit;
namespace fs = std::filesystem;

namespace {

constexpr int kRanksANode = 8, kPairs = 8, kBlockSteps = 60, kWarmupSteps = 40;
constexpr int kVictim = 5;
constexpr std::int64_t kStepNs = 100 * kNsPerMs;
constexpr std::uint32_t kBatchSteps = 4;  // records come from each node's agent in batches

/// Noise that is a function of its place, so that the file is the same every time (splitmix64, Steele et al. 2014).
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

/// 0 .. 2 % of a step.
std::int64_t noise_ns(std::uint64_t step, std::uint64_t rank) {
  return static_cast<std::int64_t>(mixed(step << 20 | rank) % (kStepNs / 50));
}

std::int64_t offset_ns(int node) {
  return static_cast<std::int64_t>(mixed(static_cast<std::uint64_t>(node)) % kNsPerS);
}

Plan make_plan(int nodes) {
  Plan plan;
  plan.scenario_name = "large";
  plan.emulated = {"everything: generated records"};
  for (int i = 0; i < nodes; ++i) {
    Node node;
    node.index = i;
    node.name = fmt::format("n{:04}", i);
    for (int rank = 0; rank < kRanksANode; ++rank) node.ranks.push_back(i * kRanksANode + rank);
    plan.topology.nodes.push_back(std::move(node));
  }
  PlannedFault fault;
  fault.name = "gpu_throttle";
  fault.node = kVictim;
  fault.mechanism = "generated";
  fault.pulses = {Pulse{}};
  fault.lease_ns = 60 * kNsPerS;
  plan.faults = {fault};
  plan.design.pairs = kPairs;
  plan.design.block_steps = kBlockSteps;
  plan.design.warmup_steps = kWarmupSteps;
  plan.blocks = {{0, -1, BlockKind::warmup}};
  for (int pair = 0; pair < kPairs; ++pair)
    for (const bool fault_block : {pair % 3 == 1, pair % 3 != 1})
      plan.blocks.push_back(
          {static_cast<int>(plan.blocks.size()), pair, fault_block ? BlockKind::fault : BlockKind::baseline});
  plan.expect.slowdown_at_least = 0.05;
  return plan;
}

struct StepPlace {
  std::uint32_t block = 0, in_block = 0;
  bool fault = false;
  std::int64_t start_ns = 0, length_ns = 0;  // on node 0's clock
};

std::vector<StepPlace> step_places(const Plan& plan) {
  std::vector<StepPlace> places;
  std::int64_t now_ns = 1000 * kNsPerS;
  for (const Block& block : plan.blocks) {
    const auto steps = static_cast<std::uint32_t>(block.kind == BlockKind::warmup ? kWarmupSteps : kBlockSteps);
    for (std::uint32_t i = 0; i < steps; ++i) {
      const bool fault = block.kind == BlockKind::fault;
      const std::int64_t length_ns = kStepNs * (fault ? 110 : 100) / 100 + noise_ns(places.size(), 1U << 19);
      places.push_back({static_cast<std::uint32_t>(block.index), i, fault, now_ns, length_ns});
      now_ns += length_ns + kNsPerMs;
    }
  }
  return places;
}

StepRecord make_record(const StepPlace& place, std::uint32_t step, int node, int rank) {
  StepRecord record;
  record.rank = static_cast<std::uint32_t>(rank);
  record.node = static_cast<std::uint32_t>(node);
  record.block = place.block;
  record.step = step;
  record.step_in_block = place.in_block;
  const std::int64_t noise = noise_ns(step, static_cast<std::uint64_t>(rank));
  record.start_ns = place.start_ns + offset_ns(node) + noise / 100;
  record.end_ns = place.start_ns + place.length_ns + offset_ns(node) + noise / 50;
  record.input_ns = 2 * kNsPerMs;
  record.forward_ns = 25 * kNsPerMs + (place.fault && node == kVictim ? kStepNs / 10 : 0);
  record.backward_ns = 50 * kNsPerMs + noise;
  record.optimizer_ns = 5 * kNsPerMs;
  const std::int64_t own_ns = record.input_ns + record.forward_ns + record.backward_ns + record.optimizer_ns;
  record.exposed_comm_ns = std::max<std::int64_t>(record.end_ns - record.start_ns - own_ns, 0);
  record.collective_entry_ns = record.start_ns + record.input_ns + record.forward_ns;
  record.collective_exit_ns = record.end_ns - record.optimizer_ns;
  return record;
}

Status write_steps(const fs::path& file, const std::vector<StepPlace>& places, int nodes) {
  std::ofstream out(file, std::ios::binary);
  out << npy_header(places.size() * static_cast<std::size_t>(nodes * kRanksANode));
  std::vector<StepRecord> batch;
  for (std::uint32_t first = 0; first < places.size(); first += kBatchSteps) {
    for (int node = 0; node < nodes; ++node) {
      batch.clear();
      for (int rank = node * kRanksANode; rank < (node + 1) * kRanksANode; ++rank)
        for (std::uint32_t step = first; step < std::min<std::size_t>(first + kBatchSteps, places.size()); ++step)
          batch.push_back(make_record(places[step], step, node, rank));
      out.write(reinterpret_cast<const char*>(batch.data()),
                static_cast<std::streamsize>(batch.size() * sizeof(StepRecord)));
    }
  }
  out.close();
  if (!out) return internal_error("cannot write " + file.string());
  return {};
}

Json fault_event(int block, std::int64_t t_ns, const char* type) {
  Json event = make_event(type, kVictim, t_ns + offset_ns(kVictim));
  event.update(Json{{"fault", 0}, {"block", block}, {"pulse", 0}, {"ok", true}});
  return event;
}

Status write_events(const fs::path& file, const std::vector<StepPlace>& places) {
  GRIT_TRY(auto events, EventsWriter::open(file));
  const auto say = [&](std::int64_t t_ns, const char* state) {
    Json event = make_event("run", 0, t_ns + offset_ns(0));
    event["state"] = state;
    return events.append(event);
  };
  GRIT_CHECK(say(places.front().start_ns, "started"));
  for (std::size_t i = 0; i < places.size(); ++i) {
    const StepPlace& place = places[i];
    const auto block = static_cast<int>(place.block);
    if (!place.fault) continue;
    if (place.in_block == 0) {
      Json applied = fault_event(block, place.start_ns + kNsPerMs, "fault");
      applied.update(Json{{"action", "applied"}, {"onset_ns", kNsPerMs}, {"planned_ns", 0}});
      GRIT_CHECK(events.append(applied));
    } else if (place.in_block + 1 == kBlockSteps) {
      const std::int64_t end_ns = place.start_ns + place.length_ns + kNsPerMs;
      Json reverted = fault_event(block, end_ns, "fault");
      reverted.update(Json{{"action", "reverted"}, {"why", "block_end"}});
      GRIT_CHECK(events.append(reverted));
      GRIT_CHECK(events.append(fault_event(block, end_ns, "acting")));
    }
  }
  return say(places.back().start_ns + places.back().length_ns, "finished");
}

Status write_clock(const fs::path& file, const Plan& plan, const std::vector<StepPlace>& places) {
  const auto offsets = [&](std::int64_t at_ns) {
    Json list = Json::array();
    for (const Node& node : plan.topology.nodes)
      list.push_back({{"node", node.index},
                      {"offset_ns", offset_ns(node.index) - offset_ns(0)},
                      {"bound_ns", 20'000},
                      {"at_ns", at_ns + offset_ns(0)}});
    return list;
  };
  return write_file_durably(
      file, Json{{"before", offsets(places.front().start_ns)}, {"after", offsets(places.back().start_ns)}}.dump());
}

Status generate(const fs::path& directory, int nodes) {
  const Plan plan = make_plan(nodes);
  const std::vector<StepPlace> places = step_places(plan);
  GRIT_CHECK(create_run_directory(directory));
  GRIT_CHECK(write_file_durably(directory / "plan.json", to_json(plan).dump(1)));
  GRIT_CHECK(write_file_durably(directory / "run.json", R"({"scenario":"large","seed":1,"verdict":null})"));
  GRIT_CHECK(write_events(directory / "events.jsonl", places));
  GRIT_CHECK(write_clock(directory / "clock.json", plan, places));
  return write_steps(directory / "steps.npy", places, nodes);
}

/// A field of /proc/self/status in MiB: "RssAnon", "VmHWM".
double memory_mib(const std::string& field) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with(field + ":")) return std::stod(line.substr(field.size() + 1)) / 1024;
  return 0;
}

/// The best of `rounds`: what the code takes when nobody disturbs it; and the memory of its own that it leaves.
void measure(const char* what, std::size_t records, int rounds, const std::function<void()>& work) {
  double best_s = 1e9;
  for (int i = 0; i < rounds; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    best_s = std::min(best_s, std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  fmt::print("{}\n", Json{{"what", what},
                          {"seconds", best_s},
                          {"records_per_s", static_cast<double>(records) / best_s},
                          {"anonymous_mib", memory_mib("RssAnon")},
                          {"mapped_mib", memory_mib("RssFile")},
                          {"peak_mib", memory_mib("VmHWM")}}
                         .dump());
  std::fflush(stdout);
}

Status measure_all(const fs::path& directory) {
  GRIT_TRY(const Json json, read_json(directory / "plan.json"));
  GRIT_TRY(const Plan plan, plan_from_json(json));
  GRIT_TRY(const JsonLines events, JsonLines::open(directory / "events.jsonl"));
  GRIT_TRY(const Json clock, read_json(directory / "clock.json"));
  GRIT_TRY(const StepsFile file, StepsFile::open(directory / "steps.npy"));
  const std::span<const StepRecord> records = file.records();
  std::int64_t sum_ns = 0;
  ReportInput input;
  input.plan = plan;
  input.steps = records;
  input.events = events;
  Status finished;
  measure("read every record once (the machine's limit)", records.size(), 3, [&] {
    for (const StepRecord& r : records) sum_ns += r.end_ns - r.start_ns + r.collective_exit_ns;
  });
  measure("step times of blocks: block_times()", records.size(), 3, [&] { block_times(plan, records); });
  measure("verdict: judge()", records.size(), 3, [&] { input.verdict = judge(plan, records, events, clock); });
  measure("the report's figures: summarize()", records.size(), 3, [&] { summarize(input); });
  measure("grit report: from the files to verdict.json and report.html", records.size(), 1,
          [&] { finished = finish_run(directory).map([](const Verdict&) {}); });
  GRIT_CHECK(finished);
  if (input.verdict.kind != VerdictKind::reproduced || sum_ns == 0)
    return internal_error("the 10 % that were put in were not found: " + input.verdict.sentence);
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  Status done = usage_error("usage: bench_analysis generate|measure DIR [NODES]");
  if (words.size() >= 2 && words[0] == "generate")
    done = generate(words[1], words.size() > 2 ? std::atoi(words[2].c_str()) : 2048);
  if (words.size() == 2 && words[0] == "measure") done = measure_all(words[1]);
  if (done) return 0;
  fmt::print(stderr, "bench_analysis: {}\n", done.error().message);
  return static_cast<int>(done.error().kind);
}

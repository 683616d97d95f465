// The analysis of a large run on one core: makes a run directory of 2,048 nodes with 8 ranks each and 1,000 steps, or
// takes the time of the passes over one. analysis_scale.py runs both.
//
//   bench_analysis generate DIR [NODES]     the same bytes every time; 2.3 GB with 2,048 nodes
//   bench_analysis measure DIR              one JSON object a line: what, CPU time, records a second of it, most memory
//   of its own
#include <fmt/format.h>
#include <sys/stat.h>
#include <time.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "analysis/blame/links.hpp"
#include "analysis/compare/compare.hpp"
#include "analysis/compare/compared_run.hpp"
#include "analysis/facts/evidence.hpp"
#include "analysis/records/block_times.hpp"
#include "analysis/report/finish.hpp"
#include "analysis/report/run_data.hpp"
#include "analysis/verdict/verdict.hpp"
#include "harness/base/files.hpp"
#include "harness/model/event.hpp"
#include "harness/record/npy_header.hpp"
#include "harness/record/run_dir.hpp"

using namespace grit;
namespace fs = std::filesystem;

namespace {

constexpr int kRanksANode = 8, kPairs = 8, kBlockSteps = 60, kWarmupSteps = 40;
constexpr int kVictim = 5, kLinkTests = 2;
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
  plan.design.link_test = true;
  for (int i = 0; i < kLinkTests; ++i)
    for (const BlockKind kind : {BlockKind::link_baseline, BlockKind::link_fault})
      plan.blocks.push_back({static_cast<int>(plan.blocks.size()), -1, kind});
  plan.checks = {{"link_up", Json::object()}, {"nic_errors", Json::object()}};
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
    if (is_link_test(block.kind)) continue;
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
  out << npy_header(record_layout<StepRecord>(), places.size() * static_cast<std::size_t>(nodes * kRanksANode));
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

/// All events of a run: of every node its blocks, what the kernel counted for its ranks at both edges of each, and two
/// checks, of which the victim's fails under the fault.
class EventsOfRun {
 public:
  EventsOfRun(EventsWriter writer, const Plan& plan) : writer_(std::move(writer)), plan_(plan) {}

  Status write(const std::vector<StepPlace>& places) {
    GRIT_CHECK(say(0, places.front().start_ns, "run", {{"state", "started"}}));
    for (std::size_t i = 0; i < places.size(); ++i) {
      const StepPlace& place = places[i];
      const bool last = i + 1 == places.size() || places[i + 1].block != place.block;
      if (place.in_block == 0) GRIT_CHECK(write_edge(place, "begin", place.start_ns));
      if (last) GRIT_CHECK(write_edge(place, "end", place.start_ns + place.length_ns + kNsPerMs));
    }
    return say(0, places.back().start_ns + places.back().length_ns, "run", {{"state", "finished"}});
  }

 private:
  Status say(int node, std::int64_t t_ns, const char* type, const Json& more) {
    Json event = make_event(type, node, t_ns + offset_ns(node));
    event.update(more);
    return writer_.append(event);
  }

  Status write_edge(const StepPlace& place, const char* edge, std::int64_t t_ns) {
    const auto block = static_cast<int>(place.block);
    const bool ends = std::string_view(edge) == "end";
    for (const Node& node : plan_.topology.nodes) {
      GRIT_CHECK(say(node.index, t_ns, "block",
                     {{"block", block}, {"edge", edge}, {"kind", to_string(plan_.blocks[place.block].kind)}}));
      GRIT_CHECK(say(node.index, t_ns, "usage", usage(node, block, edge, t_ns)));
      for (const char* check : {"link_up", "nic_errors"}) GRIT_CHECK(write_check(place, node.index, check, ends, t_ns));
    }
    if (!place.fault) return {};
    const Json window{{"fault", 0}, {"block", block}, {"pulse", 0}, {"ok", true}};
    Json more = window;
    if (!ends) {
      more.update(Json{{"action", "applied"}, {"onset_ns", kNsPerMs}, {"planned_ns", 0}});
      return say(kVictim, t_ns + kNsPerMs, "fault", more);
    }
    more.update(Json{{"action", "reverted"}, {"why", "block_end"}});
    GRIT_CHECK(say(kVictim, t_ns, "fault", more));
    return say(kVictim, t_ns, "acting", window);
  }

  static Json usage(const Node& node, int block, const char* edge, std::int64_t t_ns) {
    Json ranks = Json::array();
    for (const int rank : node.ranks)
      ranks.push_back({{"rank", rank},
                       {"cpu_ns", t_ns},
                       {"run_wait_ns", t_ns / 1000},
                       {"minor_faults", t_ns / kNsPerMs},
                       {"major_faults", 3},
                       {"stopped_ns", 0},
                       {"blocked_ns", 0}});
    return {{"block", block},          {"edge", edge},
            {"ranks", ranks},          {"page_faults", t_ns / 1000},
            {"cpu_busy_ns", 8 * t_ns}, {"stalls_ns", {{"cpu", t_ns / 1000}, {"memory", 0}, {"io", 0}}}};
  }

  Status write_check(const StepPlace& place, int node, const char* check, bool ends, std::int64_t t_ns) {
    const auto block = static_cast<int>(place.block);
    const bool fails = place.fault && node == kVictim;
    Json more{{"check", check}, {"block", block}};
    if (ends) {
      more.update(Json{{"readings", 12}, {"failures", fails ? 11 : 0}, {"not_made", 0}});
      return say(node, t_ns, "check_summary", more);
    }
    const bool changes = block == 0 || node == kVictim;
    more.update(Json{{"ok", !fails}, {"detail", fails ? "eth0 has no carrier" : "eth0 is up"}});
    return changes ? say(node, t_ns + kNsPerMs, "check_change", more) : Status();
  }

  EventsWriter writer_;
  const Plan& plan_;
};

/// What a node says of itself, in the size of a node with 8 data NICs.
Status write_environments(const fs::path& directory, const Plan& plan) {
  Json nics = Json::array();
  for (int i = 0; i < 10; ++i) {
    Json settings = Json::object();
    for (int setting = 0; setting < 40; ++setting) settings[fmt::format("feature_{}", setting)] = setting % 2 == 0;
    nics.push_back({{"name", fmt::format("eth{}", i)},
                    {"driver", "mlx5_core"},
                    {"firmware", "28.39.1002"},
                    {"mtu_bytes", 9000},
                    {"settings", settings}});
  }
  Json sysctl = Json::object();
  for (int i = 0; i < 100; ++i) sysctl[fmt::format("net.core.setting_{}", i)] = i;
  for (const Node& node : plan.topology.nodes) {
    const Json environment{{"hostname", node.name},
                           {"kernel", {{"release", node.index == 77 ? "6.1.0-38" : "6.1.0-37"}}},
                           {"nics", nics},
                           {"sysctl", sysctl}};
    GRIT_CHECK(write_file_durably(directory / fmt::format("node{}.json", node.index), environment.dump(1)));
  }
  return {};
}

/// As the link test appends them: each node has met 16 others, of which 8 are above it. The victim's are fast: its
/// fault is none of the network.
Status write_links(const fs::path& file, const Plan& plan) {
  constexpr int kPeersAbove = 8, kEntries = 20;
  std::ofstream out(file);
  const auto nodes = static_cast<int>(plan.topology.nodes.size());
  for (const Block& block : plan.blocks) {
    if (!is_link_test(block.kind)) continue;
    const auto kind = to_string(block.kind);
    for (int a = 0; a < nodes; ++a)
      for (int peer = 1; peer <= kPeersAbove && a + peer * 17 < nodes; ++peer) {
        const int b = a + peer * 17;
        for (int entry = 0; entry < kEntries; ++entry) {
          const auto x = static_cast<std::int64_t>(
              mixed(static_cast<std::uint64_t>(a * 1000 + b) * 64 + static_cast<std::uint64_t>(entry + block.index)) %
              5'000);
          out << Json{{"block", block.index},
                      {"kind", kind},
                      {"a", a},
                      {"b", b},
                      {"round", entry},
                      {"t_ns", entry},
                      {"latency_ns", {{"min", 9'000}, {"median", 12'000 + x}, {"max", 40'000 + x}}},
                      {"round_trips", 90},
                      {"bits_per_s", 9e10 + static_cast<double>(x)}}
                     .dump()
              << '\n';
        }
        for (const auto& [from, to] : {std::pair{a, b}, std::pair{b, a}})
          out << Json{{"block", block.index},   {"kind", kind},    {"from", from}, {"to", to},
                      {"segments_sent", 3'000}, {"retransmits", 0}}
                     .dump()
              << '\n';
      }
  }
  out.close();
  return out ? Status() : Status(internal_error("cannot write " + file.string()));
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
  GRIT_TRY(EventsWriter events, EventsWriter::open(directory / "events.jsonl"));
  GRIT_CHECK(EventsOfRun(std::move(events), plan).write(places));
  GRIT_CHECK(write_environments(directory / "env", plan));
  GRIT_CHECK(write_links(directory / "links.jsonl", plan));
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

/// Looks every 5 ms at the memory that this process has of its own; mapped files are the kernel's to drop.
class PeakMemory {
 public:
  PeakMemory() : watcher_([this] { watch(); }) {}
  ~PeakMemory() {
    over_ = true;
    watcher_.join();
  }
  PeakMemory(const PeakMemory&) = delete;
  PeakMemory& operator=(const PeakMemory&) = delete;
  [[nodiscard]] double mib() const { return peak_mib_; }

 private:
  void watch() {
    while (!over_) {
      peak_mib_ = std::max<double>(peak_mib_, memory_mib("RssAnon"));
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  std::atomic<bool> over_{false};
  std::atomic<double> peak_mib_{0};
  std::thread watcher_;
};

double cpu_s() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

/// The CPU time of the best of `rounds`, and the most memory of its own that the process had meanwhile.
void measure(const char* what, std::size_t records, int rounds, const std::function<void()>& work) {
  double best_s = 1e9;
  const PeakMemory peak;
  for (int i = 0; i < rounds; ++i) {
    const double begin_s = cpu_s();
    work();
    best_s = std::min(best_s, cpu_s() - begin_s);
  }
  fmt::print("{}\n", Json{{"what", what},
                          {"cpu_s", best_s},
                          {"records_per_s", static_cast<double>(records) / best_s},
                          {"own_peak_mib", peak.mib()}}
                         .dump());
  std::fflush(stdout);
}

Status measure_all(const fs::path& directory) {
  GRIT_TRY(const Json json, read_json(directory / "plan.json"));
  GRIT_TRY(const Plan plan, plan_from_json(json));
  GRIT_TRY(const JsonLines events, JsonLines::open(directory / "events.jsonl", formats::kEvents));
  GRIT_TRY(const Json clock, read_json(directory / "clock.json"));
  GRIT_TRY(const auto links, read_links(directory));
  GRIT_TRY(const StepsFile file, StepsFile::open(directory / "steps.npy"));
  const std::span<const StepRecord> records = file.records();
  std::int64_t sum_ns = 0;
  ReportInput input;
  input.plan = plan;
  input.steps = records;
  input.events = events;
  Status finished, looked, compared;
  measure("read every record once (the machine's limit)", records.size(), 3, [&] {
    for (const StepRecord& r : records) sum_ns += r.end_ns - r.start_ns + r.collective_exit_ns;
  });
  measure("step times of blocks: block_times()", records.size(), 3, [&] { block_times(plan, records); });
  measure("what the events prove: collect_evidence()", records.size(), 1, [&] { collect_evidence(plan, events); });
  measure("the links: judge_links(link_figures())", records.size(), 1, [&] { judge_links(link_figures(*links)); });
  measure("verdict: judge()", records.size(), 1, [&] { input.verdict = judge(plan, records, events, clock, links); });
  measure("the report's figures: summarize()", records.size(), 1, [&] { summarize(input); });
  measure("a look: is_clear_before()", records.size(), 1,
          [&] { looked = is_clear_before(directory, static_cast<int>(plan.blocks.size()) - 1).map([](bool) {}); });
  measure("grit report: from the files to verdict.json and report.html", records.size(), 1,
          [&] { finished = finish_run(directory).map([](const Verdict&) {}); });
  measure("grit compare of it with itself", records.size(), 1, [&] {
    compared = read_compared_run(directory).map([](const ComparedRun& run) {
      const std::span<const ComparedRun> one(&run, 1);
      compare_runs(one, one, 0.02);
    });
  });
  GRIT_CHECK(looked);
  GRIT_CHECK(finished);
  GRIT_CHECK(compared);
  const auto failed = std::count_if(input.verdict.checks.begin(), input.verdict.checks.end(),
                                    [](const CheckResult& check) { return check.fails_more(); });
  if (input.verdict.kind != VerdictKind::reproduced || sum_ns == 0 || failed != 2 || !input.verdict.culprit ||
      input.verdict.culprit->suspects.front().node != kVictim)
    return internal_error("what was put in was not found: " + input.verdict.sentence);
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

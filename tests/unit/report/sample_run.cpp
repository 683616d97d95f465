#include "tests/unit/report/sample_run.hpp"

#include <algorithm>
#include <random>

#include "harness/base/clock.hpp"
#include "harness/model/event.hpp"

namespace grit::test {
namespace {

constexpr int kNodes = 4;
constexpr int kPairs = 8;
constexpr int kVictim = 1;
constexpr std::int64_t kFirstNs = 5'000 * kNsPerS;
constexpr std::int64_t kFlapStartNs = 500 * kNsPerMs;
constexpr std::int64_t kFlapDownNs = 1000 * kNsPerMs;

Node sample_node(int index) {
  Node node;
  node.index = index;
  node.name = "node" + std::to_string(index);
  node.ranks = {index};
  node.cores = 8;
  node.numa_nodes = 1;
  node.memory_bytes = std::int64_t{32} << 30;
  node.cpu_model = "AMD EPYC 7B13";
  node.kernel = "6.1.0-37-amd64";
  const std::string host = std::to_string(index + 1);
  node.nics = {{.name = "eth0",
                .ifindex = 2,
                .mac = "02:00:00:00:00:0" + host,
                .driver = "veth",
                .speed_bits_per_s = 10'000'000'000,
                .mtu_bytes = 1500,
                .up = true,
                .addresses = {"10.77.1." + host + "/24"},
                .role = NicRole::data,
                .role_evidence = "in the data network of the local cluster"},
               {.name = "mgmt0",
                .ifindex = 3,
                .mac = "02:00:00:00:01:0" + host,
                .driver = "veth",
                .speed_bits_per_s = 10'000'000'000,
                .mtu_bytes = 1500,
                .up = true,
                .addresses = {"10.77.2." + host + "/24"},
                .role = NicRole::management,
                .role_evidence = "carries the launcher's control traffic"}};
  return node;
}

Plan sample_plan(SampleFault fault, int stretch) {
  Plan plan;
  const bool flap = fault == SampleFault::link_flap;
  plan.scenario_name = flap ? "link_flap" : "gpu_throttle";
  plan.summary = flap
                     ? "A data NIC goes down and up while the job trains: what does a step cost, and does it come back?"
                     : "One accelerator runs at a lower clock: how much does the whole job lose?";
  plan.seed = 7;
  plan.options = {{"node", "1"}, {flap ? "down" : "clock", flap ? "1s" : "60%"}};
  for (int i = 0; i < kNodes; ++i) plan.topology.nodes.push_back(sample_node(i));
  plan.topology.local_cluster = true;
  plan.workload = {"ddp", {{"model", "gpt2-small"}, {"scale", 0.1}}};
  plan.emulated = {"compute (timer-driven accelerator)"};
  PlannedFault planned;
  planned.name = plan.scenario_name;
  planned.node = kVictim;
  planned.device = flap ? "eth0" : "accelerator";
  planned.lease_ns = 10 * kNsPerS;
  planned.mechanism = flap ? "netlink IFF_UP" : "emulated accelerator clock";
  planned.params = flap ? Json{{"down", kFlapDownNs}, {"after", kFlapStartNs}} : Json{{"clock", 0.6}};
  planned.pulses = {flap ? Pulse{kFlapStartNs, kFlapStartNs + kFlapDownNs} : Pulse{}};
  plan.faults = {planned};
  plan.checks = {{"nic_counters", Json::object()}};
  plan.design.pairs = kPairs;
  plan.design.block_ns = 3 * stretch * kNsPerS;
  plan.blocks = {{0, -1, BlockKind::warmup}};
  for (int pair = 0; pair < kPairs; ++pair) {
    const bool fault_first = pair % 3 == 1;
    plan.blocks.push_back({2 * pair + 1, pair, fault_first ? BlockKind::fault : BlockKind::baseline});
    plan.blocks.push_back({2 * pair + 2, pair, fault_first ? BlockKind::baseline : BlockKind::fault});
  }
  plan.expect.slowdown_at_least = 0.10;
  return plan;
}

/// Writes records and events of one block after the other, as ranks and agents would.
class Simulation {
 public:
  Simulation(SampleRun& out, SampleFault fault) : out_(out), fault_(fault) {}

  void block(const Block& block) {
    const std::int64_t begin_ns = now_ns_;
    const Design& design = out_.plan.design;
    std::uint32_t in_block = 0;
    if (block.kind == BlockKind::fault) apply(block, begin_ns);
    const auto more = [&] {
      return block.kind == BlockKind::warmup ? in_block < design.warmup_steps : now_ns_ - begin_ns < design.block_ns;
    };
    while (more()) step(block, begin_ns, in_block++);
    if (block.kind == BlockKind::fault) revert(block, begin_ns);
    check(block);
    now_ns_ += 20 * kNsPerMs;
  }

 private:
  void step(const Block& block, std::int64_t begin_ns, std::uint32_t in_block) {
    const bool faulty = block.kind == BlockKind::fault;
    const std::int64_t onset_ns = begin_ns + kFlapStartNs;
    std::int64_t own_ns[kNodes], longest_ns = 0;
    for (int rank = 0; rank < kNodes; ++rank) {
      own_ns[rank] = static_cast<std::int64_t>(38e6 + jitter_(random_) * 1e6);
      if (faulty && rank == kVictim && fault_ == SampleFault::gpu_throttle) own_ns[rank] = own_ns[rank] * 5 / 3;
      longest_ns = std::max(longest_ns, own_ns[rank]);
    }
    std::int64_t comm_ns = static_cast<std::int64_t>(9e6 + std::abs(jitter_(random_)) * 1e6);
    const bool hit = faulty && fault_ == SampleFault::link_flap && now_ns_ < onset_ns + kFlapDownNs &&
                     now_ns_ + longest_ns + comm_ns > onset_ns;
    if (hit) comm_ns += onset_ns + kFlapDownNs - now_ns_ + static_cast<std::int64_t>(80e6 + jitter_(random_) * 8e6);
    for (int rank = 0; rank < kNodes; ++rank) record(block, in_block, rank, own_ns[rank], longest_ns + comm_ns);
    now_ns_ += longest_ns + comm_ns + 3 * kNsPerMs;
    ++step_;
  }

  void record(const Block& block, std::uint32_t in_block, int rank, std::int64_t own_ns,
              std::int64_t until_optimizer_ns) {
    StepRecord record;
    record.rank = record.node = static_cast<std::uint32_t>(rank);
    record.block = static_cast<std::uint32_t>(block.index);
    record.step = step_;
    record.step_in_block = in_block;
    record.start_ns = now_ns_;
    record.input_ns = own_ns / 20;
    record.forward_ns = own_ns / 3;
    record.backward_ns = own_ns - record.input_ns - record.forward_ns;
    record.exposed_comm_ns = until_optimizer_ns - own_ns;
    record.optimizer_ns = 2'500'000;
    record.end_ns = now_ns_ + until_optimizer_ns + 2'900'000;
    record.collective_entry_ns = now_ns_ + own_ns / 2;
    record.collective_exit_ns = now_ns_ + until_optimizer_ns;
    out_.records.push_back(record);
  }

  Json fault_event(const Block& block, std::string_view type, std::int64_t t_ns) {
    Json event = make_event(type, kVictim, t_ns);
    event.update({{"fault", 0}, {"block", block.index}, {"pulse", 0}, {"ok", true}});
    return event;
  }

  void apply(const Block& block, std::int64_t begin_ns) {
    const std::int64_t at_ns = begin_ns + (fault_ == SampleFault::link_flap ? kFlapStartNs : 0) + 350'000;
    Json event = fault_event(block, "fault", at_ns);
    event.update({{"action", "applied"}, {"reading", {{"in_force", true}}}, {"onset_ns", at_ns - begin_ns}});
    out_.events.append(event);
    if (fault_ == SampleFault::link_flap) witness(block, at_ns + 40'000, "link down, carrier off");
  }

  void revert(const Block& block, std::int64_t begin_ns) {
    const bool flap = fault_ == SampleFault::link_flap;
    const std::int64_t at_ns = flap ? begin_ns + kFlapStartNs + kFlapDownNs + 420'000 : now_ns_;
    if (flap) witness(block, at_ns + 60'000, "link up, carrier on");
    Json event = fault_event(block, "fault", at_ns);
    event.update(
        {{"action", "reverted"}, {"reading", {{"in_force", false}}}, {"why", flap ? "pulse_end" : "block_end"}});
    out_.events.append(event);
    Json acting = fault_event(block, "acting", now_ns_);
    acting.update(
        {{"before", {{"carrier_changes", 2 * block.index}}}, {"after", {{"carrier_changes", 2 * block.index + 2}}}});
    out_.events.append(acting);
  }

  void witness(const Block& block, std::int64_t t_ns, std::string_view what) {
    Json event = make_event("witness", kVictim, t_ns);
    event.update({{"fault", 0}, {"block", block.index}, {"what", what}});
    out_.events.append(event);
  }

  void check(const Block& block) {
    for (int node = 0; node < kNodes; ++node) {
      const bool ok = block.kind != BlockKind::fault || node != kVictim || fault_ != SampleFault::link_flap;
      Json event = make_event("check", node, now_ns_);
      event.update({{"check", "nic_counters"},
                    {"block", block.index},
                    {"ok", ok},
                    {"detail", ok ? "no error counter moved" : "eth0: carrier_changes rose by 2"}});
      out_.events.append(event);
    }
  }

  SampleRun& out_;
  SampleFault fault_;
  std::mt19937 random_{7};
  std::normal_distribution<double> jitter_{0, 0.7};
  std::int64_t now_ns_ = kFirstNs;
  std::uint32_t step_ = 0;
};

Verdict sample_verdict(SampleFault fault) {
  const bool flap = fault == SampleFault::link_flap;
  Verdict verdict;
  verdict.kind = VerdictKind::reproduced;
  verdict.sentence =
      flap ? "node1 eth0 went down for 1 s in each of 8 fault blocks: steps took 61 % longer (95 % CI 60 .. "
             "61 %, p = 0.016, 8 pairs)."
           : "The accelerator of node1 ran at 60 % of its clock in each of 8 fault blocks: steps took 48 % "
             "longer (95 % CI 47 .. 49 %, p = 0.016, 8 pairs).";
  verdict.emulated = {"compute (timer-driven accelerator)"};
  verdict.effect = flap ? Effect{0.606, 0.603, 0.61, 4.0 / 256, 8, 0.006, "mean"}
                        : Effect{0.48, 0.47, 0.49, 4.0 / 256, 8, 0.012, "mean"};
  FaultResult result;
  result.name = flap ? "link_flap" : "gpu_throttle";
  result.node = "node1";
  result.device = flap ? "eth0" : "accelerator";
  result.mechanism = flap ? "netlink IFF_UP" : "emulated accelerator clock";
  result.windows = result.applied = result.acting = result.reverted = kPairs;
  result.harmful = true;
  verdict.faults = {result};
  verdict.expectations = {{"slowdown at least 10 %", true}};
  for (int node = 0; node < kNodes; ++node)
    verdict.checks.push_back(
        {"nic_counters", "node" + std::to_string(node), kPairs, 0, kPairs, flap && node == kVictim ? kPairs : 0});
  verdict.baseline_step_ns = 51.2e6;
  return verdict;
}

}  // namespace

SampleRun sample_run(SampleFault fault, int stretch) {
  SampleRun input;
  input.plan = sample_plan(fault, stretch);
  input.verdict = sample_verdict(fault);
  Simulation simulation(input, fault);
  for (const Block& block : input.plan.blocks) simulation.block(block);
  input.steps = input.records;
  input.run = {{"scenario", input.plan.scenario_name},
               {"command_line", {"grit", "run", "scenarios/" + input.plan.scenario_name + ".lua", "--seed", "7"}},
               {"seed", 7},
               {"version", "0.1.0"},
               {"directory", "runs/" + input.plan.scenario_name + "/20261123T081500Z-7"}};
  for (int node = 0; node < kNodes; ++node)
    input.environments.push_back({{"hostname", "node" + std::to_string(node)},
                                  {"kernel", {{"release", "6.1.0-37-amd64"}, {"command_line", "quiet"}}},
                                  {"psi", true},
                                  {"variables", {{"OMP_NUM_THREADS", "1"}}}});
  return input;
}

void edit_events(ReportInput& input, const std::function<void(std::vector<Json>&)>& edit) {
  std::vector<Json> events;
  input.events.for_each([&](const Json& event) { events.push_back(event); });
  edit(events);
  input.events = JsonLines(std::move(events));
}

SampleRun partial_run() {
  SampleRun input = sample_run();
  std::erase_if(input.records, [](const StepRecord& record) { return record.block > 3; });
  edit_events(input, [](std::vector<Json>& events) {
    std::erase_if(events, [](const Json& event) { return event.at("block").get<int>() > 3; });
  });
  const std::uint32_t last =
      std::max_element(input.records.begin(), input.records.end(), [](const auto& a, const auto& b) {
        return a.step < b.step;
      })->step;
  std::erase_if(input.records, [&](const StepRecord& record) { return record.step == last && record.rank == 2; });
  input.steps = input.records;
  Json died = make_event("rank_died", 2, input.steps.back().end_ns);
  died.update({{"rank", 2}, {"pid", 4711}, {"how", "signal 9 (SIGKILL)"}});
  input.events.append(died);
  input.verdict = Verdict{};
  input.verdict.outcome = "rank_death";
  input.verdict.emulated = input.plan.emulated;
  input.verdict.reasons = {"rank 2 on node2 died in block 3 (signal 9)", "1 of 8 pairs is complete; a verdict needs 6"};
  input.verdict.expectations = {{"slowdown at least 10 %", std::nullopt}};
  return input;
}

SampleRun empty_run() {
  SampleRun input;
  input.plan = sample_plan(SampleFault::link_flap, 1);
  input.verdict.outcome = "failed";
  return input;
}

}  // namespace grit::test

// How long a burn-in takes, by rounds and by cells at a time: the scheduler and the judgement are the real ones, nodes,
// launcher and clock are numbers. The same numbers every time, but for the CPU time.
//
//   bench_burnin_time [NODES ...]    of quick.lua; 64 512 2048 4096 unless they are named
//
// A launcher starts at most so many cells a second, each of which begins to measure one start later: figures as in
// docs/burnin.md ("How long it takes"), whose formula stands in brackets beside each round; and each launcher again as
// if it started any number at a time, which a larger head node comes nearer to. The nodes of a fleet differ as much as
// their measures' `spread` says: normal, or very uneven (Student's t of 2 degrees of freedom), so that many are
// suspected; a visit by half of that. Four are bad, and one dies in its second visit of round links: that cell ends at
// its limit, and each that asks it alone after 10 s, which is ConnectTimeout (harness/cluster/job_launcher.cpp).
#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <queue>
#include <random>
#include <string>
#include <vector>

#include "harness/burnin/scheduler.hpp"
#include "harness/burnin/teams.hpp"
#include "harness/model/burnin_measures.hpp"
#include "harness/scenario/load_burnin.hpp"

namespace {

using namespace grit;

struct Launcher {
  std::string name{};
  double alone_per_s = 1, others_per_s = 1;  // cells of one node, and of several, that it starts two at a time
  bool is_limited = true;                    // to that, however many there are at a time

  /// How long a cell's start takes, and how long the launcher is busy with it.
  [[nodiscard]] double start_s(std::size_t nodes) const { return 2 / (nodes == 1 ? alone_per_s : others_per_s); }
  [[nodiscard]] double busy_s(std::size_t nodes) const { return is_limited ? start_s(nodes) / 2 : 0; }
};

constexpr double kFactsAndChecks_s = 1.1, kLatency_s = 0.25;  // beside the length of a link's kind
constexpr double kConnectTimeout_s = 10, kLaunch_s = 5;       // over a cell's limit (harness/burnin/running_cells.cpp)

double measured_s(const std::vector<std::string>& kinds, std::int64_t length_ns) {
  double sum_s = 0;
  bool reads = false;
  for (const std::string& kind : kinds) {
    const bool is_reading = kind == "facts" || kind == "checks";
    reads = reads || is_reading;
    if (!is_reading) sum_s += static_cast<double>(length_ns) / 1e9 + (kind == "link" ? kLatency_s : 0);
  }
  return sum_s + (reads ? kFactsAndChecks_s : 0);
}

/// CPU seconds of this process so far.
double cpu_s() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

/// Which figures a kind has.
std::vector<const BurninMeasure*> measures_of(const std::string& kind) {
  static const std::map<std::string, std::vector<std::string_view>> kMeasures{
      {"compute", {"wrong_results", "slowest_core", "compute"}},
      {"memory", {"memory_errors", "memory"}},
      {"storage", {"storage_write", "storage_sync"}},
      {"link", {"link_latency", "link_rate", "link_loss"}},
      {"collective", {"wrong_results", "collective"}},
      {"training", {"wrong_results", "training_own", "training_step"}}};
  std::vector<const BurninMeasure*> measures;
  if (const auto found = kMeasures.find(kind); found != kMeasures.end())
    for (const std::string_view name : found->second) measures.push_back(find_burnin_measure(name));
  return measures;
}

/// What nodes measure, and what comes of their cells.
class Nodes {
 public:
  Nodes(std::size_t count, bool is_uneven) {
    for (std::size_t i = 0; i < count; ++i) {
      Own own{};
      for (std::size_t m = 0; m < own.size(); ++m)
        own[m] = kBurninMeasures[m].spread * (is_uneven ? student_(random_) : normal_(random_));
      nodes_.emplace(fmt::format("n{:04}", i), own);
    }
    plant("n0003", "compute", 0.105);  // logarithms: 10 % slower
    plant("n0005", "memory", 0.29);    // 25 %
    plant("n0007", "link_rate", 0.7);  // half, in all of its links
    plant("n0011", "training_own", 0.2);
  }

  [[nodiscard]] std::vector<BurninHost> hosts() const {
    std::vector<BurninHost> hosts;
    for (const auto& [name, own] : nodes_) hosts.push_back({.name = name});
    return hosts;
  }
  [[nodiscard]] static std::vector<std::string> bad() { return {"n0003", "n0005", "n0007", "n0011"}; }
  static constexpr const char* kDying = "n0013";

  struct End {
    BurninCellResult result{};
    double after_start_s = 0;
  };
  End run(const BurninCell& cell, double limit_s) {
    End end{{.cell = cell, .session = 1}, measured_s(cell.kinds, cell.length_ns)};
    if (std::ranges::find(cell.hosts, kDying) != cell.hosts.end()) {
      const bool is_dead = is_dead_;
      is_dead_ = is_dead || (cell.round == "links" && cell.visit == 1);
      if (is_dead_) {
        end.result.end = is_dead ? BurninCellEnd::not_started : BurninCellEnd::timed_out;
        end.after_start_s = is_dead ? kConnectTimeout_s : limit_s + kLaunch_s;
        return end;
      }
    }
    for (const std::string& kind : cell.kinds) add(end.result, kind);
    return end;
  }

 private:
  using Own = std::array<double, kBurninMeasures.size()>;

  static std::size_t number_of(const BurninMeasure& measure) {
    return static_cast<std::size_t>(&measure - kBurninMeasures.data());
  }
  void plant(const std::string& host, std::string_view measure, double worse) {
    nodes_.at(host)[number_of(*find_burnin_measure(measure))] = worse;
  }

  void add(BurninCellResult& result, const std::string& kind) {
    const BurninCell& cell = result.cell;
    for (const std::string& host : cell.hosts) {
      if (kind == "facts") result.facts[host] = {{"cpu_model", "one"}, {"gpu_model", "one"}, {"kernel", "6.1"}};
      if (kind == "checks") result.alarm_free[host] = {"link_up"};
    }
    for (const BurninMeasure* measure : measures_of(kind)) {
      if (measure->scope == BurninScope::link) {
        add_figure(result, *measure, cell.hosts[0], cell.hosts[1], worst_of(*measure, cell.hosts));
        add_figure(result, *measure, cell.hosts[1], cell.hosts[0], worst_of(*measure, cell.hosts));
      } else {
        const double of_all =
            measure->scope == BurninScope::group ? worst_of(*measure, cell.hosts) + noise(*measure) : 0;
        for (const std::string& host : cell.hosts)
          add_figure(result, *measure, host, "",
                     measure->scope == BurninScope::group ? of_all : nodes_.at(host)[number_of(*measure)]);
      }
    }
  }

  double noise(const BurninMeasure& measure) { return measure.spread / 2 * normal_(random_); }
  [[nodiscard]] double worst_of(const BurninMeasure& measure, const std::vector<std::string>& hosts) const {
    double worst = -INFINITY;
    for (const std::string& host : hosts) worst = std::max(worst, nodes_.at(host)[number_of(measure)]);
    return worst;
  }
  void add_figure(BurninCellResult& result, const BurninMeasure& measure, const std::string& host,
                  const std::string& peer, double worse) {
    BurninObservation one{.measure = std::string(measure.name),
                          .host = host,
                          .peer = peer,
                          .cell = result.cell.id,
                          .visit = result.cell.visit,
                          .confirms = result.cell.confirms};
    if (measure.scope != BurninScope::group) worse += noise(measure);
    if (measure.better == BurninBetter::higher) one.value = 1e9 * std::exp(-worse);
    if (measure.better == BurninBetter::lower) one.value = 1e-3 * std::exp(worse);
    if (measure.better == BurninBetter::rarer) one.value = 2;
    if (measure.better == BurninBetter::rarer || measure.better == BurninBetter::none_at_all) one.exposure = 1e5;
    result.observations.push_back(std::move(one));
  }

  std::mt19937_64 random_{1};
  std::normal_distribution<double> normal_{};
  std::student_t_distribution<double> student_{2};
  std::map<std::string, Own> nodes_{};
  bool is_dead_ = false;
};

/// What a burn-in came to.
struct Taken {
  std::map<std::string, double> end_s{}, visits_end_s{};  // by round: its last cell, and the last that confirms nothing
  int cells = 0, confirming = 0;
  double all_cpu_s = 0, judge_cpu_s = 0, report_cpu_s = 0;
  BurninReport report{};
};

struct Case {
  std::size_t nodes = 0;
  bool is_uneven = false;
  Launcher launcher{};
  int parallel = 1;
};

/// One burn-in from its first to its last cell, on a clock that goes from one cell's end to the next.
class Simulation {
 public:
  Simulation(const BurninConfig& config, const Case& one)
      : config_(config),
        nodes_(one.nodes, one.is_uneven),
        launcher_(one.launcher),
        setup_{.config = config, .hosts = nodes_.hosts(), .parallel = one.parallel} {}

  Taken run() {
    Taken taken;
    const double began_s = cpu_s();
    BurninScheduler scheduler(setup_, [&](const BurninEvidence& evidence) {
      const double before_s = cpu_s();
      auto findings = judge_burnin(evidence);
      taken.judge_cpu_s += cpu_s() - before_s;
      return findings;
    });
    double own_s = cpu_s() - began_s;
    for (start(scheduler.next()); !running_.empty();) {
      Running ended = running_.top();
      running_.pop();
      now_s_ = ended.ends_s;
      count(ended.result.cell, taken);
      const double before_s = cpu_s();
      scheduler.take(std::move(ended.result));
      const std::vector<BurninCell> next = scheduler.next();
      own_s += cpu_s() - before_s;
      start(next);
    }
    taken.all_cpu_s = own_s;
    const double before_s = cpu_s();
    taken.report = scheduler.report();
    taken.report_cpu_s = cpu_s() - before_s;
    return taken;
  }

 private:
  struct Running {
    double ends_s = 0;
    int number = 0;
    BurninCellResult result{};
    bool operator<(const Running& other) const {
      return std::pair(ends_s, number) > std::pair(other.ends_s, other.number);  // the first to end is on top
    }
  };

  void start(const std::vector<BurninCell>& cells) {
    for (const BurninCell& cell : cells) {
      const double slot_s = std::max(now_s_, launcher_free_s_);
      launcher_free_s_ = slot_s + launcher_.busy_s(cell.hosts.size());
      const auto round = std::ranges::find(config_.rounds, cell.round, &BurninRound::name);
      Nodes::End end = nodes_.run(cell, static_cast<double>(round->limit_ns) / 1e9);
      running_.push(
          {slot_s + launcher_.start_s(cell.hosts.size()) + end.after_start_s, number_++, std::move(end.result)});
    }
  }

  void count(const BurninCell& cell, Taken& taken) const {
    ++taken.cells;
    taken.confirming += cell.confirms ? 1 : 0;
    taken.end_s[cell.round] = now_s_;
    if (!cell.confirms) taken.visits_end_s[cell.round] = now_s_;
  }

  const BurninConfig& config_;
  Nodes nodes_;
  Launcher launcher_;
  BurninSetup setup_{};
  std::priority_queue<Running> running_{};
  double now_s_ = 0, launcher_free_s_ = 0;
  int number_ = 0;
};

/// docs/burnin.md, "How long it takes".
double formula_s(const BurninRound& round, std::size_t nodes, int parallel, const Launcher& launcher) {
  std::vector<std::size_t> sizes{round.shape == BurninShape::pair ? 2U : 1U};
  if (round.shape == BurninShape::group) sizes = group_sizes(round.sizes, nodes);
  double sum_s = 0;
  for (const std::size_t size : sizes) {
    const double cells = std::ceil(static_cast<double>(nodes) / static_cast<double>(size));
    const double cell_s = measured_s(round.kinds, round.length_ns) + launcher.start_s(size);
    sum_s += round.visits * std::max(std::ceil(cells / parallel) * cell_s, cells * launcher.busy_s(size));
  }
  return sum_s;
}

/// Of those that are bad, how many do not go live.
int kept_out(const BurninReport& report) {
  const std::vector<std::string> bad = Nodes::bad();
  return static_cast<int>(std::ranges::count_if(report.nodes, [&](const BurninNodeReport& node) {
    return std::ranges::find(bad, node.host) != bad.end() && node.state != BurninNodeState::good;
  }));
}

/// "21.3 (20.9)": minutes by the simulation, its confirmations among them, and by the formula.
void print_row(const BurninConfig& config, const Case& one) {
  const Taken taken = Simulation(config, one).run();
  fmt::print("{:<26}{:>8}{:>6}{:>10}", one.launcher.name + (one.launcher.is_limited ? "" : ", no limit"),
             one.is_uneven ? "uneven" : "normal", one.nodes, one.parallel);
  double before_s = 0, by_formula_s = 0, confirming_s = 0;
  for (const BurninRound& round : config.rounds) {
    const auto end = taken.end_s.find(round.name);
    if (end == taken.end_s.end()) continue;
    const double of_round_s = formula_s(round, one.nodes, one.parallel, one.launcher);
    by_formula_s += of_round_s;
    confirming_s += end->second - taken.visits_end_s.at(round.name);
    fmt::print("{:>17}", fmt::format("{:.1f} ({:.1f})", (end->second - before_s) / 60, of_round_s / 60));
    before_s = end->second;
  }
  fmt::print("{:>20}{:>12.1f}{:>8}{:>12}{:>6}{:>12.1f}{:>8.1f}{:>8.1f}\n",
             fmt::format("{:.1f} ({:.1f})", before_s / 60, by_formula_s / 60), confirming_s / 60, taken.cells,
             taken.confirming, kept_out(taken.report), taken.all_cpu_s - taken.judge_cpu_s, taken.judge_cpu_s,
             taken.report_cpu_s);
  std::fflush(stdout);
}

}  // namespace

int main(int argc, char** argv) {
  const auto config = load_burnin(GRIT_SOURCE_DIR "/scenarios/burnin/quick.lua");
  if (!config) {
    fmt::print(stderr, "{}\n", config.error().message);
    return 1;
  }
  std::vector<std::size_t> sizes;
  for (int i = 1; i < argc; ++i) sizes.push_back(static_cast<std::size_t>(std::atol(argv[i])));
  if (sizes.empty()) sizes = {64, 512, 2048, 4096};
  fmt::print(
      "minutes, in brackets by the formula, which has no confirmations; cells, and those that confirm; of four bad\n"
      "nodes how many do not go live; CPU seconds\n{:<26}{:>8}{:>6}{:>10}",
      "launcher", "fleet", "nodes", "parallel");
  for (const BurninRound& round : config->rounds) fmt::print("{:>17}", round.name);
  fmt::print("{:>20}{:>12}{:>8}{:>12}{:>6}{:>12}{:>8}{:>8}\n", "together", "confirming", "cells", "confirming", "out",
             "scheduler", "judge", "report");
  for (const std::size_t nodes : sizes)
    for (const bool is_uneven : {false, true})
      for (const Launcher& launcher :
           {Launcher{"mpirun over ssh", 1.61, 0.72}, Launcher{"mpirun over ssh", 1.61, 0.72, false},
            Launcher{"srun", 5.34, 3.10}, Launcher{"srun", 5.34, 3.10, false}})
        for (const int parallel : is_uneven ? std::vector{64} : std::vector{8, 64, 256})
          print_row(*config, {nodes, is_uneven, launcher, parallel});
  return 0;
}

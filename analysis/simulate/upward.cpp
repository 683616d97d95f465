#include "analysis/simulate/upward.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <utility>

#include "analysis/facts/counted_pairs.hpp"
#include "analysis/facts/evidence.hpp"
#include "analysis/records/block_times.hpp"
#include "analysis/simulate/link_samples.hpp"
#include "analysis/stats/effect.hpp"
#include "analysis/stats/median.hpp"
#include "analysis/stats/two_samples.hpp"

namespace grit {
namespace {

struct PairBlocks {
  int pair = 0, baseline = -1, fault = -1;  // Block::index
};

/// Mean times of settled steps, by Block::index.
using BlockMeans = std::map<int, double>;

class MeanOfBlock {
 public:
  MeanOfBlock(const MeasuredRun& run, const Design& design, int block)
      : first_(run.steps_of(block).first + static_cast<std::uint32_t>(std::max<std::int64_t>(design.settle_steps, 0))) {
  }
  void take(const SimulatedStep& step) {
    if (step.step < first_) return;
    sum_ns_ += step.end_ns - step.start_ns, ++steps_;
  }
  void put_into(BlockMeans& means, int block) const {
    if (steps_ > 0) means[block] = sum_ns_ / static_cast<double>(steps_);
  }

 private:
  std::uint32_t first_;
  std::uint64_t steps_ = 0;
  double sum_ns_ = 0;
};

/// Of pairs, of which one may be there several times.
struct Figures {
  double step_ns = 0, cost = 0;
};

Figures figures_of(const BlockMeans& means, const std::vector<PairBlocks>& pairs) {
  std::vector<double> baselines;
  std::vector<PairTimes> times;
  for (const PairBlocks& one : pairs) {
    baselines.push_back(means.at(one.baseline));
    if (one.fault < 0) continue;
    PairTimes pair{.pair = one.pair};
    pair.baseline_mean_ns = pair.baseline_median_ns = baselines.back();
    pair.fault_mean_ns = pair.fault_median_ns = means.at(one.fault);
    times.push_back(pair);
  }
  return {median(std::move(baselines)), times.empty() ? 0 : estimate_only(times)};
}

/// About `value`, as far to each side as the repetitions lie from their middle, in logarithms.
Predicted interval(double value, std::vector<double> repeated, std::size_t pairs) {
  for (double& one : repeated) one = std::log(one);
  std::sort(repeated.begin(), repeated.end());
  const auto at = [&](double share) {
    return repeated[static_cast<std::size_t>(share * static_cast<double>(repeated.size() - 1) + 0.5)];
  };
  const auto count = static_cast<double>(std::max<std::size_t>(pairs, 2));
  constexpr double kNormal = 1.96;
  const double wider = student_t_critical(kFamilyAlpha, count - 1) / kNormal * std::sqrt(count / (count - 1));
  const double middle = at(0.5);
  return {value, value * std::exp(wider * (at(kFamilyAlpha / 2) - middle)),
          value * std::exp(wider * (at(1 - kFamilyAlpha / 2) - middle))};
}

}  // namespace

struct Upward::Private {
  MeasuredFiles files;
  LargerMesh mesh;
  MeasuredRun run;
  WorkModel work;
  LinkSamples samples;
  LinkFit link{};
  bool faults_change_link = false;
  UpwardNumbers numbers{};
  RunTimes times{};
  std::vector<PairBlocks> pairs{};  // that count; where there are none, baseline blocks alone
  BlockMeans means{};               // of the larger job, from play()

  void find_pairs();
  [[nodiscard]] bool do_faults_change_link() const;
  [[nodiscard]] bool has_cost() const { return !pairs.empty() && pairs.front().fault >= 0; }
  [[nodiscard]] bool is_done(std::size_t block) const { return times.blocks[block].complete; }
  [[nodiscard]] UpwardNumbers numbers_of(const LinkFit& fit, std::span<const int> fault_blocks) const;
  Status play_pairs(const LargerMesh& larger, const UpwardNumbers& settled, const std::vector<PairBlocks>& which,
                    BlockMeans& into) const;
  Result<Figures> repeat(std::mt19937_64& engine) const;
  [[nodiscard]] int repetitions() const;
  Result<double> replay_error() const;
  [[nodiscard]] std::vector<std::string> warnings(const Prediction& prediction) const;
};

Upward::Upward(std::unique_ptr<Private> all) : private_(std::move(all)) {}
Upward::Upward(Upward&&) noexcept = default;
Upward::~Upward() = default;
const LargerMesh& Upward::mesh() const { return private_->mesh; }
const MeasuredRun& Upward::run() const { return private_->run; }

Result<Upward> Upward::fit(const MeasuredFiles& files, int dp, std::uint64_t seed) {
  GRIT_TRY(LargerMesh mesh, LargerMesh::grow(files.plan, dp));
  GRIT_TRY(MeasuredRun run, MeasuredRun::read(files.plan, files.records, files.spans, files.clock));
  GRIT_TRY(WorkModel work, WorkModel::fit(files.plan, run, mesh));
  LinkSamples samples(files.plan, run, mesh);
  auto all =
      std::make_unique<Private>(Private{files, std::move(mesh), std::move(run), std::move(work), std::move(samples)});
  all->times = block_times(files.plan, files.records);
  all->find_pairs();
  if (all->pairs.empty()) return usage_error("it has no whole baseline block");
  all->link = fit_link(all->samples.of(all->samples.blocks(false)));
  all->faults_change_link = all->do_faults_change_link();
  all->numbers = all->numbers_of(all->link, all->samples.blocks(true));
  all->numbers.seed = seed;
  all->numbers.deviation = all->work.spread().deviation();
  return Upward(std::move(all));
}

void Upward::Private::find_pairs() {
  const RunEvidence evidence = collect_evidence(files.plan, files.events, files.clock);
  for (const int number : DoneBlocks(files.plan, times, evidence).pairs().numbers()) {
    PairBlocks pair{.pair = number};
    for (const Block& block : files.plan.blocks) {
      if (block.pair == number && block.kind == BlockKind::baseline) pair.baseline = block.index;
      if (block.pair == number && block.kind == BlockKind::fault) pair.fault = block.index;
    }
    pairs.push_back(pair);
  }
  if (!pairs.empty()) return;
  for (std::size_t i = 0; i < files.plan.blocks.size(); ++i)
    if (files.plan.blocks[i].kind == BlockKind::baseline && is_done(i))
      pairs.push_back({.baseline = files.plan.blocks[i].index});
}

/// A bandwidth that chance alone made smaller in fault blocks would grow with the job, and look like the fault's cost.
bool Upward::Private::do_faults_change_link() const {
  const auto by_block = [&](const std::vector<int>& blocks) {
    std::vector<double> list;
    for (const int block : blocks)
      list.push_back(
          fit_bandwidth(samples.of(std::span(&block, 1)), link.link.latency_ns, link.link.ns_per_byte).ns_per_byte);
    return list;
  };
  const std::vector<double> without = by_block(samples.blocks(false)), with = by_block(samples.blocks(true));
  return !without.empty() && !with.empty() && PermutationTest(without, with).p_value() < kFamilyAlpha;
}

/// Under faults a message takes as long to begin as without: what a fault adds to every operation alike is measured,
/// and stays in what the operation took.
UpwardNumbers Upward::Private::numbers_of(const LinkFit& fit, std::span<const int> fault_blocks) const {
  UpwardNumbers settled{.link = fit.link, .link_under_faults = fit.link};
  if (faults_change_link)
    settled.link_under_faults = fit_bandwidth(samples.of(fault_blocks), fit.link.latency_ns, fit.link.ns_per_byte);
  return settled;
}

std::uint64_t Upward::steps() const {
  std::uint64_t steps = 0;
  for (const Block& block : private_->files.plan.blocks) steps += private_->run.steps_of(block.index).count;
  return steps * static_cast<std::uint64_t>(private_->mesh.larger().ranks());
}

std::uint64_t Upward::spans() const {
  const Donor& usual = private_->work.donors(false).front();
  std::uint64_t operations = 0;
  for (int seat = 0; seat < private_->mesh.seats(); ++seat)
    operations += private_->run.program(usual.step, private_->mesh.measured_rank(usual.unit, seat)).operations.size();
  return steps() / static_cast<std::uint64_t>(private_->mesh.seats()) * operations;
}

Result<std::vector<Upward::PlayedBlock>> Upward::play(double begin_ns, const Takes& takes, const Progress& progress) {
  Private& all = *private_;
  UpwardPlay larger(all.run, all.mesh, all.work, all.numbers);
  if (takes.span) larger.take_spans(takes.span);
  std::vector<PlayedBlock> played;
  double now_ns = begin_ns, last_measured_end_ns = 0;
  const auto& blocks = all.files.plan.blocks;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const MeasuredRun::Range& steps = all.run.steps_of(blocks[i].index);
    if (steps.count == 0) continue;
    if (!played.empty()) now_ns += std::max(0.0, steps.begin_ns - last_measured_end_ns);
    last_measured_end_ns = steps.end_ns;
    MeanOfBlock mean(all.run, all.files.plan.design, blocks[i].index);
    PlayedBlock block{.block = blocks[i].index, .begin_ns = now_ns};
    const auto take_one = [&](const SimulatedStep& step) { mean.take(step), takes.step(step); };
    GRIT_TRY(now_ns, larger.play(block.block, has_faults(blocks[i].kind), now_ns, take_one));
    block.end_ns = now_ns;
    played.push_back(block);
    mean.put_into(all.means, block.block);
    progress(static_cast<double>(i + 1) / static_cast<double>(blocks.size()));
  }
  return played;
}

Status Upward::Private::play_pairs(const LargerMesh& larger, const UpwardNumbers& settled,
                                   const std::vector<PairBlocks>& which, BlockMeans& into) const {
  UpwardPlay play(run, larger, work, settled);
  for (const PairBlocks& pair : which)
    for (const int block : {pair.baseline, pair.fault}) {
      if (block < 0 || into.contains(block)) continue;
      MeanOfBlock mean(run, files.plan.design, block);
      const auto played = play.play(block, block == pair.fault, 0, [&](const SimulatedStep& step) { mean.take(step); });
      if (!played) return tl::make_unexpected(played.error());
      mean.put_into(into, block);
    }
  return {};
}

Result<Figures> Upward::Private::repeat(std::mt19937_64& engine) const {
  const auto draw = [&](const auto& list) {
    auto drawn = list;
    for (auto& one : drawn) one = list[std::uniform_int_distribution<std::size_t>(0, list.size() - 1)(engine)];
    return drawn;
  };
  const auto healthy = draw(samples.blocks(false)), faulty = draw(samples.blocks(true));
  LinkFit drawn_link = fit_link(samples.of(healthy));
  if (!drawn_link.told_apart) {  // then any part of the time may be latency
    const double part = std::uniform_real_distribution<double>(0, 2)(engine);
    drawn_link.link.latency_ns *= part, drawn_link.link.ns_per_byte *= 2 - part;
  }
  UpwardNumbers settled = numbers_of(drawn_link, faulty);
  const WorkModel::Spread& spread = work.spread();
  std::gamma_distribution<double> half_chi_square(spread.degrees / 2.0, 2.0);
  WorkModel::Spread drawn = spread;
  drawn.variance = spread.variance * spread.degrees / std::max(half_chi_square(engine), 1e-9);
  settled.deviation = drawn.deviation();
  settled.seed = engine();
  const std::vector<PairBlocks> which = draw(pairs);
  BlockMeans repeated;
  GRIT_CHECK(play_pairs(mesh, settled, which, repeated));
  return figures_of(repeated, which);
}

/// As many as some seconds allow, and enough for percentiles.
int Upward::Private::repetitions() const {
  constexpr double kActions = 3e9;
  constexpr int kLeast = 60, kMost = 200;
  double actions = 0;
  for (const PairBlocks& pair : pairs)
    for (const int block : {pair.baseline, pair.fault})
      if (block >= 0)
        actions += run.steps_of(block).count * static_cast<double>(mesh.larger().ranks()) *
                   static_cast<double>(run.program(run.steps_of(block).first, 0).actions.size() + 1);
  return static_cast<int>(std::clamp(kActions / std::max(actions, 1.0), double{kLeast}, double{kMost}));
}

Result<double> Upward::Private::replay_error() const {
  GRIT_TRY(const LargerMesh same, LargerMesh::grow(files.plan, mesh.measured().size(Axis::dp)));
  BlockMeans replayed;
  GRIT_CHECK(play_pairs(same, numbers, pairs, replayed));
  std::vector<double> errors;
  for (std::size_t i = 0; i < files.plan.blocks.size(); ++i)
    if (const auto found = replayed.find(files.plan.blocks[i].index); found != replayed.end())
      errors.push_back(std::abs(found->second / times.blocks[i].mean_ns - 1));
  return median(std::move(errors));
}

Result<Prediction> Upward::predict(const Progress& progress) const {
  const Private& all = *private_;
  Prediction result{.dp_measured = all.mesh.measured().size(Axis::dp),
                    .dp = all.mesh.larger().size(Axis::dp),
                    .ranks_measured = all.mesh.measured().ranks(),
                    .ranks = all.mesh.larger().ranks(),
                    .pairs = all.has_cost() ? static_cast<int>(all.pairs.size()) : 0,
                    .spread = std::expm1(all.work.spread().deviation()),
                    .autocorrelation = all.work.autocorrelation(),
                    .common_share = all.work.common_share(),
                    .stretch = static_cast<int>(all.work.stretch()),
                    .link = all.link.link,
                    .repetitions = all.repetitions()};
  BlockMeans measured;
  for (std::size_t i = 0; i < all.files.plan.blocks.size(); ++i)
    measured[all.files.plan.blocks[i].index] = all.times.blocks[i].mean_ns;
  const Figures before = figures_of(measured, all.pairs), after = figures_of(all.means, all.pairs);
  GRIT_TRY(result.replay_error, all.replay_error());
  std::mt19937_64 engine(all.numbers.seed + 1);
  std::vector<double> steps, costs, costs_ns;
  for (int i = 0; i < result.repetitions; ++i) {
    GRIT_TRY(const Figures figures, all.repeat(engine));
    steps.push_back(figures.step_ns);
    costs.push_back(1 + figures.cost);
    progress(static_cast<double>(i + 1) / result.repetitions);
  }
  result.measured_step_ns = before.step_ns;
  result.step_ns = interval(after.step_ns, std::move(steps), all.pairs.size());
  if (all.has_cost()) {
    const Predicted times = interval(1 + after.cost, std::move(costs), all.pairs.size());
    result.measured_cost = before.cost;
    result.cost = Predicted{times.value - 1, times.low - 1, times.high - 1};
    result.cost_ns = Predicted{result.cost->value * after.step_ns, result.cost->low * after.step_ns,
                               result.cost->high * after.step_ns};
  }
  result.warnings = all.warnings(result);
  return result;
}

std::vector<std::string> Upward::Private::warnings(const Prediction& prediction) const {
  std::vector<std::string> list;
  if (mesh.factor() > kValidatedFactor)
    list.push_back(fmt::format("no prediction of more than {} ranks from {} was held against a real run",
                               kValidatedFactor * mesh.measured().ranks(), mesh.measured().ranks()));
  constexpr double kReplays = 0.05, kBroken = 0.1;
  if (prediction.replay_error > kReplays)
    list.push_back(
        fmt::format("playing the measured job again gives step times that are off by {:.0f} %: its spans "
                    "do not explain its steps",
                    100 * prediction.replay_error));
  if (run.broken_share() > kBroken)
    list.push_back(fmt::format("{:.0f} % of the measured steps lack spans or records", 100 * run.broken_share()));
  const std::size_t donors = work.donors(false).size();
  if (static_cast<std::size_t>(mesh.units()) * 10 > donors)
    list.push_back(
        fmt::format("the slowest of {} ranks in a step is rarer than the {} steps that were measured can "
                    "show: steps may be longer; measure more of them",
                    mesh.larger().ranks(), donors));
  if (!link.told_apart && mesh.factor() > 1)
    list.emplace_back("all operations across replicas have about one size, which does not tell latency from bandwidth");
  if (files.plan.topology.local_cluster)
    list.emplace_back(
        "the measured ranks shared one machine; those of the larger job are taken to have no more of it to share");
  if (!has_cost() && !files.plan.faults.empty())
    list.emplace_back("no pair of blocks counts, so that the fault's cost is not predicted");
  return list;
}

Json to_json(const Prediction& prediction) {
  const auto with_interval = [](const Predicted& one) {
    return Json{{"value", one.value}, {"low", one.low}, {"high", one.high}};
  };
  return Json{{"dp_measured", prediction.dp_measured},
              {"dp", prediction.dp},
              {"ranks_measured", prediction.ranks_measured},
              {"ranks", prediction.ranks},
              {"pairs", prediction.pairs},
              {"measured_step_ns", prediction.measured_step_ns},
              {"step_ns", with_interval(prediction.step_ns)},
              {"measured_cost", prediction.measured_cost ? Json(*prediction.measured_cost) : Json()},
              {"cost", prediction.cost ? with_interval(*prediction.cost) : Json()},
              {"cost_ns", prediction.cost_ns ? with_interval(*prediction.cost_ns) : Json()},
              {"replay_error", prediction.replay_error},
              {"spread", prediction.spread},
              {"autocorrelation", prediction.autocorrelation},
              {"common_share", prediction.common_share},
              {"stretch_steps", prediction.stretch},
              {"latency_ns", prediction.link.latency_ns},
              {"ns_per_byte", prediction.link.ns_per_byte},
              {"repetitions", prediction.repetitions},
              {"warnings", prediction.warnings}};
}

}  // namespace grit

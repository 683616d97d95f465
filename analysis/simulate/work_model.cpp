#include "analysis/simulate/work_model.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "analysis/stats/median.hpp"

namespace grit {
namespace {

constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

/// Of so few that they are all there is, with n - 1.
double variance(const std::vector<double>& values) {
  if (values.size() < 2) return 0;
  const double middle = mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - middle) * (value - middle);
  return squares / static_cast<double>(values.size() - 1);
}

}  // namespace

double WorkModel::Spread::deviation() const { return std::sqrt(std::max(0.0, variance - of_noise)); }

class WorkModelFit {
 public:
  WorkModelFit(const Plan& plan, const MeasuredRun& run, const LargerMesh& mesh) : plan_(plan), run_(run), mesh_(mesh) {
    find_faults();
    for (const Block& block : plan.blocks) {
      const MeasuredRun::Range& steps = run.steps_of(block.index);
      const auto settle = static_cast<std::uint32_t>(std::max<std::int64_t>(plan.design.settle_steps, 0));
      if (!shows_work(block.kind) || steps.count <= settle) continue;
      stretches_.push_back({steps.first + settle, steps.first + steps.count, has_faults(block.kind)});
    }
  }

  Result<WorkModel> fit() {
    list_donors();
    if (model_.without_fault_.empty())
      return usage_error("no step outside of its fault blocks has the records and spans of all ranks");
    find_effects();
    find_common();
    weigh_common();
    find_stretch();
    return std::move(model_);
  }

 private:
  struct Stretch {
    std::uint32_t first = 0, end = 0;  // settled steps of a block
    bool fault = false;
  };

  void find_faults() {
    model_.with_fault_.assign(static_cast<std::size_t>(mesh_.units_measured()), 0);
    std::set<int> ranks;
    for (const PlannedFault& fault : plan_.faults)
      for (const int rank : plan_.topology.nodes[static_cast<std::size_t>(fault.node)].ranks) ranks.insert(rank);
    rank_has_fault_.assign(static_cast<std::size_t>(run_.ranks()), 0);
    for (int unit = 0; unit < mesh_.units_measured(); ++unit)
      for (int seat = 0; seat < mesh_.seats(); ++seat) {
        const int rank = mesh_.measured_rank(unit, seat);
        if (!ranks.contains(rank)) continue;
        model_.with_fault_[static_cast<std::size_t>(unit)] = 1;
        rank_has_fault_[static_cast<std::size_t>(rank)] = 1;
      }
  }

  [[nodiscard]] bool is_whole(int unit, std::uint32_t step) const {
    for (int seat = 0; seat < mesh_.seats(); ++seat)
      if (!run_.program(step, mesh_.measured_rank(unit, seat)).whole) return false;
    return true;
  }

  void list_donors() {
    for (const Stretch& stretch : stretches_)
      for (int unit = 0; unit < mesh_.units_measured(); ++unit) {
        if (stretch.fault && model_.has_fault(unit)) continue;
        auto& list = stretch.fault ? model_.in_fault_blocks_ : model_.without_fault_;
        for (std::uint32_t step = stretch.first; step < stretch.end; ++step)
          if (is_whole(unit, step)) list.push_back({unit, step, step + 1 == stretch.end || !is_whole(unit, step + 1)});
      }
  }

  [[nodiscard]] double log_work(std::uint32_t step, int rank) const {
    const StepProgram& program = run_.program(step, rank);
    return program.whole && program.work_ns > 0 ? std::log(program.work_ns) : kUnknown;
  }

  /// Of the ranks of a role, against each other, block by block: what wanders with all of them is not theirs.
  void find_effects() {
    const Mesh& mesh = mesh_.measured();
    model_.effects_.assign(static_cast<std::size_t>(run_.ranks()), 0);
    levels_.assign(static_cast<std::size_t>(mesh.roles()), 0);
    double squares = 0, noise = 0;
    int degrees = 0;
    for (int role = 0; role < mesh.roles(); ++role) {
      const std::vector<int> ranks = mesh.ranks_of(role);
      std::vector<std::vector<double>> differences(ranks.size());
      std::vector<double> middles;
      for (const Stretch& stretch : stretches_) {
        if (stretch.fault) continue;
        const std::vector<double> medians = block_medians(stretch, ranks);
        if (medians.empty()) continue;
        middles.push_back(mean(medians));
        for (std::size_t i = 0; i < ranks.size(); ++i) differences[i].push_back(medians[i] - middles.back());
      }
      levels_[static_cast<std::size_t>(role)] = mean(middles);
      std::vector<double> effects;
      for (std::size_t i = 0; i < ranks.size(); ++i) {
        effects.push_back(mean(differences[i]));
        model_.effects_[static_cast<std::size_t>(ranks[i])] = effects.back();
        noise += variance(differences[i]) / static_cast<double>(std::max<std::size_t>(differences[i].size(), 1)) /
                 static_cast<double>(ranks.size()) / mesh.roles();
      }
      squares += variance(effects) * static_cast<double>(ranks.size() - 1);
      degrees += static_cast<int>(ranks.size()) - 1;
    }
    model_.spread_ = {.variance = squares / std::max(degrees, 1), .of_noise = noise, .degrees = std::max(degrees, 1)};
  }

  /// Of each rank, in the steps that all of them have; empty: there is none.
  [[nodiscard]] std::vector<double> block_medians(const Stretch& stretch, const std::vector<int>& ranks) const {
    std::vector<std::vector<double>> works(ranks.size());
    for (std::uint32_t step = stretch.first; step < stretch.end; ++step) {
      std::vector<double> row;
      for (const int rank : ranks) row.push_back(log_work(step, rank));
      if (std::any_of(row.begin(), row.end(), [](double value) { return std::isnan(value); })) continue;
      for (std::size_t i = 0; i < row.size(); ++i) works[i].push_back(row[i]);
    }
    std::vector<double> medians;
    for (auto& of_rank : works)
      if (!of_rank.empty()) medians.push_back(median(std::move(of_rank)));
    return medians.size() == ranks.size() ? medians : std::vector<double>();
  }

  [[nodiscard]] double about_level(std::uint32_t step, int rank) const {
    return log_work(step, rank) - levels_[static_cast<std::size_t>(mesh_.measured().role(rank))] - model_.effect(rank);
  }

  /// In a fault block of the ranks without one.
  void find_common() {
    std::uint32_t steps = 0;
    for (const Block& block : plan_.blocks)
      steps = std::max(steps, run_.steps_of(block.index).first + run_.steps_of(block.index).count);
    model_.common_.assign(steps, 0);
    for (const Block& block : plan_.blocks) {
      const MeasuredRun::Range& range = run_.steps_of(block.index);
      for (std::uint32_t step = range.first; step < range.first + range.count; ++step) {
        std::vector<double> values;
        for (int rank = 0; rank < run_.ranks(); ++rank) {
          const double value = about_level(step, rank);
          const bool counts = !has_faults(block.kind) || rank_has_fault_[static_cast<std::size_t>(rank)] == 0;
          if (counts && !std::isnan(value)) values.push_back(value);
        }
        if (!values.empty()) model_.common_[step] = median(std::move(values));
      }
    }
  }

  /// Over steps without faults, without what lies far out: a rank that stalls once stalls alone.
  void weigh_common() {
    constexpr double kFarOut = 4 * 1.4826;  // four standard deviations of a normal law, by the median deviation
    std::vector<double> sizes;
    for_each_step([&](const std::vector<double>& values, double /*common*/) {
      for (const double value : values) sizes.push_back(std::abs(value));
    });
    const double most = sizes.empty() ? 0 : kFarOut * median(std::move(sizes));
    double together = 0, of_common = 0, of_rank = 0;
    for_each_step([&](const std::vector<double>& values, double common) {
      double sum = 0, squares = 0;
      for (const double value : values) {
        const double clipped = std::clamp(value, -most, most);
        sum += clipped, squares += clipped * clipped;
      }
      const auto ranks = static_cast<double>(values.size());
      together += (sum * sum - squares) / (ranks * (ranks - 1));
      of_common += std::pow(std::clamp(common, -most, most), 2);
      of_rank += squares / ranks;
    });
    const double weight = of_common > 0 ? std::sqrt(std::clamp(together / of_common, 0.0, 1.0)) : 0;
    for (double& common : model_.common_) common *= weight;
    model_.common_share_ = of_rank > 0 ? std::clamp(together / of_rank, 0.0, 1.0) : 0;
  }

  template <class Take>
  void for_each_step(const Take& take) const {
    for (const Stretch& stretch : stretches_) {
      if (stretch.fault) continue;
      for (std::uint32_t step = stretch.first; step < stretch.end; ++step) {
        std::vector<double> values;
        for (int rank = 0; rank < run_.ranks(); ++rank)
          if (const double value = about_level(step, rank); !std::isnan(value)) values.push_back(value);
        if (values.size() >= 2) take(values, model_.common_[step]);
      }
    }
  }

  /// Twice as long as it takes the noise to forget, and at least the cube root of a block's steps, which is how a
  /// stretch has to grow for the bootstrap to hold (Künsch 1989).
  void find_stretch() {
    std::uint32_t longest = 1;
    for (const Stretch& stretch : stretches_) longest = std::max(longest, stretch.end - stretch.first);
    constexpr double kForgotten = 0.1;
    std::uint32_t lag = 1;
    model_.autocorrelation_ = autocorrelation(1);
    for (double at_lag = model_.autocorrelation_; at_lag > kForgotten && lag < longest / 2;
         at_lag = autocorrelation(lag))
      ++lag;
    const auto root = static_cast<std::uint32_t>(std::ceil(std::cbrt(static_cast<double>(longest))));
    model_.stretch_ = std::min(std::max(root, 2 * lag), longest);
  }

  [[nodiscard]] double autocorrelation(std::uint32_t lag) const {
    double products = 0, squares = 0;
    for (const Stretch& stretch : stretches_) {
      if (stretch.fault) continue;
      for (int rank = 0; rank < run_.ranks(); ++rank)
        for (std::uint32_t step = stretch.first; step + lag < stretch.end; ++step) {
          const double one = about_level(step, rank) - model_.common_[step];
          const double other = about_level(step + lag, rank) - model_.common_[step + lag];
          if (std::isnan(one) || std::isnan(other)) continue;
          products += one * other, squares += (one * one + other * other) / 2;
        }
    }
    return squares > 0 ? products / squares : 0;
  }

  const Plan& plan_;
  const MeasuredRun& run_;
  const LargerMesh& mesh_;
  WorkModel model_{};
  std::vector<Stretch> stretches_{};
  std::vector<char> rank_has_fault_{};
  std::vector<double> levels_{};  // by role
};

Result<WorkModel> WorkModel::fit(const Plan& plan, const MeasuredRun& run, const LargerMesh& mesh) {
  return WorkModelFit(plan, run, mesh).fit();
}

}  // namespace grit

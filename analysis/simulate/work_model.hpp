// How long ranks work by themselves, taken apart into what differs from rank to rank for good, what all ranks have in
// common in a step, and what is left: noise of each rank.
//
//   log(work of rank i in step t) = level of its role + effect of i + common factor of t + noise of i in t
//
// Noise is never given a law: a further rank has the measured noise of some rank in consecutive steps (block bootstrap:
// H. R. Künsch, The jackknife and the bootstrap for general stationary observations, Ann. Statist. 17, 1989), which
// keeps its autocorrelation within a stretch and its tail, up to the worst that was measured. The effects of further
// ranks are normal, with the spread between the measured ones less what their noise accounts for (one-way random
// effects; G. W. Snedecor and W. G. Cochran, Statistical Methods, ch. 13): a few ranks are too few to draw from.
//
// The common factor is the median over ranks, which is also noise of these. By as much as ranks do vary together (the
// mean covariance of two ranks, over the variance of that median), it is taken for common, the rest stays noise.
#pragma once

#include <cstdint>
#include <vector>

#include "analysis/simulate/larger_mesh.hpp"
#include "analysis/simulate/measured_run.hpp"
#include "harness/model/plan.hpp"

namespace grit {

/// One step of one unit, as further units are made of.
struct Donor {
  int unit = 0;
  std::uint32_t step = 0;
  bool is_last = false;  // of its block: the next one in the list does not follow it
};

class WorkModel {
 public:
  /// All three are kept by the caller. Error (usage): no steps without faults that can be played.
  static Result<WorkModel> fit(const Plan& plan, const MeasuredRun& run, const LargerMesh& mesh);

  /// Logarithms: what all ranks share in a step, and what a measured rank has for good.
  [[nodiscard]] double common(std::uint32_t step) const { return common_[step]; }
  [[nodiscard]] double effect(int rank) const { return effects_[static_cast<std::size_t>(rank)]; }

  /// Of the effects of ranks of one role: their variance as measured, the part of it that is noise, and on how many
  /// independent differences it rests.
  struct Spread {
    double variance = 0, of_noise = 0;
    int degrees = 1;
    [[nodiscard]] double deviation() const;
  };
  [[nodiscard]] const Spread& spread() const { return spread_; }

  /// Does a rank of the unit sit on a node with a fault?
  [[nodiscard]] bool has_fault(int unit) const { return with_fault_[static_cast<std::size_t>(unit)]; }
  /// Steps that further units may be made of, in order: without faults, and in fault blocks of units without one (the
  /// former where every unit has one).
  [[nodiscard]] const std::vector<Donor>& donors(bool in_fault_block) const {
    return in_fault_block && !in_fault_blocks_.empty() ? in_fault_blocks_ : without_fault_;
  }
  /// So many consecutive steps are drawn together.
  [[nodiscard]] std::uint32_t stretch() const { return stretch_; }
  /// The autocorrelation of the noise from one step to the next.
  [[nodiscard]] double autocorrelation() const { return autocorrelation_; }
  /// The share of a rank's variance, over steps without faults, that it has in common with the others; 0 .. 1.
  [[nodiscard]] double common_share() const { return common_share_; }

 private:
  friend class WorkModelFit;
  std::vector<double> common_{};   // by step
  std::vector<double> effects_{};  // by measured rank
  Spread spread_{};
  std::vector<char> with_fault_{};  // by unit
  std::vector<Donor> without_fault_{}, in_fault_blocks_{};
  std::uint32_t stretch_ = 1;
  double autocorrelation_ = 0, common_share_ = 0;
};

}  // namespace grit

// From which dose on is something found nine times in ten? From counts of "found" at doses that were tried.
//
// What is demonstrated assumes one thing: that a larger dose is at least as visible. Then the hits of a dose and of
// smaller ones together are no more than so many trials of the dose itself would have given, and their exact one-sided
// 95 % bound is one of the dose. The largest dose is looked at first, then the next smaller one until one does not
// pass: a sequence that is fixed before the data needs no correction (P. H. Westfall and A. Krishen, J. Stat. Plan.
// Inf. 99, 2001). 29 of 29 are the fewest that can pass (0.9^29 = 0.047).
//
// The curve is for the eye first: a logistic one over the dose's scale above a chance level, its likelihood penalised
// by Jeffreys' prior, so that it stays finite where doses separate found from missed (D. Firth, Biometrika 80, 1993; G.
// Heinze and M. Schemper, Stat. Med. 21, 2002). Its interval is that of the profile, since Wald's does not hold for so
// few (MIL-HDBK-1823A, 2009, asks for 60 trials). Where it has no business to say a number it says why instead.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/model/dose_scale.hpp"

namespace grit {

struct DoseHits {
  double dose = 0;
  int found = 0;
  int of = 0;
};

/// The share that is asked for, and how sure it must be.
constexpr double kFoundShare = 0.9;
constexpr double kFoundAlpha = 0.05;
/// Trials that are put together: as many as must all be found to show the share.
constexpr int kDemonstrationTrials = 29;

struct DemonstratedDose {
  std::optional<double> found_from{};    // from here on it is found in kFoundShare, with 95 % confidence
  std::optional<double> missed_up_to{};  // and up to here it is not, likewise
  DoseHits at_largest{};                 // in the direction of harm
  double at_largest_low = 0;             // its one-sided 95 % bound, of itself alone
};

/// Each dose once, none without a trial, in any order. Empty: there is no dose.
std::optional<DemonstratedDose> demonstrated_dose(const DoseScale& scale, std::vector<DoseHits> hits);

struct DetectionCurve {
  std::vector<std::pair<double, double>> points{};  // dose and chance, over the tried range; empty: there is no curve
  std::optional<double> a50{}, a90{};               // within the tried range only
  /// Of a90, each end one-sided 95 %; its upper end is what is called a90/95. An end that is beyond what was tried is
  /// empty.
  std::optional<double> a90_low{}, a90_high{};
  std::string why_not{};  // no number, or no curve; empty: there is a number
};

/// `chance`: how often it is said to be found where there is nothing, below 1. Each dose once.
DetectionCurve detection_curve(const DoseScale& scale, std::vector<DoseHits> hits, double chance);

}  // namespace grit

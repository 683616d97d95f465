// From a set of faults that brings about a symptom to the smallest part of it that still does. Nothing is run here: the
// next set to try is a function of the answers so far.
//
// Up to kFactorialLimit faults: all sets, the small ones first, so that the first that answers yes is a smallest one,
// whatever the faults do to each other (they may cancel; nothing is taken to be monotonic). Above: delta debugging,
// ddmin (A. Zeller and R. Hildebrandt, Simplifying and isolating failure-inducing input, IEEE Trans. Softw. Eng. 28,
// 2002), whose result is 1-minimal: without any one of its faults the symptom was not seen. Its three-valued test: an
// answer that is inconclusive twice is "unresolved", which is never taken for a yes.
//
// A yes can be chance, so the set found is asked once more, on fresh data; one that then says otherwise counts as
// unresolved.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "harness/model/verdict.hpp"

namespace grit {

constexpr int kFactorialLimit = 6;

using FaultSet = std::vector<int>;  // places in the scenario's list, ascending

struct SubsetAnswer {
  FaultSet faults{};
  VerdictKind answer = VerdictKind::inconclusive;  // reproduced: the symptom was there
};

struct MinimalStep {
  std::optional<FaultSet> ask{};  // the set to try next; empty: it is over
  std::optional<FaultSet>
      smallest{};  // then: the smallest set found, confirmed; empty: the symptom was not (surely) there at all
};

/// Given what was asked so far, in that order (a set may stand there several times), of a list of `faults` faults.
MinimalStep next_subset(int faults, std::span<const SubsetAnswer> asked);

}  // namespace grit

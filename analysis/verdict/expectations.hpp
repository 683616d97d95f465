// What a scenario expects, held against what its run showed.
#pragma once

#include <string>
#include <vector>

#include "analysis/verdict/findings.hpp"
#include "analysis/verdict/run_facts.hpp"

namespace grit {

struct JudgedExpectations {
  std::vector<ExpectationResult> results{};
  std::vector<std::string> reasons{};  // why one cannot be told, and what speaks against one that is met
  [[nodiscard]] bool all_met() const;  // and there is one
  [[nodiscard]] bool one_not_met() const;
};

JudgedExpectations judge_expectations(const RunFacts& facts, const Findings& findings);

}  // namespace grit

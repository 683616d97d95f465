// Virtual runs whose truth is known.
#pragma once

#include <string>
#include <vector>

#include "tests/virtual/run.hpp"

namespace grit::testing {

struct Case {
  std::string name{};
  VirtualSetting setting{};
  // --- the answer
  VerdictKind kind = VerdictKind::reproduced;
  std::string outcome = "completed";
  std::string effect = "none";  // "0.0880": three digits of Effect::estimate
  std::vector<int> culprits{};  // nodes that are named
  std::string resource{};       // of the first suspect; empty: nobody is named
  std::string culprit_name{};   // Suspect::node_name of the first
};

std::vector<Case> cases();
const Case& case_of(const std::vector<Case>& all, const std::string& name);

/// Lua with these parts; `name` is the scenario's.
std::string virtual_scenario(const std::string& name, const std::string& faults, const std::string& expect,
                             const std::string& design = R"(pairs = 8, block = "1s")", const std::string& more = {});

}  // namespace grit::testing

// What the kernel's log has said: the lines that are trouble, for as long as they are reported.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "harness/health/checks/kernel_log_rules.hpp"
#include "harness/model/topology.hpp"
#include "harness/os/kernel_log.hpp"

namespace grit {

struct KernelLogLimits {
  std::int64_t hold_ns = 0;  // for how long a line is reported
  bool injected = false;     // also what grit's own fault writes, as if the kernel had
  bool unseen = false;       // also lines of a kind that was never learned
  int level = 0;             // of those the gravest levels only, up to this one
};

class KernelLogWatch {
 public:
  KernelLogWatch(KernelLogRules rules, KernelLogLimits limits) : rules_(std::move(rules)), limits_(limits) {}

  /// Lines of its kind are nothing new.
  void learn(const KernelLine& line);
  /// `rank_pids`: of the node, to which a killed process may belong.
  void take(const KernelLine& line, const Node& node, const std::vector<int>& rank_pids, std::int64_t now_ns);
  /// One for each kind of trouble and device, and those since what held is over are well again.
  std::vector<Outcome> outcomes(std::int64_t now_ns);
  /// A block begins.
  void forget_findings();

 private:
  struct Seen {
    Severity severity = Severity::ok;
    std::string line{};
    std::int64_t count = 0, last_ns = 0;
  };
  void add(const KernelFinding& finding, const std::string& line, std::int64_t now_ns);
  bool is_new(const KernelLine& line);

  KernelLogRules rules_;
  KernelLogLimits limits_;
  std::map<std::pair<std::string, std::string>, Seen> seen_{};  // by kind and subject
  std::int64_t unnamed_ = 0;                                    // lines beyond those that are kept
  std::set<std::string> learned_{};
};

}  // namespace grit

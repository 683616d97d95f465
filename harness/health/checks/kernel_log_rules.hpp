// What lines of the kernel's log mean that something broke: a list of patterns, and the user's own.
#pragma once

#include <regex.h>

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/health/outcome.hpp"

namespace grit {

/// A POSIX extended regular expression (regex(7)).
class LinePattern {
 public:
  /// Error (usage): it is none.
  static Result<LinePattern> make(const std::string& expression);
  /// The text that matched, then what each of its groups matched; empty when it did not.
  [[nodiscard]] std::vector<std::string> match(const std::string& text) const;

 private:
  struct Free {
    void operator()(regex_t* compiled) const {
      ::regfree(compiled);
      delete compiled;
    }
  };
  std::unique_ptr<regex_t, Free> compiled_{};
};

struct KernelFinding {
  std::string kind{};     // "Xid", "hung task" ...
  std::string subject{};  // what the line names: a device, a NIC, a disk, a process; empty: nothing
  Severity severity = Severity::ok;
  int pid = 0;          // of the process that was killed; 0: the line is about something else
  bool of_nic = false;  // the subject is a network interface, and it means little if that is none of the node's
};

class KernelLogRules {
 public:
  /// `more`: lines "critical:EXPRESSION" or "warning:EXPRESSION", looked at before grit's own, whose first group, if it
  /// has one, is the subject. `ignored`: expressions, a line each, of what is no trouble. `mild_xids`: numbers with
  /// commas, of those errors of NVIDIA's GPUs that are a warning only. Error (usage): it is not that.
  static Result<KernelLogRules> make(const std::string& more, const std::string& ignored, const std::string& mild_xids);

  /// Nothing: the line is no trouble as far as is known.
  [[nodiscard]] std::optional<KernelFinding> judge(const std::string& text) const;
  /// Has the user said that such lines are none?
  [[nodiscard]] bool is_ignored(const std::string& text) const;

 private:
  struct Rule {
    std::string kind{};
    std::string_view literal{};  // what such a line has in it, which is found faster; empty: always try the pattern
    LinePattern pattern{};
    Severity severity = Severity::ok;
    std::size_t subject = 0, pid = 0, xid = 0;  // its groups; 0: none
    bool of_nic = false;
  };
  [[nodiscard]] KernelFinding finding(const Rule& rule, const std::vector<std::string>& groups) const;

  std::vector<Rule> rules_{};
  std::vector<LinePattern> ignored_{};
  std::set<int> mild_xids_{};
};

/// Registers, a stack, the table of memory: what the kernel prints below the line that says what happened.
bool is_part_of_a_dump(std::string_view text);

/// The line without what differs from time to time: numbers, addresses, paths, quoted names become "#". Two lines of
/// the same statement in the kernel have the same kind.
std::string kind_of_kernel_line(std::string_view text);

}  // namespace grit

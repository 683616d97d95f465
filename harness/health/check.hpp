// The contract of a health check: one file in harness/health/checks, one line in checks/checks.hpp. A check looks at
// the node it runs on and changes nothing.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/clock.hpp"
#include "harness/health/check_memory.hpp"
#include "harness/health/outcome.hpp"
#include "harness/model/params.hpp"
#include "harness/model/scenario.hpp"
#include "harness/model/topology.hpp"

namespace grit {

/// In which process a check is read (harness/health/runner.hpp). A reading that takes too long, or a library that
/// crashes, costs that process and all that its checks counted from.
enum class CheckPlace {
  common,  // with the others: it only reads files of the kernel, or asks it by netlink, which never waits
  own      // alone: it may wait for a disk, a device, a server or a program
};

struct CheckInfo {
  std::string name;       // = the file's stem
  std::string summary{};  // one line for `grit list`
  /// Its limits among them; the help of each says where its default is from: "(node exporter's mixin)", or "(grit's
  /// own choice)". A limit of 0 is off.
  std::vector<ParamSpec> params{};
  bool of_links = false;    // it looks at links: a node on which alone it alarms is where the network is slow
  bool counts = false;      // it looks at what came since its last reading: it is also read at both ends of every block
  bool of_machine = false;  // what it reads is the machine's, the same for all nodes of a local cluster
  CheckPlace place = CheckPlace::common;
  std::int64_t period_ns = kNsPerS;     // how often it is read in a run, by default
  std::int64_t limit_ns = 2 * kNsPerS;  // a reading that takes longer is ended: unknown
  std::string needs{};      // beyond files that anybody may read: "root", "libnvidia-ml.so.1"; empty: nothing
  std::string trips{};      // the fault of `grit list` that must make it alarm: "link_flap"; empty: none can
  std::string untripped{};  // when empty `trips`: why none can
  /// The real thing that was seen to make it alarm: "more processes than CPUs". A test that shows it says so, by
  /// proves("pressure", ...); docs/checks.md names it.
  std::string proven{};
  std::string unproven{};  // when empty `proven`: what was made up to see it alarm: "trees of files"
};

/// What one reading is made from.
struct CheckInput {
  /// This node as discovery found it before the run: what it is compared with.
  const Node& node;
  const Params& params;
  CheckMemory& memory;
  /// All nodes of the run, this one among them; empty outside of a run.
  const std::vector<Node>& peers;
  /// The node's ranks; empty outside of a run.
  const std::vector<int>& rank_pids;
  /// How long it may take; who waits for something else keeps to it himself.
  std::int64_t limit_ns = 2 * kNsPerS;
  /// Where the kernel's files are; a test has trees of its own.
  std::filesystem::path proc = "/proc", sys = "/sys";
};

/// One reading. Every subject that was looked at has an outcome, also when it is well, unless there may be hundreds of
/// them: then those that are not, and one without subject for the rest. A subject that was reported once and is not
/// named any more is well again. Error: the reading could not be made, which says nothing about the node's health: it
/// becomes one unknown outcome.
using ReadCheck = std::function<Result<std::vector<Outcome>>(const CheckInput&)>;

/// For Check::make: each reader has a `Kept` of its own, which lives from reading to reading, and is read by this
/// function, or method, of it and the input.
template <class Kept, class Read>
std::function<ReadCheck()> keeping(Read read) {
  return [read] {
    return ReadCheck([read, kept = std::make_shared<Kept>()](const CheckInput& input) {
      return Result<std::vector<Outcome>>(std::invoke(read, *kept, input));
    });
  };
}

struct Check {
  CheckInfo info;
  /// Called in the process that reads it, once for each check of the plan: what the function holds (an open library, a
  /// descriptor) lives from reading to reading. Figures to compare the next reading with are in CheckInput::memory,
  /// which is emptied when a block begins.
  std::function<ReadCheck()> make;
  /// When a scenario is loaded: what the parameters' own limits cannot say, such as a rule that cannot be parsed. Error
  /// (usage): what is wrong. Empty: nothing to look at.
  std::function<Status(const Params&)> validate{};
};

/// All checks, in the order of `grit list`.
const std::vector<const Check*>& checks();
/// nullptr when there is none of that name.
const Check* find_check(std::string_view name);
/// Can it be made with its defaults alone, as `grit check NAME` does?
bool needs_no_params(const Check& check);

/// The check's own parameters and those that every check takes: `every`, `limit` and `name`.
std::vector<ParamSpec> check_params(const CheckInfo& info);

}  // namespace grit

// The contract of a health check: one file in this directory, one line in registry.cpp.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "harness/model/params.hpp"
#include "harness/model/topology.hpp"
#include "harness/os/netlink.hpp"

namespace grit {

struct CheckInfo {
  std::string name;     // = the file's stem
  std::string summary;  // one line for `grit list`
  std::vector<ParamSpec> params{};
  bool of_links =
      false;            // it looks at links: a node on which alone it fails under a fault is where the network is slow
  bool counts = false;  // it looks at what came since its last reading: it is also read at both ends of every block
};

/// What a check has read, by names of its own, kept for its next reading. Empty at the first one in a block.
using CheckMemory = std::map<std::string, std::int64_t>;

struct CheckOutcome {
  bool ok = false;
  std::string detail{};  // what was found, in words; when not ok: what is wrong
};

/// Looks at the node it runs on and changes nothing. Holds no state but what it is handed.
class Check {
 public:
  Check() = default;
  Check(const Check&) = delete;
  Check& operator=(const Check&) = delete;
  virtual ~Check() = default;

  [[nodiscard]] virtual const CheckInfo& info() const = 0;
  /// Can it be made on this node? Asked of every node before the run. Error (usage): what it should look at is not
  /// there.
  [[nodiscard]] virtual Status fits(const Node& node, const Params& params) const = 0;
  /// `node` is this node as discovery found it before the run: what it is compared with.
  /// Error: the check could not be made, which says nothing about the node's health.
  /// `netlink` is open from one reading to the next.
  [[nodiscard]] virtual Result<CheckOutcome> run(const Node& node, const Params& params, CheckMemory& memory,
                                                 Netlink& netlink) const = 0;
};

/// All checks, in the order of `grit list`.
const std::vector<const Check*>& check_plugins();
/// What each of them says of itself.
const std::vector<CheckInfo>& checks();
/// nullptr when there is none of that name.
const Check* find_check(std::string_view name);

}  // namespace grit

// nic_errors: the error counters of the node's data NICs did not grow since the last reading.
#include "harness/health/nic_errors.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/health/chosen_nics.hpp"

namespace grit {
namespace {

/// "eth0 rx_crc_errors +12" for every counter that grew; remembers them all.
std::vector<std::string> growth(const std::string& nic, const LinkErrors& errors, CheckMemory& memory) {
  std::vector<std::string> grown;
  for (std::size_t i = 0; i < LinkErrors::kNames.size(); ++i) {
    const std::int64_t now = errors.counts[i];
    const std::string counter = fmt::format("{} {}", nic, LinkErrors::kNames[i]);
    const auto [last, is_first] = memory.try_emplace(counter, now);
    if (!is_first && now > last->second) grown.push_back(fmt::format("{} +{}", counter, now - last->second));
    last->second = now;  // less than before: the driver was loaded anew
  }
  return grown;
}

class NicErrors final : public Check {
 public:
  [[nodiscard]] const CheckInfo& info() const override {
    static const CheckInfo info{.name = "nic_errors",
                                .summary = "Data NICs count no receive or transmit errors",
                                .params = {nic_param()},
                                .of_links = true,
                                .counts = true};
    return info;
  }

  [[nodiscard]] Status fits(const Node& node, const Params& params) const override {
    return has_named_nic(node, params);
  }

  [[nodiscard]] Result<CheckOutcome> run(const Node& node, const Params& params, CheckMemory& memory,
                                         Netlink& netlink) const override {
    GRIT_TRY(const std::vector<Nic> nics, chosen_nics(node, params));
    std::vector<std::string> grown;
    for (const Nic& nic : nics) {
      GRIT_TRY(const auto link, netlink.find_link(nic.name));
      if (!link) return CheckOutcome{false, nic.name + " is gone"};
      for (std::string& one : growth(nic.name, link->errors, memory)) grown.push_back(std::move(one));
    }
    if (grown.empty()) return CheckOutcome{true, "no new errors"};
    return CheckOutcome{false, fmt::format("{}", fmt::join(grown, ", "))};
  }
};

}  // namespace

const Check& nic_errors() {
  static const NicErrors check;
  return check;
}

}  // namespace grit

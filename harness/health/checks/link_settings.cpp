// link_settings: MTU, speed, duplex and driver of the node's data NICs are what they were before the run.
#include "harness/health/checks/link_settings.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/base/units.hpp"
#include "harness/health/check.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/chosen_nics.hpp"
#include "harness/os/netlink.hpp"

namespace grit {
namespace {

struct Findings {
  Severity severity = Severity::ok;
  std::vector<std::string> differences{};

  void add(Severity one, std::string what) {
    severity = std::max(severity, one);
    differences.push_back(std::move(what));
  }
};

std::string speed_text(std::int64_t bits_per_s) { return format_quantity(bits_per_s, Unit::bits_per_s); }

void compare_mtu(const Nic& nic, std::int64_t now_bytes, std::int64_t wanted_bytes, Findings& found) {
  if (wanted_bytes > 0 && now_bytes != wanted_bytes)
    found.add(Severity::critical, fmt::format("MTU {}, should be {}", now_bytes, wanted_bytes));
  else if (wanted_bytes == 0 && nic.mtu_bytes > 0 && now_bytes != nic.mtu_bytes)
    found.add(Severity::critical, fmt::format("MTU {}, was {}", now_bytes, nic.mtu_bytes));
}

/// A driver that tells no speed says nothing about the link: most virtual NICs, and any without a carrier. That one
/// which told it before tells it no more is said, and is no alarm.
void compare_speed(const Nic& nic, std::int64_t now, std::int64_t wanted, Findings& found) {
  if (now == 0) {
    if (nic.speed_bits_per_s > 0) found.differences.push_back("tells no speed any more");
    return;
  }
  if (wanted > 0) {
    if (now != wanted)
      found.add(now < wanted ? Severity::critical : Severity::warning,
                fmt::format("{}, should be {}", speed_text(now), speed_text(wanted)));
  } else if (nic.speed_bits_per_s > 0 && now != nic.speed_bits_per_s) {
    found.add(now < nic.speed_bits_per_s ? Severity::critical : Severity::warning,
              fmt::format("{}, was {}", speed_text(now), speed_text(nic.speed_bits_per_s)));
  }
}

/// IEEE 802.3 has no half duplex above 1 Gbit/s: a data NIC with it did not agree with its partner.
void compare_duplex(const Nic& nic, std::optional<Duplex> duplex, CheckMemory& memory, Findings& found) {
  if (!duplex) return;
  const std::string was_full = nic.name + " was full duplex";
  if (*duplex == Duplex::full)
    memory.keep(was_full, 1);
  else if (memory.find(was_full) || nic.duplex == to_string(Duplex::full))
    found.add(Severity::critical, "half duplex, was full");
  else
    found.add(Severity::warning, "half duplex");
}

LinkSettings settings_of(const std::string& nic, const Link& link, const Ethtool& ethtool) {
  LinkSettings now{.mtu_bytes = link.mtu_bytes, .has_carrier = link.up() && link.carrier};
  if (now.has_carrier) now.speed_bits_per_s = ethtool.speed_bits_per_s(nic), now.duplex = ethtool.duplex(nic);
  if (const auto driver = ethtool.driver(nic)) now.driver = driver->driver;
  return now;
}

}  // namespace

Outcome judge_link_settings(const Nic& nic, const LinkSettings& now, const Params& params, CheckMemory& memory) {
  Findings found;
  const std::int64_t wanted_speed = params.integer("speed");
  compare_mtu(nic, now.mtu_bytes, params.integer("mtu"), found);
  if (now.has_carrier) {
    compare_speed(nic, now.speed_bits_per_s, wanted_speed, found);
    compare_duplex(nic, now.duplex, memory, found);
  }
  if (!now.driver.empty() && !nic.driver.empty() && now.driver != nic.driver)
    found.add(Severity::critical, fmt::format("driver {}, was {}", now.driver, nic.driver));
  Outcome outcome{.severity = found.severity, .subject = nic.name};
  outcome.value = static_cast<double>(now.mtu_bytes), outcome.unit = "bytes";
  const std::string speed = now.speed_bits_per_s > 0 ? ", " + speed_text(now.speed_bits_per_s) : std::string();
  if (!found.differences.empty())
    outcome.detail = fmt::format("{}", fmt::join(found.differences, "; "));
  else
    outcome.detail = fmt::format("MTU {}{}", now.mtu_bytes, speed);
  if (found.severity == Severity::ok && wanted_speed > 0 && now.has_carrier && now.speed_bits_per_s == 0) {
    outcome.severity = Severity::unknown;
    outcome.detail = "its driver tells no speed to hold against the limit";
  }
  if (is_alarm(found.severity))
    outcome.hint = fmt::format("ip link show dev {0}; ethtool {0}; the switch's port", nic.name);
  return outcome;
}

namespace {

Result<std::vector<Outcome>> read(const CheckInput& input) {
  GRIT_TRY(const std::vector<Nic> nics, chosen_nics(input.node, input.params));
  GRIT_TRY(const Ethtool ethtool, Ethtool::open());
  return look_at_links(nics, [&](const Nic& nic, const Link& link) {
    return judge_link_settings(nic, settings_of(nic.name, link, ethtool), input.params, input.memory);
  });
}

}  // namespace

const Check& link_settings() {
  static const Check check{
      .info = {.name = "link_settings",
               .summary = "Data NICs have the MTU, speed, duplex and driver they had before the run",
               .params = {nic_param(),
                          {"mtu", Unit::size_bytes, 0,
                           "the MTU they must have; 0: the one before the run (another one contradicts the plan)"},
                          {"speed", Unit::bits_per_s, 0,
                           "the speed they must have; 0: the one before the run (another one contradicts the plan)"}},
               .of_links = true,
               .place = CheckPlace::own,  // some drivers ask their firmware for the speed, which may not answer
               .period_ns = 2 * kNsPerS,
               .trips = "link_mtu",
               .proven = "another MTU than before"},
      .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit

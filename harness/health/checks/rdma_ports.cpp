// rdma_ports: the RDMA ports of the node's data NICs are active, at the rate they had, and their counters of errors
// did not grow.
//
// Files of sysfs, each of which may ask the device's firmware. Several of the counters stick at their largest value
// (InfiniBand specification, PortCounters): one that does is blind, not well.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <set>

#include "harness/base/files.hpp"
#include "harness/base/printable.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/chosen_nics.hpp"
#include "harness/health/checks/first_few.hpp"
#include "harness/health/checks/recent_sum.hpp"
#include "harness/os/rdma.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kMinute_ns = 60 * kNsPerS, kHour_ns = 3600 * kNsPerS;
constexpr std::size_t kMostBytes = 4096;
/// No counter comes so far; what says it has is none.
constexpr std::uint64_t kMostCounted = std::uint64_t{1} << 62;
constexpr int kActive = 4, kLinkUp = 5;  // IB_PORT_ACTIVE, IB_PORT_PHYS_STATE_LINK_UP (rdma/ib_verbs.h)

/// Over which time a limit counts.
enum class Over { reading, second, minute, hour };

struct CounterRule {
  std::string_view name;
  Severity severity;
  double limit;  // an alarm above it
  Over over;
  std::int64_t sticks_at = 0;  // 0: nowhere
  bool of_hardware = false;    // in hw_counters, whose names are the driver's; else in counters
  bool of_sender = false;      // counts what nobody acknowledged, or refused: the fault is not this port's
};

/// Limits of NVSentinel's nic-health-monitor, whose "fatal" is critical. Those of more than 1 a second for a driver's
/// sequence errors are grit's own choice, and warnings; so is that of rnr_nak_retry_err, which is fatal there: mlx5
/// counts in it what came through when it was sent again, and in req_rnr_retries_exceeded what did not.
constexpr std::array kRules{
    CounterRule{"link_downed", Severity::critical, 0, Over::reading, 255},
    CounterRule{"excessive_buffer_overrun_errors", Severity::critical, 0, Over::reading, 15},
    CounterRule{"local_link_integrity_errors", Severity::critical, 0, Over::reading, 15},
    CounterRule{"symbol_error", Severity::critical, 120, Over::hour, 65'535},
    CounterRule{"symbol_error", Severity::warning, 10, Over::second, 65'535},
    CounterRule{"link_error_recovery", Severity::warning, 5, Over::minute, 255},
    CounterRule{"port_rcv_errors", Severity::warning, 10, Over::second, 65'535},
    CounterRule{"port_xmit_discards", Severity::warning, 100, Over::second, 65'535},
    CounterRule{"link_downed", Severity::critical, 0, Over::reading, 0, true},
    CounterRule{"rnr_nak_retry_err", Severity::warning, 1, Over::second, 0, true, true},
    CounterRule{"req_rnr_retries_exceeded", Severity::warning, 0, Over::reading, 0, true, true},
    CounterRule{"req_transport_retries_exceeded", Severity::warning, 0, Over::reading, 0, true, true},
    CounterRule{"retry_exceeded_err", Severity::warning, 0, Over::reading, 0, true, true},
    CounterRule{"local_ack_timeout_err", Severity::warning, 1, Over::second, 0, true, true},
    CounterRule{"roce_slow_restart", Severity::warning, 10, Over::second, 0, true, true},
    CounterRule{"out_of_sequence", Severity::warning, 1, Over::second, 0, true},
    CounterRule{"out_of_seq_request", Severity::warning, 1, Over::second, 0, true},
    CounterRule{"packet_seq_err", Severity::warning, 1, Over::second, 0, true, true},
    CounterRule{"implied_nak_seq_err", Severity::warning, 1, Over::second, 0, true, true},
    CounterRule{"out_of_buffer", Severity::warning, 1, Over::second, 0, true},
    CounterRule{"completer_retry_err", Severity::warning, 1, Over::second, 0, true, true},
    CounterRule{"retrans_timeout_events", Severity::warning, 1, Over::second, 0, true, true},
    CounterRule{"unresponsive_remote_events", Severity::warning, 0, Over::reading, 0, true, true}};

struct Port {
  std::string subject{};  // "mlx5_2/1"
  std::string nic{};      // empty: none that is known
  fs::path directory{};
};

std::string first_line(const fs::path& file) {
  const std::string text = read_file(file, kMostBytes).value_or("");
  return text.substr(0, text.find('\n'));
}

/// 4 of "4: ACTIVE".
std::optional<int> state_in(const std::string& text) {
  int state = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), state);
  if (parsed.ec != std::errc{} || parsed.ptr == text.data() + text.size() || *parsed.ptr != ':') return std::nullopt;
  return state;
}

/// 4000 of "400 Gb/sec (4X NDR)": tenths, for there is "2.5 Gb/sec".
std::optional<std::int64_t> rate_in(const std::string& text) {
  double rate = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), rate);
  if (parsed.ec != std::errc{} || !(rate > 0 && rate < 1e6)) return std::nullopt;
  return static_cast<std::int64_t>(rate * 10 + 0.5);
}

/// Those behind the NICs that are looked at, and when all data NICs are, also those without a NIC of the plan.
std::vector<Port> ports_of(const CheckInput& input, const std::vector<Nic>& nics) {
  const auto directory = [&](const std::string& device, int port) {
    return input.sys / "class/infiniband" / device / "ports" / std::to_string(port);
  };
  std::vector<Port> ports;
  std::map<std::string, std::string> known;  // of the node's other NICs: those that manage it may be cut off
  for (const Nic& nic : input.node.nics)
    if (nic.rdma) known[fmt::format("{}/{}", nic.rdma->device, nic.rdma->port)] = nic.name;
  for (const Nic& nic : nics)
    if (nic.rdma)
      ports.push_back({fmt::format("{}/{}", nic.rdma->device, nic.rdma->port), nic.name,
                       directory(nic.rdma->device, nic.rdma->port)});
  if (input.params.text("nic") != "data") return ports;
  for (const RdmaDevice& device : rdma_devices(input.sys))
    for (const auto& [number, layer] : device.ports) {
      const std::string subject = fmt::format("{}/{}", device.name, number);
      if (!known.contains(subject)) ports.push_back({subject, "", directory(device.name, number)});
    }
  return ports;
}

class PortReading {
 public:
  PortReading(Port port, CheckMemory& memory) : port_(std::move(port)), memory_(memory) {}

  Outcome judge() {
    const std::string state = first_line(port_.directory / "state");
    const std::string physical = first_line(port_.directory / "phys_state");
    const auto number = state_in(state), physical_number = state_in(physical);
    const std::string was_active = port_.subject + " was active";
    if (!number) {
      if (port_.nic.empty() && !memory_.find(was_active)) return not_read("its state cannot be read");
      return gone();
    }
    if (*number != kActive || (physical_number && *physical_number != kLinkUp)) {
      // A port without a cable is normal, unless it is a data NIC's or was active before.
      if (port_.nic.empty() && !memory_.find(was_active))
        return {.severity = Severity::ok, .subject = port_.subject, .detail = printable(state) + ": not in use"};
      return {.severity = Severity::critical,
              .subject = port_.subject,
              .detail = fmt::format("state {}, physical {}", printable(state), printable(physical)),
              .hint = *number == 2 || *number == 3 ? "is there a subnet manager?" : with_nic("rdma link show")};
    }
    memory_.keep(was_active, 1);
    judge_rate();
    for (const CounterRule& rule : kRules) judge_counter(rule);
    return outcome();
  }

 private:
  [[nodiscard]] std::string with_nic(const std::string& text) const {
    return port_.nic.empty() ? text : fmt::format("{}; it is {}", text, port_.nic);
  }
  [[nodiscard]] Outcome not_read(const std::string& why) const { return {.subject = port_.subject, .detail = why}; }
  [[nodiscard]] Outcome gone() const {
    return {.severity = Severity::critical,
            .subject = port_.subject,
            .detail = "is gone, or does not answer",
            .hint = with_nic("lspci; the kernel's log says since when")};
  }

  void add(Severity severity, std::string what) {
    severity_ = std::max(severity_, severity);
    found_.push_back(std::move(what));
  }

  void judge_rate() {
    const std::string text = first_line(port_.directory / "rate");
    const auto rate = rate_in(text);
    if (!rate) return;
    const std::string name = port_.subject + " rate";
    const auto before = memory_.find(name);
    if (!before) memory_.keep(name, *rate);
    if (before && *rate < *before)
      add(Severity::critical, fmt::format("{}, was {} Gb/sec", printable(text), static_cast<double>(*before) / 10));
  }

  /// Empty: the port has no such counter, or it cannot be read now.
  std::optional<std::int64_t> value_of(const CounterRule& rule) {
    const std::string text = first_line(port_.directory / (rule.of_hardware ? "hw_counters" : "counters") / rule.name);
    std::uint64_t value = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) return std::nullopt;
    if (value == UINT64_MAX || value == UINT32_MAX) {
      // One that never had another value is one that the device has not.
      if (const std::string name = name_of(rule); memory_.find(name)) all_ones_.insert(name);
      return std::nullopt;
    }
    if (value > kMostCounted) return std::nullopt;
    return static_cast<std::int64_t>(value);
  }

  [[nodiscard]] std::string name_of(const CounterRule& rule) const {
    return fmt::format("{} {}{}", port_.subject, rule.of_hardware ? "hw " : "", rule.name);
  }

  /// Over which what came is summed up, from reading to reading; 0: it is not.
  static std::int64_t window_of(const CounterRule& rule) {
    if (rule.over == Over::minute) return kMinute_ns;
    return rule.over == Over::hour ? kHour_ns : 0;
  }

  /// Several rules have the same counter, which must be counted once.
  std::int64_t growth_of(const CounterRule& rule, std::int64_t value) {
    const std::string name = name_of(rule);
    const auto known = grown_.find(name);
    if (known != grown_.end()) return known->second;
    const std::int64_t grown = memory_.growth(name, value).value_or(0);
    // Of a counter with two rules that of the hour comes first.
    if (const std::int64_t within_ns = window_of(rule); within_ns > 0) RecentSum(memory_, name, within_ns).add(grown);
    return grown_[name] = grown;
  }

  void judge_counter(const CounterRule& rule) {
    const auto value = value_of(rule);
    if (!value) return;
    const std::int64_t grown = growth_of(rule, *value);
    if (rule.sticks_at > 0 && *value == rule.sticks_at && grown == 0) {
      if (full_.empty() || full_.back() != rule.name) full_.emplace_back(rule.name);
      return;
    }
    // At the end of a block a reading comes milliseconds after the one before it.
    const double elapsed_s =
        std::max(1.0, static_cast<double>(memory_.elapsed_ns().value_or(0)) / static_cast<double>(kNsPerS));
    auto amount = static_cast<double>(grown);
    std::string_view unit;
    if (rule.over == Over::second) amount /= elapsed_s, unit = " in a second";
    if (const std::int64_t within_ns = window_of(rule); within_ns > 0) {
      // Of readings further apart than that, the average.
      const double within_s = static_cast<double>(within_ns) / static_cast<double>(kNsPerS);
      amount = static_cast<double>(RecentSum(memory_, name_of(rule), within_ns).sum()) * within_s /
               std::max(within_s, elapsed_s);
      unit = rule.over == Over::minute ? " within a minute" : " within an hour";
    }
    if (amount <= rule.limit) return;
    add(rule.severity, fmt::format("{} +{:.3g}{}", rule.name, amount, unit));
    if (rule.of_sender) of_sender_.emplace_back(rule.name);
  }

  Outcome outcome() {
    if (all_ones_.size() >= 2) return gone();
    Outcome outcome{.severity = severity_, .subject = port_.subject, .detail = "is active"};
    if (!found_.empty()) {
      outcome.detail = first_few(found_);
      if (of_sender_.size() == found_.size())
        outcome.detail += "; that tells of the other end, or of the way to it";
      else if (!of_sender_.empty())
        outcome.detail += fmt::format("; {} tells of the other end, or of the way to it", of_sender_[0]);
      outcome.hint = with_nic("perfquery, rdma statistic");
    } else if (!full_.empty()) {
      outcome = {.subject = port_.subject,
                 .detail = fmt::format("{} stands at its largest value: blind until it is reset", first_few(full_)),
                 .hint = "perfquery -R"};
    }
    return outcome;
  }

  Port port_;
  CheckMemory& memory_;
  Severity severity_ = Severity::ok;
  std::vector<std::string> found_{}, full_{}, of_sender_{};
  std::map<std::string, std::int64_t> grown_{};
  std::set<std::string> all_ones_{};  // counters that had another value before
};

Result<std::vector<Outcome>> read(const CheckInput& input) {
  GRIT_TRY(const std::vector<Nic> nics, chosen_nics(input.node, input.params));
  const std::vector<Port> ports = ports_of(input, nics);
  if (ports.empty()) return std::vector{not_here("no RDMA device")};
  std::vector<Outcome> outcomes;
  for (const Port& port : ports) outcomes.push_back(PortReading(port, input.memory).judge());
  return outcomes;
}

}  // namespace

const Check& rdma_ports() {
  static const Check check{.info = {.name = "rdma_ports",
                                    .summary = "RDMA ports are active at their rate, and count no errors",
                                    .params = {nic_param()},
                                    .counts = true,
                                    .place = CheckPlace::own,  // most of these files ask the device's firmware
                                    .period_ns = 2 * kNsPerS,
                                    .trips = "link_down",
                                    .proven = "a software RDMA device whose NIC is set down, in a virtual machine"},
                           .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit

// nic_queues: what the drivers of the node's data NICs count by themselves: errors and drops by queue and priority,
// pause frames both ways, the cable's module; and whether the device still answers on its bus.
#include "harness/health/checks/nic_queues.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "harness/base/clock.hpp"
#include "harness/base/printable.hpp"
#include "harness/health/check.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/chosen_nics.hpp"
#include "harness/health/checks/first_few.hpp"
#include "harness/os/pci_link.hpp"
#include "harness/os/rdma.hpp"

namespace grit {
namespace {

/// So few drops are no rate.
constexpr std::int64_t kFewestDrops = 10;
constexpr double kUsPerS = 1e6;

using Meaning = StatisticMeaning;

/// What came of one NIC, queue or priority.
struct PartGrowth {
  std::map<Meaning, std::int64_t> counts{};
  std::map<Meaning, std::vector<std::string>> names{};  // "rx_crc_errors_phy +3"

  [[nodiscard]] std::int64_t of(Meaning meaning) const {
    const auto found = counts.find(meaning);
    return found == counts.end() ? 0 : found->second;
  }
};

/// No counter comes so far; what says it has is none.
constexpr std::uint64_t kMostCounted = std::uint64_t{1} << 62;

bool is_all_ones(std::uint64_t value) { return value == UINT64_MAX || value == UINT32_MAX; }

/// By the part's name; the NIC itself has none.
std::map<std::string, PartGrowth> growth_of(const std::string& nic, const std::vector<DriverStatistic>& statistics,
                                            const std::vector<StatisticClass>& classes, CheckMemory& memory) {
  const std::string read_before = nic + " was read";
  const bool known = memory.find(read_before).has_value();
  memory.keep(read_before, 1);
  std::map<std::string, PartGrowth> parts{{"", {}}};
  for (std::size_t i = 0; i < statistics.size(); ++i) {
    const StatisticClass& one = classes[i];
    if (one.meaning == Meaning::none || is_all_ones(statistics[i].value) || statistics[i].value > kMostCounted)
      continue;
    const auto value = static_cast<std::int64_t>(statistics[i].value);
    const std::string name = nic + " " + statistics[i].name;
    // Most of them are 0 for ever, and need no place in the memory.
    const std::int64_t before = memory.find(name).value_or(known ? 0 : value);
    if (value == before && value == 0) continue;
    memory.keep(name, value);
    if (value <= before) continue;
    PartGrowth& part = parts[one.part];
    part.counts[one.meaning] += value - before;
    part.names[one.meaning].push_back(fmt::format("{} +{}", printable(statistics[i].name), value - before));
  }
  return parts;
}

class Judged {
 public:
  void add(Severity severity, const std::string& what) {
    if (!is_alarm(severity)) return;
    severity_ = std::max(severity_, severity);
    found_.push_back(what);
  }
  /// With one of the counters: the others are in `ethtool -S`.
  void add(Severity severity, std::string_view what, const std::vector<std::string>& names) {
    const std::size_t more = names.size() > 1 ? names.size() - 1 : 0;
    if (!names.empty())
      add(severity, fmt::format("{}: {}{}", what, names[0], more > 0 ? fmt::format(" and {} more", more) : ""));
  }
  [[nodiscard]] Severity severity() const { return severity_; }
  [[nodiscard]] std::string text() const { return first_few(found_, "; "); }

 private:
  Severity severity_ = Severity::ok;
  std::vector<std::string> found_{};
};

struct Row {
  Meaning meaning;
  Severity severity;
  std::string_view what;
};
/// These alarm when they grow at all.
constexpr std::array kRows{
    Row{Meaning::module_gone, Severity::critical, "the cable's module was unplugged"},
    Row{Meaning::pause_storm_ended, Severity::critical, "was paused for so long that it gave up"},
    Row{Meaning::error, Severity::warning, "errors"},
    Row{Meaning::link_lost, Severity::warning, "lost its physical link"},
    Row{Meaning::too_large, Severity::warning, "the other end sends larger packets than it takes"},
    Row{Meaning::pause_storm, Severity::warning, "was paused for long"},
    Row{Meaning::module_trouble, Severity::warning, "the cable's module"},
    Row{Meaning::pci_trouble, Severity::warning, "its PCI link"}};

std::vector<std::string> names_of(const PartGrowth& growth, Meaning meaning) {
  const auto found = growth.names.find(meaning);
  return found == growth.names.end() ? std::vector<std::string>() : found->second;
}

Outcome judge_part(const std::string& subject, const PartGrowth& growth, const Params& params, double elapsed_s) {
  Judged judged;
  for (const Row& row : kRows)
    if (growth.of(row.meaning) > 0) judged.add(row.severity, row.what, names_of(growth, row.meaning));
  const auto per_s = [&](Meaning meaning) { return static_cast<double>(growth.of(meaning)) / elapsed_s; };
  if (growth.of(Meaning::drop) >= kFewestDrops)
    judged.add(judge_at_least(per_s(Meaning::drop), params.number("drops"), 0), "drops",
               names_of(growth, Meaning::drop));
  for (const auto& [frames, time, what] :
       {std::tuple{Meaning::pause_in, Meaning::pause_in_time, "was told to pause, for the network is congested"},
        {Meaning::pause_out, Meaning::pause_out_time, "told others to pause, for this host is too slow"}}) {
    judged.add(judge_at_least(per_s(time) / kUsPerS, params.number("pause_share"), 0), what, names_of(growth, time));
    judged.add(judge_at_least(per_s(frames), params.number("pause_frames"), 0), what, names_of(growth, frames));
  }
  Outcome outcome{.severity = judged.severity(), .subject = subject, .value = per_s(Meaning::drop), .unit = "1/s"};
  outcome.detail = judged.text();
  return outcome;
}

std::string quiet_text(const PartGrowth& growth, std::size_t statistics) {
  std::string text = fmt::format("{} counters, none of them of errors grew", statistics);
  for (const auto& [meaning, what] : {std::pair{Meaning::pause_in, "received"}, {Meaning::pause_out, "sent"}})
    if (growth.of(meaning) > 0) text += fmt::format("; {} pause frames {}", growth.of(meaning), what);
  return text;
}

/// Why the device is gone, by its PCI configuration space, which is read from the device itself; empty: it is not, or
/// this cannot be told. A virtual function has no IDs of its own there, and reads all ones when all is well (PCI
/// Express Base Specification, "Vendor ID" of virtual functions): its physical function is asked.
std::string why_gone(const Nic& nic, const std::filesystem::path& sys) {
  if (nic.pci.empty()) return "";
  const std::string physical = pci_function(nic.pci, sys).physical;
  const std::string& asked = physical.empty() ? nic.pci : physical;
  const std::filesystem::path device = sys / "bus/pci/devices" / asked;
  if (pci_is_asleep(device) || !pci_is_gone(device)) return "";
  return fmt::format("does not answer at {}: its configuration reads all ones", asked);
}

class NicQueues {
 public:
  Result<std::vector<Outcome>> read(const CheckInput& input) {
    GRIT_TRY(const std::vector<Nic> nics, chosen_nics_and_lower(input.node, input.params));
    if (nics.empty()) return std::vector{not_here("no data NIC")};
    GRIT_TRY(const Ethtool ethtool, Ethtool::open());
    std::vector<Outcome> outcomes;
    for (const Nic& nic : nics) {
      if (const std::string gone = why_gone(nic, input.sys); !gone.empty()) {
        outcomes.push_back({.severity = Severity::critical,
                            .subject = nic.name,
                            .detail = gone,
                            .hint = "lspci; the kernel's log says since when"});
        continue;
      }
      const auto statistics = ethtool.statistics(nic.name);
      if (statistics.empty()) {
        outcomes.push_back(not_here("its driver counts nothing by itself"));
        outcomes.back().subject = nic.name;
        continue;
      }
      auto found = judge_.judge(nic.name, statistics, input.params, input.memory);
      outcomes.insert(outcomes.end(), found.begin(), found.end());
    }
    return outcomes;
  }

 private:
  StatisticsJudge judge_{};
};

std::vector<ParamSpec> params() {
  return {
      nic_param(),
      {"drops",
       Unit::number,
       10,
       "packets a second that a NIC, queue or priority had no room for (NetworkDropsRate of Kubernetes' monitoring "
       "mixins)",
       {},
       0.0,
       {}},
      {"pause_share", Unit::fraction, 0.01,
       "share of the time in which it paused, or let others pause, where the driver counts that (grit's own choice)"},
      {"pause_frames",
       Unit::number,
       0,
       "pause frames a second, one way; off, for nobody publishes a limit",
       {},
       0.0,
       {}}};
}

}  // namespace

const std::vector<StatisticClass>& StatisticsJudge::classes_of(const std::string& nic,
                                                               const std::vector<DriverStatistic>& statistics) {
  Known& known = known_[nic];
  const bool same = std::equal(statistics.begin(), statistics.end(), known.names.begin(), known.names.end(),
                               [](const DriverStatistic& one, const std::string& name) { return one.name == name; });
  if (!same) {
    known = {};
    for (const DriverStatistic& one : statistics) {
      known.names.push_back(one.name);
      known.classes.push_back(classify_statistic(one.name));
    }
  }
  return known.classes;
}

std::vector<Outcome> StatisticsJudge::judge(const std::string& nic, const std::vector<DriverStatistic>& statistics,
                                            const Params& params, CheckMemory& memory) {
  // From a device that is gone all bits are read as set; a counter that always reads so is one that it has not.
  const auto all_ones = static_cast<std::int64_t>(std::count_if(
      statistics.begin(), statistics.end(), [](const DriverStatistic& one) { return is_all_ones(one.value); }));
  const std::string key = nic + " read all ones";
  const std::int64_t usual = memory.find(key).value_or(all_ones);
  memory.keep(key, std::min(usual, all_ones));
  if (all_ones >= usual + 2)
    return {{.severity = Severity::critical,
             .subject = nic,
             .detail = fmt::format("{} of its counters read all ones: the device does not answer", all_ones),
             .hint = "lspci: is it still on its bus? The kernel's log says since when"}};

  const bool first = !memory.find(nic + " was read");
  // At the end of a block a reading comes milliseconds after the one before it.
  const double elapsed_s =
      std::max(1.0, static_cast<double>(memory.elapsed_ns().value_or(0)) / static_cast<double>(kNsPerS));
  const auto parts = growth_of(nic, statistics, classes_of(nic, statistics), memory);
  std::vector<Outcome> alarms;
  Outcome whole;
  for (const auto& [part, growth] : parts) {
    Outcome one = judge_part(part.empty() ? nic : nic + "/" + part, growth, params, elapsed_s);
    if (part.empty())
      whole = std::move(one);
    else if (is_alarm(one.severity))
      alarms.push_back(std::move(one));
  }
  if (first)
    whole.detail = "first reading";
  else if (whole.severity == Severity::ok)
    whole.detail = quiet_text(parts.at(""), statistics.size());
  std::stable_sort(alarms.begin(), alarms.end(), [](const Outcome& a, const Outcome& b) {
    return std::pair(a.severity, a.value.value_or(0)) > std::pair(b.severity, b.value.value_or(0));
  });
  if (alarms.size() > kMostParts) {
    whole.detail += fmt::format("; {} queues and priorities alarm", alarms.size());
    alarms.resize(kMostParts);
  }
  alarms.insert(alarms.begin(), std::move(whole));
  for (Outcome& one : alarms)
    if (is_alarm(one.severity)) one.hint = fmt::format("ethtool -S {}", nic);
  return alarms;
}

const Check& nic_queues() {
  static const Check check{
      .info = {.name = "nic_queues",
               .summary = "Drivers of data NICs count no errors, few drops and little pause, by queue and priority",
               .params = params(),
               .of_links = true,
               .counts = true,
               .place = CheckPlace::own,  // some drivers ask their firmware, which may not answer
               .period_ns = 10 * kNsPerS,
               .untripped = "no virtual NIC counts errors by queue",
               .unproven = "made-up answers of drivers"},
      .make = [] { return [queues = NicQueues()](const CheckInput& input) mutable { return queues.read(input); }; }};
  return check;
}

}  // namespace grit

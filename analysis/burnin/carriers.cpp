#include "analysis/burnin/carriers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "harness/base/clock.hpp"
#include "harness/model/burnin_measures.hpp"

namespace grit {
namespace {

/// When a reading was made: the second one as the cell ended, and the first as long before as the node's clock says.
std::int64_t time_of(const BurninCarriers& carriers, const std::vector<BurninCarriers>& all,
                     const BurninCellResult& result) {
  if (all.size() < 2) return result.started_ns;
  const std::int64_t ended_ns = result.started_ns + result.took_ns;
  return std::clamp(ended_ns - (all.back().read_ns - carriers.read_ns), result.started_ns, ended_ns);
}

/// "2026-11-23 08:15:00"
std::string time_text(std::int64_t at_ns) {
  const std::string stamp = utc_stamp(at_ns);  // "20261123T081500Z"
  const auto part = [&](std::size_t at, std::size_t length) { return stamp.substr(at, length); };
  return fmt::format("{}-{}-{} {}:{}:{}", part(0, 4), part(4, 2), part(6, 2), part(9, 2), part(11, 2), part(13, 2));
}

std::string between(std::int64_t from_ns, std::int64_t to_ns) {
  return fmt::format("between {} and {} UTC", time_text(from_ns), time_text(to_ns));
}

/// Losses of one interface that are judged alike.
struct LostCarriers {
  std::string nic{};
  std::int64_t times = 0, from_ns = 0, to_ns = 0;
  std::size_t others = 0;  // nodes that lost theirs as well, at the time of one of these; the most

  void add(const std::string& name, std::int64_t more, std::int64_t begin_ns, std::int64_t end_ns, std::size_t lost) {
    from_ns = times == 0 ? begin_ns : std::min(from_ns, begin_ns);
    to_ns = std::max(to_ns, end_ns);
    nic = name;
    times += more;
    others = std::max(others, lost - 1);
  }
  [[nodiscard]] std::string text() const {
    std::string words = fmt::format(
        "its link {} lost its carrier {} {} {}, which no fault of the burn-in did: the cable, its modules, the "
        "switch's port, or the NIC",
        nic, times, times == 1 ? "time" : "times", between(from_ns, to_ns));
    if (others > 0)
      words += fmt::format("; {} other {} did at that time, too", others, others == 1 ? "node's" : "nodes'");
    return words;
  }
};

std::int64_t allowed_by(const BurninConfig& config) {
  const auto limits = config.limits.find(std::string(kCarrierLosses));
  return limits == config.limits.end() ? 0 : static_cast<std::int64_t>(limits->second.at_most.value_or(0));
}

BurninFinding finding_of(const std::string& host, BurninStatus status, int readings, std::string why) {
  BurninFinding finding;
  finding.measure = std::string(kCarrierLosses);
  finding.host = host;
  finding.status = status;
  finding.visits = readings;
  finding.why = std::move(why);
  return finding;
}

/// Of one node; nothing: it has lost its carrier no more often than is allowed.
std::optional<BurninFinding> judge_node(const std::string& host, int readings, std::int64_t allowed,
                                        const std::map<std::string, LostCarriers>& own,
                                        const std::map<std::string, LostCarriers>& perhaps_own) {
  const std::string limit = allowed == 0 ? "" : fmt::format(" ({} allowed)", allowed);
  for (const auto& [nic, sum] : own)
    if (sum.times > allowed) return finding_of(host, BurninStatus::shown, readings, sum.text() + limit);
  for (const auto& [nic, sum] : perhaps_own) {
    const auto sure = own.find(nic);
    if (sum.times + (sure == own.end() ? 0 : sure->second.times) <= allowed) continue;
    return finding_of(host, BurninStatus::unclear, readings,
                      sum.text() + limit +
                          "; too few others were read before and after it to tell whether theirs did, too, as when a "
                          "switch restarts");
  }
  return std::nullopt;
}

}  // namespace

void CarrierHistory::add(const BurninCarriers& carriers, std::int64_t at_ns, Node& node) {
  ++node.readings;
  bool is_next = false;  // of what was read before
  for (const BurninCarrier& nic : carriers.nics) {
    const std::string interface = fmt::format("{} {}", carriers.netns, nic.ifindex);
    const auto [place, is_new] = node.nics.try_emplace(nic.nic);
    Last& last = place->second;
    if (!is_new && last.interface == interface && nic.lost >= last.lost) {
      is_next = true;
      if (nic.lost > last.lost)
        node.losses.push_back({.nic = nic.nic, .times = nic.lost - last.lost, .within = {last.at_ns, at_ns}});
    }
    last = {.interface = interface, .lost = nic.lost, .at_ns = at_ns};
  }
  if (is_next && !node.read.empty())
    node.read.back().to_ns = at_ns;
  else if (!carriers.nics.empty())
    node.read.push_back({at_ns, at_ns});
}

void CarrierHistory::take(const BurninCellResult& result) {
  for (const std::string& host : result.cell.hosts) {
    Node& node = nodes_[host];
    const auto found = result.carriers.find(host);
    const auto boot = result.boot_ids.find(host);
    if (found != result.carriers.end()) {
      const std::string start =
          fmt::format("{} {}", result.session, boot == result.boot_ids.end() ? std::string() : boot->second);
      if (node.start != start) node.nics.clear();
      node.start = start;
      for (const BurninCarriers& carriers : found->second)
        add(carriers, time_of(carriers, found->second, result), node);
    }
    const bool is_run = result.cell.kinds.empty();
    if (is_run && (found == result.carriers.end() || found->second.size() < 2)) node.nics.clear();
  }
}

CarrierHistory::Others CarrierHistory::others_at(const Span& within) const {
  Others others;
  for (const auto& [host, node] : nodes_) {
    const auto loss =
        std::ranges::lower_bound(node.losses, within.from_ns, {}, [](const Loss& one) { return one.within.to_ns; });
    const auto read = std::ranges::upper_bound(node.read, within.from_ns, {}, &Span::from_ns);
    const bool has_lost = loss != node.losses.end() && loss->within.from_ns <= within.to_ns;
    const bool is_known = read != node.read.begin() && std::prev(read)->to_ns >= within.to_ns;
    others.lost += has_lost ? 1 : 0;
    others.known += has_lost || is_known ? 1 : 0;
  }
  return others;
}

CarrierHistory::Whose CarrierHistory::whose(const Others& others, std::size_t hosts) {
  if (2 * others.lost <= others.known) return Whose::own;
  return others.lost > 1 && 2 * others.known > hosts ? Whose::shared : Whose::unknown;
}

std::vector<BurninFinding> CarrierHistory::judge(const BurninConfig& config, std::size_t hosts) const {
  std::vector<BurninFinding> findings;
  LostCarriers shared;
  Others most;
  for (const auto& [host, node] : nodes_) {
    std::map<std::string, LostCarriers> own, perhaps_own;  // by NIC
    for (const Loss& loss : node.losses) {
      const Others others = others_at(loss.within);
      const Whose of = whose(others, hosts);
      LostCarriers& sum = of == Whose::shared ? shared : of == Whose::own ? own[loss.nic] : perhaps_own[loss.nic];
      sum.add(loss.nic, loss.times, loss.within.from_ns, loss.within.to_ns, others.lost);
      if (of == Whose::shared && others.lost > most.lost) most = others;
    }
    if (auto finding = judge_node(host, node.readings, allowed_by(config), own, perhaps_own))
      findings.push_back(std::move(*finding));
  }
  if (shared.times > 0)
    findings.push_back(finding_of(
        "", BurninStatus::shown, 0,
        fmt::format("the links of {} of the {} nodes that were read lost their carrier {}, which no fault of the "
                    "burn-in did: a switch that restarted? No node is blamed for it",
                    most.lost, most.known, between(shared.from_ns, shared.to_ns))));
  return findings;
}

}  // namespace grit

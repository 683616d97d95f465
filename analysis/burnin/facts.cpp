// Facts in which nodes differ from most of their class.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <set>

#include "analysis/burnin/judgement.hpp"

namespace grit {
namespace {

/// Memory that firmware keeps for itself differs a little between equal machines.
constexpr double kSameSize = 0.01;

std::optional<double> number_of(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value)) return std::nullopt;
  return value;
}

bool is_size(const std::string& fact) { return fact.size() > 6 && fact.ends_with("_bytes"); }

bool is_same(const std::string& fact, const std::string& a, const std::string& b) {
  if (a == b) return true;
  if (!is_size(fact)) return false;
  const auto x = number_of(a), y = number_of(b);
  return x && y && std::abs(*x - *y) <= kSameSize * std::max(std::abs(*x), std::abs(*y));
}

/// What more than half of all say; of sizes the middle one, if more than half are as large. Empty: there is none.
std::optional<std::string> majority(const std::string& fact, const std::map<std::string, std::string>& by_host) {
  std::map<std::string, std::size_t> counts;
  for (const auto& [host, value] : by_host) ++counts[value];
  std::optional<std::string> most;
  std::size_t alike = 0;
  for (const auto& [value, own] : counts) {
    std::size_t count = 0;
    for (const auto& [other, others] : counts) count += is_same(fact, value, other) ? others : 0;
    if (count > alike) most = value, alike = count;
  }
  if (2 * alike <= by_host.size()) return std::nullopt;
  return most;
}

BurninFinding fact_finding(const std::string& fact, const std::string& host, std::size_t hosts, std::string why) {
  BurninFinding finding;
  finding.measure = std::string(kBurninFactPrefix) + fact;
  finding.host = host;
  finding.peers = static_cast<int>(hosts) - 1;
  finding.why = std::move(why);
  return finding;
}

void add_odd(std::vector<BurninFinding>& findings, const std::string& fact,
             const std::map<std::string, std::string>& by_host, bool must_match) {
  const auto usual = majority(fact, by_host);
  for (const auto& [host, value] : by_host) {
    if (!usual) {
      findings.push_back(fact_finding(
          fact, host, by_host.size(),
          fmt::format("{} is {}, and no value is that of most nodes", fact, value.empty() ? "not there" : value)));
      continue;
    }
    if (is_same(fact, value, *usual)) continue;
    const auto alike = std::count_if(by_host.begin(), by_host.end(),
                                     [&](const auto& one) { return is_same(fact, one.second, *usual); });
    BurninFinding finding =
        fact_finding(fact, host, by_host.size(),
                     fmt::format("{} is {}, and {} on {} of {} nodes", fact, value.empty() ? "not there" : value,
                                 *usual, alike, by_host.size()));
    if (must_match) finding.status = by_host.size() >= kFewestPeers ? BurninStatus::shown : BurninStatus::unclear;
    findings.push_back(std::move(finding));
  }
}

std::string text_of(const std::map<std::string, std::string>& facts, const std::string& name) {
  const auto found = facts.find(name);
  return found == facts.end() ? std::string() : found->second;
}

/// A node that has lost all of its GPUs is of another class than those that it was like, and perhaps alone in it. So
/// nodes without any are held against those with the same processors; of enough for a class of their own it is only
/// asked whether they are meant to be one.
void add_without_gpus(std::vector<BurninFinding>& findings, bool must_match,
                      const std::map<std::string, std::map<std::string, std::string>>& facts) {
  std::map<std::string, std::map<std::string, std::string>> by_cpu;  // then by host: "some" GPUs
  for (const auto& [host, own] : facts)
    by_cpu[text_of(own, "cpu_model")][host] = text_of(own, "gpus").empty() ? "" : "some";
  for (const auto& [cpu, by_host] : by_cpu) {
    const auto without = static_cast<std::size_t>(
        std::count_if(by_host.begin(), by_host.end(), [](const auto& one) { return one.second.empty(); }));
    if (without == 0 || without == by_host.size()) continue;
    if (without >= kFewestPeers) {
      findings.push_back(fact_finding("gpus", "", by_host.size(),
                                      fmt::format("{} of the {} nodes with {} have no GPU, and were held against each "
                                                  "other alone: are they meant to have none?",
                                                  without, by_host.size(), cpu)));
      continue;
    }
    std::vector<BurninFinding> odd;
    add_odd(odd, "gpus", by_host, must_match);
    for (BurninFinding& finding : odd)
      if (by_host.at(finding.host).empty()) findings.push_back(std::move(finding));
  }
}

}  // namespace

std::vector<BurninFinding> odd_facts(const BurninConfig& config,
                                     const std::map<std::string, std::string>& machine_class,
                                     const std::map<std::string, std::map<std::string, std::string>>& facts) {
  std::map<std::string, std::vector<std::string>> classes;
  for (const auto& [host, own] : facts)
    if (const auto found = machine_class.find(host); found != machine_class.end())
      classes[found->second].push_back(host);
  const auto must_match = [&](const std::string& fact) {
    return std::count(config.must_match.begin(), config.must_match.end(), fact) > 0;
  };
  std::vector<BurninFinding> findings;
  add_without_gpus(findings, must_match("gpus"), facts);
  for (const auto& [name, hosts] : classes) {
    std::set<std::string> names;
    for (const std::string& host : hosts)
      for (const auto& [fact, value] : facts.at(host)) names.insert(fact);
    for (const std::string& fact : names) {
      std::map<std::string, std::string> by_host;
      for (const std::string& host : hosts) {
        by_host[host] = text_of(facts.at(host), fact);
      }
      if (hosts.size() > 1) add_odd(findings, fact, by_host, must_match(fact));
    }
  }
  return findings;
}

std::string machine_class_of(const std::map<std::string, std::string>& facts) {
  std::string name;
  for (const char* fact : {"cpu_model", "gpu_model"}) {
    const auto found = facts.find(fact);
    if (found == facts.end() || found->second.empty()) continue;
    if (!name.empty()) name += ", ";
    name += found->second;
  }
  return name;
}

}  // namespace grit

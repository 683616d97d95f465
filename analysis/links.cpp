#include "analysis/links.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "harness/record/run_dir.hpp"

namespace grit {
namespace {

/// Below, a link counts as it was: a fifth slower, in natural logarithms. A shared machine's links differ by less.
constexpr double kSlow_log = 0.18;
/// By how much more than others' a node's links must have become slower.
constexpr double kApart_log = 0.18;
/// Retransmits added to both counts before they are divided, so that one more than none is only a third more.
constexpr double kFewRetransmits = 3;

struct Sums {
  std::vector<double> latencies_ns{};
  double worst_ns = 0, transfer_s_per_bit = 0, retransmits = 0;
  int transfers = 0, blocks = 0;

  Sums& operator+=(const Sums& other) {
    latencies_ns.insert(latencies_ns.end(), other.latencies_ns.begin(), other.latencies_ns.end());
    worst_ns += other.worst_ns, transfer_s_per_bit += other.transfer_s_per_bit, retransmits += other.retransmits;
    transfers += other.transfers, blocks += other.blocks;
    return *this;
  }
};

/// A link's figures, by block (Block::index).
struct LinkBlocks {
  std::map<double, Sums> baseline{}, fault{};

  [[nodiscard]] std::map<double, Sums>* of(const Json& kind) {
    if (kind == "link_baseline") return &baseline;
    return kind == "link_fault" ? &fault : nullptr;
  }
};

Sums total(const std::map<double, Sums>& blocks) {
  Sums sums;
  for (const auto& [block, one] : blocks) sums += one;
  return sums;
}

std::optional<double> number_at(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number()) return std::nullopt;
  return found->get<double>();
}

void add(Sums& sums, const Json& entry) {
  const auto latency = entry.find("latency_ns");
  if (latency != entry.end() && latency->is_object()) {
    const auto median = number_at(*latency, "median"), worst = number_at(*latency, "max");
    if (median && worst && *median > 0 && *worst > 0) sums.latencies_ns.push_back(*median), sums.worst_ns += *worst;
  }
  if (const auto rate = number_at(entry, "bits_per_s"); rate && *rate > 0)
    sums.transfer_s_per_bit += 1 / *rate, ++sums.transfers;
}

using Measure = double (*)(const LinkChange&);  // logarithm of the slowdown
double log_of(double fault, double baseline) { return fault > 0 && baseline > 0 ? std::log(fault / baseline) : 0; }
double transfers(const LinkChange& link) { return log_of(link.baseline_bits_per_s, link.fault_bits_per_s); }
double round_trips(const LinkChange& link) { return log_of(link.fault_latency_ns, link.baseline_latency_ns); }
double longest(const LinkChange& link) { return log_of(link.fault_worst_ns, link.baseline_worst_ns); }
double retransmits(const LinkChange& link) {
  return std::log((link.fault_retransmits + kFewRetransmits) / (link.baseline_retransmits + kFewRetransmits));
}
constexpr std::array<std::pair<const char*, Measure>, 4> kMeasures{{{"transfers", transfers},
                                                                    {"round trips", round_trips},
                                                                    {"the longest round trips", longest},
                                                                    {"TCP retransmits", retransmits}}};
constexpr std::size_t kTimes = 3;  // of them

/// Nearest rank.
double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
  return values[std::clamp<std::size_t>(rank, 1, values.size()) - 1];
}

/// By one measure. `apart`: how much further from the others than it must be; to choose between measures.
struct OneFinding {
  LinkFinding finding{};
  double apart = 0;
};

/// Of the values that are in `sorted` and not in `without`, both in ascending order: by nearest rank.
double quantile_without(const std::vector<double>& sorted, const std::vector<double>& without, double share) {
  const std::size_t count = sorted.size() - without.size();
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(count)));
  std::size_t place = std::clamp<std::size_t>(rank, 1, count) - 1;
  for (const double value : without) place += value <= sorted[place] ? 1 : 0;
  return sorted[place];
}

std::optional<OneFinding> find_node(const std::vector<LinkChange>& links, Measure measure, double noise_log) {
  std::map<int, std::vector<double>> of_nodes;
  std::vector<double> all;
  for (const LinkChange& link : links) {
    all.push_back(measure(link));
    of_nodes[link.a].push_back(all.back()), of_nodes[link.b].push_back(all.back());
  }
  std::sort(all.begin(), all.end());
  std::optional<OneFinding> best;
  for (auto& [node, own] : of_nodes) {
    const std::size_t others = all.size() - own.size();
    if (own.size() < 2 || others == 0) continue;  // one link has two ends
    std::sort(own.begin(), own.end());
    const double low = quantile(own, 0.25), apart = low - quantile_without(all, own, 0.75);
    // One or two figures lie below the node's by chance: they count as a single link does.
    const double needed = (others < 3 ? 2 : 1) * std::max(kApart_log, noise_log);
    if (low < kSlow_log || apart < needed || (best && best->apart >= apart)) continue;
    best = OneFinding{{.node = node}, apart};
  }
  return best;
}

std::optional<OneFinding> find_link(const std::vector<LinkChange>& links, Measure measure, double noise_log) {
  const auto slowest = std::max_element(
      links.begin(), links.end(), [&](const LinkChange& x, const LinkChange& y) { return measure(x) < measure(y); });
  std::vector<double> others;
  for (const LinkChange& link : links)
    if (&link != &*slowest) others.push_back(measure(link));
  const double low = measure(*slowest);
  // A single figure against the very slowest of the others: rarer events happen by chance, the more so where other
  // links have become slow as well. By how much they have is then the measure of what this one must be apart.
  const double most = others.empty() ? 0 : quantile(others, 1.0), apart = low - most;
  if (low < 2 * kSlow_log || apart < 2 * std::max({kApart_log, noise_log, most})) return std::nullopt;
  return OneFinding{{.a = slowest->a, .b = slowest->b}, apart};
}

bool is_own(const LinkChange& link, const LinkFinding& finding) {
  if (finding.node >= 0) return link.a == finding.node || link.b == finding.node;
  return link.a == finding.a && link.b == finding.b;
}

/// Does every block with the faults say so by itself? A few long stalls, which may hit any link, fall into one of them
/// and make its average; what is wrong with a link is wrong in all.
bool holds_in_each_block(const std::vector<LinkChange>& links, const LinkFinding& finding, std::size_t measure) {
  std::size_t blocks = links.front().fault_log.size();
  for (const LinkChange& link : links) blocks = std::min(blocks, link.fault_log.size());
  for (std::size_t block = 0; block < blocks; ++block) {
    std::vector<double> own, others;
    for (const LinkChange& link : links)
      (is_own(link, finding) ? own : others).push_back(link.fault_log[block][measure]);
    if (own.empty() || others.empty()) continue;
    const bool is_node = finding.node >= 0;
    if (quantile(own, is_node ? 0.25 : 0.0) <= quantile(others, is_node ? 0.75 : 1.0)) return false;
  }
  return true;
}

/// "transfers over its links 3.4 times slower, over others not".
void describe(const std::vector<LinkChange>& links, LinkFinding& finding, std::size_t measure) {
  const char* whose = finding.node >= 0 ? "its links" : "this link";
  std::vector<double> own;
  double baseline = 0, fault = 0;
  for (const LinkChange& link : links)
    if (is_own(link, finding)) {
      own.push_back(kMeasures[measure].second(link));
      baseline += link.baseline_retransmits, fault += link.fault_retransmits;
    }
  const char* others = own.size() < links.size() ? ", over others not" : "";
  if (measure >= kTimes) {
    finding.text = fmt::format("TCP sent {:.3g} segments again a block over {} ({:.3g} without the fault){}", fault,
                               whose, baseline, others);
    return;
  }
  finding.times = std::exp(quantile(own, finding.node >= 0 ? 0.25 : 0.0));
  finding.text = fmt::format("{} over {} {:.{}f} times slower{}", kMeasures[measure].first, whose, finding.times,
                             finding.times < 10 ? 1 : 0, others);
}

LinkChange change_between(const Sums& baseline, const Sums& fault) {
  LinkChange change;
  const auto mean = [](double sum, int count) { return count > 0 ? sum / count : 0; };
  const auto latencies = [](const Sums& sums) { return static_cast<int>(sums.latencies_ns.size()); };
  change.baseline_latency_ns = latencies(baseline) > 0 ? quantile(baseline.latencies_ns, 0.5) : 0;
  change.fault_latency_ns = latencies(fault) > 0 ? quantile(fault.latencies_ns, 0.5) : 0;
  change.baseline_worst_ns = mean(baseline.worst_ns, latencies(baseline));
  change.fault_worst_ns = mean(fault.worst_ns, latencies(fault));
  if (baseline.transfers > 0) change.baseline_bits_per_s = baseline.transfers / baseline.transfer_s_per_bit;
  if (fault.transfers > 0) change.fault_bits_per_s = fault.transfers / fault.transfer_s_per_bit;
  change.baseline_retransmits = mean(baseline.retransmits, baseline.blocks);
  change.fault_retransmits = mean(fault.retransmits, fault.blocks);
  return change;
}

/// Empty: a link with no figures of one of the kinds.
std::optional<LinkChange> change_of(std::pair<int, int> ends, const LinkBlocks& link) {
  const Sums baseline = total(link.baseline), fault = total(link.fault);
  if (baseline.latencies_ns.empty() || fault.latencies_ns.empty()) return std::nullopt;
  LinkChange change = change_between(baseline, fault);
  change.a = ends.first, change.b = ends.second;
  for (const auto& [block, one] : link.baseline) {
    const LinkChange other = change_between(link.baseline.begin()->second, one);
    for (std::size_t i = 0; i < kMeasures.size(); ++i)
      change.noise_log[i] = std::max(change.noise_log[i], std::abs(kMeasures[i].second(other)));
  }
  for (const auto& [block, one] : link.fault) {
    const LinkChange of_block = change_between(baseline, one);
    auto& logs = change.fault_log.emplace_back();
    for (std::size_t i = 0; i < kMeasures.size(); ++i) logs[i] = kMeasures[i].second(of_block);
  }
  return change;
}

/// Of one line: the link, its ends in order, its block and its kind. Empty: it names no link.
struct EntryPlace {
  std::pair<int, int> ends{};
  double block = 0;
};
std::optional<EntryPlace> place_of(const Json& entry, const char* from, const char* to) {
  const auto a = number_at(entry, from), b = number_at(entry, to);
  if (!a || !b || *a < 0 || *b < 0 || *a == *b || !entry.contains("kind")) return std::nullopt;
  return EntryPlace{{static_cast<int>(std::min(*a, *b)), static_cast<int>(std::max(*a, *b))},
                    number_at(entry, "block").value_or(0)};
}

bool same_place(const LinkFinding& x, const LinkFinding& y) {
  const auto touches = [](const LinkFinding& link, int node) { return link.a == node || link.b == node; };
  if (x.node >= 0 && y.node >= 0) return x.node == y.node;
  if (x.node >= 0) return touches(y, x.node);
  if (y.node >= 0) return touches(x, y.node);
  return x.a == y.a && x.b == y.b;
}

}  // namespace

double LinkChange::slowdown() const {
  double most = 0;
  for (std::size_t i = 0; i < kTimes; ++i) most = std::max(most, kMeasures[i].second(*this));
  return std::exp(most);
}

std::vector<LinkChange> link_changes(const JsonLines& entries) {
  std::map<std::pair<int, int>, LinkBlocks> found;
  std::map<std::pair<int, int>, LinkBlocks> tcp;
  entries.for_each([&](const Json& entry) {
    const auto link = place_of(entry, "a", "b"), sent = place_of(entry, "from", "to");
    if (link) {
      auto* blocks = found[link->ends].of(entry["kind"]);
      if (blocks == nullptr) return;
      Sums& sums = (*blocks)[link->block];
      sums.blocks = 1;
      add(sums, entry);
    } else if (sent) {  // both directions of a link
      if (auto* blocks = tcp[sent->ends].of(entry["kind"]))
        (*blocks)[sent->block].retransmits += number_at(entry, "retransmits").value_or(0);
    }
  });
  std::vector<LinkChange> changes;
  for (auto& [ends, link] : found) {
    const LinkBlocks& counts = tcp[ends];
    // Only in blocks of which there are times as well.
    for (auto& [block, sums] : link.baseline)
      if (const auto one = counts.baseline.find(block); one != counts.baseline.end())
        sums.retransmits = one->second.retransmits;
    for (auto& [block, sums] : link.fault)
      if (const auto one = counts.fault.find(block); one != counts.fault.end())
        sums.retransmits = one->second.retransmits;
    if (auto change = change_of(ends, link)) changes.push_back(std::move(*change));
  }
  return changes;
}

JsonLines link_lines(const Json& document) {
  JsonLines lines;
  for (const char* list : {"links", "tcp"})
    if (document.is_object() && document.contains(list))
      for (const Json& entry : document[list]) lines.append(entry);
  return lines;
}

Result<std::optional<JsonLines>> read_links(const std::filesystem::path& run_directory) {
  std::error_code unreadable;
  if (std::filesystem::exists(run_directory / "links.jsonl", unreadable)) {
    GRIT_TRY(JsonLines lines, JsonLines::open(run_directory / "links.jsonl"));
    return lines;
  }
  if (const auto document = read_json(run_directory / "links.json")) return link_lines(*document);
  return std::optional<JsonLines>();
}

std::optional<LinkFinding> judge_links(const std::vector<LinkChange>& links) {
  if (links.empty()) return std::nullopt;
  std::optional<OneFinding> best;
  bool all_alike = false, nothing = true;
  for (std::size_t i = 0; i < kMeasures.size(); ++i) {
    const Measure measure = kMeasures[i].second;
    std::vector<double> values;
    for (const LinkChange& link : links) values.push_back(measure(link));
    if (i < kTimes) {  // a retransmit here and there says nothing of all links
      all_alike = all_alike || quantile(values, 0.0) >= kSlow_log;
      nothing = nothing && quantile(values, 1.0) < kSlow_log;
    }
    std::vector<double> noise;
    for (const LinkChange& link : links) noise.push_back(link.noise_log[i]);
    std::optional<OneFinding> found;
    // A link that stands out of all others, those of its own nodes among them, is not its node's.
    // One probe of a late acknowledgement sends as much again as many losses: no sign on a single link.
    if (i < kTimes) found = find_link(links, measure, quantile(noise, 1.0));
    if (!found) found = find_node(links, measure, quantile(noise, 0.75));
    if (!found || !holds_in_each_block(links, found->finding, i)) continue;
    describe(links, found->finding, i);
    if (best && !same_place(best->finding, found->finding)) return std::nullopt;  // they contradict each other
    const bool better = !best || (found->finding.node >= 0) > (best->finding.node >= 0) ||
                        ((found->finding.node >= 0) == (best->finding.node >= 0) && found->apart > best->apart);
    const bool lost = i >= kTimes || (best && best->finding.lost);
    if (better) best = found;
    best->finding.lost = lost;
  }
  if (best) return best->finding;
  if (all_alike) return LinkFinding{.all_alike = true};
  if (nothing) return LinkFinding{.nothing = true};
  return std::nullopt;
}

}  // namespace grit

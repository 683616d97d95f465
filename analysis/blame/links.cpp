#include "analysis/blame/links.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>

#include "harness/base/units.hpp"
#include "harness/record/run_dir.hpp"

namespace grit {
namespace {

/// Below, a link counts as it was: a fifth slower, in natural logarithms. A shared machine's links differ by less.
constexpr double kSlow_log = 0.18;
/// By how much more than others' a node's links must have become slower.
constexpr double kApart_log = 0.18;
/// Retransmits added to both counts before they are divided, so that one more than none is only a third more.
constexpr double kFewRetransmits = 3;
constexpr std::size_t kNodesNamed = 3;  // at most
/// Of a single link against all others: so many times as much slower, and so many times as long a stall. A transfer
/// that is slow holds up others at both of its ends, but none for longer than it takes itself.
constexpr double kLinkAlone = 4;
constexpr double kMoreThanBoth = 1.5;  // of what two nodes' links are slower, both taken together

struct Sums {
  std::vector<double> latencies_ns{};
  double worst_ns = 0, longest_ns = 0, transfer_s_per_bit = 0, retransmits = 0;
  int transfers = 0, blocks = 0;

  Sums& operator+=(const Sums& other) {
    latencies_ns.insert(latencies_ns.end(), other.latencies_ns.begin(), other.latencies_ns.end());
    worst_ns += other.worst_ns, longest_ns = std::max(longest_ns, other.longest_ns),
                                transfer_s_per_bit += other.transfer_s_per_bit, retransmits += other.retransmits;
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
    if (median && worst && *median > 0 && *worst > 0) {
      sums.latencies_ns.push_back(*median);
      sums.worst_ns += *worst, sums.longest_ns = std::max(sums.longest_ns, *worst);
    }
  }
  if (const auto rate = number_at(entry, "bits_per_s"); rate && *rate > 0)
    sums.transfer_s_per_bit += 1 / *rate, ++sums.transfers;
}

using Measure = double (*)(const LinkChange&);  // the logarithm of how many times worse, but for kIncreases
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
/// By how much more each of these is, in its own unit: what two causes do to a link adds up.
constexpr std::array<Measure, kMeasures.size()> kIncreases{
    [](const LinkChange& link) { return 1 / link.fault_bits_per_s - 1 / link.baseline_bits_per_s; },
    [](const LinkChange& link) { return link.fault_latency_ns - link.baseline_latency_ns; },
    [](const LinkChange& link) { return link.fault_worst_ns - link.baseline_worst_ns; },
    [](const LinkChange& link) { return link.fault_retransmits - link.baseline_retransmits; }};
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
    best = OneFinding{{.nodes = {node}, .parts = {1}}, apart};
  }
  return best;
}

/// A node's links to those that are no members.
std::vector<const LinkChange*> links_to_others(const std::vector<LinkChange>& links, const std::vector<int>& members,
                                               int node) {
  const auto is_member = [&](int end) { return std::find(members.begin(), members.end(), end) != members.end(); };
  std::vector<const LinkChange*> found;
  for (const LinkChange& link : links)
    if ((link.a == node && !is_member(link.b)) || (link.b == node && !is_member(link.a))) found.push_back(&link);
  return found;
}

std::vector<double> values_of(const std::vector<const LinkChange*>& links, Measure measure) {
  std::vector<double> values;
  for (const LinkChange* link : links) values.push_back(measure(*link));
  return values;
}

bool touches(const LinkChange& link, const std::vector<int>& nodes) {
  return std::any_of(nodes.begin(), nodes.end(), [&](int node) { return link.a == node || link.b == node; });
}

/// Two or three nodes, at most half of all. A healthy node's links to them are slow, too, but not nearly all it has.
/// Where the link between two of them is slower than both together make it, it is that link.
std::optional<OneFinding> find_nodes(const std::vector<LinkChange>& links, std::size_t measure, double noise_log) {
  const Measure log_times = kMeasures[measure].second, increase = kIncreases[measure];
  std::map<int, std::vector<double>> of_nodes;
  for (const LinkChange& link : links)
    of_nodes[link.a].push_back(log_times(link)), of_nodes[link.b].push_back(log_times(link));
  OneFinding found;
  std::vector<int>& members = found.finding.nodes;
  for (const auto& [node, own] : of_nodes)
    if (own.size() >= 2 && quantile(own, 0.25) >= kSlow_log) members.push_back(node);
  if (members.size() < 2 || members.size() > kNodesNamed || 2 * members.size() > of_nodes.size()) return std::nullopt;
  std::vector<double> others;
  for (const LinkChange& link : links)
    if (!touches(link, members)) others.push_back(log_times(link));
  if (others.empty()) return std::nullopt;
  const double needed = (others.size() < 3 ? 2 : 1) * std::max(kApart_log, noise_log);
  double sum = 0;
  for (const int member : members) {
    const auto own = links_to_others(links, members, member);
    if (own.empty()) return std::nullopt;
    const double apart = quantile(values_of(own, log_times), 0.25) - quantile(others, 0.75);
    if (apart < needed) return std::nullopt;
    found.apart = found.finding.parts.empty() ? apart : std::min(found.apart, apart);
    found.finding.parts.push_back(std::max(quantile(values_of(own, increase), 0.5), 0.0));
    sum += found.finding.parts.back();
  }
  if (sum <= 0) return std::nullopt;
  for (const LinkChange& link : links)
    if (members.size() == 2 && link.a == members[0] && link.b == members[1] && increase(link) > kMoreThanBoth * sum)
      return OneFinding{{.a = link.a, .b = link.b}, found.apart};
  for (double& part : found.finding.parts) part /= sum;
  return found;
}

std::optional<OneFinding> find_link(const std::vector<LinkChange>& links, std::size_t index, double noise_log) {
  const Measure measure = kMeasures[index].second, increase = kIncreases[index];
  const auto slowest = std::max_element(
      links.begin(), links.end(), [&](const LinkChange& x, const LinkChange& y) { return measure(x) < measure(y); });
  std::vector<double> others;
  double most_increase = 0;
  for (const LinkChange& link : links)
    if (&link != &*slowest) {
      others.push_back(measure(link));
      most_increase = std::max(most_increase, increase(link));
    }
  const double low = measure(*slowest);
  // A single figure against the very slowest of the others: rarer events happen by chance.
  const double most = others.empty() ? 0 : std::max(quantile(others, 1.0), 0.0), apart = low - most;
  const bool alone =
      std::expm1(low) >= kLinkAlone * std::expm1(most) && increase(*slowest) >= kLinkAlone * most_increase;
  if (low < 2 * kSlow_log || apart < 2 * std::max(kApart_log, noise_log) || !alone) return std::nullopt;
  return OneFinding{{.a = slowest->a, .b = slowest->b}, apart};
}

/// A link that stalls in each block with the fault, as no other does in that block, and none does without the fault. A
/// rare stall changes no mean by much, and means of transfers on a busy machine differ from block to block by as much.
std::optional<LinkFinding> find_stalled_link(const std::vector<LinkChange>& links) {
  std::size_t blocks = links.front().fault_longest_ns.size();
  double without_ns = 0;
  for (const LinkChange& link : links) {
    blocks = std::min(blocks, link.fault_longest_ns.size());
    for (const double longest_ns : link.baseline_longest_ns) without_ns = std::max(without_ns, longest_ns);
  }
  if (blocks < 2 || links.size() < 3) return std::nullopt;
  const LinkChange* stalled = nullptr;
  double times = 0, shortest_ns = 0, of_others_ns = without_ns;
  for (std::size_t block = 0; block < blocks; ++block) {
    const auto longest_ns = [&](const LinkChange& link) { return link.fault_longest_ns[block]; };
    const auto most = std::max_element(links.begin(), links.end(), [&](const LinkChange& x, const LinkChange& y) {
      return longest_ns(x) < longest_ns(y);
    });
    if (stalled != nullptr && stalled != &*most) return std::nullopt;
    stalled = &*most;
    double next_ns = without_ns;
    for (const LinkChange& link : links)
      if (&link != stalled) next_ns = std::max(next_ns, longest_ns(link));
    const double of_block = longest_ns(*stalled) / next_ns;
    times = block == 0 ? of_block : std::min(times, of_block);
    shortest_ns = block == 0 ? longest_ns(*stalled) : std::min(shortest_ns, longest_ns(*stalled));
    of_others_ns = std::max(of_others_ns, next_ns);
  }
  if (times < kLinkAlone) return std::nullopt;
  return LinkFinding{
      .a = stalled->a,
      .b = stalled->b,
      .times = times,
      .text = fmt::format("in each block with the fault this link alone stalled, for {} and more (others, "
                          "and without the fault: {} at most)",
                          format_duration(shortest_ns), format_duration(of_others_ns))};
}

bool is_own(const LinkChange& link, const LinkFinding& finding) {
  if (!finding.nodes.empty()) return touches(link, finding.nodes);
  return link.a == finding.a && link.b == finding.b;
}

/// Does every block with the faults say so by itself? A few long stalls, which may hit any link, fall into one of them
/// and make its average; what is wrong with a link is wrong in all.
bool holds_in_each_block(const std::vector<LinkChange>& links, const LinkFinding& finding, std::size_t measure) {
  std::size_t blocks = links.front().fault_log.size();
  std::vector<const LinkChange*> link, others;
  for (const LinkChange& one : links) {
    blocks = std::min(blocks, one.fault_log.size());
    (is_own(one, finding) ? link : others).push_back(&one);
  }
  std::vector<std::vector<const LinkChange*>> owns;  // each must stand out by itself
  for (const int node : finding.nodes) owns.push_back(links_to_others(links, finding.nodes, node));
  if (owns.empty()) owns.push_back(link);
  const bool is_node = !finding.nodes.empty();
  for (std::size_t block = 0; block < blocks; ++block) {
    const auto of_block = [&](const std::vector<const LinkChange*>& some) {
      std::vector<double> values;
      for (const LinkChange* one : some) values.push_back(one->fault_log[block][measure]);
      return values;
    };
    for (const auto& own : owns) {
      if (own.empty() || others.empty()) continue;
      if (quantile(of_block(own), is_node ? 0.25 : 0.0) <= quantile(of_block(others), is_node ? 0.75 : 1.0))
        return false;
    }
  }
  return true;
}

/// "transfers over its links 3.4 times slower, over others 1.1 times": of these the least, of the others the most, but
/// for a quarter of each where it is a node's.
void describe(const std::vector<LinkChange>& links, LinkFinding& finding, std::size_t measure) {
  const bool is_node = !finding.nodes.empty();
  const char* whose = finding.nodes.size() > 1 ? "their links" : is_node ? "its links" : "this link";
  std::vector<double> own, others;
  double baseline[2] = {}, fault[2] = {};  // of the others, and of these
  for (const LinkChange& link : links) {
    const bool of_these = is_own(link, finding);
    (of_these ? own : others).push_back(kMeasures[measure].second(link));
    baseline[of_these] += link.baseline_retransmits, fault[of_these] += link.fault_retransmits;
  }
  if (measure >= kTimes) {
    finding.text = fmt::format("TCP sent {:.3g} segments again a block over {} ({:.3g} without the fault)", fault[1],
                               whose, baseline[1]);
    if (!others.empty())
      finding.text += fault[0] > baseline[0] ? fmt::format(", over others {:.3g} ({:.3g})", fault[0], baseline[0])
                                             : std::string(", over others not");
    return;
  }
  const auto digits = [](double times) { return times < 9.95 ? 1 : 0; };
  finding.times = std::exp(quantile(own, is_node ? 0.25 : 0.0));
  finding.text = fmt::format("{} over {} {:.{}f} times slower", kMeasures[measure].first, whose, finding.times,
                             digits(finding.times));
  if (others.empty()) return;
  const double of_others = std::exp(quantile(others, is_node ? 0.75 : 1.0));
  finding.text += of_others < 1.05 ? std::string(", over others not")
                                   : fmt::format(", over others {:.{}f} times", of_others, digits(of_others));
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
    change.baseline_longest_ns.push_back(one.longest_ns);
    const LinkChange other = change_between(link.baseline.begin()->second, one);
    for (std::size_t i = 0; i < kMeasures.size(); ++i)
      change.noise_log[i] = std::max(change.noise_log[i], std::abs(kMeasures[i].second(other)));
  }
  for (const auto& [block, one] : link.fault) {
    change.fault_longest_ns.push_back(one.longest_ns);
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

/// Do they not contradict each other? A node does not contradict a link that ends at it, nor nodes that it is one of.
bool agree(const LinkFinding& x, const LinkFinding& y) {
  const auto holds = [](const LinkFinding& finding, int node) {
    if (!finding.nodes.empty())
      return std::find(finding.nodes.begin(), finding.nodes.end(), node) != finding.nodes.end();
    return finding.a == node || finding.b == node;
  };
  if (x.nodes.empty() && y.nodes.empty()) return x.a == y.a && x.b == y.b;
  const auto all_in = [&](const LinkFinding& few, const LinkFinding& many) {
    return !few.nodes.empty() &&
           std::all_of(few.nodes.begin(), few.nodes.end(), [&](int node) { return holds(many, node); });
  };
  if (y.nodes.empty()) return x.nodes.size() == 1 && all_in(x, y);
  if (x.nodes.empty()) return y.nodes.size() == 1 && all_in(y, x);
  return all_in(x, y) || all_in(y, x);
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
    GRIT_TRY(JsonLines lines, JsonLines::open(run_directory / "links.jsonl", formats::kLinks));
    return lines;
  }
  if (const auto document = read_json(run_directory / "links.json")) return link_lines(*document);
  return std::optional<JsonLines>();
}

std::optional<LinkFinding> judge_links(const std::vector<LinkChange>& links) {
  if (links.empty()) return std::nullopt;
  if (auto stalled = find_stalled_link(links)) return stalled;
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
    const auto sound = [&](std::optional<OneFinding> found) {
      return found && holds_in_each_block(links, found->finding, i) ? found : std::nullopt;
    };
    // A link that stands out of all others, those of its own nodes among them, is not its node's. By what TCP sent
    // again no single link is accused: one tail loss probe (RFC 8985) of a late machine can send dozens of segments
    // again of which none was lost.
    std::optional<OneFinding> found = sound(find_nodes(links, i, quantile(noise, 0.75)));
    if (found && i >= kTimes && found->finding.nodes.empty()) found.reset();
    if (!found && i < kTimes) found = sound(find_link(links, i, quantile(noise, 1.0)));
    if (!found) found = sound(find_node(links, measure, quantile(noise, 0.75)));
    if (!found) continue;
    describe(links, found->finding, i);
    if (best && !agree(best->finding, found->finding)) return std::nullopt;
    const auto most_nodes = [](const OneFinding& one) { return std::pair(one.finding.nodes.size(), one.apart); };
    const bool better = !best || most_nodes(*found) > most_nodes(*best);
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

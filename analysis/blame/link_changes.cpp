#include "analysis/blame/link_changes.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "analysis/blame/link_measures.hpp"
#include "harness/record/run_dir.hpp"

namespace grit {
namespace {

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
  // std::max keeps the first of its arguments where the second is NaN: a block in which nothing came through.
  for (const auto& [block, one] : link.baseline) {
    change.baseline_longest_ns.push_back(one.longest_ns);
    const LinkChange other = change_between(link.baseline.begin()->second, one);
    for (std::size_t i = 0; i < kMeasures.size(); ++i)
      change.noise_log[i] = std::max(change.noise_log[i], std::abs(kMeasures[i].log(other)));
  }
  for (const auto& [block, one] : link.fault) {
    change.fault_longest_ns.push_back(one.longest_ns);
    const LinkChange of_block = change_between(baseline, one);
    auto& logs = change.fault_log.emplace_back();
    for (std::size_t i = 0; i < kMeasures.size(); ++i) logs[i] = kMeasures[i].log(of_block);
  }
  return change;
}

/// Empty: something came through with the fault, or nothing did without it. `blocks_ratio`: how many fault blocks there
/// are, of any link, for each baseline block.
std::optional<SilentLink> silence_of(std::pair<int, int> ends, const LinkBlocks& link, double blocks_ratio) {
  const Sums baseline = total(link.baseline), fault = total(link.fault);
  const auto silent = [&](bool transfers_only, double came) {
    return SilentLink{ends.first, ends.second, transfers_only, blocks_ratio * came};
  };
  const auto messages = static_cast<double>(baseline.latencies_ns.size());
  if (messages > 0 && fault.latencies_ns.empty() && fault.transfers == 0) return silent(false, messages);
  if (baseline.transfers > 0 && fault.transfers == 0) return silent(true, baseline.transfers);
  return std::nullopt;
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

}  // namespace

double LinkChange::slowdown() const {
  double most = 0;
  for (std::size_t i = 0; i < kTimes; ++i) most = std::max(most, kMeasures[i].log(*this));
  return std::exp(most);
}

LinkFigures link_figures(const JsonLines& entries) {
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
  std::set<double> baseline_blocks, fault_blocks;
  for (const auto& [ends, link] : found) {
    for (const auto& [block, sums] : link.baseline) baseline_blocks.insert(block);
    for (const auto& [block, sums] : link.fault) fault_blocks.insert(block);
  }
  const double blocks_ratio =
      static_cast<double>(fault_blocks.size()) / static_cast<double>(std::max<std::size_t>(baseline_blocks.size(), 1));
  LinkFigures figures;
  for (auto& [ends, link] : found) {
    const LinkBlocks& counts = tcp[ends];
    // Only in blocks of which there are times as well.
    for (auto& [block, sums] : link.baseline)
      if (const auto one = counts.baseline.find(block); one != counts.baseline.end())
        sums.retransmits = one->second.retransmits;
    for (auto& [block, sums] : link.fault)
      if (const auto one = counts.fault.find(block); one != counts.fault.end())
        sums.retransmits = one->second.retransmits;
    if (auto change = change_of(ends, link)) figures.changes.push_back(std::move(*change));
    const auto silent = fault_blocks.empty() ? std::nullopt : silence_of(ends, link, blocks_ratio);
    if (silent) figures.silent.push_back(*silent);
  }
  return figures;
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

}  // namespace grit

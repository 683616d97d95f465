#include "analysis/blame/links.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <utility>

#include "analysis/blame/link_candidates.hpp"
#include "analysis/blame/link_measures.hpp"

namespace grit {
namespace {

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
      for (const LinkChange* one : some)
        if (!std::isnan(one->fault_log[block][measure])) values.push_back(one->fault_log[block][measure]);
      return values;
    };
    const std::vector<double> of_others = of_block(others);
    for (const auto& own : owns) {
      const std::vector<double> of_own = of_block(own);
      if (of_own.empty() || of_others.empty()) continue;  // nothing came through in this block: nothing to compare
      if (quantile(of_own, is_node ? 0.25 : 0.0) <= quantile(of_others, is_node ? 0.75 : 1.0)) return false;
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
    (of_these ? own : others).push_back(kMeasures[measure].log(link));
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
  finding.text = fmt::format("{} over {} {:.{}f} times slower", kMeasures[measure].name, whose, finding.times,
                             digits(finding.times));
  if (others.empty()) return;
  const double of_others = std::exp(quantile(others, is_node ? 0.75 : 1.0));
  finding.text += of_others < 1.05 ? std::string(", over others not")
                                   : fmt::format(", over others {:.{}f} times", of_others, digits(of_others));
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

/// Which link or nodes stand out by this measure, in the average and in each block. A link that stands out of all
/// others, those of its own nodes among them, is not its node's. By what TCP sent again no single link is accused: one
/// tail loss probe (RFC 8985) of a late machine can send dozens of segments again of which none was lost.
std::optional<LinkCandidate> find_by(const std::vector<LinkChange>& links, std::size_t measure) {
  std::vector<double> noise;
  for (const LinkChange& link : links) noise.push_back(link.noise_log[measure]);
  const auto sound = [&](std::optional<LinkCandidate> found) {
    return found && holds_in_each_block(links, found->finding, measure) ? found : std::nullopt;
  };
  std::optional<LinkCandidate> found = sound(find_nodes(links, measure, quantile(noise, 0.75)));
  if (found && measure >= kTimes && found->finding.nodes.empty()) found.reset();
  if (!found && measure < kTimes) found = sound(find_link(links, measure, quantile(noise, 1.0)));
  if (!found) found = sound(find_node(links, measure, quantile(noise, 0.75)));
  if (found) describe(links, found->finding, measure);
  return found;
}

/// Those that have a figure of this measure, with the fault and without.
std::vector<LinkChange> with_figure(const std::vector<LinkChange>& links, std::size_t measure) {
  std::vector<LinkChange> found;
  std::copy_if(links.begin(), links.end(), std::back_inserter(found),
               [&](const LinkChange& link) { return !std::isnan(kMeasures[measure].log(link)); });
  return found;
}

}  // namespace

std::optional<LinkFinding> judge_links(const LinkFigures& figures) {
  if (figures.changes.empty()) return std::nullopt;
  if (auto silent = find_silent(figures)) return silent;
  if (auto stalled = find_stalled_link(figures.changes)) return stalled;
  std::optional<LinkCandidate> best;
  bool all_alike = false, nothing = figures.silent.empty();
  for (std::size_t i = 0; i < kMeasures.size(); ++i) {
    const std::vector<LinkChange> links = with_figure(figures.changes, i);
    if (links.empty()) continue;
    std::vector<double> values;
    for (const LinkChange& link : links) values.push_back(kMeasures[i].log(link));
    if (i < kTimes) {  // a retransmit here and there says nothing of all links
      all_alike = all_alike || quantile(values, 0.0) >= kSlow_log;
      nothing = nothing && quantile(values, 1.0) < kSlow_log;
    }
    const auto found = find_by(links, i);
    if (!found) continue;
    if (best && !agree(best->finding, found->finding)) return std::nullopt;
    const auto most_nodes = [](const LinkCandidate& one) { return std::pair(one.finding.nodes.size(), one.apart); };
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

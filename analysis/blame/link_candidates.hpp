// Which link, or which nodes' links, stand out by one measure.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "analysis/blame/links.hpp"

namespace grit {

/// `apart`: by how much further from the others than it must be, to choose between measures.
struct LinkCandidate {
  LinkFinding finding{};
  double apart = 0;
};

// `measure` is a place in kMeasures, by which all `links` have a figure; `noise_log`: by how much links differ between
// baseline blocks.

std::optional<LinkCandidate> find_node(const std::vector<LinkChange>& links, std::size_t measure, double noise_log);

/// Two or three nodes, at most half of all. A healthy node's links to them are slow, too, but not nearly all it has.
/// Where the link between two of them is slower than both together make it, it is that link.
std::optional<LinkCandidate> find_nodes(const std::vector<LinkChange>& links, std::size_t measure, double noise_log);

std::optional<LinkCandidate> find_link(const std::vector<LinkChange>& links, std::size_t measure, double noise_log);

/// A link that stalls in each block with the fault, as no other does in that block, and none does without the fault. A
/// rare stall changes no mean by much, and means of transfers on a busy machine differ from block to block by as much.
std::optional<LinkFinding> find_stalled_link(const std::vector<LinkChange>& links);

/// The one link, or the node of nearly all of whose links it holds (three quarters), over which nothing came through
/// with the fault, where so much was due that this is no chance: arrivals are taken to be independent of each other
/// (Poisson), and over all links the probability is 5 % at most. Empty also when silent links have no node in common.
std::optional<LinkFinding> find_silent(const LinkFigures& figures);

/// A node's links to those that are no members.
std::vector<const LinkChange*> links_to_others(const std::vector<LinkChange>& links, const std::vector<int>& members,
                                               int node);

bool touches(const LinkChange& link, const std::vector<int>& nodes);

}  // namespace grit

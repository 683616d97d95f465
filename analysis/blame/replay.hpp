// Which nodes together, or which by turns, make the steps longer: what steps would take with some of them put right.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "analysis/blame/held_up.hpp"
#include "analysis/facts/usage_growth.hpp"
#include "analysis/records/own_work.hpp"

namespace grit {

/// At most so many nodes are blamed each by its own share; more of them only as a group.
constexpr std::size_t kBlamedApart = 3;

/// A node and the share of the loss that is its own, 0 .. 1.
struct NodeShare {
  HeldUp::Outstanding who{};
  double share = 0;
};

class Replay {
 public:
  /// `loss_ns`: by which a step is longer in the middle of the pairs; positive.
  Replay(const OwnWork& work, const HeldUp& held_up, const std::vector<BlockPair>& pairs, double loss_ns);

  /// The share of the loss that goes when these nodes are no slower than the slowest of the others and are not stopped
  /// in collectives: the middle over the pairs.
  [[nodiscard]] double share(std::span<const std::size_t> nodes) const;

  /// Of nodes that stand out, at most kBlamedApart: each one's share when they are put right together. Of two that are
  /// equally slow neither explains anything without the other; so a node's share is what it adds to those put right
  /// before it, on average over all orders (L. S. Shapley, A value for n-person games, 1953). The shares add up to that
  /// of all together.
  [[nodiscard]] std::vector<NodeShare> shares(std::span<const HeldUp::Outstanding> nodes) const;

  /// Nodes that are slow by turns: one or more may stall in the same step.
  struct Turns {
    std::size_t last = 1;                         // so many last ones of each step are put right
    std::vector<std::vector<double>> gains_ns{};  // by node and pair: how much longer it was the last one's, a step
    std::vector<double> by_node{};  // its part of what goes (OwnWork::node_gain_ns), as a share of the loss;
                                    // the average over the pairs
    double share = 0;  // of the loss that goes; the middle over the pairs, 0 where it is no more than what it differs
                       // by from one baseline block to the next. Stops that lie at the same time do not count.
  };
  [[nodiscard]] const Turns& turns() const { return turns_; }
  /// How sure it is that these nodes were the last ones for longer under the fault than without it: the one-sided p of
  /// an exact sign-flip test over the pairs. With one node slow the others are the last less often, so that theirs is
  /// near 1; stalls that come with and without the fault make it small by chance alone.
  [[nodiscard]] double turns_p(std::span<const std::size_t> nodes) const;
  /// Those of them that were the last for longer under the fault, each beyond chance: p of 0.05 over all of them.
  [[nodiscard]] std::vector<std::size_t> shown_in_turn() const;
  /// Stops inside of collectives, of all nodes: of the communication's growth.
  [[nodiscard]] double hidden_ns() const { return hidden_ns_; }
  /// Most of the nodes were stopped in collectives, at the same time: together for much longer than communication grew.
  [[nodiscard]] bool stopped_at_once() const { return stopped_at_once_; }

  /// Are these nodes slow, and not each node in its turn? Whoever is slow by chance in a few blocks stands out of those
  /// who are not, too. No when the others together have half of what the least of these has, in the middle of the pairs
  /// and beyond chance (turns_p() of 0.05); and where one of the others has a tenth of the loss, these must also be the
  /// slowest in more pairs than by chance (binomial, 5 % over all sets of this size).
  [[nodiscard]] bool are_slow(std::span<const NodeShare> nodes) const;

 private:
  /// `apart`: by pair, the part of the stops in collectives that do not lie over each other.
  [[nodiscard]] Turns turns_of(std::size_t last, const std::vector<double>& apart) const;
  [[nodiscard]] std::vector<double> turns_by_pair(std::span<const std::size_t> nodes) const;
  [[nodiscard]] bool slowest_in_most_pairs(const std::vector<bool>& is_member, std::size_t members) const;

  const OwnWork& work_;
  const HeldUp& held_up_;
  const std::vector<BlockPair>& pairs_;
  double loss_ns_;
  Turns turns_{};
  double hidden_ns_ = 0;
  bool stopped_at_once_ = false;
};

}  // namespace grit

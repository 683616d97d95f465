// Which tokens go to which experts, the same on every rank without asking.
//
// How a workload uses it: one Router for each expert group; before each all-to-all route(), then tokens(): this rank
// sends tokens(own, r) to rank r of the group and receives tokens(r, own). The way back, and both of the backward pass,
// have the same counts, turned round where needed.
#pragma once

#include <cstdint>
#include <vector>

namespace grit {

/// In a block of `experts` experts each token goes to `experts_per_token` of them, and none is dropped. One expert of
/// each layer is preferred: it gets `balance` times its fair share, tokens · experts_per_token / experts, of each
/// rank's tokens, at most all tokens, since none goes to it twice; the others share the rest evenly. balance = 1: all
/// counts of a rank differ by one at most. Which expert is preferred depends on seed and layer alone: a trained
/// router's preferences stay from step to step (Fedus et al. 2022, "Switch Transformers", arXiv:2101.03961, §2.2 has
/// the loss that is there to keep `balance` near 1). Which experts get a token more than others where the division
/// leaves a remainder changes with step, micro-batch and rank.
///
/// A real job has to exchange these counts before each all-to-all.
class Router {
 public:
  struct Shape {
    int experts = 1;
    int experts_per_token = 1;  // at most `experts`
    int ranks = 1;              // of the expert group, each of which has tokens of its own and experts / ranks experts
    int first_source = 0;       // numbers the ranks of all expert groups: that of this group's first one
    std::int64_t tokens = 1;    // of one rank in one micro-batch
  };

  /// Allocates all it will need.
  Router(std::uint64_t seed, const Shape& shape);

  /// The counts of one layer, by which tokens() and count() answer until the next call. `balance` is at least 1, and
  /// the same on all ranks of the group, or their counts do not fit together. Costs ranks · experts additions.
  void route(std::uint64_t step, int micro_batch, int layer, double balance);

  /// Tokens of a rank of the group that go to an expert.
  [[nodiscard]] std::int64_t count(int source, int expert) const { return counts_[index(source, expert)]; }
  /// Tokens of `source` that go to experts of `destination`, once for each of these.
  [[nodiscard]] std::int64_t tokens(int source, int destination) const;
  /// Tokens of all ranks that go to experts of `destination`: the work of its experts.
  [[nodiscard]] std::int64_t tokens_to(int destination) const;

  [[nodiscard]] int preferred_expert(int layer) const;
  /// Tokens of one rank that go to it.
  [[nodiscard]] std::int64_t preferred_tokens(double balance) const;

 private:
  [[nodiscard]] std::size_t index(int source, int expert) const {
    return static_cast<std::size_t>(source) * static_cast<std::size_t>(shape_.experts) +
           static_cast<std::size_t>(expert);
  }

  std::uint64_t seed_;
  Shape shape_;
  std::vector<std::int64_t> counts_;
};

/// The largest balance: beyond it the preferred expert has all tokens already.
constexpr double largest_balance(int experts, int experts_per_token) {
  return static_cast<double>(experts) / experts_per_token;
}

}  // namespace grit

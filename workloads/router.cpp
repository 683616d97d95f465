#include "workloads/router.hpp"

#include <algorithm>
#include <cmath>

#include "harness/base/mix.hpp"

namespace grit {
namespace {

/// The upper 32 random bits to a number below `bound` (Lemire 2019, arXiv:1805.10941).
int below(std::uint64_t random, int bound) {
  return static_cast<int>(((random >> 32) * static_cast<std::uint64_t>(bound)) >> 32);
}

}  // namespace

Router::Router(std::uint64_t seed, const Shape& shape)
    : seed_(seed),
      shape_(shape),
      counts_(static_cast<std::size_t>(shape.ranks) * static_cast<std::size_t>(shape.experts)) {}

std::int64_t Router::preferred_tokens(double balance) const {
  const std::int64_t all = shape_.tokens * shape_.experts_per_token;
  if (shape_.experts == 1) return all;
  const double fair_share = static_cast<double>(all) / shape_.experts;
  return std::min<std::int64_t>(shape_.tokens, std::llround(balance * fair_share));
}

void Router::route(std::uint64_t step, int micro_batch, int layer, double balance) {
  const std::int64_t all = shape_.tokens * shape_.experts_per_token;
  const int others = shape_.experts - 1;
  const std::int64_t preferred = preferred_tokens(balance);
  const std::int64_t share = others == 0 ? 0 : (all - preferred) / others;
  const std::int64_t left_over = all - preferred - share * others;
  const int hot = preferred_expert(layer);
  const std::uint64_t moment =
      mix(mix(seed_ + step) + (static_cast<std::uint64_t>(layer) << 32) + static_cast<std::uint64_t>(micro_batch));
  for (int source = 0; source < shape_.ranks; ++source) {
    const auto number = static_cast<std::uint64_t>(shape_.first_source) + static_cast<std::uint64_t>(source);
    const auto counts = counts_.begin() + static_cast<std::ptrdiff_t>(index(source, 0));
    std::fill_n(counts, shape_.experts, share);
    counts[hot] = preferred;
    if (left_over == 0) continue;
    // The experts after the preferred one, in a ring without it.
    const int first = below(mix(moment + number), others);
    for (int i = 0; i < left_over; ++i) ++counts[(hot + 1 + (first + i) % others) % shape_.experts];
  }
}

std::int64_t Router::tokens(int source, int destination) const {
  const int experts = shape_.experts / shape_.ranks;
  std::int64_t sum = 0;
  for (int i = 0; i < experts; ++i) sum += count(source, destination * experts + i);
  return sum;
}

std::int64_t Router::tokens_to(int destination) const {
  std::int64_t sum = 0;
  for (int source = 0; source < shape_.ranks; ++source) sum += tokens(source, destination);
  return sum;
}

int Router::preferred_expert(int layer) const {
  return below(mix(mix(seed_) ^ static_cast<std::uint64_t>(layer)), shape_.experts);
}

}  // namespace grit

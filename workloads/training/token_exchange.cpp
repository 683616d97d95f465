#include "workloads/training/token_exchange.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace grit {
namespace {

constexpr std::uint64_t kSeed = 1;  // the same routing in every run

Router::Shape router_shape(const TrainingSetup& setup, int first_source) {
  return {.experts = setup.model->experts,
          .experts_per_token = setup.model->experts_per_token,
          .ranks = setup.mesh.size(Axis::ep),
          .first_source = first_source,
          .tokens = setup.sequence};
}

/// The most that one rank can have for the experts of another, whatever the balance: all of its tokens for the
/// preferred one and an even share of the rest for each of the others, or even shares for all of them; both rounded up.
std::size_t most_from_one(const TrainingSetup& setup) {
  const std::int64_t experts = setup.model->experts;
  const std::int64_t there = experts / setup.mesh.size(Axis::ep);
  const std::int64_t all = std::int64_t{setup.sequence} * setup.model->experts_per_token;
  const std::int64_t others = experts > 1 ? (all - setup.sequence) / (experts - 1) + 2 : 0;
  const std::int64_t uneven = setup.sequence + (there - 1) * others;
  const std::int64_t even = there * (all / experts + 2);
  return static_cast<std::size_t>(std::min(std::max(uneven, even), all));
}

std::size_t token_rows(const TrainingSetup& setup) {
  return static_cast<std::size_t>(setup.sequence) * static_cast<std::size_t>(setup.model->experts_per_token);
}

std::span<std::int64_t> numbers_in(const DeviceBuffer& buffer) {
  void* const memory = buffer.data();
  return {static_cast<std::int64_t*>(memory), buffer.size() / sizeof(std::int64_t)};
}

}  // namespace

TokenExchange::TokenExchange(const TrainingSettings& settings, std::size_t blocks, TrainingGroups& groups,
                             RankDials* dials)
    : group_(*groups.of(Axis::ep)),
      dials_(dials),
      balance_(settings.balance),
      tokens_(settings.setup.sequence),
      blocks_(blocks),
      ranks_(static_cast<std::size_t>(group_.size())),
      experts_(static_cast<std::size_t>(settings.setup.model->experts) / ranks_),
      width_(activation_width(settings.setup)),
      router_(kSeed, router_shape(settings.setup, groups.coordinate(Axis::dp) - group_.rank())),
      counts_(static_cast<std::size_t>(settings.setup.micro_batches) * blocks * 2 * ranks_),
      own_numbers_memory_(groups.device().allocate_for_host(ranks_ * experts_ * sizeof(std::int64_t))),
      their_numbers_memory_(groups.device().allocate_for_host(ranks_ * experts_ * sizeof(std::int64_t))),
      own_numbers_(numbers_in(own_numbers_memory_)),
      their_numbers_(numbers_in(their_numbers_memory_)),
      number_bytes_(ranks_, experts_ * sizeof(std::int64_t)),
      out_elements_(ranks_),
      in_elements_(ranks_),
      routed_(groups.device().allocate(token_rows(settings.setup) * width_ * settings.setup.element_bytes)),
      arrived_(
          groups.device().allocate(ranks_ * most_from_one(settings.setup) * width_ * settings.setup.element_bytes)) {
  group_.add_buffer(routed_);
  group_.add_buffer(arrived_);
}

double TokenExchange::bytes(const TrainingSettings& settings, std::size_t blocks) {
  const TrainingSetup& setup = settings.setup;
  const auto ranks = static_cast<std::size_t>(setup.mesh.size(Axis::ep));
  const double row_bytes =
      static_cast<double>(activation_width(setup) * setup.element_bytes * settings.buffer_copies());
  const double counts = static_cast<double>(setup.micro_batches) * static_cast<double>(blocks * 2 * ranks);
  return row_bytes * static_cast<double>(token_rows(setup) + ranks * most_from_one(setup)) +
         counts * static_cast<double>(sizeof(std::int64_t));
}

TokenExchange::Counts TokenExchange::counts(int micro_batch, std::size_t place) {
  const std::size_t at = (static_cast<std::size_t>(micro_batch) * blocks_ + place) * 2 * ranks_;
  const std::span all(counts_);
  return {.sent = all.subspan(at, ranks_), .received = all.subspan(at + ranks_, ranks_)};
}

double TokenExchange::next_balance() {
  const std::int64_t more_ppm = dials_ != nullptr ? dials_->router_imbalance_ppm.load(std::memory_order_relaxed) : 0;
  if (more_ppm <= 0) return balance_;
  const double balance = balance_ * (1 + static_cast<double>(more_ppm) / 1e6);
  dials_->imbalanced_tokens.fetch_add(router_.preferred_tokens(balance) - router_.preferred_tokens(balance_),
                                      std::memory_order_relaxed);
  return balance;
}

Status TokenExchange::route(std::uint64_t step, int micro_batch, std::size_t place, int number) {
  router_.route(step, micro_batch, number, next_balance());
  for (std::size_t expert = 0; expert < own_numbers_.size(); ++expert)
    own_numbers_[expert] = router_.count(group_.rank(), static_cast<int>(expert));
  return exchange_counts(counts(micro_batch, place));
}

Status TokenExchange::exchange_counts(Counts counts) {
  GRIT_CHECK(group_.exchange_numbers(own_numbers_, their_numbers_, number_bytes_));
  for (std::size_t rank = 0; rank < ranks_; ++rank) {
    const auto part = [&](std::span<const std::int64_t> numbers) { return numbers.subspan(rank * experts_, experts_); };
    const auto sum = [](std::span<const std::int64_t> numbers) {
      return std::accumulate(numbers.begin(), numbers.end(), std::int64_t{0});
    };
    const auto theirs = part(their_numbers_);
    const auto is_wrong = [&](std::int64_t tokens) { return tokens < 0 || tokens > tokens_; };
    const bool wrong = std::ranges::any_of(theirs, is_wrong);
    const std::size_t room = arrived_.size() / (ranks_ * width_ * bytes_per_element(group_.type()));
    if (wrong || static_cast<std::size_t>(sum(theirs)) > room)
      return internal_error(fmt::format(
          "rank {} of this expert group tells of {} tokens for the experts of rank {}, but can have {} at most", rank,
          sum(theirs), group_.rank(), room));
    counts.sent[rank] = sum(part(own_numbers_));
    counts.received[rank] = sum(theirs);
  }
  return {};
}

void TokenExchange::to_elements(std::span<const std::int64_t> tokens, std::vector<std::size_t>& elements) const {
  for (std::size_t rank = 0; rank < ranks_; ++rank) elements[rank] = static_cast<std::size_t>(tokens[rank]) * width_;
}

Status TokenExchange::to_experts(int micro_batch, std::size_t place) {
  const Counts of_block = counts(micro_batch, place);
  to_elements(of_block.sent, out_elements_);
  to_elements(of_block.received, in_elements_);
  return group_.finish(group_.all_to_all(routed_.data(), out_elements_, arrived_.data(), in_elements_));
}

Status TokenExchange::from_experts(int micro_batch, std::size_t place) {
  const Counts of_block = counts(micro_batch, place);
  to_elements(of_block.received, out_elements_);
  to_elements(of_block.sent, in_elements_);
  return group_.finish(group_.all_to_all(arrived_.data(), out_elements_, routed_.data(), in_elements_));
}

std::int64_t TokenExchange::arriving(int micro_batch, std::size_t place) const {
  const std::size_t at = (static_cast<std::size_t>(micro_batch) * blocks_ + place) * 2 * ranks_ + ranks_;
  const auto received = std::span(counts_).subspan(at, ranks_);
  return std::accumulate(received.begin(), received.end(), std::int64_t{0});
}

}  // namespace grit

// The way of tokens to the experts and back.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/rank_dials.hpp"
#include "workloads/router.hpp"
#include "workloads/training/checked_group.hpp"
#include "workloads/training/settings.hpp"

namespace grit {

/// In the forward pass of a block each rank routes its own tokens, tells the others of its expert group how many it has
/// for each of their experts (an all-to-all of 64-bit numbers, of the type bytes in the spans), and sends them; the way
/// back and both ways of the backward pass have the same counts, as in a real job, whatever has become of the router
/// since. A rank takes from others only what they have told, so that routers need not agree.
class TokenExchange {
 public:
  /// `blocks`: of this rank's stage. `group` and `dials` outlive it; dials null: no fault turns the router.
  TokenExchange(const TrainingSettings& settings, std::size_t blocks, TrainingGroups& groups, RankDials* dials);

  /// A block's routing: `place` among those of the stage, `number` among all of the model. Error (internal): the
  /// communicator's, or another rank tells of more tokens than it can have.
  Status route(std::uint64_t step, int micro_batch, std::size_t place, int number);
  /// To the experts of a block that was routed, and the way back. Returns when it has arrived.
  Status to_experts(int micro_batch, std::size_t place);
  Status from_experts(int micro_batch, std::size_t place);
  /// Tokens that reach this rank's experts, once for each expert.
  [[nodiscard]] std::int64_t arriving(int micro_batch, std::size_t place) const;

  /// What it allocates.
  static double bytes(const TrainingSettings& settings, std::size_t blocks);

 private:
  struct Counts {
    std::span<std::int64_t> sent;  // by rank
    std::span<std::int64_t> received;
  };
  [[nodiscard]] Counts counts(int micro_batch, std::size_t place);
  /// The balance as the fault imbalance has it; counts the tokens that go elsewhere because of it.
  [[nodiscard]] double next_balance();
  Status exchange_counts(Counts counts);
  /// Elements of so many tokens of each rank.
  void to_elements(std::span<const std::int64_t> tokens, std::vector<std::size_t>& elements) const;

  CheckedGroup& group_;
  RankDials* dials_;
  double balance_;
  std::int64_t tokens_;
  std::size_t blocks_;
  std::size_t ranks_;
  std::size_t experts_;  // of one rank
  std::size_t width_;    // elements of a token
  Router router_;
  std::vector<std::int64_t> counts_;  // of each micro-batch and block: to each rank, then from each
  DeviceBuffer own_numbers_memory_, their_numbers_memory_;
  std::span<std::int64_t> own_numbers_;    // tokens for each expert, as they are told
  std::span<std::int64_t> their_numbers_;  // by rank and expert of this rank
  std::vector<std::size_t> number_bytes_;  // of own_numbers_ for one rank
  std::vector<std::size_t> out_elements_, in_elements_;
  DeviceBuffer routed_;   // this rank's tokens, each once for every expert it goes to
  DeviceBuffer arrived_;  // those of all ranks for this rank's experts
};

}  // namespace grit

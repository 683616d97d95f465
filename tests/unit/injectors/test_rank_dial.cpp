#include <unistd.h>

#include "harness/base/clock.hpp"
#include "harness/record/segment.hpp"
#include "injectors/faults.hpp"
#include "injectors/rank_dial.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

Params params_of(const Injector& injector, Json given) {
  return Params(complete_params(injector.info().params, std::move(given)).value());
}

/// A node with two ranks: this process and its parent, so that they are told apart.
struct TwoRanks {
  Segment segment = Segment::create(2).value();
  TwoRanks() {
    segment.slots()[0].pid = ::getpid();
    segment.slots()[1].pid = ::getppid();
  }
  [[nodiscard]] RankDials& dials(std::size_t rank) const { return segment.slots()[rank].dials; }
  [[nodiscard]] Prepared prepare(const Injector& injector, Json given) const {
    return injector.prepare({.params = params_of(injector, std::move(given)), .ranks = node_ranks(segment)}).value();
  }
};

}  // namespace

TEST_CASE("two faults of one kind on two ranks of a node come and go by themselves, and count by themselves") {
  const TwoRanks node;
  const Prepared first = node.prepare(rank_delay(), {{"rank", "0"}, {"delay", kNsPerMs}}),
                 second = node.prepare(rank_delay(), {{"rank", "1"}, {"delay", 2 * kNsPerMs}, {"every_steps", 3}});
  REQUIRE(first.fault->start().has_value());
  REQUIRE(second.fault->start().has_value());
  CHECK(node.dials(0).delay_ns == kNsPerMs);
  CHECK(node.dials(1).delay_ns == 2 * kNsPerMs);
  CHECK(node.dials(1).delay_every == 3);
  const Json before = first.fault->counters().value();
  node.dials(1).delayed_steps = 7;
  CHECK_FALSE(rank_delay().acted(before, first.fault->counters().value()));
  CHECK(second.fault->counters().value().at("delayed_steps") == 7);

  REQUIRE(first.fault->stop().has_value());
  CHECK(node.dials(0).delay_ns == 0);
  CHECK(node.dials(1).delay_ns == 2 * kNsPerMs);
  CHECK_FALSE(first.fault->read().value().left);
  CHECK(second.fault->read().value().holds);
  REQUIRE(second.fault->stop().has_value());
  CHECK_FALSE(second.fault->read().value().left);
  CHECK(node.dials(1).delay_every == 1);
}

TEST_CASE("from an undo record alone the dials of its ranks are turned back, and of no other") {
  const TwoRanks node;
  const Prepared first =
      node.prepare(bit_flip(), {{"rank", "0"}, {"bit", "exponent"}, {"every_steps", 4}, {"seed", 9}});
  REQUIRE(first.fault->start().has_value());
  node.dials(1).flip_bit = 3;  // another's
  CHECK(node.dials(0).flip_bit == kFlipExponent);
  CHECK(node.dials(0).flip_every == 4);
  CHECK(node.dials(0).flip_seed == 9);
  CHECK(first.fault->read().value().holds);
  CHECK(bit_flip().revert(first.undo).value() == Reverted::put_back);
  CHECK(node.dials(0).flip_bit == kFlipNone);
  CHECK(node.dials(0).flip_every == 1);
  CHECK(node.dials(0).flip_seed == 0);
  CHECK(node.dials(1).flip_bit == 3);
  const Reading reading = first.fault->read().value();
  CHECK_FALSE(reading.holds);
  CHECK_FALSE(reading.left);
}

TEST_CASE("the share of an imbalance is turned in millionths") {
  const TwoRanks node;
  const Prepared made = node.prepare(imbalance(), {{"share", 0.25}});
  REQUIRE(made.fault->start().has_value());
  CHECK(node.dials(0).router_imbalance_ppm == 250'000);
  CHECK(node.dials(1).router_imbalance_ppm == 250'000);
  const Json before = made.fault->counters().value();
  node.dials(1).imbalanced_tokens += 5;
  CHECK(imbalance().acted(before, made.fault->counters().value()));
  REQUIRE(made.fault->stop().has_value());
  CHECK(node.dials(0).router_imbalance_ppm == 0);
}

TEST_CASE("a fault says which workloads have what it acts on") {
  const WorkloadTraits dense{.name = "ddp", .axes = {Axis::dp}, .params = {{"dtype", "bf16"}}};
  const WorkloadTraits experts{.name = "moe", .axes = {Axis::dp, Axis::ep}, .params = {{"dtype", "fp32"}}};
  const auto none = imbalance().suits(dense, Params());
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().message == "imbalance needs a workload with experts (axis ep), and ddp has none");
  CHECK(imbalance().suits(experts, Params()).has_value());

  const auto suits = [&](const WorkloadTraits& workload, const char* bit) {
    return bit_flip().suits(workload, params_of(bit_flip(), {{"bit", bit}}));
  };
  CHECK(suits(dense, "15").has_value());
  CHECK(suits(dense, "any").has_value());
  CHECK(suits(experts, "31").has_value());
  REQUIRE_FALSE(suits(dense, "16").has_value());
  CHECK(suits(dense, "16").error().message == "bit = \"16\": gradients of bf16 have the bits 0 to 15");
}

TEST_CASE("two values of the parameter rank can mean one rank, or cannot") {
  CHECK(can_share_a_rank("0", "0-2"));
  CHECK(can_share_a_rank("all", "1"));
  CHECK(can_share_a_rank("x", "1"));
  CHECK_FALSE(can_share_a_rank("0", "1"));
  CHECK_FALSE(can_share_a_rank("0,2", "1,3-5"));
}

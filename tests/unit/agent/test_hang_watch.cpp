#include "harness/agent/hang_watch.hpp"
#include "tests/catch.hpp"

using namespace grit;

TEST_CASE("a hang is seen in a block, between two, and after the last, and never of ranks that have finished") {
  const Segment segment = *Segment::create(2);
  const auto ranks = segment.slots();
  constexpr std::int64_t kHang_ns = 60 * kNsPerS;
  HangWatch watch(kHang_ns);
  const auto both = [&](auto change) {
    for (RankSlot& rank : ranks) change(rank);
  };
  std::int64_t now_ns = kNsPerS;
  const auto later = [&](std::int64_t by_ns) { return watch.look(ranks, now_ns += by_ns); };

  CHECK_FALSE(later(HangWatch::kBetweenBlocks_ns * 2));  // that is the launch's to watch
  both([](RankSlot& rank) { rank.block_entered = 0; });
  CHECK_FALSE(later(1));
  CHECK_FALSE(later(kHang_ns - 1));

  SECTION("in a block") {
    ranks[1].step_in_block = 1;
    CHECK_FALSE(later(kHang_ns));  // there was a step
    CHECK(later(kHang_ns) == kHang_ns);
    CHECK_FALSE(later(kHang_ns));  // said once
  }
  SECTION("one rank has left it, the other never does") {
    ranks[0].block_left = 0;
    CHECK_FALSE(later(kHang_ns));
    CHECK(later(kHang_ns) == kHang_ns);
  }
  SECTION("all have left it, and nobody comes to the next one, or to the end") {
    both([](RankSlot& rank) { rank.block_left = 0; });
    CHECK_FALSE(later(1));
    CHECK_FALSE(later(HangWatch::kBetweenBlocks_ns - 1));
    const bool finished = GENERATE(false, true);
    if (finished) both([](RankSlot& rank) { rank.end = RankEnd::finished; });
    CHECK(later(kNsPerS).has_value() != finished);
  }
}

// Which set of faults is tried next, against symptoms that are known.
#include <functional>

#include "analysis/series/minimal.hpp"
#include "tests/catch.hpp"

using grit::FaultSet;
using grit::VerdictKind;

namespace {

struct Found {
  std::optional<FaultSet> smallest{};
  int trials = 0;
};

/// Asks until it is over. `symptom` gets the set and how often it was asked before.
Found search(int faults, const std::function<VerdictKind(const FaultSet&, int)>& symptom) {
  std::vector<grit::SubsetAnswer> asked;
  for (;;) {
    const auto step = grit::next_subset(faults, asked);
    if (!step.ask) return {step.smallest, static_cast<int>(asked.size())};
    REQUIRE(asked.size() < 500);
    int before = 0;
    for (const auto& one : asked) before += one.faults == *step.ask ? 1 : 0;
    asked.push_back({*step.ask, symptom(*step.ask, before)});
  }
}

bool has(const FaultSet& set, int fault) { return std::find(set.begin(), set.end(), fault) != set.end(); }

VerdictKind yes_if(bool yes) { return yes ? VerdictKind::reproduced : VerdictKind::not_reproduced; }

}  // namespace

TEST_CASE("of few faults the smallest set is found, however the faults act together") {
  const auto one = search(4, [](const FaultSet& set, int) { return yes_if(has(set, 2)); });
  CHECK(one.smallest == FaultSet{2});
  CHECK(one.trials == 5);  // all, {0}, {1}, {2}, {2} once more
  const auto two = search(4, [](const FaultSet& set, int) { return yes_if(has(set, 0) && has(set, 3)); });
  CHECK(two.smallest == FaultSet{0, 3});
  // Not monotonic: fault 1 takes away what 0 does, unless 2 is there.
  const auto odd =
      search(3, [](const FaultSet& set, int) { return yes_if(has(set, 0) && (!has(set, 1) || has(set, 2))); });
  CHECK(odd.smallest == FaultSet{0});
  const auto whole = search(3, [](const FaultSet& set, int) { return yes_if(set.size() == 3); });
  CHECK(whole.smallest == FaultSet{0, 1, 2});
}

TEST_CASE("a set of faults without the symptom is said to have none, after one trial") {
  const auto none = search(5, [](const FaultSet&, int) { return VerdictKind::not_reproduced; });
  CHECK_FALSE(none.smallest.has_value());
  CHECK(none.trials == 1);
}

TEST_CASE("an inconclusive answer is asked once more, and is then no yes") {
  const auto late = search(2, [](const FaultSet& set, int before) {
    return has(set, 1) && before == 0 ? VerdictKind::inconclusive : yes_if(has(set, 1));
  });
  CHECK(late.smallest == FaultSet{1});
  const auto never = search(2, [](const FaultSet& set, int) {
    return set.size() == 1 ? VerdictKind::inconclusive : VerdictKind::reproduced;
  });
  CHECK(never.smallest == FaultSet{0, 1});
}

TEST_CASE("a yes by chance is not confirmed on fresh data") {
  const auto chance = search(3, [](const FaultSet& set, int before) {
    if (set == FaultSet{0}) return yes_if(before == 0);
    return yes_if(has(set, 1) && has(set, 2));
  });
  CHECK(chance.smallest == FaultSet{1, 2});
}

TEST_CASE("of many faults delta debugging finds a 1-minimal set in few trials") {
  const auto one = search(16, [](const FaultSet& set, int) { return yes_if(has(set, 11)); });
  CHECK(one.smallest == FaultSet{11});
  CHECK(one.trials <= 12);
  const auto apart = search(16, [](const FaultSet& set, int) { return yes_if(has(set, 1) && has(set, 14)); });
  CHECK(apart.smallest == FaultSet{1, 14});
  CHECK(apart.trials <= 60);
  const auto three =
      search(12, [](const FaultSet& set, int) { return yes_if(has(set, 0) && has(set, 5) && has(set, 6)); });
  CHECK(three.smallest == FaultSet{0, 5, 6});
}

TEST_CASE("a single fault needs no search") {
  const auto single = search(1, [](const FaultSet&, int) { return VerdictKind::reproduced; });
  CHECK(single.smallest == FaultSet{0});
  CHECK(single.trials == 2);
}

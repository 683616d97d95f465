// Who is blamed in a large job: 512 ranks, and link tests in which each node meets only sixteen others.
#include <cmath>
#include <random>

#include "analysis/blame/links.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/culprit_trials.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

constexpr int kNodes = 40;
constexpr int kRounds = 16;  // harness/run/link_test.hpp: above 17 nodes the first rounds of the tournament

/// In a round-robin tournament of an even number of nodes two meet in the round to which their numbers add up, but for
/// the last one, which meets whom that leaves over.
bool meet(int a, int b) {
  const int rounds = kNodes - 1;
  const int round = b == kNodes - 1 ? 2 * a % rounds : (a + b) % rounds;
  return round < kRounds;
}

/// Two blocks of each kind, with noise; slow(a, b): by how many times a link is slower in the fault's.
std::optional<LinkFinding> judged(const std::function<double(int a, int b)>& slow) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal{0, 1};
  JsonLines lines;
  for (const int block : {1, 2, 3, 4})
    for (int a = 0; a < kNodes; ++a)
      for (int b = a + 1; b < kNodes; ++b) {
        if (!meet(a, b)) continue;
        const bool fault = block % 2 == 0;
        const double times = (fault ? slow(a, b) : 1) * std::exp(0.03 * normal(random));
        for (int i = 0; i < 5; ++i) {
          const double median_ns = 5e4 * times * std::exp(0.05 * normal(random));
          lines.append({{"block", block},
                        {"kind", fault ? "link_fault" : "link_baseline"},
                        {"a", a},
                        {"b", b},
                        {"latency_ns", {{"min", 4e4 * times}, {"median", median_ns}, {"max", 2 * median_ns}}},
                        {"bits_per_s", 1e10 / times * std::exp(0.05 * normal(random))}});
        }
      }
  return judge_links(link_figures(lines));
}

}  // namespace

TEST_CASE("a node of forty is named by its sixteen links, and its peers are not") {
  const int slow = GENERATE(0, 17, kNodes - 1);
  CAPTURE(slow);
  const auto found = judged([&](int a, int b) { return a == slow || b == slow ? 3.0 : 1.0; });
  REQUIRE(found);
  INFO(found->text);
  CHECK(found->nodes == std::vector{slow});
  CHECK(found->a == -1);
}

TEST_CASE("one link of the 320 that were measured is named, and neither of its nodes") {
  REQUIRE(meet(3, 5));
  const auto found = judged([](int a, int b) { return a == 3 && b == 5 ? 10.0 : 1.0; });
  REQUIRE(found);
  INFO(found->text);
  CHECK(found->nodes.empty());
  CHECK(found->a == 3);
  CHECK(found->b == 5);
}

TEST_CASE("of forty nodes whose links are as before, or all slow, none is named") {
  const auto nothing = judged([](int, int) { return 1.0; });
  CHECK((!nothing || !nothing->named()));
  const auto all = judged([](int, int) { return 3.0; });
  REQUIRE(all);
  CHECK_FALSE(all->named());
  CHECK(all->all_alike);
}

TEST_CASE("of 512 ranks the right node is named or none, in noise that no rule was made for", "[statistics]") {
  TrialCounts all;
  for (const NoiseKind& kind : noise_kinds())
    for (const Truth truth : {Truth::network, Truth::one_node})
      count_trial(all, {.kind = kind, .truth = truth, .nodes = 64, .ranks_per_node = 8, .share = 0.2});
  CAPTURE(all.runs, all.right, all.wrong);
  CHECK(all.runs >= 10);
  CHECK(all.wrong == 0);
  CHECK(2 * all.right >= all.runs);
}

#include "workloads/router.hpp"

#include <algorithm>
#include <cstdlib>
#include <set>

#include "tests/catch.hpp"

using namespace grit;

namespace {

std::vector<std::int64_t> counts_of(const Router& router, const Router::Shape& shape, int source) {
  std::vector<std::int64_t> counts;
  for (int expert = 0; expert < shape.experts; ++expert) counts.push_back(router.count(source, expert));
  return counts;
}

std::int64_t sum(const std::vector<std::int64_t>& counts) {
  std::int64_t total = 0;
  for (const std::int64_t count : counts) total += count;
  return total;
}

}  // namespace

TEST_CASE("every token goes to as many experts as it should, to none twice") {
  for (const int experts : {1, 2, 8, 64}) {
    for (const int per_token : {1, 2, 8}) {
      if (per_token > experts) continue;
      for (const std::int64_t tokens : {1, 7, 100, 4096}) {
        const Router::Shape shape{.experts = experts, .experts_per_token = per_token, .ranks = 3, .tokens = tokens};
        Router router(17, shape);
        for (const double balance : {1.0, 1.3, 2.0, 5.0, 1000.0}) {
          INFO(experts << " experts, " << per_token << " a token, " << tokens << " tokens, balance " << balance);
          router.route(3, 1, 2, balance);
          for (int source = 0; source < shape.ranks; ++source) {
            const auto counts = counts_of(router, shape, source);
            CHECK(sum(counts) == tokens * per_token);
            CHECK(std::ranges::min(counts) >= 0);
            CHECK(std::ranges::max(counts) <= tokens);
          }
        }
      }
    }
  }
}

TEST_CASE("with balance 1 no expert has more than one token more than another") {
  const Router::Shape shape{.experts = 8, .experts_per_token = 2, .ranks = 4, .tokens = 1023};
  Router router(1, shape);
  for (int layer = 0; layer < 20; ++layer) {
    router.route(5, 0, layer, 1.0);
    for (int source = 0; source < shape.ranks; ++source) {
      const auto counts = counts_of(router, shape, source);
      CHECK(std::ranges::max(counts) - std::ranges::min(counts) <= 1);
    }
  }
}

TEST_CASE("the preferred expert has its balance times the fair share, from every rank, and the others the rest") {
  const Router::Shape shape{.experts = 8, .experts_per_token = 2, .ranks = 4, .tokens = 4096};
  Router router(1, shape);
  router.route(0, 0, 3, 2.5);
  const int hot = router.preferred_expert(3);
  CHECK(router.preferred_tokens(2.5) == 2560);
  for (int source = 0; source < shape.ranks; ++source) {
    CHECK(router.count(source, hot) == 2560);  // 2.5 · 4096 · 2 / 8
    for (int expert = 0; expert < shape.experts; ++expert) {
      if (expert != hot) CHECK(std::abs(router.count(source, expert) - (8192 - 2560) / 7) <= 1);
    }
  }
  router.route(0, 0, 3, largest_balance(8, 2));
  CHECK(router.count(0, hot) == 4096);  // all of them
}

TEST_CASE("which expert is preferred stays from step to step and differs from layer to layer") {
  const Router::Shape shape{.experts = 16, .experts_per_token = 1, .ranks = 2, .tokens = 512};
  Router router(9, shape);
  std::set<int> preferred;
  for (int layer = 0; layer < 32; ++layer) {
    for (const std::uint64_t step : {0U, 1U, 77U}) {
      router.route(step, 0, layer, 3.0);
      const auto counts = counts_of(router, shape, 1);
      CHECK(std::ranges::max_element(counts) - counts.begin() == router.preferred_expert(layer));
    }
    preferred.insert(router.preferred_expert(layer));
  }
  CHECK(preferred.size() > 8);
}

TEST_CASE("all ranks of a group have the same counts, other groups and other seeds have others") {
  const Router::Shape shape{.experts = 8, .experts_per_token = 2, .ranks = 2, .first_source = 2, .tokens = 1001};
  Router::Shape all = shape;
  all.ranks = 4;
  all.first_source = 0;
  Router one(5, shape);
  Router another(5, shape);
  Router of_all(5, all);
  Router of_other_seed(6, shape);
  std::set<std::vector<std::int64_t>> seen;
  bool differs = false;
  bool ranks_differ = false;
  for (std::uint64_t step = 0; step < 10; ++step) {
    // What was asked before makes no difference.
    another.route(step + 1, 1, 1, 2.0);
    for (Router* router : {&one, &another, &of_all, &of_other_seed}) router->route(step, 1, 4, 1.2);
    for (int source = 0; source < shape.ranks; ++source) {
      CHECK(counts_of(one, shape, source) == counts_of(another, shape, source));
      CHECK(counts_of(one, shape, source) == counts_of(of_all, all, source + 2));
      differs |= counts_of(one, shape, source) != counts_of(of_other_seed, shape, source);
      seen.insert(counts_of(one, shape, source));
    }
    ranks_differ |= counts_of(one, shape, 0) != counts_of(one, shape, 1);
  }
  CHECK(differs);
  CHECK(ranks_differ);
  CHECK(seen.size() > 2);  // the remainder goes elsewhere
}

TEST_CASE("what goes between ranks adds up over their experts") {
  const Router::Shape shape{.experts = 8, .experts_per_token = 2, .ranks = 4, .tokens = 999};
  Router router(2, shape);
  router.route(1, 0, 0, 3.0);
  std::int64_t arrived = 0;
  for (int destination = 0; destination < shape.ranks; ++destination) {
    std::int64_t to_destination = 0;
    for (int source = 0; source < shape.ranks; ++source) {
      CHECK(router.tokens(source, destination) ==
            router.count(source, 2 * destination) + router.count(source, 2 * destination + 1));
      to_destination += router.tokens(source, destination);
    }
    CHECK(router.tokens_to(destination) == to_destination);
    arrived += to_destination;
  }
  CHECK(arrived == 4 * 999 * 2);
}

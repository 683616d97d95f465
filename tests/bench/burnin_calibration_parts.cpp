// What of a burn-in's judgement is calibrated by itself: the gap between nodes, and links.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>

#include "analysis/burnin/peers.hpp"
#include "tests/bench/burnin_calibration.hpp"

namespace grit::bench {

/// The gap alone where it is exact: the largest values of a power law, and rounded ones.
int edge_table(const Asked& asked) {
  fmt::print("\nthe gap alone: any value of a healthy fleet above one, at a level of 1 %\n{:<36}{:>6}{:>8}  {}\n",
             "fleet", "nodes", "fleets", "any");
  int above = 0;
  const int fleets = std::max(100, static_cast<int>(10000 * asked.share));
  std::mt19937_64 random(7);
  std::exponential_distribution<double> exponential(1);
  std::normal_distribution<double> normal(0, 1);
  for (const std::size_t nodes : {std::size_t{200}, std::size_t{512}, std::size_t{4096}}) {
    const std::size_t top = nodes / 20 + static_cast<std::size_t>(std::ceil(std::sqrt(nodes) / 2)) + 1;
    for (const double step : {0.0, 0.03, 0.1, 0.3}) {
      int with_any = 0;
      const int all = step > 0 ? fleets / 10 : fleets;
      for (int i = 0; i < all; ++i) {
        std::vector<double> values(nodes, -1.0);
        double logarithm = 0;
        for (std::size_t k = top; step == 0 && k > 0; --k) {
          values[k - 1] = std::exp(logarithm / 3);
          if (k > 1) logarithm += exponential(random) / static_cast<double>(k - 1);
        }
        if (step > 0)
          for (double& value : values) value = step * std::round(normal(random) / step);
        const auto chances = gap_chances(values, kClaim, step / 2);
        with_any += std::ranges::min(chances) <= kClaim ? 1 : 0;
      }
      const bool is_too_often = is_above(with_any, all, kClaim);
      above += is_too_often ? 1 : 0;
      fmt::print("{:<36}{:>6}{:>8}  {}{}\n",
                 step > 0 ? fmt::format("normal, rounded to {} s", step) : std::string("power law of index 3"), nodes,
                 all, rate_text(with_any, all), is_too_often ? "  ABOVE ITS CLAIM" : "");
      std::fflush(stdout);
    }
  }
  return above;
}

namespace {

/// A fleet in pairs that are drawn anew each visit: rates of what a node sends and receives, which differ for good and
/// together. One look at those that stand out.
std::vector<BurninFinding> burn_in_of_links(std::mt19937_64& random, std::size_t nodes, std::size_t bad) {
  std::normal_distribution<double> normal(0, 1);
  BurninConfig config;
  config.rounds = {{.name = "links", .kinds = {"link"}, .shape = BurninShape::pair}};
  config.looks = 1;
  std::map<std::string, std::string> classes;
  std::vector<std::string> names;
  std::vector<double> sends, receives;
  for (std::size_t i = 0; i < nodes; ++i) {
    names.push_back(fmt::format("n{:04}", i));
    classes[names.back()] = "one class";
    const double both = normal(random);
    sends.push_back(0.03 * (std::sqrt(0.9) * both + std::sqrt(0.1) * normal(random)) + (i < bad ? 0.7 : 0));
    receives.push_back(0.03 * (std::sqrt(0.9) * both + std::sqrt(0.1) * normal(random)));
  }
  std::vector<BurninObservation> observations;
  const auto pair = [&](std::size_t a, std::size_t b, int visit, bool confirms) {
    for (const auto& [from, to] : {std::pair(a, b), std::pair(b, a)})
      observations.push_back({.measure = "link_rate",
                              .host = names[from],
                              .peer = names[to],
                              .value = 1e9 * std::exp(-sends[from] - receives[to] - 0.01 * normal(random)),
                              .cell = fmt::format("links/{}/{}+{}", visit, a, b),
                              .visit = visit,
                              .confirms = confirms});
  };
  std::vector<std::size_t> order(nodes);
  for (std::size_t i = 0; i < nodes; ++i) order[i] = i;
  for (int visit = 0; visit < 3; ++visit) {
    std::shuffle(order.begin(), order.end(), random);
    for (std::size_t i = 0; i + 1 < nodes; i += 2) pair(order[i], order[i + 1], visit, false);
  }
  std::map<std::string, int> looks;
  const auto judge = [&] { return judge_burnin({&config, &classes, nullptr, &observations, nullptr, "links", looks}); };
  std::set<std::string> in_question;
  const auto suspects = judge();
  for (const BurninFinding& one : suspects) in_question.insert(one.host), in_question.insert(one.peer);
  std::vector<std::size_t> good;
  for (std::size_t i = 0; i < nodes; ++i)
    if (!in_question.contains(names[i])) good.push_back(i);
  const auto any_good = [&] { return good[std::uniform_int_distribution<std::size_t>(0, good.size() - 1)(random)]; };
  int visit = 3;
  for (const BurninFinding& one : suspects) {
    if (one.status != BurninStatus::suspect || good.size() < 4) continue;
    ++looks[finding_key(one)];
    const auto host = static_cast<std::size_t>(std::atoi(one.host.c_str() + 1));
    for (int once = 0; once < 12; ++once, ++visit) {
      pair(host, one.peer.empty() ? any_good() : static_cast<std::size_t>(std::atoi(one.peer.c_str() + 1)), visit,
           true);
      const std::size_t a = any_good(), b = any_good();
      if (a != b) pair(a, b, visit, true);
    }
  }
  return judge();
}

}  // namespace

int links_table(const Asked& asked) {
  fmt::print(
      "\nlinks: what nodes send and receive differs by 3 %, correlated 0.9; bad ones send at half rate\n"
      "{:>6}{:>6}{:>8}  {:<28}{:>10}{:>10}{:>22}\n",
      "nodes", "bad", "fleets", "any healthy one called bad", "bad", "apart", "healthy apart, a fleet");
  int above = 0;
  for (const std::size_t nodes : {std::size_t{64}, std::size_t{512}}) {
    for (const std::size_t bad : {std::size_t{0}, std::size_t{1}, std::size_t{5}}) {
      std::mt19937_64 random(7);
      const int fleets = std::max(5, static_cast<int>((bad == 0 ? (nodes == 64 ? 200 : 80) : 15) * asked.share));
      int with_false = 0;
      long found = 0, apart = 0, apart_healthy = 0;
      for (int i = 0; i < fleets; ++i) {
        bool any_false = false;
        for (const BurninFinding& one : burn_in_of_links(random, nodes, bad)) {
          const bool is_bad = one.peer.empty() && static_cast<std::size_t>(std::atoi(one.host.c_str() + 1)) < bad;
          any_false = any_false || (one.status == BurninStatus::shown && !is_bad);
          found += one.status == BurninStatus::shown && is_bad ? 1 : 0;
          (is_bad ? apart : apart_healthy) += one.status == BurninStatus::apart ? 1 : 0;
        }
        with_false += any_false ? 1 : 0;
      }
      const bool is_too_often = is_above(with_false, fleets, kClaim);
      above += is_too_often ? 1 : 0;
      const auto all = static_cast<long>(bad) * fleets;
      fmt::print("{:>6}{:>6}{:>8}  {:<28}{:>10}{:>10}{:>22.2f}{}\n", nodes, bad, fleets, rate_text(with_false, fleets),
                 share_text(found, all), share_text(apart, all), static_cast<double>(apart_healthy) / fleets,
                 is_too_often ? "  ABOVE ITS CLAIM" : "");
      std::fflush(stdout);
    }
  }
  return above;
}

}  // namespace grit::bench

#include <algorithm>
#include <cmath>
#include <random>

#include "analysis/facts/flipped_bit.hpp"
#include "analysis/facts/wrong_values.hpp"
#include "harness/model/element.hpp"
#include "tests/catch.hpp"

using namespace grit;
using Catch::Matchers::Contains;

namespace {

using Bits = std::uint32_t;
constexpr DataType kTypes[] = {DataType::fp32, DataType::bf16, DataType::fp16};
constexpr std::uint32_t kExamples = 6 * WrongValues::kExamplesABlock;  // of a run of six pairs

int bits_of(DataType type) { return static_cast<int>(8 * bytes_per_element(type)); }

Plan plan_with(int ranks) {
  Plan plan;
  for (int rank = 0; rank < ranks; ++rank) {
    Node node;
    node.index = rank;
    node.name = "node" + std::to_string(rank);
    node.ranks = {rank};
    plan.topology.nodes.push_back(node);
  }
  return plan;
}

/// Sums, as the ranks of a job make them, in which something goes wrong.
class Sums {
 public:
  Sums(DataType of_type, int of_ranks, std::uint64_t seed)
      : type(of_type), ranks(of_ranks), values(of_type, 0, of_ranks), random(seed) {}

  std::size_t number_below(std::size_t bound) {
    return std::uniform_int_distribution<std::size_t>(0, bound - 1)(random);
  }

  std::vector<Bits> sent(std::uint64_t step, std::size_t element) const {
    std::vector<Bits> all;
    const SumValues::Draw draw = values.draw(step, element);
    for (int rank = 0; rank < ranks; ++rank)
      all.push_back(element_bits(type, values.value(draw, static_cast<std::uint64_t>(rank))));
    return all;
  }
  Bits right(std::uint64_t step, std::size_t element) const {
    return element_bits(type, values.sum(values.draw(step, element)));
  }
  Bits add(Bits a, Bits b) const { return element_bits(type, element_value(type, a) + element_value(type, b)); }

  /// In any order: one after the other, or pair by pair, as rings and trees do. `hit` changes the partial sum that is
  /// made as number `at`.
  template <class Hit>
  Bits sum(std::vector<Bits> parts, std::size_t at, Hit hit) {
    std::shuffle(parts.begin(), parts.end(), random);
    const bool tree = number_below(2) == 0;
    std::size_t made = 0;
    while (parts.size() > 1) {
      const std::size_t other = tree ? parts.size() - 2 : 0;
      Bits both = add(parts[other], parts.back());
      if (made++ == at) both = hit(both);
      parts.pop_back();
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(other));
      parts.insert(parts.begin(), both);
      if (!tree) std::swap(parts.front(), parts.back());
    }
    return parts.front();
  }
  Bits sum(const std::vector<Bits>& parts) {
    return sum(parts, parts.size(), [](Bits bits) { return bits; });
  }

  const DataType type;
  const int ranks;
  const SumValues values;
  std::mt19937_64 random;
};

/// What the job's ranks tell of a sum that all of them received.
void tell_all(WrongValueReports& reports, const Sums& sums, std::uint32_t step, std::size_t element, Bits got) {
  for (int rank = 0; rank < sums.ranks; ++rank)
    reports.take(wrong_value_event({.block = step / WrongValues::kExamplesABlock,
                                    .step = step,
                                    .element = element,
                                    .expected_bits = sums.right(step, element),
                                    .got_bits = got,
                                    .type = sums.type},
                                   rank, rank));
}

/// What becomes of a run in which `wrong_sum(sums, step, element)` gives what is received, until there are so many
/// examples. Nothing: in so many steps hardly any sum was wrong.
template <class WrongSum>
std::optional<WrongData> judged(Sums& sums, std::uint32_t examples, WrongSum wrong_sum) {
  WrongValueReports reports;
  std::uint32_t told = 0;
  for (std::uint32_t step = 0; step < 40 * examples && told < examples; ++step) {
    const std::size_t element = sums.number_below(100'000);
    const Bits got = wrong_sum(step, element);
    if (got == sums.right(step, element)) continue;
    tell_all(reports, sums, step, element, got);
    ++told;
  }
  if (told < examples) return std::nullopt;
  return reports.decide(plan_with(sums.ranks));
}

std::optional<WrongData> judged_flips(Sums& sums, std::uint32_t examples, int rank, int bit) {
  return judged(sums, examples, [&](std::uint32_t step, std::size_t element) {
    std::vector<Bits> sent = sums.sent(step, element);
    const int place =
        bit >= 0 ? bit : static_cast<int>(sums.number_below(static_cast<std::size_t>(bits_of(sums.type))));
    sent[static_cast<std::size_t>(rank)] ^= Bits{1} << place;
    return sums.sum(sent);
  });
}

}  // namespace

TEST_CASE("whose bit flipped is always among those who may have flipped it, in any type, group, bit and order") {
  for (const DataType type : kTypes)
    for (const int ranks : {1, 2, 3, 4, 5, 8, 16, 64, 300})
      for (int bit = 0; bit < bits_of(type); ++bit) {
        Sums sums(type, ranks, static_cast<std::uint64_t>(1000 * ranks + bit));
        for (std::uint64_t step = 0; step < 20; ++step) {
          const std::size_t element = sums.number_below(100'000);
          std::vector<Bits> sent = sums.sent(step, element);
          const std::size_t rank = sums.number_below(static_cast<std::size_t>(ranks));
          sent[rank] ^= Bits{1} << bit;
          const Bits got = sums.sum(sent);
          if (got == sums.right(step, element)) continue;
          INFO(data_type_name(type) << ", " << ranks << " ranks, bit " << bit << ", step " << step);
          const auto senders = could_have_flipped(sums.values, step, element, got);
          CHECK(std::count(senders.begin(), senders.end(), static_cast<int>(rank)) == 1);
        }
      }
}

TEST_CASE("a sum that no flipped bit explains has no possible sender") {
  const SumValues values(DataType::fp32, 0, 4);
  const float right = values.sum(values.draw(3, 17));
  CHECK(could_have_flipped(values, 3, 17, element_bits(DataType::fp32, right + 0.7F)).empty());
  CHECK(could_have_flipped(values, 3, 17, element_bits(DataType::fp32, 3 * right + 1e6F)).empty());
}

TEST_CASE("the rank whose bits flip is named, and never another one", "[statistics]") {
  int runs = 0, named = 0, wrong = 0;
  for (const DataType type : kTypes)
    for (const int ranks : {2, 3, 4, 8, 16})
      for (int bit = -1; bit < bits_of(type); ++bit) {
        Sums sums(type, ranks, static_cast<std::uint64_t>(7'000 + 100 * ranks + bit));
        const int culprit = static_cast<int>(sums.number_below(static_cast<std::size_t>(ranks)));
        const auto data = judged_flips(sums, kExamples, culprit, bit);
        if (!data) continue;
        ++runs;
        named += data->ranks == std::vector<int>{culprit} ? 1 : 0;
        wrong += !data->ranks.empty() && data->ranks != std::vector<int>{culprit} ? 1 : 0;
        if (!data->possible.empty()) CHECK(std::count(data->possible.begin(), data->possible.end(), culprit) == 1);
      }
  INFO(named << " of " << runs << " named");
  CHECK(wrong == 0);
  CHECK(runs == 318);
  CHECK(named >= 214);  // of the others it cannot be told
}

TEST_CASE("what is no flipped bit of one rank hardly ever names somebody", "[statistics]") {
  constexpr int kRuns = 150;
  int runs = 0, wrong = 0;
  for (const DataType type : kTypes)
    for (const int ranks : {2, 4, 8, 16})
      for (const std::uint32_t examples : {1U, 3U, 6U, 12U, kExamples})
        for (int run = 0; run < kRuns / 5; ++run) {
          Sums sums(type, ranks, static_cast<std::uint64_t>(((run * 31 + ranks) * 37) + static_cast<int>(examples)));
          const auto of_partial_sum = [&](std::uint32_t step, std::size_t element) {
            const Bits mask = Bits{1} << sums.number_below(static_cast<std::size_t>(bits_of(type)));
            const std::size_t at = sums.number_below(static_cast<std::size_t>(ranks - 1));
            return sums.sum(sums.sent(step, element), at, [&](Bits bits) { return bits ^ mask; });
          };
          const auto of_anything = [&](std::uint32_t step, std::size_t element) {
            const auto off = static_cast<float>(sums.number_below(64)) - 32;
            return element_bits(type, element_value(type, sums.right(step, element)) + off);
          };
          for (const auto& data : {judged(sums, examples, of_partial_sum), judged(sums, examples, of_anything)}) {
            if (!data) continue;
            ++runs;
            wrong += data->ranks.empty() && data->possible.empty() ? 0 : 1;
          }
        }
  INFO(wrong << " of " << runs << " name somebody");
  CHECK(runs > 2000);
  CHECK(wrong <= 5);  // 2.0 are expected of 2,000 at the bound of 1 in 1,000; more than 5 come in 1.7 % of such runs
}

TEST_CASE("two ranks whose bits flip by turns: nobody who sent nothing wrong is named", "[statistics]") {
  int runs = 0;
  for (const DataType type : kTypes)
    for (const int ranks : {3, 4, 8, 16})
      for (std::uint64_t seed = 0; seed < 20; ++seed) {
        Sums sums(type, ranks, seed);
        const auto data = judged(sums, kExamples, [&](std::uint32_t step, std::size_t element) {
          std::vector<Bits> sent = sums.sent(step, element);
          sent[step % 2] ^= Bits{1} << sums.number_below(static_cast<std::size_t>(bits_of(type)));
          return sums.sum(sent);
        });
        if (!data) continue;
        ++runs;
        for (const int rank : data->ranks) CHECK(rank < 2);
        for (const int rank : data->possible) CHECK(rank < ranks);
      }
  CHECK(runs > 200);
}

TEST_CASE("a few examples are too few to name somebody") {
  Sums sums(DataType::fp32, 4, 1);
  const auto few = judged_flips(sums, 2, 2, 22);
  REQUIRE(few);
  CHECK(few->ranks.empty());
  CHECK_THAT(few->text, Contains("who sent them cannot be told: 2 examples are too few"));
  const auto many = judged_flips(sums, kExamples, 2, 22);
  REQUIRE(many);
  CHECK(many->ranks == std::vector<int>{2});
  CHECK(many->chance <= kWrongSender);
  CHECK_THAT(many->text, Contains("rank 2 (node2) sent them") && Contains("24 examples"));
}

TEST_CASE("a sum that one rank alone received wrong was not sent so") {
  Sums sums(DataType::fp32, 4, 1);
  WrongValueReports reports;
  for (std::uint32_t step = 0; step < kExamples; ++step)
    reports.take(wrong_value_event(
        {.step = step, .element = 5, .got_bits = sums.right(step, 5) ^ 1U, .type = DataType::fp32}, 1, 1));
  const auto data = reports.decide(plan_with(4));
  REQUIRE(data);
  CHECK(data->ranks.empty());
  CHECK(data->possible.empty());
  CHECK_THAT(data->text, Contains("did not receive the same sums") && Contains("seen by rank 1 (node1)"));
}

TEST_CASE("of copies the sender is named when it sent several ranks wrong ones, and else either end may be it") {
  const auto received = [](std::initializer_list<std::pair<int, int>> pairs, int times) {
    WrongValueReports reports;
    for (int i = 0; i < times; ++i)
      for (const auto& [from, to] : pairs)
        reports.take(wrong_value_event({.step = static_cast<std::uint32_t>(i),
                                        .source = from,
                                        .element = static_cast<std::uint64_t>(to),
                                        .got_bits = 1,
                                        .operation = CollectiveOperation::all_to_all,
                                        .type = DataType::bf16},
                                       to, to));
    return *reports.decide(plan_with(8));
  };
  CHECK(received({{3, 0}, {3, 1}, {3, 6}}, 4).ranks == std::vector<int>{3});
  const WrongData one_pair = received({{3, 0}}, 10);
  CHECK(one_pair.ranks.empty());
  CHECK(one_pair.possible == std::vector<int>{0, 3});
  CHECK_THAT(one_pair.text, Contains("one of rank 0 (node0), rank 3 (node3) sent them"));
  CHECK(received({{3, 0}, {0, 3}, {1, 2}}, 10).possible.empty());
}

TEST_CASE("what is told of no such group or rank counts for nothing") {
  WrongValueReports reports;
  reports.take(Json{{"type", "wrong_value"}, {"rank", 1}});
  CHECK_FALSE(reports.decide(plan_with(4)));
  reports.take(wrong_value_event({.step = 1, .group = 77}, 0, 0));
  reports.take(wrong_value_event({.step = 1, .source = 99}, 0, 0));
  const auto data = reports.decide(plan_with(4));
  REQUIRE(data);
  CHECK(data->ranks.empty());
  CHECK(data->possible.empty());
}

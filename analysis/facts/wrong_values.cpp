#include "analysis/facts/wrong_values.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <span>

#include "analysis/facts/flipped_bit.hpp"
#include "analysis/facts/node_names.hpp"
#include "harness/model/mesh_groups.hpp"

namespace grit {
namespace {

using Ranks = std::set<int>;

/// What one example says.
struct Clue {
  std::uint16_t group = 0;
  Ranks senders{};  // possible ones, of the group
};

/// What several say together.
struct Answer {
  Ranks left{};       // who can have sent all of them
  double chance = 1;  // that anybody is left, if it was something else
};

std::string name_of_rank(const Plan& plan, int rank) {
  for (const Node& node : plan.topology.nodes)
    if (std::find(node.ranks.begin(), node.ranks.end(), rank) != node.ranks.end())
      return fmt::format("rank {} ({})", rank, name_of_node(plan, node.index));
  return fmt::format("rank {}", rank);
}

std::string names_of(const Plan& plan, const std::vector<int>& ranks) {
  constexpr std::size_t kNamed = 8;
  std::vector<std::string> names;
  for (const int rank : ranks)
    if (names.size() < kNamed) names.push_back(name_of_rank(plan, rank));
  return fmt::format("{}{}", fmt::join(names, ", "),
                     ranks.size() > kNamed ? fmt::format(" and {} more", ranks.size() - kNamed) : "");
}

std::string chance_text(double chance) {
  return chance < 1e-6 ? "less than 1 in 1,000,000" : fmt::format("{:.2g}", chance);
}

/// Examples as WrongValueReports has them.
class Judge {
 public:
  explicit Judge(const Plan& plan) : plan_(plan), groups_(recorded_groups(mesh_of(plan))) {}

  void take_copy(std::uint16_t group, int source, const Ranks& receivers) {
    Clue clue{.group = group, .senders = {source}};
    if (receivers.size() == 1) clue.senders.insert(*receivers.begin());
    const auto members = members_in(group);
    const bool known = std::all_of(clue.senders.begin(), clue.senders.end(), [&](int rank) {
      return std::find(members.begin(), members.end(), rank) != members.end();
    });
    if (known) clues_.push_back(std::move(clue));
  }

  void take_sum(const SumValues& values, std::uint64_t step, std::size_t element, std::uint32_t sum_bits) {
    Clue clue{.group = values.group()};
    const auto members = members_in(clue.group);
    for (const int rank : could_have_flipped(values, step, element, sum_bits))
      clue.senders.insert(members[static_cast<std::size_t>(rank)]);
    clues_.push_back(std::move(clue));
  }

  /// A sum that not all ranks of the group received alike: nobody's data, and no clue.
  void take_received(const Ranks& receivers) { received_.insert(receivers.begin(), receivers.end()); }

  /// In the group's order; none: of no group of the run, or of a rank alone, whose data nobody else receives.
  [[nodiscard]] std::span<const int> members_in(std::uint16_t group) const {
    return group < groups_.list.size() ? std::span<const int>(groups_.list[group].members) : std::span<const int>();
  }

  WrongData decide(int examples) {
    WrongData data{.examples = examples};
    std::vector<const Clue*> all;
    std::map<std::uint16_t, std::vector<const Clue*>> by_group;
    for (const Clue& clue : clues_) all.push_back(&clue), by_group[clue.group].push_back(&clue);
    const Answer together = answer_of(all);
    settle(together, 1, data);
    if (together.left.empty() && by_group.size() > 1)
      for (const auto& [group, some] : by_group) settle(answer_of(some), static_cast<double>(by_group.size()), data);
    for (std::vector<int>* list : {&data.ranks, &data.possible}) {
      std::sort(list->begin(), list->end());
      list->erase(std::unique(list->begin(), list->end()), list->end());
    }
    data.text = text_of(data, together);
    return data;
  }

 private:
  [[nodiscard]] Answer answer_of(const std::vector<const Clue*>& clues) const {
    if (clues.empty()) return {};
    Answer answer{.left = clues.front()->senders};
    Ranks all;  // that could be left
    for (const Clue* clue : clues) {
      std::erase_if(answer.left, [&](int rank) { return clue->senders.count(rank) == 0; });
      const auto members = members_in(clue->group);
      all.insert(members.begin(), members.end());
      answer.chance *= static_cast<double>(clue->senders.size()) / static_cast<double>(members.size());
    }
    answer.chance = std::min(1.0, answer.chance * static_cast<double>(all.size()));
    return answer;
  }

  static void settle(const Answer& answer, double judgements, WrongData& data) {
    const double chance = std::min(1.0, answer.chance * judgements);
    if (answer.left.empty() || chance > kWrongSender) return;
    std::vector<int>& place = answer.left.size() == 1 ? data.ranks : data.possible;
    place.insert(place.end(), answer.left.begin(), answer.left.end());
    data.chance = std::max(data.chance, chance);
  }

  [[nodiscard]] std::string text_of(const WrongData& data, const Answer& together) const {
    const std::string examples = fmt::format("{} example{}", clues_.size(), clues_.size() == 1 ? "" : "s");
    if (!data.ranks.empty())
      return fmt::format(
          "{} sent them: one flipped bit in what it sent explains {}, and no other rank's does (by chance somebody's "
          "would with probability {})",
          names_of(plan_, data.ranks), examples, chance_text(data.chance));
    if (!data.possible.empty())
      return fmt::format("one of {} sent them: {} do not tell these apart", names_of(plan_, data.possible), examples);
    const std::string unknown = "who sent them cannot be told: ";
    if (clues_.empty())
      return unknown + fmt::format("ranks of a group did not receive the same sums; wrong ones were seen by {}",
                                   names_of(plan_, {received_.begin(), received_.end()}));
    if (together.left.empty()) return unknown + "flipped bits of one rank's data do not explain " + examples;
    return unknown + fmt::format(
                         "{} are too few: by chance somebody's flipped bits would explain them with "
                         "probability {}",
                         examples, chance_text(together.chance));
  }

  const Plan& plan_;
  const RecordedGroups groups_;
  std::vector<Clue> clues_{};
  Ranks received_{};
};

}  // namespace

void WrongValueReports::take(const Json& event) {
  const auto report = wrong_report_in(event);
  if (!report) return;
  const WrongValue& value = report->value;
  examples_[{value.group, value.step, value.element, value.operation, value.type, value.source}].insert_or_assign(
      report->rank, value.got_bits);
}

std::optional<WrongData> WrongValueReports::decide(const Plan& plan) const {
  if (examples_.empty()) return std::nullopt;
  Judge judge(plan);
  for (const auto& [key, by_rank] : examples_) {
    const auto& [group, step, element, operation, type, source] = key;
    const auto members = judge.members_in(group);
    Ranks receivers;
    for (const auto& [rank, bits] : by_rank) receivers.insert(rank);
    const std::uint32_t bits = by_rank.begin()->second;
    const bool alike = std::all_of(by_rank.begin(), by_rank.end(), [&](const auto& one) { return one.second == bits; });
    const bool by_all =
        std::all_of(members.begin(), members.end(), [&](int rank) { return receivers.count(rank) > 0; });
    if (members.empty()) continue;  // of no group of this mesh
    if (source >= 0) {
      judge.take_copy(group, source, receivers);
    } else if (operation == CollectiveOperation::all_reduce && !(alike && by_all)) {
      judge.take_received(receivers);
    } else if (type != DataType::bytes) {
      judge.take_sum(SumValues(type, group, static_cast<int>(members.size())), step, element, bits);
    }
  }
  return judge.decide(static_cast<int>(examples_.size()));
}

}  // namespace grit

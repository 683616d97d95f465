#include "injectors/rank_dial.hpp"

namespace grit {

bool RankDialInjector::acted(const Json& before, const Json& after) const {
  return grew(before, after, dial_counters().front().name);
}

Result<RanksUndo> RankDialInjector::snapshot(const Target& target) const {
  GRIT_TRY(const auto ranks, chosen_ranks(target));
  return undo_of(ranks);
}

Result<RanksUndo> RankDialInjector::parse(const Json& record) const {
  return ranks_undo_from_json(record, info().name);
}

Status RankDialInjector::set(const Target& target, const RanksUndo& undo) const {
  GRIT_TRY(const auto ranks, living_of(target.ranks, undo.ranks));
  for (const NodeRank& rank : ranks)
    for (auto dial = dials().rbegin(); dial != dials().rend(); ++dial)
      (rank.slot->dials.*dial->at).store(dial->asked(target.params));
  return {};
}

Result<Reading> RankDialInjector::read(const Target& target, const RanksUndo& undo) const {
  GRIT_TRY(const auto ranks, living_of(target.ranks, undo.ranks));
  Reading reading{.holds = !ranks.empty()};
  Json all = Json::array();
  for (const NodeRank& rank : ranks) {
    Json one = Json::object();
    for (const Dial& dial : dials()) {
      const std::int64_t value = (rank.slot->dials.*dial.at).load();
      reading.holds = reading.holds && value == dial.asked(target.params);
      reading.left = reading.left || value != dial.rest;
      one[dial.name] = value;
    }
    all.push_back(std::move(one));
  }
  reading.details["ranks"] = std::move(all);
  return reading;
}

Result<Json> RankDialInjector::counters(const Target& target, const RanksUndo& undo) const {
  Json sums = Json::object();
  for (const DialCounter& counter : dial_counters()) {
    std::int64_t sum = 0;
    for (const NodeRank& rank : named_of(target.ranks, undo.ranks)) sum += (rank.slot->dials.*counter.at).load();
    sums[counter.name] = sum;
  }
  return sums;
}

Result<Reverted> RankDialInjector::take_off(const Target& target, const RanksUndo& undo) const {
  for (const NodeRank& rank : named_of(target.ranks, undo.ranks))
    for (const Dial& dial : dials()) (rank.slot->dials.*dial.at).store(dial.rest);
  return Reverted::put_back;
}

Result<Reverted> RankDialInjector::restore(const RanksUndo& undo) const {
  GRIT_TRY(const auto segment, segment_of(undo.ranks));
  return segment ? take_off({.ranks = node_ranks(*segment)}, undo) : Reverted::gone;
}

}  // namespace grit

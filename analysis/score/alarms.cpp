#include "analysis/score/alarms.hpp"

#include <algorithm>
#include <map>

namespace grit {
namespace {

bool is_alarm(CheckStatus status, AlarmFrom from) {
  return status == CheckStatus::critical || (status == CheckStatus::warning && from == AlarmFrom::warning);
}

struct SubjectState {
  bool unknown = true;
  bool alarming = false;  // as last known
};

AlarmState state_of(const std::map<std::string, SubjectState>& subjects) {
  AlarmState state;
  for (const auto& [name, subject] : subjects) {
    state.readable |= !subject.unknown;
    state.alarming |= subject.alarming;
  }
  const auto node = subjects.find("");
  if (node != subjects.end() && node->second.unknown) state.readable = false;
  return state;
}

}  // namespace

AlarmState AlarmTimeline::at(std::int64_t t_ns) const {
  const auto after = std::upper_bound(spans_.begin(), spans_.end(), t_ns,
                                      [](std::int64_t t, const AlarmSpan& span) { return t < span.from_ns; });
  return after == spans_.begin() ? AlarmState{} : std::prev(after)->state;
}

const AlarmEdge* AlarmTimeline::first_edge(std::int64_t after_ns, std::int64_t until_ns) const {
  const auto edge = std::upper_bound(edges_.begin(), edges_.end(), after_ns,
                                     [](std::int64_t t, const AlarmEdge& one) { return t < one.t_ns; });
  return edge == edges_.end() || edge->t_ns > until_ns ? nullptr : &*edge;
}

bool AlarmTimeline::has_edge(std::int64_t after_ns, std::int64_t until_ns,
                             const std::vector<std::string>& subjects) const {
  auto edge = std::upper_bound(edges_.begin(), edges_.end(), after_ns,
                               [](std::int64_t t, const AlarmEdge& one) { return t < one.t_ns; });
  for (; edge != edges_.end() && edge->t_ns <= until_ns; ++edge)
    if (std::find(subjects.begin(), subjects.end(), edge->subject) != subjects.end()) return true;
  return false;
}

bool AlarmTimeline::readable_in(std::int64_t from_ns, std::int64_t until_ns) const {
  if (at(from_ns).readable) return true;
  auto span = std::upper_bound(spans_.begin(), spans_.end(), from_ns,
                               [](std::int64_t t, const AlarmSpan& one) { return t < one.from_ns; });
  for (; span != spans_.end() && span->from_ns <= until_ns; ++span)
    if (span->state.readable) return true;
  return false;
}

bool AlarmTimeline::ever_readable() const {
  return std::any_of(spans_.begin(), spans_.end(), [](const AlarmSpan& span) { return span.state.readable; });
}

AlarmTimeline any_of(const std::vector<const AlarmTimeline*>& timelines) {
  std::vector<std::int64_t> times;
  for (const AlarmTimeline* timeline : timelines)
    for (const AlarmSpan& span : timeline->spans()) times.push_back(span.from_ns);
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  AlarmTimeline together;
  for (const std::int64_t t_ns : times) {
    AlarmState state;
    for (const AlarmTimeline* timeline : timelines) {
      const AlarmState one = timeline->at(t_ns);
      state.readable |= one.readable;
      state.alarming |= one.alarming;
    }
    const AlarmState before = together.spans_.empty() ? AlarmState{} : together.spans_.back().state;
    const bool begins = std::any_of(timelines.begin(), timelines.end(), [&](const AlarmTimeline* timeline) {
      const AlarmEdge* edge = timeline->first_edge(t_ns - 1, t_ns);
      return edge != nullptr && edge->episode;
    });
    if (begins && !before.alarming) together.edges_.push_back({t_ns, "", true});
    together.spans_.push_back({t_ns, state});
  }
  return together;
}

Alarms::Alarms(const ScoreInput& input, AlarmFrom from)
    : nodes_(input.nodes.size()), timelines_(input.checks.size() * input.nodes.size()) {
  std::vector<std::vector<const StatusChange*>> changes(timelines_.size());
  for (const StatusChange& change : input.changes)
    changes[static_cast<std::size_t>(change.check) * nodes_ + static_cast<std::size_t>(change.node)].push_back(&change);
  for (std::size_t i = 0; i < timelines_.size(); ++i) {
    std::stable_sort(changes[i].begin(), changes[i].end(),
                     [](const StatusChange* a, const StatusChange* b) { return a->t_ns < b->t_ns; });
    std::map<std::string, SubjectState> subjects;
    bool known = false;  // by an earlier reading
    for (auto change = changes[i].begin(); change != changes[i].end();) {
      const std::int64_t t_ns = (*change)->t_ns;
      const bool was_alarming = state_of(subjects).alarming;
      bool told = false;
      for (; change != changes[i].end() && (*change)->t_ns == t_ns; ++change) {
        SubjectState& subject = subjects[(*change)->subject];
        subject.unknown = (*change)->status == CheckStatus::unknown;
        if (subject.unknown) continue;
        told = true;
        const bool alarms = is_alarm((*change)->status, from);
        auto& edges = timelines_[i].edges_;
        if (alarms && !subject.alarming && known)
          edges.push_back({t_ns, (*change)->subject, !was_alarming && (edges.empty() || edges.back().t_ns != t_ns)});
        subject.alarming = alarms;
      }
      known |= told;
      timelines_[i].spans_.push_back({t_ns, state_of(subjects)});
    }
  }
}

}  // namespace grit

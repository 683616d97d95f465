// When was an alarm on? What checks said, as a line of time for each check on each node.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "analysis/score/score_input.hpp"

namespace grit {

struct AlarmState {
  bool readable = false;  // its last reading told something
  bool alarming = false;  // of some subject the last known status is an alarm
};

/// The state from a time on.
struct AlarmSpan {
  std::int64_t from_ns = 0;
  AlarmState state{};
};

/// A subject's alarm begins: it is one, and the last known status of the subject was not. A check's first reading on a
/// node is none: nobody could tell since when.
struct AlarmEdge {
  std::int64_t t_ns = 0;
  std::string subject{};
  bool episode = false;  // before, no other subject's alarm was on
};

class AlarmTimeline {
 public:
  /// In order of time. Before the first there is nothing that could be read.
  [[nodiscard]] const std::vector<AlarmEdge>& edges() const { return edges_; }
  [[nodiscard]] const std::vector<AlarmSpan>& spans() const { return spans_; }
  /// After the readings that ended at this time.
  [[nodiscard]] AlarmState at(std::int64_t t_ns) const;
  /// The first edge in (after, until]; nullptr: there is none.
  [[nodiscard]] const AlarmEdge* first_edge(std::int64_t after_ns, std::int64_t until_ns) const;
  /// Is there one in (after, until] of one of these subjects?
  [[nodiscard]] bool has_edge(std::int64_t after_ns, std::int64_t until_ns,
                              const std::vector<std::string>& subjects) const;
  /// Could it be read at any time in [from, until]?
  [[nodiscard]] bool readable_in(std::int64_t from_ns, std::int64_t until_ns) const;
  [[nodiscard]] bool ever_readable() const;

 private:
  friend class Alarms;
  friend AlarmTimeline any_of(const std::vector<const AlarmTimeline*>& timelines);
  std::vector<AlarmEdge> edges_{};
  std::vector<AlarmSpan> spans_{};
};

/// An alarm of any of them; its edges are episodes' beginnings only, without a subject.
AlarmTimeline any_of(const std::vector<const AlarmTimeline*>& timelines);

/// Of all checks on all nodes.
class Alarms {
 public:
  Alarms(const ScoreInput& input, AlarmFrom from);
  [[nodiscard]] const AlarmTimeline& of(std::size_t check, std::size_t node) const {
    return timelines_[check * nodes_ + node];
  }
  [[nodiscard]] std::size_t nodes() const { return nodes_; }

 private:
  std::size_t nodes_;
  std::vector<AlarmTimeline> timelines_;
};

}  // namespace grit

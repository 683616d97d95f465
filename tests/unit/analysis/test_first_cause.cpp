#include <algorithm>

#include "analysis/facts/first_cause.hpp"
#include "harness/base/clock.hpp"
#include "harness/model/event.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/fixture.hpp"

namespace grit {
namespace {

using CauseKind = EndCause::Kind;

Plan plan_of(std::size_t nodes, bool local) {
  Plan plan;
  plan.topology.local_cluster = local;
  plan.topology.nodes.resize(nodes);
  for (std::size_t i = 0; i < nodes; ++i) plan.topology.nodes[i].index = static_cast<int>(i);
  return plan;
}

using testing::event_of;
Json died(int rank, int node, std::int64_t t_ms) { return event_of("rank_died", node, t_ms, Json{{"rank", rank}}); }
Json hang(int node, std::int64_t t_ms) { return event_of("hang", node, t_ms, Json{{"waited_ns", 5 * kNsPerS}}); }
Json lost(int node, std::int64_t heard_ms, std::int64_t t_ms) {
  return event_of("node_lost", 0, t_ms, Json{{"lost_node", node}, {"last_heard_ns", heard_ms * kNsPerMs}});
}
Json told_to_end(int rank, int node, std::int64_t t_ms) {
  return event_of("run", node, t_ms, Json{{"state", "interrupted"}, {"rank", rank}});
}
Json interrupted(std::int64_t t_ms) { return event_of("run", 0, t_ms, Json{{"state", "interrupted"}}); }
Json gave_up(int rank, int node, std::int64_t t_ms) {
  return event_of("run", node, t_ms, Json{{"state", "failed"}, {"rank", rank}});
}
Json not_off(int node, std::int64_t t_ms) {
  return event_of("fault", node, t_ms, Json{{"action", "reverted"}, {"ok", false}, {"fault", 0}});
}

std::optional<FirstCause::Found> first_of(const std::vector<Json>& events, const Plan& plan = plan_of(4, true),
                                          const Json& clock = {}) {
  FirstCause causes;
  for (const Json& event : events) causes.take(event);
  return causes.decide(NodeClocks(plan, clock));
}

struct Story {
  const char* what;
  std::vector<Json> events;
  CauseKind kind;
  int node, rank;
};

TEST_CASE("the earliest cause is named, in whatever order the nodes report") {
  const std::vector<Story> stories{
      {"a death, the hang it leaves, and what the launcher then ends",
       {died(3, 3, 100), hang(0, 5100), hang(1, 5101), hang(2, 5102), told_to_end(0, 0, 5200)},
       CauseKind::rank_death,
       3,
       3},
      {"a death that others follow into",
       {died(3, 3, 100), died(0, 0, 104), died(1, 1, 105)},
       CauseKind::rank_death,
       3,
       3},
      {"a hang that kills ranks", {hang(0, 5100), hang(2, 5101), died(2, 2, 5900)}, CauseKind::hang, 0, -1},
      {"a node's power", {lost(2, 900, 6000), died(0, 0, 2500), hang(1, 5100)}, CauseKind::node_loss, 2, -1},
      {"a node whose ranks went just before its agent",
       {died(2, 2, 850), lost(2, 900, 6000), died(0, 0, 1000)},
       CauseKind::node_loss,
       2,
       -1},
      {"a death, and long after it a node", {died(2, 2, 100), lost(2, 5000, 10'000)}, CauseKind::rank_death, 2, 2},
      {"a death, and then another node", {died(2, 2, 100), lost(1, 500, 6000)}, CauseKind::rank_death, 2, 2},
      {"a rank that gave up, which aborts the others",
       {gave_up(1, 1, 50), died(0, 0, 52), died(2, 2, 53)},
       CauseKind::failed,
       1,
       1},
      {"Ctrl-C",
       {told_to_end(0, 0, 101), told_to_end(1, 1, 102), died(2, 2, 3000), interrupted(100)},
       CauseKind::interrupted,
       0,
       -1},
      {"Ctrl-C after a death", {died(1, 1, 50), told_to_end(0, 0, 101), interrupted(100)}, CauseKind::rank_death, 1, 1},
      {"scancel: nobody else says that it interrupted",
       {told_to_end(0, 0, 101), told_to_end(1, 1, 102)},
       CauseKind::told_to_end,
       0,
       0},
      {"mpirun ends the others of a death that is told late",
       {told_to_end(0, 0, 104), told_to_end(1, 1, 105), died(3, 3, 100)},
       CauseKind::rank_death,
       3,
       3},
      {"an agent that was told to end",
       {event_of("agent_stopped", 2, 100), told_to_end(1, 1, 200)},
       CauseKind::told_to_end,
       2,
       -1},
      {"a fault that does not come off", {not_off(1, 100), died(0, 0, 200)}, CauseKind::failed, 1, -1},
      {"faults that do not come off after a death", {died(0, 0, 100), not_off(1, 150)}, CauseKind::rank_death, 0, 0},
      {"wrong sums", {event_of("corruption", 1, 100, Json{{"rank", 1}}), died(0, 0, 200)}, CauseKind::corruption, 1, 1},
      {"the recorder", {event_of("recorder_lost", 1, 100, Json{{"silent_ns", 1}})}, CauseKind::recorder_loss, 1, -1},
  };
  for (const Story& story : stories) {
    INFO(story.what);
    std::vector<Json> events = story.events;
    const auto by_text = [](const Json& a, const Json& b) { return a.dump() < b.dump(); };
    std::sort(events.begin(), events.end(), by_text);
    do {
      const auto first = first_of(events);
      REQUIRE(first);
      CHECK(first->cause.kind == story.kind);
      CHECK(first->cause.node == story.node);
      CHECK(first->cause.rank == story.rank);
    } while (std::next_permutation(events.begin(), events.end(), by_text));
  }
}

TEST_CASE("a death right before its node's last sign is told with the loss, and a later one is not") {
  const auto with = first_of({died(2, 2, 850), died(0, 0, 1000), lost(2, 900, 6000)});
  REQUIRE(with);
  REQUIRE(with->death);
  CHECK(with->death->rank == 2);
  CHECK(with->death_before_ns == 50 * kNsPerMs);
  const auto without = first_of({lost(2, 900, 6000), died(0, 0, 2500)});
  REQUIRE(without);
  CHECK_FALSE(without->death);
}

TEST_CASE("times of different machines are put on one clock") {
  // node 1's clock is 1000 ms ahead: its 1100 is 100.
  const Json clock{{"before",
                    {{{"node", 0}, {"offset_ns", 0}, {"bound_ns", 0}, {"at_ns", 0}},
                     {{"node", 1}, {"offset_ns", 1000 * kNsPerMs}, {"bound_ns", 20'000}, {"at_ns", 0}}}},
                   {"after", nullptr}};
  const Plan plan = plan_of(2, false);
  const auto first = first_of({died(0, 0, 105), died(1, 1, 1100)}, plan, clock);
  REQUIRE(first);
  CHECK(first->cause.rank == 1);
  CHECK_FALSE(first->rival);

  SECTION("nearer than the clocks can tell: said so") {
    const auto close = first_of({died(0, 0, 100), died(1, 1, 1100)}, plan, clock);
    REQUIRE((close && close->rival));
    CHECK(close->cause.rank + close->rival->rank == 1);
  }
  SECTION("nothing to compare them by: as they were written, and said so") {
    const auto unknown = first_of({died(0, 0, 105), died(1, 1, 1)}, plan);
    REQUIRE((unknown && unknown->rival));
    CHECK(unknown->cause.rank == 0);
  }
  SECTION("clocks that nobody compared: by when the recorder heard of it") {
    Json far = died(1, 1, 1);
    far["heard_ns"] = 50 * kNsPerMs;
    const auto heard = first_of({died(0, 0, 105), far}, plan);
    REQUIRE(heard);
    CHECK(heard->cause.rank == 1);
    CHECK_FALSE(heard->rival);
    far["heard_ns"] = 106 * kNsPerMs;
    CHECK(first_of({died(0, 0, 105), far}, plan)->rival);
  }
}

TEST_CASE("what ends no run is no cause") {
  CHECK_FALSE(first_of({}));
  CHECK_FALSE(first_of({event_of("node_back", 0, 1), event_of("agent_restarted", 1, 2), event_of("end_ordered", 0, 3),
                        event_of("ended", 1, 4), event_of("run", 0, 5, Json{{"state", "finished"}}), Json("text"),
                        event_of("fault", 0, 6, Json{{"action", "reverted"}, {"ok", true}}),
                        event_of("fault", 0, 7, Json{{"action", "applied"}, {"ok", false}})}));
}

}  // namespace
}  // namespace grit

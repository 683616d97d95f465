#include "analysis/score/scorecard.hpp"
#include "analysis/score/scored_run.hpp"
#include "harness/base/json_fields.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/fixture.hpp"

using namespace grit;
using namespace grit::testing;

namespace {

constexpr std::int64_t kBlock_ns = 6 * kNsPerS, kOnset_ns = 2 * kNsPerS, kEnd_ns = 3 * kNsPerS;

/// Two pairs of a baseline, a fault and a sham block on a local cluster of two nodes, with a check of each and one of
/// the machine.
Plan plan_with_shams() {
  Plan plan = small_plan(0);
  plan.topology.local_cluster = true;
  for (int pair = 0; pair < 2; ++pair)
    for (const BlockKind kind : {BlockKind::baseline, BlockKind::fault, BlockKind::sham})
      plan.blocks.push_back({static_cast<int>(plan.blocks.size()), pair, kind});
  plan.checks = {{"link_up", {{"every", 500 * kNsPerMs}, {"limit", 500 * kNsPerMs}}},
                 {"pressure", {{"every", kNsPerS}, {"limit", kNsPerS}, {"name", "busy"}}}};
  return plan;
}

Json at(Json event, std::int64_t t_ns) {
  event["t_ns"] = t_ns;
  return event;
}

Json change(int node, const char* check, const char* severity, std::int64_t t_ns, const char* subject = "eth0") {
  Json event = make_event("check_change", node, t_ns);
  event.update(Json{{"check", check}, {"severity", severity}, {"subject", subject}, {"detail", ""}});
  return event;
}

/// What a run of it tells: the link of node1 is down for a second in each fault block, link_up says so 0.3 s later. In
/// the first sham block it alarms on node0.
std::vector<Json> told(const Plan& plan, std::int64_t start_ns = 100 * kNsPerS) {
  std::vector<Json> events;
  for (const Block& block : plan.blocks) {
    const std::int64_t begin_ns = start_ns + block.index * kBlock_ns;
    for (const int node : {0, 1}) {
      Json begin = block_event(block, "begin");
      begin["node"] = node;
      events.push_back(at(begin, begin_ns));
      if (block.index == 0) events.push_back(change(node, "link_up", "ok", begin_ns));
    }
    if (block.kind == BlockKind::fault) {
      Json applied = at(fault_event("applied", block.index, 0, true), begin_ns + kOnset_ns);
      applied["planned_ns"] = kOnset_ns - kNsPerMs;
      events.push_back(applied);
      events.push_back(change(1, "link_up", "critical", begin_ns + kOnset_ns + 300 * kNsPerMs));
      events.push_back(at(fault_event("reverted", block.index, 0, true), begin_ns + kEnd_ns));
      events.push_back(change(1, "link_up", "ok", begin_ns + kEnd_ns + 200 * kNsPerMs));
      events.push_back(at(acting_event(block.index, true), begin_ns + kEnd_ns));
    }
    if (block.kind == BlockKind::sham && block.pair == 0) {
      events.push_back(change(0, "link_up", "critical", begin_ns + 4 * kNsPerS));
      events.push_back(change(0, "link_up", "ok", begin_ns + 5 * kNsPerS));
    }
    for (const int node : {0, 1}) {
      Json end = block_event(block, "end");
      end["node"] = node;
      events.push_back(at(end, begin_ns + kBlock_ns - kNsPerMs));
    }
  }
  return events;
}

const DamageCell kFlap{.fault = "link_flap", .magnitude = "1s", .unit = "s", .dose = 1};

Status add(ScoreInput& input, const Plan& plan, const std::vector<Json>& events) {
  const JsonLines lines(events);
  const Json clock;
  return add_run(input, {.plan = plan, .events = lines, .clock = clock}, kFlap);
}

}  // namespace

TEST_CASE("a run's fault blocks are injections and its sham blocks shams of the same onset and length") {
  const Plan plan = plan_with_shams();
  ScoreInput input;
  REQUIRE(add(input, plan, told(plan)).has_value());
  REQUIRE(input.cells.size() == 1);
  CHECK(input.cells[0].mechanism == "admin");
  REQUIRE(input.slots.size() == 4);
  for (const ScoreSlot& slot : input.slots) {
    CHECK(slot.node == 1);
    CHECK(slot.unproven.empty());
    CHECK(slot.onset_ns - slot.begin_ns == kOnset_ns);
    CHECK(slot.end_ns - slot.begin_ns == kEnd_ns);
    CHECK(slot.touched_ns <= slot.onset_ns);
    CHECK(slot.until_ns - slot.begin_ns == kBlock_ns - kNsPerMs);
    CHECK(slot.subjects == std::vector<std::string>{"eth0"});
  }
  REQUIRE(input.checks.size() == 2);
  CHECK(input.checks[1].name == "busy");
  CHECK(input.checks[0].grace_ns == 2 * kNsPerS);  // two periods and the limit are 1.5 s
  CHECK(input.checks[1].grace_ns == 3 * kNsPerS);

  const Scorecard card = score(input);
  CHECK(card.recall(0, 0).found == 2);
  CHECK(card.recall(0, 0).of == 2);
  CHECK(card.recall(0, 0).subject_right == 2);
  CHECK(card.recall(0, 0).node_right == 2);
  CHECK(card.recall(0, 0).median_of_found_ns == Approx(300 * kNsPerMs));
  CHECK(card.recall(1, 0).found == 0);
  CHECK(card.false_alarms[0].episodes == 1);  // on the other node, without any fault
}

TEST_CASE("runs follow each other on a scorecard, and their nodes are not one") {
  const Plan plan = plan_with_shams();
  ScoreInput input;
  REQUIRE(add(input, plan, told(plan)).has_value());
  REQUIRE(add(input, plan, told(plan, 5 * kNsPerS)).has_value());  // the machine was started again
  CHECK(input.cells.size() == 1);
  CHECK(input.checks.size() == 2);
  REQUIRE(input.nodes.size() == 4);
  CHECK(input.cluster_nodes == 2);  // the cluster has no more for being used twice
  CHECK(input.nodes[3].from_ns >= input.nodes[1].until_ns);
  REQUIRE(input.slots.size() == 8);
  CHECK(input.slots[4].begin_ns >= input.slots[3].until_ns);
  CHECK(score(input).recall(0, 0).found == 4);
}

TEST_CASE("a kind of damage has the names that scenarios have for it, each once") {
  Plan plan = plan_with_shams();
  ScoreInput input;
  REQUIRE(add(input, plan, told(plan)).has_value());
  CHECK(input.cells.at(0).damages.empty());
  for (const char* damage : {"flap", "flap", "short_flap"}) {
    plan.options["damage"] = damage;
    REQUIRE(add(input, plan, told(plan)).has_value());
  }
  REQUIRE(input.cells.size() == 1);
  CHECK(input.cells[0].damages == std::vector<std::string>{"flap", "short_flap"});
}

TEST_CASE("what is the machine's is noticed on the node with the fault, which it does not name") {
  const Plan plan = plan_with_shams();
  std::vector<Json> events = told(plan);
  for (const std::int64_t at_ns : {std::int64_t{0}, 2 * kBlock_ns + kOnset_ns + kNsPerS}) {
    Json busy = change(0, "busy", at_ns == 0 ? "ok" : "warning", 100 * kNsPerS + at_ns, "cpu some");
    busy["of_machine"] = true;
    events.push_back(busy);
  }
  ScoreInput input;
  REQUIRE(add(input, plan, events).has_value());
  CHECK(input.checks[1].of_machine);
  const Recall noticed = score(input).recall(1, 0);
  CHECK(noticed.found == 1);
  CHECK(noticed.node_right == 0);
  CHECK(noticed.subject_right == 0);
}

TEST_CASE("an injection that was not proven counts for nothing") {
  const Plan plan = plan_with_shams();
  ScoreInput input;
  std::vector<Json> events = told(plan);
  for (Json& event : events)
    if (event.at("type") == "acting" && event.at("block") == 2) event["ok"] = false;
  REQUIRE(add(input, plan, events).has_value());
  CHECK(score(input).recall(0, 0).of == 1);
  CHECK(score(input).cells[0].unproven == std::map<std::string, int>{{"never acted", 1}});
}

TEST_CASE("why an injection is not proven is said as its events say it, and what they do not say is not known") {
  const Plan plan = plan_with_shams();
  const auto why = [&](auto change) {
    std::vector<Json> events = told(plan);
    for (Json& event : events)
      if (integer_at(event, "block") == 2 && (event.at("type") == "fault" || event.at("type") == "acting"))
        change(event);
    ScoreInput input;
    REQUIRE(add(input, plan, events).has_value());
    const ScoreSlot& sham = input.slots.at(1);
    REQUIRE(sham.sham);
    CHECK(sham.unproven.empty());
    return input.slots.at(0).unproven;
  };
  const auto is = [](const Json& event, std::string_view action) { return text_at(event, "action") == action; };
  CHECK(why([](Json&) {}).empty());
  CHECK(why([](Json& event) {
          if (event.at("type") == "acting") event["ok"] = false;
        }) == "never acted");
  CHECK(why([](Json& event) {
          if (event.at("type") == "acting") event.erase("ok");
        }) == "not known whether it acted");
  CHECK(why([&](Json& event) {
          if (is(event, "applied")) event["action"] = "error", event["message"] = "no such device";
          if (is(event, "reverted")) event["type"] = "none";
        }) == "not applied: no such device");
  CHECK(why([&](Json& event) {
          if (is(event, "applied")) event["ok"] = false;
        }) == "not applied as planned");
  CHECK(why([&](Json& event) {
          if (is(event, "applied")) event.erase("ok"), event["message"] = "tc is busy";
        }) == "not known whether it was in force: tc is busy");
}

TEST_CASE("a check of which no reading told anything could not look, and its first reading says why") {
  const Plan plan = plan_with_shams();
  std::vector<Json> events = told(plan);
  for (const int node : {0, 1})
    for (const char* why : {"no such file", "still none"}) {
      events.push_back(change(node, "busy", "unknown", 101 * kNsPerS, ""));
      events.back()["detail"] = why;
    }
  ScoreInput input;
  REQUIRE(add(input, plan, events).has_value());
  CHECK(input.checks[1].unknown == "no such file");
  CHECK(score(input).unread == std::vector<int>{1});
  CHECK(score(input).was_read(0));
  // On one node it could, in a later run.
  events.push_back(change(1, "busy", "ok", 102 * kNsPerS, ""));
  REQUIRE(add(input, plan, events).has_value());
  CHECK(score(input).unread.empty());
}

TEST_CASE("a scorecard takes runs of which it is known what a check noticed") {
  using Catch::Matchers::Contains;
  ScoreInput input;
  Plan plan = plan_with_shams();
  plan.checks.clear();
  CHECK_THAT(add(input, plan, {}).error().message, Contains("no health checks"));
  CHECK_THAT(add(input,
                 [] {
                   Plan without = small_plan(8);
                   without.checks = {{"link_up"}};
                   return without;
                 }(),
                 {})
                 .error()
                 .message,
             Contains("no sham blocks"));
  plan = plan_with_shams();
  plan.faults.clear();
  CHECK_THAT(add(input, plan, {}).error().message, Contains("no fault"));
  plan = plan_with_shams();
  plan.faults.push_back(plan.faults[0]);
  plan.faults[1].id = 1, plan.faults[1].node = 0;
  CHECK_THAT(add(input, plan, {}).error().message, Contains("in force at once"));
  plan.faults[1].passive = true;  // only the other end of what the first one does
  CHECK(add(input, plan, {}).has_value());
}

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "analysis/facts/wording.hpp"
#include "analysis/verdict/slowdown.hpp"
#include "analysis/verdict/verdict.hpp"
#include "tests/catch.hpp"
#include "tests/unit/analysis/fixture.hpp"

using namespace grit;
using namespace grit::testing;
using Catch::Matchers::Contains;
using Catch::Matchers::StartsWith;

namespace {

Verdict judge_slowdown(const Plan& plan, double slowdown) {
  return judge(plan, records_of(plan, steps_slowed_by(slowdown)), events_of(plan));
}

Effect effect_with(double low, double high) {
  Effect effect;
  effect.ci_low = low;
  effect.ci_high = high;
  return effect;
}

}  // namespace

TEST_CASE("a shown slowdown with all its evidence is reproduced") {
  const Plan plan = small_plan();
  const Verdict verdict = judge_slowdown(plan, 0.5);
  CHECK(verdict.kind == VerdictKind::reproduced);
  CHECK(verdict.outcome == "completed");
  CHECK(verdict.scenario == "link_flap");
  CHECK(verdict.reasons.empty());
  CHECK(verdict.emulated == plan.emulated);
  REQUIRE(verdict.effect);
  CHECK(verdict.effect->pairs == 8);
  CHECK(verdict.effect->estimate == Approx(0.5).margin(0.02));
  CHECK(verdict.effect->ci_low > 0.45);
  REQUIRE(verdict.faults.size() == 1);
  CHECK(verdict.faults[0].node == "node1");
  CHECK(verdict.faults[0].windows == 8);
  CHECK(verdict.faults[0].applied == 8);
  CHECK(verdict.faults[0].acting == 8);
  CHECK(verdict.faults[0].reverted == 8);
  CHECK(verdict.faults[0].harmful == true);
  REQUIRE(verdict.expectations.size() == 1);
  CHECK(verdict.expectations[0].text == "slowdown at least 10 %");
  CHECK(verdict.expectations[0].met == true);
  CHECK(verdict.baseline_step_ns == Approx(1e7).epsilon(0.02));
  CHECK_FALSE(left_something_behind(verdict));
  CHECK_THAT(verdict.sentence,
             Contains("node1 eth0 went down for 1 s in each of 8 fault blocks: steps took 50 % longer (95 % CI "));
  CHECK_THAT(verdict.sentence, Contains(", p = 0.016, 8 pairs)."));
}

TEST_CASE("GPUs that libraries of the tests played are said not to be real") {
  const Plan plan = small_plan();
  const auto emulated = [&](const Json& gpu) {
    std::vector<Json> events = events_of(plan);
    events.push_back(make_event("workload", 0, 0));
    events.back()["description"] = Json{{"gpu", gpu}};
    return judge(plan, records_of(plan, steps_slowed_by(0)), events).emulated;
  };
  CHECK(has_fake_gpus(emulated({{"name", "A GPU"}, {"fake", true}})));
  CHECK_FALSE(has_fake_gpus(emulated({{"name", "A GPU"}, {"fake", false}})));
  CHECK_FALSE(has_fake_gpus(emulated("broken")));
  std::vector<Json> events = events_of(plan);  // and a fault's
  for (Json& event : events)
    if (event["type"] == "fault" && event["action"] == "applied") event["reading"] = Json{{"fake", true}};
  CHECK(has_fake_gpus(judge(plan, records_of(plan, steps_slowed_by(0)), events).emulated));
}

TEST_CASE("the same slowdown against the opposite expectation is not reproduced") {
  Plan plan = small_plan();
  plan.expect = {};
  plan.expect.slowdown_at_most = 0.10;
  CHECK(judge_slowdown(plan, 0.5).kind == VerdictKind::not_reproduced);
  CHECK(judge_slowdown(plan, 0.0).kind == VerdictKind::reproduced);
  plan.expect = {};
  plan.expect.slowdown_at_least = 0.10;
  CHECK(judge_slowdown(plan, 0.0).kind == VerdictKind::not_reproduced);
}

TEST_CASE("an expectation within the interval cannot be told, and the reason says what could have been shown") {
  Plan plan = small_plan();
  plan.expect.slowdown_at_least = 0.20;
  const Verdict verdict = judge_slowdown(plan, 0.2);
  CHECK(verdict.kind == VerdictKind::inconclusive);
  CHECK_FALSE(verdict.expectations.at(0).met.has_value());
  CHECK_THAT(all_reasons(verdict), Contains("cannot tell whether slowdown at least 20 % holds"));
  CHECK_THAT(all_reasons(verdict), Contains("in four runs of five"));
}

TEST_CASE("no fault: the sentence says that none was injected and how close it was") {
  Plan plan = small_plan(8, false);
  plan.expect = {};
  plan.expect.slowdown_at_most = 0.10;
  const Verdict verdict = judge_slowdown(plan, 0);
  CHECK(verdict.kind == VerdictKind::reproduced);
  CHECK_THAT(verdict.sentence, Contains("No fault was injected: step time differed by "));
  CHECK_THAT(verdict.sentence, Contains("8 pairs): within ±10 %."));
  CHECK(verdict.faults.empty());
}

TEST_CASE("three values of at_least and at_most") {
  const std::vector<Effect> wide{effect_with(-0.05, 0.20), effect_with(-0.02, 0.15)};
  const std::vector<Effect> high{effect_with(0.30, 0.50), effect_with(-0.01, 0.01)};  // a stall: the mean alone
  const std::vector<Effect> none{effect_with(-0.03, 0.04), effect_with(-0.01, 0.01)};
  const std::vector<Effect> fast{effect_with(-0.5, -0.4), effect_with(-0.5, -0.4)};
  CHECK(slowdown_at_least(wide, 0.10) == std::nullopt);
  CHECK(slowdown_at_least(high, 0.10) == true);
  CHECK(slowdown_at_least(high, 0.30) == true);
  CHECK(slowdown_at_least(none, 0.10) == false);
  CHECK(slowdown_at_least({}, 0.10) == std::nullopt);
  CHECK(slowdown_at_most(wide, 0.10) == std::nullopt);
  CHECK(slowdown_at_most(high, 0.10) == false);
  CHECK(slowdown_at_most(none, 0.10) == true);
  CHECK(slowdown_at_most(fast, 0.10) == std::nullopt);
  CHECK(slowdown_at_most({}, 0.10) == std::nullopt);
  // "No more than 10 %" must hold for the mean too, however calm the median is.
  CHECK(slowdown_at_most(std::vector<Effect>{effect_with(-0.05, 0.30), effect_with(-0.01, 0.01)}, 0.10) ==
        std::nullopt);
}

TEST_CASE("a speed-up beyond the bound is odd and said") {
  Plan plan = small_plan();
  plan.expect = {};
  plan.expect.slowdown_at_most = 0.10;
  const Verdict verdict = judge_slowdown(plan, -0.4);
  CHECK(verdict.kind == VerdictKind::inconclusive);
  CHECK_THAT(all_reasons(verdict), Contains("faster by more than 10 %"));
  CHECK_THAT(verdict.sentence, Contains("steps took 40 % less time"));
  CHECK(verdict.faults.at(0).harmful == false);
}

TEST_CASE("a fault that never took effect is inconclusive, whatever the steps show") {
  const Plan plan = small_plan();
  const auto records = records_of(plan, steps_slowed_by(0.5));
  std::vector<Json> events;
  SECTION("never applied") {
    events = without(events_of(plan), [](const Json& e) { return is_fault_event(e, "applied"); });
  }
  SECTION("applied, but the kernel does not show it") {
    events = events_of(plan);
    for (Json& event : events)
      if (is_fault_event(event, "applied")) event["ok"] = false;
  }
  SECTION("applied, but its counter never moved") {
    events = events_of(plan);
    for (Json& event : events)
      if (event.at("type") == "acting") event["ok"] = false;
  }
  SECTION("no word of it acting") {
    events = without(events_of(plan), [](const Json& e) { return e.at("type") == "acting"; });
  }
  const Verdict verdict = judge(plan, records, events);
  CHECK(verdict.kind == VerdictKind::inconclusive);
  CHECK(verdict.outcome == "completed");
  CHECK_FALSE(verdict.effect.has_value());
  CHECK_THAT(all_reasons(verdict), Contains("the fault never took effect"));
  CHECK_THAT(verdict.sentence, Contains("never took effect"));
}

Json event_with(Json event, const Json& more) {
  event.update(more);
  return event;
}

/// Makes of what the node says about a block's fault that it is not known.
using Obscure = void (*)(std::vector<Json>& events, int block);

void goes_off_before_its_reading_holds(std::vector<Json>& events, int block) {
  for (Json& event : events)
    if (is_fault_event(event, "applied") && event["block"] == block) event.erase("ok"), event["message"] = "went off";
}

void fails_half_way(std::vector<Json>& events, int block) {
  for (Json& event : events)
    if (is_fault_event(event, "applied") && event["block"] == block)
      event.update(Json{{"action", "error"}, {"may_be_in_force", true}, {"message", "apply: killed"}});
}

void counter_cannot_be_read(std::vector<Json>& events, int block) {
  for (Json& event : events)
    if (event["type"] == "acting" && event["block"] == block) event.erase("ok");
}

void agent_dies(std::vector<Json>& events, int block) {
  for (Json& event : events)
    if (event["type"] == "acting" && event["block"] == block)
      event = event_with(make_event("agent_restarted", 1, 0), Json{{"block", block}});
}

TEST_CASE("a fault of which nobody could read whether it was in force is not said to have had no effect") {
  const Plan plan = small_plan();
  const auto records = records_of(plan, steps_slowed_by(0.5));
  const Obscure obscure =
      GENERATE(&goes_off_before_its_reading_holds, &fails_half_way, &counter_cannot_be_read, &agent_dies);
  auto events = events_of(plan);
  obscure(events, nth_fault_block(plan, 0));
  const Verdict one = judge(plan, records, events);
  CHECK(one.kind == VerdictKind::reproduced);
  CHECK(one.effect->pairs == 7);
  CHECK(one.faults.at(0).unread == 1);
  CHECK_THAT(all_reasons(one), Contains("took effect in 7 of 8 windows, and in 1 it is not known"));
  CHECK_THAT(all_reasons(one), Contains("1 of 8 pairs are left out: it is not known"));

  for (int n = 1; n < 8; ++n) obscure(events, nth_fault_block(plan, n));
  const Verdict all = judge(plan, records, events);
  CHECK(all.kind == VerdictKind::inconclusive);
  CHECK(all.faults.at(0).unread == 8);
  CHECK_THAT(all.sentence, !Contains("never took effect") && Contains("could not be read"));
  CHECK_THAT(all_reasons(all), !Contains("never took effect"));
  CHECK_THAT(all_reasons(all), Contains("8 of 8 pairs are left out: it is not known"));
  CHECK(to_json(all)["faults"][0]["unread_windows"] == 8);
}

TEST_CASE("what was told and could not be kept makes no confident verdict") {
  const Plan plan = small_plan();
  const auto records = records_of(plan, steps_slowed_by(0.5));
  auto events = events_of(plan);
  events.push_back(event_with(make_event("unrecorded", 0, 0), Json{{"records", 7}, {"events", 0}}));
  CHECK(judge(plan, records, events).kind == VerdictKind::reproduced);  // pairs that lack records are left out
  events.back()["events"] = 2;
  const Verdict lost = judge(plan, records, events);
  CHECK(lost.kind == VerdictKind::inconclusive);
  CHECK_THAT(all_reasons(lost), Contains("7 step records and 2 events were lost at node0"));
  events.back() = event_with(make_event("not_recorded", 0, 0), Json{{"message", "the disk is full"}});
  const Verdict full = judge(plan, records, events);
  CHECK(full.kind == VerdictKind::inconclusive);
  CHECK(full.outcome == "failed");
  CHECK_THAT(full.sentence, Contains("the disk is full"));
  events.back() = event_with(make_event("not_ended", 0, 0), Json{{"nodes", {1}}});
  CHECK_THAT(all_reasons(judge(plan, records, events)), Contains("node1 did not say that it had ended"));
}

TEST_CASE("windows in which the fault did not act are left out, and said") {
  const Plan plan = small_plan();
  const auto records = records_of(plan, steps_slowed_by(0.5));
  const auto judge_with_idle_windows = [&](int idle) {
    auto events = events_of(plan);
    for (int n = 0; n < idle; ++n)
      for (Json& event : events)
        if (event.at("type") == "acting" && event.at("block") == nth_fault_block(plan, n)) event["ok"] = false;
    return judge(plan, records, events);
  };
  const Verdict enough = judge_with_idle_windows(1);
  CHECK(enough.kind == VerdictKind::reproduced);
  CHECK(enough.effect->pairs == 7);
  CHECK(enough.faults.at(0).acting == 7);
  CHECK_THAT(all_reasons(enough), Contains("took effect in only 7 of 8 windows"));
  CHECK_THAT(all_reasons(enough), Contains("1 of 8 pairs are left out"));
  const Verdict too_few = judge_with_idle_windows(3);
  CHECK(too_few.kind == VerdictKind::inconclusive);
  CHECK_FALSE(too_few.effect.has_value());
  CHECK_THAT(all_reasons(too_few), Contains("took effect in only 5 of 8 windows"));
  CHECK_THAT(all_reasons(too_few),
             Contains("only 5 of 8 pairs are usable, and a verdict needs at least 6 (these show +50 %)"));
}

TEST_CASE("every pulse must be applied, and each fault of several must act") {
  Plan plan = small_plan();
  plan.faults[0].pulses = {{0, kNsPerS}, {2 * kNsPerS, 3 * kNsPerS}};
  PlannedFault second = plan.faults[0];
  second.id = 7;  // its id, not its place, is what events carry
  second.name = "cpu_throttle";
  second.device.clear();
  plan.faults.push_back(second);
  const auto records = records_of(plan, steps_slowed_by(0.5));
  const Verdict whole = judge(plan, records, events_of(plan));
  CHECK(whole.kind == VerdictKind::reproduced);
  CHECK_THAT(whole.sentence,
             Contains("node1 eth0 went down 2 times for 1 s and cpu_throttle on node1 2 times for 1 s in each"));

  const int block = nth_fault_block(plan, 2);
  const Verdict part =
      judge(plan, records, without(events_of(plan), [&](const Json& e) {
              return is_fault_event(e, "applied") && e["fault"] == 7 && e["block"] == block && e["pulse"] == 1;
            }));
  CHECK(part.faults.at(0).applied == 8);
  CHECK(part.faults.at(1).applied == 7);
  CHECK(part.effect->pairs == 7);
  CHECK_FALSE(left_something_behind(part));
}

TEST_CASE("a run cut off on the local cluster leaves nothing in force: its nodes went with it") {
  Plan plan = small_plan();
  const int block = nth_fault_block(plan, 7);
  const auto cut_off = without(events_of(plan), [&](const Json& e) {
    return (is_fault_event(e, "reverted") && e["block"] == block) || e["type"] == "run";
  });
  for (const bool local : {true, false}) {
    plan.topology.local_cluster = local;
    const Verdict verdict = judge(plan, records_of(plan, steps_slowed_by(0.5)), cut_off);
    CHECK(left_something_behind(verdict) != local);
    CHECK_THAT(all_reasons(verdict), Contains(local ? "was a namespace, which went with the run" : "NOT REVERTED"));

    auto ended_early = cut_off;  // the recorder lived to the end, the node's agent did not
    ended_early.push_back(run_event("ended early"));
    CHECK(left_something_behind(judge(plan, records_of(plan, steps_slowed_by(0.5)), ended_early)) != local);

    auto failed = ended_early;  // it did, and said that the fault had not come off
    failed.push_back(fault_event("reverted", block, 0, false));
    CHECK(left_something_behind(judge(plan, records_of(plan, steps_slowed_by(0.5)), failed)));
  }
}

TEST_CASE("a fault that may still be in force is said first and makes it inconclusive") {
  const Plan plan = small_plan();
  const auto records = records_of(plan, steps_slowed_by(0.5));
  const int block = nth_fault_block(plan, 7);
  auto events = events_of(plan);
  const bool revert_failed = GENERATE(true, false);  // false: no word of a revert at all
  if (revert_failed) {
    for (Json& event : events)
      if (is_fault_event(event, "reverted") && event["block"] == block)
        event["ok"] = false, event["message"] = "no such route";
  } else {
    events = without(events, [&](const Json& e) { return is_fault_event(e, "reverted") && e["block"] == block; });
  }
  const Verdict verdict = judge(plan, records, events);
  CHECK(left_something_behind(verdict));
  CHECK(verdict.faults.at(0).unreverted == 1);
  CHECK(verdict.faults.at(0).reverted == 7);
  CHECK(verdict.kind == VerdictKind::inconclusive);
  REQUIRE_FALSE(verdict.reasons.empty());
  CHECK_THAT(verdict.reasons[0], Contains("NOT REVERTED: link_flap on node1 eth0"));
  CHECK_THAT(verdict.reasons[0], Contains("grit revert"));

  // A later agent that recovers the node clears it; one with problems, or of another node, does not.
  Json recovered = make_event("recovered", 1, 0);
  recovered["reverted"] = 1;
  recovered["problems"] = Json::array();
  events.push_back(recovered);
  CHECK_FALSE(left_something_behind(judge(plan, records, events)));
  events.back()["problems"] = Json::array({"device is busy"});
  CHECK(left_something_behind(judge(plan, records, events)));
  events.back()["problems"] = Json::array();
  events.back()["node"] = 0;
  CHECK(left_something_behind(judge(plan, records, events)));

  // Its agent was lost: what lives in processes of an agent went with it, what is journalled is for its successor.
  events.back() = make_event("agent_restarted", 1, 0);
  CHECK(left_something_behind(judge(plan, records, events)));
  Plan load = plan;
  load.faults.at(0).undo = UndoClass::process;
  CHECK_FALSE(left_something_behind(judge(load, records, events)));
  events.back()["node"] = 0;
  CHECK(left_something_behind(judge(load, records, events)));
}

TEST_CASE("what is of the whole machine does not go with a local cluster's node, and its keeper's word counts") {
  Plan plan = small_plan();
  plan.topology.local_cluster = true;
  const int block = nth_fault_block(plan, 7);
  auto events = without(events_of(plan), [&](const Json& e) {
    return (is_fault_event(e, "reverted") && e["block"] == block) || e["type"] == "run";
  });
  const std::string reach = GENERATE("machine", "anything");
  for (Json& event : events)
    if (event["type"] == "fault") event["reach"] = reach;
  const auto records = records_of(plan, steps_slowed_by(0.5));
  const Verdict verdict = judge(plan, records, events);
  CHECK(left_something_behind(verdict));
  CHECK_THAT(verdict.sentence, StartsWith("NOT REVERTED: link_flap on node1 eth0"));
  CHECK_THAT(verdict.reasons.at(0), Contains("grit revert --journal FILE"));
  events.push_back(event_with(make_event("machine_mended", 0, 0), Json{{"ok", true}}));
  const Verdict mended = judge(plan, records, events);
  CHECK(left_something_behind(mended) == (reach == "anything"));
  CHECK_THAT(all_reasons(mended), !Contains("was a namespace"));
}

TEST_CASE("a fault that may still be in force after a link test or a sham block is said, too") {
  Plan plan = small_plan();
  const int block = static_cast<int>(plan.blocks.size());
  plan.blocks.push_back({block, -1, GENERATE(BlockKind::link_fault, BlockKind::sham)});
  plan.topology.local_cluster = GENERATE(true, false);
  const auto records = records_of(plan, steps_slowed_by(0.5));
  auto events = without(events_of(plan), [&](const Json& e) { return e["type"] == "run"; });
  const auto add = [&](Json event) { events.push_back(std::move(event)); };
  add(fault_event("applied", block, 0, true));
  add(fault_event("reverted", block, 0, true));
  const Verdict well = judge(plan, records, events);
  CHECK_FALSE(left_something_behind(well));

  events.back()["ok"] = false;
  const Verdict verdict = judge(plan, records, events);
  CHECK(left_something_behind(verdict));
  CHECK(verdict.kind == VerdictKind::inconclusive);
  CHECK_THAT(verdict.reasons.at(0), Contains("NOT REVERTED: link_flap on node1 eth0"));
  // What is measured is so in fault blocks alone.
  CHECK(verdict.faults.at(0).windows == well.faults.at(0).windows);
  CHECK(verdict.faults.at(0).applied == well.faults.at(0).windows);
}

TEST_CASE("a node that is not as it was before is said and makes it inconclusive") {
  const Plan plan = small_plan();
  auto events = events_of(plan);
  Json residue = make_event("residue", 1, 0);
  residue["differences"] = Json::array({"qdiscs: new: eth0 1: parent ffffffff (tbf)", "links: eth0: up -> down"});
  events.push_back(residue);
  events.push_back(residue);  // said twice, counted once
  events.push_back(Json::parse(R"({"type":"residue","node":0,"differences":7})"));
  const Verdict verdict = judge(plan, records_of(plan, steps_slowed_by(0.5)), events);
  CHECK(left_something_behind(verdict));
  CHECK(verdict.kind == VerdictKind::inconclusive);
  REQUIRE(verdict.residue.size() == 1);
  CHECK(verdict.residue[0].node == "node1");
  CHECK(verdict.residue[0].differences.size() == 2);
  REQUIRE_FALSE(verdict.reasons.empty());
  CHECK_THAT(verdict.reasons[0], Contains("LEFT BEHIND: node1 is not as it was before the run: qdiscs: new: eth0"));
  CHECK_THAT(verdict.reasons[0], Contains("links: eth0: up -> down"));
}

TEST_CASE("what others changed meanwhile, and a link that came back late, are said and change no verdict") {
  const Plan plan = small_plan();
  const auto records = records_of(plan, steps_slowed_by(0.5));
  auto events = events_of(plan);
  const Verdict without = judge(plan, records, events);
  Json changed = make_event("changed", 1, 0);
  changed["differences"] = Json::array({"links: new: cali1", "links: new: cali2", "links: new: cali3", "a", "b"});
  events.push_back(changed);
  Json late = make_event("carrier", 1, 0);
  late.update({{"interface", "eth0"}, {"back", true}, {"after_ns", 12'340'000'000}});
  events.push_back(late);
  events.push_back(Json::parse(R"({"type":"changed","node":0,"differences":7})"));
  Json unread = make_event("residue_unknown", 1, 0);
  unread["unread"] = Json::array({"nftables: no permission", 7});
  events.push_back(unread);
  events.push_back(Json::parse(R"({"type":"residue_unknown","node":0,"unread":7})"));
  const Verdict verdict = judge(plan, records, events);
  CHECK_FALSE(left_something_behind(verdict));
  CHECK(verdict.kind == without.kind);
  const std::string all = fmt::format("{}", fmt::join(verdict.reasons, "\n"));
  CHECK_THAT(all, Contains("changed meanwhile on node1, by others: links: new: cali1") && Contains("and 2 more"));
  CHECK_THAT(all, Contains("left behind on node1 is not known, of nftables: no permission"));
  CHECK_THAT(all, Contains("link eth0 of node1 came back 12.3 s after the fault"));
}

TEST_CASE("what the counters moved by is summed over the windows, numbers that moved alone") {
  const Plan plan = small_plan();
  auto events = events_of(plan);
  for (Json& event : events) {
    if (event.at("type") != "acting") continue;
    event["before"] =
        Json{{"carrier_changes", 3}, {"tx", {{"tx_bytes", 10}}}, {"same", 4}, {"name", "a"}, {"load", 0.5}};
    event["after"] =
        Json{{"carrier_changes", 5}, {"tx", {{"tx_bytes", 110}}}, {"same", 4}, {"name", "b"}, {"load", 0.75}};
  }
  const Verdict verdict = judge(plan, records_of(plan, steps_slowed_by(0.5)), events);
  const auto& acted = verdict.faults.at(0).acted;
  CHECK(acted.size() == 3);
  CHECK(acted.at("carrier_changes") == 16);
  CHECK(acted.at("tx.tx_bytes") == 800);
  CHECK(acted.at("load") == Approx(2.0));
}

TEST_CASE("each way to end has its outcome, and none but completed can be reproduced") {
  const Plan plan = small_plan();
  auto records = records_of(plan, steps_slowed_by(0.5));
  auto events = events_of(plan);
  std::string outcome, words;
  const auto with = [](Json event, const Json& more) {
    event.update(more);
    return event;
  };
  SECTION("a rank died") {
    events.push_back(with(make_event("rank_died", 1, 0), Json{{"rank", 3}, {"how", "signal 9"}}));
    outcome = "rank_death", words = "rank 3 on node1 died (signal 9)";
  }
  SECTION("a rank hung, and the agents ended all") {
    const auto stands = [](int rank, const char* phase, bool stopped) {
      return Json{{"rank", rank}, {"step", 7}, {"phase", phase}, {"stopped", stopped}};
    };
    events.push_back(with(make_event("hang", 0, 0),
                          Json{{"waited_ns", 5 * kNsPerS}, {"ranks", {stands(0, "exposed_comm", false)}}}));
    events.push_back(with(make_event("rank_died", 0, 0), Json{{"rank", 0}}));
    events.push_back(
        with(make_event("hang", 1, 0), Json{{"waited_ns", 5 * kNsPerS}, {"ranks", {stands(1, "forward", true)}}}));
    outcome = "hang";
    words =
        "no step ended within 5.0 s: rank 1 on node1 is stopped in forward, step 7; 1 others wait in its collective";
  }
  SECTION("a node was lost, which killed ranks") {
    events.push_back(with(make_event("rank_died", 0, 2 * kNsPerS), Json{{"rank", 0}}));
    events.push_back(with(make_event("node_lost", 0, 7 * kNsPerS), Json{{"lost_node", 1}, {"last_heard_ns", kNsPerS}}));
    outcome = "node_loss", words = "node1 was lost";
  }
  SECTION("interrupted, which killed ranks") {
    events.push_back(with(make_event("rank_died", 0, 2 * kNsPerS), Json{{"rank", 0}}));
    events.push_back(with(run_event("interrupted"), Json{{"t_ns", kNsPerS}}));
    outcome = "interrupted", words = "interrupted";
  }
  SECTION("a rank died, and MPI ended the others") {
    events.push_back(with(make_event("rank_died", 0, 0), Json{{"rank", 0}}));
    events.push_back(with(run_event("interrupted"), Json{{"rank", 1}}));
    outcome = "rank_death", words = "rank 0 on node0 died";
  }
  SECTION("a rank gave up") {
    events.push_back(with(run_event("failed"), Json{{"rank", 1}, {"message", "wrong result of a GEMM"}}));
    events.push_back(with(make_event("rank_died", 1, 0), Json{{"rank", 3}}));
    outcome = "failed", words = "rank 1 on node0 gave up: wrong result of a GEMM";
  }
  SECTION("wrong sums") {
    records[100].corrupted = 4;
    outcome = "corruption", words = "4 reduced values were wrong";
  }
  SECTION("blocks are missing and nobody knows why") {
    std::erase_if(records, [](const StepRecord& r) { return r.block >= 15; });
    events =
        without(events, [](const Json& e) { return e.value("block", -1) >= 15 || e.value("state", "") == "finished"; });
    outcome = "failed", words = "only 15 of 17 blocks were completed";
  }
  const Verdict verdict = judge(plan, records, events);
  CHECK(verdict.outcome == outcome);
  CHECK(verdict.kind == VerdictKind::inconclusive);
  CHECK_THAT(all_reasons(verdict), Contains(words));
  REQUIRE(verdict.effect);  // what is known is still said
  CHECK_THAT(verdict.sentence, Contains("longer"));
}

TEST_CASE("a run cut off in a block of a given time leaves that block out") {
  const Plan plan = small_plan();
  auto records = records_of(plan, steps_slowed_by(0.5));
  std::erase_if(records, [](const StepRecord& r) { return r.block > 14 || (r.block == 14 && r.step_in_block > 6); });
  const auto events = without(events_of(plan), [](const Json& e) {
    return e.value("block", -1) > 14 || (e.value("block", -1) == 14 && e.value("edge", "") == "end") ||
           e.value("state", "") == "finished";
  });
  const Verdict verdict = judge(plan, records, events);
  CHECK(verdict.outcome == "failed");
  CHECK(verdict.effect->pairs == 6);
  CHECK_THAT(all_reasons(verdict),
             Contains("1 of 8 pairs are left out: step records are missing or a block was cut short"));
}

TEST_CASE("missing records leave out their pair alone") {
  const Plan plan = small_plan();
  auto records = records_of(plan, steps_slowed_by(0.5));
  records.erase(records.begin() + 4 * 10 * 3 + 17);
  auto events = events_of(plan);
  Json lost = make_event("records_lost", 0, 0);
  lost.update(Json{{"rank", 1}, {"count", 1}});
  events.push_back(lost);
  const Verdict verdict = judge(plan, records, events);
  CHECK(verdict.kind == VerdictKind::reproduced);
  CHECK(verdict.effect->pairs == 7);
  CHECK_THAT(all_reasons(verdict), Contains("1 step records of rank 1 were lost"));
}

TEST_CASE("lost spans are remarked on once, of all nodes together, and cost no pair") {
  const Plan plan = small_plan();
  auto events = events_of(plan);
  for (int node = 0; node < 2; ++node) events.push_back(event_with(make_event("spans_lost", node, 0), {{"count", 20}}));
  events.push_back(event_with(make_event("unrecorded", 0, 0), {{"records", 0}, {"events", 0}, {"spans", 2}}));
  const Verdict verdict = judge(plan, records_of(plan, steps_slowed_by(0.5)), events);
  CHECK(verdict.effect->pairs == 8);
  CHECK_THAT(all_reasons(verdict), Contains("42 spans of operations were lost"));
}

TEST_CASE("a run of which nothing is left has a verdict all the same") {
  const Plan plan = small_plan();
  const Verdict nothing = judge(plan, {}, {});
  CHECK(nothing.kind == VerdictKind::inconclusive);
  CHECK(nothing.outcome == "failed");
  CHECK_FALSE(nothing.effect.has_value());
  CHECK(nothing.faults.at(0).windows == 0);
  CHECK_THAT(nothing.sentence, Contains("Only 0 of 17 blocks were completed"));
  CHECK(judge(Plan{}, {}, {}).kind == VerdictKind::inconclusive);
}

TEST_CASE("a run that ends as the scenario expects is reproduced, one that ends otherwise is not") {
  Plan plan = small_plan();
  plan.expect = {.outcome = "rank_death"};
  const auto records = records_of(plan, steps_slowed_by(0));
  auto events = events_of(plan);
  CHECK(judge(plan, records, events).kind == VerdictKind::not_reproduced);  // it reached its last block

  Json died = make_event("rank_died", 1, 0);
  died["rank"] = 3;
  events.push_back(died);
  const Verdict verdict = judge(plan, records, events);
  CHECK(verdict.kind == VerdictKind::reproduced);
  REQUIRE(verdict.expectations.size() == 1);
  CHECK(verdict.expectations[0].text == "outcome rank_death");
  CHECK_THAT(verdict.sentence, Contains("rank 3 on node1 died, as expected"));

  plan.expect.outcome = "node_loss";
  CHECK(judge(plan, records, events).kind == VerdictKind::inconclusive);
}

TEST_CASE("events that are not as documented prove nothing and break nothing") {
  const Plan plan = small_plan();
  const auto records = records_of(plan, steps_slowed_by(0.5));
  auto events = events_of(plan);
  for (const char* text :
       {"[]", "{}", "7", R"({"type":7})", R"({"type":"fault"})", R"({"type":"fault","fault":"x","block":[]})",
        R"({"type":"fault","fault":0,"block":999999,"action":"applied","ok":true})",
        R"({"type":"fault","fault":0,"block":1,"action":"applied","ok":"yes","pulse":"0","why":3})",
        R"({"type":"acting","fault":99,"block":2,"ok":true})", R"({"type":"check","check":[],"block":1})",
        R"({"type":"run","state":{}})", R"({"type":"rank_died_not"})", R"({"type":"recovered","problems":3})",
        R"({"type":"acting","fault":0,"block":1,"ok":true,"before":7,"after":{}})",
        R"({"type":"fault","fault":0,"block":1,"action":"applied","ok":true,"pulse":-1,"onset_ns":1,"planned_ns":0})",
        R"({"type":"node_lost_not"})", R"({"type":"records_lost","count":-5})"})
    events.insert(events.begin(), Json::parse(text));
  const Verdict verdict = judge(plan, records, events);
  CHECK(verdict.kind == VerdictKind::reproduced);
  CHECK(verdict.effect->pairs == 8);
}

TEST_CASE("checks are counted by node and by kind of block") {
  const Plan plan = small_plan();
  auto events = events_of(plan);
  const auto check = [](int node, int block, bool ok) {
    Json event = make_event("check", node, 0);
    event.update(Json{{"check", "link_up"}, {"block", block}, {"ok", ok}, {"detail", ""}});
    return event;
  };
  const int fault_block = nth_fault_block(plan, 0);
  const int baseline_block = fault_block == 1 ? 2 : 1;
  events.push_back(check(1, fault_block, false));
  events.push_back(check(1, fault_block, true));
  events.push_back(check(1, baseline_block, true));
  events.push_back(check(0, baseline_block, false));
  events.push_back(check(0, 0, false));  // warm-up counts for neither
  const Verdict verdict = judge(plan, records_of(plan, steps_slowed_by(0.5)), events);
  REQUIRE(verdict.checks.size() == 2);
  CHECK(verdict.checks[0].node == "node0");
  CHECK(verdict.checks[0].baseline_runs == 1);
  CHECK(verdict.checks[0].baseline_failures == 1);
  CHECK(verdict.checks[0].fault_runs == 0);
  CHECK(verdict.checks[1].fault_runs == 2);
  CHECK(verdict.checks[1].fault_failures == 1);
  CHECK(verdict.checks[1].baseline_failures == 0);
  CHECK_FALSE(verdict.checks[0].p.has_value());  // never read under the fault
  CHECK_THAT(all_reasons(verdict), Contains("check link_up failed on node0 without any fault"));
}

TEST_CASE("a check fails more often under the fault when its pairs say so, not when one reading fails") {
  const Plan plan = small_plan();
  const auto judged = [&](int failing_pairs, int read_pairs = 8) {
    auto events = events_of(plan);
    for (const Block& block : plan.blocks) {
      if (block.pair < 0 || block.pair >= read_pairs) continue;
      const int failures = block.kind == BlockKind::fault && block.pair < failing_pairs ? 2 : 0;
      Json event = make_event("check_summary", 1, 0);
      event.update(Json{{"check", "link_up"}, {"block", block.index}, {"readings", 6}, {"failures", failures}});
      events.push_back(event);
    }
    return judge(plan, records_of(plan, steps_slowed_by(0.5)), events).checks.at(0);
  };
  CHECK(judged(8).p == 1.0 / 256);
  CHECK(judged(8).fails_more());
  CHECK(judged(1).fault_failures == 2);
  CHECK(judged(1).p == 0.5);
  CHECK_FALSE(judged(1).fails_more());
  CHECK(judged(5, 5).fails_more());
  CHECK_FALSE(judged(4, 4).p.has_value());  // 1 in 16 at best, so it cannot be told
}

TEST_CASE("a check that could not be made has not failed") {
  const Plan plan = small_plan();
  auto events = events_of(plan);
  for (const int block : {1, 2}) {
    Json event = make_event("check", 1, 0);
    event.update(Json{{"check", "link_up"}, {"block", block}, {"detail", "node1 has no data NIC"}});
    events.push_back(event);
  }
  const Verdict verdict = judge(plan, records_of(plan, steps_slowed_by(0.5)), events);
  REQUIRE(verdict.checks.size() == 1);
  CHECK(verdict.checks[0].baseline_runs + verdict.checks[0].fault_runs == 0);
  CHECK(verdict.checks[0].baseline_failures + verdict.checks[0].fault_failures == 0);
  CHECK(verdict.checks[0].not_made == 2);
  CHECK_THAT(all_reasons(verdict),
             Contains("check link_up could not be made on node1, 2 times: node1 has no data NIC"));
}

TEST_CASE("one idle fault of 200 costs no pair, of 50 it does, and what is odd about each of many is said of a few") {
  for (const int count : {50, 200}) {
    Plan plan = small_plan();
    auto events = events_of(plan);
    const PlannedFault first = plan.faults[0];
    for (int id = 1; id < count; ++id) {
      plan.faults.push_back(first);
      plan.faults.back().id = id;
      for (const Block& block : plan.blocks) {
        if (block.kind != BlockKind::fault) continue;
        events.push_back(fault_event("applied", block.index, 0, true, id));
        events.push_back(fault_event("reverted", block.index, 0, true, id));
        events.push_back(acting_event(block.index, id != 7 || block.index != nth_fault_block(plan, 2), id));
      }
      Json lost = make_event("records_lost", 1, 0);
      lost.update(Json{{"rank", id}, {"count", 1}});
      events.push_back(lost);
    }
    CAPTURE(count);
    const Verdict verdict = judge(plan, records_of(plan, steps_slowed_by(0.5)), events);
    REQUIRE(verdict.effect);
    CHECK(verdict.effect->pairs == (count == 200 ? 8 : 7));
    if (count == 200) CHECK_THAT(all_reasons(verdict), Contains("in 1 of the 8 pairs that count some fault"));
    CHECK(verdict.reasons.size() < 20);
    CHECK_THAT(all_reasons(verdict), Contains(fmt::format("and {} more remarks", count - 1 - 12)));
  }
}

TEST_CASE("so many idle faults are tolerated of each name, and ends that do nothing dilute no share") {
  // `acts`: does a fault act in the fault block of this pair?
  const auto judged = [](int count, const std::function<void(PlannedFault&)>& change, const auto& acts) {
    Plan plan = small_plan();
    const PlannedFault first = plan.faults[0];
    for (int id = 1; id < count; ++id) {
      plan.faults.push_back(first);
      plan.faults.back().id = id;
      change(plan.faults.back());
    }
    auto events = events_of(plan);
    for (Json& event : events)
      if (event.at("type") == "acting")
        event["ok"] = acts(event.at("fault").get<int>(), plan.blocks[event.at("block").get<std::size_t>()].pair);
    return judge(plan, records_of(plan, steps_slowed_by(0.5)), events);
  };
  const auto first_in_one = [](int fault, int pair) { return fault > 0 || pair == 0; };
  const auto first_never = [](int fault, int) { return fault > 0; };
  const auto none = [](PlannedFault&) {};
  const auto other_name = [](PlannedFault& fault) { fault.name = "rank_delay"; };
  const auto passive = [](PlannedFault& fault) { fault.passive = true; };
  CHECK(judged(101, none, first_in_one).effect->pairs == 8);
  CHECK_FALSE(judged(101, other_name, first_in_one).effect);
  CHECK_FALSE(judged(101, passive, first_in_one).effect);

  const Verdict one_victim = judged(101, none, first_never);
  CHECK(one_victim.kind == VerdictKind::reproduced);
  CHECK(one_victim.effect->pairs == 8);
  CHECK_THAT(all_reasons(one_victim),
             Contains("the fault never took effect") && Contains("pairs that count some fault"));
  for (const auto& change :
       {std::function<void(PlannedFault&)>(other_name), std::function<void(PlannedFault&)>(passive)}) {
    const Verdict whole_kind = judged(101, change, first_never);
    CHECK(whole_kind.kind == VerdictKind::inconclusive);
    CHECK_THAT(whole_kind.sentence, Contains("it never took effect"));
  }
}

TEST_CASE("changes and one summary a block give the counts that every reading gave") {
  const Plan plan = small_plan();
  const auto event = [](const char* type, int block, Json more) {
    Json one = make_event(type, 1, 0);
    one.update(Json{{"check", "link_up"}, {"block", block}});
    one.update(more);
    return one;
  };
  const int first = nth_fault_block(plan, 0), second = nth_fault_block(plan, 1);
  auto events = events_of(plan);
  events.push_back(event("check_change", 0, {{"ok", true}}));
  events.push_back(event("check_summary", 0, {{"readings", 4}, {"failures", 0}, {"not_made", 0}}));
  events.push_back(event("check_change", first, {{"ok", false}, {"detail", "down"}}));
  events.push_back(event("check_change", first, {{"ok", true}}));
  events.push_back(
      event("check_summary", first, {{"readings", 39}, {"failures", 15}, {"not_made", 2}, {"detail", "busy"}}));
  SECTION("whole") {}
  SECTION("a block whose summary is missing counts with its changes") {
    events.push_back(event("check_change", second, {{"ok", false}, {"detail", "down"}}));
  }
  const Verdict verdict = judge(plan, records_of(plan, steps_slowed_by(0.5)), events);
  const int more = events.back().at("type") == "check_change" ? 1 : 0;
  REQUIRE(verdict.checks.size() == 1);
  CHECK(verdict.checks[0].fault_runs == 39 + more);
  CHECK(verdict.checks[0].fault_failures == 15 + more);
  CHECK(verdict.checks[0].baseline_runs == 0);
  CHECK(verdict.checks[0].not_made == 2);
  CHECK(verdict.checks[0].obstacle == "busy");
}

TEST_CASE("six pairs can reach a verdict, five cannot") {
  CHECK(judge_slowdown(small_plan(6), 0.5).kind == VerdictKind::reproduced);
  CHECK(judge_slowdown(small_plan(5), 0.5).kind == VerdictKind::inconclusive);
}

TEST_CASE("where mean and median disagree about an expectation, the other one is named") {
  const Plan plan = small_plan();
  // A stall in one step of each fault block, on top of nothing: the mean shows it, the median does not.
  const auto stall = [](const Block& block, int step) {
    return steps_slowed_by(0)(block, step) + (block.kind == BlockKind::fault && step == 5 ? 100'000'000 : 0);
  };
  const Verdict verdict = judge(plan, records_of(plan, stall), events_of(plan));
  CHECK(verdict.kind == VerdictKind::reproduced);
  CHECK(verdict.effect->statistic == "mean");
  CHECK_THAT(all_reasons(verdict), Contains("the median step time alone would say otherwise"));
}

TEST_CASE("sentence, figures and expectation are of one statistic, whichever decides") {
  Plan plan = small_plan();
  plan.expect.slowdown_at_least = 0.02;
  // 3 % longer, and a stall in a few blocks of either kind, which only the mean shows.
  const auto steps = [](const Block& block, int step) {
    const bool stall = step == 4 && block.index % 4 < 2;
    return steps_slowed_by(0.04)(block, step) + (stall ? 3'000'000 : 0);
  };
  const Verdict verdict = judge(plan, records_of(plan, steps), events_of(plan));
  REQUIRE(verdict.effect);
  CHECK(verdict.expectations.at(0).met == true);
  CHECK(verdict.effect->statistic == "median");
  CHECK(verdict.effect->ci_low >= 0.02);
  CHECK_THAT(verdict.sentence, Contains("the median step took"));
  CHECK_THAT(all_reasons(verdict),
             Contains("the mean step time alone would say otherwise about slowdown at least 2.0 %") &&
                 Contains("that is judged by the median"));
}

TEST_CASE("of several faults, and of a passive end, nobody can say which one was harmful") {
  Plan plan = small_plan();
  PlannedFault other = plan.faults[0];
  other.id = 1;
  other.name = "clock_skew";
  plan.faults.push_back(other);
  CHECK_FALSE(judge_slowdown(plan, 0.5).faults.at(0).harmful.has_value());
  CHECK_FALSE(judge_slowdown(plan, 0.5).faults.at(1).harmful.has_value());
  plan.faults[1].passive = true;
  const Verdict verdict = judge_slowdown(plan, 0.5);
  CHECK(verdict.faults.at(0).harmful == true);
  CHECK_FALSE(verdict.faults.at(1).harmful.has_value());
}

TEST_CASE("a lost node: since when it was silent, and what its kernel said last") {
  const Plan plan = small_plan();
  auto events = events_of(plan);
  for (const char* text : {"mlx5_core: a warning", "NMI watchdog: hard lockup"}) {
    Json line = make_event("kernel", 1, 0);
    line.update(Json{{"level", 3}, {"text", text}});
    events.push_back(line);
  }
  Json lost = make_event("node_lost", 0, 70 * kNsPerS);
  lost.update(Json{{"lost_node", 1}, {"last_heard_ns", 63'500'000'000}});
  events.push_back(lost);
  const Verdict verdict = judge(plan, records_of(plan, steps_slowed_by(0.5)), events);
  CHECK(verdict.outcome == "node_loss");
  CHECK_THAT(all_reasons(verdict),
             Contains("node1 was lost: its agent fell silent, last heard of 6.5 s before; the last "
                      "line of its kernel's log: \"NMI watchdog: hard lockup\""));
}

TEST_CASE("where clocks cannot be compared, nobody can tell whether a rank died before its node was lost") {
  const Plan plan = small_plan();
  auto events = events_of(plan);
  Json died = make_event("rank_died", 1, 900 * kNsPerS);  // on a clock that nothing is known of
  died["rank"] = 3;
  Json lost = make_event("node_lost", 0, 70 * kNsPerS);
  lost.update(Json{{"lost_node", 1}, {"last_heard_ns", 63 * kNsPerS}});
  events.push_back(died);
  events.push_back(lost);
  const Verdict verdict = judge(plan, records_of(plan, steps_slowed_by(0.5)), events);
  CHECK(verdict.outcome == "node_loss");
  CHECK_THAT(all_reasons(verdict), Contains("rank 3 on node1 died, and before or after that, which cannot be told, "
                                            "node1 was lost: its agent fell silent"));
  CHECK_THAT(all_reasons(verdict), !Contains("0.00 s later"));
}

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <set>

#include "harness/scenario/load.hpp"
#include "harness/scenario/seeded_choice.hpp"
#include "harness/scenario/timing.hpp"
#include "injectors/injector.hpp"
#include "tests/catch.hpp"
#include "tests/unit/scenario/planned.hpp"

using namespace grit::test;
using grit::BlockKind;
using grit::Plan;
using grit::Scenario;

namespace {

std::vector<std::pair<std::int64_t, std::int64_t>> ms(const std::vector<grit::Pulse>& pulses) {
  std::vector<std::pair<std::int64_t, std::int64_t>> all;
  for (const grit::Pulse& pulse : pulses)
    all.emplace_back(pulse.start_ns / 1'000'000, pulse.end_ns < 0 ? -1 : pulse.end_ns / 1'000'000);
  return all;
}

std::vector<std::pair<std::int64_t, std::int64_t>> times(std::string_view fault) {
  return ms(plan_of(scenario(fault)).faults.at(0).pulses);
}

using Times = std::vector<std::pair<std::int64_t, std::int64_t>>;

}  // namespace

TEST_CASE("every fault takes after, lasts, every and count") {
  CHECK(times("delay {}") == Times{{0, -1}});
  CHECK(times("delay { after = '500ms' }") == Times{{500, -1}});
  CHECK(times("delay { after = '500ms', lasts = '1s' }") == Times{{500, 1500}});
  CHECK(times("delay { after = '500ms', lasts = '200ms', every = '1s', count = 2 }") ==
        Times{{500, 700}, {1500, 1700}});
  // A block is 3 s long: what would end after it does not fit.
  CHECK(times("delay { lasts = '500ms', every = '1s' }") == Times{{0, 500}, {1000, 1500}, {2000, 2500}});
  CHECK(times("delay { lasts = '999ms', every = '1s' }").size() == 3);
  CHECK(times("delay { after = '2ms', lasts = '999ms', every = '1s' }").size() == 2);
  CHECK(contains(error_of(scenario("delay { lasts = '500ms', every = '1s', count = 4 }")),
                 "x.lua:4: fault rank_delay: it ends 3.5s after the block's start"));
  const Plan plan = plan_of(scenario("delay { delay = '7ms', lasts = '1s' }"));
  CHECK_FALSE(plan.faults[0].params.contains("lasts"));
  CHECK(plan.faults[0].params.at("delay") == 7'000'000);
}

TEST_CASE("timing that contradicts itself is refused with its line") {
  CHECK(contains(error_of(scenario("delay { count = 3 }")), "x.lua:4: fault rank_delay: `count`"));
  CHECK(contains(error_of(scenario("delay { every = '1s' }")), "x.lua:4: fault rank_delay: a fault that is repeated"));
  for (const char* overlapping : {"delay { every = '1s', lasts = '1s' }", "delay { every = '1s', lasts = '2s' }",
                                  "pause { every = '500ms', pause = '500ms', count = 2 }"})
    CHECK(contains(error_of(scenario(overlapping)), "longer than the fault lasts"));
  Scenario in_steps = scenario("delay { every = '1s', lasts = '100ms' }");
  in_steps.design.block_ns = 0;
  in_steps.design.block_steps = 40;
  CHECK(contains(error_of(in_steps), "say with `count`"));
}

TEST_CASE("a fault's own times win over the common ones") {
  CHECK(times("pause { after = '100ms', pause = '200ms', every = '1s', count = 2 }") ==
        Times{{100, 300}, {1100, 1300}});
  CHECK(times("pause { after = '100ms', pause = '200ms', count = 3 }") == Times{{100, 300}, {500, 700}, {900, 1100}});
  for (const char* fault : {"pause", "f"})
    CHECK(contains(load_error(scenario_with(fmt::format("faults = {{ {} {{ lasts = '1s' }} }},", fault))),
                   "takes no `lasts`: it says itself how long it lasts"));
  grit::InjectorInfo plain;
  plain.dose.param = "strength";
  CHECK(grit::timing_params_beside(plain).size() == grit::timing_params().size());
}

TEST_CASE("what `grit describe timing` promises to every fault holds for every fault, or is refused with the reason") {
  // Beside each key, what makes sense of it: a fault that is repeated must end, one that follows needs another.
  struct Key {
    std::string name, given, refusal;  // refusal: why some faults cannot take it; empty: all can
  };
  const std::vector<Key> keys{{"after", "after = '1ms'", ""},
                              {"lasts", "lasts = '100ms'", "it says itself how long it lasts"},
                              {"every", "every = '2s'", ""},
                              {"count", "count = 1", ""},
                              {"schedule", "schedule = 'poisson', every = '2s'", ""},
                              {"at_step", "at_step = 1", ""},
                              {"follows", "follows = 'first'", ""},
                              {"edge", "follows = 'first', edge = 'applied'", ""},
                              {"label", "label = 'this'", ""},
                              {"swizzle", "swizzle = '10ms'", "it acts between nodes"},
                              {"ramp", "ramp = '10ms'", "it has no dose that could grow"},
                              {"ramp_steps", "ramp = '10ms', ramp_steps = 2", "it has no dose that could grow"}};
  CHECK(keys.size() == grit::timing_params().size());
  const std::map<std::string, std::string> doses{
      {"ethernet_flood", "rate = '1Gbit/s', "}, {"memory_pressure", "hold = '64MiB', "},
      {"memory_bandwidth", "rate = '1GB/s', "}, {"page_cache_thrash", "rate = '1MB/s', "},
      {"disk_contention", "rate = '1MB/s', "},  {"site_check", "check = 'pressure', "}};
  // imbalance needs experts, and so a workload that has them.
  const auto with_experts = [](std::string lua) {
    const std::string_view ddp = "workload = grit.workload.ddp {}";
    return lua.replace(lua.find(ddp), ddp.size(), "workload = grit.workload.moe { scale = 2e-5 }, mesh = { ep = 2 }");
  };
  for (const grit::Injector* injector : grit::injectors()) {
    const grit::InjectorInfo& info = injector->info();
    const auto own = [&](const std::string& name) {
      return std::any_of(info.params.begin(), info.params.end(), [&](const auto& spec) { return spec.name == name; });
    };
    std::string required;
    for (const grit::ParamSpec& spec : info.params)
      if (spec.default_value.is_null())
        required += spec.name + (spec.unit == grit::Unit::time_ns ? " = '1s', " : " = 'true', ");
    // Doses that are as fast as it goes, or must be said.
    if (const auto given = doses.find(info.name); given != doses.end()) required += given->second;
    const bool takes_lasts = !own("lasts") && !grit::why_not_taken(info, "lasts");
    for (const Key& key : keys) {
      if (own(key.name)) continue;
      CAPTURE(info.name, key.name);
      const bool needs_end = takes_lasts && key.name != "lasts";
      const std::string lua =
          scenario_with(fmt::format("faults = {{ {} }}, grit.fault.{} {{ on = 1, {}{}{} }} }},",
                                    info.name == "rank_delay" ? "pause { on = 'all', label = 'first'"
                                                              : "delay { on = 'all', label = 'first', lasts = '50ms'",
                                    info.name, required, needs_end ? "lasts = '100ms', " : "", key.given));
      const auto loaded = load_text(info.name == "imbalance" ? with_experts(lua) : lua);
      const auto plan = loaded ? grit::make_plan(*loaded, cluster_of(4), {}) : tl::make_unexpected(loaded.error());
      INFO((plan ? std::string("accepted") : plan.error().message));
      CHECK((plan || (!key.refusal.empty() && contains(plan.error().message, key.refusal))));
    }
  }
}

TEST_CASE("a fault's own parameter with the name of a common one is of its unit") {
  // The fault then says itself when it comes: another meaning of the name would take the common one away.
  for (const grit::Injector* injector : grit::injectors())
    for (const grit::ParamSpec& own : injector->info().params)
      for (const grit::ParamSpec& common : grit::timing_params())
        if (own.name == common.name) {
          CAPTURE(injector->info().name, own.name);
          CHECK(own.unit == common.unit);
        }
}

TEST_CASE("link flaps come at random") {
  const auto flaps = times("f { on = 1, down = '100ms', schedule = 'poisson', every = '500ms' }");
  CHECK(flaps.size() > 8);  // one at least in each of 8 blocks, and some with more
  for (const auto& [start, end] : flaps) {
    CHECK(start > 500);  // its own `after`
    CHECK(end - start == 100);
  }
}

TEST_CASE("schedule = poisson draws other moments in every fault block, and the seed decides") {
  const Scenario random = scenario("delay { on = { 1, 2 }, schedule = 'poisson', every = '500ms', lasts = '100ms' }");
  const Plan plan = plan_of(random, 4, {.seed = 5});
  CHECK(text_of(plan) == text_of(plan_of(random, 4, {.seed = 5})));
  CHECK(text_of(plan) != text_of(plan_of(random, 4, {.seed = 6})));
  REQUIRE(plan.faults.size() == 2);
  CHECK(ms(plan.faults[0].pulses) != ms(plan.faults[1].pulses));  // nodes fail independently
  std::set<Times> different;
  for (const grit::Block& block : plan.blocks) {
    const std::size_t here = grit::pulses_in_block(plan.faults[0], block.index);
    CHECK((here > 0) == (block.kind == BlockKind::fault));
    Times own;
    std::int64_t off_ns = 0;
    for (const grit::Pulse& pulse : plan.faults[0].pulses) {
      if (pulse.block != block.index) continue;
      CHECK(pulse.end_ns - pulse.start_ns == 100'000'000);
      CHECK(pulse.start_ns > off_ns);
      CHECK(pulse.end_ns <= plan.design.block_ns);
      off_ns = pulse.end_ns;
      own.emplace_back(pulse.start_ns, pulse.end_ns);
    }
    if (!own.empty()) different.insert(own);
  }
  CHECK(different.size() == 8);
}

TEST_CASE("poisson: the time it is off is exponential") {
  grit::SeededChoice choice(1);
  Plan plan;
  plan.design.block_steps = 10;
  for (int i = 0; i < 2; ++i) plan.blocks.push_back({i, 0, BlockKind::fault});
  const grit::Timing timing{.lasts_ns = 1'000'000, .every_ns = 11'000'000, .count = 10'000, .poisson = true};
  const auto pulses = grit::poisson_pulses({grit::Pulse{}}, timing, plan, choice);
  REQUIRE(pulses.has_value());
  REQUIRE(pulses->size() == 20'000);
  double sum = 0, squares = 0, above_mean = 0;
  std::int64_t off_ns = 0;
  for (const grit::Pulse& pulse : *pulses) {
    if (pulse.start_ns < off_ns) off_ns = 0;  // the next block
    const double gap_ms = static_cast<double>(pulse.start_ns - off_ns) / 1e6;
    sum += gap_ms, squares += gap_ms * gap_ms, above_mean += gap_ms > 10 ? 1 : 0;
    off_ns = pulse.end_ns;
  }
  // Of 20 000 draws: five standard errors are 3.5 % of the mean, 7 % of the variance (fourth moment 9), 1.7 points.
  const double mean = sum / 20'000, variance = squares / 20'000 - mean * mean;
  CHECK(mean == Approx(10).epsilon(0.035));
  CHECK(variance == Approx(100).epsilon(0.1));
  CHECK(above_mean / 20'000 == Approx(std::exp(-1)).margin(0.017));
}

TEST_CASE("poisson that cannot be is refused") {
  CHECK(contains(load_error(scenario_with("faults = { delay { schedule = 'poisson' } },")), "needs `every`"));
  CHECK(contains(error_of(scenario("delay { schedule = 'poisson', every = '1s' }")), "give `lasts`"));
  CHECK(contains(error_of(scenario("delay { schedule = 'poisson', every = '1s', lasts = '1s' }")), "longer than"));
  CHECK(
      contains(error_of(scenario("delay { schedule = 'poisson', every = '99h', lasts = '1s' }")), "hardly any block"));
  CHECK(contains(error_of(scenario("delay { schedule = 'poisson', every = '1s', lasts = '1ms', at_step = 3 }")),
                 "say with `count`"));
  CHECK(contains(load_error(scenario_with("faults = { f { schedule = 'poisson' } },")), "needs `every`"));
}

TEST_CASE("at_step and follows say what a fault is counted from") {
  const Plan plan =
      plan_of(scenario("delay { on = 1, label = 'slow', after = '1s', lasts = '500ms' },"
                       "f { on = 1, follows = 'slow', down = '200ms', after = '100ms' },"
                       "pause { on = 1, follows = 'link_flap', edge = 'applied' },"
                       "delay { on = 2, at_step = 7 }"));
  REQUIRE(plan.faults.size() == 4);
  CHECK(plan.faults[1].anchor.kind == grit::Anchor::Kind::reverted);
  CHECK(plan.faults[1].anchor.fault == 0);
  CHECK(plan.faults[2].anchor.kind == grit::Anchor::Kind::applied);
  CHECK(plan.faults[2].anchor.fault == 1);
  CHECK(plan.faults[3].anchor.kind == grit::Anchor::Kind::step);
  CHECK(plan.faults[3].anchor.step == 7);
  const std::string text = grit::describe_plan(plan);
  for (const char* part : {"after fault 0 (rank_delay) is off again", "after fault 1 (link_flap) has come into force",
                           "after the start of step 7 of each fault block"})
    CHECK(contains(text, part));
  CHECK(grit::plan_from_json(grit::to_json(plan)).has_value());
}

TEST_CASE("what cannot be followed is refused") {
  const std::string delay = "delay { on = 1, lasts = '1s' },";
  CHECK(contains(error_of(scenario(delay + "f { on = 1, follows = 'slow' }")),
                 "no fault before this one in the list is called slow and acts on node1; there are: rank_delay"));
  CHECK(contains(error_of(scenario(delay + "f { on = 2, follows = 'rank_delay' }")), "acts on node2"));
  CHECK(contains(error_of(scenario("delay { on = 1 }, f { on = 1, follows = 'rank_delay' }")), "give it `lasts`"));
  CHECK(contains(error_of(scenario(delay + "delay { on = 1, after = '2s', lasts = '1ms' },"
                                           "f { on = 1, follows = 'rank_delay' }")),
                 "two faults on node1 are called rank_delay"));
  CHECK(contains(error_of(scenario("delay { on = 1, after = '1s', lasts = '1s' },"
                                   "f { on = 1, follows = 'rank_delay', after = '500ms', down = '900ms' }")),
                 "it ends 3.4s after the block's start"));
  CHECK(contains(load_error(scenario_with("faults = { delay { edge = 'applied' } },")), "give `follows` too"));
  CHECK(contains(load_error(scenario_with("faults = { delay { at_step = 2, follows = 'f' } },")), "give one of them"));
  Scenario in_steps = scenario("delay { at_step = 40 }");
  in_steps.design.block_ns = 0;
  in_steps.design.block_steps = 40;
  CHECK(contains(error_of(in_steps), "a block has the steps 0 to 39"));
}

TEST_CASE("swizzle: nodes begin one after another and end in another order") {
  const Scenario swizzled = scenario("delay { on = 'all', after = '500ms', lasts = '2s', swizzle = '600ms' }");
  std::set<std::vector<std::int64_t>> begin_orders, end_orders;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    std::vector<std::int64_t> begins, ends;
    for (const grit::PlannedFault& fault : plan_of(swizzled, 4, {.seed = seed}).faults) {
      REQUIRE(fault.pulses.size() == 1);
      begins.push_back(fault.pulses[0].start_ns / 1'000'000);
      ends.push_back(fault.pulses[0].end_ns / 1'000'000);
    }
    CHECK(std::set(begins.begin(), begins.end()) == std::set<std::int64_t>{500, 700, 900, 1100});
    CHECK(std::set(ends.begin(), ends.end()) == std::set<std::int64_t>{1900, 2100, 2300, 2500});
    begin_orders.insert(begins);
    end_orders.insert(ends);
  }
  CHECK(begin_orders.size() > 3);
  CHECK(end_orders.size() > 3);
  CHECK(contains(error_of(scenario("delay { lasts = '1s', swizzle = '500ms' }")), "more than twice"));
  CHECK(contains(error_of(scenario("delay { swizzle = '500ms' }")), "give `lasts`"));
  CHECK(contains(error_of(scenario("grit.fault.ethernet_flood { on = 1, lasts = '2s', swizzle = '500ms' }")),
                 "acts between nodes"));
}

TEST_CASE("ramp: the dose grows in steps that follow each other") {
  const Plan plan = plan_of(scenario("delay { on = 1, delay = '8ms', after = '1s', ramp = '1s', ramp_steps = 4 }"));
  REQUIRE(plan.faults.size() == 4);
  const Times expected{{1000, 1250}, {1250, 1500}, {1500, 1750}, {1750, -1}};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(ms(plan.faults[i].pulses) == Times{expected[i]});
    CHECK(plan.faults[i].params.at("delay") == static_cast<std::int64_t>(i + 1) * 2'000'000);
  }
  const Plan down = plan_of(scenario("grit.fault.gpu_throttle { clock = '20%', ramp = '1s', ramp_steps = 2 }"));
  CHECK(down.faults.at(0).params.at("clock").get<double>() == Approx(0.6));
  CHECK(down.faults.at(1).params.at("clock").get<double>() == 0.2);

  auto of_gpus =
      scenario("grit.fault.gpu_throttle { mechanism = 'power', power = '60%', ramp = '1s', ramp_steps = 2 }");
  of_gpus.workload.params["compute"] = "cuda";
  const Plan watts = plan_of(of_gpus);
  CHECK(watts.faults.at(0).params.at("power").get<double>() == Approx(0.8));
  CHECK(watts.faults.at(0).params.at("clock") == watts.faults.at(1).params.at("clock"));

  const Plan follows =
      plan_of(scenario("delay { on = 1, lasts = '1s', ramp = '500ms', ramp_steps = 2 },"
                       "pause { on = 1, follows = 'rank_delay' }"));
  CHECK(follows.faults.at(2).anchor.fault == 1);  // the last step's end
}

TEST_CASE("what cannot grow is refused") {
  CHECK(contains(load_error(scenario_with("faults = { f { ramp = '1s' } },")),
                 "takes no `ramp`: it has no dose that could grow"));
  CHECK(contains(error_of(scenario("delay { lasts = '1s', ramp = '1s' }")), "make `ramp` shorter than `lasts`"));
  CHECK(contains(error_of(scenario("delay { delay = '3ns', ramp = '1s', ramp_steps = 100 }")), "cannot grow in 100"));
  CHECK(contains(error_of(scenario("delay { delay = 0, jitter = '1ms', ramp = '1s' }")), "give another"));
}

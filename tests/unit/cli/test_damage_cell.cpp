// What a scorecard calls a kind of damage: two sizes of a fault must not become one.
#include "harness/cli/damage_cell.hpp"
#include "tests/catch.hpp"

namespace grit {
namespace {

PlannedFault fault(const std::string& name, const Json& params, std::int64_t lasts_ns = 1'000'000'000) {
  return {.name = name, .params = params, .pulses = {{.start_ns = 300, .end_ns = 300 + lasts_ns}}};
}

TEST_CASE("a kind of damage is named by the fault's size, which is its dose, and how long it lasts") {
  const DamageCell lost = damage_cell(fault("link_loss", {{"loss", 0.1}, {"nic", "data"}, {"direction", "out"}}));
  CHECK(lost.magnitude == "loss 10%, 1s");
  CHECK(lost.unit == "share");
  CHECK(lost.dose == 0.1);
  CHECK(lost.harm_grows);
  const DamageCell rate = damage_cell(fault("link_rate", {{"rate", 50'000'000}}));
  CHECK(rate.magnitude == "rate 50Mbit/s, 1s");
  CHECK(rate.unit == "bit/s");
  CHECK_FALSE(rate.harm_grows);
  const DamageCell delay = damage_cell(fault("rank_delay", {{"delay", 5'000'000}}));
  CHECK(delay.magnitude == "delay 5ms, 1s");
  CHECK(delay.dose == 0.005);
  CHECK_FALSE(damage_cell(fault("gpu_throttle", {{"clock", 0.5}})).harm_grows);
}

TEST_CASE("one without a size, or as large as it goes, is named by how long it lasts") {
  CHECK(damage_cell(fault("link_down", {{"nic", "data"}}, 100'000'000)).magnitude == "100ms");
  const DamageCell all = damage_cell(fault("cpu_contention", {{"threads", 0}, {"share", 1.0}}));
  CHECK(all.magnitude == "1s");
  CHECK(all.unit == "s");
  CHECK(damage_cell(fault("ethernet_flood", {{"rate", 0}})).magnitude == "1s");  // as fast as it goes
  PlannedFault endless = fault("link_down", Json::object());
  endless.pulses.front().end_ns = -1;
  CHECK(damage_cell(endless).magnitude.empty());
  CHECK_FALSE(damage_cell(endless).dose.has_value());
}

TEST_CASE("several times in a block are another kind of damage than one, and have no length that could be a dose") {
  const auto flap = [](std::vector<Pulse> pulses) {
    return PlannedFault{.name = "link_flap", .params = {{"down", 100}, {"after", 5}}, .pulses = std::move(pulses)};
  };
  constexpr std::int64_t kLong_ns = 100'000'000;
  const DamageCell one = damage_cell(flap({{.start_ns = 0, .end_ns = kLong_ns}}));
  CHECK(one.magnitude == "100ms");
  CHECK(one.dose == 0.1);
  const DamageCell two =
      damage_cell(flap({{.start_ns = 0, .end_ns = kLong_ns}, {.start_ns = 2 * kLong_ns, .end_ns = 3 * kLong_ns}}));
  CHECK(two.magnitude == "2 x 100ms");
  CHECK_FALSE(two.dose.has_value());
  // Drawn at random: once in the second block, twice in the fifth.
  const DamageCell drawn = damage_cell(flap({{.start_ns = 0, .end_ns = kLong_ns, .block = 1},
                                             {.start_ns = 0, .end_ns = kLong_ns, .block = 4},
                                             {.start_ns = 2 * kLong_ns, .end_ns = 3 * kLong_ns, .block = 4}}));
  CHECK(drawn.magnitude == "1 to 2 x 100ms");
  CHECK_FALSE(drawn.dose.has_value());
  PlannedFault sized = fault("link_loss", {{"loss", 0.1}});
  sized.pulses.push_back({.start_ns = 3'000'000'000, .end_ns = 4'000'000'000});
  CHECK(damage_cell(sized).magnitude == "loss 10%, 2 x 1s");
  CHECK(damage_cell(sized).dose == 0.1);
}

TEST_CASE(
    "what is not as the fault comes tells two kinds of damage apart, but not where and by what means it is done") {
  const DamageCell in = damage_cell(fault("link_loss", {{"loss", 0.1}, {"direction", "in"}, {"burst", 1.0}}));
  CHECK(in.magnitude == "loss 10%, direction in, 1s");
  CHECK(in.besides == "direction in, 1s");
  CHECK(damage_cell(fault("link_loss", {{"loss", 0.1}, {"nic", "eth1"}})).magnitude == "loss 10%, nic eth1, 1s");
  CHECK(damage_cell(fault("link_loss", {{"loss", 0.1}, {"mechanism", "netem"}})).magnitude == "loss 10%, 1s");
  CHECK(damage_cell(fault("rank_delay", {{"delay", 5'000'000}, {"rank", "1"}})).magnitude == "delay 5ms, 1s");
  const DamageCell cut = damage_cell(fault("partition", {{"from", "0,2-3"}, {"direction", "out"}, {"lasts", 7}}));
  CHECK(cut.magnitude == "1s, direction out");
  CHECK(cut.besides == "direction out");
  CHECK(cut.dose == 1);
}

}  // namespace
}  // namespace grit

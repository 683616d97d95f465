// What a scorecard calls a kind of damage: two sizes of a fault must not become one.
#include "harness/cli/damage_cell.hpp"
#include "tests/catch.hpp"

namespace grit {
namespace {

PlannedFault fault(const std::string& name, const Json& params, std::int64_t lasts_ns = 1'000'000'000) {
  return {.name = name, .params = params, .pulses = {{.start_ns = 300, .end_ns = 300 + lasts_ns}}};
}

TEST_CASE("a kind of damage is named by the fault's size, which is its dose") {
  const DamageCell lost = damage_cell(fault("link_loss", {{"loss", 0.1}, {"nic", "data"}}));
  CHECK(lost.magnitude == "loss 10%");
  CHECK(lost.unit == "share");
  CHECK(lost.dose == 0.1);
  CHECK(lost.harm_grows);
  const DamageCell rate = damage_cell(fault("link_rate", {{"rate", 50'000'000}}));
  CHECK(rate.magnitude == "rate 50Mbit/s");
  CHECK(rate.unit == "bit/s");
  CHECK_FALSE(rate.harm_grows);
  const DamageCell delay = damage_cell(fault("rank_delay", {{"delay", 5'000'000}}));
  CHECK(delay.magnitude == "delay 5ms");
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

}  // namespace
}  // namespace grit

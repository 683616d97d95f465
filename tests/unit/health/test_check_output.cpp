#include "harness/health/check_output.hpp"
#include "tests/namespace.hpp"

using namespace grit;

namespace {

CheckedOnce checked(std::string label, std::vector<Outcome> outcomes, bool is_asked_for = false) {
  return {.label = std::move(label),
          .is_asked_for = is_asked_for,
          .reading = {.outcomes = std::move(outcomes), .began_ns = 0, .ended_ns = 2'000'000, .cpu_ns = 1'500'000}};
}

Outcome outcome(Severity severity, std::string subject, std::string detail) {
  return {.severity = severity, .subject = std::move(subject), .detail = std::move(detail)};
}

NodeCheck node_of(std::vector<CheckedOnce> checks) {
  return {.node = "n3", .t_ns = 1'764'400'000 * kNsPerS, .duration_ns = kNsPerS, .checks = std::move(checks)};
}

const CheckedOnce kWell = checked("link_up", {outcome(Severity::ok, "eth0", "is up")});
const CheckedOnce kWithoutGpu = checked("gpu_clock", {not_here("no GPU")});
const CheckedOnce kUnread = checked("kernel_log", {outcome(Severity::unknown, "", "may not be read")});
const CheckedOnce kBad = checked("link_settings", {{.severity = Severity::critical,
                                                    .subject = "eth0",
                                                    .value = 1400,
                                                    .unit = "bytes",
                                                    .detail = "MTU 1400, was 1500 | since\n9 o'clock",
                                                    .hint = "ip link set eth0 mtu 1500"}});

}  // namespace

TEST_CASE("grit check: the exit code is the worst that is known, and what is not here is no reason") {
  const auto severity = [](std::vector<CheckedOnce> checks, bool strict = false) {
    return severity_of(node_of(std::move(checks)), strict);
  };
  CHECK(severity({kWell}) == Severity::ok);
  CHECK(severity({kWell, kWithoutGpu, kUnread}) == Severity::ok);
  CHECK(severity({kWell, kWithoutGpu}, true) == Severity::unknown);
  CHECK(severity({kWithoutGpu, kUnread}) == Severity::unknown);
  CHECK(severity({kUnread, kWell, kBad}) == Severity::critical);
  CHECK(severity({checked("load", {outcome(Severity::warning, "", "high")}), kWell}, true) == Severity::warning);
  // A check that somebody asked for and that cannot be made is worth a look; one without a device is not.
  CheckedOnce asked = kUnread;
  asked.is_asked_for = true;
  CHECK(severity({kWell, asked}) == Severity::unknown);
  CheckedOnce without_gpu = kWithoutGpu;
  without_gpu.is_asked_for = true;
  CHECK(severity({kWell, without_gpu}) == Severity::ok);
  // So is one that could be made for some of its subjects alone: what it could not see may be critical.
  const std::vector<Outcome> in_part{outcome(Severity::ok, "eth0", "is up"),
                                     outcome(Severity::unknown, "eth1", "no answer")};
  CHECK(severity({kWell, checked("link_up", in_part, true)}) == Severity::unknown);
  CHECK(severity({kWell, checked("link_up", in_part)}) == Severity::ok);
  CHECK(severity({kWell, checked("link_up", in_part)}, true) == Severity::unknown);
  CHECK(severity({kBad, checked("link_up", in_part, true)}) == Severity::critical);
  CHECK(severity({kWell, checked("gpus", {outcome(Severity::ok, "0", "fine"), not_here("no NVLink")}, true)}) ==
        Severity::ok);
  CHECK(severity({kWell, checked("silent", {}, true)}) == Severity::unknown);
  CHECK(severity({}) == Severity::unknown);
}

TEST_CASE(
    "grit check: a second reading stands for the first, but one that fails hides nothing that the first has found") {
  const auto read_twice = [](const Outcome& first, const Outcome& second) {
    CheckedOnce twice = checked("disk", {first}, true);
    take_reading(twice, checked("disk", {second}).reading);
    return twice;
  };
  const Outcome bad = outcome(Severity::critical, "", "is full"), well = outcome(Severity::ok, "", "has room"),
                silent = outcome(Severity::unknown, "", "took longer than 2 s");
  CHECK(worst_of(read_twice(bad, well).reading.outcomes) == Severity::ok);
  CHECK(worst_of(read_twice(well, bad).reading.outcomes) == Severity::critical);
  CHECK(read_twice(bad, well).reading.cpu_ns == 3'000'000);
  CHECK(severity_of(node_of({read_twice(bad, silent)}), false) == Severity::critical);
  CHECK(severity_of(node_of({read_twice(well, silent)}), false) == Severity::unknown);
  CHECK(read_twice(silent, silent).reading.outcomes.size() == 1);
}

TEST_CASE("grit check: of several outcomes of one subject a metric has the worst") {
  const auto metric_of = [](std::vector<Severity> severities) {
    std::vector<Outcome> outcomes;
    for (const Severity one : severities) outcomes.push_back(outcome(one, "eth0", "is so"));
    const std::string text = openmetrics_text(node_of({checked("nic", outcomes)}));
    const std::string series = "grit_check_severity{check=\"nic\",subject=\"eth0\"} ";
    REQUIRE(text.find(series) != std::string::npos);
    CHECK(text.find(series) == text.rfind(series));  // one series, one sample
    return text.at(text.find(series) + series.size());
  };
  CHECK(metric_of({Severity::critical, Severity::ok}) == '2');
  CHECK(metric_of({Severity::ok, Severity::critical}) == '2');
  CHECK(metric_of({Severity::critical, Severity::unknown, Severity::warning}) == '2');
  CHECK(metric_of({Severity::unknown, Severity::warning}) == '1');
  CHECK(metric_of({Severity::ok, Severity::unknown, Severity::ok}) == '3');
}

TEST_CASE("grit check: the table says once why several checks have nothing to look at, and sizes as people do") {
  const NodeCheck all =
      node_of({kWithoutGpu, checked("link_up", {not_here("no data NIC")}), checked("gpu_memory", {not_here("no GPU")}),
               checked("memory_room", {{.severity = Severity::ok, .value = 5'746'196'480, .unit = "bytes"}}), kBad});
  const std::string table = check_table(all, Severity::critical);
  CAPTURE(table);
  CHECK(table.ends_with("\n  nothing to look at here\n    no GPU: gpu_clock, gpu_memory\n    no data NIC: link_up\n"));
  CHECK(table.find(" 5.4 GiB ") != std::string::npos);
  CHECK(table.find(" 1400 B ") != std::string::npos);
}

TEST_CASE("grit check: as a monitoring plug-in it says the worst first, and keeps to the interface") {
  const NodeCheck all = node_of({kWell, kBad, kWithoutGpu, kUnread});
  CHECK(
      plugin_lines(all, Severity::critical) ==
      "GRIT CRITICAL - link_settings eth0: MTU 1400, was 1500 / since 9 o'clock; 1 of 4 checks are ok, 1 have nothing "
      "to look at here, 1 could not be made in full | 'link_settings eth0'=1400B\n"
      "critical link_settings eth0: MTU 1400, was 1500 / since 9 o'clock -> ip link set eth0 mtu 1500\n"
      "unknown kernel_log: may not be read\n");
}

TEST_CASE("grit check: a hundred findings with long texts fit what monitoring agents pass on") {
  std::vector<CheckedOnce> checks;
  for (int i = 0; i < 100; ++i)
    checks.push_back(checked("check_" + std::to_string(i), {{.severity = Severity::critical,
                                                             .subject = "it's=odd",
                                                             .value = 1e-9,
                                                             .unit = "share",
                                                             .detail = std::string(290, 'x')}}));
  const std::string lines = plugin_lines(node_of(std::move(checks)), Severity::critical);
  CHECK(lines.find('\n') <= 1000);
  CHECK(lines.size() <= 8000);
  CHECK(lines.find("'check_0 it_s_odd'=0%") != std::string::npos);
}

TEST_CASE("grit check: metrics are gauges without time stamps, which both text formats read") {
  const std::string text = openmetrics_text(node_of({kWell, kBad}));
  CHECK(text.find("# TYPE grit_check_severity gauge\n") != std::string::npos);
  CHECK(text.find("grit_check_severity{check=\"link_settings\",subject=\"eth0\"} 2\n") != std::string::npos);
  CHECK(text.find("grit_check_value{check=\"link_settings\",subject=\"eth0\",unit=\"bytes\"} 1400\n") !=
        std::string::npos);
  CHECK(text.find("grit_check_cpu_seconds{check=\"link_up\"} 0.0015\n") != std::string::npos);
  CHECK(text.find("grit_check_last_run_timestamp_seconds 1764400000\n") != std::string::npos);
  CHECK(text.ends_with("# EOF\n"));
}

TEST_CASE("outcomes: limits, names and what is written can be read again") {
  CHECK(judge_at_least(5, 3, 10) == Severity::warning);
  CHECK(judge_at_least(10, 3, 10) == Severity::critical);
  CHECK(judge_at_least(2, 3, 10) == Severity::ok);
  CHECK(judge_at_least(100, 0, 0) == Severity::ok);  // both are off
  CHECK(judge_at_most(0.04, 0.1, 0.05) == Severity::critical);
  CHECK(judge_at_most(0.2, 0.1, 0.05) == Severity::ok);
  for (const Severity one : {Severity::ok, Severity::warning, Severity::critical, Severity::unknown})
    CHECK(severity_from(to_string(one)) == one);
  CHECK_FALSE(severity_from("bad").has_value());
  const Outcome bad = kBad.reading.outcomes.front();
  const Outcome again = test::ok(outcome_from_json(to_json(bad)));
  CHECK(to_json(again) == to_json(bad));
  CHECK_FALSE(outcome_from_json(Json{{"severity", 7}}).has_value());
  CHECK_FALSE(outcome_from_json(Json::array()).has_value());
}

TEST_CASE("what a check remembers: growth of counters, and the time between readings") {
  CheckMemory memory;
  memory.begin(5 * kNsPerS);
  CHECK(memory.is_first());
  CHECK_FALSE(memory.elapsed_ns().has_value());
  CHECK_FALSE(memory.growth("rx", 7).has_value());
  memory.begin(7 * kNsPerS);
  CHECK(memory.elapsed_ns() == 2 * kNsPerS);
  CHECK(memory.growth("rx", 10) == 3);
  CHECK_FALSE(memory.growth("rx", 4).has_value());  // started anew
  CHECK(memory.growth("rx", 6) == 2);
  CheckMemory later = CheckMemory::from_json(memory.to_json());
  later.begin(9 * kNsPerS);
  CHECK(later.elapsed_ns() == 2 * kNsPerS);
  CHECK(later.growth("rx", 6) == 0);
  later.clear();
  CHECK(later.is_empty());
  CHECK(CheckMemory::from_json(Json{{"figures", {{"rx", "many"}}}, {"read_ns", true}}).is_empty());
}

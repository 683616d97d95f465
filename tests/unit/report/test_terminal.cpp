#include <fmt/format.h>

#include <algorithm>

#include "analysis/facts/wording.hpp"
#include "analysis/report/text/terminal.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

Verdict flap_verdict() {
  Verdict verdict;
  verdict.scenario = "link_flap";
  verdict.kind = VerdictKind::reproduced;
  verdict.sentence = "node1 eth0 went down for 1 s in each of 8 fault blocks: steps took 53 % longer.";
  verdict.emulated = {"compute (timer-driven accelerator)"};
  verdict.faults = {{"link_flap", "node1", "eth0", "admin", 8, 8, 7, 8, 0, true, {{"carrier_changes", 14.0}}, {}, {}}};
  verdict.expectations = {{"slowdown at least 10 %", true}};
  return verdict;
}

}  // namespace

TEST_CASE("what somebody must mend is said last") {
  Verdict verdict = flap_verdict();
  verdict.reasons = {"NOT REVERTED: link_flap on node1 eth0 may still be in force", "LEFT BEHIND: node2: a qdisc",
                     "odd"};
  const std::string text = terminal_summary(verdict, "runs/x");
  CHECK_THAT(text,
             Catch::Matchers::EndsWith("report.html\nNOT REVERTED: link_flap on node1 eth0 may still be in force\n"
                                       "LEFT BEHIND: node2: a qdisc\n"));
  CHECK_THAT(text, Catch::Matchers::Contains("  note      odd\n"));
}

TEST_CASE("a run on libraries of the tests says FAKE in its first line") {
  Verdict verdict = flap_verdict();
  CHECK_THAT(terminal_summary(verdict, "r"), Catch::Matchers::StartsWith("link_flap: reproduced\n"));
  verdict.emulated = {std::string(kFakeGpus)};
  CHECK_THAT(terminal_summary(verdict, "r"), Catch::Matchers::StartsWith("link_flap: FAKE GPUs, reproduced\n"));
}

TEST_CASE("how punctual the faults were is said where it is known") {
  Verdict verdict = flap_verdict();
  verdict.onset = Lateness{1'200'000, 3'100'000, 3'200'000, 16};
  verdict.end = Lateness{90'000, 95'000, 95'000, 16};
  verdict.skew = Skew{{80'000, 120'000, 120'000, 8}, 40'000};
  const std::string text = terminal_summary(verdict, "r");
  CHECK(text.find("  onset     p50 1.2 ms, p99 3.1 ms, at most 3.2 ms late (16×)\n") != std::string::npos);
  CHECK(text.find("  end       p50 90 µs, p99 95 µs, at most 95 µs late (16×)\n") != std::string::npos);
  CHECK(text.find("  skew      p50 80 µs, p99 120 µs, at most 120 µs, ±40 µs by their clocks between nodes (8×)\n") !=
        std::string::npos);
}

TEST_CASE("an outcome other than completed, reasons and several faults are shown") {
  Verdict verdict = flap_verdict();
  verdict.kind = VerdictKind::not_reproduced;
  verdict.outcome = "rank_death";
  verdict.faults.push_back({"os_noise", "node0", "", "", 8, 8, 8, 8, 0, {}, {}, {}, {}});
  verdict.reasons = {"rank 3 on node1 died"};
  verdict.checks = {
      {"link_up", "node1", 8, 0, 9, 3}, {"link_up", "node0", 8, 0, 9, 0}, {"nic_errors", "node1", 8, 1, 9, 1}};
  verdict.checks[0].p = 0.004, verdict.checks[1].p = 1, verdict.checks[2].p = 0.5;
  const std::string text = terminal_summary(verdict, "r");
  CHECK(text.find("link_flap: not reproduced (rank_death)\n") == 0);
  CHECK(text.find("  evidence  os_noise on node0: applied 8/8") != std::string::npos);
  CHECK(text.find("  note      rank 3 on node1 died\n") != std::string::npos);
  CHECK(text.find(
            "link_up on node1: failed in 3 of 9 readings under the fault, 0 of 8 without: more often (p = 0.004)") !=
        std::string::npos);
  CHECK(text.find("nic_errors on node1: failed in 1 of 9 readings under the fault, 1 of 8 without: not shown to be "
                  "more often (p = 0.50)") != std::string::npos);
  CHECK(text.find("link_up on node0") == std::string::npos);
}

TEST_CASE("of hundreds of faults and checks the terminal shows a few, and how many more there are") {
  Verdict verdict = flap_verdict();
  verdict.faults.resize(1);
  verdict.checks = {};
  for (int i = 1; i < 500; ++i) {
    verdict.faults.push_back(verdict.faults.front());
    verdict.checks.push_back({"link_up", fmt::format("node{}", i), 8, 0, 9, 3});
  }
  const std::string text = terminal_summary(verdict, "r");
  CHECK(std::count(text.begin(), text.end(), '\n') < 50);
  CHECK(text.find("488 more faults") != std::string::npos);
  CHECK(text.find("487 more failed") != std::string::npos);
}

TEST_CASE("no control character of a message reaches the terminal") {
  Verdict verdict = flap_verdict();
  verdict.reasons = {"bad \x1b[31mred\x1b[0m\nforged line"};
  const std::string text = terminal_summary(verdict, "r");
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find("\nforged") == std::string::npos);
}

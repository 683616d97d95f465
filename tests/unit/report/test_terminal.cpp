#include "analysis/report/terminal.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

Verdict flap_verdict() {
  Verdict verdict;
  verdict.scenario = "link_flap";
  verdict.kind = VerdictKind::reproduced;
  verdict.sentence = "node1 eth0 went down for 1 s in each of 8 fault blocks: steps took 53 % longer.";
  verdict.emulated = {"compute (timer-driven accelerator)"};
  verdict.faults = {{"link_flap", "node1", "eth0", "admin", 8, 8, 7, 8, 0, true}};
  verdict.expectations = {{"slowdown at least 10 %", true}};
  return verdict;
}

}  // namespace

TEST_CASE("the terminal shows the verdict, what is emulated, the evidence and the report") {
  CHECK(terminal_summary(flap_verdict(), "runs/link_flap/x") ==
        "link_flap: reproduced\n"
        "  emulated  compute (timer-driven accelerator); everything else is real\n"
        "  node1 eth0 went down for 1 s in each of 8 fault blocks: steps took 53 % longer.\n"
        "  expected  slowdown at least 10 %: met\n"
        "  evidence  applied 8/8, acting 7/8, reverted 8/8 (mechanism: admin)\n"
        "  report    runs/link_flap/x/report.html\n");
}

TEST_CASE("an outcome other than completed, reasons and several faults are shown") {
  Verdict verdict = flap_verdict();
  verdict.kind = VerdictKind::not_reproduced;
  verdict.outcome = "rank_death";
  verdict.faults.push_back({"os_noise", "node0", "", "", 8, 8, 8, 8, 0, {}});
  verdict.reasons = {"rank 3 on node1 died"};
  verdict.checks = {{"link_up", "node1", 8, 0, 9, 3}, {"link_up", "node0", 8, 0, 9, 0}};
  const std::string text = terminal_summary(verdict, "r");
  CHECK(text.find("link_flap: not reproduced (rank_death)\n") == 0);
  CHECK(text.find("  evidence  os_noise on node0: applied 8/8") != std::string::npos);
  CHECK(text.find("  note      rank 3 on node1 died\n") != std::string::npos);
  CHECK(text.find("link_up on node1: failed in 3 of 9 readings under the fault, 0 of 8 without") != std::string::npos);
  CHECK(text.find("link_up on node0") == std::string::npos);
}

TEST_CASE("no control character of a message reaches the terminal") {
  Verdict verdict = flap_verdict();
  verdict.reasons = {"bad \x1b[31mred\x1b[0m\nforged line"};
  const std::string text = terminal_summary(verdict, "r");
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find("\nforged") == std::string::npos);
}

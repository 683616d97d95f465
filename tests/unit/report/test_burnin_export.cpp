#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <sstream>

#include "analysis/report/export/burnin_export.hpp"
#include "harness/base/files.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"
#include "tests/text.hpp"
#include "tests/unit/report/sample_burnin.hpp"

using namespace grit;

namespace {

using test::contains;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

TEST_CASE("nodes.csv of a burn-in has a row a node, and columns that end in their unit") {
  const std::string text = burnin_nodes_csv(test::sample_burnin());
  const std::vector<std::string> lines = lines_of(text);
  REQUIRE(lines.size() == 13);
  CHECK(lines[0] ==
        "node,state,reason,class,group,wrong_results_count,compute_flops_per_s,memory_bytes_per_s,link_loss_share,"
        "link_rate_bits_per_s,link_latency_s,training_own_s\r");
  CHECK(lines[1].starts_with("n01,good,,EPYC 9654,leaf1,0,1.2"));
  CHECK(lines[3].starts_with(
      "n03,bad,\"matrix products 5.1 % slower than 11 peers (4.6 .. 5.6 %): 11.7 GFLOP/s, theirs "));
  CHECK(contains(lines[3], ",EPYC 9654,leaf1,0,1.167e+10,"));
  CHECK(lines[8].starts_with("n08,not_tested,did not answer any more in round links,"));
  CHECK(lines[8].ends_with(",\r"));  // nothing is known of its training
  CHECK(lines[9].starts_with("n09,apart,\"memory bandwidth 14 % lower"));
  CHECK(lines[11].starts_with("n11,suspect,"));
  for (const std::string& line : lines) CHECK(line.ends_with('\r'));
}

TEST_CASE("junit.xml of a burn-in fails where grit's exit code says so") {
  const std::string xml = burnin_junit(test::sample_burnin());
  CHECK(contains(xml, "<testsuite name=\"grit.burnin.quick\" timestamp=\"2026-11-23T08:15:00\""));
  CHECK(contains(xml, "tests=\"15\" failures=\"5\" errors=\"6\" skipped=\"0\" time=\"172.000\""));
  CHECK(contains(xml, "name=\"n01\" time=\"0\"/>"));
  CHECK(contains(xml, "name=\"link n01 to n04: bandwidth of the link\""));
  CHECK(contains(xml, "<failure type=\"failure\" message=\"matrix products 5.1 % slower than 11 peers"));
  CHECK(contains(xml, "<error type=\"error\" message=\"did not answer any more in round links\""));
  for (const auto& [one, outcome] : {std::pair("n09", "error"), std::pair("n12", "error"),
                                     std::pair("link n02 to n07: bandwidth of the link", "error"),
                                     std::pair("group leaf3: bandwidth of the link", "failure")}) {
    CAPTURE(one);
    const auto at = xml.find(fmt::format("name=\"{}\"", one));
    REQUIRE(at != std::string::npos);
    CHECK(xml.substr(xml.find('\n', at), 40).find(fmt::format("<{0} type=\"{0}\"", outcome)) != std::string::npos);
  }
  test::BurninMaker maker(4, 1);
  CHECK(exit_code(maker.report()) == 0);
  CHECK(contains(burnin_junit(maker.report()), "tests=\"4\" failures=\"0\" errors=\"0\""));
  maker.report().nodes[1].state = BurninNodeState::suspect;
  CHECK(exit_code(maker.report()) == 2);
  CHECK(contains(burnin_junit(maker.report()), "tests=\"4\" failures=\"0\" errors=\"1\""));
  maker.report().links = {test::shown_finding("n01", "link_rate", 0.3, "slow")};
  CHECK(exit_code(maker.report()) == 1);
  CHECK(contains(burnin_junit(maker.report()), "tests=\"5\" failures=\"1\" errors=\"1\""));
}

TEST_CASE("only good nodes of a burn-in are in good_hosts, and only bad ones are drained") {
  BurninReport report = test::sample_burnin();
  CHECK(burnin_hosts(report, BurninNodeState::good) == "n01\nn02\nn04\nn07\n");
  CHECK(burnin_hosts(report, BurninNodeState::apart) == "n09\nn10\nn12\n");
  const auto commands = drain_commands(report);
  REQUIRE(commands.size() == 3);
  CHECK(commands[0] == std::vector<std::string>{"scontrol", "update", "NodeName=n03", "State=DRAIN",
                                                "Reason=grit burnin: matrix products 5.1 % slower than 11 peers "
                                                "(4.6 .. 5.6 %): 11.7 GFLOP/s, theirs 12.3 GFLOP/s"});
}

TEST_CASE("a drain reason is one line of printable ASCII without quotes, whatever was found") {
  BurninReport report = test::sample_burnin();
  const auto reason_for = [&](std::string words) {
    report.nodes[2].reason = std::move(words);
    return drain_commands(report)[0].back();
  };
  CHECK(reason_for("disk \"sda\"\n'full' \\ `x`") == "Reason=grit burnin: disk sda full x");
  CHECK(reason_for("−5 %, 3 µs ± 1, gr\xc3\xbc\xc3\x9f\x1b[31m \xff") ==
        "Reason=grit burnin: -5 %, 3 us +- 1, gr?? [31m ?");
  CHECK(reason_for("") == "Reason=grit burnin: bad");
  const std::string cut = reason_for(std::string(5'000, 'x'));
  CHECK(cut.size() == std::string_view("Reason=").size() + 200);
  CHECK(cut.ends_with("..."));
}

TEST_CASE("a name that Slurm or a shell would take for something else is neither drained nor listed") {
  for (const std::string name :
       {"n[01-99]", "n1,n2", "--all", "n1;reboot", "n 1", "n1\nn2", "$(id)", "", "n\xc3\xbc"}) {
    CAPTURE(name);
    BurninReport report = test::sample_burnin();
    report.nodes[0].host = name;
    report.nodes[2].host = name;
    report.nodes[8].host = name;
    CHECK(burnin_hosts(report, BurninNodeState::good) == "n02\nn04\nn07\n");
    CHECK(burnin_hosts(report, BurninNodeState::apart) == "n10\nn12\n");
    CHECK(drain_commands(report).size() == 2);
    const test::TempDirectory directory;
    REQUIRE(write_burnin_files(report, "n02", directory.path()).has_value());
    CHECK(lines_of(read_file(directory.path() / "drain.sh").value()).size() == 7);
  }
}

TEST_CASE("texts from outside stay inside of their fields in a burn-in's files") {
  BurninReport report = test::sample_burnin();
  report.nodes[0].host = "a\",b\r\nc\\\xff<x>&";
  report.nodes[2].reason = "one, \"two\"\nthree]]>";
  const std::vector<std::string> rows = lines_of(burnin_nodes_csv(report));
  REQUIRE(rows.size() == 13);
  CHECK(rows[1].starts_with("\"a\"\",b  c\\\xef\xbf\xbd<x>&\",good,"));
  CHECK(rows[3].starts_with("n03,bad,\"one, \"\"two\"\" three]]>\","));
  const std::string metrics = burnin_openmetrics(report);
  CHECK(contains(metrics, "grit_burnin_node_state{node=\"a\\\",b \\nc\\\\\xef\xbf\xbd<x>&\",state=\"good\"} 1\n"));
  const std::string xml = burnin_junit(report);
  CHECK_FALSE(contains(xml, "<x>"));
  CHECK(contains(xml, "message=\"one, &quot;two&quot;&#10;three]]&gt;"));
}

TEST_CASE("the metrics of a burn-in have each series once") {
  BurninReport report = test::sample_burnin();
  report.nodes[2].findings.push_back(test::shown_finding("n03", "compute", 0.2, "again"));
  report.nodes[0].figures["memory"] = std::nan("");
  const std::vector<std::string> lines = lines_of(burnin_openmetrics(report));
  std::vector<std::string> series;
  for (const std::string& line : lines)
    if (!line.starts_with('#')) series.push_back(line.substr(0, line.rfind(' ')));
  std::sort(series.begin(), series.end());
  CHECK(std::adjacent_find(series.begin(), series.end()) == series.end());
  CHECK(lines.back() == "# EOF");
  CHECK(std::count(lines.begin(), lines.end(), "grit_burnin_node_state{node=\"n09\",state=\"apart\"} 1") == 1);
  CHECK(std::count(lines.begin(), lines.end(), "grit_burnin_worse{node=\"n09\",measure=\"memory\"} 0.14") == 1);
  CHECK(std::count(lines.begin(), lines.end(), "grit_burnin_worse{node=\"n03\",measure=\"compute\"} 0.2") == 1);
  CHECK(std::none_of(lines.begin(), lines.end(), [](const std::string& line) { return line.ends_with("nan"); }));
}

TEST_CASE("a burn-in's files are written together, and written again") {
  const test::TempDirectory directory;
  BurninReport report = test::sample_burnin();
  for (int times = 0; times < 2; ++times) {
    REQUIRE(write_burnin_files(report, "n[01-02,04,07]", directory.path()).has_value());
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path()))
      names.push_back(entry.path().filename().string());
    std::sort(names.begin(), names.end());
    CHECK(names == std::vector<std::string>{"burnin.html", "burnin.json", "drain.sh", "good_hosts", "good_nodelist",
                                            "junit.xml", "metrics.prom", "nodes.csv", "slow_hosts"});
    CHECK(read_file(directory.path() / "good_nodelist").value() == "n[01-02,04,07]\n");
    CHECK(read_file(directory.path() / "slow_hosts").value() == "n09\nn10\nn12\n");
    const std::string script = read_file(directory.path() / "drain.sh").value();
    CHECK(lines_of(script).size() == 9);
    CHECK(contains(script, "\n# set apart, not drained: 3."));
    CHECK(contains(script, "\n# 'scontrol' 'update' 'NodeName=n09' 'State=DRAIN' 'Reason=grit burnin: set apart: mem"));
    CHECK_FALSE(contains(script, "Nothing was done"));  // --apply-drain may have done it
    CHECK(contains(script, "'scontrol' 'update' 'NodeName=n05' 'State=DRAIN' 'Reason=grit burnin: bandwidth"));
    struct ::stat status {};
    REQUIRE(::stat((directory.path() / "drain.sh").c_str(), &status) == 0);
    CHECK((status.st_mode & 0111) == 0111);
    const auto document = parse_json(read_file(directory.path() / "burnin.json").value());
    REQUIRE(document.has_value());
    const auto again = burnin_report_from_json(*document);
    REQUIRE(again.has_value());
    CHECK(burnin_nodes_csv(*again) == burnin_nodes_csv(report));
  }
  std::erase_if(report.nodes, [](const BurninNodeReport& node) { return node.state == BurninNodeState::apart; });
  REQUIRE(write_burnin_files(report, "", directory.path()).has_value());
  CHECK(read_file(directory.path() / "slow_hosts").value().empty());
  CHECK_FALSE(contains(read_file(directory.path() / "drain.sh").value(), "set apart"));
  CHECK(read_file(directory.path() / "good_nodelist").value() == "no-good-node.invalid\n");  // srun refuses it
  CHECK_FALSE(write_burnin_files(report, "", directory.path() / "missing").has_value());
}

TEST_CASE("junit.xml of a burn-in whose fleet is slower than its reference has an error, as the exit code says") {
  test::BurninMaker maker(4, 1);
  maker.report().fleet = {test::shown_finding("", "compute", 0.05, "all are 5 % worse than then"),
                          test::shown_finding("", "check:x", 0, "on most nodes")};
  maker.report().fleet[0].of_reference = true;
  maker.report().fleet[0].group = "EPYC 9654";
  const std::string xml = burnin_junit(maker.report());
  CHECK(exit_code(maker.report()) == 2);
  CHECK(contains(xml, "tests=\"5\" failures=\"0\" errors=\"1\""));
  CHECK(contains(xml, "name=\"fleet of EPYC 9654: matrix products\""));
  CHECK(contains(xml, "<error type=\"error\" message=\"all are 5 % worse than then\""));
}

#include <regex>
#include <set>

#include "analysis/report/page/html.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/page/series_page.hpp"
#include "analysis/report/plots/plots.hpp"
#include "analysis/report/tables/sections.hpp"
#include "tests/catch.hpp"
#include "tests/text.hpp"
#include "tests/unit/report/sample_run.hpp"

using namespace grit;

namespace {

const std::vector<std::string> kPlotIds{"plot-steps", "plot-windows", "plot-pairs", "plot-effects", "plot-phases"};

std::string render(const ReportInput& input) {
  const auto page = render_html(input);
  REQUIRE(page.has_value());
  return *page;
}

using test::contains;

/// The page without what stands inside of script elements.
std::string without_scripts(std::string page) {
  for (auto open = page.find("<script"); open != std::string::npos; open = page.find("<script")) {
    const auto close = page.find("</script>", open);
    REQUIRE(close != std::string::npos);
    page.erase(open, close + 9 - open);
  }
  return page;
}

std::string plot_data(const std::string& page) {
  const std::string start = "<script type=\"application/json\" id=\"plot-data\">";
  const auto from = page.find(start) + start.size();
  return page.substr(from, page.find("</script>", from) - from);
}

/// The text of the elements between two places of the page, tags removed.
std::string body_text(const std::string& page) {
  return std::regex_replace(page.substr(page.find("<body>")), std::regex("<[^>]*>"), "");
}

}  // namespace

TEST_CASE("the emulation sentence follows the parts") {
  Plan plan;
  Verdict verdict;
  CHECK(emulation_sentence(plan, verdict) == "Nothing was emulated: compute, network and faults are real.");
  verdict.emulated = {"compute (timer-driven accelerator)", "fabric"};
  CHECK(emulation_sentence(plan, verdict) ==
        "Compute was emulated (timer-driven accelerator) and fabric was emulated; everything else is real.");
  plan.topology.local_cluster = true;
  plan.topology.nodes.resize(3);
  CHECK(contains(emulation_sentence(plan, verdict), "3 nodes are namespaces of one machine"));
}

TEST_CASE("the page loads nothing and may load nothing") {
  const std::string page = render(test::sample_run());
  const std::string markup = without_scripts(page);
  CHECK_FALSE(std::regex_search(markup, std::regex(R"((src|href|srcset|action|data|poster)\s*=)")));
  CHECK_FALSE(std::regex_search(markup, std::regex(R"(url\(|@import|<(link|iframe|object|embed|img|base)\b)")));
  CHECK(contains(page, "default-src 'none'; script-src 'sha256-"));
  CHECK_FALSE(contains(page, "unsafe-eval"));
  CHECK_FALSE(std::regex_search(markup, std::regex(R"(\son[a-z]+\s*=)")));
  CHECK_FALSE(contains(plot_data(page), "http"));
  CHECK_FALSE(contains(page, "sourceMappingURL"));
}

TEST_CASE("all plots are there, with data, and the page stays small") {
  const std::string page = render(test::sample_run());
  const Json specs = Json::parse(plot_data(page));
  for (const std::string& id : kPlotIds) {
    INFO(id);
    CHECK(contains(page, "<div id=\"" + id + "\" class=\"canvas\">"));
    REQUIRE(specs.contains(id));
    REQUIRE_FALSE(specs.at(id).at("data").empty());
    for (const Json& table : specs.at(id).at("data")) CHECK_FALSE(table.at("values").empty());
  }
  CHECK(page.size() < 2'000'000);
  CHECK(render(test::sample_run(test::SampleFault::gpu_throttle, 2)).size() < 2'000'000);  // some 1600 steps
}

TEST_CASE("the axis is logarithmic for stalls and linear without") {
  const auto scale_type = [](const ReportInput& input) {
    const Json specs = Json::parse(plot_data(render(input)));
    for (const Json& scale : specs.at("plot-steps").at("scales"))
      if (scale.at("name") == "y") return scale.at("type").get<std::string>();
    return std::string();
  };
  CHECK(scale_type(test::sample_run(test::SampleFault::link_flap)) == "log");
  CHECK(scale_type(test::sample_run(test::SampleFault::gpu_throttle)) == "linear");
}

TEST_CASE("evidence: what the counters moved by, how punctual, and what was left behind") {
  auto input = test::sample_run();
  const std::string before = render(input);
  CHECK(contains(before, "none moved"));
  CHECK_FALSE(contains(before, "How punctual they were"));
  CHECK_FALSE(contains(before, "Left behind"));
  FaultResult& fault = input.verdict.faults[0];
  fault.acted = {{"carrier_changes", 16}, {"tx_bytes", 3.2e9}};
  fault.onset = input.verdict.onset = Lateness{1'200'000, 3'100'000, 3'200'000, 16};
  fault.end = input.verdict.end = Lateness{90'000, 95'000, 97'000, 16};
  input.verdict.skew = Skew{{80'000, 120'000, 120'000, 8}, 40'000};
  input.verdict.residue = {{"node1", {"qdiscs: new: eth0 tbf"}}};
  const std::string page = render(input);
  CHECK(contains(page, "carrier_changes +16, tx_bytes +3.2 GB"));
  for (const char* shown :
       {"1.2 ms", "3.1 ms", "97 µs", "120 µs", "lined up to within 40 µs", "Left behind", "qdiscs: new: eth0 tbf"})
    CHECK(contains(page, shown));
}

TEST_CASE("text from the run is escaped wherever it is shown") {
  const std::string evil = "</script><script>alert('x')</script>&\"{{data}}";
  auto input = test::sample_run();
  input.plan.scenario_name = input.plan.summary = evil;
  input.plan.topology.nodes[1].name = evil;
  input.plan.topology.nodes[0].nics[0].role_evidence = evil;
  input.plan.faults[0].name = input.plan.faults[0].device = input.plan.faults[0].mechanism = evil;
  input.plan.options = {{evil, evil}};
  input.plan.guards = {{evil, false, evil}};
  input.plan.emulated = input.verdict.emulated = {evil};
  input.verdict.sentence = input.verdict.outcome = evil;
  input.verdict.reasons = {evil};
  input.verdict.expectations[0].text = evil;
  input.verdict.faults[0].name = input.verdict.faults[0].node = evil;
  input.verdict.faults[0].acted = {{evil, 3}};
  input.verdict.faults[0].onset = Lateness{1, 2, 3, 4};
  input.verdict.residue = {{evil, {evil}}};
  input.verdict.checks[0].name = evil;
  input.verdict.effect->statistic = evil;
  input.run = {{evil, evil}, {"command_line", {evil}}, {"directory", evil}, {"version", evil}};
  input.environments = {{{"hostname", evil}, {evil, {{evil, {evil}}}}}};
  test::edit_events(input, [&](std::vector<Json>& events) {
    for (Json& event : events)
      for (const char* key : {"what", "detail", "why"})
        if (event.contains(key)) event[key] = evil;
  });
  const std::string page = render(input);
  CHECK_FALSE(contains(page, "<script>alert"));
  CHECK_FALSE(contains(without_scripts(page), "alert('x')"));
  CHECK(contains(page, "&lt;/script&gt;&lt;script&gt;alert(&#39;x&#39;)"));
  CHECK(contains(page, "{{data}}"));  // braces in the data are text
  std::size_t scripts = 0;
  for (auto at = page.find("<script"); at != std::string::npos; at = page.find("<script", at + 1)) ++scripts;
  CHECK(scripts == 3);
  CHECK(Json::parse(plot_data(page)).contains("plot-steps"));
}

TEST_CASE("the commands in a report can be pasted into a shell") {
  auto input = test::sample_run();
  input.run["command_line"] = {"grit", "run", "a b.lua", "--set", "text=NVRM: Xid (PCI:0): 79, $(reboot)"};
  input.run["directory"] = "runs of mine/1";
  const std::string page = render(input);
  CHECK(contains(page, "grit run &#39;a b.lua&#39; --set &#39;text=NVRM: Xid (PCI:0): 79, $(reboot)&#39;"));
  CHECK(contains(page, "grit replay &#39;runs of mine/1&#39;"));
}

TEST_CASE("text that is not UTF-8 does not stop the report") {
  auto input = test::sample_run();
  input.plan.topology.nodes[1].name = "n\xff\xfe";
  input.run["scenario"] = "\xc3";
  CHECK(render_html(input).has_value());
}

TEST_CASE("a run that was cut off says what is missing") {
  const std::string text = body_text(without_scripts(render(test::partial_run())));
  CHECK(contains(text, "A rank died during the run. 4 of 17 planned blocks left records"));
  CHECK(contains(text, "There is no effect to state"));
  CHECK(contains(text, "rank 2 on node2 died in block 3"));
  CHECK(contains(text, "cannot tell"));
  CHECK(contains(text, "signal 9 (SIGKILL)"));
  CHECK(contains(text, "No evidence was evaluated"));

  const std::string nothing = render(test::empty_run());
  const std::string missing = body_text(without_scripts(nothing));
  CHECK(contains(missing, "No step was recorded: the run ended before the first step was over"));
  CHECK(contains(missing, "No fault was confirmed as applied"));
  CHECK(contains(missing, "No pair of a baseline and a fault block was measured completely"));
  CHECK(plot_data(nothing) == "{}");
  for (const std::string& id : kPlotIds) CHECK(contains(nothing, "id=\"" + id + "\""));
  CHECK_FALSE(contains(nothing, "class=\"canvas\""));

  CHECK(render_html(ReportInput{}).has_value());
}

TEST_CASE("long runs are thinned out and the page says so") {
  const std::string page = render(test::sample_run(test::SampleFault::gpu_throttle, 40));
  CHECK(contains(page, " steps are drawn: of neighbouring steps the slowest and the fastest."));
  const Json specs = Json::parse(plot_data(page));
  CHECK(specs.at("plot-steps").at("data").at(2).at("values").size() <= kMaxPlottedSteps);
}

TEST_CASE("the page of a large cluster stays small: it lists the ranks and nodes that matter and says so") {
  auto input = test::sample_run();
  const Node last = input.plan.topology.nodes.back();
  for (int i = 4; i < 2000; ++i) {
    Node node = last;
    node.index = i;
    node.name = "node" + std::to_string(i);
    node.ranks = {i};
    input.plan.topology.nodes.push_back(node);
    input.environments.push_back(input.environments.front());
  }
  const std::vector<StepRecord> four = input.records;
  input.records.clear();
  for (const StepRecord& record : four) {
    if (record.rank != 0 || record.step_in_block > 5) continue;
    for (std::uint32_t rank = 0; rank < 2000; ++rank) {
      input.records.push_back(record);
      input.records.back().rank = input.records.back().node = rank;
    }
  }
  input.steps = input.records;
  input.plan.mesh = Mesh::over({{Axis::pp, 20}}, 2000).value();
  for (int i = 4; i < 2000; ++i) {
    input.plan.faults.push_back(input.plan.faults.front());
    input.plan.faults.back().id = i;
    input.verdict.faults.push_back(input.verdict.faults.front());
    input.verdict.checks.push_back({"link_up", "node" + std::to_string(i), 40, 0, 40, 3});
  }
  const std::string page = render(input);
  CHECK(page.size() < 3'000'000);
  CHECK(contains(page, "The first 400 of 1997 are listed"));  // faults
  CHECK(contains(page, "All are in faults.csv"));
  CHECK(contains(page, "All are in checks.csv"));
  CHECK(contains(page, "64 of 2000 nodes are listed"));
  CHECK(contains(page, "The 128 of 2000 ranks whose own work changed most"));
  CHECK(contains(page, "32 of 2000 ranks are drawn"));
  CHECK(contains(page, "and so on: the colours repeat"));
}

TEST_CASE("the mesh is drawn by node, with the roles of the ranks and who has a fault") {
  auto input = test::sample_run();
  CHECK_FALSE(contains(render(input), "How the ranks share the work"));
  input.plan.mesh = Mesh::over({{Axis::tp, 2}, {Axis::pp, 2}}, 4).value();
  input.plan.topology.nodes[2].name = "node2<";
  const std::string page = without_scripts(render(input));
  CHECK(contains(page, "How the ranks share the work"));
  CHECK(contains(page, "tp 2 × pp 2, counted along tp first"));
  CHECK(contains(page,
                 "<th scope=\"col\" class=\"hit\">node1<span>link_flap</span></th><th scope=\"col\">node2&lt;</th>"));
  CHECK(contains(page,
                 "<td class=\"role0\" title=\"rank 1 on node1: tp = 1, pp = 0; stage 0\"><b>1</b> tp 1 · pp 0</td>"));
  CHECK(contains(page, "<td class=\"role1\" title=\"rank 2 on node2&lt;: tp = 0, pp = 1; stage 1\">"));
  CHECK(contains(page, "<span class=\"swatch role1\"></span>stage 1"));
  PlannedFault delay = input.plan.faults.front();
  delay.name = "rank_delay", delay.node = 3, delay.ranks = {{Axis::tp, 1}, {Axis::pp, 1}};
  input.plan.faults.push_back(delay);
  CHECK(contains(without_scripts(render(input)),
                 "<td class=\"role1 hit\" title=\"rank 3 on node3: tp = 1, pp = 1; stage 1; has a fault\">"));
}

TEST_CASE("the commands of the page can be pasted, whatever their words are") {
  auto input = test::sample_run();
  input.run = {
      {"command_line", {"grit", "run", "my scenario.lua", "--set", "text=NVRM: Xid (PCI:0000:81:00.0): it's off"}},
      {"directory", "runs/my scenario"}};
  const std::string page = without_scripts(render(input));
  CHECK(contains(page,
                 escape_html("grit run 'my scenario.lua' --set 'text=NVRM: Xid (PCI:0000:81:00.0): it'\\''s off'")));
  CHECK(contains(page, escape_html("grit replay 'runs/my scenario'")));
  Series series;
  series.scenario = "delay";
  series.command_line = {"grit", "run", "my scenario.lua"};
  series.seed = 7;
  const auto series_page = render_series_html(series, Verdict{});
  REQUIRE(series_page);
  CHECK(contains(*series_page, escape_html("grit run 'my scenario.lua' --seed 7")));
}

TEST_CASE("JSON in a script element cannot end it") {
  const Json value{{"a</script>", "<!--"}};
  const std::string text = json_for_script(value);
  CHECK(text.find('<') == std::string::npos);
  CHECK(Json::parse(text) == value);
}

TEST_CASE("who it was: the suspects as a table, and the plots that show it") {
  auto input = test::sample_run(test::SampleFault::gpu_throttle);
  CHECK_FALSE(contains(render(input), "Who was it"));
  input.verdict.culprit = Culprit{true,
                                  "node1, compute, explains 97 % of the loss",
                                  {{.node = 1,
                                    .rank = 1,
                                    .node_name = "node1<",
                                    .phase = "forward",
                                    .resource = "compute",
                                    .excess_ns = 9e6,
                                    .share_explained = 0.97,
                                    .why = "its own work grew"}}};
  const std::string page = render(input);
  CHECK(contains(page, "Who was it"));
  CHECK(contains(page, "node1, compute, explains 97 % of the loss"));
  CHECK(contains(page, "node1&lt;, rank 1"));
  const Json specs = Json::parse(plot_data(page));
  for (const char* id : {"plot-own-work", "plot-arrivals"}) {
    REQUIRE(specs.contains(id));
    REQUIRE_FALSE(specs.at(id).at("data").empty());
    for (const Json& table : specs.at(id).at("data")) CHECK_FALSE(table.at("values").empty());
  }
  CHECK_FALSE(specs.contains("plot-links"));
  CHECK(page.size() < 2'000'000);
  input.links.emplace();
  for (const char* kind : {"link_baseline", "link_fault"})
    input.links->append({{"block", 1},
                         {"kind", kind},
                         {"a", 0},
                         {"b", 1},
                         {"latency_ns", {{"min", 4e4}, {"median", 5e4}, {"max", 9e4}}},
                         {"bits_per_s", 1e9}});
  CHECK(Json::parse(plot_data(render(input))).contains("plot-links"));
}

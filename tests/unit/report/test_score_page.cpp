#include <fmt/format.h>

#include <algorithm>
#include <regex>

#include "analysis/report/export/csv.hpp"
#include "analysis/report/export/score_json.hpp"
#include "analysis/report/page/html_writer.hpp"
#include "analysis/report/page/score_page.hpp"
#include "analysis/report/text/score_text.hpp"
#include "harness/base/files.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"
#include "tests/text.hpp"
#include "tests/unit/report/sample_score.hpp"

using namespace grit;

namespace {

std::string score_page_of(const ScoreInput& input, const std::optional<DemandResult>& demand = std::nullopt) {
  const auto page = render_score_html(input, score(input), demand);
  REQUIRE(page.has_value());
  return *page;
}

using test::contains;

using test::markup_of;

/// The matrix's row of a kind of damage, from its name on.
std::string row_of(const std::string& page, const std::string& damage) {
  const auto from = page.find("<th scope=\"row\">" + damage + " <span");
  REQUIRE(from != std::string::npos);
  return page.substr(from, page.find("</tr>", from) - from);
}

}  // namespace

TEST_CASE("the page of a scorecard says first what was missed, the costliest first") {
  const std::string page = score_page_of(test::sample_score());
  const auto missed = page.find("Missed: it made training slower, and no check is credited for it (3 of 12)");
  REQUIRE(missed != std::string::npos);
  CHECK(missed < page.find("What notices what"));
  const auto delay = page.find("link_delay 2 ms", missed), rank = page.find("rank_delay 20 ms", missed);
  CHECK(delay < rank);
  CHECK(rank < page.find("What notices what"));
  CHECK(contains(page, "noticed 0 of 10") == false);
  CHECK(contains(page, "0 of 10 (at most 31 %)"));
  CHECK(contains(page, "the right node in"));
  CHECK(contains(page, "With 10 such kinds, up to 22 % of scorecards say it of some."));
}

TEST_CASE("the matrix shows number and colour, and hatches what is no more than chance") {
  const std::string page = score_page_of(test::sample_score());
  CHECK(contains(row_of(page, "link_flap 1 s"), ">100</td>"));
  CHECK(contains(row_of(page, "link_flap 1 s"), "class=\"r10\""));
  CHECK(contains(row_of(page, "link_flap 1 s"), "class=\"odd\""));  // check_swap was on before
  CHECK(contains(row_of(page, "link_flap 1 s"), ">!</td>"));
  CHECK(contains(row_of(page, "link_delay 2 ms"), "class=\"any lost\""));
  CHECK(contains(row_of(page, "clock_skew 50 ms"), "title=\"never acted (2 injections)\">of 8, 2 not proven<"));
  CHECK(contains(page, "class=\"chance"));
  CHECK(contains(page, ">always</td>"));
  CHECK(contains(page, "no GPU on any node"));
}

TEST_CASE("a check that no node could read has no column, and stands below the matrix once, with the reason") {
  ScoreInput input = test::sample_score();
  const Scorecard card = score(input);
  const std::string page = markup_of(score_page_of(input));
  const std::string matrix =
      page.substr(page.find("What notices what"), page.find("The smallest set") - page.find("What notices what"));
  CHECK_FALSE(contains(matrix, "<div>site_script</div>"));
  CHECK_FALSE(contains(matrix, "<div>gpu_ecc</div>"));
  CHECK_FALSE(contains(matrix, ">?</td>"));
  CHECK(contains(matrix, "<div>check_swap</div>"));
  CHECK(contains(page, "4 nodes, 13 checks (2 could not look here), 14 kinds of damage"));
  CHECK(contains(matrix, "could not look here: site_script (exit code 127)"));
  const std::string once = "could not look here: gpu_ecc (no GPU on any node)";
  CHECK(page.find(once) == page.rfind(once));
  CHECK_FALSE(contains(page, "<b>gpu_ecc</b>"));  // of the checks that say nothing here
  const std::string text = score_text(input, card, std::nullopt, "");
  CHECK(contains(text, "odd       could not look here: gpu_ecc (no GPU on any node)\n"));
  CHECK_FALSE(contains(text, "cannot be read"));
  CHECK(to_json(input, card).at("checks").at(12).at("name") == "gpu_ecc");
  CHECK(to_json(input, card).at("results").size() == 13 * 14);

  // One reading on one node that told something, before all that was injected: it could look, and then could not.
  input.changes.insert(input.changes.begin(), {12, 3, "gpu0", 1, CheckStatus::ok});
  CHECK(contains(score_page_of(input), "<div>gpu_ecc</div>"));
  CHECK(contains(row_of(score_page_of(input), "link_flap 1 s"), ">?</td>"));
  CHECK_FALSE(contains(score_page_of(input), once));
}

TEST_CASE("damage of which no injection is proven has the reason in its row, and no figures") {
  ScoreInput input = test::sample_score();
  for (ScoreSlot& slot : input.slots)
    if (slot.cell == 11 && !slot.sham) slot.unproven = slot.round < 4 ? "not applied: <no clock>" : "never acted";
  const Scorecard card = score(input);
  const std::string page = score_page_of(input);
  // Steps, 11 checks and the gap between them, a gap and any check.
  CHECK(contains(page,
                 "<tr><th scope=\"row\">clock_skew 50 ms</th><td class=\"unproven\" colspan=\"15\">never acted (6 "
                 "injections); not applied: &lt;no clock&gt; (4 injections)</td></tr>"));
  const std::string text = score_text(input, card, std::nullopt, "");
  CHECK(contains(text,
                 "unproven  clock_skew 50 ms: never acted (6 injections); not applied: <no clock> (4 injections)\n"));
  CHECK_FALSE(contains(text, "not shown clock_skew"));
  const Json cell = to_json(input, card).at("cells").at(11);
  CHECK(cell.at("injections") == 0);
  CHECK(cell.at("not_applied") == 10);
}

TEST_CASE("a demand stands in the headline") {
  const ScoreInput input = test::sample_score();
  const Scorecard card = score(input);
  const std::string page = score_page_of(input, demand_recall(input, card, 0.9));
  CHECK(contains(page, "<span class=\"badge bad\">not as asked</span>"));
  CHECK(contains(page, "asked are 90 %"));
  CHECK_FALSE(contains(score_page_of(input), "asked"));
}

TEST_CASE("the page of a scorecard loads nothing, and its texts are escaped") {
  const std::string evil = "</script><script>alert('x')</script>&\"{{data}}";
  ScoreInput input = test::sample_score(4);
  input.origin = {evil, evil, 1, evil};
  for (ScoredCheck& check : input.checks) check.name += evil, check.kind = evil;
  input.checks[0].unproven = input.checks[12].unknown = evil;
  for (ScoreSlot& slot : input.slots)
    if (slot.cell < 2 && !slot.sham && (slot.cell == 0 || slot.round == 0)) slot.unproven = evil;
  for (DamageCell& cell : input.cells)
    cell.fault += evil, cell.magnitude += evil, cell.mechanism = evil, cell.unit += evil;
  const std::string page = score_page_of(input);
  CHECK_FALSE(contains(page, "<script>alert"));
  CHECK_FALSE(contains(markup_of(page), "alert('x')"));
  CHECK(contains(page, "&lt;/script&gt;&lt;script&gt;alert(&#39;x&#39;)"));
  const std::string markup = markup_of(score_page_of(test::sample_score()));
  CHECK_FALSE(std::regex_search(markup, std::regex(R"((src|href|srcset|action|data|poster)\s*=)")));
  CHECK_FALSE(std::regex_search(markup, std::regex(R"(url\(|@import|<(link|iframe|object|embed|img|base)\b)")));
  CHECK_FALSE(std::regex_search(markup, std::regex(R"(\son[a-z]+\s*=)")));
}

TEST_CASE("of very many kinds of damage a fault has one row, and the rest is folded away") {
  ScoreInput input = test::sample_score(5);
  const std::vector<DamageCell> once = input.cells;
  for (int times = 0; times < 3; ++times)
    for (DamageCell cell : once) {
      cell.magnitude += fmt::format(" again {}", times);
      input.cells.push_back(cell);
    }
  const std::string page = score_page_of(input);
  CHECK(contains(page, "All 56 kinds of damage"));
  CHECK(contains(page, "Of each fault the magnitude that is found least."));
}

TEST_CASE("a scorecard without anything is a page, too") {
  CHECK(contains(score_page_of({}), "no harm was shown"));
  ScoreInput input = test::sample_score(1);
  input.slots.clear();
  CHECK(contains(score_page_of(input), "No check is credited for anything"));
}

TEST_CASE("what was injected too seldom is not said to be noticed, or missed") {
  ScoreInput input = test::sample_score();
  std::erase_if(input.slots, [](const ScoreSlot& slot) { return !slot.sham && slot.cell == 6 && slot.round > 2; });
  CHECK(contains(score_page_of(input),
                 "9 were noticed by some check and 2 missed; of 1 there were too few injections to say so."));
}

TEST_CASE("what nearly all injections of were noticed is not missed, though no check is credited for it") {
  testing::ScoreMaker maker(std::vector<std::string>(8, "check"), std::vector<std::string>(4, "link_down"), 1);
  maker.begins_well();
  for (int i = 0; i < 6; ++i) {
    const double onset = maker.slot(0);
    maker.slot(0, true);
    if (i > 0) maker.alarms(onset + 1, onset + 2);
  }
  maker.input().cells[0].magnitude = "1 s";
  maker.input().cells[0].step_times = testing::slower_by(0.3);
  const std::string page = score_page_of(maker.input());
  CHECK(contains(row_of(page, "link_down 1 s"), "class=\"any chance\""));
  CHECK(contains(row_of(page, "link_down 1 s"), "no check is credited; noticed by any: 5 of 6 (36 .. 100 %)"));
  CHECK(contains(page, "0 were noticed by some check and 0 missed; of 1 there were too few injections to say so."));
  CHECK_FALSE(contains(page, "Missed: it made training slower"));
  CHECK(contains(score_text(maker.input(), score(maker.input()), std::nullopt, ""),
                 "not shown link_down: no check credited: noticed 5 of 6 injections (at most 100 %)\n"));
}

TEST_CASE("a cluster that was used for several runs has no more nodes for that") {
  ScoreInput input = test::sample_score();
  const std::vector<ScoredNode> again = input.nodes;
  input.nodes.insert(input.nodes.end(), again.begin(), again.end());
  CHECK(contains(score_page_of(input), "scorecard: 4 nodes, "));
  CHECK(to_json(input, score(input)).at("design").at("nodes") == 4);
}

TEST_CASE("score.csv has a row for each check and each kind of damage") {
  const ScoreInput input = test::sample_score();
  const Scorecard card = score(input);
  const test::TempDirectory directory;
  REQUIRE(write_csv(input, card, directory.path() / "score.csv").has_value());
  const std::string text = read_file(directory.path() / "score.csv").value();
  CHECK(std::count(text.begin(), text.end(), '\n') == 1 + 13 * 14);
  CHECK(contains(text, "check,fault,magnitude,mechanism,found,of,recall,low,high,credited,p,"));
  CHECK(contains(text, "link_up,link_flap,1 s,kernel,10,10,1,0.691503,1,1,"));
  CHECK(contains(text, "check_swap,link_flap,1 s,kernel,0,10,0,0,0.308497,0,1,0,10,0,"));
}

TEST_CASE("score.json holds what the page shows, with null for what is not known") {
  const ScoreInput input = test::sample_score();
  const Json json = to_json(input, score(input));
  CHECK(json.at("design").at("rounds") == 10);
  CHECK(json.at("results").size() == 13 * 14);
  CHECK(json.at("missed").at(0).at("fault") == "link_delay");
  CHECK(json.at("a90").at(0).at("fault") == "link_flap");
  CHECK(json.at("a90").at(0).at("hurts_from") == 0.1);
  CHECK(json.at("a90").at(0).at("hurts_at_least") == true);
  const Json& swap = json.at("checks").at(9);
  CHECK(swap.at("name") == "check_swap");
  CHECK(swap.at("false_alarms").at("high").is_null());
  CHECK(swap.at("false_alarms").at("on_share") == 1);
  CHECK_FALSE(contains(json_text(json), "Infinity"));
}

TEST_CASE("the terminal shows what was missed, and a line for each fault") {
  const ScoreInput input = test::sample_score();
  const std::string text = score_text(input, score(input), std::nullopt, "score.html");
  CHECK(text.starts_with("Of 12 kinds of damage that made steps longer, 9 were noticed by some check and 3 missed.\n"));
  CHECK(contains(text, "MISSED    link_delay 2 ms: steps +31.1 %"));
  CHECK(
      contains(text,
               "found     link_loss: 10 % to 100 % by kind, of 30 injections, by tcp_retransmissions, check_ping; the "
               "worst kind, link_loss 0.1 %: noticed 1 of 10 (0 .. 45 %), no check credited\n"));
  CHECK(contains(text, "found     link_mtu: 100 % of 10 injections (69 .. 100 %), by link_settings\n"));
  CHECK(contains(text, "not shown link_delay: no check credited: noticed 0 of 10 injections (at most 31 %)\n"));
  CHECK(contains(text, "odd       always on: check_swap\n"));
  CHECK(contains(text, "page      score.html\n"));
  CHECK_FALSE(contains(text, "asked"));
}

TEST_CASE("damage that was asked for and not done is on the page, in score.json, in score.csv and on the terminal") {
  ScoreInput input = test::sample_score();
  input.cells[0].damages = std::vector<std::string>{"flap", "short_flap"};
  input.not_run = {{"irq_misplaced", "not run here", "all NICs are \"virtual\""}, {"flood", "failed", "a <hang>"}};
  const Scorecard card = score(input);
  CHECK(contains(score_page_of(input), "<li><b>flood</b>: failed: a &lt;hang&gt;</li>"));
  const Json json = to_json(input, card);
  CHECK(json.at("not_run").size() == 2);
  CHECK(json.at("cells").at(0).at("damages") == Json(input.cells[0].damages));
  CHECK(json.at("cells").at(1).at("damages") == Json::array());
  CHECK(json.at("not_run").at(0).at("reason") == "all NICs are \"virtual\"");
  const test::TempDirectory directory;
  REQUIRE(write_csv(input, card, directory.path() / "score.csv").has_value());
  const std::string text = read_file(directory.path() / "score.csv").value();
  const auto line = text.find("\n,,,,0,0,");
  REQUIRE(line != std::string::npos);
  const std::string row = text.substr(line + 1, text.find('\n', line + 1) - line - 1);
  CHECK(contains(row, ",irq_misplaced,\"not run here"));
  CHECK(contains(text, ",140,flap;short_flap,\r\n"));
  CHECK(contains(text, ",140,,\r\n"));
  CHECK(row.ends_with(",\"not run here: all NICs are \"\"virtual\"\"\"\r"));
  CHECK(std::count(row.begin(), row.end(), ',') == std::count(text.begin(), text.begin() + text.find('\n'), ','));
  const std::string said = score_text(input, card, std::nullopt, "score.html");
  CHECK(contains(said, "FAILED    flood: a <hang>\n"));
  CHECK(contains(said, "not run   irq_misplaced: all NICs are"));
}

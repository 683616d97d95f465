// What a scorecard gives to read, to people and to programs.
#include "analysis/report/export/score_json.hpp"
#include "analysis/report/page/score_page.hpp"
#include "analysis/report/text/score_text.hpp"
#include "tests/catch.hpp"
#include "tests/unit/report/sample_score.hpp"
#include "tests/virtual/snapshot.hpp"

using namespace grit;

TEST_CASE("a scorecard's page", "[snapshot]") {
  const ScoreInput input = test::sample_score();
  const Scorecard card = score(input);
  const auto page = render_score_html(input, card, demand_recall(input, card, 0.9));
  REQUIRE(page.has_value());
  test::check_snapshot("score/terminal.txt",
                       score_text(input, card, demand_recall(input, card, 0.9), "score/score.html"));
  test::check_snapshot("score/page.txt", test::visible_text(*page));
}

TEST_CASE("a scorecard's figures", "[snapshot]") {
  testing::ScoreMaker maker({"link_up", "swap"}, {}, 2);
  maker.begins_well().says(1, CheckStatus::critical, 1, 0).says(1, CheckStatus::critical, 1, 1);
  for (const double dose : {0.1, 2.0, 10.0}) {
    DamageCell& cell = maker.input().cells.emplace_back();
    cell.fault = "link_down", cell.magnitude = dose < 1 ? "100 ms" : dose < 5 ? "2 s" : "10 s";
    cell.mechanism = "carrier", cell.unit = "s", cell.dose = dose;
    if (dose < 5) cell.step_times = testing::slower_by(dose / 2);
  }
  for (int round = 0; round < 8; ++round)
    for (int cell = 0; cell < 3; ++cell) {
      const double onset = maker.slot(cell, false, round % 2, round);
      if (cell > 0) maker.alarms(onset + 0.5 + 0.1 * round, onset + 2, 0, round % 2);
      maker.slot(cell, true, (round + 1) % 2, round);
    }
  maker.input().checks[1].unproven = "there is no swap here";
  test::check_snapshot("score/score.json", test::snapshot_json(to_json(maker.input(), score(maker.input()))));
}

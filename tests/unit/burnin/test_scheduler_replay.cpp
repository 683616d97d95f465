#include "tests/catch.hpp"
#include "tests/unit/burnin/fake_nodes.hpp"

namespace grit {

TEST_CASE("the results so far, taken by a new scheduler, are followed by the same cells", "[burnin]") {
  const auto setup = [] {
    BurninSetup made = fake_setup(7, {facts_round(), compute_round(2), links_round(), group_round({2, 0}, 1)}, 3);
    made.config.cycles = 2;
    made.seed = 11;
    return made;
  };
  const FakeNodes nodes{.compute = {{"n02", 70}}, .link = {{"n06", 50}}, .dies_after = {{"n04", 5}}};
  FakeBurnin whole(setup(), nodes);
  whole.run();
  REQUIRE(whole.wrong.empty());
  REQUIRE(whole.results.size() > 50);
  for (std::size_t prefix = 0; prefix <= whole.results.size(); prefix += 1 + prefix % 5) {
    BurninScheduler again(setup(), judge_fakes);
    std::vector<std::string> ids;
    std::map<std::string, BurninNodeState> states;
    const auto note = [&] {
      for (const BurninCell& cell : again.next()) ids.push_back(cell.id);
    };
    note();
    for (std::size_t i = 0; i < whole.results.size(); ++i) {
      if (i ==
          prefix) {  // a resumed burn-in runs again what was running: in what order that ends is of no account here
        const auto all = whole.ids();
        REQUIRE(ids.size() <= all.size());
        REQUIRE(std::equal(ids.begin(), ids.end(), all.begin()));
      }
      for (const BurninChange& change : again.take(whole.results[i])) states[change.host] = change.to;
      note();
    }
    CHECK(ids == whole.ids());
    CHECK(states == whole.states);
  }
}

TEST_CASE("a result goes through the log's JSON without changing what follows", "[burnin]") {
  const FakeNodes nodes{.link = {{"n01", 50}}, .dies_after = {{"n03", 4}}};
  const auto setup = fake_setup(6, {facts_round(), links_round()}, 2);
  FakeBurnin whole(setup, nodes);
  whole.run();
  BurninScheduler again(setup, judge_fakes);
  (void)again.next();
  for (const BurninCellResult& result : whole.results) {
    const auto read = burnin_cell_result_from_json(*parse_json(*exact_json_text(to_json(result))));
    REQUIRE(read);
    again.take(*read);
    (void)again.next();
  }
  CHECK(again.done());
  CHECK(to_json(again.report()) == to_json(whole.report()));
}

}  // namespace grit

#include "harness/run/node_facts.hpp"
#include "tests/catch.hpp"

using namespace grit;

namespace {

Fact fact(std::string topic, std::string value, std::string problem = "", bool fatal = false) {
  return {.topic = std::move(topic), .value = value, .compared = value, .problem = std::move(problem), .fatal = fatal};
}

}  // namespace

TEST_CASE("the node that is unlike most others is marked, and where there is no majority all are") {
  const std::vector<NodeFacts> nodes{{"n0", {fact("clock", "free"), fact("NICs", "a")}},
                                     {"n1", {fact("clock", "chronyd"), fact("NICs", "b")}},
                                     {"n2", {fact("clock", "free"), fact("NICs", "c")}}};
  const auto unlike = unlike_most(nodes);
  CHECK(unlike == std::vector<std::vector<bool>>{{false, true}, {true, true}, {false, true}});
  CHECK(run_would_work(nodes));
  const std::string table = facts_table(nodes);
  CHECK(table.find("n1    chronyd *") != std::string::npos);
  CHECK(table.find("n0    free       a *") != std::string::npos);
  CHECK(facts_json(nodes)["nodes"][1]["facts"][0]["differs"] == true);
  CHECK(facts_json(nodes)["ok"] == true);
}

TEST_CASE("what keeps a run from starting is marked, and said once when all nodes have it") {
  const std::vector<NodeFacts> nodes{
      {"n0", {fact("journal", "ok"), fact("irqbalance", "runs", "stop it")}},
      {"n1", {fact("journal", "not writable", "choose another", true), fact("irqbalance", "runs", "stop it")}}};
  CHECK_FALSE(run_would_work(nodes));
  const std::string table = facts_table(nodes);
  CHECK(table.find("not writable * !") != std::string::npos);
  CHECK(table.find("n1: journal: choose another") != std::string::npos);
  CHECK(table.find("all nodes: irqbalance: stop it") != std::string::npos);
  CHECK(facts_json(nodes)["ok"] == false);
}

TEST_CASE("this machine has all facts") {
  const NodeFacts here = facts_of_this_node();
  CHECK_FALSE(here.node.empty());
  CHECK(here.facts.size() >= 8);
  for (const Fact& one : here.facts) {
    CHECK_FALSE(one.value.empty());
    CHECK((!one.fatal || !one.problem.empty()));
  }
}

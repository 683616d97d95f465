#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

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

TEST_CASE("faults come off a job that is killed by the agent, its heir, or nobody") {
  const std::string job = "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n", out = "0::/\n";
  const std::filesystem::path journals = "/proc";  // no container's own file system
  CHECK(outlives_the_job(out, out, journals).value == "yes");
  const Fact heir = outlives_the_job(job, out, journals);
  CHECK(heir.value == "its heir does");
  CHECK(heir.problem.empty());
  const Fact nobody = outlives_the_job(job, job, journals);
  CHECK(nobody.value == "no");
  CHECK(nobody.problem.find("epilog") != std::string::npos);
  CHECK(outlives_the_job(job, "", journals).value == "?");
}

TEST_CASE("a port is looked at on this machine alone, too") {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::listen(listener, 1) == 0);
  socklen_t length = sizeof address;
  REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) == 0);
  const int port = ntohs(address.sin_port);
  const Fact taken = port_here(port);
  CHECK(taken.fatal);
  CHECK_FALSE(taken.problem.empty());
  ::close(listener);
  const Fact free = port_here(port);
  if (free.fatal) {  // the machine has no address that other nodes could try
    CHECK(free.problem.find("address") != std::string::npos);
  } else {
    CHECK(free.value.find(std::to_string(port) + " is free") != std::string::npos);
  }
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

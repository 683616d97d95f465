// Which switch a host is on.
#include "harness/cluster/host_list.hpp"
#include "tests/catch.hpp"

using Groups = std::map<std::string, std::string>;

namespace {

std::string refusal_of_groups(const std::string& text) {
  const auto groups = grit::parse_topology_groups(text);
  REQUIRE_FALSE(groups.has_value());
  CHECK(groups.error().kind == grit::ErrorKind::usage);
  return groups.error().message;
}

}  // namespace

TEST_CASE("the switches of a Slurm topology that have nodes are the groups") {
  const auto groups = grit::parse_topology_groups(
      "# two leaves\nSwitchName=leaf1 Nodes=n[1-2]\nswitchname=leaf2 nodes=n3,n4 LinkSpeed=100\n"
      "SwitchName=spine Switches=leaf[1-2]\n");
  REQUIRE(groups.has_value());
  CHECK(*groups == Groups{{"n1", "leaf1"}, {"n2", "leaf1"}, {"n3", "leaf2"}, {"n4", "leaf2"}});
}

TEST_CASE("a file of groups and their hosts is read too") {
  const auto groups = grit::parse_topology_groups("rack1 n[1-2]\n\nrack2 n3 # alone\nrack1 n4\n");
  REQUIRE(groups.has_value());
  CHECK(*groups == Groups{{"n1", "rack1"}, {"n2", "rack1"}, {"n3", "rack2"}, {"n4", "rack1"}});
  CHECK(grit::parse_topology_groups("").value().empty());
}

TEST_CASE("what is wrong in a topology is named by its line") {
  using Catch::Contains;
  CHECK_THAT(refusal_of_groups("rack1 n1\nrack2\n"), Contains("line 2"));
  CHECK_THAT(refusal_of_groups("rack1 n1 n2\n"), Contains("line 1"));
  CHECK_THAT(refusal_of_groups("Nodes=n1\n"), Contains("line 1") && Contains("SwitchName"));
  CHECK_THAT(refusal_of_groups("rack1 n[1\n"), Contains("line 1") && Contains("not closed"));
  CHECK_THAT(refusal_of_groups("rack1 n1\nrack2 n1\n"), Contains("line 2") && Contains("rack1"));
}

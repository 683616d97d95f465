// What --apply-drain makes of bad nodes, with a shell script in scontrol's place.
#include <fmt/format.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "harness/base/files.hpp"
#include "harness/burnin/drain.hpp"
#include "tests/catch.hpp"
#include "tests/environment_variable.hpp"
#include "tests/temp_directory.hpp"

namespace grit {
namespace {

/// PATH with a directory of the test's before all others.
std::string path_with(const std::filesystem::path& directory) {
  const char* before = ::getenv("PATH");
  return fmt::format("{}:{}", directory.string(), before == nullptr ? "" : before);
}

}  // namespace

TEST_CASE("a node that cannot be drained keeps no other from it, and one that is drained or set apart is left alone",
          "[burnin]") {
  const test::TempDirectory place;
  const auto scontrol = place.path() / "scontrol", asked = place.path() / "asked";
  std::ofstream(scontrol) << "#!/bin/sh\n"
                             "case \"$*\" in\n"
                             "  'show node n2') echo NodeName=n2 State=IDLE+DRAIN ThreadsPerCore=1 ;;\n"
                             "  'show node '*) echo NodeName=$3 State=IDLE ThreadsPerCore=1 ;;\n"
                             "  *NodeName=n1*) echo no permission >&2; exit 1 ;;\n"
                             "  *) echo \"$2\" \"$3\" >>"
                          << asked.string() << " ;;\nesac\n";
  std::filesystem::permissions(scontrol, std::filesystem::perms(0755));
  BurninReport report;
  for (const char* host : {"n0", "n1", "n2", "n3", "n4"})
    report.nodes.push_back({.host = host, .state = BurninNodeState::bad, .reason = "slow"});
  report.nodes[0].state = BurninNodeState::good;
  report.nodes[4].state = BurninNodeState::apart;
  const test::EnvironmentVariable path("PATH", path_with(place.path()).c_str());
  drain_bad_nodes(report);
  CHECK(read_file(asked).value_or("") == "NodeName=n3 State=DRAIN\n");
}

}  // namespace grit

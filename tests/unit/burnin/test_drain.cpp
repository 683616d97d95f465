// What --apply-drain makes of bad nodes, with a shell script in scontrol's place.
#include <fmt/format.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "harness/base/files.hpp"
#include "harness/burnin/drain.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

namespace grit {
namespace {

/// PATH begins with a directory of the test's, until the object goes.
class OwnPath {
 public:
  explicit OwnPath(const std::filesystem::path& directory) {
    if (const char* path = ::getenv("PATH")) before_ = path;
    ::setenv("PATH", fmt::format("{}:{}", directory.string(), before_).c_str(), 1);
  }
  OwnPath(const OwnPath&) = delete;
  OwnPath& operator=(const OwnPath&) = delete;
  ~OwnPath() { ::setenv("PATH", before_.c_str(), 1); }

 private:
  std::string before_{};
};

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
  const OwnPath path(place.path());
  drain_bad_nodes(report);
  CHECK(read_file(asked).value_or("") == "NodeName=n3 State=DRAIN\n");
}

}  // namespace grit

// Who takes off what faults changed of the whole machine says whether that could be done.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "harness/run/cluster_keeper.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

TEST_CASE("the cluster's keeper says when something may be left of the machine's") {
  const grit::test::TempDirectory directory;
  REQUIRE(::chmod(directory.path().c_str(), 0700) == 0);
  const auto end = [&] {
    auto keeper = grit::ClusterKeeper::start(directory.path());
    REQUIRE(keeper);
    return keeper->end();
  };
  CHECK(end());
  const auto journal = directory.path() / "a.jsonl";
  std::ofstream(journal).close();
  REQUIRE(::chmod(journal.c_str(), 0666) == 0);  // others could have written it: nothing in it is acted upon
  CHECK_FALSE(end());
}

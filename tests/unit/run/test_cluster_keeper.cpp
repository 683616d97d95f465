// Who takes off what faults changed of the whole machine says whether that could be done.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "harness/run/cluster_keeper.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

TEST_CASE("the cluster's keeper says when something may be left of the machine's") {
  const grit::test::TempDirectory directory;
  REQUIRE(::chmod(directory.path().c_str(), 0700) == 0);
  const auto end = [&] {
    auto keeper = grit::ClusterKeeper::start(directory.path(), {});
    REQUIRE(keeper);
    return keeper->end();
  };
  CHECK(end());
  const auto journal = directory.path() / "a.jsonl";
  std::ofstream(journal).close();
  REQUIRE(::chmod(journal.c_str(), 0666) == 0);  // others could have written it: nothing in it is acted upon
  CHECK_FALSE(end());
}

TEST_CASE("the cluster's keeper removes the checkpoints of a run whose grit died, and no others") {
  const grit::test::TempDirectory directory;
  REQUIRE(::chmod(directory.path().c_str(), 0700) == 0);
  const auto journals = directory.path() / "journal", checkpoints = directory.path() / "checkpoints";
  std::filesystem::create_directory(checkpoints);
  std::ofstream(checkpoints / "rank0.0") << "a part";
  {
    auto keeper = grit::ClusterKeeper::start(journals, checkpoints);
    REQUIRE(keeper);
    CHECK(keeper->end());
  }
  CHECK(std::filesystem::exists(checkpoints / "rank0.0"));  // another attempt may go on from it

  const pid_t pid = ::fork();
  if (pid == 0) {
    const auto keeper = grit::ClusterKeeper::start(journals, checkpoints);
    ::_exit(keeper ? 0 : 1);  // without a word to it
  }
  int status = -1;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  REQUIRE(status == 0);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (std::filesystem::exists(checkpoints) && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  CHECK_FALSE(std::filesystem::exists(checkpoints));
}

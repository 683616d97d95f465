#include <sys/mman.h>
#include <sys/resource.h>

#include <fstream>
#include <string>

#include "harness/agent/own_place.hpp"
#include "harness/os/cpus.hpp"
#include "tests/catch.hpp"
#include "tests/unit/record/support.hpp"

namespace grit {
namespace {

using Catch::Matchers::Contains;

TEST_CASE("an agent in a batch job's control group warns of it, and names what closes the gap") {
  const test::TempDirectory directory;
  const auto warnings = [&](std::string_view cgroups) {
    return ends_with_the_job(cgroups, directory.path() / "not" / "made");
  };
  CHECK(warnings("0::/user.slice/user-0.slice/session-1.scope\n").empty());
  CHECK(warnings("0::/\n").empty());
  for (const char* group :
       {"4:memory:/slurm/uid_0/job_7/step_0/task_0\n", "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n",
        "0::/kubepods/burstable/pod1/2\n"}) {
    const auto found = warnings(group);
    REQUIRE(found.size() == 1);
    CHECK_THAT(found[0], Contains("grit revert"));
  }
}

/// In a child: affinity and limits are the process's own.
std::string stay_off() {
  const auto allowed = allowed_cpus();
  if (!allowed || allowed->size() < 2) return "";
  const pid_t rank = ::fork();
  if (rank == 0) {
    ::pause();
    ::_exit(0);
  }
  std::string wrong;
  if (!set_affinity_of_thread(rank, {allowed->front()})) wrong = "cannot bind";
  if (!set_affinity_of_thread(0, {allowed->front()})) wrong = "cannot bind";  // as the launcher bound it
  if (!leave_ranks_their_cpus({rank, 1 << 22})) wrong = "refused";
  const auto now = affinity_of_thread(0);
  if (!now || *now != Cpus(allowed->begin() + 1, allowed->end())) wrong = "it runs on " + to_list(*now);
  ::kill(rank, SIGKILL);
  ::waitpid(rank, nullptr, 0);
  return wrong;
}

TEST_CASE("an agent runs where its rank is not bound") { CHECK(test::in_child(stay_off) == ""); }

std::string lock_what_may_not_be() {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_MEMLOCK, &none);
  if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) return "cannot become nobody";
  const auto kept = keep_in_memory();
  return kept ? "locked" : kept.error().message;
}

TEST_CASE("memory is locked, who may not is told which limit it is") {
  CHECK_THAT(test::in_child(lock_what_may_not_be), Contains("RLIMIT_MEMLOCK is 0 KiB"));
  const auto locked = [] {
    if (::geteuid() != 0) return std::string();
    if (auto kept = keep_in_memory(); !kept) return kept.error().message;
    std::ifstream status("/proc/self/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("VmLck:") && line.find(" 0 kB") == std::string::npos) return std::string();
    return std::string("nothing is locked");
  };
  CHECK(test::in_child(locked) == "");
}

}  // namespace
}  // namespace grit

#include <sys/prctl.h>
#include <unistd.h>

#include "harness/base/files.hpp"
#include "harness/os/proc_stat.hpp"
#include "tests/catch.hpp"

using namespace grit;

TEST_CASE("the fields of /proc/PID/stat are found behind a name with blanks and parentheses in it") {
  char before[16] = {};
  ::prctl(PR_GET_NAME, before);
  ::prctl(PR_SET_NAME, "a) S (1 2");
  const auto stat = read_proc_stat(::getpid());
  const auto thread = read_proc_stat(::getpid(), ::getpid());
  ::prctl(PR_SET_NAME, before);
  REQUIRE(stat);
  REQUIRE(thread);
  CHECK(stat->name == "a) S (1 2");
  CHECK(stat->state == 'R');
  CHECK(stat->parent == ::getppid());
  CHECK(stat->session == ::getsid(0));
  CHECK(stat->minor_faults > 0);
  CHECK(stat->start_ticks > 0);
  CHECK(thread->start_ticks == stat->start_ticks);
  CHECK_FALSE(read_proc_stat(0));
}

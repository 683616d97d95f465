#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <memory>

#include "harness/run/interrupt.hpp"
#include "tests/catch.hpp"

TEST_CASE("a rank does not die of writing to who is gone") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[0]);
  const auto slot = std::make_unique<grit::RankSlot>();  // large: it holds a ring of records
  {
    const grit::InterruptGuard guard(*slot);
    CHECK(::write(ends[1], "x", 1) == -1);
    CHECK(errno == EPIPE);
    CHECK(slot->end.load() == grit::RankEnd::running);
  }
  ::close(ends[1]);
  struct sigaction after {};
  REQUIRE(::sigaction(SIGPIPE, nullptr, &after) == 0);
  CHECK(after.sa_handler == SIG_DFL);
}

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "harness/run/interrupt.hpp"
#include "tests/catch.hpp"

namespace {

using namespace grit;

struct Ending {
  int status = -1;
  std::string said{};
};

/// How a rank of the node ends that gets SIGTERM.
Ending end_of_rank(Segment& segment, int rank) {
  RankSlot& slot = segment.slots()[0];
  slot.rank = rank;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(ends[1], STDERR_FILENO);
    const InterruptGuard guard(slot, segment.control());
    ::raise(SIGTERM);
    ::_exit(99);
  }
  ::close(ends[1]);
  Ending ending;
  std::array<char, 256> text{};
  for (ssize_t got = 0; (got = ::read(ends[0], text.data(), text.size())) > 0;)
    ending.said.append(text.data(), static_cast<std::size_t>(got));
  ::close(ends[0]);
  REQUIRE(::waitpid(child, &ending.status, 0) == child);
  CHECK(slot.end.load() == RankEnd::interrupted);
  return ending;
}

}  // namespace

TEST_CASE("a rank does not die of writing to who is gone") {
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::close(ends[0]);
  const auto segment = Segment::create(1);
  REQUIRE(segment);
  {
    const InterruptGuard guard(segment->slots()[0], segment->control());
    CHECK(::write(ends[1], "x", 1) == -1);
    CHECK(errno == EPIPE);
    CHECK(segment->slots()[0].end.load() == RankEnd::running);
  }
  ::close(ends[1]);
  struct sigaction after {};
  REQUIRE(::sigaction(SIGPIPE, nullptr, &after) == 0);
  CHECK(after.sa_handler == SIG_DFL);
}

TEST_CASE("a rank that is told to end leaves with the code that was settled, and rank 0 says why") {
  auto segment = Segment::create(1);
  REQUIRE(segment);
  const Ending interrupted = end_of_rank(*segment, 0);
  CHECK(WEXITSTATUS(interrupted.status) == 130);
  CHECK(interrupted.said.empty());

  NodeControl& control = segment->control();
  const std::string words = "NOT REVERTED\n";
  std::memcpy(control.last_words, words.data(), words.size());
  control.last_words_bytes.store(static_cast<std::uint32_t>(words.size()));
  control.leave_with.store(70);
  const Ending first = end_of_rank(*segment, 0), other = end_of_rank(*segment, 3);
  CHECK(WIFEXITED(first.status));
  CHECK(WEXITSTATUS(first.status) == 70);
  CHECK(first.said == words);
  CHECK(WEXITSTATUS(other.status) == 70);
  CHECK(other.said.empty());
}

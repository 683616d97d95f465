#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/os/descriptor_offer.hpp"
#include "tests/catch.hpp"

using grit::DescriptorOffer;
using grit::DescriptorRequest;

TEST_CASE("a descriptor goes to a process whose own descriptors nobody may open") {
  const grit::Fd shared(::memfd_create("grit-test", MFD_CLOEXEC));
  REQUIRE(::ftruncate(shared.get(), 4096) == 0);
  auto offer = DescriptorOffer::open(2).value();
  std::array<int, 2> asked{}, given{};
  REQUIRE((::pipe(asked.data()) == 0 && ::pipe(given.data()) == 0));
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_DUMPABLE, 0);  // as a program with file capabilities is
    const auto request = DescriptorRequest::ask(offer.address(), 7);
    char go = request ? 'y' : 'n';
    [[maybe_unused]] auto told = ::write(asked[1], &go, 1);
    [[maybe_unused]] auto heard = ::read(given[0], &go, 1);
    const auto fd = request ? request->take() : grit::Result<grit::Fd>(grit::internal_error(""));
    ::_exit(fd && ::pwrite(fd->get(), "x", 1, 5) == 1 ? 0 : 1);
  }
  char word = 0;
  REQUIRE(::read(asked[0], &word, 1) == 1);
  REQUIRE(word == 'y');
  const auto takers = offer.hand_out(shared.get(), 1);
  REQUIRE(takers.has_value());
  CHECK((takers->size() == 1 && takers->front().label == 7 && takers->front().pid == child));
  REQUIRE(::write(given[1], "g", 1) == 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  char byte = 0;
  CHECK((::pread(shared.get(), &byte, 1, 5) == 1 && byte == 'x'));
  for (const int fd : {asked[0], asked[1], given[0], given[1]}) ::close(fd);
}

TEST_CASE("who did not ask is missed at once, and nobody is there to ask") {
  auto offer = DescriptorOffer::open(2).value();
  const auto request = DescriptorRequest::ask(offer.address(), 1);
  REQUIRE(request.has_value());
  CHECK_FALSE(request->take().has_value());
  const auto handed = offer.hand_out(STDIN_FILENO, 2);
  REQUIRE_FALSE(handed.has_value());
  CHECK(handed.error().message.find("1 of 2") != std::string::npos);
  std::string address = offer.address();
  offer = DescriptorOffer::open(1).value();
  CHECK_FALSE(DescriptorRequest::ask(address, 1).has_value());
}

TEST_CASE("another user gets nothing") {
  if (::geteuid() != 0) {
    grit::test::skip("only root can become another user");
    return;
  }
  auto offer = DescriptorOffer::open(2).value();
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresuid(65534, 65534, 65534) != 0) ::_exit(2);
    ::_exit(DescriptorRequest::ask(offer.address(), 1).has_value() ? 1 : 0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  CHECK(status == 0);
  CHECK_FALSE(offer.hand_out(STDIN_FILENO, 1).has_value());
}

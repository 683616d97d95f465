#include <sys/mman.h>
#include <sys/stat.h>

#include <array>
#include <thread>

#include "harness/record/segment.hpp"
#include "tests/catch.hpp"
#include "tests/unit/record/support.hpp"

namespace grit {
namespace {

using test::is_numbered;
using test::numbered;

TEST_CASE("a segment starts with empty rings and default control values") {
  const auto segment = Segment::create(3);
  REQUIRE(segment);
  REQUIRE(segment->slots().size() == 3);
  CHECK(segment->control().local_ranks == 3);
  CHECK(segment->control().accelerator_clock_ppm.load() == 1'000'000);
  CHECK(segment->control().agent_ready_block.load() == -1);
  std::array<StepRecord, 4> out{};
  for (RankSlot& slot : segment->slots()) {
    CHECK(reinterpret_cast<std::uintptr_t>(&slot) % alignof(RankSlot) == 0);
    CHECK(slot.block_entered.load() == -1);
    CHECK(slot.end.load() == RankEnd::running);
    CHECK(slot.steps.pop(out) == 0);
  }
}

TEST_CASE("a segment refuses a number of ranks it cannot hold") {
  CHECK(Segment::create(0).error().kind == ErrorKind::usage);
  CHECK(Segment::create(kMaxLocalRanks + 1).error().kind == ErrorKind::usage);
  const auto largest = Segment::create(192);  // a rank on each core of a large node
  REQUIRE(largest);
  CHECK(largest->slots().size() == 192);
  largest->slots()[191].steps.push(numbered(7));
  std::array<StepRecord, 2> out{};
  REQUIRE(largest->slots()[191].steps.pop(out) == 1);
  CHECK(is_numbered(out[0], 7));
}

TEST_CASE("the descriptor of a segment does not leak into programs that are started") {
  const auto segment = Segment::create(1);
  REQUIRE(segment);
  CHECK((::fcntl(segment->descriptor(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("what another process writes into an attached segment arrives") {
  auto segment = Segment::create(2);
  REQUIRE(segment);
  const std::string report = test::in_child([&]() -> std::string {
    auto mine = Segment::attach(Fd(::dup(segment->descriptor())));
    if (!mine) return mine.error().message;
    RankSlot& slot = mine->slots()[1];
    for (std::uint32_t step = 0; step < 10; ++step) slot.steps.push(numbered(step));
    slot.end.store(RankEnd::finished);
    return "";
  });
  REQUIRE(report.empty());
  std::array<StepRecord, 16> out{};
  REQUIRE(segment->slots()[1].steps.pop(out) == 10);
  for (std::uint32_t step = 0; step < 10; ++step) CHECK(is_numbered(out[step], step));
  CHECK(segment->slots()[1].end.load() == RankEnd::finished);
  CHECK(segment->slots()[0].steps.pop(out) == 0);
}

TEST_CASE("what is not a segment is refused") {
  const auto memory = [](off_t bytes) {
    Fd fd(::memfd_create("other", MFD_CLOEXEC));
    REQUIRE(::ftruncate(fd.get(), bytes) == 0);
    return fd;
  };
  const auto whole = Segment::create(1);
  REQUIRE(whole);
  struct stat status {};
  REQUIRE(::fstat(whole->descriptor(), &status) == 0);
  CHECK_FALSE(Segment::attach(Fd(-1)));
  CHECK_FALSE(Segment::attach(memory(0)));
  CHECK_FALSE(Segment::attach(memory(status.st_size)));  // the right size, but empty
  CHECK_FALSE(Segment::attach(Fd(::open("/dev/null", O_RDWR | O_CLOEXEC))));
  whole->control().local_ranks = 2;  // the size no longer fits what it says of itself
  CHECK(Segment::attach(Fd(::dup(whole->descriptor()))).error().kind == ErrorKind::internal);
  whole->control().local_ranks = 1;
  CHECK(Segment::attach(Fd(::dup(whole->descriptor()))));
}

TEST_CASE("a full ring drops the newest records and counts them") {
  auto segment = Segment::create(1);
  REQUIRE(segment);
  RankSlot& slot = segment->slots()[0];
  for (std::uint32_t step = 0; step < kRingCapacity + 5; ++step) slot.steps.push(numbered(step));
  CHECK(slot.steps.lost.load() == 5);
  CHECK(slot.steps.head.load() == kRingCapacity);

  std::vector<StepRecord> out(100);
  REQUIRE(slot.steps.pop(out) == 100);
  CHECK(test::all_numbered(out));
  for (std::uint32_t step = 0; step < 100; ++step) slot.steps.push(numbered(kRingCapacity + step));
  CHECK(slot.steps.lost.load() == 5);

  std::vector<StepRecord> rest(2 * kRingCapacity);  // across the end of the ring
  REQUIRE(slot.steps.pop(rest) == kRingCapacity);
  rest.resize(kRingCapacity);
  CHECK(test::all_numbered(rest, 100));
  CHECK(slot.steps.pop(rest) == 0);
}

TEST_CASE("a head spoiled by a stray write does not make the agent read for ever") {
  auto segment = Segment::create(1);
  REQUIRE(segment);
  RankSlot& slot = segment->slots()[0];
  slot.steps.head.store(~std::uint64_t{0});
  std::vector<StepRecord> out(2 * kRingCapacity);
  CHECK(slot.steps.pop(out) == kRingCapacity);
}

TEST_CASE("two threads: every record arrives whole and in order, or is counted as lost") {
  auto segment = Segment::create(1);
  REQUIRE(segment);
  RankSlot& slot = segment->slots()[0];
  constexpr std::uint32_t kPushed = 200'000;
  std::atomic<bool> done{false};
  std::thread producer([&] {
    for (std::uint32_t step = 0; step < kPushed; ++step) {
      slot.steps.push(numbered(step));
      if (step % 1024 == 0) std::this_thread::yield();
    }
    done.store(true, std::memory_order_release);
  });
  std::uint64_t popped = 0;
  std::uint32_t next = 0;
  bool whole = true, ordered = true;
  std::vector<StepRecord> out(97);
  for (bool last = false;;) {
    const std::size_t got = slot.steps.pop(out);
    for (std::size_t i = 0; i < got; ++i) {
      ordered = ordered && out[i].step >= next;
      whole = whole && is_numbered(out[i], out[i].step);
      next = out[i].step + 1;
    }
    popped += got;
    if (got == 0 && last) break;
    last = done.load(std::memory_order_acquire);
  }
  producer.join();
  CHECK(ordered);
  CHECK(whole);
  CHECK(popped > 0);
  CHECK(popped + slot.steps.lost.load() == kPushed);
}

}  // namespace
}  // namespace grit

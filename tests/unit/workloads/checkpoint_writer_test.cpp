#include "workloads/checkpoint_writer.hpp"

#include <atomic>
#include <chrono>
#include <cstring>
#include <thread>

#include "harness/os/cpus.hpp"
#include "tests/catch.hpp"
#include "tests/namespace.hpp"

using namespace grit;
using test::ok;

namespace {

struct Written {
  std::int64_t step;
  std::vector<std::byte> part;
  std::uint64_t checksum;
  bool operator==(const Written&) const = default;
};

void fill(CheckpointWriter& writer, int value) {
  const auto buffer = ok(writer.buffer());
  std::memset(buffer.data(), value, buffer.size());
}

}  // namespace

TEST_CASE("what was copied is what is written, in order, by the rank or by a thread") {
  for (const bool asynchronous : {false, true}) {
    std::vector<Written> written;
    const auto writer = ok(CheckpointWriter::make(8, asynchronous, [&](const CheckpointedState& state, const auto&) {
      written.push_back({state.step, {state.part.begin(), state.part.end()}, state.checksum_of_all});
      return Status();
    }));
    std::vector<Written> expected;
    for (int step = 0; step < 5; ++step) {
      fill(*writer, step);
      const auto bytes = static_cast<std::size_t>(8 - step);
      ok(writer->write(step, bytes, 77));
      expected.push_back({step, std::vector(bytes, static_cast<std::byte>(step)), 77});
    }
    ok(writer->finish());
    CHECK(written == expected);
  }
}

TEST_CASE("the rank goes on while a checkpoint is written, and the next one waits for it") {
  std::atomic<bool> may_end = false, is_free = false;
  std::atomic<int> written = 0;
  const auto writer = ok(CheckpointWriter::make(8, true, [&](const CheckpointedState&, const std::stop_token&) {
    may_end.wait(false);
    ++written;
    return Status();
  }));
  fill(*writer, 1);
  ok(writer->write(4, 8, 0));
  CHECK(written == 0);
  std::jthread next([&] { is_free = writer->buffer().has_value(); });
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  CHECK_FALSE(is_free);
  may_end = true;
  may_end.notify_all();
  next.join();
  CHECK(is_free);
  CHECK(written == 1);
}

TEST_CASE("what could not be written comes out of the next checkpoint and of the end") {
  int calls = 0;
  const auto fails = [&calls](const CheckpointedState&, const std::stop_token&) -> Status {
    ++calls;
    return unavailable_error("the disk is full");
  };
  const auto asynchronous = ok(CheckpointWriter::make(8, true, fails));
  fill(*asynchronous, 1);
  ok(asynchronous->write(4, 8, 0));
  const auto buffer = asynchronous->buffer();
  REQUIRE_FALSE(buffer);
  CHECK(buffer.error().message == "the disk is full");
  CHECK(buffer.error().kind == ErrorKind::unavailable);
  CHECK_FALSE(asynchronous->finish());

  const auto synchronous = ok(CheckpointWriter::make(8, false, fails));
  fill(*synchronous, 1);
  CHECK_FALSE(synchronous->write(4, 8, 0));
  CHECK(calls == 2);
}

TEST_CASE("a rank that ends early does not wait for what its thread writes") {
  std::atomic<bool> has_begun = false;
  bool given_up_on = false;
  auto writer = ok(CheckpointWriter::make(8, true, [&](const CheckpointedState&, const std::stop_token& given_up) {
    has_begun = true;
    has_begun.notify_all();
    while (!given_up.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    given_up_on = true;
    return Status();
  }));
  fill(*writer, 1);
  ok(writer->write(4, 8, 0));
  has_begun.wait(false);
  writer.reset();
  CHECK(given_up_on);
  CHECK(ok(CheckpointWriter::make(8, true, {})) != nullptr);  // one that was never asked ends as well
}

TEST_CASE("the thread has the rank's affinity") {
  const Cpus before = ok(affinity_of_thread(0));
  Cpus seen;
  {
    ok(set_affinity_of_thread(0, {before.front()}));
    const auto writer = ok(CheckpointWriter::make(8, true, [&](const CheckpointedState&, const std::stop_token&) {
      const auto here = affinity_of_thread(0);
      if (here) seen = *here;
      return Status();
    }));
    ok(set_affinity_of_thread(0, before));
    ok(writer->write(4, 8, 0));
    ok(writer->finish());
  }
  CHECK(seen == Cpus{before.front()});
}

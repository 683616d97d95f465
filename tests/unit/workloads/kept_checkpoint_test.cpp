#include "workloads/kept_checkpoint.hpp"

#include <algorithm>
#include <fstream>

#include "harness/base/files.hpp"
#include "tests/catch.hpp"
#include "tests/namespace.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;
using Catch::Matchers::Contains;

namespace {

std::vector<std::byte> state_of(std::uint8_t value, std::size_t bytes = 1000) {
  std::vector<std::byte> state(bytes);
  for (std::size_t i = 0; i < bytes; ++i) state[i] = static_cast<std::byte>(value + i % 7);
  return state;
}

std::vector<std::int64_t> whole_steps(const CheckpointPart& part) {
  std::vector<std::int64_t> steps;
  for (const SavedPart& saved : saved_parts(part))
    if (saved.problem.empty()) steps.push_back(saved.step);
  std::sort(steps.begin(), steps.end());
  return steps;
}

KeptCheckpoint opened(const CheckpointPart& part, std::int64_t bytes = 2500, std::int64_t taken_up = -1,
                      std::size_t files = kCheckpointFiles) {
  auto kept = KeptCheckpoint::open(part, bytes, taken_up, files);
  REQUIRE(kept);
  return std::move(*kept);
}

void flip(const std::filesystem::path& file, std::streamoff at) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(at);
  const int byte = stream.get();
  stream.seekp(at);
  stream.put(static_cast<char>(byte ^ 4));
  REQUIRE(stream.good());
}

}  // namespace

TEST_CASE("any word that changes, changes its place or its length changes the checksum") {
  const auto state = state_of(1, 203);
  const std::uint64_t sum = checksum_of(state);
  for (std::size_t i = 0; i < state.size(); ++i) {
    auto other = state;
    other[i] ^= std::byte{1};
    CHECK(checksum_of(other) != sum);
  }
  CHECK(checksum_of(std::span(state).first(202)) != sum);
  auto longer = state;
  longer.push_back(std::byte{0});
  CHECK(checksum_of(longer) != sum);
  auto swapped = state;
  std::swap_ranges(swapped.begin(), swapped.begin() + 8, swapped.begin() + 32);
  CHECK(checksum_of(swapped) != sum);
}

TEST_CASE("two files take turns, so that the last checkpoint but one is there as well") {
  const test::TempDirectory place;
  const CheckpointPart part{place.path(), 1, 4};
  KeptCheckpoint kept = opened(part);
  CHECK(whole_steps(part).empty());
  for (const std::int64_t step : {4, 9, 14}) REQUIRE(kept.write(step, state_of(static_cast<std::uint8_t>(step)), 77));
  CHECK(whole_steps(part) == std::vector<std::int64_t>{9, 14});
  std::vector<std::byte> read(1000);
  const auto sum = read_part(part, 9, read);
  REQUIRE(sum);
  CHECK(*sum == 77);
  CHECK(read == state_of(9));
  CHECK(std::filesystem::file_size(place.path() / "rank1.0") == 72 + 2500);
}

TEST_CASE("whoever went on from a checkpoint writes over the other one first") {
  const test::TempDirectory place;
  const CheckpointPart part{place.path(), 0, 1};
  for (const std::int64_t taken_up : {4, 9}) {
    {
      KeptCheckpoint kept = opened(part);
      REQUIRE(kept.write(4, state_of(4), 0));
      REQUIRE(kept.write(9, state_of(9), 0));
    }
    KeptCheckpoint next = opened(part, 2500, taken_up);
    REQUIRE(next.write(14, state_of(14), 0));
    CHECK(whole_steps(part) == std::vector<std::int64_t>{taken_up, 14});
  }
}

TEST_CASE("of three files the last two checkpoints stay whole while the next one is written") {
  const test::TempDirectory place;
  const CheckpointPart part{place.path(), 0, 1};
  {
    KeptCheckpoint kept = opened(part, 2500, -1, 3);
    for (const std::int64_t step : {4, 9, 14, 19})
      REQUIRE(kept.write(step, state_of(static_cast<std::uint8_t>(step)), 0));
    CHECK(whole_steps(part) == std::vector<std::int64_t>{9, 14, 19});
    std::stop_source stopped;
    stopped.request_stop();
    CHECK_FALSE(kept.write(24, state_of(24), 0, stopped.get_token()));
    CHECK(whole_steps(part) == std::vector<std::int64_t>{9, 14, 19});
  }
  // Whoever goes on from one of them comes to its file last.
  KeptCheckpoint next = opened(part, 2500, 9, 3);
  REQUIRE(next.write(14, state_of(14), 0));
  CHECK(whole_steps(part) == std::vector<std::int64_t>{9, 14, 19});
  REQUIRE(next.write(19, state_of(19), 0));
  REQUIRE(next.write(24, state_of(24), 0));
  CHECK(whole_steps(part) == std::vector<std::int64_t>{14, 19, 24});
}

TEST_CASE("a part that is damaged anywhere, torn or somebody else's is none") {
  const test::TempDirectory place;
  const CheckpointPart part{place.path(), 0, 2};
  KeptCheckpoint kept = opened(part);
  REQUIRE(kept.write(4, state_of(4), 0));
  const auto file = place.path() / "rank0.0";
  const auto at = GENERATE(0, 9, 70, 72, 1071, 1072, 2571);  // header, part, its further copies
  flip(file, at);
  CHECK(whole_steps(part).empty());
  REQUIRE(saved_parts(part).size() == 1);
  CHECK_FALSE(saved_parts(part).front().problem.empty());
  std::vector<std::byte> read(1000);
  CHECK_FALSE(read_part(part, 4, read));
  flip(file, at);
  CHECK(whole_steps(part) == std::vector<std::int64_t>{4});
  CHECK_THAT(read_part(part, 5, read).error().message, Contains("there is none"));
  CHECK_THAT(read_part(part, 4, std::span(read).first(999)).error().message, Contains("1000 bytes, not 999"));

  std::filesystem::resize_file(file, 2000);
  CHECK(whole_steps(part).empty());
  std::filesystem::resize_file(file, 30);
  CHECK(saved_parts(part).front().step == -1);
}

TEST_CASE("a part of another rank, or of a job of another size, is none") {
  const test::TempDirectory place;
  const CheckpointPart part{place.path(), 0, 2};
  REQUIRE(opened(part).write(4, state_of(4), 0));
  CHECK(whole_steps({place.path(), 0, 3}).empty());
  std::filesystem::rename(place.path() / "rank0.0", place.path() / "rank1.0");
  CHECK(whole_steps({place.path(), 1, 2}).empty());
}

TEST_CASE("a rank without any weights of its own has a part of nothing") {
  const test::TempDirectory place;
  const CheckpointPart part{place.path(), 5, 6};
  REQUIRE(opened(part).write(4, {}, 9));
  CHECK(whole_steps(part) == std::vector<std::int64_t>{4});
  CHECK(read_part(part, 4, {}).value() == 9);
}

TEST_CASE("files are never opened through a link, and a directory that is gone is an error with what to do") {
  const test::TempDirectory place;
  std::filesystem::create_symlink("/dev/null", place.path() / "rank0.0");
  const auto kept = KeptCheckpoint::open({place.path(), 0, 1}, 100, -1);
  REQUIRE_FALSE(kept);
  CHECK_THAT(kept.error().message, Contains("--out"));
  CHECK_FALSE(KeptCheckpoint::open({place.path() / "none", 0, 1}, 100, -1));
}

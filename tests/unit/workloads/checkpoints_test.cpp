// Checkpoints of a training job.
#include "workloads/checkpoints.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "harness/base/files.hpp"
#include "tests/catch.hpp"
#include "tests/namespace.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/workloads/ddp_job.hpp"
#include "workloads/checkpoint.hpp"
#include "workloads/kept_checkpoint.hpp"

using namespace grit;
using test::ddp_params;
using test::Job;
using test::kNominalClock;
using test::ok;
using test::RankResult;
using test::run;
using test::ThreadCommunicator;
using test::try_to_run;

TEST_CASE("a checkpoint is written every so many steps, of the given size") {
  const test::TempDirectory directory;
  const auto ranks = run({.ranks = 2,
                          .given = {{"checkpoint_every", 2}, {"checkpoint", 3'000'001}},
                          .steps = 4,
                          .checkpoint_directory = directory.path()});
  for (const RankResult& rank : ranks) {
    CHECK(rank.records[0].checkpoint_ns == 0);
    CHECK(rank.records[1].checkpoint_ns > 0);
    CHECK(rank.records[2].checkpoint_ns == 0);
    CHECK(rank.records[3].checkpoint_ns > 0);
  }
}

namespace {

/// Sizes of the files of a directory that this process has open and that have no name.
std::vector<std::uintmax_t> nameless_files(const std::filesystem::path& directory) {
  std::vector<std::uintmax_t> sizes;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code closed;
    const std::string target = std::filesystem::read_symlink(entry.path(), closed).string();
    if (target.starts_with(directory.string() + "/") && target.ends_with("(deleted)"))
      sizes.push_back(std::filesystem::file_size(entry.path()));
  }
  return sizes;
}

}  // namespace

TEST_CASE("a checkpoint has the size that was asked for and no name") {
  const test::TempDirectory directory;
  auto file = CheckpointFile::create(directory.path(), 3, 3'000'001);
  REQUIRE(file);
  const std::vector<std::byte> state(70'000);
  REQUIRE(file->write(state));
  REQUIRE(file->write(state));
  CHECK(nameless_files(directory.path()) == std::vector<std::uintmax_t>{3'000'001});
  CHECK(std::filesystem::is_empty(directory.path()));
}

TEST_CASE("by default a checkpoint is the rank's share of 14 bytes a parameter") {
  ThreadCommunicator::Group group(1);
  ThreadCommunicator communicator(group, 0);
  const test::TempDirectory directory;
  const WorkloadContext context{
      .communicator = &communicator, .accelerator_clock = &kNominalClock, .checkpoint_directory = directory.path()};
  auto workload = make_workload("ddp", ddp_params({{"checkpoint_every", 1}}), context);
  REQUIRE(workload);
  StepRecord record;
  REQUIRE((*workload)->step(record));
  const auto parameters = (*workload)->description()["parameters"].get<std::uint64_t>();
  CHECK(nameless_files(directory.path()) == std::vector<std::uintmax_t>{parameters * 14});
}

namespace {

constexpr std::uintmax_t kHeader_bytes = 72;  // of a checkpoint that is kept

/// Weights that four ranks hold alike: two of them save two each, one saves one, and one has no share.
const std::vector<float> kFiveWeights{1, -2, 3, -4, 5};
constexpr std::int64_t kShares[] = {2, 2, 1, 0};

/// Those that each rank gets from what all of them have saved after step 0.
std::vector<std::vector<float>> taken_up(const std::filesystem::path& directory, const CheckpointSettings& settings) {
  ThreadCommunicator::Group group(4);
  std::vector<std::vector<float>> all(4, std::vector<float>(kFiveWeights.size()));
  std::vector<std::jthread> threads;
  for (int rank = 0; rank < 4; ++rank)
    threads.emplace_back([&, rank] {
      ThreadCommunicator communicator(group, rank);
      const WorkloadContext context{.communicator = &communicator,
                                    .checkpoint_directory = directory,
                                    .keeps_checkpoints = true,
                                    .checkpoint_of = 0};
      auto checkpoints = Checkpoints::make(settings, context, {HeldAlike{kFiveWeights.size(), &communicator}});
      std::vector<float>& weights = all[static_cast<std::size_t>(rank)];
      if (!checkpoints || !(*checkpoints)->take_up(weights)) weights.clear(), communicator.abort("cannot take it up");
    });
  threads.clear();
  return all;
}

}  // namespace

TEST_CASE("a rank writes as many bytes as it says, none where it has no share of the weights, and all take them up") {
  ThreadCommunicator::Group group(4);
  for (const bool keeps : {false, true}) {
    for (const std::int64_t given : {0, 3, 1000}) {
      const test::TempDirectory place;
      const CheckpointSettings settings{.every = 1, .bytes = given};
      for (int rank = 0; rank < 4; ++rank) {
        INFO("rank " << rank << ", of " << given << " bytes" << (keeps ? ", kept" : ""));
        ThreadCommunicator communicator(group, rank);
        const WorkloadContext context{
            .communicator = &communicator, .checkpoint_directory = place.path(), .keeps_checkpoints = keeps};
        const auto checkpoints =
            ok(Checkpoints::make(settings, context, {HeldAlike{kFiveWeights.size(), &communicator}}));
        ok(checkpoints->save(0, kFiveWeights));
        const std::int64_t share = kShares[rank], least = keeps ? share * 4 : 0;  // all of it is there, if it is kept
        CHECK(checkpoints->bytes() == (share == 0 ? 0 : std::max(given == 0 ? share * 14 : given, least)));
        const auto said = static_cast<std::uintmax_t>(checkpoints->bytes());
        if (keeps)
          CHECK(std::filesystem::file_size(place.path() / ("rank" + std::to_string(rank) + ".0")) ==
                kHeader_bytes + said);
        else
          CHECK(nameless_files(place.path()) == std::vector{said});
      }
      if (keeps) CHECK(taken_up(place.path(), settings) == std::vector(4, kFiveWeights));
    }
  }
}

TEST_CASE("a job that goes on from a checkpoint has the weights of one that never stopped") {
  const test::TempDirectory whole, cut;
  const auto job_in = [](const std::filesystem::path& directory, int steps, std::int64_t checkpoint_of) {
    return Job{.given = {{"checkpoint_every", 5}},
               .steps = steps,
               .checkpoint_directory = directory,
               .keeps_checkpoints = true,
               .checkpoint_of = checkpoint_of};
  };
  run(job_in(whole.path(), 10, -1));
  run(job_in(cut.path(), 8, -1));
  for (const RankResult& result : run(job_in(cut.path(), 5, 4))) {
    for (const StepRecord& record : result.records) CHECK(record.corrupted == 0);
  }
  for (int rank = 0; rank < 3; ++rank) {
    const auto name = "rank" + std::to_string(rank) + ".1";  // of step 9
    CHECK(read_file(whole.path() / name).value() == read_file(cut.path() / name).value());
    CHECK(saved_parts({cut.path(), rank, 3}).size() == 2);
  }
}

TEST_CASE("a thread of the rank writes the same checkpoints, with a name or without, and they can be taken up") {
  const auto job_in = [](const std::filesystem::path& directory, const char* mode, bool keeps) {
    return Job{.given = {{"checkpoint_every", 2}, {"checkpoint_mode", mode}},
               .steps = 6,
               .checkpoint_directory = directory,
               .keeps_checkpoints = keeps};
  };
  const test::TempDirectory synchronous, asynchronous, nameless;
  run(job_in(synchronous.path(), "synchronous", true));
  for (const RankResult& rank : run(job_in(asynchronous.path(), "asynchronous", true))) {
    CHECK(rank.description["checkpoint_mode"] == "asynchronous");
    for (std::size_t step = 0; step < 6; ++step) {
      CHECK(rank.records[step].corrupted == 0);
      CHECK((rank.records[step].checkpoint_ns > 0) == (step % 2 == 1));
    }
  }
  for (int rank = 0; rank < 3; ++rank) {
    const auto name = "rank" + std::to_string(rank);
    // Steps 1, 3 and 5: two files take turns, or three.
    CHECK(read_file(synchronous.path() / (name + ".0")).value() ==
          read_file(asynchronous.path() / (name + ".2")).value());
    CHECK(read_file(synchronous.path() / (name + ".1")).value() ==
          read_file(asynchronous.path() / (name + ".1")).value());
    CHECK(saved_parts({asynchronous.path(), rank, 3}).size() == 3);
  }
  Job next = job_in(asynchronous.path(), "asynchronous", true);
  next.checkpoint_of = 3;
  next.steps = 2;
  const auto last = read_file(asynchronous.path() / "rank1.2").value();
  std::filesystem::remove(asynchronous.path() / "rank1.2");
  run(next);
  CHECK(read_file(asynchronous.path() / "rank1.2").value() == last);
  run(job_in(nameless.path(), "asynchronous", false));
  CHECK(std::filesystem::is_empty(nameless.path()));
}

TEST_CASE("a job does not go on from a checkpoint of which a part is damaged or of other weights") {
  const test::TempDirectory place;
  const Job job{
      .given = {{"checkpoint_every", 2}}, .steps = 2, .checkpoint_directory = place.path(), .keeps_checkpoints = true};
  run(job);
  Job next = job;
  next.checkpoint_of = 1;
  const auto errors = [&] {
    std::string all;
    for (const RankResult& result : try_to_run(next)) all += result.error + "\n";
    return all;
  };
  SECTION("damaged") {
    std::fstream file(place.path() / "rank1.0", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(100);
    file.put('x');
    file.close();
    CHECK_THAT(errors(), Catch::Matchers::Contains("checkpoint of step 1 of rank 1") &&
                             Catch::Matchers::Contains("its checksum is wrong"));
  }
  SECTION("rank 1's part is whole, and of other weights") {
    std::vector<std::byte> part;
    {
      const auto bytes = read_file(place.path() / "rank1.0").value();
      std::int64_t part_bytes = 0;
      std::memcpy(&part_bytes, bytes.data() + 32, sizeof part_bytes);
      part.resize(static_cast<std::size_t>(part_bytes));
    }
    auto other = KeptCheckpoint::open({place.path(), 1, 3}, 0, -1);
    REQUIRE(other);
    REQUIRE(other->write(1, part, 5));
    CHECK_THAT(errors(), Catch::Matchers::Contains("are not those that were saved"));
  }
}

TEST_CASE("a full disk is an error, not a crash") {
  test::in_namespaces([] {
    ThreadCommunicator::Group group(1);
    ThreadCommunicator communicator(group, 0);
    const test::TempDirectory directory;
    const test::Tmpfs small(directory.path(), 0, "size=64k");
    const WorkloadContext context{
        .communicator = &communicator, .accelerator_clock = &kNominalClock, .checkpoint_directory = directory.path()};
    auto workload = make_workload("ddp", ddp_params({{"checkpoint_every", 1}}), context);
    REQUIRE(workload);
    StepRecord record;
    const auto step = (*workload)->step(record);
    REQUIRE_FALSE(step);
    REQUIRE(step.error().message.find("No space left") != std::string::npos);

    auto beside =
        make_workload("ddp", ddp_params({{"checkpoint_every", 2}, {"checkpoint_mode", "asynchronous"}}), context);
    REQUIRE(beside);
    for (int i = 0; i < 2; ++i) REQUIRE((*beside)->step(record));
    const auto end = (*beside)->finish();
    REQUIRE_FALSE(end);
    REQUIRE(end.error().message.find("No space left") != std::string::npos);
    REQUIRE((*beside)->step(record));
    REQUIRE_FALSE((*beside)->step(record));  // the next checkpoint
  });
}

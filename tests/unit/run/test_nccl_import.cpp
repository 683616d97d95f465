#include <cstring>
#include <filesystem>
#include <fstream>

#include "harness/run/nccl_arrivals.hpp"
#include "harness/run/nccl_spans.hpp"
#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"

using namespace grit;

namespace {

constexpr std::int64_t kMs = 1'000'000;

/// A job of made-up ranks on hosts of their own, whose devices' timers are hours apart. All times below are true ones,
/// on a clock that nobody sees; device_ns() and host_ns() are what a rank's records say.
class MadeJob {
 public:
  explicit MadeJob(int ranks) : parts_(static_cast<std::size_t>(ranks)) {
    for (int rank = 0; rank < ranks; ++rank) {
      NcclPartHeader& header = part(rank).header;
      header.pid = 100 + rank;
      std::strcpy(header.host, ("host" + std::to_string(rank)).c_str());
      std::strcpy(header.boot, ("boot" + std::to_string(rank)).c_str());
      header.monotonic_ns = 1 + rank;
    }
  }

  NcclPart& part(int rank) { return parts_[static_cast<std::size_t>(rank)]; }

  void add_communicator(std::uint64_t hash, const std::vector<int>& members) {
    for (std::size_t i = 0; i < members.size(); ++i) {
      NcclPart::Communicator made;
      made.is = {.hash = hash, .rank = static_cast<int>(i), .ranks = static_cast<int>(members.size()), .nodes = 1};
      part(members[i]).communicators.push_back(made);
    }
  }

  static std::int64_t device_ns(int rank, std::int64_t true_ns) { return true_ns + (rank + 1) * 3'600'000 * kMs; }
  static std::int64_t host_ns(int rank, std::int64_t true_ns) { return true_ns + (rank + 5) * 1'000'000 * kMs; }

  /// Rank `rank` does one of its communicator number `place` from `begin_ns` to `end_ns`.
  void add(int rank, std::size_t place, NcclFunction function, std::uint64_t count, std::int64_t begin_ns,
           std::int64_t end_ns) {
    NcclPart::Communicator& communicator = part(rank).communicators[place];
    NcclRecord record;
    record.kind = NcclRecordKind::operation;
    record.number = communicator.operations.size();
    NcclOperationRecord& is = record.operation;
    for (const NcclRecord& before : communicator.operations)
      is.sequence += before.operation.function == function ? 1 : 0;
    is.count = count;
    is.function = function;
    is.type = 7;
    is.channels = is.channels_ended = 1;
    is.called_ns = host_ns(rank, begin_ns - 50'000);
    is.given_ns = host_ns(rank, begin_ns - 20'000);
    is.first_start_ns = is.last_start_ns = device_ns(rank, begin_ns);
    is.stop_ns = device_ns(rank, end_ns);
    is.start_seen_ns = host_ns(rank, begin_ns + 30'000);
    is.stop_seen_ns = host_ns(rank, end_ns + 30'000);
    communicator.operations.push_back(record);
  }

  [[nodiscard]] std::vector<NcclPart> parts() const { return parts_; }

  /// Of the first communicator.
  std::vector<NcclRecord>& operations(int rank) { return part(rank).communicators.front().operations; }
  /// This and all later times of a rank's device: its timer runs `ppm` too fast from `since_ns` on.
  void make_fast(int rank, double ppm, std::int64_t since_ns) {
    const auto fast = [&](std::int64_t device_time_ns) {
      const std::int64_t passed_ns = device_time_ns - device_ns(rank, since_ns);
      return device_time_ns +
             (passed_ns > 0 ? static_cast<std::int64_t>(static_cast<double>(passed_ns) * ppm / 1e6) : 0);
    };
    for (NcclRecord& record : operations(rank)) {
      record.operation.first_start_ns = fast(record.operation.first_start_ns);
      record.operation.stop_ns = fast(record.operation.stop_ns);
    }
  }

 private:
  std::vector<NcclPart> parts_;
};

/// `ranks` ranks in one communicator: a broadcast, then so many steps of 10 ms with a bucket of 1000 elements, which
/// `late` begins `late_ns` after the others, and three of 10 elements, which nobody begins late.
MadeJob make_data_parallel(int ranks, int steps, int late, std::int64_t late_ns) {
  MadeJob job(ranks);
  std::vector<int> all;
  for (int rank = 0; rank < ranks; ++rank) all.push_back(rank);
  job.add_communicator(7, all);
  for (int rank = 0; rank < ranks; ++rank) {
    job.add(rank, 0, NcclFunction::broadcast, 5, 1 * kMs, 2 * kMs);
    for (int step = 0; step < steps; ++step) {
      const std::int64_t at_ns = (10 + 10 * step) * kMs;
      job.add(rank, 0, NcclFunction::all_reduce, 1000, at_ns + (rank == late ? late_ns : 0), at_ns + late_ns + 40'000);
      for (int i = 1; i < 4; ++i) {
        const std::int64_t then_ns = at_ns + late_ns + i * 100'000;
        job.add(rank, 0, NcclFunction::all_reduce, 10, then_ns, then_ns + 20'000);
      }
    }
  }
  return job;
}

}  // namespace

TEST_CASE("import-nccl: steps are found by what repeats, and begin after the longest rest") {
  const auto job = join_nccl_parts(make_data_parallel(4, 12, 2, 3 * kMs).parts());
  REQUIRE(job);
  CHECK(job->hosts == std::vector<std::string>{"host0", "host1", "host2", "host3"});
  const auto steps = find_nccl_steps(*job, {});
  REQUIRE(steps);
  CHECK(steps->operations == 4);
  CHECK(steps->steps == 11);
  CHECK(steps->left_out == 5);  // the broadcast, and the last step, whose end nobody saw
  CHECK(steps->begins_with == "AllReduce of 1000 elements among 4 ranks");
  for (const auto& begins : steps->begins) {
    REQUIRE(begins.size() == 12);
    CHECK(begins[0] == 1);
    CHECK(begins[11] == 45);
  }
  CHECK_FALSE(find_nccl_steps(*job, 3));
  CHECK(find_nccl_steps(*job, 8).error().message.find("follow each other alike") != std::string::npos);
}

TEST_CASE("import-nccl: devices' clocks that are hours apart come together to the time of the shortest collective") {
  const auto job = join_nccl_parts(make_data_parallel(3, 12, 1, 2 * kMs).parts());
  REQUIRE(job);
  const NcclTimeline line = align_nccl_times(*job);
  for (std::size_t rank = 0; rank < 3; ++rank) {
    REQUIRE(line.errors_ns[rank]);
    for (std::size_t i = 1; i < line.ranks[rank].size(); ++i) {
      const NcclTimes& times = line.ranks[rank][i];
      const std::int64_t true_ns =
          job->ranks[rank].operations[i].is.first_start_ns - MadeJob::device_ns(static_cast<int>(rank), 0);
      const std::int64_t wrong_ns = times.entry_ns - MadeJob::host_ns(0, true_ns);
      // Of the common clock against rank 0's host, and of the rank's against the common one.
      CHECK(std::abs(wrong_ns) <= times.error_ns + *line.host_error_ns);
      CHECK(times.error_ns <= (rank == 0 ? *line.host_error_ns : 25'000));
    }
  }
}

TEST_CASE("import-nccl: the rank that begins a collective last is named, and none where clocks do not tell") {
  const auto job = join_nccl_parts(make_data_parallel(4, 12, 2, 3 * kMs).parts());
  const auto steps = find_nccl_steps(*job, {});
  REQUIRE(steps);
  const NcclTimeline line = align_nccl_times(*job);
  const auto arrivals = nccl_arrivals(*job, *steps, line);
  REQUIRE(arrivals.size() == 2);
  CHECK(arrivals[0].elements == 1000);
  CHECK(arrivals[0].collectives == 11);
  REQUIRE(arrivals[0].ranks.size() == 1);
  CHECK(arrivals[0].ranks[0].rank == 2);
  CHECK(arrivals[0].ranks[0].last == 11);
  CHECK(std::abs(arrivals[0].ranks[0].median_behind_ns - 3e6) < 50e3);
  CHECK(arrivals[1].elements == 10);
  CHECK(arrivals[1].nobody == 33);
  CHECK(arrivals[1].ranks.empty());
}

TEST_CASE("import-nccl: a step is what lies between, and spans have the bytes and order of the job") {
  const auto job = join_nccl_parts(make_data_parallel(2, 9, 1, 2 * kMs).parts());
  const auto steps = find_nccl_steps(*job, {});
  REQUIRE(steps);
  const NcclTimeline line = align_nccl_times(*job);
  const auto records = nccl_step_records(*job, *steps, line);
  REQUIRE(records.size() == 2 * 8);
  for (std::size_t i = 2; i < records.size(); ++i) {
    const StepRecord& record = records[i];
    CHECK(std::abs(record.end_ns - record.start_ns - 10 * kMs) < 100'000);
    // Rank 0 waits for rank 1 in the first bucket for 2 ms.
    CHECK(std::abs(record.exposed_comm_ns - (record.rank == 0 ? 2'100'000 : 100'000)) < 10'000);
    CHECK(record.forward_ns + record.exposed_comm_ns == record.end_ns - record.start_ns);
  }
  const NcclSpans spans = nccl_spans(*job, *steps, line, *Mesh::over({}, 2));
  REQUIRE(spans.spans.size() == 2 * 8 * 4);
  CHECK(spans.without_group + spans.without_kind + spans.without_times == 0);
  for (std::size_t i = 0; i < spans.spans.size(); ++i) {
    CHECK(spans.spans[i].sequence == i % 32);
    CHECK(spans.spans[i].step == i % 32 / 4);
    CHECK(spans.spans[i].bytes == (i % 4 == 0 ? 4000 : 40));
    CHECK(spans.spans[i].group == 1);  // dp, not the world
  }
}

TEST_CASE("import-nccl: ranks without a common collective follow by way of others") {
  // Two pairs of tensor-parallel ranks, and their first ones among each other.
  MadeJob made(4);
  made.add_communicator(1, {0, 1});
  made.add_communicator(2, {2, 3});
  made.add_communicator(3, {0, 2});
  for (int rank = 0; rank < 4; ++rank) made.part(rank).header.job_rank = rank;
  for (int step = 0; step < 12; ++step) {
    const std::int64_t at_ns = (10 + 10 * step) * kMs;
    for (int rank = 0; rank < 4; ++rank) made.add(rank, 0, NcclFunction::all_reduce, 50, at_ns, at_ns + 30'000);
    for (const int rank : {0, 2}) made.add(rank, 1, NcclFunction::all_reduce, 70, at_ns + kMs, at_ns + kMs + 30'000);
  }
  const auto job = join_nccl_parts(made.parts());
  REQUIRE(job);
  const auto steps = find_nccl_steps(*job, {});
  REQUIRE(steps);
  CHECK(steps->steps == 11);
  for (const auto& begins : steps->begins) CHECK(begins.size() == 12);
  const NcclTimeline line = align_nccl_times(*job);
  for (const auto& error : line.errors_ns) CHECK((error && *error <= 150'000));
}

TEST_CASE("import-nccl: what cannot be put together is refused with what to do") {
  const MadeJob made = make_data_parallel(3, 12, 1, kMs);
  auto parts = made.parts();
  CHECK_FALSE(join_nccl_parts({}));
  parts.pop_back();
  const auto missing = join_nccl_parts(parts);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message.find("its ranks 2 are missing") != std::string::npos);
  CHECK(missing.error().kind == ErrorKind::usage);

  MadeJob twice(1);
  twice.add_communicator(1, {0, 0});
  CHECK(join_nccl_parts(twice.parts()).error().message.find("several ranks") != std::string::npos);

  MadeJob apart(2);  // no communicator of both, and no launcher that tells
  apart.add_communicator(1, {0});
  apart.add_communicator(2, {1});
  CHECK(join_nccl_parts(apart.parts()).error().message.find("RANK") != std::string::npos);
}

TEST_CASE("import-nccl: sends and receives have no span where operations were lost") {
  MadeJob made = make_data_parallel(2, 9, 1, kMs);
  for (int step = 0; step < 9; ++step)
    made.add(0, 0, NcclFunction::send, 4, (16 + 10 * step) * kMs, (17 + 10 * step) * kMs);
  made.part(0).lost = 1;
  const auto job = join_nccl_parts(made.parts());
  const auto steps = find_nccl_steps(*job, {});
  REQUIRE(steps);
  CHECK(steps->operations == 5);
  CHECK(nccl_spans(*job, *steps, align_nccl_times(*job), *Mesh::over({}, 2)).without_kind == 8);
}

TEST_CASE("import-nccl: a rank whose last operations are missing, as after a kill, has the steps before them") {
  MadeJob made = make_data_parallel(4, 12, 2, 3 * kMs);
  made.operations(1).resize(made.operations(1).size() - 6);  // the last step, and half of the one before
  const auto job = join_nccl_parts(made.parts());
  const auto steps = find_nccl_steps(*job, {});
  REQUIRE(steps);
  CHECK(steps->begins[1][10] == 41);
  CHECK(steps->begins[1][11] == 41);
  const NcclTimeline line = align_nccl_times(*job);
  const auto arrivals = nccl_arrivals(*job, *steps, line);
  REQUIRE(arrivals.size() == 2);
  CHECK(arrivals[0].collectives == 10);
  REQUIRE(arrivals[0].ranks.size() == 1);
  CHECK(arrivals[0].ranks[0].rank == 2);
  CHECK(arrivals[0].ranks[0].last == 10);
  CHECK(nccl_step_records(*job, *steps, line).size() == 4 * 11 - 1);
}

TEST_CASE("import-nccl: nobody is named whom one with a wide error may have followed") {
  const auto job = join_nccl_parts(make_data_parallel(4, 12, 2, 3 * kMs).parts());
  const auto steps = find_nccl_steps(*job, {});
  REQUIRE(steps);
  NcclTimeline line = align_nccl_times(*job);
  for (NcclTimes& times : line.ranks[3]) {  // a millisecond before the one before rank 2, or five after rank 2
    times.entry_ns -= kMs;
    times.error_ns = 9 * kMs;
  }
  const auto arrivals = nccl_arrivals(*job, *steps, line);
  REQUIRE(arrivals.size() == 2);
  for (const NcclArrivals& one : arrivals) {
    CHECK(one.ranks.empty());
    CHECK(one.nobody == one.collectives);
    CHECK(one.error_ns >= 9 * kMs);
  }
}

TEST_CASE("import-nccl: a collective that one left before another began is left out, and counted") {
  const auto job = join_nccl_parts(make_data_parallel(4, 12, 2, 3 * kMs).parts());
  const auto steps = find_nccl_steps(*job, {});
  REQUIRE(steps);
  NcclTimeline line = align_nccl_times(*job);
  NcclTimes& wrong = line.ranks[0][5];  // of the second step
  wrong.entry_ns += 20 * kMs;
  wrong.exit_ns += 20 * kMs;
  const auto arrivals = nccl_arrivals(*job, *steps, line);
  REQUIRE(arrivals.size() == 2);
  CHECK(arrivals[0].collectives == 10);
  CHECK(arrivals[0].contradicting == 1);
  REQUIRE(arrivals[0].ranks.size() == 1);
  CHECK(arrivals[0].ranks[0].rank == 2);
  CHECK(arrivals_text(*job, arrivals[0]).find("1 more left out") != std::string::npos);
}

TEST_CASE("import-nccl: an operation with the times of a later one has no end, and its step no record") {
  MadeJob made = make_data_parallel(2, 40, 1, 3 * kMs);
  auto& operations = made.operations(0);
  operations[9].operation.first_start_ns = operations[73].operation.first_start_ns;
  operations[9].operation.stop_ns = operations[73].operation.stop_ns;
  const auto job = join_nccl_parts(made.parts());
  REQUIRE(job);
  CHECK(job->overwritten == 1);
  CHECK_FALSE(job->ranks[0].operations[9].has_times());
  const auto steps = find_nccl_steps(*job, {});
  REQUIRE(steps);
  const NcclTimeline line = align_nccl_times(*job);
  for (const auto& error : line.errors_ns) CHECK((error && *error < 100'000));
  const auto records = nccl_step_records(*job, *steps, line);
  CHECK(records.size() == 2 * 39 - 1);
  for (const StepRecord& record : records) CHECK((record.rank != 0 || record.step != 2));
}

TEST_CASE("import-nccl: wrong times that contradict the others do not move a clock") {
  MadeJob made = make_data_parallel(2, 40, 1, 3 * kMs);
  NcclOperationRecord& wrong = made.operations(1)[40].operation;  // the last of its step
  wrong.first_start_ns += 2 * kMs;
  wrong.stop_ns += 2 * kMs;
  const auto job = join_nccl_parts(made.parts());
  REQUIRE(job);
  const NcclTimeline line = align_nccl_times(*job);
  REQUIRE(line.errors_ns[1]);
  for (std::size_t i = 1; i < line.ranks[1].size(); ++i) {
    const NcclTimes& times = line.ranks[1][i];
    const std::int64_t true_ns = job->ranks[1].operations[i].is.first_start_ns - MadeJob::device_ns(1, 0);
    CHECK(std::abs(times.entry_ns - MadeJob::host_ns(0, true_ns)) <= times.error_ns + *line.host_error_ns);
  }
}

TEST_CASE("import-nccl: a clock that drifts faster than clocks do has no error") {
  MadeJob made = make_data_parallel(2, 400, 1, kMs);
  made.make_fast(1, 1000, 0);
  const auto job = join_nccl_parts(made.parts());
  REQUIRE(job);
  const NcclTimeline line = align_nccl_times(*job);
  CHECK(line.errors_ns[0]);
  CHECK_FALSE(line.errors_ns[1]);
  CHECK(line.host_error_ns);
  made.make_fast(0, 1000, 0);  // alike, then, but not to the host
  const NcclTimeline both = align_nccl_times(*join_nccl_parts(made.parts()));
  CHECK(both.errors_ns[1]);
  CHECK_FALSE(both.host_error_ns);
}

TEST_CASE("import-nccl: the error against the host is that of one distance for all of the job") {
  MadeJob made(2);
  made.add_communicator(7, {0, 1});
  constexpr std::int64_t kSecond = 1000 * kMs;
  for (int rank = 0; rank < 2; ++rank) {
    for (int step = 1; step <= 600; ++step)
      made.add(rank, 0, NcclFunction::all_reduce, 1000, step * kSecond, step * kSecond + 30'000);
    made.make_fast(rank, 50, 0);
  }
  const auto job = join_nccl_parts(made.parts());
  REQUIRE(job);
  const NcclTimeline line = align_nccl_times(*job);
  std::int64_t most_wrong_ns = 0;
  for (std::size_t i = 0; i < line.ranks[0].size(); ++i) {
    const std::int64_t true_ns = static_cast<std::int64_t>(i + 1) * kSecond;
    most_wrong_ns = std::max(most_wrong_ns, std::abs(line.ranks[0][i].entry_ns - MadeJob::host_ns(0, true_ns)));
  }
  CHECK(most_wrong_ns > 10 * kMs);
  CHECK(most_wrong_ns <= *line.host_error_ns);
  CHECK(*line.host_error_ns < 70 * kMs);
}

TEST_CASE("import-nccl: collectives of two communicators with the same hash in one process are nobody's") {
  std::vector<NcclOperation> operations(3);
  for (NcclOperation& one : operations) one.is.function = NcclFunction::all_reduce;
  operations[2].is.sequence = 1;
  const auto places = nccl_places(operations);
  CHECK(places == std::map<NcclCollectiveKey, std::size_t>{{operations[2].key(), 2}});
}

TEST_CASE("import-nccl: ranks that a communicator cannot have, and what does not fit into memory, are refused") {
  for (const auto& [ranks, sizes] :
       {std::pair{std::pair{0, 100}, std::pair{2, 2}}, {{-1, 0}, {2, 2}}, {{0, 100}, {2, 101}}, {{100, 0}, {101, 2}}}) {
    MadeJob made(2);
    made.add_communicator(7, {0, 1});
    for (int rank = 0; rank < 2; ++rank) {
      NcclCommunicatorRecord& is = made.part(rank).communicators.front().is;
      is.rank = rank == 0 ? ranks.first : ranks.second;
      is.ranks = rank == 0 ? sizes.first : sizes.second;
    }
    const auto job = join_nccl_parts(made.parts());
    REQUIRE_FALSE(job);
    CHECK(job.error().message.find("damaged") != std::string::npos);
  }
  const test::TempDirectory directory;
  std::ofstream(directory.path() / "huge.grit-nccl").flush();
  std::filesystem::resize_file(directory.path() / "huge.grit-nccl", std::uintmax_t{17} << 30U);  // all of it a hole
  CHECK(read_nccl_job(directory.path()).error().message.find("16 at most") != std::string::npos);
}

TEST_CASE("import-nccl: bytes that cannot be stay within what they are counted in") {
  MadeJob made = make_data_parallel(2, 9, 1, kMs);
  for (int rank = 0; rank < 2; ++rank)
    for (NcclRecord& record : made.operations(rank))
      if (record.operation.count == 1000) record.operation.count = ~std::uint64_t{0} / 3;
  const auto job = join_nccl_parts(made.parts());
  const auto steps = find_nccl_steps(*job, {});
  REQUIRE(steps);
  const NcclSpans spans = nccl_spans(*job, *steps, align_nccl_times(*job), *Mesh::over({}, 2));
  REQUIRE_FALSE(spans.spans.empty());
  CHECK(spans.spans.front().bytes == kMostSpanBytes);
}

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <thread>

#include "harness/base/files.hpp"
#include "tests/catch.hpp"
#include "tests/namespace.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/workloads/thread_communicator.hpp"
#include "workloads/checkpoint.hpp"
#include "workloads/kept_checkpoint.hpp"
#include "workloads/workload.hpp"

using namespace grit;
using test::Flip;
using test::ThreadCommunicator;

namespace {

const AcceleratorClock kNominalClock{kNominalClockPpm};

/// Defaults, but a model small enough for a step to last a few milliseconds.
Params params_with(Json given) {
  Json values = Json::object();
  for (const ParamSpec& spec : find_workload("ddp")->params) values[spec.name] = spec.default_value;
  values["scale"] = 0.001;
  values.update(given);
  return Params(values);
}

struct RankResult {
  std::vector<StepRecord> records;
  std::vector<CollectiveRecord> spans;
  std::vector<WrongValue> examples;
  std::int64_t flipped_bits = 0;
  std::size_t collectives = 0;
  int pokes = 0;
  Json description;
  std::string error;
};

struct Job {
  int ranks = 3;
  Json given = Json::object();
  int steps = 3;
  Flip flip{};
  int flipper = -1;  // a rank whose own data flip: the fault
  std::filesystem::path checkpoint_directory{};
  bool keeps_checkpoints = false;
  std::int64_t checkpoint_of = -1;
};

RankResult run_rank(const Job& job, ThreadCommunicator::Group& group, int rank) {
  RankResult result;
  std::vector<CollectiveRecord> ring(1024);
  SpanSink spans(ring);
  ThreadCommunicator communicator(group, rank, &spans);
  RankDials dials;
  WrongValues wrong_values;
  if (rank == job.flipper) dials.flip_bit = kFlipMantissa;
  const WorkloadContext context{.communicator = &communicator,
                                .accelerator_clock = &kNominalClock,
                                .dials = &dials,
                                .wrong_values = &wrong_values,
                                .checkpoint_directory = job.checkpoint_directory,
                                .keeps_checkpoints = job.keeps_checkpoints,
                                .checkpoint_of = job.checkpoint_of};
  auto workload = make_workload("ddp", params_with(job.given), context);
  if (!workload) {
    result.error = workload.error().message;
    communicator.abort(result.error);
    return result;
  }
  if (job.checkpoint_of >= 0) {
    if (const Status resumed = (*workload)->resume(); !resumed) {
      result.error = resumed.error().message;
      communicator.abort(result.error);
      return result;
    }
    std::vector<CollectiveRecord> of_resuming(ring.size());
    spans.take(of_resuming);
  }
  for (int step = 0; step < job.steps; ++step) {
    StepRecord record;
    communicator.begun_in_step = 0;
    spans.begin_step(static_cast<std::uint32_t>(step));
    const Status done = (*workload)->step(record);
    if (!done) {
      result.error = done.error().message;
      communicator.abort(result.error);
      return result;
    }
    result.records.push_back(record);
    std::vector<CollectiveRecord> taken(ring.size());
    taken.resize(spans.take(taken));
    result.spans.insert(result.spans.end(), taken.begin(), taken.end());
    while (const auto example = wrong_values.take()) result.examples.push_back(*example);
  }
  if (const Status finished = (*workload)->finish(); !finished) result.error = finished.error().message;
  result.flipped_bits = dials.flipped_bits;
  result.collectives = communicator.begun_in_step;
  result.pokes = communicator.pokes;
  result.description = (*workload)->description();
  return result;
}

/// Also where ranks failed.
std::vector<RankResult> try_to_run(const Job& job) {
  ThreadCommunicator::Group group(job.ranks, job.flip);
  std::vector<RankResult> results(static_cast<std::size_t>(job.ranks));
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < job.ranks; ++rank) {
      threads.emplace_back([&, rank] { results[static_cast<std::size_t>(rank)] = run_rank(job, group, rank); });
    }
  }
  return results;
}

std::vector<RankResult> run(const Job& job) {
  const std::vector<RankResult> results = try_to_run(job);
  for (const RankResult& result : results) REQUIRE(result.error == "");
  return results;
}

}  // namespace

TEST_CASE("reduced values are right in every type, with and without overlap") {
  for (const char* dtype : {"fp32", "bf16", "fp16"}) {
    for (const bool overlap : {true, false}) {
      INFO(dtype << " overlap " << overlap);
      for (const RankResult& rank : run({.given = {{"dtype", dtype}, {"overlap", overlap}}})) {
        for (const StepRecord& record : rank.records) CHECK(record.corrupted == 0);
        CHECK(rank.collectives == rank.description["buckets"].get<std::size_t>());
        CHECK(rank.collectives > 1);
      }
    }
  }
}

TEST_CASE("a flipped bit is counted by the rank that has it, and by no other") {
  const auto ranks = run({.flip = {.rank = 1, .collective = 1, .byte = 11, .bit = 0x04}});
  REQUIRE(ranks.size() > 1);
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    REQUIRE(ranks[rank].records.size() == 3);
    for (const StepRecord& record : ranks[rank].records) CHECK(record.corrupted == (rank == 1 ? 1U : 0U));
    for (const CollectiveRecord& span : ranks[rank].spans) {
      const bool hit = rank == 1 && span.sequence % ranks[rank].collectives == 1;
      CHECK(span.wrong == (hit ? 1U : 0U));
    }
  }
}

TEST_CASE("a bit that flips in what a rank sends is wrong on all ranks, and each has the same example of it") {
  const auto ranks = run({.given = {{"dtype", "fp32"}}, .flipper = 2});
  REQUIRE(ranks[0].examples.size() == 3);
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    CHECK(ranks[rank].flipped_bits == (rank == 2 ? 3 : 0));
    REQUIRE(ranks[rank].examples.size() == 3);
    for (std::size_t step = 0; step < 3; ++step) {
      CHECK(ranks[rank].records[step].corrupted == 1);
      const WrongValue &example = ranks[rank].examples[step], &first = ranks[0].examples[step];
      CHECK(example.step == step);
      CHECK(example.type == DataType::fp32);
      CHECK(example.source == -1);
      CHECK(example.element == first.element);
      CHECK(example.got_bits == first.got_bits);
      CHECK(example.got_bits != example.expected_bits);
      const auto hit = std::find_if(ranks[rank].spans.begin(), ranks[rank].spans.end(), [&](const auto& span) {
        return span.sequence == example.sequence && span.step == step;
      });
      REQUIRE(hit != ranks[rank].spans.end());
      CHECK(hit->wrong == 1);
    }
  }
}

TEST_CASE("every reduction leaves a span, in order, and they move the gradients once") {
  for (const char* dtype : {"fp32", "bf16"}) {
    const auto ranks = run({.given = {{"dtype", dtype}, {"micro_batches", 2}}});
    for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
      const RankResult& result = ranks[rank];
      REQUIRE(result.spans.size() == 3 * result.collectives);
      std::int64_t bytes = 0;
      for (std::size_t i = 0; i < result.spans.size(); ++i) {
        const CollectiveRecord& span = result.spans[i];
        CHECK(span.rank == rank);
        CHECK(span.sequence == i);
        CHECK(span.step == i / result.collectives);
        CHECK(span.operation == CollectiveOperation::all_reduce);
        CHECK(span.entry_ns >= result.records[span.step].collective_entry_ns);
        CHECK(span.exit_ns <= result.records[span.step].collective_exit_ns);
        CHECK(span.entry_ns <= span.exit_ns);
        bytes += span.bytes;
      }
      CHECK(bytes == 3 * result.description["gradient_bytes"].get<std::int64_t>());
    }
  }
}

TEST_CASE("without overlap a rank waits for every reduction, from when all were begun") {
  for (const RankResult& rank : run({.given = {{"overlap", false}}})) {
    REQUIRE(rank.spans.size() == 3 * rank.collectives);
    for (const CollectiveRecord& span : rank.spans) {
      const CollectiveRecord& last = rank.spans[(span.step + 1) * rank.collectives - 1];
      CHECK(span.wait_ns >= last.entry_ns);
      CHECK(span.wait_ns <= span.exit_ns);
    }
  }
}

TEST_CASE("a record's times follow each other and its durations fit into the step") {
  for (const bool overlap : {true, false}) {
    std::int64_t previous_end_ns = 0;
    const auto ranks = run({.given = {{"overlap", overlap}, {"scale", 0.01}}});
    for (const StepRecord& record : ranks[0].records) {
      CHECK(record.start_ns >= previous_end_ns);
      CHECK(record.collective_entry_ns > record.start_ns);
      CHECK(record.collective_exit_ns > record.collective_entry_ns);
      CHECK(record.end_ns > record.collective_exit_ns);
      CHECK(record.input_ns > 0);
      CHECK(record.forward_ns >= 2'500'000);   // 2.53 ms and
      CHECK(record.backward_ns >= 5'000'000);  // 5.06 ms, when nothing disturbs
      CHECK(record.optimizer_ns > 0);
      CHECK(record.checkpoint_ns == 0);
      const std::int64_t sum_ns = record.input_ns + record.forward_ns + record.backward_ns + record.exposed_comm_ns +
                                  record.optimizer_ns + record.checkpoint_ns;
      CHECK(sum_ns <= record.end_ns - record.start_ns);
      // With overlap the first collective starts while backward goes on.
      const std::int64_t backward_end_ns = record.start_ns + record.input_ns + record.forward_ns + record.backward_ns;
      CHECK((record.collective_entry_ns < backward_end_ns) == overlap);
      previous_end_ns = record.end_ns;
    }
  }
}

TEST_CASE("compute takes flops / peak, three times as much in three micro-batches, and pokes the communicator") {
  const auto once = run({.ranks = 1, .given = {{"scale", 0.01}}, .steps = 1})[0];
  const auto thrice = run({.ranks = 1, .given = {{"scale", 0.01}, {"micro_batches", 3}}, .steps = 1})[0];
  // 6 · 123.7e6 multiplied parameters · 0.01 · 1024 tokens / 1 TFLOP/s = 7.6 ms
  CHECK(once.description["flops"].get<double>() == Approx(7.6e9).epsilon(0.01));
  CHECK(thrice.description["flops"].get<double>() == Approx(22.8e9).epsilon(0.01));
  CHECK(once.records[0].forward_ns + once.records[0].backward_ns >= 7'590'000);
  CHECK(thrice.records[0].forward_ns + thrice.records[0].backward_ns >= 22'700'000);
  CHECK(thrice.records[0].forward_ns >= 7'500'000);
  CHECK(once.collectives == thrice.collectives);
  CHECK(once.pokes > 0);
}

TEST_CASE("real compute works as well") {
  const auto result = run({.ranks = 1, .given = {{"compute", "cpu"}, {"scale", 0.0005}}, .steps = 1})[0];
  CHECK(result.records[0].corrupted == 0);
  CHECK(result.pokes > 0);
}

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
  auto workload = make_workload("ddp", params_with({{"checkpoint_every", 1}}), context);
  REQUIRE(workload);
  StepRecord record;
  REQUIRE((*workload)->step(record));
  const auto parameters = (*workload)->description()["parameters"].get<std::uint64_t>();
  CHECK(nameless_files(directory.path()) == std::vector<std::uintmax_t>{parameters * 14});
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

TEST_CASE("what cannot work is refused with a reason") {
  ThreadCommunicator::Group group(1);
  ThreadCommunicator communicator(group, 0);
  const WorkloadContext context{.communicator = &communicator, .accelerator_clock = &kNominalClock};

  const auto no_directory = make_workload("ddp", params_with({{"checkpoint_every", 1}}), context);
  REQUIRE_FALSE(no_directory);
  CHECK(no_directory.error().kind == ErrorKind::usage);

  const WorkloadContext nowhere{.communicator = &communicator,
                                .accelerator_clock = &kNominalClock,
                                .checkpoint_directory = "/proc/nonexistent/directory"};
  const auto bad_directory = make_workload("ddp", params_with({{"checkpoint_every", 1}}), nowhere);
  REQUIRE_FALSE(bad_directory);
  CHECK(bad_directory.error().kind == ErrorKind::unavailable);
  CHECK(bad_directory.error().message.find("/proc/nonexistent/directory") != std::string::npos);

  const auto unknown = make_workload("dpp", params_with(Json::object()), context);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message.find("ddp") != std::string::npos);

  const auto unknown_model = make_workload("ddp", params_with({{"model", "gpt2-smal"}}), context);
  REQUIRE_FALSE(unknown_model);
  CHECK(unknown_model.error().message.find("gpt2-small") != std::string::npos);
}

TEST_CASE("a full disk is an error, not a crash") {
  test::in_namespaces([] {
    ThreadCommunicator::Group group(1);
    ThreadCommunicator communicator(group, 0);
    const test::TempDirectory directory;
    const test::Tmpfs small(directory.path(), 0, "size=64k");
    const WorkloadContext context{
        .communicator = &communicator, .accelerator_clock = &kNominalClock, .checkpoint_directory = directory.path()};
    auto workload = make_workload("ddp", params_with({{"checkpoint_every", 1}}), context);
    REQUIRE(workload);
    StepRecord record;
    const auto step = (*workload)->step(record);
    REQUIRE_FALSE(step);
    REQUIRE(step.error().message.find("No space left") != std::string::npos);

    auto beside =
        make_workload("ddp", params_with({{"checkpoint_every", 2}, {"checkpoint_mode", "asynchronous"}}), context);
    REQUIRE(beside);
    for (int i = 0; i < 2; ++i) REQUIRE((*beside)->step(record));
    const auto end = (*beside)->finish();
    REQUIRE_FALSE(end);
    REQUIRE(end.error().message.find("No space left") != std::string::npos);
    REQUIRE((*beside)->step(record));
    REQUIRE_FALSE((*beside)->step(record));  // the next checkpoint
  });
}

TEST_CASE("the registry names every workload and what of it is emulated") {
  std::vector<std::string> names;
  for (const WorkloadInfo& info : workloads()) names.push_back(info.name);
  CHECK(names == std::vector<std::string>{"ddp", "fsdp", "tensor", "pipeline", "moe", "transformer"});
  CHECK(find_workload("nothing") == nullptr);
  CHECK(emulated_parts("ddp", params_with(Json::object())) ==
        std::vector<std::string>{"compute (timer-driven accelerator)"});
  CHECK(emulated_parts("ddp", params_with({{"compute", "cpu"}})).empty());
}

TEST_CASE("defaults are within their own bounds") {
  for (const WorkloadInfo& info : workloads()) {
    for (const ParamSpec& spec : info.params) {
      INFO(info.name << "." << spec.name);
      CHECK(check_param(spec, spec.default_value));
      CHECK_FALSE(spec.help.empty());
    }
  }
}

TEST_CASE("reduced values are right, and the same bytes move, when helper threads copy gradients") {
  const auto plain = run({}), helped = run({.given = {{"helper_threads", 2}}});
  const auto serial = run({.given = {{"helper_threads", 3}, {"overlap", false}}});
  for (std::size_t rank = 0; rank < plain.size(); ++rank) {
    for (const auto* job : {&helped, &serial}) {
      for (const StepRecord& record : (*job)[rank].records) CHECK(record.corrupted == 0);
      CHECK((*job)[rank].collectives == plain[rank].collectives);
    }
    REQUIRE(helped[rank].spans.size() == plain[rank].spans.size());
    for (std::size_t i = 0; i < plain[rank].spans.size(); ++i)
      CHECK(helped[rank].spans[i].bytes == plain[rank].spans[i].bytes);
  }
}

TEST_CASE("data from files are checked in every step, and are the input phase's") {
  const test::TempDirectory directory;
  const auto ranks = run({.ranks = 2,
                          .given = {{"input", "files"},
                                    {"input_workers", 0},
                                    {"input_bytes", 1 << 20},
                                    {"input_file", 1 << 20},
                                    {"micro_batches", 2}},
                          .checkpoint_directory = directory.path()});
  for (const RankResult& rank : ranks) {
    CHECK(rank.description["input"] == "files");
    CHECK(rank.description["input_file_bytes"] == 1 << 20);
    for (const StepRecord& record : rank.records) {
      CHECK(record.corrupted == 0);
      CHECK(record.input_ns > 0);
    }
  }
}

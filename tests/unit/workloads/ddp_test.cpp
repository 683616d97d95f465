#include <algorithm>

#include "tests/catch.hpp"
#include "tests/temp_directory.hpp"
#include "tests/unit/workloads/ddp_job.hpp"

using namespace grit;
using test::ddp_params;
using test::kNominalClock;
using test::RankResult;
using test::run;
using test::ThreadCommunicator;

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

TEST_CASE("what cannot work is refused with a reason") {
  ThreadCommunicator::Group group(1);
  ThreadCommunicator communicator(group, 0);
  const WorkloadContext context{.communicator = &communicator, .accelerator_clock = &kNominalClock};

  const auto no_directory = make_workload("ddp", ddp_params({{"checkpoint_every", 1}}), context);
  REQUIRE_FALSE(no_directory);
  CHECK(no_directory.error().kind == ErrorKind::usage);

  const WorkloadContext nowhere{.communicator = &communicator,
                                .accelerator_clock = &kNominalClock,
                                .checkpoint_directory = "/proc/nonexistent/directory"};
  const auto bad_directory = make_workload("ddp", ddp_params({{"checkpoint_every", 1}}), nowhere);
  REQUIRE_FALSE(bad_directory);
  CHECK(bad_directory.error().kind == ErrorKind::unavailable);
  CHECK(bad_directory.error().message.find("/proc/nonexistent/directory") != std::string::npos);

  const auto unknown = make_workload("dpp", ddp_params(Json::object()), context);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().message.find("ddp") != std::string::npos);

  const auto unknown_model = make_workload("ddp", ddp_params({{"model", "gpt2-smal"}}), context);
  REQUIRE_FALSE(unknown_model);
  CHECK(unknown_model.error().message.find("gpt2-small") != std::string::npos);
}

TEST_CASE("the registry names every workload and what of it is emulated") {
  std::vector<std::string> names;
  for (const WorkloadInfo& info : workloads()) names.push_back(info.name);
  CHECK(names == std::vector<std::string>{"ddp", "fsdp", "tensor", "pipeline", "moe", "transformer"});
  CHECK(find_workload("nothing") == nullptr);
  CHECK(emulated_parts("ddp", ddp_params(Json::object())) ==
        std::vector<std::string>{"compute (timer-driven accelerator)"});
  CHECK(emulated_parts("ddp", ddp_params({{"compute", "cpu"}})).empty());
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

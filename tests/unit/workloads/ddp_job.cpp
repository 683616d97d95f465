#include "tests/unit/workloads/ddp_job.hpp"

#include <thread>

#include "tests/catch.hpp"

namespace grit::test {
namespace {

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
  auto workload = make_workload("ddp", ddp_params(job.given), context);
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

}  // namespace

Params ddp_params(Json given) {
  Json values = Json::object();
  for (const ParamSpec& spec : find_workload("ddp")->params) values[spec.name] = spec.default_value;
  values["scale"] = 0.001;
  values.update(given);
  return Params(values);
}

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

}  // namespace grit::test

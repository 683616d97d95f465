#include "workloads/pipeline_schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>

namespace grit {
namespace {

int forwards_before_first_backward(const PipelineShape& shape, int stage) {
  const int later_stages = shape.stages - 1 - stage;
  const int wanted = shape.chunks == 1 ? later_stages : 2 * later_stages + (shape.chunks - 1) * shape.stages;
  return std::min(wanted, shape.micro_batches * shape.chunks);
}

/// The index-th forward, or the index-th backward, of a stage.
PipelineAction make_action(const PipelineShape& shape, int stage, Pass pass, int index) {
  const int within_round = index % (shape.stages * shape.chunks);
  const int round = index / (shape.stages * shape.chunks);
  PipelineAction action;
  action.pass = pass;
  action.micro_batch = round * shape.stages + within_round % shape.stages;
  action.chunk = within_round / shape.stages;
  if (pass == Pass::backward) action.chunk = shape.chunks - 1 - action.chunk;

  const int part = action.chunk * shape.stages + stage;
  const int previous = part > 0 ? (stage + shape.stages - 1) % shape.stages : -1;
  const int next = part < shape.stages * shape.chunks - 1 ? (stage + 1) % shape.stages : -1;
  action.receive_from = pass == Pass::forward ? previous : next;
  action.send_to = pass == Pass::forward ? next : previous;
  return action;
}

}  // namespace

Status check_pipeline(const PipelineShape& shape) {
  if (shape.stages < 1 || shape.micro_batches < 1 || shape.chunks < 1) {
    return usage_error(
        fmt::format("a pipeline of {} stage(s), {} micro-batch(es) and {} chunk(s): give at least 1 of each",
                    shape.stages, shape.micro_batches, shape.chunks));
  }
  if (shape.chunks == 1) return {};
  if (shape.stages == 1) {
    return usage_error(
        fmt::format("{} chunks, but a single pipeline stage: choose chunks = 1, or pp of 2 or more", shape.chunks));
  }
  const int left_over = shape.micro_batches % shape.stages;
  if (left_over == 0) return {};
  const int more = shape.micro_batches - left_over + shape.stages;
  const int fewer = shape.micro_batches - left_over;
  const std::string choice = fewer > 0 ? fmt::format("{} or {}", fewer, more) : std::to_string(more);
  return usage_error(
      fmt::format("with {} chunks a pipeline takes its micro-batches in rounds of as many as it has stages, and {} "
                  "micro-batches do not divide by {} stages: choose {} micro-batches, or chunks = 1",
                  shape.chunks, shape.micro_batches, shape.stages, choice));
}

std::vector<PipelineAction> pipeline_schedule(const PipelineShape& shape, int stage) {
  const int total = shape.micro_batches * shape.chunks;
  const int before = forwards_before_first_backward(shape, stage);
  std::vector<PipelineAction> actions;
  actions.reserve(2 * static_cast<std::size_t>(total));
  for (int i = 0; i < before; ++i) actions.push_back(make_action(shape, stage, Pass::forward, i));
  for (int i = 0; i < total; ++i) {
    if (before + i < total) {
      actions.push_back(make_action(shape, stage, Pass::forward, before + i));
      actions.back().exchange_after = shape.chunks == 1;
    }
    actions.push_back(make_action(shape, stage, Pass::backward, i));
  }
  return actions;
}

int activations_in_flight(const PipelineShape& shape, int stage) {
  return std::min(forwards_before_first_backward(shape, stage) + 1, shape.micro_batches * shape.chunks);
}

double bubble_share(const PipelineShape& shape) {
  return (shape.stages - 1.0) / (shape.chunks * shape.micro_batches + shape.stages - 1.0);
}

}  // namespace grit

#include "workloads/pipeline_schedule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
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

/// Plays a step in which communication takes no time.
class Playback {
 public:
  Playback(const PipelineShape& shape, std::span<const double> forward_times)
      : shape_(shape), forward_times_(forward_times), stages_(static_cast<std::size_t>(shape.stages)) {
    const auto outputs = forward_times.size() * static_cast<std::size_t>(shape.micro_batches);
    for (auto& of_pass : done_at_) of_pass.assign(outputs, kNotYet);
    for (int i = 0; i < shape.stages; ++i) stages_[static_cast<std::size_t>(i)].actions = pipeline_schedule(shape, i);
  }

  std::vector<double> idle_shares() {
    for (bool moved = true; moved;) {
      moved = false;
      for (int stage = 0; stage < shape_.stages; ++stage) moved |= play(stage);
    }
    const double end = std::ranges::max_element(stages_, {}, &Stage::now)->now;
    std::vector<double> shares;
    for (const Stage& stage : stages_) shares.push_back(1 - stage.busy / end);
    return shares;
  }

 private:
  static constexpr double kNotYet = -1;

  struct Stage {
    std::vector<PipelineAction> actions;
    std::size_t next = 0;
    double now = 0;
    double busy = 0;
  };

  /// Goes on as far as inputs are there. Returns whether that was anywhere.
  bool play(int index) {
    Stage& stage = stages_[static_cast<std::size_t>(index)];
    const std::size_t first = stage.next;
    for (; stage.next < stage.actions.size(); ++stage.next) {
      const PipelineAction& action = stage.actions[stage.next];
      const int part = action.chunk * shape_.stages + index;
      const bool forward = action.pass == Pass::forward;
      const double input_at = action.receive_from < 0 ? 0 : done_at(action, forward ? part - 1 : part + 1);
      if (input_at == kNotYet) break;
      const double time = (forward ? 1 : 2) * forward_times_[static_cast<std::size_t>(part)];
      stage.now = std::max(stage.now, input_at) + time;
      stage.busy += time;
      done_at(action, part) = stage.now;
    }
    return stage.next > first;
  }

  /// When a part is through with the action's micro-batch in the action's pass.
  double& done_at(const PipelineAction& action, int part) {
    return done_at_[action.pass == Pass::forward ? 0 : 1]
                   [static_cast<std::size_t>(part * shape_.micro_batches + action.micro_batch)];
  }

  PipelineShape shape_;
  std::span<const double> forward_times_;
  std::vector<Stage> stages_;
  std::array<std::vector<double>, 2> done_at_;
};

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

std::vector<double> idle_shares(const PipelineShape& shape, std::span<const double> forward_times) {
  return Playback(shape, forward_times).idle_shares();
}

}  // namespace grit

#include "workloads/training/stage_exchange.hpp"

#include <algorithm>
#include <utility>

namespace grit {
namespace {

std::size_t index_of(Pass pass) { return pass == Pass::forward ? 0 : 1; }

}  // namespace

StageExchange::StageExchange(const TrainingSettings& settings, std::vector<PipelineAction> schedule,
                             CheckedGroup* group)
    : schedule_(std::move(schedule)),
      group_(group),
      elements_(activation_bytes(settings.setup) / settings.setup.element_bytes) {
  std::size_t first = 0;
  for (std::size_t i = 0; i < schedule_.size(); ++i)
    if (schedule_[i].exchange_after) groups_.push_back({.first = std::exchange(first, i + 1), .end = i + 1});
  if (group == nullptr) return;
  const auto make = [&](Message& message) {
    message.buffer = group->device().allocate(activation_bytes(settings.setup));
    group->add_buffer(message.buffer);
  };
  std::ranges::for_each(receives_, make);
  for (auto& of_pass : sends_) std::ranges::for_each(of_pass, make);
}

double StageExchange::bytes(const TrainingSettings& settings) {
  if (settings.setup.mesh.size(Axis::pp) == 1) return 0;
  return static_cast<double>(activation_bytes(settings.setup)) *
         static_cast<double>(kPasses * (1 + kSendBuffers) * settings.buffer_copies());
}

Status StageExchange::begin_receives(const ActionGroup& group) {
  for (const PipelineAction& action : actions(group)) {
    if (action.receive_from < 0) continue;
    Message& message = receives_[index_of(action.pass)];
    GRIT_TRY(message.pending, group_->receive(message.buffer.data(), elements_, action.receive_from));
    message.open = true;
  }
  return {};
}

Status StageExchange::begin_step() { return groups_.empty() ? Status() : begin_receives(groups_.front()); }

Status StageExchange::await_inputs(const ActionGroup& group) {
  for (const PipelineAction& action : actions(group)) {
    Message& message = receives_[index_of(action.pass)];
    if (action.receive_from >= 0 && std::exchange(message.open, false)) GRIT_CHECK(group_->finish(message.pending));
  }
  return {};
}

Result<StageExchange::Message*> StageExchange::next_send(Pass pass) {
  const std::size_t place = index_of(pass);
  Message& message = sends_[place][sent_[place]++ % kSendBuffers];
  if (std::exchange(message.open, true)) GRIT_CHECK(group_->wait(message.pending));
  return &message;
}

Status StageExchange::after(std::size_t group) {
  // All waiting comes before the first message: a send and a receive that need each other are begun in one go.
  std::array<std::pair<const PipelineAction*, Message*>, kPasses> sends{};
  std::size_t count = 0;
  for (const PipelineAction& action : actions(groups_[group])) {
    if (action.send_to < 0) continue;
    GRIT_ASSERT(count < sends.size());
    GRIT_TRY(Message * message, next_send(action.pass));
    sends[count++] = {&action, message};
  }
  for (std::size_t i = 0; i < count; ++i) {
    const auto& [action, message] = sends[i];
    GRIT_TRY(message->pending, group_->send(message->buffer.data(), elements_, action->send_to));
  }
  return group + 1 < groups_.size() ? begin_receives(groups_[group + 1]) : Status();
}

Status StageExchange::end_step() {
  for (auto& of_pass : sends_)
    for (Message& message : of_pass)
      if (std::exchange(message.open, false)) GRIT_CHECK(group_->wait(message.pending));
  return {};
}

}  // namespace grit

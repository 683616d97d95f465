#include "workloads/checkpoints.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "workloads/compute/cuda_device.hpp"

namespace grit {
namespace {

/// The weights of a group that one rank saves.
struct Share {
  std::size_t first = 0, count = 0;
  std::size_t largest = 0;  // of any rank
  std::size_t ranks = 1, rank = 0;
};

Share share_of(const HeldAlike& weights) {
  Share share;
  if (weights.group != nullptr) {
    share.ranks = static_cast<std::size_t>(weights.group->size());
    share.rank = static_cast<std::size_t>(weights.group->rank());
  }
  share.largest = largest_share(weights.count, share.ranks);
  share.first = std::min(share.rank * share.largest, weights.count);
  share.count = std::min(share.largest, weights.count - share.first);
  return share;
}

/// The weights of a group, from what each of its ranks has saved of them. `device`: what its communicator reaches.
Status gather(const HeldAlike& alike, Device& device, std::span<const std::byte> own, std::span<float> weights) {
  const Share share = share_of(alike);
  if (share.ranks == 1) {
    std::ranges::copy(own, std::as_writable_bytes(weights).begin());
    return {};
  }
  // What the last ranks lack of the largest is 0.
  const DeviceBuffer memory = device.allocate_for_host(share.largest * share.ranks * sizeof(float));
  float* const all = memory.as_floats();
  float* const mine = all + share.rank * share.largest;
  std::ranges::copy(own, std::as_writable_bytes(std::span(mine, share.count)).begin());
  GRIT_CHECK(alike.group->all_gather(mine, all, share.largest, DataType::fp32));
  GRIT_CHECK(alike.group->wait_all());
  std::copy_n(all, weights.size(), weights.begin());
  return {};
}

}  // namespace

std::vector<ParamSpec> checkpoint_params() {
  return {
      {.name = "checkpoint_every",
       .unit = Unit::count,
       .default_value = 0,
       .help = "steps from one checkpoint to the next; 0: none",
       .min = 0,
       .max = 1e9},
      {.name = "checkpoint_mode",
       .unit = Unit::text,
       .default_value = "synchronous",
       .help = "synchronous: the step ends when its checkpoint is on the disk; asynchronous: when the rank has copied "
               "what it saves, which a thread writes beside the steps that follow, as async_save of "
               "torch.distributed.checkpoint does; the next checkpoint waits for it",
       .choices = {"synchronous", "asynchronous"}},
      {.name = "checkpoint",
       .unit = Unit::bytes,
       .default_value = 0,
       .help = "bytes a rank writes for a checkpoint; 0: its share of the scaled model's state under mixed-precision "
               "Adam, 14 bytes a parameter; a rank without a share writes none",
       .min = 0},
  };
}

CheckpointSettings read_checkpoint_settings(const Params& params) {
  return {.every = params.integer("checkpoint_every"),
          .asynchronous = params.text("checkpoint_mode") == "asynchronous",
          .bytes = params.integer("checkpoint")};
}

Checkpoints::Checkpoints(const CheckpointSettings& settings, const WorkloadContext& context,
                         std::vector<HeldAlike> weights)
    : settings_(settings),
      gpu_(context.gpu),
      part_{context.checkpoint_directory, context.communicator->rank(), context.communicator->size()},
      keeps_(context.keeps_checkpoints),
      taken_up_(context.checkpoint_of),
      weights_(std::move(weights)) {}

Result<std::unique_ptr<Checkpoints>> Checkpoints::make(const CheckpointSettings& settings,
                                                       const WorkloadContext& context, std::vector<HeldAlike> weights) {
  std::unique_ptr<Checkpoints> checkpoints(new Checkpoints(settings, context, std::move(weights)));
  if (settings.every > 0) GRIT_CHECK(checkpoints->open());
  return checkpoints;
}

Status Checkpoints::open() {
  if (part_.directory.empty()) {
    return usage_error(
        "the workload writes checkpoints (checkpoint_every is not 0), but no directory for them is known");
  }
  std::size_t own = 0;  // weights
  for (const HeldAlike& alike : weights_) own += share_of(alike).count;
  own_bytes_ = own * sizeof(float);
  bytes_ = static_cast<std::int64_t>(own) * kCheckpointBytesPerParameter;
  if (own > 0 && settings_.bytes > 0) bytes_ = settings_.bytes;
  if (keeps_) {
    bytes_ = std::max(bytes_, static_cast<std::int64_t>(own_bytes_));
    const std::size_t files = settings_.asynchronous ? kMostCheckpointFiles : kCheckpointFiles;
    GRIT_TRY(kept_, KeptCheckpoint::open(part_, bytes_, taken_up_, files));
  } else {
    GRIT_TRY(nameless_, CheckpointFile::create(part_.directory, part_.rank, bytes_));
  }
  GRIT_TRY(writer_, CheckpointWriter::make(own_bytes_, settings_.asynchronous,
                                           [this](const CheckpointedState& state, const std::stop_token& given_up) {
                                             return write(state, given_up);
                                           }));
  return {};
}

Status Checkpoints::write(const CheckpointedState& state, const std::stop_token& given_up) {
  return kept_ ? kept_->write(state.step, state.part, state.checksum_of_all, given_up)
               : nameless_->write(state.part, given_up);
}

bool Checkpoints::are_due_after(std::uint64_t step) const {
  return writer_ && (step + 1) % static_cast<std::uint64_t>(settings_.every) == 0;
}

Status Checkpoints::save(std::uint64_t step, std::span<const float> weights) {
  GRIT_TRY(const std::span<std::byte> buffer, writer_->buffer());
  auto to = buffer.begin();
  std::size_t first = 0;
  for (const HeldAlike& alike : weights_) {
    const Share share = share_of(alike);
    to = std::ranges::copy(std::as_bytes(weights.subspan(first + share.first, share.count)), to).out;
    first += alike.count;
  }
  // Nobody reads back what has no name.
  const std::uint64_t checksum = keeps_ ? checksum_of(std::as_bytes(weights)) : 0;
  return writer_->write(static_cast<std::int64_t>(step), own_bytes_, checksum);
}

Status Checkpoints::finish() { return writer_ ? writer_->finish() : Status(); }

Status Checkpoints::take_up(std::span<float> weights) {
  if (!writer_) return usage_error("the workload writes no checkpoints that it could go on from");
  GRIT_TRY(const std::span<std::byte> buffer, writer_->buffer());
  const std::span<std::byte> own = buffer.first(own_bytes_);
  GRIT_TRY(const std::uint64_t saved, read_part(part_, taken_up_, own));
  HostDevice host;
  Device& device = gpu_ != nullptr ? static_cast<Device&>(*gpu_) : host;
  std::size_t read = 0, first = 0;
  for (const HeldAlike& alike : weights_) {
    const std::size_t own_bytes = share_of(alike).count * sizeof(float);
    GRIT_CHECK(gather(alike, device, own.subspan(read, own_bytes), weights.subspan(first, alike.count)));
    read += own_bytes;
    first += alike.count;
  }
  if (checksum_of(std::as_bytes(std::span<const float>(weights))) == saved) return {};
  return internal_error(
      fmt::format("rank {}: the weights that all ranks' parts of the checkpoint of step {} make together are not those "
                  "that were saved",
                  part_.rank, taken_up_));
}

}  // namespace grit

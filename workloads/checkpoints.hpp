// A rank's checkpoints, as every workload that trains has them: how often, what of its weights, where to, and how a
// further job takes them up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "workloads/checkpoint.hpp"
#include "workloads/checkpoint_writer.hpp"
#include "workloads/kept_checkpoint.hpp"
#include "workloads/workload.hpp"

namespace grit {

/// What a workload can be set to.
struct CheckpointSettings {
  std::int64_t every = 0;     // steps from one to the next; 0: none
  bool asynchronous = false;  // CheckpointWriter
  std::int64_t bytes = 0;     // of a rank that has a share; 0: that of the model's state under mixed-precision Adam
};
std::vector<ParamSpec> checkpoint_params();
CheckpointSettings read_checkpoint_settings(const Params& params);

/// Weights, one behind the other, of which all ranks of a group hold the same values, so that each saves a part.
struct HeldAlike {
  std::size_t count = 0;
  Communicator* group = nullptr;  // outlives the checkpoints; nullptr: this rank alone has them
};

/// Weights that the rank which saves most of them saves, as many as each but the last ones: divided evenly, rounded up.
constexpr std::size_t largest_share(std::size_t count, std::size_t ranks) { return (count + ranks - 1) / ranks; }

/// What a rank saves are its fp32 weights, repeated up to the bytes that it writes. They are copied first, whoever
/// writes them, since they need not lie one behind the other. Files go to WorkloadContext::checkpoint_directory: one
/// without a name, or those of KeptCheckpoint where the context keeps them for a further job.
class Checkpoints {
 public:
  /// `weights`: what there is to save, in the order in which it lies. Allocates all it will need. Error (usage): no
  /// directory is known; (unavailable): the files cannot be made, or there is no memory or thread.
  static Result<std::unique_ptr<Checkpoints>> make(const CheckpointSettings& settings, const WorkloadContext& context,
                                                   std::vector<HeldAlike> weights);

  /// Is there one to be saved after this step?
  [[nodiscard]] bool are_due_after(std::uint64_t step) const;
  /// Error (unavailable): it, or the one before, could not be written.
  Status save(std::uint64_t step, std::span<const float> weights);
  /// Returns when the last one is written. Error as of save().
  Status finish();
  /// The weights after step WorkloadContext::checkpoint_of, from the parts that the ranks of each group read.
  /// Collective, over each of the groups in turn. Error (usage): the workload writes none; (unavailable): this rank's
  /// part is not what was saved, and the others wait for it; (internal): each part is, and what they make together is
  /// not.
  Status take_up(std::span<float> weights);

  /// Bytes that this rank writes for each, beside a kept one's header; 0: none, or it has no share of the weights.
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }

 private:
  Checkpoints(const CheckpointSettings& settings, const WorkloadContext& context, std::vector<HeldAlike> weights);
  Status open();
  Status write(const CheckpointedState& state, const std::stop_token& given_up);

  CheckpointSettings settings_;
  CudaDevice* gpu_;  // WorkloadContext::gpu
  CheckpointPart part_;
  bool keeps_;
  std::int64_t taken_up_;
  std::vector<HeldAlike> weights_;
  std::size_t own_bytes_ = 0;  // of the weights that this rank saves
  std::int64_t bytes_ = 0;
  std::optional<CheckpointFile> nameless_{};
  std::optional<KeptCheckpoint> kept_{};
  std::unique_ptr<CheckpointWriter> writer_{};  // last: it ends before the files. nullptr: there are no checkpoints
};

}  // namespace grit

// Operations of one group of ranks, every value of which is checked when it arrives.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "harness/base/result.hpp"
#include "workloads/data_pattern.hpp"
#include "workloads/fabric/group_communicators.hpp"
#include "workloads/host_staging.hpp"
#include "workloads/step_account.hpp"

namespace grit {

/// An operation that was begun, and what its result should be.
struct PendingOperation {
  OperationHandle handle{};
  CollectiveOperation operation = CollectiveOperation::all_reduce;
  std::byte* received = nullptr;
  std::size_t count = 0;  // elements: of one rank's part (reduce_scatter, all_gather), else of the buffer
  std::size_t first = 0;  // element of the pattern at which the received ones begin
  int peer = -1;
  std::span<const std::size_t> receive_counts{};  // all_to_all only; stay until check()
};

/// Where in what a rank sums in a step an operation's elements are, for the fault bit_flip; total = 0: it hits others.
struct FlipPlace {
  std::size_t first = 0;
  std::size_t total = 0;
};

/// Begins operations with the pattern's values, and looks at what comes of them. Counts are of elements of `type`. What
/// beginning and waiting take is counted as exposed communication, filling and checking as the phase that the step is
/// in, and so are the copies of helper threads, which come behind the one and before the other. Buffers are the
/// caller's, and stay until wait(), with helper threads until check(). Errors: the communicator's.
class CheckedGroup {
 public:
  /// What is given outlives this. `device`: where the buffers are. `context`: whose dials plant a wrong value, and
  /// where examples of wrong ones go. `staging`: on whose network's side operations are done; nullptr: on the buffers
  /// themselves. Where two of these share a communicator, their patterns begin at different elements.
  CheckedGroup(const WorkloadContext& context, Device& device, Communicator& communicator, DataType type,
               StepAccount& account, HostStaging* staging, std::size_t first_element = 0);

  [[nodiscard]] int rank() const { return communicator_.rank(); }
  [[nodiscard]] int size() const { return communicator_.size(); }
  [[nodiscard]] Communicator& communicator() { return communicator_; }
  [[nodiscard]] DataType type() const { return type_; }
  [[nodiscard]] Device& device() const { return device_; }

  /// Operations will read and write there: of all that they are given, before the first step.
  void add_buffer(const DeviceBuffer& buffer) {
    if (staging_ != nullptr) staging_->add({buffer.data(), buffer.size()});
  }

  /// Patterns differ from step to step. They are computed when they are first needed.
  void begin_step(std::uint64_t step);

  /// In place.
  Result<PendingOperation> all_reduce(std::byte* buffer, std::size_t count, FlipPlace flip = {});
  /// Of `whole`, size · count elements, this rank's sum goes to `part`, count elements.
  Result<PendingOperation> reduce_scatter(std::byte* whole, std::byte* part, std::size_t count, FlipPlace flip = {});
  /// Of size · count elements; this rank's part is filled where it is.
  Result<PendingOperation> all_gather(std::byte* whole, std::size_t count);
  Result<PendingOperation> all_to_all(std::byte* routed, std::span<const std::size_t> send_counts, std::byte* receive,
                                      std::span<const std::size_t> receive_counts);
  Result<PendingOperation> send(std::byte* buffer, std::size_t count, int peer);
  Result<PendingOperation> receive(std::byte* buffer, std::size_t count, int peer);

  /// All-to-all of numbers that are no pattern, and so are not checked; returns when they are there. `part_bytes`: of
  /// the part for each rank, and from each.
  /// The numbers are in memory that Device::allocate_for_host() gave.
  Status exchange_numbers(std::span<const std::int64_t> send, std::span<std::int64_t> receive,
                          std::span<const std::size_t> part_bytes);

  /// Until it is complete; at once where nothing was begun.
  Status wait(const PendingOperation& pending);
  /// Of one that is complete: values that are wrong go into its span and the step's record.
  void check(const PendingOperation& pending);
  /// wait() and check().
  Status finish(const Result<PendingOperation>& pending);

 private:
  std::size_t next_collective();
  template <class Begin>
  Result<PendingOperation> begin(PendingOperation pending, Begin begin_it);
  /// Brings so many elements to where the network reads them, and says where that is; and where it is to write.
  const std::byte* filled(const std::byte* buffer, std::size_t count);
  [[nodiscard]] std::byte* network_side(std::byte* buffer) {
    return staging_ != nullptr ? staging_->network_side(buffer) : buffer;
  }
  /// What has arrived, from there.
  void fetch(const PendingOperation& pending);
  std::uint64_t check_sums(const PendingOperation& pending);
  std::uint64_t check_copies(const PendingOperation& pending, const std::byte* received, int source, int destination,
                             std::size_t count);
  [[nodiscard]] std::byte* at(std::byte* buffer, std::size_t element) const {
    return buffer + element * element_bytes_;
  }
  SumPattern& sums();
  CopyPattern& copies();

  const WorkloadContext& context_;
  Device& device_;
  Communicator& communicator_;
  DataType type_;
  std::size_t element_bytes_;
  StepAccount& account_;
  HostStaging* staging_;
  std::size_t first_element_;
  SumPattern sums_;
  CopyPattern copies_;
  std::uint64_t step_ = 0;
  bool sums_are_fresh_ = false;
  bool copies_are_fresh_ = false;
  std::size_t collectives_ = 0;     // of this step
  std::vector<std::size_t> sends_;  // of this step, by peer
  std::vector<std::size_t> receives_;
};

/// Those of a rank of a training job.
class TrainingGroups {
 public:
  /// What is given outlives this. `staging`: as of CheckedGroup.
  TrainingGroups(const WorkloadContext& context, Device& device, DataType type, StepAccount& account,
                 HostStaging* staging);

  /// Of any of the groups: CheckedGroup::add_buffer().
  void add_buffer(const DeviceBuffer& buffer) {
    if (staging_ != nullptr) staging_->add({buffer.data(), buffer.size()});
  }
  /// Where the buffers are.
  [[nodiscard]] Device& device() const { return device_; }

  /// nullptr: this rank is alone on the axis, and its operations are none.
  [[nodiscard]] CheckedGroup* of(Axis axis);
  /// The numbers of the loss over a vocabulary that tp divides, fp32.
  [[nodiscard]] CheckedGroup* loss() { return loss_.get(); }
  [[nodiscard]] int coordinate(Axis axis) const { return groups_.of(axis).rank(); }
  [[nodiscard]] Communicator& world() const { return groups_.world(); }

  void begin_step(std::uint64_t step);

 private:
  const GroupCommunicators& groups_;
  Device& device_;
  HostStaging* staging_;
  std::map<Axis, std::unique_ptr<CheckedGroup>> axes_;
  std::unique_ptr<CheckedGroup> loss_;
};

}  // namespace grit

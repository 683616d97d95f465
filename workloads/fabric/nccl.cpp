#include "workloads/fabric/nccl.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "workloads/compute/device_events.hpp"
#include "workloads/fabric/last_resort.hpp"
#include "workloads/fabric/nccl_ras.hpp"

namespace grit {
namespace {

constexpr std::int64_t kAbortPatience_ns = 30 * kNsPerS;
constexpr std::int64_t kRasPatience_ns = 10 * kNsPerS;  // it waits for some seconds for ranks that are gone

static_assert(static_cast<int>(DataType::fp32) == GRIT_FP32 && static_cast<int>(DataType::bf16) == GRIT_BF16);
static_assert(static_cast<int>(DataType::fp16) == GRIT_FP16 && static_cast<int>(DataType::bytes) == GRIT_BYTES);
static_assert(static_cast<int>(CollectiveOperation::all_reduce) == GRIT_ALL_REDUCE);
static_assert(static_cast<int>(CollectiveOperation::reduce_scatter) == GRIT_REDUCE_SCATTER);
static_assert(static_cast<int>(CollectiveOperation::all_gather) == GRIT_ALL_GATHER);
static_assert(static_cast<int>(CollectiveOperation::all_to_all) == GRIT_ALL_TO_ALL);
static_assert(static_cast<int>(CollectiveOperation::send) == GRIT_SEND);
static_assert(static_cast<int>(CollectiveOperation::receive) == GRIT_RECEIVE);

class NcclCommunicator;

/// What the communicators of a rank share.
struct NcclRank {
  NcclRank(CudaDevice& its_device, const NcclOptions& its_options)
      : work(its_device),
        device(its_device.accelerator()),
        options(its_options),
        open(its_options.spans, its_options.pause_ns),
        events(its_device.events()) {}

  [[nodiscard]] const grit_module_table& table() const { return device->table(); }
  /// NCCL launches what it is given in a thread of its own. All ranks launch in the order of the program only when one
  /// communicator waits for the other, else kernels of two could wait for each other for ever.
  [[nodiscard]] bool is_starting() const;
  [[nodiscard]] bool has_unstarted() const;
  /// Moves on all of them.
  void poke();
  /// For good.
  void fail(const Error& error);
  void abort_all();

  CudaDevice& work;
  std::shared_ptr<const Accelerator> device;
  NcclOptions options;
  OpenOperations open;
  DeviceEvents& events;
  std::vector<NcclCommunicator*> all{};
};

grit_call call_of(const OperationCall& call) {
  return {.operation = static_cast<std::int32_t>(call.operation),
          .type = static_cast<std::int32_t>(call.type),
          .send = call.send,
          .receive = call.receive,
          .count = call.count,
          .send_counts = call.send_counts.data(),
          .receive_counts = call.receive_counts.data(),
          .peer = call.peer};
}

class NcclCommunicator final : public Communicator {
 public:
  NcclCommunicator(grit_communicator* native, AcceleratorStream stream, CommunicatorGroup group, int rank,
                   std::shared_ptr<NcclRank> shared)
      : Communicator(std::move(group), rank, std::shared_ptr<OpenOperations>(shared, &shared->open)),
        native_(native),
        stream_(std::move(stream)),
        shared_(std::move(shared)) {
    under_way_.reserve(OpenOperations::kExpected);
    shared_->all.push_back(this);
  }

  ~NcclCommunicator() override {
    if (native_ != nullptr && (!open().status() || !open().empty()))
      shared_->fail({.kind = ErrorKind::internal, .message = "a communicator was let go with operations under way"});
    if (native_ != nullptr) close();
    std::erase(shared_->all, this);
  }

  /// Waits until the library's part of setting it up is done.
  Status await_ready(std::string_view what) {
    const std::int64_t deadline_ns = monotonic_ns() + shared_->options.patience_ns;
    for (;;) {
      grit_why why{};
      const std::int32_t code = shared_->table().communicator_state(native_, &why);
      if (code == GRIT_OK) return {};
      if (code != GRIT_PENDING) return check_module(code, why, what);
      if (monotonic_ns() > deadline_ns)
        return internal_error(
            fmt::format("{}: not all ranks were there within {} s", what, shared_->options.patience_ns / kNsPerS));
      std::this_thread::yield();
    }
  }

  void poke() override { shared_->poke(); }

  Result<std::unique_ptr<Communicator>> split(std::string_view axis, std::uint16_t first_id,
                                              std::span<const std::vector<int>> groups) override {
    if (!open().status()) return tl::make_unexpected(open().status().error());
    if (native_ == nullptr) return internal_error("NCCL: the communicator was aborted");
    GRIT_TRY(OwnList own, find_own_list(axis, first_id, groups));
    GRIT_TRY(AcceleratorStream stream, make_stream(shared_->device, true));
    const std::string name = fmt::format("{} {}", own.group.axis, own.group.index);
    grit_why why{};
    grit_communicator* part = nullptr;
    GRIT_CHECK(check_module(
        shared_->table().communicator_split(native_, own.group.index, own.rank, name.c_str(), &part, &why), why, name));
    auto made = std::make_unique<NcclCommunicator>(part, std::move(stream), std::move(own.group), own.rank, shared_);
    if (const Status ready = made->await_ready(name); !ready) {
      shared_->fail(ready.error());
      return tl::make_unexpected(ready.error());
    }
    return made;
  }

  void abort(std::string_view reason) override {
    Communicator::abort(reason);
    shared_->abort_all();
  }

  /// Starts what waits, notes what was started and what has ended.
  Status advance() {
    if (native_ == nullptr) return {};
    GRIT_CHECK(look_at_start());
    if (!waiting_.empty() && !shared_->is_starting()) GRIT_CHECK(start_waiting());
    GRIT_CHECK(note_ended());
    return under_way_.empty() ? Status() : look_for_errors();
  }

  [[nodiscard]] bool is_starting() const { return is_starting_; }
  [[nodiscard]] bool has_unstarted() const { return is_starting_ || !waiting_.empty(); }

  /// For abort_all(): what is to be aborted, which nobody else touches from now on.
  grit_communicator* take() {
    waiting_.clear();
    under_way_.clear();
    return std::exchange(native_, nullptr);
  }

 protected:
  Status start(const OperationCall& call, std::uint32_t slot) override {
    open().add_part(slot);
    if (call.peer >= 0) {
      waiting_.push_back(call_of(call));
      waiting_slots_.push_back(slot);
      return {};
    }
    while (shared_->has_unstarted()) {
      shared_->poke();
      if (!open().status()) return open().status();
    }
    const grit_call one = call_of(call);
    starting_slots_.assign(1, slot);
    const Status started = start_calls(std::span(&one, 1));
    if (!started) shared_->abort_all();
    return started;
  }

 private:
  struct UnderWay {
    std::uint32_t slot = 0;
    DeviceEvents::Mark begin{}, end{};
    std::int64_t since_ns = 0;
  };

  Status start_waiting() {
    std::swap(starting_slots_, waiting_slots_);
    waiting_slots_.clear();
    const Status started = start_calls(waiting_);
    waiting_.clear();
    return started;
  }

  Status start_calls(std::span<const grit_call> calls) {
    if (native_ == nullptr) return internal_error("NCCL: the communicator was aborted");
    GRIT_CHECK(shared_->work.precede(stream_));
    begins_.clear();
    while (begins_.size() < calls.size()) {
      GRIT_TRY(const DeviceEvents::Mark begin, shared_->events.mark(stream_));
      begins_.push_back(begin);
    }
    grit_why why{};
    const std::int32_t code = shared_->table().communicator_start(native_, stream_.get(), calls.data(),
                                                                  static_cast<std::int32_t>(calls.size()), &why);
    GRIT_CHECK(check_module(code, why, "NCCL"));
    is_starting_ = true;
    start_ns_ = monotonic_ns();
    return code == GRIT_OK ? note_started() : Status();
  }

  Status look_at_start() {
    if (!is_starting_) return {};
    grit_why why{};
    const std::int32_t code = shared_->table().communicator_state(native_, &why);
    GRIT_CHECK(check_module(code, why, "NCCL"));
    return code == GRIT_OK ? note_started() : check_patience(start_ns_, starting_slots_.front());
  }

  Status note_started() {
    is_starting_ = false;
    for (std::size_t i = 0; i < starting_slots_.size(); ++i) {
      GRIT_TRY(const DeviceEvents::Mark end, shared_->events.mark(stream_));
      under_way_.push_back({.slot = starting_slots_[i], .begin = begins_[i], .end = end, .since_ns = start_ns_});
    }
    return {};
  }

  /// They end in the order in which they were started.
  Status note_ended() {
    std::size_t ended = 0;
    for (; ended < under_way_.size(); ++ended) {
      const UnderWay& one = under_way_[ended];
      GRIT_TRY(const bool reached, shared_->events.is_reached(one.end));
      if (!reached) break;
      GRIT_CHECK(note_entry(one));
      open().end_part(one.slot, shared_->events.time_ns(one.end));
      shared_->events.let_go(one.end);
    }
    under_way_.erase(under_way_.begin(), under_way_.begin() + static_cast<std::ptrdiff_t>(ended));
    return {};
  }

  /// The rank was there when its device was: what it computes had been given to it long before, as a rule.
  Status note_entry(const UnderWay& one) {
    GRIT_TRY(const bool reached, shared_->events.is_reached(one.begin));
    if (reached) open().enter_part(one.slot, shared_->events.time_ns(one.begin));
    shared_->events.let_go(one.begin);
    return {};
  }

  Status look_for_errors() {
    if (!is_starting_) {
      grit_why why{};
      const std::int32_t code = shared_->table().communicator_state(native_, &why);
      if (code != GRIT_OK && code != GRIT_PENDING)
        return check_module(code, why, open().describe(under_way_.front().slot));
    }
    return check_patience(under_way_.front().since_ns, under_way_.front().slot);
  }

  [[nodiscard]] Status check_patience(std::int64_t since_ns, std::uint32_t slot) {
    if (monotonic_ns() - since_ns < shared_->options.patience_ns) return {};
    return internal_error(
        fmt::format("{} has not ended within {} s: another rank did not begin it, or the network does "
                    "not deliver{}",
                    open().describe(slot), shared_->options.patience_ns / kNsPerS,
                    nccl_ras_words(nccl_ras_address(), kRasPatience_ns)));
  }

  void close() {
    const LastResort resort(fmt::format("NCCL does not let go of the communicator {} {}", group().axis, group().index),
                            kAbortPatience_ns);
    grit_why why{};
    while (shared_->table().communicator_close(native_, &why) == GRIT_PENDING) std::this_thread::yield();
    native_ = nullptr;
  }

  grit_communicator* native_;  // null: aborted
  AcceleratorStream stream_;
  std::shared_ptr<NcclRank> shared_;
  std::vector<grit_call> waiting_{};  // sends and receives, to be started as one
  std::vector<std::uint32_t> waiting_slots_{};
  std::vector<std::uint32_t> starting_slots_{};
  std::vector<DeviceEvents::Mark> begins_{};  // of those
  bool is_starting_ = false;                  // NCCL has not said yet that they are on the stream
  std::int64_t start_ns_ = 0;
  std::vector<UnderWay> under_way_{};
};

bool NcclRank::is_starting() const {
  return std::any_of(all.begin(), all.end(), [](const NcclCommunicator* one) { return one->is_starting(); });
}

bool NcclRank::has_unstarted() const {
  return std::any_of(all.begin(), all.end(), [](const NcclCommunicator* one) { return one->has_unstarted(); });
}

void NcclRank::poke() {
  if (!open.status() || open.empty()) return;
  for (NcclCommunicator* one : all) {
    if (const Status moved = one->advance(); !moved) return fail(moved.error());
  }
}

void NcclRank::fail(const Error& error) {
  open.fail(error);
  abort_all();
}

/// All at once: the end of one waits for kernels of others, which end when these are aborted.
void NcclRank::abort_all() {
  const LastResort resort("NCCL does not let go of communicators that failed", kAbortPatience_ns);
  std::vector<std::jthread> threads;
  for (NcclCommunicator* one : all) {
    if (grit_communicator* native = one->take(); native != nullptr)
      threads.emplace_back([this, native] { table().communicator_abort(native, nullptr); });
  }
}

using Id = std::array<unsigned char, sizeof grit_communicator_options::id>;

/// Rank 0's, or zeros where it could not make one.
Result<Id> exchange_id(Communicator& bootstrap, const grit_module_table& table) {
  std::vector<Id> ids(static_cast<std::size_t>(bootstrap.size()));
  Id& own = ids[static_cast<std::size_t>(bootstrap.rank())];
  grit_why why{};
  Status made;
  if (bootstrap.rank() == 0) made = check_module(table.communicator_id(own.data(), &why), why, "NCCL");
  if (!made) own = {};
  GRIT_CHECK(
      bootstrap.all_gather(own.data(), ids.data(), sizeof(Id), DataType::bytes).and_then([&](const auto& handle) {
        return bootstrap.wait(handle);
      }));
  GRIT_CHECK(made);
  if (ids.front() == Id{}) return unavailable_error("NCCL: rank 0 could not begin a communicator");
  return ids.front();
}

}  // namespace

Result<std::unique_ptr<Communicator>> make_nccl_communicator(Communicator& bootstrap, CudaDevice& device,
                                                             const NcclOptions& options) {
  const AcceleratorModule& module = device.accelerator()->module();
  if (!module.has_communicators())
    return unavailable_error(fmt::format("{} was built without NCCL", module.describe()));
  auto shared = std::make_shared<NcclRank>(device, options);
  GRIT_TRY(const Id id, exchange_id(bootstrap, shared->table()));
  grit_communicator_options wanted{};
  wanted.size_bytes = sizeof wanted;
  wanted.rank = bootstrap.rank();
  wanted.ranks = bootstrap.size();
  std::memcpy(wanted.id, id.data(), id.size());
  std::strncpy(wanted.name, "world", sizeof wanted.name - 1);
  GRIT_TRY(AcceleratorStream stream, make_stream(shared->device, true));
  grit_why why{};
  grit_communicator* native = nullptr;
  const std::int32_t code = shared->table().communicator_open(shared->device->get(), &wanted, &native, &why);
  GRIT_CHECK(check_module(code, why, "NCCL"));
  auto made =
      std::make_unique<NcclCommunicator>(native, std::move(stream), bootstrap.group(), bootstrap.rank(), shared);
  if (const Status ready = made->await_ready("NCCL"); !ready) {
    shared->fail(ready.error());
    return tl::make_unexpected(ready.error());
  }
  return made;
}

}  // namespace grit

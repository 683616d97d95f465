#include "workloads/fabric/mpi.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "harness/base/clock.hpp"
#include "workloads/fabric/sum.hpp"

namespace grit {
namespace {

constexpr std::int64_t kPollInterval_ns = 30 * kNsPerUs;
// Between two ranks of a communicator, messages of an all-to-all and sends find each other apart.
constexpr int kMessageTag = 0;
constexpr int kAllToAllTag = 1;

Status check_mpi(int code, std::string_view call) {
  if (code == MPI_SUCCESS) return {};
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  if (MPI_Error_string(code, text.data(), &length) != MPI_SUCCESS) length = 0;
  return internal_error(fmt::format("{} failed: {} (code {})", call,
                                    std::string_view(text.data(), static_cast<std::size_t>(length)), code));
}

extern "C" void grit_sum_bf16(void* in, void* inout, int* count, MPI_Datatype*) {
  sum_into(in, inout, static_cast<std::size_t>(*count), DataType::bf16);
}
extern "C" void grit_sum_fp16(void* in, void* inout, int* count, MPI_Datatype*) {
  sum_into(in, inout, static_cast<std::size_t>(*count), DataType::fp16);
}

MPI_Datatype mpi_type(DataType type) {
  switch (type) {
    case DataType::fp32:
      return MPI_FLOAT;
    case DataType::bf16:
    case DataType::fp16:
      return MPI_UINT16_T;
    case DataType::bytes:
      return MPI_BYTE;
  }
  return MPI_BYTE;
}

bool mpi_is_over() {
  int finalized = 0;
  return MPI_Finalized(&finalized) != MPI_SUCCESS || finalized != 0;
}

/// What the communicators of a rank share: the requests of all of their operations, and the sums.
class MpiRequests {
 public:
  explicit MpiRequests(const MpiOptions& options) : open(options.spans), largest_count(options.largest_count) {
    requests_.reserve(OpenOperations::kExpected);
    slots_.reserve(OpenOperations::kExpected);
    fit_answers();
  }
  MpiRequests(const MpiRequests&) = delete;
  MpiRequests& operator=(const MpiRequests&) = delete;
  ~MpiRequests() {
    if (mpi_is_over() || !empty()) return;
    if (sum_bf16_ != MPI_OP_NULL) MPI_Op_free(&sum_bf16_);
    if (sum_fp16_ != MPI_OP_NULL) MPI_Op_free(&sum_fp16_);
  }

  Status set_up() {
    GRIT_CHECK(check_mpi(MPI_Op_create(grit_sum_bf16, 1, &sum_bf16_), "MPI_Op_create"));
    return check_mpi(MPI_Op_create(grit_sum_fp16, 1, &sum_fp16_), "MPI_Op_create");
  }

  [[nodiscard]] MPI_Op sum_of(DataType type) const {
    return type == DataType::fp32 ? MPI_SUM : type == DataType::bf16 ? sum_bf16_ : sum_fp16_;
  }
  [[nodiscard]] bool empty() const { return requests_.empty(); }

  /// A request that an MPI call has just made for the operation of `slot`.
  Status add(int code, std::string_view call, MPI_Request request, std::uint32_t slot) {
    GRIT_CHECK(check_mpi(code, call));
    requests_.push_back(request);
    slots_.push_back(slot);
    if (answers_.size() < requests_.size()) fit_answers();
    open.add_part(slot);
    return {};
  }

  void poke() {
    if (requests_.empty() || !open.status()) return;
    int ended = 0;
    const int code =
        MPI_Testsome(static_cast<int>(requests_.size()), requests_.data(), &ended, answers_.data(), statuses_.data());
    if (code != MPI_SUCCESS) return fail(code, ended);
    if (ended <= 0) return;
    const std::int64_t now_ns = monotonic_ns();
    for (int i = 0; i < ended; ++i) open.end_part(slots_[answer(i)], now_ns);
    drop_ended();
  }

  OpenOperations open;
  const std::size_t largest_count;

 private:
  [[nodiscard]] std::size_t answer(int i) const {
    return static_cast<std::size_t>(answers_[static_cast<std::size_t>(i)]);
  }

  void fit_answers() {
    answers_.resize(requests_.capacity());
    statuses_.resize(requests_.capacity());
  }

  /// MPI has set the requests that have ended to MPI_REQUEST_NULL.
  void drop_ended() {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      if (requests_[i] == MPI_REQUEST_NULL) continue;
      requests_[kept] = requests_[i];
      slots_[kept++] = slots_[i];
    }
    requests_.resize(kept);
    slots_.resize(kept);
  }

  void fail(int code, int ended) {
    std::string what = "an operation";
    for (int i = 0; i < ended && code == MPI_ERR_IN_STATUS; ++i) {
      const int error = statuses_[static_cast<std::size_t>(i)].MPI_ERROR;
      if (error == MPI_SUCCESS || error == MPI_ERR_PENDING) continue;
      code = error;
      what = open.describe(slots_[answer(i)]);
    }
    open.fail(check_mpi(code, what).error());
  }

  MPI_Op sum_bf16_ = MPI_OP_NULL;
  MPI_Op sum_fp16_ = MPI_OP_NULL;
  std::vector<MPI_Request> requests_;
  std::vector<std::uint32_t> slots_;  // of each request
  std::vector<int> answers_;          // MPI_Testsome's
  std::vector<MPI_Status> statuses_;
};

/// A communicator of MPI's own, freed with this.
class MpiComm {
 public:
  MpiComm() = default;
  MpiComm(const MpiComm&) = delete;
  MpiComm& operator=(const MpiComm&) = delete;
  MpiComm(MpiComm&& other) noexcept : comm_(std::exchange(other.comm_, MPI_COMM_NULL)) {}
  MpiComm& operator=(MpiComm&&) = delete;
  ~MpiComm() {
    if (comm_ != MPI_COMM_NULL && !mpi_is_over()) MPI_Comm_free(&comm_);
  }
  [[nodiscard]] MPI_Comm get() const { return comm_; }
  [[nodiscard]] MPI_Comm* out() { return &comm_; }
  /// What MPI still works on must not be freed.
  void leave() { comm_ = MPI_COMM_NULL; }

 private:
  MPI_Comm comm_ = MPI_COMM_NULL;
};

class MpiCommunicator final : public Communicator {
 public:
  MpiCommunicator(MpiComm comm, CommunicatorGroup group, int rank, std::shared_ptr<MpiRequests> requests)
      : Communicator(std::move(group), rank, std::shared_ptr<OpenOperations>(requests, &requests->open)),
        comm_(std::move(comm)),
        requests_(std::move(requests)) {}
  ~MpiCommunicator() override {
    if (!requests_->empty()) comm_.leave();
  }

  void poke() override { requests_->poke(); }

  Result<std::unique_ptr<Communicator>> split(std::string_view axis, std::uint16_t first_id,
                                              std::span<const std::vector<int>> groups) override {
    if (!open().status()) return tl::make_unexpected(open().status().error());
    GRIT_TRY(OwnList own, find_own_list(axis, first_id, groups));
    MpiComm comm;
    GRIT_CHECK(check_mpi(MPI_Comm_split(comm_.get(), own.group.index, own.rank, comm.out()), "MPI_Comm_split"));
    GRIT_CHECK(check_mpi(MPI_Comm_set_errhandler(comm.get(), MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler"));
    return std::make_unique<MpiCommunicator>(std::move(comm), std::move(own.group), own.rank, requests_);
  }

 protected:
  Status start(const OperationCall& call, std::uint32_t slot) override {
    switch (call.operation) {
      case CollectiveOperation::all_reduce:
        return all_reduce_parts(call, slot);
      case CollectiveOperation::reduce_scatter:
        return reduce_scatter_parts(call, slot);
      case CollectiveOperation::all_gather:
        return all_gather_parts(call, slot);
      case CollectiveOperation::all_to_all:
        return all_to_all_parts(call, slot);
      case CollectiveOperation::send:
        return send_parts(static_cast<const std::byte*>(call.send), call.count, call.type, call.peer, kMessageTag,
                          slot);
      case CollectiveOperation::receive:
        return receive_parts(static_cast<std::byte*>(call.receive), call.count, call.type, call.peer, kMessageTag,
                             slot);
    }
    return internal_error("no such operation");
  }

 private:
  /// Calls visit(bytes from the start, elements) for the pieces of `count` elements that one MPI call can move.
  template <class Visit>
  [[nodiscard]] Status for_each_piece(std::size_t count, DataType type, Visit visit) const {
    for (std::size_t done = 0; done < count;) {
      const std::size_t part = std::min(count - done, requests_->largest_count);
      GRIT_CHECK(visit(done * bytes_per_element(type), static_cast<int>(part)));
      done += part;
    }
    return {};
  }

  Status all_reduce_parts(const OperationCall& call, std::uint32_t slot) {
    const auto* from = static_cast<const std::byte*>(call.send);
    auto* to = static_cast<std::byte*>(call.receive);
    return for_each_piece(call.count, call.type, [&](std::size_t at, int count) {
      MPI_Request request = MPI_REQUEST_NULL;
      const int code = MPI_Iallreduce(from == to ? MPI_IN_PLACE : from + at, to + at, count, mpi_type(call.type),
                                      requests_->sum_of(call.type), comm_.get(), &request);
      return requests_->add(code, "MPI_Iallreduce", request, slot);
    });
  }

  Status reduce_scatter_parts(const OperationCall& call, std::uint32_t slot) {
    const auto* from = static_cast<const std::byte*>(call.send);
    auto* to = static_cast<std::byte*>(call.receive);
    const std::size_t part_bytes = call.count * bytes_per_element(call.type);
    const bool in_place = from + part_bytes * static_cast<std::size_t>(rank()) == to;
    MPI_Request request = MPI_REQUEST_NULL;
    if (!in_place && fits_at_once(call.count)) {
      const int code = MPI_Ireduce_scatter_block(from, to, static_cast<int>(call.count), mpi_type(call.type),
                                                 requests_->sum_of(call.type), comm_.get(), &request);
      return requests_->add(code, "MPI_Ireduce_scatter_block", request, slot);
    }
    for (int root = 0; root < size(); ++root) {
      const bool mine = root == rank();
      const std::byte* part = from + part_bytes * static_cast<std::size_t>(root);
      GRIT_CHECK(for_each_piece(call.count, call.type, [&](std::size_t at, int count) {
        const int code = MPI_Ireduce(mine && in_place ? MPI_IN_PLACE : part + at, mine ? to + at : nullptr, count,
                                     mpi_type(call.type), requests_->sum_of(call.type), root, comm_.get(), &request);
        return requests_->add(code, "MPI_Ireduce", request, slot);
      }));
    }
    return {};
  }

  Status all_gather_parts(const OperationCall& call, std::uint32_t slot) {
    const auto* from = static_cast<const std::byte*>(call.send);
    auto* to = static_cast<std::byte*>(call.receive);
    const std::size_t part_bytes = call.count * bytes_per_element(call.type);
    std::byte* own = to + part_bytes * static_cast<std::size_t>(rank());
    MPI_Request request = MPI_REQUEST_NULL;
    if (fits_at_once(call.count)) {
      const auto count = static_cast<int>(call.count);
      const int code = MPI_Iallgather(from == own ? MPI_IN_PLACE : from, count, mpi_type(call.type), to, count,
                                      mpi_type(call.type), comm_.get(), &request);
      return requests_->add(code, "MPI_Iallgather", request, slot);
    }
    if (from != own) std::memcpy(own, from, part_bytes);
    for (int root = 0; root < size(); ++root) {
      std::byte* part = to + part_bytes * static_cast<std::size_t>(root);
      GRIT_CHECK(for_each_piece(call.count, call.type, [&](std::size_t at, int count) {
        const int code = MPI_Ibcast(part + at, count, mpi_type(call.type), root, comm_.get(), &request);
        return requests_->add(code, "MPI_Ibcast", request, slot);
      }));
    }
    return {};
  }

  Status all_to_all_parts(const OperationCall& call, std::uint32_t slot) {
    const auto* from = static_cast<const std::byte*>(call.send);
    auto* to = static_cast<std::byte*>(call.receive);
    const std::size_t element_bytes = bytes_per_element(call.type);
    std::byte* own = nullptr;
    for (int peer = 0; peer < size(); ++peer) {
      const std::size_t count = call.receive_counts[static_cast<std::size_t>(peer)];
      if (peer == rank())
        own = to;
      else
        GRIT_CHECK(receive_parts(to, count, call.type, peer, kAllToAllTag, slot));
      to += count * element_bytes;
    }
    for (int peer = 0; peer < size(); ++peer) {
      const std::size_t count = call.send_counts[static_cast<std::size_t>(peer)];
      if (peer != rank())
        GRIT_CHECK(send_parts(from, count, call.type, peer, kAllToAllTag, slot));
      else if (count > 0)
        std::memcpy(own, from, count * element_bytes);
      from += count * element_bytes;
    }
    return {};
  }

  Status send_parts(const std::byte* from, std::size_t elements, DataType type, int peer, int tag, std::uint32_t slot) {
    return for_each_piece(elements, type, [&](std::size_t at, int count) {
      MPI_Request request = MPI_REQUEST_NULL;
      const int code = MPI_Isend(from + at, count, mpi_type(type), peer, tag, comm_.get(), &request);
      return requests_->add(code, "MPI_Isend", request, slot);
    });
  }

  Status receive_parts(std::byte* to, std::size_t elements, DataType type, int peer, int tag, std::uint32_t slot) {
    return for_each_piece(elements, type, [&](std::size_t at, int count) {
      MPI_Request request = MPI_REQUEST_NULL;
      const int code = MPI_Irecv(to + at, count, mpi_type(type), peer, tag, comm_.get(), &request);
      return requests_->add(code, "MPI_Irecv", request, slot);
    });
  }

  /// MPI libraries multiply the count by the number of ranks in int.
  [[nodiscard]] bool fits_at_once(std::size_t count) const {
    return count <= requests_->largest_count / static_cast<std::size_t>(size());
  }

  MpiComm comm_;
  std::shared_ptr<MpiRequests> requests_;
};

Result<int> ranks_on_this_host(MPI_Comm communicator, int rank) {
  MpiComm host;
  GRIT_CHECK(check_mpi(MPI_Comm_split_type(communicator, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, host.out()),
                       "MPI_Comm_split_type"));
  int ranks = 1;
  GRIT_CHECK(check_mpi(MPI_Comm_size(host.get(), &ranks), "MPI_Comm_size"));
  return ranks;
}

Result<bool> cores_are_shared(MPI_Comm communicator, int rank) {
  GRIT_TRY(const int local_ranks, ranks_on_this_host(communicator, rank));
  const char* shared = std::getenv("GRIT_SHARED_CORES");
  return (shared != nullptr && std::string_view(shared) == "1") || local_ranks > ::sysconf(_SC_NPROCESSORS_ONLN);
}

}  // namespace

Result<std::unique_ptr<Communicator>> make_mpi_communicator(MPI_Comm communicator, const MpiOptions& options) {
  GRIT_ASSERT(options.largest_count > 0 && options.largest_count <= std::size_t{1} << 30);
  auto requests = std::make_shared<MpiRequests>(options);
  GRIT_CHECK(requests->set_up());
  MpiComm comm;
  GRIT_CHECK(check_mpi(MPI_Comm_dup(communicator, comm.out()), "MPI_Comm_dup"));
  GRIT_CHECK(check_mpi(MPI_Comm_set_errhandler(comm.get(), MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler"));
  int rank = 0;
  int size = 1;
  GRIT_CHECK(check_mpi(MPI_Comm_rank(comm.get(), &rank), "MPI_Comm_rank"));
  GRIT_CHECK(check_mpi(MPI_Comm_size(comm.get(), &size), "MPI_Comm_size"));
  GRIT_TRY(const bool shared, cores_are_shared(comm.get(), rank));
  if (shared) {
    requests->open.set_pause(kPollInterval_ns);
    // The default slack of 50 µs would more than double the poll interval (prctl(2)); where this is refused, waiting is
    // only less exact.
    ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
  }
  CommunicatorGroup world;
  world.members.resize(static_cast<std::size_t>(size));
  std::iota(world.members.begin(), world.members.end(), 0);
  return std::make_unique<MpiCommunicator>(std::move(comm), std::move(world), rank, std::move(requests));
}

}  // namespace grit

#include "workloads/fabric/mpi.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "harness/base/clock.hpp"
#include "workloads/fabric/sum.hpp"

namespace grit {
namespace {

constexpr std::size_t kLargestCount = std::size_t{1} << 30;  // MPI 3 counts are int
constexpr std::size_t kExpectedBuckets = 1024;
constexpr long kPollInterval_ns = 30 * kNsPerUs;

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

class MpiFabric final : public Fabric {
 public:
  explicit MpiFabric(MPI_Comm communicator) {
    requests_.reserve(kExpectedBuckets);
    statuses_.reserve(kExpectedBuckets);
    status_ = set_up(communicator);
  }

  ~MpiFabric() override {
    int finalized = 0;
    if (MPI_Finalized(&finalized) != MPI_SUCCESS || finalized != 0) return;
    if (sum_bf16_ != MPI_OP_NULL) MPI_Op_free(&sum_bf16_);
    if (sum_fp16_ != MPI_OP_NULL) MPI_Op_free(&sum_fp16_);
    if (communicator_ != MPI_COMM_NULL) MPI_Comm_free(&communicator_);
  }

  [[nodiscard]] int rank() const override { return rank_; }
  [[nodiscard]] int size() const override { return size_; }

  Status allreduce_begin(void* buffer, std::size_t count, DataType type) override {
    const MPI_Datatype element = type == DataType::fp32 ? MPI_FLOAT : MPI_UINT16_T;
    const MPI_Op sum = type == DataType::fp32 ? MPI_SUM : type == DataType::bf16 ? sum_bf16_ : sum_fp16_;
    auto* at = static_cast<std::byte*>(buffer);
    while (status_ && count > 0) {
      const std::size_t part = std::min(count, kLargestCount);
      MPI_Request request = MPI_REQUEST_NULL;
      status_ =
          check_mpi(MPI_Iallreduce(MPI_IN_PLACE, at, static_cast<int>(part), element, sum, communicator_, &request),
                    "MPI_Iallreduce");
      if (status_) requests_.push_back(request);
      at += part * bytes_per_element(type);
      count -= part;
    }
    return status_;
  }

  void poke() override {
    if (requests_.empty() || !status_) return;
    int all_done = 0;
    statuses_.resize(requests_.size());
    const int code = MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &all_done, statuses_.data());
    status_ = check_mpi(code == MPI_ERR_IN_STATUS ? first_error() : code, "an all-reduce");
    if (all_done != 0) requests_.clear();
  }

  Status wait_all() override {
    const timespec interval{.tv_sec = 0, .tv_nsec = kPollInterval_ns};
    for (poke(); status_ && !requests_.empty(); poke()) {
      if (cores_are_shared_) ::clock_nanosleep(CLOCK_MONOTONIC, 0, &interval, nullptr);
    }
    return status_;
  }

 private:
  Status set_up(MPI_Comm communicator) {
    GRIT_CHECK(check_mpi(MPI_Comm_dup(communicator, &communicator_), "MPI_Comm_dup"));
    GRIT_CHECK(check_mpi(MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler"));
    GRIT_CHECK(check_mpi(MPI_Comm_rank(communicator_, &rank_), "MPI_Comm_rank"));
    GRIT_CHECK(check_mpi(MPI_Comm_size(communicator_, &size_), "MPI_Comm_size"));
    GRIT_CHECK(check_mpi(MPI_Op_create(grit_sum_bf16, 1, &sum_bf16_), "MPI_Op_create"));
    GRIT_CHECK(check_mpi(MPI_Op_create(grit_sum_fp16, 1, &sum_fp16_), "MPI_Op_create"));
    GRIT_TRY(const int local_ranks, ranks_on_this_host());
    const char* shared = std::getenv("GRIT_SHARED_CORES");
    cores_are_shared_ =
        (shared != nullptr && std::string_view(shared) == "1") || local_ranks > ::sysconf(_SC_NPROCESSORS_ONLN);
    // The default slack of 50 µs would more than double the poll interval (prctl(2)); where this is refused, waiting is
    // only less exact.
    if (cores_are_shared_) ::prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
    return {};
  }

  Result<int> ranks_on_this_host() {
    MPI_Comm host = MPI_COMM_NULL;
    GRIT_CHECK(check_mpi(MPI_Comm_split_type(communicator_, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &host),
                         "MPI_Comm_split_type"));
    int ranks = 1;
    const Status counted = check_mpi(MPI_Comm_size(host, &ranks), "MPI_Comm_size");
    MPI_Comm_free(&host);
    GRIT_CHECK(counted);
    return ranks;
  }

  [[nodiscard]] int first_error() const {
    const auto failed = std::ranges::find_if(statuses_, [](const MPI_Status& status) {
      return status.MPI_ERROR != MPI_SUCCESS && status.MPI_ERROR != MPI_ERR_PENDING;
    });
    return failed == statuses_.end() ? MPI_ERR_IN_STATUS : failed->MPI_ERROR;
  }

  MPI_Comm communicator_ = MPI_COMM_NULL;
  MPI_Op sum_bf16_ = MPI_OP_NULL;
  MPI_Op sum_fp16_ = MPI_OP_NULL;
  int rank_ = 0;
  int size_ = 1;
  bool cores_are_shared_ = false;
  std::vector<MPI_Request> requests_;
  std::vector<MPI_Status> statuses_;
  Status status_;
};

}  // namespace

std::unique_ptr<Fabric> make_mpi_fabric(MPI_Comm communicator) { return std::make_unique<MpiFabric>(communicator); }

}  // namespace grit

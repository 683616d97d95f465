#include "harness/run/block_end.hpp"

#include <fmt/format.h>

#include <bit>
#include <chrono>
#include <string_view>
#include <thread>

#include "harness/base/clock.hpp"

namespace grit {
namespace {

constexpr std::uint64_t kOver = ~std::uint64_t{0};
constexpr std::chrono::microseconds kPause{50};  // between two looks of a rank that has to wait

Status check_mpi(int code, std::string_view call) {
  if (code == MPI_SUCCESS) return {};
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  if (MPI_Error_string(code, text.data(), &length) != MPI_SUCCESS) length = 0;
  return internal_error(fmt::format("the end of a block: {} failed: {}", call,
                                    std::string_view(text.data(), static_cast<std::size_t>(length))));
}

}  // namespace

BlockEnd::Told::~Told() {
  bool busy = false;  // what is on its way cannot be called back
  for (const MPI_Request request : requests) busy = busy || request != MPI_REQUEST_NULL;
  if (communicator != MPI_COMM_NULL && !busy) MPI_Comm_free(&communicator);
}

Result<BlockEnd> BlockEnd::make(MPI_Comm communicator, PhaseSink phase) {
  BlockEnd end(phase);
  end.told_->requests.fill(MPI_REQUEST_NULL);
  GRIT_CHECK(check_mpi(MPI_Comm_dup(communicator, &end.told_->communicator), "MPI_Comm_dup"));
  GRIT_CHECK(check_mpi(MPI_Comm_set_errhandler(end.told_->communicator, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler"));
  return end;
}

Status BlockEnd::begin_step(bool time_is_over) {
  const std::size_t place = begun_++ % kEndAhead_steps;
  told_->over[place] = time_is_over ? kOver : 0;
  return check_mpi(MPI_Ibcast(&told_->over[place], 1, MPI_UINT64_T, 0, told_->communicator, &told_->requests[place]),
                   "MPI_Ibcast");
}

Status BlockEnd::wait(std::size_t place) {
  MPI_Request& request = told_->requests[place];
  int done = 0;
  GRIT_CHECK(check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test"));
  if (done != 0) return {};
  phase_.enter(Phase::exposed_comm);
  while (done == 0) {
    std::this_thread::sleep_for(kPause);
    GRIT_CHECK(check_mpi(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "MPI_Test"));
  }
  phase_.enter(Phase::idle);
  return {};
}

Result<bool> BlockEnd::end_step(StepRecord& record) {
  if (begun_ < kEndAhead_steps) return false;
  const std::size_t place = begun_ % kEndAhead_steps;
  GRIT_CHECK(wait(place));
  // Also where the first test found it: MPI gives the processor away in it where ranks outnumber cores.
  const std::int64_t now_ns = monotonic_ns();
  record.exposed_comm_ns += now_ns - record.end_ns;
  record.end_ns = now_ns;
  if (2 * std::popcount(told_->over[place]) < 64) return false;
  // All ranks have begun the same steps, so that what is still on its way comes. To wait for it is no step's.
  for (std::size_t other = 0; other < kEndAhead_steps; ++other) GRIT_CHECK(wait(other));
  begun_ = 0;
  return true;
}

}  // namespace grit

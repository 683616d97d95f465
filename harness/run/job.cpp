#include "harness/run/job.hpp"

#include <fmt/format.h>

#include <cstdlib>
#include <utility>

namespace grit {
namespace {

std::string broadcast_in(MPI_Comm comm, std::string text) {
  std::uint64_t length = text.size();
  MPI_Bcast(&length, 1, MPI_UINT64_T, 0, comm);
  text.resize(length);
  MPI_Bcast(text.data(), static_cast<int>(length), MPI_BYTE, 0, comm);
  return text;
}

}  // namespace

bool started_by_mpi() {
  // Open MPI (and PRRTE), PMIx under srun, PMI-1/2: whichever the launcher speaks.
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"})
    if (std::getenv(name) != nullptr) return true;
  return false;
}

Result<Job> Job::init() {
  Job job;
  int provided = MPI_THREAD_SINGLE;
  // The default error handler ends the process with MPI's own message: without MPI there is nobody to tell.
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
    return internal_error("MPI_Init_thread failed");
  MPI_Comm_rank(MPI_COMM_WORLD, &job.rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &job.size_);
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, job.rank_, MPI_INFO_NULL, &job.local_);
  MPI_Comm_rank(job.local_, &job.local_rank_);
  MPI_Comm_size(job.local_, &job.local_size_);
  // Nodes in the order of their first ranks.
  const int first = job.local_rank_ == 0 ? 1 : 0;
  int firsts_before = 0;
  MPI_Exscan(&first, &firsts_before, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  if (job.rank_ == 0) firsts_before = 0;  // MPI_Exscan leaves rank 0's result undefined
  job.node_ = firsts_before;
  MPI_Bcast(&job.node_, 1, MPI_INT, 0, job.local_);
  MPI_Allreduce(&first, &job.node_count_, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  return job;
}

Job::Job(Job&& other) noexcept
    : local_(std::exchange(other.local_, MPI_COMM_NULL)),
      rank_(other.rank_),
      size_(other.size_),
      node_(other.node_),
      node_count_(other.node_count_),
      local_rank_(other.local_rank_),
      local_size_(other.local_size_) {}

Job::~Job() {
  if (local_ == MPI_COMM_NULL) return;
  MPI_Comm_free(&local_);
  MPI_Finalize();
}

std::string Job::broadcast(std::string text) const { return broadcast_in(MPI_COMM_WORLD, std::move(text)); }

std::string Job::broadcast_local(std::string text) const { return broadcast_in(local_, std::move(text)); }

std::vector<std::string> Job::gather(const std::string& text) const {
  const auto count = static_cast<std::size_t>(size_);
  const int length = static_cast<int>(text.size());
  std::vector<int> lengths(count), offsets(count);
  MPI_Allgather(&length, 1, MPI_INT, lengths.data(), 1, MPI_INT, MPI_COMM_WORLD);
  int total = 0;
  for (std::size_t i = 0; i < count; ++i) offsets[i] = std::exchange(total, total + lengths[i]);
  std::string all(static_cast<std::size_t>(total), '\0');
  MPI_Allgatherv(text.data(), length, MPI_BYTE, all.data(), lengths.data(), offsets.data(), MPI_BYTE, MPI_COMM_WORLD);
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < count; ++i)
    texts.push_back(all.substr(static_cast<std::size_t>(offsets[i]), static_cast<std::size_t>(lengths[i])));
  return texts;
}

Status Job::agree(const Status& mine) const {
  const std::string text =
      mine ? std::string()
           : Json{{"kind", static_cast<int>(mine.error().kind)}, {"message", mine.error().message}}.dump();
  for (const std::string& one : gather(text)) {
    if (one.empty()) continue;
    GRIT_TRY(const Json error, parse_json(one));
    return Failure(Error{static_cast<ErrorKind>(error.at("kind").get<int>()), error.at("message").get<std::string>()});
  }
  return {};
}

Error Job::say(const Error& error) const {
  if (rank_ == 0 && !error.message.empty()) fmt::print(stderr, "grit: {}\n", error.message);
  return {error.kind, ""};
}

void Job::barrier() const { MPI_Barrier(MPI_COMM_WORLD); }

void Job::barrier_local() const { MPI_Barrier(local_); }

}  // namespace grit

#include "harness/run/job.hpp"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <utility>

#include "harness/base/caught.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/printable.hpp"
#include "harness/cluster/launcher.hpp"
#include "harness/run/launch_watch.hpp"

namespace grit {
namespace {

constexpr std::int64_t kAllFail_ns = 2 * kNsPerS;  // how far apart ranks come to the same error, at most
constexpr int kGatherTag = 72;
constexpr std::size_t kMpiPiece_bytes = std::size_t{1} << 30;  // MPI counts in int

std::string broadcast_in(MPI_Comm comm, std::string text, int root = 0) {
  std::uint64_t length = text.size();
  MPI_Bcast(&length, 1, MPI_UINT64_T, root, comm);
  text.resize(length);
  for (std::size_t at = 0; at < text.size(); at += kMpiPiece_bytes)
    MPI_Bcast(text.data() + at, static_cast<int>(std::min(kMpiPiece_bytes, text.size() - at)), MPI_BYTE, root, comm);
  return text;
}

std::string name_of_rank(int rank) {
  utsname names{};
  ::uname(&names);
  return fmt::format("rank {} on {}", rank, names.nodename);
}

/// Some launchers kill all tasks as soon as one fails: the first has a second to say why.
Status all_tasks_meet(const Launcher& launcher, int ranks_seen) {
  auto met = check_tasks_meet(launcher, ranks_seen);
  if (!met && launcher.task != 0) std::this_thread::sleep_for(std::chrono::seconds(1));
  return met;
}

// A signal handler has no other way to reach its data (signal-safety(7)).
std::atomic<int> settled_code{0};

void leave_as_settled(int) { ::_exit(settled_code.load()); }

/// From now on SIGTERM cannot change how this rank ends: a launcher kills the others as soon as the first has left with
/// another code than 0, and whether these were as quick would be in the job's exit code.
void settle(int code) {
  settled_code.store(code);
  struct sigaction action {};
  action.sa_handler = leave_as_settled;
  ::sigaction(SIGTERM, &action, nullptr);
}

}  // namespace

Result<bool> started_by_mpi() {
  const Launcher launcher = find_launcher();
  if (!launcher.reaches_mpi) GRIT_CHECK(all_tasks_meet(launcher, 1));
  return launcher.reaches_mpi;
}

Result<Job> Job::init() {
  const Launcher launcher = find_launcher();
  GRIT_TRY(const std::int64_t limit_ns, launch_timeout_ns());
  Job job;
  {
    const LaunchWatch watch(name_of_rank(launcher.task), launcher.tasks, launcher.task == 0, limit_ns);
    const Status joined = caught([&] { return job.join(); });
    int initialized = 0;
    if (!joined && MPI_Initialized(&initialized) == MPI_SUCCESS && initialized != 0) job.abort(joined.error());
    GRIT_CHECK(joined);
  }
  GRIT_CHECK(all_tasks_meet(launcher, job.size_));
  return job;
}

Status Job::join() {
  int provided = MPI_THREAD_SINGLE;
  // The default error handler ends the process with MPI's own message: without MPI there is nobody to tell.
  if (MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
    return internal_error("MPI_Init_thread failed");
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &local_);
  MPI_Comm_dup(MPI_COMM_WORLD, &ends_);
  MPI_Comm_rank(local_, &local_rank_);
  MPI_Comm_size(local_, &local_size_);
  // Nodes in the order of their first ranks.
  const int first_of_node = local_rank_ == 0 ? 1 : 0;
  int firsts_before = 0;
  MPI_Exscan(&first_of_node, &firsts_before, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  if (rank_ == 0) firsts_before = 0;  // MPI_Exscan leaves rank 0's result undefined
  node_ = firsts_before;
  MPI_Bcast(&node_, 1, MPI_INT, 0, local_);
  MPI_Allreduce(&first_of_node, &node_count_, 1, MPI_INT, MPI_SUM, MPI_COMM_WORLD);
  return {};
}

Job::Job(Job&& other) noexcept
    : local_(std::exchange(other.local_, MPI_COMM_NULL)),
      ends_(std::exchange(other.ends_, MPI_COMM_NULL)),
      rank_(other.rank_),
      size_(other.size_),
      node_(other.node_),
      node_count_(other.node_count_),
      local_rank_(other.local_rank_),
      local_size_(other.local_size_) {}

Job::~Job() {
  if (local_ == MPI_COMM_NULL) return;
  MPI_Comm_free(&local_);
  MPI_Comm_free(&ends_);
  MPI_Finalize();
}

std::string Job::broadcast(std::string text) const { return broadcast_in(MPI_COMM_WORLD, std::move(text)); }

std::string Job::broadcast_local(std::string text) const { return broadcast_in(local_, std::move(text)); }

std::vector<std::string> Job::gather(const std::string& text) const {
  const std::uint64_t length = text.size();
  std::vector<std::uint64_t> lengths(rank_ == 0 ? static_cast<std::size_t>(size_) : 0);
  MPI_Gather(&length, 1, MPI_UINT64_T, lengths.data(), 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
  const auto pieces = [](std::uint64_t bytes, const auto& use) {
    for (std::size_t at = 0; at < bytes; at += kMpiPiece_bytes)
      use(at, static_cast<int>(std::min<std::size_t>(kMpiPiece_bytes, bytes - at)));
  };
  if (rank_ != 0) {
    pieces(length, [&](std::size_t at, int bytes) {
      MPI_Send(text.data() + at, bytes, MPI_BYTE, 0, kGatherTag, MPI_COMM_WORLD);
    });
    return {};
  }
  std::vector<std::string> texts(static_cast<std::size_t>(size_));
  texts[0] = text;
  for (int from = 1; from < size_; ++from) {
    std::string& one = texts[static_cast<std::size_t>(from)];
    one.resize(lengths[static_cast<std::size_t>(from)]);
    pieces(one.size(), [&](std::size_t at, int bytes) {
      MPI_Recv(one.data() + at, bytes, MPI_BYTE, from, kGatherTag, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    });
  }
  return texts;
}

Status Job::agree(const Status& mine) const {
  const int failing = mine ? size_ : rank_;
  int first = size_;
  MPI_Allreduce(&failing, &first, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  if (first == size_) return {};
  std::string text;
  if (first == rank_)
    text = json_text(Json{{"kind", static_cast<int>(mine.error().kind)}, {"message", mine.error().message}});
  GRIT_TRY(const Json error, parse_json(broadcast_in(MPI_COMM_WORLD, std::move(text), first)));
  agreed_ = true;
  return Failure(Error{static_cast<ErrorKind>(error.at("kind").get<int>()), error.at("message").get<std::string>()});
}

Status Job::each(const std::function<Status()>& work) const {
  const Status mine = caught(work);
  return agree(mine ? mine : with_context(mine.error(), who()));
}

Status Job::first(const std::function<Status()>& work) const { return agree(rank_ == 0 ? caught(work) : Status()); }

std::string Job::who() const { return name_of_rank(rank_); }

void Job::all_failed_or_abort(const Error& error) const {
  if (agreed_) return;
  MPI_Request all_fail = MPI_REQUEST_NULL;
  MPI_Ibarrier(ends_, &all_fail);
  int done = 0;
  for (const std::int64_t deadline_ns = monotonic_ns() + kAllFail_ns; done == 0 && monotonic_ns() < deadline_ns;) {
    MPI_Test(&all_fail, &done, MPI_STATUS_IGNORE);
    if (done == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (done == 0) abort(error);
}

Error Job::say(const Error& error) const {
  if (rank_ == 0 && !error.message.empty()) fmt::print(stderr, "grit: {}\n", printable_lines(error.message));
  return {error.kind, ""};
}

void Job::abort(const Error& error) const {
  fmt::print(stderr, "grit: {}: {}\n", who(), printable_lines(error.message));
  std::fflush(stderr);
  MPI_Abort(MPI_COMM_WORLD, static_cast<int>(error.kind));
  std::_Exit(static_cast<int>(error.kind));  // MPI_Abort does not return
}

void Job::barrier() const { MPI_Barrier(MPI_COMM_WORLD); }

void Job::barrier_local() const { MPI_Barrier(local_); }

Result<int> run_in_job(const std::function<Result<int>(const Job&)>& work) {
  GRIT_TRY(const Job job, Job::init());
  auto code = caught([&] { return work(job); });
  if (!code) {
    job.all_failed_or_abort(code.error());
    code = Failure(job.say(code.error()));
  }
  settle(code ? *code : static_cast<int>(code.error().kind));
  return code;
}

}  // namespace grit

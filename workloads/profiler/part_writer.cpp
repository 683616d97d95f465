#include "workloads/profiler/part_writer.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <mutex>
#include <utility>
#include <vector>

#include "harness/base/fd.hpp"

namespace grit {
namespace {

constexpr auto kEvery = std::chrono::milliseconds(100);
constexpr auto kPatience = std::chrono::seconds(2), kOpenPatience = std::chrono::seconds(10);
constexpr std::int64_t kLate_ns = 1'000'000'000;
// While the ring is half full: without a channel that runs, and with one.
constexpr std::int64_t kWaitedLong_ns = 10 * kLate_ns, kRunsForever_ns = 60 * kLate_ns;
constexpr std::size_t kAtOnce = 1024;               // records
constexpr std::uint64_t kMostRecords = 10'000'000;  // of a file: 1 GB

std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// For the calling thread, and those that it makes.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all{};
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_{};
};

/// Errors other than of a signal end it; errno says which.
bool write_whole(int fd, const void* data, std::size_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t done = ::write(fd, at, bytes);
    if (done < 0 && errno == EINTR) continue;
    if (done <= 0) return false;
    at += done;
    bytes -= static_cast<std::size_t>(done);
  }
  return true;
}

/// What launchers call this process's rank.
std::int64_t rank_of_launcher() {
  for (const char* name : {"RANK", "OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"}) {
    const char* text = std::getenv(name);
    if (text == nullptr || *text == '\0') continue;
    char* end = nullptr;
    const long long rank = std::strtoll(text, &end, 10);
    if (*end == '\0' && rank >= 0) return rank;
  }
  return -1;
}

NcclPartHeader make_header() {
  NcclPartHeader header;
  std::memcpy(header.magic, NcclPartHeader::kMagic.data(), sizeof header.magic);
  header.version = NcclPartHeader::kVersion;
  header.record_bytes = sizeof(NcclRecord);
  header.pid = ::getpid();
  header.job_rank = rank_of_launcher();
  header.monotonic_ns = clock_ns(CLOCK_MONOTONIC);
  header.realtime_ns = clock_ns(CLOCK_REALTIME);
  header.is_fake = ::dlsym(RTLD_DEFAULT, "grit_fake_library") != nullptr;
  (void)::gethostname(header.host, sizeof header.host - 1);
  const Fd boot(::open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC));
  if (boot && ::read(boot.get(), header.boot, sizeof header.boot - 1) > 0)
    header.boot[std::strcspn(header.boot, "\n")] = '\0';
  return header;
}

}  // namespace

/// What the thread works on, and where the job's threads leave word for it. mutex_ is never held over a system call on
/// the file.
class PartWriter::Work {
 public:
  Work(std::string directory, OperationRing& ring)
      : directory_(std::move(directory)), header_(make_header()), ring_(ring), lost_before_(ring.lost()) {
    waiting_.reserve(kAtOnce);
  }

  /// The thread.
  void run() noexcept;
  /// Empty: the file is there.
  std::string wait_until_open();
  std::int32_t add(const NcclCommunicatorRecord& communicator);
  bool flush(std::int32_t given_up);
  bool end();

 private:
  /// How far a communicator has come.
  struct Progress {
    std::uint64_t ended = 0;         // the number after that of the latest operation that has ended
    std::uint64_t ended_before = 0;  // as it was at the last look but one, a second and more ago,
    std::uint64_t ended_at_look = 0;
    std::int64_t looked_ns = 0;  // and at the last one
    bool is_given_up = false;
  };
  enum class State { opening, open, ended };

  // The thread's.
  [[nodiscard]] std::string open_file();
  bool take_turn();
  void sweep();
  void look_again();
  [[nodiscard]] bool is_over(const OperationSlot& slot);
  void write_waiting();
  void enter(State state, std::string why);
  // The job's threads', with mutex_.
  bool wait_for_turn(std::unique_lock<std::mutex>& lock);

  const std::string directory_;
  const NcclPartHeader header_;
  OperationRing& ring_;
  Fd file_{};
  std::uint32_t known_ = 0;  // communicators
  std::array<Progress, kMostCommunicators> progress_{};
  std::vector<NcclRecord> waiting_{};
  std::int64_t now_ns_ = 0;  // at the sweep's beginning
  bool is_full_ = false;     // and whether the ring was half full then
  std::uint64_t written_ = 0, lost_before_ = 0, lost_told_ = lost_before_;

  std::mutex mutex_{};
  std::condition_variable changed_{};
  State state_ = State::opening;  // what follows is the mutex's
  std::string why_{};
  std::vector<NcclRecord> added_{};
  std::vector<std::uint32_t> given_up_{};
  std::uint32_t communicators_ = 0;
  std::uint64_t asked_ = 0, done_ = 0;  // turns
  bool is_ending_ = false;
  bool is_stuck_ = false;  // somebody has waited in vain since the last turn
};

void PartWriter::Work::run() noexcept {
  (void)::pthread_setname_np(::pthread_self(), "grit-profiler");
  std::string why;
  try {
    why = open_file();
    if (why.empty()) {
      enter(State::open, "");
      while (!take_turn()) {
      }
    }
  } catch (const std::exception& caught) {
    why = caught.what();
    std::fprintf(stderr, "grit: the profile of this process ends here: %s\n", caught.what());
  }
  enter(State::ended, std::move(why));
}

void PartWriter::Work::enter(State state, std::string why) {
  {
    const std::lock_guard lock(mutex_);
    state_ = state;
    why_ = std::move(why);
  }
  changed_.notify_all();
}

std::string PartWriter::Work::open_file() {
  std::string host = header_.host;
  std::replace(host.begin(), host.end(), '/', '_');
  (void)::mkdir(directory_.c_str(), 0755);  // it may be there; open(2) says what is wrong with it
  const std::string name = directory_ + "/" + host + "-" + std::to_string(header_.pid) + "-" +
                           std::to_string(header_.monotonic_ns) + ".grit-nccl";
  file_ = Fd(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (file_ && write_whole(file_.get(), &header_, sizeof header_)) return "";
  std::string why = name + ": " + std::strerror(errno);
  if (file_) (void)::unlink(name.c_str());  // a torn one would be in the way of the job's others
  return why;
}

std::string PartWriter::Work::wait_until_open() {
  std::unique_lock lock(mutex_);
  if (!changed_.wait_for(lock, kOpenPatience, [this] { return state_ != State::opening; })) {
    is_stuck_ = true;
    return directory_ + ": the file system stands still";
  }
  return why_;
}

std::int32_t PartWriter::Work::add(const NcclCommunicatorRecord& communicator) {
  const std::lock_guard lock(mutex_);
  if (communicators_ == kMostCommunicators) return -1;
  NcclRecord record;
  record.kind = NcclRecordKind::communicator;
  record.communicator = communicators_;
  record.communicator_is = communicator;
  added_.push_back(record);
  return static_cast<std::int32_t>(communicators_++);
}

bool PartWriter::Work::flush(std::int32_t given_up) {
  std::unique_lock lock(mutex_);
  if (given_up >= 0) given_up_.push_back(static_cast<std::uint32_t>(given_up));
  return wait_for_turn(lock);
}

bool PartWriter::Work::end() {
  std::unique_lock lock(mutex_);
  is_ending_ = true;
  return wait_for_turn(lock) && changed_.wait_for(lock, kPatience, [this] { return state_ == State::ended; });
}

bool PartWriter::Work::wait_for_turn(std::unique_lock<std::mutex>& lock) {
  const std::uint64_t mine = ++asked_;
  changed_.notify_all();
  const auto is_done = [&] { return done_ >= mine || state_ == State::ended; };
  if (!is_stuck_ && !changed_.wait_for(lock, kPatience, is_done)) is_stuck_ = true;
  return is_done();
}

/// Whether it was the last.
bool PartWriter::Work::take_turn() {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, kEvery, [this] { return is_ending_ || asked_ != done_; });
  const bool is_last = is_ending_;
  const std::uint64_t asked = asked_;
  waiting_.insert(waiting_.end(), added_.begin(), added_.end());
  added_.clear();
  known_ = communicators_;
  for (const std::uint32_t one : given_up_) progress_[one].is_given_up = true;
  given_up_.clear();
  lock.unlock();
  if (is_last)
    for (Progress& one : progress_) one.is_given_up = true;
  sweep();
  lock.lock();
  done_ = asked;
  is_stuck_ = false;
  lock.unlock();
  changed_.notify_all();
  return is_last;
}

void PartWriter::Work::look_again() {
  for (std::uint32_t i = 0; i < known_; ++i) {
    Progress& one = progress_[i];
    if (now_ns_ - one.looked_ns < kLate_ns) continue;
    one.ended_before = std::exchange(one.ended_at_look, one.ended);
    one.looked_ns = now_ns_;
  }
}

void PartWriter::Work::sweep() {
  now_ns_ = clock_ns(CLOCK_MONOTONIC);
  is_full_ = ring_.is_half_full();
  look_again();
  ring_.sweep([&](const OperationSlot& slot) {
    if (!is_over(slot)) return false;
    waiting_.push_back(slot.record());
    if (waiting_.size() >= kAtOnce) write_waiting();
    return true;
  });
  if (const std::uint64_t lost = ring_.lost(); lost != lost_told_) {
    lost_told_ = lost;
    NcclRecord record;
    record.kind = NcclRecordKind::lost;
    record.number = lost - lost_before_;
    waiting_.push_back(record);
  }
  write_waiting();
}

bool PartWriter::Work::is_over(const OperationSlot& slot) {
  if (slot.communicator >= known_) return false;  // it comes before its operations, with the next turn
  Progress& progress = progress_[slot.communicator];
  const std::uint32_t ended = slot.channels_ended.load(std::memory_order_acquire);
  const std::uint32_t begun = slot.channels_begun.load(std::memory_order_acquire);
  const bool is_running = begun != ended;
  const bool is_late = !is_running && slot.stop_seen_ns.load(std::memory_order_relaxed) < now_ns_ - kLate_ns;
  const bool are_all = !is_running && slot.given.channels > 0 && ended >= slot.given.channels;
  if (ended > 0 && (are_all || is_late)) {
    progress.ended = std::max(progress.ended, slot.number + 1);
    return true;
  }
  if (progress.is_given_up) return true;
  if (!is_running && slot.number < progress.ended_before) return true;
  return is_full_ && now_ns_ - slot.given.given_ns > (is_running ? kRunsForever_ns : kWaitedLong_ns);
}

void PartWriter::Work::write_waiting() {
  if (file_ && written_ + waiting_.size() > kMostRecords) {
    std::fprintf(stderr, "grit: the profile of this process has %llu operations; no more of it is kept\n",
                 static_cast<unsigned long long>(written_));
    file_.reset();
  }
  if (file_ && !write_whole(file_.get(), waiting_.data(), waiting_.size() * sizeof(NcclRecord))) {
    std::fprintf(stderr, "grit: the profile of this process ends here: %s\n", std::strerror(errno));
    file_.reset();
  }
  written_ += waiting_.size();
  waiting_.clear();
}

std::unique_ptr<PartWriter> PartWriter::open(const std::string& directory, OperationRing& ring, std::string& why) {
  try {
    const auto work = std::make_shared<Work>(directory, ring);
    std::unique_ptr<PartWriter> made(new PartWriter(work));
    {
      const BlockedSignals blocked;  // the job's signals are for its own threads
      made->thread_ = std::thread([work] { work->run(); });
    }
    why = work->wait_until_open();
    if (why.empty()) return made;
  } catch (const std::exception& caught) {
    why = caught.what();
  }
  return nullptr;
}

PartWriter::~PartWriter() {
  if (!thread_.joinable()) return;
  if (work_->end())
    thread_.join();
  else
    thread_.detach();
}

std::int32_t PartWriter::add(const NcclCommunicatorRecord& communicator) { return work_->add(communicator); }

bool PartWriter::flush(std::int32_t given_up) { return work_->flush(given_up); }

}  // namespace grit

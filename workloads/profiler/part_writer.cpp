#include "workloads/profiler/part_writer.hpp"

#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <utility>

namespace grit {
namespace {

constexpr auto kEvery = std::chrono::milliseconds(100);
constexpr std::int64_t kLate_ns = 1'000'000'000;
constexpr std::size_t kAtOnce = 1024;               // records
constexpr std::uint64_t kMostRecords = 10'000'000;  // of a file: 1 GB

std::int64_t clock_ns(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

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

std::unique_ptr<PartWriter> PartWriter::open(const std::string& directory, OperationRing& ring, std::string& why) {
  const NcclPartHeader header = make_header();
  std::string host = header.host;
  std::replace(host.begin(), host.end(), '/', '_');
  (void)::mkdir(directory.c_str(), 0755);  // it may be there; open(2) says what is wrong with it
  const std::string name = directory + "/" + host + "-" + std::to_string(header.pid) + "-" +
                           std::to_string(header.monotonic_ns) + ".grit-nccl";
  Fd file(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!file || !write_whole(file.get(), &header, sizeof header)) {
    why = name + ": " + std::strerror(errno);
    return nullptr;
  }
  std::unique_ptr<PartWriter> made(new PartWriter(std::move(file), ring));
  made->waiting_.reserve(kAtOnce);
  made->lost_before_ = made->lost_told_ = ring.lost();
  // The job's signals are for its own threads.
  sigset_t all{}, before{};
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  made->thread_ = std::thread([writer = made.get()] { writer->work(); });
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return made;
}

PartWriter::~PartWriter() {
  {
    const std::lock_guard lock(mutex_);
    is_ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
  const std::lock_guard lock(mutex_);
  for (Progress& one : progress_) one.is_given_up = true;
  sweep();
}

std::int32_t PartWriter::add(const NcclCommunicatorRecord& communicator) {
  const std::lock_guard lock(mutex_);
  if (communicators_ == kMostCommunicators) return -1;
  NcclRecord record;
  record.kind = NcclRecordKind::communicator;
  record.communicator = communicators_;
  record.communicator_is = communicator;
  waiting_.push_back(record);
  write_waiting();
  return static_cast<std::int32_t>(communicators_++);
}

void PartWriter::flush(std::int32_t given_up) {
  const std::lock_guard lock(mutex_);
  if (given_up >= 0) progress_[static_cast<std::size_t>(given_up)].is_given_up = true;
  sweep();
}

void PartWriter::work() {
  (void)::pthread_setname_np(::pthread_self(), "grit-profiler");
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kEvery, [this] { return is_ending_; })) sweep();
}

void PartWriter::look_again() {
  const std::int64_t now_ns = clock_ns(CLOCK_MONOTONIC);
  for (std::uint32_t i = 0; i < communicators_; ++i) {
    Progress& one = progress_[i];
    if (now_ns - one.looked_ns < kLate_ns) continue;
    one.ended_before = std::exchange(one.ended_at_look, one.ended);
    one.looked_ns = now_ns;
  }
}

void PartWriter::sweep() {
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

bool PartWriter::is_over(const OperationSlot& slot) {
  Progress& progress = progress_[slot.communicator];
  const std::uint32_t ended = slot.channels_ended.load(std::memory_order_acquire);
  if (ended > 0 && ended == slot.given.channels) {
    progress.ended = std::max(progress.ended, slot.number + 1);
    return true;
  }
  return progress.is_given_up || slot.number < progress.ended_before;
}

void PartWriter::write_waiting() {
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

}  // namespace grit

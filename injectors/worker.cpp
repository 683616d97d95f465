#include "injectors/worker.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstring>
#include <new>
#include <thread>
#include <utility>

#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"

namespace grit {
namespace {

constexpr std::int64_t kReadyTimeout_ns = 10 * kNsPerS;

long futex(std::atomic<std::uint32_t>& word, int operation, std::uint32_t value, const timespec* timeout = nullptr) {
  return ::syscall(SYS_futex, &word, operation, value, timeout, nullptr, 0);
}

constexpr int kKillAttempts = 3;

void wake(std::atomic<std::uint32_t>& word, std::uint32_t value) {
  word.store(value, std::memory_order_release);
  futex(word, FUTEX_WAKE, INT32_MAX);
}

/// False: it has not ended within the limit (0: there is none).
bool wait_for_end(pid_t pid, std::int64_t limit_ns, rusage& usage) {
  const std::int64_t deadline_ns = monotonic_ns() + limit_ns;
  for (;;) {
    const pid_t ended = ::wait4(pid, nullptr, limit_ns > 0 ? WNOHANG : 0, &usage);
    if (ended == pid || (ended < 0 && errno != EINTR)) return true;
    if (limit_ns > 0 && monotonic_ns() > deadline_ns) return false;
    if (limit_ns > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void close_all_but(std::vector<int> keep) {
  keep.push_back(STDERR_FILENO);
  std::sort(keep.begin(), keep.end());
  unsigned from = 0;
  for (const int fd : keep) {
    if (static_cast<unsigned>(fd) > from) ::close_range(from, static_cast<unsigned>(fd) - 1, 0);
    from = static_cast<unsigned>(fd) + 1;
  }
  ::close_range(from, ~0U, 0);
}

/// The child's side of Worker::fork().
[[noreturn]] void run_child(pid_t parent, const std::string& name, WorkerPage& page,
                            const std::function<void(WorkerPage&)>& body, const std::vector<int>& keep_fds) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(1);  // it died before the line above
  ::prctl(PR_SET_NAME, name.c_str());
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  close_all_but(keep_fds);
  if (const Fd score(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC)); score)
    static_cast<void>(write_all(score.get(), "1000"));
  body(page);
  ::_exit(0);
}

/// Real-time, where we may: else the end of a process waits for ranks that compute.
void end_before_others(pid_t pid) {
  const sched_param least{.sched_priority = ::sched_get_priority_min(SCHED_RR)};
  ::sched_setscheduler(pid, SCHED_RR, &least);
}

}  // namespace

void WorkerPage::set_ready() { wake(ready, 1); }

void WorkerPage::wait_for_start() {
  set_ready();
  while (started.load(std::memory_order_acquire) == 0) futex(started, FUTEX_WAIT, 0);
}

bool WorkerPage::is_to_rest(std::int64_t wait_ns) {
  const timespec wait{.tv_sec = wait_ns / kNsPerS, .tv_nsec = wait_ns % kNsPerS};
  if (wait_ns > 0) futex(resting, FUTEX_WAIT, 0, &wait);
  return resting.load(std::memory_order_acquire) != 0;
}

void WorkerPage::rest() {
  wake(resting, 2);
  for (;;) ::pause();
}

void WorkerPage::fail(const std::string& why) {
  std::strncpy(error, why.c_str(), sizeof error - 1);
  wake(ready, 2);
  ::_exit(1);
}

Result<Worker> Worker::fork(const std::string& name, const std::function<void(WorkerPage&)>& body,
                            const std::vector<int>& keep_fds, std::int64_t end_limit_ns) {
  void* memory = ::mmap(nullptr, sizeof(WorkerPage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return errno_error("cannot make a worker's shared page");
  Worker worker;
  worker.page_ = new (memory) WorkerPage;
  worker.end_limit_ns_ = end_limit_ns;
  const pid_t parent = ::getpid();
  worker.pid_ = ::fork();
  if (worker.pid_ < 0) return errno_error("cannot fork the worker " + name);
  if (worker.pid_ == 0) run_child(parent, name, *worker.page_, body, keep_fds);
  const std::int64_t deadline_ns = monotonic_ns() + kReadyTimeout_ns;
  while (worker.page_->ready.load(std::memory_order_acquire) == 0) {
    const timespec slice{.tv_sec = 0, .tv_nsec = 50 * kNsPerMs};
    futex(worker.page_->ready, FUTEX_WAIT, 0, &slice);
    if (monotonic_ns() > deadline_ns)
      return internal_error(fmt::format("the worker {} did not get ready within 10 s", name));
    if (worker.page_->ready.load() == 0 && ::waitpid(worker.pid_, nullptr, WNOHANG) == worker.pid_) {
      worker.pid_ = -1;
      return internal_error(fmt::format("the worker {} died while it started (out of memory?)", name));
    }
  }
  if (worker.page_->ready.load() == 2) return unavailable_error(worker.page_->error);
  return worker;
}

Worker::Worker(Worker&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      page_(std::exchange(other.page_, nullptr)),
      end_limit_ns_(other.end_limit_ns_) {}

Worker& Worker::operator=(Worker&& other) noexcept {
  if (this != &other) {
    forget();
    pid_ = std::exchange(other.pid_, -1);
    page_ = std::exchange(other.page_, nullptr);
    end_limit_ns_ = other.end_limit_ns_;
  }
  return *this;
}

Worker::~Worker() { forget(); }

ProcessUsage Worker::end() {
  rusage usage{};
  if (pid_ > 0) {
    for (int attempt = 0; attempt < kKillAttempts && ::kill(pid_, SIGKILL) != 0;)
      ++attempt;  // else we would wait for ever
    if (!wait_for_end(pid_, end_limit_ns_, usage)) return {};
  }
  pid_ = -1;
  return process_usage(usage);
}

void Worker::forget() {
  end();
  if (page_ != nullptr) ::munmap(page_, sizeof(WorkerPage));
  page_ = nullptr;
}

void Worker::start() { wake(page_->started, 1); }

bool Worker::comes_to_rest(std::int64_t limit_ns) const {
  const std::int64_t deadline_ns = monotonic_ns() + limit_ns;
  wake(page_->resting, 1);
  while (page_->resting.load(std::memory_order_acquire) != 2) {
    if (!running()) return true;  // nothing of it is left
    if (monotonic_ns() > deadline_ns) return false;
    const timespec slice{.tv_sec = 0, .tv_nsec = 10 * kNsPerMs};
    futex(page_->resting, FUTEX_WAIT, 1, &slice);
  }
  return true;
}

bool Worker::running() const {
  if (pid_ <= 0 || page_->started.load() == 0) return false;
  siginfo_t ended{};
  return ::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0;
}

WorkerFault::WorkerFault(std::string name, std::vector<Body> bodies, std::vector<std::string> counter_names,
                         std::vector<KernelCounter> kernel_counters)
    : name_(std::move(name)),
      bodies_(std::move(bodies)),
      counter_names_(std::move(counter_names)),
      kernel_counters_(std::move(kernel_counters)),
      past_(counter_names_.size(), 0) {}

Result<std::unique_ptr<WorkerFault>> WorkerFault::make(std::string name, std::vector<Body> bodies,
                                                       std::vector<std::string> counter_names,
                                                       std::vector<KernelCounter> kernel_counters) {
  std::unique_ptr<WorkerFault> fault(
      new WorkerFault(std::move(name), std::move(bodies), std::move(counter_names), std::move(kernel_counters)));
  GRIT_CHECK(fault->make_workers());
  return fault;
}

Status WorkerFault::make_workers() {
  std::vector<Worker> made;  // all or none
  for (const Body& body : bodies_) {
    GRIT_TRY(Worker worker, Worker::fork(name_, body, {}, end_limit_ns()));
    made.push_back(std::move(worker));
  }
  std::vector<ProcessUsage> idle(made.size());
  for (std::size_t i = 0; i < made.size() && !kernel_counters_.empty(); ++i) {
    GRIT_TRY(idle[i], process_usage(made[i].pid()));
  }
  workers_ = std::move(made);
  idle_usage_ = std::move(idle);
  return {};
}

Status WorkerFault::start() {
  if (workers_.empty()) GRIT_CHECK(make_workers());
  for (Worker& worker : workers_) worker.start();
  started_ = true;
  return {};
}

Status WorkerFault::stop() {
  if (!started_) return {};
  for (const Worker& worker : workers_) {  // all at once; then each is waited for
    if (ends_at_once()) end_before_others(worker.pid());
    ::kill(worker.pid(), SIGKILL);
  }
  std::vector<std::size_t> left;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    ProcessUsage used = workers_[i].end();
    if (workers_[i].pid() > 0) {
      left.push_back(i);
      continue;
    }
    used -= idle_usage_[i];
    used.anonymous_bytes = 0;
    past_usage_ += used;
    for (std::size_t k = 0; k < past_.size(); ++k) past_[k] += workers_[i].page().counters[k].load();
  }
  if (!left.empty()) return keep(left);
  workers_.clear();
  started_ = false;
  return {};
}

/// What is left of them for another stop().
Status WorkerFault::keep(const std::vector<std::size_t>& left) {
  std::vector<Worker> workers;
  std::vector<ProcessUsage> idle;
  for (const std::size_t i : left) {
    workers.push_back(std::move(workers_[i]));
    idle.push_back(idle_usage_[i]);
  }
  workers_ = std::move(workers), idle_usage_ = std::move(idle);
  return internal_error(
      fmt::format("{} was killed and has not ended within {} s: a driver keeps it", name_, end_limit_ns() / kNsPerS));
}

Result<Reading> WorkerFault::read() {
  Reading reading;
  const auto running = static_cast<std::size_t>(
      std::count_if(workers_.begin(), workers_.end(), [](const Worker& one) { return one.running(); }));
  reading.holds = started_ && running == workers_.size();
  reading.left = running > 0;
  Json pids = Json::array();
  for (const Worker& worker : workers_) pids.push_back(worker.pid());
  reading.details["pids"] = pids;
  GRIT_TRY(const Json now, counters());
  reading.details.update(now);
  return reading;
}

ProcessUsage WorkerFault::usage() const {
  ProcessUsage sum = past_usage_;
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    auto used = process_usage(workers_[i].pid());
    if (!used) continue;  // it has ended: read() sees that
    *used -= idle_usage_[i];
    sum += *used;
  }
  return sum;
}

Result<Json> WorkerFault::counters() {
  Json sums = Json::object();
  for (std::size_t i = 0; i < counter_names_.size(); ++i) {
    std::int64_t sum = past_[i];
    for (const Worker& worker : workers_) sum += worker.page().counters[i].load();
    sums[counter_names_[i]] = sum;
  }
  if (kernel_counters_.empty()) return sums;
  const ProcessUsage used = usage();
  for (const KernelCounter counter : kernel_counters_) switch (counter) {
      case KernelCounter::faulted_bytes:
        sums["faulted_bytes"] = used.faulted_bytes;
        break;
      case KernelCounter::cpu_ns:
        sums["cpu_ns"] = used.cpu_ns;
        break;
      case KernelCounter::read_bytes:
        sums["read_bytes"] = used.read_bytes;
        break;
      case KernelCounter::written_bytes:
        sums["written_bytes"] = used.written_bytes;
        break;
    }
  return sums;
}

}  // namespace grit

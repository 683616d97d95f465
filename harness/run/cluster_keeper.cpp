#include "harness/run/cluster_keeper.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <thread>
#include <utility>

#include "harness/agent/journal.hpp"
#include "harness/base/clock.hpp"

namespace grit {
namespace {

constexpr int kPipe = 3;
constexpr std::int64_t kPatience_ns = 4 * kNsPerS;
constexpr auto kRetry = std::chrono::milliseconds(50);

/// Not grit's standard streams, which whoever started it waits for, nor its lock on the node.
void let_go_of_all_but(int pipe) {
  ::setsid();
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) ::signal(number, SIG_IGN);
  const int nothing = ::open("/dev/null", O_RDWR);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing, standard);
  ::dup2(pipe, kPipe);
  ::close_range(kPipe + 1, ~0U, 0);
}

/// True: the cluster ended well before. False: grit was killed, and the kernel is about to kill the rest.
bool wait_for_the_end() {
  char word = 0;
  ssize_t got = 0;
  while ((got = ::read(kPipe, &word, 1)) < 0 && errno == EINTR) {
  }
  return got == 1;
}

/// Agents have their journals open until they are gone, which takes the kernel a moment.
bool clean_up(const std::filesystem::path& journal_directory, bool ended_well) {
  const std::int64_t deadline_ns = monotonic_ns() + kPatience_ns;
  if (!ended_well) std::this_thread::sleep_for(kRetry);  // for an agent that is just about to open one
  while (!revert_machine_wide(journal_directory, ::geteuid())) {
    if (monotonic_ns() >= deadline_ns) return false;
    std::this_thread::sleep_for(kRetry);
  }
  return true;
}

}  // namespace

Result<ClusterKeeper> ClusterKeeper::start(const std::filesystem::path& journal_directory,
                                           const std::filesystem::path& checkpoints) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("cannot make a pipe");
  Fd reader(ends[0]), writer(ends[1]);
  const pid_t pid = ::fork();
  if (pid < 0) return errno_error("cannot start the cluster's keeper");
  if (pid > 0) return ClusterKeeper(pid, std::move(writer));
  writer.reset();
  let_go_of_all_but(reader.get());
  const bool ended_well = wait_for_the_end();
  const bool is_clean = clean_up(journal_directory, ended_well);
  std::error_code ignored;
  if (!ended_well) std::filesystem::remove_all(checkpoints, ignored);
  ::_exit(is_clean ? 0 : 1);
}

ClusterKeeper::ClusterKeeper(ClusterKeeper&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), pipe_(std::move(other.pipe_)) {}

ClusterKeeper::~ClusterKeeper() { [[maybe_unused]] const bool mended = end(); }

bool ClusterKeeper::end() {
  const pid_t pid = std::exchange(pid_, -1);
  if (pid < 0) return true;
  const char ended = 'e';
  [[maybe_unused]] const ssize_t told = ::write(pipe_.get(), &ended, 1);
  pipe_.reset();
  int status = -1;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status == 0;
}

}  // namespace grit

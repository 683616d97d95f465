#include "tests/cluster/program.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <thread>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "tests/catch.hpp"

namespace grit::test {
namespace {

constexpr std::int64_t kLimit_ns = 180 * kNsPerS;

std::vector<pid_t> all_processes() {
  std::vector<pid_t> pids;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const auto name = entry.path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec == std::errc{}) pids.push_back(pid);
  }
  return pids;
}

struct Stat {
  std::string name;
  char state = '?';
  pid_t parent = 0;
};

std::optional<Stat> stat_of(pid_t pid) {
  const auto text = read_file(fmt::format("/proc/{}/stat", pid));
  if (!text) return std::nullopt;
  const auto open = text->find('(');
  const auto close = text->rfind(')');
  if (open == std::string::npos || close == std::string::npos) return std::nullopt;
  Stat stat{text->substr(open + 1, close - open - 1)};
  std::istringstream(text->substr(close + 1)) >> stat.state >> stat.parent;
  return stat;
}

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
  std::string name = std::filesystem::temp_directory_path() / "grit-cluster-test-XXXXXX";
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  path_ = name;
  REQUIRE(::chmod(name.c_str(), 0777) == 0);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Program::Program(const std::vector<std::string>& arguments, const std::function<void()>& before_exec)
    : tag_(fmt::format("GRIT_TEST_TAG={}.{}", ::getpid(), monotonic_ns())) {
  int out[2];
  int err[2];
  REQUIRE(::pipe2(out, O_CLOEXEC) == 0);
  REQUIRE(::pipe2(err, O_CLOEXEC) == 0);
  std::vector<char*> pointers;
  for (const auto& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  pid_ = ::fork();
  if (pid_ == 0) {
    ::dup2(out[1], STDOUT_FILENO);
    ::dup2(err[1], STDERR_FILENO);
    ::putenv(tag_.data());
    if (before_exec) before_exec();
    ::execv(pointers[0], pointers.data());
    ::_exit(127);
  }
  out_fd_.reset(out[0]);
  err_fd_.reset(err[0]);
  ::close(out[1]);
  ::close(err[1]);
}

Program::~Program() {
  if (ended_) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}

bool Program::read_some(int timeout_ms) {
  pollfd sources[] = {{out_fd_.get(), POLLIN, 0}, {err_fd_.get(), POLLIN, 0}};
  if (::poll(sources, 2, timeout_ms) < 0) return true;
  const auto take = [](Fd& fd, std::string& text) {
    char chunk[4096];
    const ssize_t got = ::read(fd.get(), chunk, sizeof chunk);
    if (got <= 0) return fd.reset();
    text.append(chunk, static_cast<std::size_t>(got));
  };
  if (sources[0].revents != 0) take(out_fd_, out_);
  if (sources[1].revents != 0) take(err_fd_, err_);
  return out_fd_ || err_fd_;
}

bool Program::read_until(const std::function<bool(const Program&)>& done) {
  const auto limit = monotonic_ns() + kLimit_ns;
  while (!done(*this))
    if (monotonic_ns() > limit || !read_some(100)) return done(*this);
  return true;
}

int Program::wait() {
  if (ended_) return code_;
  const auto limit = monotonic_ns() + kLimit_ns;
  while (read_some(100))
    if (monotonic_ns() > limit) ::kill(pid_, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(pid_, &status, 0) == pid_);
  ended_ = true;
  code_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return code_;
}

void Program::signal(int number) const { ::kill(pid_, number); }

std::vector<pid_t> Program::descendants_by_tag() const {
  std::vector<pid_t> found;
  for (const pid_t pid : all_processes()) {
    if (pid == pid_ || pid == ::getpid()) continue;
    const auto environment = read_file(fmt::format("/proc/{}/environ", pid));
    if (environment && environment->find(tag_) != std::string::npos) found.push_back(pid);
  }
  return found;
}

bool Program::left_no_process() const {
  for (int attempt = 0; attempt < 100; ++attempt) {
    if (descendants_by_tag().empty()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return false;
}

std::map<pid_t, std::string> children_of(pid_t parent) {
  std::map<pid_t, std::string> children;
  for (const pid_t pid : all_processes()) {
    const auto stat = stat_of(pid);
    if (stat && stat->parent == parent && stat->state != 'Z') children[pid] = stat->name;
  }
  return children;
}

int count_lines_with(const std::string& text, const std::string& word) {
  int count = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) count += line.find(word) != std::string::npos ? 1 : 0;
  return count;
}

std::string visible_state() {
  std::set<std::string> names;
  const std::unique_ptr<struct if_nameindex[], void (*)(struct if_nameindex*)> links(::if_nameindex(),
                                                                                     ::if_freenameindex);
  for (std::size_t i = 0; links && links[i].if_index != 0; ++i)
    names.insert(fmt::format("{}:{}", links[i].if_index, links[i].if_name));
  for (const auto& entry : std::filesystem::directory_iterator("/dev/shm"))
    if (entry.path().filename().string().starts_with("grit")) names.insert(entry.path());
  const auto mounts = read_file("/proc/self/mountinfo");
  REQUIRE(mounts.has_value());
  return fmt::format("{}; {} mounts", fmt::join(names, " "), count_lines_with(*mounts, ""));
}

}  // namespace grit::test

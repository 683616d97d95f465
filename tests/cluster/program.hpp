// Runs the helper program as a user would run grit, and looks at what it does and leaves behind.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "harness/base/fd.hpp"

namespace grit::test {

/// The program that plays grit's part, and the ranks' (tests/cluster/helper).
inline const std::string kHelper = CLUSTER_HELPER;

/// A directory that goes away, open to all users.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory();
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// A running program with its output collected; killed, if it still runs, when this goes.
class Program {
 public:
  /// before_exec runs in the child, e.g. to give up rights. Every process started has TAG in its environment.
  explicit Program(const std::vector<std::string>& arguments, const std::function<void()>& before_exec = {});
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  /// Reads output until `done` holds; false after a generous time limit or at the end of the output.
  bool read_until(const std::function<bool(const Program&)>& done);
  /// Waits for its end; returns the exit code, or 128 + the signal.
  int wait();
  void signal(int number) const;

  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& out() const { return out_; }
  [[nodiscard]] const std::string& err() const { return err_; }
  /// Processes that this program started, however far they went, apart from itself.
  [[nodiscard]] std::vector<pid_t> descendants_by_tag() const;
  /// True when there is none left; gives the kernel some seconds.
  [[nodiscard]] bool left_no_process() const;

 private:
  bool read_some(int timeout_ms);
  pid_t pid_ = -1;
  bool ended_ = false;
  int code_ = -1;
  std::string tag_;
  Fd out_fd_;
  Fd err_fd_;
  std::string out_;
  std::string err_;
};

/// Children of a process: pid to name.
std::map<pid_t, std::string> children_of(pid_t parent);

/// Lines of a text that contain a word.
int count_lines_with(const std::string& text, const std::string& word);

/// Names and indices of the network interfaces here, the names in /dev/shm that are grit's, and the number of mounts.
std::string visible_state();

}  // namespace grit::test

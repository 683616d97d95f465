// For tests of what is written to disk: a directory of one's own, numbered records, a child process, NumPy.
#pragma once

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"
#include "harness/model/collective_record.hpp"
#include "harness/model/step_record.hpp"
#include "harness/record/run_dir.hpp"
#include "tests/temp_directory.hpp"

extern char** environ;

namespace grit::test {

/// A record in which every member tells its step: a torn or shifted one shows.
inline StepRecord numbered(std::uint32_t step) {
  const auto base = static_cast<std::int64_t>(step) * 100;
  return {.rank = 1,
          .node = 2,
          .block = step / 10,
          .step = step,
          .step_in_block = step % 10,
          .corrupted = step,
          .start_ns = base,
          .end_ns = base + 1,
          .input_ns = base + 2,
          .forward_ns = base + 3,
          .backward_ns = base + 4,
          .exposed_comm_ns = base + 5,
          .optimizer_ns = base + 6,
          .checkpoint_ns = base + 7,
          .collective_entry_ns = base + 8,
          .collective_exit_ns = base + 9};
}

inline std::vector<StepRecord> numbered(std::uint32_t first, std::uint32_t count) {
  std::vector<StepRecord> records;
  for (std::uint32_t i = 0; i < count; ++i) records.push_back(numbered(first + i));
  return records;
}

/// A span in which every member tells its number.
inline CollectiveRecord numbered_span(std::uint32_t number) {
  const auto base = static_cast<std::int64_t>(number) * 100;
  return {.rank = 3,
          .step = number / 10,
          .sequence = number,
          .wrong = number + 1,
          .peer = static_cast<std::int32_t>(number % 7) - 1,
          .group = static_cast<std::uint16_t>(number % 5),
          .operation = static_cast<CollectiveOperation>(number % 6),
          .type = static_cast<DataType>(number % 4),
          .bytes = base,
          .entry_ns = base + 1,
          .exit_ns = base + 2,
          .wait_ns = base + 3};
}

inline std::vector<CollectiveRecord> numbered_spans(std::uint32_t first, std::uint32_t count) {
  std::vector<CollectiveRecord> spans;
  for (std::uint32_t i = 0; i < count; ++i) spans.push_back(numbered_span(first + i));
  return spans;
}

inline bool all_numbered(std::span<const CollectiveRecord> spans, std::uint32_t first = 0) {
  for (const CollectiveRecord& span : spans) {
    const CollectiveRecord wanted = numbered_span(first++);
    if (std::memcmp(&span, &wanted, sizeof wanted) != 0) return false;
  }
  return true;
}

inline bool is_numbered(const StepRecord& record, std::uint32_t step) {
  const StepRecord wanted = numbered(step);
  return std::memcmp(&record, &wanted, sizeof wanted) == 0;
}

/// A copy of the records of a steps.npy, which may be written to meanwhile.
inline Result<std::vector<StepRecord>> read_steps(const std::filesystem::path& file) {
  GRIT_TRY(const StepsFile steps, StepsFile::open(file));
  return std::vector<StepRecord>(steps.records().begin(), steps.records().end());
}

inline bool all_numbered(const std::vector<StepRecord>& records, std::uint32_t first = 0) {
  for (const StepRecord& record : records)
    if (!is_numbered(record, first++)) return false;
  return true;
}

inline std::string read_to_end(int fd) {
  std::string text;
  std::array<char, 4096> chunk{};
  for (ssize_t got = 0; (got = ::read(fd, chunk.data(), chunk.size())) > 0;)
    text.append(chunk.data(), static_cast<std::size_t>(got));
  return text;
}

constexpr const char* kCannot =
    "cannot: ";  // what a child's report begins with when the machine does not allow the test

/// Runs a function, which must not use the test framework's macros, in a child process and returns what it reports:
/// empty when all is well.
inline std::string in_child(const std::function<std::string()>& function) {
  std::array<int, 2> ends{};
  GRIT_ASSERT(::pipe2(ends.data(), O_CLOEXEC) == 0);
  Fd reading(ends[0]), writing(ends[1]);
  const pid_t pid = ::fork();
  if (pid == 0) {
    std::string report;
    try {
      report = function();
    } catch (const std::exception& error) {  // else the child would go on with the other tests
      report = std::string("exception: ") + error.what();
    }
    [[maybe_unused]] const auto written = write_all(writing.get(), report);
    ::_exit(0);
  }
  writing.reset();
  std::string report = read_to_end(reading.get());
  int status = 0;
  ::waitpid(pid, &status, 0);
  if (status != 0) report += " (child ended with wait status " + std::to_string(status) + ")";
  return report;
}

/// The same with a file system of that size mounted on `directory`, in namespaces of its own that vanish with it.
inline std::string on_small_disk(const std::filesystem::path& directory, const std::string& options,
                                 unsigned long flags, const std::function<std::string()>& function) {
  return in_child([&]() -> std::string {
    const auto uid = "0 " + std::to_string(::geteuid()) + " 1", gid = "0 " + std::to_string(::getegid()) + " 1";
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return std::string(kCannot) + "no user namespaces here";
    for (const auto& [file, text] : {std::pair("uid_map", uid), {"setgroups", "deny"}, {"gid_map", gid}}) {
      const Fd fd(::open((std::string("/proc/self/") + file).c_str(), O_WRONLY | O_CLOEXEC));
      if (!fd || !write_all(fd.get(), text)) return std::string(kCannot) + "no mapping of users here";
    }
    if (::mount("tmpfs", directory.c_str(), "tmpfs", flags, ("mode=755," + options).c_str()) != 0)
      return std::string(kCannot) + "no tmpfs in a user namespace here";
    return function();
  });
}

/// What /usr/bin/python3 prints for a script with one or two arguments; nothing when it, or NumPy, is not there.
inline std::optional<std::string> python(const std::string& script, const std::string& argument,
                                         const std::string& second = "") {
  std::array<int, 2> ends{};
  GRIT_ASSERT(::pipe2(ends.data(), O_CLOEXEC) == 0);
  Fd reading(ends[0]), writing(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, writing.get(), STDOUT_FILENO);
  std::string program = "/usr/bin/python3", flag = "-c", text = "import sys, numpy\n" + script, first = argument,
              last = second;
  std::array<char*, 6> arguments{program.data(), flag.data(), text.data(), first.data(), last.data(), nullptr};
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, program.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return std::nullopt;
  writing.reset();
  std::string output = read_to_end(reading.get());
  ::waitpid(pid, nullptr, 0);
  return output;
}

/// Is NumPy there to read back with?
inline bool have_numpy() {
  const auto answer = python("print('yes')", "");
  return answer && *answer == "yes\n";
}

}  // namespace grit::test

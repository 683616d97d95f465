// The observer as its agent sees it: a child process to which events go and from which orders come.
#pragma once

#include <sys/types.h>

#include <deque>
#include <optional>
#include <string>

#include "harness/agent/agent_process.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/json.hpp"
#include "harness/base/result.hpp"
#include "harness/record/segment.hpp"

namespace grit {

class ObserverProcess {
 public:
  /// Events wait here when the observer does not take them; further ones are dropped and counted.
  static constexpr std::size_t kBacklog_bytes = std::size_t{8} << 20;

  /// Forks it, and does not exec: its code is in memory already, so that a successor starts while the file system
  /// hangs. Call while the process has one thread: another may hold a lock that the child could wait for for ever. That
  /// is why an agent has a spare: with `begins_when_told` it sleeps until it is sent something.
  /// Both references are only used in the child, which has its own copies.
  static Result<ObserverProcess> fork(const AgentConfig& config, const Segment& segment, bool begins_when_told = false);

  ObserverProcess(ObserverProcess&& other) noexcept;
  ObserverProcess& operator=(ObserverProcess&& other) noexcept;
  ObserverProcess(const ObserverProcess&) = delete;
  ObserverProcess& operator=(const ObserverProcess&) = delete;
  ~ObserverProcess();  // SIGKILL

  /// Readable when it says something; nothing here ever blocks but say_goodbye().
  [[nodiscard]] int descriptor() const { return line_.get(); }
  void send(const Json& event);
  [[nodiscard]] std::uint64_t dropped() const { return dropped_; }
  [[nodiscard]] pid_t pid() const { return pid_; }

  struct News {
    std::optional<std::string> end{};     // take the faults off and end the ranks; why
    std::optional<int> observed_block{};  // everything that belongs to this block's end was looked at
  };
  /// The next thing it says. What waits for it is tried again here.
  std::optional<News> receive();

  /// It died, or it was stopped or gave no sign for kSilence_ns and was killed: make another. One that waits for a CPU,
  /// as another would, has kStarved_ns: with 24 ranks a CPU it was seen to wait for 3.6 s. Not more often than once a
  /// second.
  [[nodiscard]] bool is_gone(std::int64_t beat_ns);
  /// It is judged by what it does from now on: the agent itself was stopped, and the observer with it, or it was a
  /// spare.
  void watch_anew() { watched_from_ns_ = monotonic_ns(); }
  static constexpr std::int64_t kSilence_ns = 4 * kNsPerS;  // shorter than what makes a node lost
  static constexpr std::int64_t kStarved_ns = 20 * kNsPerS;

  /// No more events: it sends what it has, says goodbye to the recorder and ends. Waits for that; false: it did not in
  /// time, or died.
  bool say_goodbye(std::int64_t patience_ns);

  /// What waited for a predecessor that is gone.
  void adopt(ObserverProcess& old);

 private:
  ObserverProcess(pid_t pid, Fd line) : pid_(pid), line_(std::move(line)) {}
  void queue(std::string message);
  void flush();
  bool reap();

  pid_t pid_ = -1;
  Fd line_{};
  bool ended_well_ = false;                        // it has said goodbye
  std::int64_t watched_from_ns_ = monotonic_ns();  // when it was started, or watch_anew()
  std::deque<std::string> waiting_{};
  std::size_t waiting_bytes_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace grit

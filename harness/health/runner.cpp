#include "harness/health/runner.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <deque>
#include <fstream>
#include <utility>

#include "harness/base/json_fields.hpp"
#include "harness/base/units.hpp"
#include "harness/health/reader.hpp"
#include "harness/health/rest.hpp"

namespace grit {
namespace {

/// A check with a process of its own keeps to its limit itself, and says more than that it took too long.
constexpr std::int64_t kOwnGrace_ns = kNsPerS;
constexpr std::int64_t kUnsent_ns = 20 * kNsPerMs;  // when an answer is tried again that the line had no room for
/// How long what was left behind may take to end, level by level: each ended parent hands its children to the runner.
constexpr std::int64_t kOrphans_ns = 100 * kNsPerMs;
/// How long the kernel may take to end a process that was killed, unless it waits for a device.
constexpr std::int64_t kEnding_ns = 200 * kNsPerMs;

std::string signal_words(int status) {
  if (WIFSIGNALED(status)) return fmt::format("signal {} ({})", WTERMSIG(status), ::strsignal(WTERMSIG(status)));
  return fmt::format("exit code {}", WEXITSTATUS(status));
}

CheckReading unknown_reading(const CheckRequest& request, std::int64_t began_ns, std::string detail,
                             std::string hint = {}) {
  return {.place = request.place,
          .tag = request.tag,
          .outcomes = {{.severity = Severity::unknown, .detail = std::move(detail), .hint = std::move(hint)}},
          .began_ns = began_ns,
          .ended_ns = monotonic_ns()};
}

/// What the site says, else the check; of a plan that an older grit has made, too.
std::int64_t limit_of(const ScenarioPlugin& planned, const Check* check) {
  return integer_at(planned.params, "limit", check != nullptr ? check->info.limit_ns : kNsPerS);
}

/// The runner's own side.
class Runner {
 public:
  Runner(const CheckJob& job, Fd line) : job_(job), line_(std::move(line)), checks_(job.checks.size()) {
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);  // what a reader's programs leave behind is ended with it
    readers_.emplace_back();
    for (std::size_t place = 0; place < checks_.size(); ++place) {
      const Check* check = job.find(job.checks[place].name);
      const bool own = check != nullptr && check->info.place == CheckPlace::own;
      checks_[place].limit_ns = limit_of(job.checks[place], check);
      if (!own) continue;
      checks_[place].grace_ns = kOwnGrace_ns;
      checks_[place].reader = readers_.size();
      readers_.emplace_back();
    }
  }

  void run() {
    for (bool ended = false; !ended;) {
      wait();
      while (const auto text = receive_text(line_.get(), ended))
        if (const auto request = request_from_json(*text); request && request->place < checks_.size()) take(*request);
      reap();
      for (ReaderProcess& reader : readers_) look_at(reader);
      send_answers();
    }
    for (ReaderProcess& reader : readers_) end_reader(reader);
    kill_orphans();
  }

 private:
  struct Planned {
    std::size_t reader = 0;  // place in readers_; 0: the common one
    std::int64_t limit_ns = 0, grace_ns = 0;
    bool was_read = false;  // by the reader that is there
    std::string lost_by{};  // whose end took what it counted from; empty: nobody's
    Rest rest{};            // after it had to be ended, which costs its reader's other checks what they counted from
    std::string why_rests{};
    pid_t unended = -1;  // its reader, which was killed and has not ended
  };
  struct ReaderProcess {
    pid_t pid = -1;
    Fd line{};
    std::deque<CheckRequest> waiting{};
    std::optional<CheckRequest> at{};
    std::int64_t began_ns = 0;
    std::optional<int> status{};  // it has ended, so (wait(2))
  };

  void wait() {
    std::vector<pollfd> items{{line_.get(), POLLIN, 0}};
    std::int64_t wait_ns = kNsPerS;
    for (const ReaderProcess& reader : readers_) {
      if (reader.pid < 0) continue;
      items.push_back({reader.line.get(), POLLIN, 0});
      if (reader.at) wait_ns = std::min(wait_ns, deadline_ns(reader) - monotonic_ns());
    }
    if (!unsent_.empty()) wait_ns = std::min(wait_ns, kUnsent_ns);
    ::poll(items.data(), items.size(), static_cast<int>(std::max<std::int64_t>(wait_ns, 0) / kNsPerMs) + 1);
  }

  [[nodiscard]] std::int64_t deadline_ns(const ReaderProcess& reader) const {
    return reader.began_ns + checks_[reader.at->place].limit_ns + checks_[reader.at->place].grace_ns;
  }

  void answer(const CheckReading& reading) { unsent_.push_back(json_text(to_json(reading))); }

  /// An answer that is lost would silence its check for good: who asks waits for it.
  void send_answers() {
    while (!unsent_.empty() && send_text(line_.get(), unsent_.front())) unsent_.pop_front();
  }

  void take(const CheckRequest& request) {
    Planned& check = checks_[request.place];
    const std::int64_t now_ns = monotonic_ns();
    if (check.unended > 0)
      return answer(unknown_reading(request, now_ns, check.why_rests + ", and its process cannot be ended",
                                    fmt::format("cat /proc/{}/stack", check.unended)));
    if (const std::int64_t left_ns = check.rest.left_ns(now_ns); left_ns > 0)
      return answer(unknown_reading(
          request, now_ns,
          fmt::format("{}; it is read again in {}", check.why_rests, format_duration(static_cast<double>(left_ns)))));
    readers_[check.reader].waiting.push_back(request);
  }

  void look_at(ReaderProcess& reader) {
    if (reader.pid > 0) {
      bool ended = false;
      while (const auto text = receive_text(reader.line.get(), ended)) take_answer(reader, *text);
      if (ended || reader.status) take_end(reader);  // what it has forked may hold its end of the line
    }
    if (reader.at && monotonic_ns() >= deadline_ns(reader)) end_late(reader);
    if (!reader.at && !reader.waiting.empty()) give_next(reader);
  }

  void take_answer(ReaderProcess& reader, const std::string& text) {
    if (!reader.at) return;
    const CheckRequest request = *std::exchange(reader.at, std::nullopt);
    Planned& check = checks_[request.place];
    check.rest.forget();
    check.was_read = true;
    const std::string lost_by = std::exchange(check.lost_by, "");
    if (const auto reading = reading_from_json(text); !reading || reading->place != request.place)
      answer(unknown_reading(request, reader.began_ns, "its answer was not one of a check"));
    else if (!lost_by.empty() && !request.anew)
      answer(unknown_reading(request, reader.began_ns, "what it counted from was lost when " + lost_by + " was ended"));
    else
      unsent_.push_back(text);
  }

  /// The next reader knows nothing of what checks counted in this one, and would say of each that all is well. Of those
  /// that this one did not get to it knows as much. `by`: the check for which it was ended; empty: for none.
  void forget(const ReaderProcess& reader, std::optional<std::size_t> by) {
    const std::string whose = by ? check_label(job_.checks[*by]) : "its process";
    for (std::size_t place = 0; place < checks_.size(); ++place) {
      const Check* check = job_.find(job_.checks[place].name);
      if (&readers_[checks_[place].reader] != &reader || !std::exchange(checks_[place].was_read, false)) continue;
      if (place != by && check != nullptr && check->info.counts) checks_[place].lost_by = whose;
    }
  }

  void give_next(ReaderProcess& reader) {
    const CheckRequest request = reader.waiting.front();
    reader.waiting.pop_front();
    reader.began_ns = monotonic_ns();
    if (reader.pid < 0)
      if (const Status started = start(reader); !started)
        return answer(unknown_reading(request, reader.began_ns, started.error().message));
    reader.at = request;
    if (send_text(reader.line.get(), json_text(to_json(request)))) return;
    take_end(reader);
  }

  Status start(ReaderProcess& reader) {
    GRIT_TRY(auto line, make_line());
    const pid_t runner = ::getpid(), pid = ::fork();
    if (pid < 0) return errno_error("cannot fork a process for checks");
    if (pid == 0) {
      enter_child("grit-check", line.second.get());
      become_reader(runner);
      read_checks(job_, Fd(line.second.release()));
      ::_exit(0);
    }
    reader.pid = pid;
    reader.line = std::move(line.first);
    reader.status.reset();
    return {};
  }

  /// It ended by itself, in the middle of a reading or not.
  void take_end(ReaderProcess& reader) {
    const std::string how = end_reader(reader) ? signal_words(*reader.status) : "no status";
    if (!reader.at) return forget(reader, std::nullopt);
    const CheckRequest request = *std::exchange(reader.at, std::nullopt);
    let_rest(request.place, "it crashed: its process ended with " + how);
    forget(reader, request.place);
    answer(unknown_reading(request, reader.began_ns, checks_[request.place].why_rests));
  }

  void end_late(ReaderProcess& reader) {
    const CheckRequest request = *std::exchange(reader.at, std::nullopt);
    Planned& check = checks_[request.place];
    let_rest(request.place, fmt::format("no answer within {}", format_duration(static_cast<double>(check.limit_ns))));
    const pid_t pid = reader.pid;
    forget(reader, request.place);
    if (!end_reader(reader)) check.unended = pid;
    answer(unknown_reading(request, reader.began_ns, check.why_rests));
  }

  void let_rest(std::size_t place, std::string why) {
    Planned& check = checks_[place];
    check.why_rests = std::move(why);
    check.rest.begin(monotonic_ns());
  }

  /// It, and what its programs leave behind. False: it waits in the kernel, and ends when that lets it.
  bool end_reader(ReaderProcess& reader) {
    if (reader.pid < 0) return true;
    if (!reader.status) ::kill(reader.pid, SIGKILL);  // else its number may be another process's by now
    for (const std::int64_t until_ns = monotonic_ns() + kEnding_ns; !reader.status && monotonic_ns() < until_ns;) {
      reap();
      if (!reader.status) ::usleep(1000);
    }
    reader.pid = -1;
    reader.line.reset();
    kill_orphans();
    return reader.status.has_value();
  }

  void reap() {
    int status = 0;
    for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG)) > 0;) {
      for (ReaderProcess& reader : readers_)
        if (reader.pid == pid) reader.status = status;
      for (Planned& check : checks_)
        if (check.unended == pid) check.unended = -1;
    }
  }

  /// Every child of the runner is a reader, or was left to it by one that has ended. False: there was none.
  bool kill_some_orphans() {
    bool any = false;
    std::ifstream children(fmt::format("/proc/self/task/{}/children", ::gettid()));
    for (pid_t pid = 0; children >> pid;) {
      const bool reads =
          std::any_of(readers_.begin(), readers_.end(), [&](const ReaderProcess& reader) { return reader.pid == pid; });
      const bool known =
          std::any_of(checks_.begin(), checks_.end(), [&](const Planned& check) { return check.unended == pid; });
      if (!reads && !known) any = ::kill(pid, SIGKILL) == 0 || any;
    }
    return any;
  }

  void kill_orphans() {
    for (const std::int64_t until_ns = monotonic_ns() + kOrphans_ns;
         kill_some_orphans() && monotonic_ns() < until_ns;) {
      ::usleep(1000);
      reap();
    }
  }

  const CheckJob& job_;
  Fd line_;
  std::vector<Planned> checks_;
  std::vector<ReaderProcess> readers_{};
  std::deque<std::string> unsent_{};  // answers for which the line had no room
};

}  // namespace

Result<CheckRunner> CheckRunner::start(CheckJob job) {
  GRIT_TRY(auto line, make_line());
  const pid_t pid = ::fork();
  if (pid < 0) return errno_error("cannot fork the runner of the checks");
  if (pid == 0) {
    enter_child("grit-checks", line.second.get());  // it ends when nobody is at the other end of its line
    Runner(job, Fd(line.second.release())).run();
    ::_exit(0);
  }
  return CheckRunner(pid, std::move(line.first), job.checks.size());
}

CheckRunner::CheckRunner(CheckRunner&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), line_(std::move(other.line_)), asked_(std::move(other.asked_)) {}

CheckRunner& CheckRunner::operator=(CheckRunner&& other) noexcept {
  std::swap(pid_, other.pid_);
  std::swap(line_, other.line_);
  std::swap(asked_, other.asked_);
  return *this;
}

CheckRunner::~CheckRunner() { end(); }

void CheckRunner::end() {
  line_.reset();  // it ends its readers, and what their programs have left behind
  if (pid_ <= 0) return;
  bool ended = false;
  for (const std::int64_t until_ns = monotonic_ns() + 2 * kEnding_ns; !ended && monotonic_ns() < until_ns;) {
    ended = ::waitpid(pid_, nullptr, WNOHANG) != 0;
    if (!ended) ::usleep(1000);
  }
  if (!ended) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_ = -1;
}

bool CheckRunner::ask(std::size_t place, std::int64_t tag, bool anew) {
  if (asked_.at(place)) return false;
  asked_[place] = tag;
  if (line_ && !send_text(line_.get(), json_text(to_json(CheckRequest{place, tag, anew})))) end();
  return true;
}

std::optional<CheckReading> CheckRunner::receive() {
  bool ended = false;
  while (line_) {
    const auto text = receive_text(line_.get(), ended);
    if (ended) end();
    if (!text) break;
    auto reading = reading_from_json(*text);
    if (!reading || reading->place >= asked_.size()) continue;
    asked_[reading->place].reset();
    return reading;
  }
  return line_ ? std::nullopt : answer_unasked();
}

std::optional<CheckReading> CheckRunner::answer_unasked() {
  for (std::size_t place = 0; place < asked_.size(); ++place) {
    if (!asked_[place]) continue;
    const std::int64_t tag = *std::exchange(asked_[place], std::nullopt);
    return unknown_reading({.place = place, .tag = tag}, monotonic_ns(), "the runner of the checks has ended");
  }
  return std::nullopt;
}

}  // namespace grit

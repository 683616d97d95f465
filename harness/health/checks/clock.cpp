// clock: nobody steps the machine's clock, and what keeps it right lives.
#include <fmt/format.h>
#include <sys/timex.h>
#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "harness/base/files.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/clock_sync.hpp"
#include "harness/health/checks/numbered_entries.hpp"
#include "harness/os/proc_stat.hpp"
#include "harness/os/wall_clock.hpp"

namespace grit {
namespace {

constexpr std::int64_t kMostCpu_ns = 5 * kNsPerMs;  // to look for the daemon; the rest is looked at the next time
constexpr std::size_t kProcessesBetweenLooks = 16;

std::int64_t cpu_now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * kNsPerS + now.tv_nsec;
}

/// Where none was ever seen, another round over all processes begins so long after the last one.
constexpr std::int64_t kBetweenRounds_ns = 30 * kNsPerS;
/// One that ended may be started anew, after an update of it: it is missed after two whole rounds without it that take
/// at least so long.
constexpr std::int64_t kRestart_ns = 10 * kNsPerS;
constexpr int kRoundsWithout = 2;

/// The time daemon of the machine, found once and then watched.
class TimeDaemon {
 public:
  Outcome look(const CheckInput& input) {
    auto stat = stat_of_known(input);
    if (!stat && search(input)) stat = stat_of_known(input);
    if (stat && (stat->state == 'T' || stat->state == 't'))
      return critical(fmt::format("{} is stopped (state {})", name_, stat->state));
    const bool is_missed = rounds_without_ >= kRoundsWithout && input.memory.now_ns() - lost_ns_ >= kRestart_ns;
    if (!stat && !name_.empty() && is_missed) return critical(fmt::format("{} has ended", name_));
    Outcome outcome{.severity = Severity::ok, .subject = "daemon", .detail = "none is seen here"};
    if (stat) outcome.detail = fmt::format("{} runs", name_);
    if (!stat && !name_.empty()) outcome.detail = fmt::format("{} has ended, perhaps to be started anew", name_);
    if (!stat && name_.empty() && !looked_everywhere_) outcome.detail = "still looking for it among the processes";
    return outcome;
  }

  /// The last one that was seen; "": there is none. Empty: not all processes have been looked at yet.
  [[nodiscard]] std::optional<std::string> name() const {
    if (name_.empty() && !looked_everywhere_) return std::nullopt;
    return name_;
  }

 private:
  /// Empty: none was found yet, or it has ended.
  std::optional<ProcStat> stat_of_known(const CheckInput& input) {
    if (pid_ == 0) return std::nullopt;
    auto stat = read_task_stat(input.proc / std::to_string(pid_));
    if (stat && stat->start_ticks == start_ticks_ && stat->state != 'Z') return stat;
    pid_ = 0;  // another process may have the number
    lost_ns_ = input.memory.now_ns(), rounds_without_ = 0;
    return std::nullopt;
  }

  Outcome critical(std::string detail) const {
    return {.severity = Severity::critical,
            .subject = "daemon",
            .detail = std::move(detail),
            .hint = fmt::format("systemctl status {}", name_)};
  }

  /// True: it was found.
  bool search(const CheckInput& input) {
    const bool is_early = input.memory.now_ns() - round_ns_ < kBetweenRounds_ns;
    if (left_.empty() && looked_everywhere_ && name_.empty() && is_early) return false;
    if (left_.empty()) left_ = numbered_entries(input.proc);
    const std::int64_t end_ns = cpu_now_ns() + kMostCpu_ns;
    for (std::size_t i = 1; !left_.empty(); ++i) {
      const int pid = left_.back();
      left_.pop_back();
      if (is_daemon(input.proc / std::to_string(pid), pid)) {
        left_.clear();
        return true;
      }
      if (i % kProcessesBetweenLooks == 0 && cpu_now_ns() > end_ns) break;
    }
    if (!left_.empty()) return false;
    looked_everywhere_ = true, round_ns_ = input.memory.now_ns();
    rounds_without_ = std::min(rounds_without_ + 1, kRoundsWithout);
    return false;
  }

  bool is_daemon(const std::filesystem::path& directory, int pid) {
    const std::string name = time_daemon_in(directory);
    const auto stat = name.empty() ? std::nullopt : read_task_stat(directory);
    if (!stat || stat->state == 'Z') return false;
    pid_ = pid, start_ticks_ = stat->start_ticks, name_ = name;
    return true;
  }

  std::vector<int> left_{};  // to look at, the next one last
  bool looked_everywhere_ = false;
  std::int64_t round_ns_ = 0;  // when all had been looked at
  std::int64_t lost_ns_ = 0;   // when the one that was seen was there no more
  int rounds_without_ = 0;     // since then
  int pid_ = 0;                // 0: none that lives
  std::int64_t start_ticks_ = 0;
  std::string name_{};  // once it was seen
};

/// Of the last reading, which `grit check --state` keeps from call to call. A fault can act before the first reading of
/// its block: that is compared with the last one of the block before, if it is no longer ago than this.
class Steps {
 public:
  Outcome look(const CheckInput& input);

 private:
  static constexpr std::int64_t kBetweenBlocks_ns = kNsPerS;
  std::optional<std::int64_t> origin_ns_{};
  std::int64_t read_ns_ = 0;
};

Outcome Steps::look(const CheckInput& input) {
  const std::int64_t origin_ns = wall_clock_origin_ns(), now_ns = input.memory.now_ns();
  auto before_ns = input.memory.find("origin");
  if (!before_ns && now_ns - read_ns_ <= kBetweenBlocks_ns) before_ns = origin_ns_;
  input.memory.keep("origin", origin_ns);
  origin_ns_ = origin_ns, read_ns_ = now_ns;
  if (!before_ns) return {.severity = Severity::ok, .subject = "steps", .detail = "first reading"};
  const double step_s = static_cast<double>(origin_ns - *before_ns) / kNsPerS;
  const auto limit_s = [&](const char* name) { return static_cast<double>(input.params.integer(name)) / kNsPerS; };
  const Severity severity = judge_at_least(std::abs(step_s), limit_s("step_warning"), limit_s("step_critical"));
  return {.severity = severity,
          .subject = "steps",
          .value = step_s,
          .unit = "s",
          .detail = is_alarm(severity) ? fmt::format("the clock was set by {:+.3f} s", step_s) : "nobody set the clock",
          .hint = is_alarm(severity) ? "journalctl -u chronyd -u systemd-timesyncd; who calls settimeofday or date -s?"
                                     : ""};
}

/// Since the machine was started, also while it slept.
std::int64_t up_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * kNsPerS + now.tv_nsec;
}

struct Clock {
  Steps steps{};
  TimeDaemon daemon{};
};

Result<std::vector<Outcome>> read(Clock& clock, const CheckInput& input) {
  std::vector<Outcome> outcomes{clock.steps.look(input), clock.daemon.look(input)};
  timex now{};
  if (::adjtimex(&now) < 0)
    outcomes.push_back({.subject = "synchronization",
                        .detail = fmt::format("the kernel does not say: {} (adjtimex)", std::strerror(errno))});
  else
    outcomes.push_back(judge_sync(input, {now.status, now.maxerror, up_ns()}, clock.daemon.name()));
  return outcomes;
}

std::vector<ParamSpec> params() {
  return {{"step_warning", Unit::time_ns, kNsPerMs, "set by so much: warning (grit's own choice)"},
          {"step_critical", Unit::time_ns, 50 * kNsPerMs,
           "set by so much: critical (node exporter's mixin, NodeClockSkewDetected)"},
          {"maxerror", Unit::time_ns, 4 * kNsPerS,
           "the clock can be wrong by so much: warning (grit's own choice: the kernel adds 0.5 ms a second, and "
           "systemd-timesyncd asks its server every 2048 s)"},
          {"unsynchronized_after", Unit::time_ns, 600 * kNsPerS,
           "the machine runs for so long and nothing synchronizes its clock: warning; 0: off (node exporter's mixin, "
           "NodeClockNotSynchronising)"}};
}

}  // namespace

const Check& clock() {
  static const Check check{
      .info = {.name = "clock",
               .summary = "Nobody steps the machine's clock, and the daemon that keeps it right lives",
               .params = params(),
               .counts = true,
               .of_machine = true,
               .period_ns = 2 * kNsPerS,
               .trips = "clock_skew",
               .proven = "a clock that is set, in a virtual machine"},
      .make = keeping<Clock>(read)};
  return check;
}

}  // namespace grit

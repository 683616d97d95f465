// kernel_log: no line of the kernel's log says that a device, a disk, memory or the kernel itself failed.
#include "harness/os/kernel_log.hpp"

#include <fmt/format.h>
#include <time.h>

#include <memory>

#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/kernel_log_watch.hpp"

namespace grit {
namespace {

/// A flood must not keep the other checks from being read: the rest of it is read the next time.
constexpr std::int64_t kMostCpu_ns = 12 * kNsPerMs;
constexpr int kLinesBetweenLooks = 32;
/// A fault can act before the first reading of its block: what was logged since the last reading of the block before is
/// the new block's, if that is no longer ago than this.
constexpr std::int64_t kBetweenBlocks_ns = kNsPerS;
/// Nobody corrects the log's clock: it drifts away from the others, some seconds a day. A line that it puts so far
/// after the opening was surely logged after it, also in a flood that has no end.
constexpr std::int64_t kMostDrift_ns = 600 * kNsPerS;

std::int64_t cpu_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * kNsPerS + now.tv_nsec;
}

Result<KernelLogRules> rules_of(const Params& params) {
  return KernelLogRules::make(params.text("deny"), params.text("ignore"), params.text("mild_xids"));
}

class KernelLogCheck {
 public:
  Result<std::vector<Outcome>> read(const CheckInput& input) {
    if (!reader_) {
      GRIT_CHECK(open(input));
    } else if (input.memory.is_first()) {
      GRIT_CHECK(begin_block(input.memory.now_ns()));
    }
    lost_ = 0;
    read_ns_ = input.memory.now_ns();
    GRIT_TRY(const bool read_all, read_lines(input));
    std::vector<Outcome> outcomes = watch_->outcomes(input.memory.now_ns());
    if (lost_ > 0)
      outcomes.push_back({.severity = Severity::warning,
                          .subject = "lost lines",
                          .value = static_cast<double>(lost_),
                          .unit = "count",
                          .detail = fmt::format("{} lines were overwritten before they could be read", lost_),
                          .hint = "a larger log: boot with log_buf_len=16M"});
    // A caller that reads once reads again when something was kept.
    if (catching_up_)
      input.memory.keep("behind", 1);
    else
      input.memory.forget("behind");
    if (!read_all && catching_up_)
      outcomes.push_back({.subject = "older lines", .detail = "some are still to be read"});
    if (!read_all && !catching_up_)
      outcomes.push_back({.severity = Severity::warning,
                          .subject = "flood",
                          .detail = "lines come faster than they may be read: the rest is read next time",
                          .hint = "dmesg --follow"});
    if (worst_of(outcomes) == Severity::unknown)
      outcomes.push_back(
          {.severity = Severity::ok, .detail = fmt::format("nothing in {} lines means trouble", lines_)});
    return outcomes;
  }

 private:
  Status open(const CheckInput& input) {
    const Params& params = input.params;
    GRIT_TRY(KernelLogRules rules, rules_of(params));
    const KernelLogLimits limits{.hold_ns = params.integer("hold"),
                                 .injected = params.boolean("injected"),
                                 .unseen = params.boolean("unseen"),
                                 .level = static_cast<int>(params.integer("level"))};
    // With the state of an earlier call, from then on. What was logged before a run is none of its business.
    const std::int64_t before_ns = input.rank_pids.empty() ? params.integer("look_back") : 0;
    const std::int64_t look_back_ns = input.memory.elapsed_ns().value_or(before_ns);
    catching_up_ = look_back_ns > 0 || limits.unseen;
    opened_ns_ = monotonic_ns();
    judged_from_ns_ = opened_ns_ - look_back_ns;
    GRIT_TRY(reader_, KernelLogReader::open(catching_up_ ? KernelLogReader::From::oldest : KernelLogReader::From::end));
    watch_ = std::make_unique<KernelLogWatch>(std::move(rules), limits);
    return {};
  }

  Status begin_block(std::int64_t now_ns) {
    watch_->forget_findings();
    lines_ = 0;
    if (catching_up_ || now_ns - read_ns_ <= kBetweenBlocks_ns) return {};
    last_number_.reset();
    return reader_->skip_to_end();
  }

  /// False: there is more than may be read in one go.
  Result<bool> read_lines(const CheckInput& input) {
    const std::int64_t end_ns = cpu_ns() + kMostCpu_ns;
    for (int i = 1;; ++i) {
      GRIT_TRY(const auto line, reader_->next());
      if (!line) {
        catching_up_ = false;
        return true;
      }
      take(*line, input);
      if (i % kLinesBetweenLooks == 0 && cpu_ns() > end_ns) return false;
    }
  }

  void take(const KernelLine& line, const CheckInput& input) {
    if (last_number_ && line.number > *last_number_ + 1 && !catching_up_) lost_ += line.number - *last_number_ - 1;
    last_number_ = line.number;
    if (catching_up_ && line.logged_ns >= opened_ns_ + kMostDrift_ns) catching_up_ = false;
    if (catching_up_ && line.logged_ns < judged_from_ns_) {
      watch_->learn(line);
      return;
    }
    if (catching_up_ && !line.of_kernel) return;  // of a fault that was injected in an earlier run
    ++lines_;
    watch_->take(line, input.node, input.rank_pids, input.memory.now_ns());
  }

  std::optional<KernelLogReader> reader_{};
  std::unique_ptr<KernelLogWatch> watch_{};
  bool catching_up_ = false;  // with what was logged before it was opened
  std::int64_t opened_ns_ = 0, judged_from_ns_ = 0;
  std::int64_t read_ns_ = 0;  // when it was read last
  std::optional<std::int64_t> last_number_{};
  std::int64_t lost_ = 0;   // in this reading
  std::int64_t lines_ = 0;  // that were read in this block
};

std::vector<ParamSpec> params() {
  return {
      {"deny", Unit::text, "",
       "more lines that mean trouble: \"critical:EXPRESSION\" or \"warning:EXPRESSION\" (POSIX extended), a line each"},
      {"ignore", Unit::text, "", "expressions (POSIX extended), a line each, of lines that mean none"},
      {"mild_xids", Unit::text, "13,31,43,45,63,68,69,92,94,109",
       "errors of NVIDIA GPUs that are a warning; others are critical (the program's own, and recorded memory "
       "errors, in NVIDIA's Xid catalogue; all others, as in Azure's health agent)"},
      {"look_back", Unit::time_ns, 300 * kNsPerS,
       "outside of a run, also what the kernel logged so long before the first reading, about (node-problem-detector's "
       "default)"},
      {"hold", Unit::time_ns, 60 * kNsPerS, "for how long a line is reported (grit's own choice)"},
      {"injected", Unit::boolean, true, "also the lines of grit's own fault kernel_log"},
      {"unseen", Unit::boolean, false,
       "also warn of lines of a kind that is not among those logged before the first reading"},
      {"level",
       Unit::count,
       4,
       "of unseen lines only these levels: 4 is warning and graver (syslog(2))",
       {},
       0.0,
       7.0}};
}

}  // namespace

// Not named as the others: kernel_log() is the fault.
const Check& kernel_log_check() {
  static const Check check{.info = {.name = "kernel_log",
                                    .summary = "The kernel has logged no failure of a device, a disk, memory or itself",
                                    .params = params(),
                                    .counts = true,
                                    .of_machine = true,
                                    .needs = "root",
                                    .trips = "kernel_log",
                                    .proven = "a line written into the kernel's log"},
                           .make = keeping<KernelLogCheck>(&KernelLogCheck::read),
                           .validate = [](const Params& params) -> Status {
                             GRIT_CHECK(rules_of(params));
                             return {};
                           }};
  return check;
}

}  // namespace grit

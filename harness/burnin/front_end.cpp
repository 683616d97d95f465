#include "harness/burnin/front_end.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <memory>

#include "analysis/report/export/burnin_export.hpp"
#include "analysis/report/text/burnin_text.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/burnin/allocation.hpp"
#include "harness/burnin/drain.hpp"
#include "harness/burnin/replay.hpp"
#include "harness/burnin/running_cells.hpp"
#include "harness/burnin/time_left.hpp"
#include "harness/burnin/unstarted_cells.hpp"
#include "harness/cluster/host_list.hpp"
#include "harness/cluster/launch.hpp"
#include "harness/os/shell.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/interrupt.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

constexpr int kTick_ms = 200;
constexpr std::int64_t kEnding_ns = 5 * kNsPerS;     // of cells, when the burn-in is interrupted
constexpr std::int64_t kNextWord_ns = 60 * kNsPerS;  // where nobody sees a line that is rewritten
constexpr std::int64_t kBefore_ns = 60 * kNsPerS;

/// SIGINT, SIGTERM and SIGHUP, as something to wait for.
class EndSignalFd {
 public:
  EndSignalFd() {
    sigset_t wanted;
    sigemptyset(&wanted);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&wanted, number);
    sigprocmask(SIG_BLOCK, &wanted, &before_);
    fd_.reset(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  EndSignalFd(const EndSignalFd&) = delete;
  EndSignalFd& operator=(const EndSignalFd&) = delete;
  ~EndSignalFd() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  [[nodiscard]] int get() const { return fd_.get(); }
  /// How many have come since the last call.
  [[nodiscard]] int count() const {
    int come = 0;
    for (signalfd_siginfo info{}; ::read(fd_.get(), &info, sizeof info) == sizeof info;) ++come;
    return come;
  }

 private:
  sigset_t before_{};
  Fd fd_{};
};

/// On a terminal one line that is rewritten, else a line a round and a line a minute, on standard error.
class BurninProgressOut {
 public:
  explicit BurninProgressOut(bool silent) : silent_(silent), rewrites_(::isatty(STDERR_FILENO) != 0) {}
  void show(const BurninProgress& progress) {
    if (silent_) return;
    const std::int64_t now_ns = monotonic_ns();
    const bool is_due = progress.round != round_ || now_ns >= next_ns_;
    if (!rewrites_ && !is_due) return;
    round_ = progress.round;
    next_ns_ = now_ns + kNextWord_ns;
    const std::string line = burnin_progress_line(progress, 100);
    fmt::print(stderr, "{}{}{}", rewrites_ ? "\r\033[K" : "", line, rewrites_ ? "" : "\n");
    std::fflush(stderr);
  }
  void end() const {
    if (!silent_ && rewrites_) fmt::print(stderr, "\r\033[K");
  }

 private:
  bool silent_, rewrites_;
  std::string round_{};
  std::int64_t next_ns_ = 0;
};

class BurninFrontEnd {
 public:
  /// `scheduler` has taken what the log has, and `replayed` is what came of that.
  BurninFrontEnd(const BurninCommand& command, OpenedBurninLog opened, BurninScheduler scheduler,
                 ReplayedBurnin replayed, const JobLauncher& launcher, std::string program)
      : command_(command),
        opened_(std::move(opened)),
        launcher_name_(opened_.head.local_nodes > 0 ? "local cluster" : opened_.head.launcher),
        scheduler_(std::move(scheduler)),
        cells_(opened_.head, launcher, command.directory, std::move(program)),
        progress_(command.json),
        replayed_(std::move(replayed)) {
    if (opened_.head.time_limit_ns > 0 && !opened_.ended)
      deadline_ns_ = began_ns_ + std::max<std::int64_t>(opened_.head.time_limit_ns - opened_.earlier_ns, 0);
  }

  Result<int> run() {
    GRIT_CHECK(take_over());
    GRIT_CHECK(look_at_time());
    if (!why_ended_.empty()) replayed_.pending.clear();
    for (const auto& [id, cell] : replayed_.pending) GRIT_CHECK(start(cell));
    while (!cells_.empty()) {
      wait();
      if (signals_.count() > 0) return leave();
      GRIT_CHECK(take_ended());
      if (unstarted_.accuse_launcher(opened_.head.setup.hosts.size(), cells_.empty(),
                                     [this] { return scheduler_.report(); }))
        return stop();
      GRIT_CHECK(show());
    }
    if (!opened_.ended) GRIT_CHECK(opened_.log.ended(why_ended_));
    progress_.end();
    return finish();
  }

 private:
  /// What the log has, of which the scheduler knows already.
  Status take_over() {
    for (const BurninCellResult& result : opened_.results) {
      times_.add(result);
      unstarted_.add(result);
      cells_.note(result);
    }
    if (opened_.given_up) why_ended_ = opened_.given_up->why;
    if (!opened_.ended) GRIT_CHECK(opened_.log.changed(replayed_.last_changes));
    return {};
  }

  Status start(const BurninCell& cell) {
    GRIT_CHECK(opened_.log.started(cell, cells_.command(cell)));
    cells_.start(cell);
    return {};
  }

  void wait() const {
    std::vector<pollfd> waited{{signals_.get(), POLLIN, 0}};
    cells_.add_to(waited);
    ::poll(waited.data(), waited.size(), kTick_ms);
  }

  Status take_ended() {
    for (BurninCellResult& result : cells_.ended()) {
      result.session = opened_.session;
      times_.add(result);
      unstarted_.add(result);
      GRIT_CHECK(opened_.log.done(result));
      GRIT_CHECK(opened_.log.changed(scheduler_.take(std::move(result))));
      for (const BurninCell& cell : scheduler_.next()) GRIT_CHECK(start(cell));
    }
    return look_at_time();
  }

  Status look_at_time() {
    if (deadline_ns_ == 0 || !why_ended_.empty() || scheduler_.done() || monotonic_ns() < deadline_ns_) return {};
    why_ended_ = kNoTimeLeft;
    GRIT_CHECK(opened_.log.given_up(why_ended_));
    return opened_.log.changed(scheduler_.give_up(why_ended_));
  }

  Status show() {
    BurninProgress progress = scheduler_.progress();
    progress.elapsed_ns = opened_.earlier_ns + monotonic_ns() - began_ns_;
    progress.left_ns = left_ns(progress);
    progress_.show(progress);
    if (progress.round == written_round_) return {};
    written_round_ = progress.round;
    return write_files(report());
  }

  [[nodiscard]] std::int64_t left_ns(const BurninProgress& progress) const;
  [[nodiscard]] BurninReport report() const;
  [[nodiscard]] Status write_files(const BurninReport& report) const;
  [[nodiscard]] std::string how_to_go_on() const;
  void end_cells();
  Result<int> leave();
  Result<int> stop();
  Result<int> finish();

  const BurninCommand& command_;
  OpenedBurninLog opened_;
  std::string launcher_name_;
  EndSignalFd signals_{};
  BurninScheduler scheduler_;
  RunningCells cells_;
  BurninProgressOut progress_;
  BurninTimes times_{};
  UnstartedCells unstarted_{};
  ReplayedBurnin replayed_;  // its pending cells are started first of all
  std::string why_ended_{}, written_round_{};
  std::int64_t began_ns_ = monotonic_ns(), deadline_ns_ = 0;  // of this session
};

/// No longer than its time limit, which may also be known before anything else is.
std::int64_t BurninFrontEnd::left_ns(const BurninProgress& progress) const {
  const std::int64_t left_ns = burnin_left_ns(opened_.head.setup, progress, times_);
  if (deadline_ns_ == 0) return left_ns;
  const std::int64_t until_ns = std::max<std::int64_t>(deadline_ns_ - monotonic_ns(), 0);
  return left_ns < 0 ? until_ns : std::min(left_ns, until_ns);
}

BurninReport BurninFrontEnd::report() const {
  BurninReport report = scheduler_.report();
  report.launcher = launcher_name_;
  report.started_utc = utc_stamp(opened_.head.started_ns);
  std::int64_t last_ns = opened_.head.started_ns;
  for (const auto& [name, round] : times_.rounds) {
    report.round_took_ns[name] = round.last_ns - round.first_ns;
    last_ns = std::max(last_ns, round.last_ns);
  }
  report.took_ns = last_ns - opened_.head.started_ns;
  return report;
}

Status BurninFrontEnd::write_files(const BurninReport& report) const {
  std::vector<std::string> good;
  for (const BurninNodeReport& node : report.nodes)
    if (node.state == BurninNodeState::good) good.push_back(node.host);
  return write_burnin_files(report, compressed_host_list(good), command_.directory);
}

/// What changes the site is asked for anew, and not taken from the log.
std::string BurninFrontEnd::how_to_go_on() const {
  return fmt::format("grit resume {}{}", shell_word(command_.directory.string()),
                     command_.applies_drain ? " --apply-drain" : "");
}

/// The running cells are ended and forgotten, so that they are run again when the burn-in goes on. Ctrl-C, or a second
/// one, does not wait for them.
void BurninFrontEnd::end_cells() {
  progress_.end();
  fmt::print(stderr, "grit: ending {} cells\n", scheduler_.progress().cells_running);
  cells_.end_all(kEnding_ns);
  while (!cells_.empty() && signals_.count() == 0) {
    wait();
    cells_.ended();
  }
}

/// Ctrl-C.
Result<int> BurninFrontEnd::leave() {
  end_cells();
  GRIT_CHECK(write_files(report()));
  fmt::print(stderr, "grit: interrupted. Go on with: {}\n", how_to_go_on());
  return kInterruptedCode;
}

/// What keeps every node from its cells at once says nothing of any of them: none of that counts. That is written
/// before the running cells are ended, which takes seconds in which this process may be killed.
Result<int> BurninFrontEnd::stop() {
  const Status forgotten = opened_.log.forgotten(unstarted_.count());
  end_cells();
  GRIT_CHECK(forgotten);
  if (unstarted_.allocation_is_over())
    return unavailable_error(fmt::format(
        "the allocation in which this burn-in was is over, it has expired or was ended: {}. That counts against no "
        "node. Go on inside of another one with the nodes that are left, which `grit resume` lists where there is no "
        "allocation: salloc --no-kill ... {}",
        unstarted_.words(), how_to_go_on()));
  return unavailable_error(fmt::format(
      "no cell can be started any more, on none of the nodes that are left: {}. That is this host's network, the "
      "launcher or the allocation, and counts against no node. Mend it and go on with: {}. Are the nodes really all "
      "gone, begin a new burn-in without them",
      unstarted_.words(), how_to_go_on()));
}

Result<int> BurninFrontEnd::finish() {
  const BurninReport made = report();
  GRIT_CHECK(write_files(made));
  const fs::path reference =
      command_.save_reference.empty() ? fs::path(opened_.head.save_reference) : command_.save_reference;
  if (!reference.empty()) GRIT_CHECK(write_file_durably(reference, json_text(to_json(reference_of(made)), 1) + "\n"));
  if (command_.json)
    fmt::print("{}\n", json_text(to_json(made), 1));
  else
    fmt::print("{}", burnin_text(made, command_.directory));
  std::fflush(stdout);
  if (command_.applies_drain) drain_bad_nodes(made);
  return exit_code(made);
}

/// The command that makes the local cluster what it shall be, before anything is measured.
Status run_before(const std::string& command, const std::string& program) {
  if (command.empty()) return {};
  ::setenv("GRIT", program.c_str(), 1);
  GRIT_TRY(const ShellResult done, run_in_shell(command, kBefore_ns));
  if (done.status == 0) return {};
  return usage_error(fmt::format("--before ended with {}: {}", done.status, done.output));
}

/// One that has no cells starts nothing any more, wherever its report is asked for.
Result<std::unique_ptr<JobLauncher>> launcher_of(const BurninHead& head, bool has_cells) {
  if (head.local_nodes > 0) return make_local_launcher();
  if (!has_cells) return make_mpirun_launcher(head.launcher_arguments);
  return make_job_launcher(head.launcher, head.launcher_arguments);
}

/// Else every cell would end before it began, and every node would look dead.
Status check_launcher(const JobLauncher& launcher, const BurninHead& head, const std::string& program) {
  const BurninHost& host = head.setup.hosts.front();
  for (const bool uses_mpi : {false, true}) {
    const auto words = launcher.words(
        {.hosts = {host.address.empty() ? host.name : host.address}, .uses_mpi = uses_mpi, .command = {program}});
    if (!program_in_path(words.front()))
      return unavailable_error(fmt::format("{} is not in PATH: it takes cells to the nodes", words.front()));
  }
  return {};
}

}  // namespace

Result<int> run_burnin(const BurninCommand& command) {
  std::error_code unknown;
  const fs::path program = fs::read_symlink("/proc/self/exe", unknown);
  if (unknown) return internal_error("cannot find grit's own program: " + unknown.message());
  if (!command.resumes) GRIT_CHECK(prepare_burnin_directory(command));
  GRIT_TRY(OpenedBurninLog opened, BurninLog::open(command.directory));
  BurninScheduler scheduler(opened.head.setup);
  auto replayed = replay_burnin(opened, scheduler);
  if (!replayed) return with_context(replayed.error(), (command.directory / "burnin.jsonl").string());
  GRIT_CHECK(give_up_without_time(opened, scheduler, *replayed));
  const bool has_cells = !replayed->pending.empty();
  if (has_cells)
    GRIT_CHECK(check_allocation(opened.head, nodes_with_cells_left(scheduler.report()), command.directory));
  GRIT_TRY(const std::unique_ptr<JobLauncher> launcher, launcher_of(opened.head, has_cells));
  if (has_cells) {
    GRIT_CHECK(check_launcher(*launcher, opened.head, program.string()));
    if (opened.head.local_nodes > 0) GRIT_CHECK(run_before(opened.head.before, program.string()));
  }
  BurninFrontEnd front_end(command, std::move(opened), std::move(scheduler), std::move(*replayed), *launcher,
                           program.string());
  return front_end.run();
}

Status prepare_burnin_directory(const BurninCommand& command) {
  // Where there is a log already it is the log that refuses, by naming how to go on.
  if (std::error_code unknown; !fs::exists(command.directory / "burnin.jsonl", unknown)) {
    GRIT_CHECK(create_run_directory(command.directory));
    if (::mkdir((command.directory / "cells").c_str(), 0755) != 0)
      return errno_error("cannot make " + (command.directory / "cells").string());
  }
  GRIT_CHECK(check_run_directory(command.directory));
  GRIT_TRY(const BurninLog log, BurninLog::create(command.directory, command.head));
  return {};
}

}  // namespace grit

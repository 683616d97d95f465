// Starting a job on given hosts by a launcher that is there (mpirun, srun), ending it, and saying how it ended.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/fd.hpp"
#include "harness/base/result.hpp"

namespace grit {

struct HostJob {
  std::vector<std::string> hosts{};  // addresses as the launcher knows them, rank 0 on the first where it can choose
  int ranks_per_node = 1;
  bool uses_mpi =
      true;  // false, with one rank on one host: mpirun has nothing to do, its way in (ssh, enter-node) is enough
  std::vector<std::string> command{};      // the program by its path on the nodes
  std::vector<std::string> environment{};  // NAME=value for the ranks
  std::int64_t limit_ns = 0;               // for srun's own --time; the caller's limit is HostJobProcess::end()
};

/// How one launcher is called. Pure but for the constructor's look at the environment.
class JobLauncher {
 public:
  JobLauncher() = default;
  JobLauncher(const JobLauncher&) = delete;
  JobLauncher& operator=(const JobLauncher&) = delete;
  virtual ~JobLauncher() = default;
  [[nodiscard]] virtual std::string name() const = 0;  // "mpirun", "srun", "local cluster"
  /// argv[0] is looked for in PATH.
  [[nodiscard]] virtual std::vector<std::string> words(const HostJob& job) const = 0;
  /// The launcher's environment, from grit's own.
  [[nodiscard]] virtual std::vector<std::string> environment(const HostJob& job) const = 0;
  /// From its exit status and what it printed: it could not get the job going (host unknown, no daemon there, step
  /// refused), and why, in its words; empty: it could.
  [[nodiscard]] virtual std::string why_not_started(int status, std::string_view printed) const = 0;
  /// What the kernel sends the launcher when the process that started it dies.
  [[nodiscard]] virtual int signal_of_orphan() const { return SIGKILL; }
};

/// mpirun over ssh (Open MPI's rsh launcher, without a batch system's allocation: plm rsh, no ras of a batch system).
/// `arguments`: further ones of the site's, behind ours; where they name one of ours, ours is left out. Hosts that are
/// IPv6 addresses cannot be given to mpirun's -H.
std::unique_ptr<JobLauncher> make_mpirun_launcher(std::vector<std::string> arguments);
/// srun: a step of the allocation that SLURM_JOB_ID names, on these nodes: --nodelist, --overlap, --mpi=pmix,
/// --kill-on-bad-exit, --cpu-bind=none unless `arguments` say otherwise, --immediate so that it never queues;
/// --mpi=none for a job without MPI, which then starts where Slurm has no PMIx, too. SIGTERM is what ends its step at
/// once (src/srun/libsrun/srun_job.c: "forcing job termination"), so an orphan is sent that: without srun a step goes
/// on. Error (unavailable): no allocation around this process.
Result<std::unique_ptr<JobLauncher>> make_srun_launcher(std::vector<std::string> arguments);
/// Within the switch of the local cluster (LocalClusterOptions::on_switch): mpirun by `grit enter-node`, hosts are
/// management addresses. Ranks' output comes through mpirun, not past it.
std::unique_ptr<JobLauncher> make_local_launcher();
/// In srun's words (src/srun/libsrun/allocate.c and launch.c, src/common/slurm_errno.c): the allocation is over, and no
/// node of it can be had any more.
bool says_allocation_is_over(std::string_view words);

/// "auto": srun inside an allocation, else mpirun. Error (usage): no such launcher; lists them.
Result<std::unique_ptr<JobLauncher>> make_job_launcher(const std::string& name, std::vector<std::string> arguments);

/// A launcher's process, in a session of its own. Gone with this object (SIGKILL to the session), and with the thread
/// that started it (PR_SET_PDEATHSIG of the launcher: JobLauncher::signal_of_orphan()). mpirun's remote parts end when
/// their connection to it does, and a step when srun gets SIGTERM; a step whose srun was killed goes on until its
/// --time, a command that was entered by ssh until it writes: what is started must end by itself, too. Beside such an
/// object no run_child() (harness/os/child_process.hpp) may be called, which takes all children of a process for its
/// own.
class HostJobProcess {
 public:
  /// Output and errors go to one pipe that this object reads; the last 1 MiB is kept. Error (unavailable): the launcher
  /// is not in PATH.
  static Result<HostJobProcess> start(const JobLauncher& launcher, const HostJob& job);
  HostJobProcess(HostJobProcess&&) noexcept;
  HostJobProcess& operator=(HostJobProcess&&) noexcept;
  ~HostJobProcess();

  [[nodiscard]] int pid_descriptor() const;     // readable when it has ended; -1 once poll() has seen it
  [[nodiscard]] int output_descriptor() const;  // readable when it has printed; -1 once all is read
  void read_output();                           // never waits
  /// SIGTERM to the launcher now; SIGKILL to the whole session when `patience_ns` is over, by poll(). Called again,
  /// only the patience becomes shorter.
  void end(std::int64_t patience_ns);
  /// Kills when the patience is over. True once it has ended, is reaped, and its output is read to the end or has been
  /// open for a second longer (a child of the launcher's that keeps it); what else is in its session has then been
  /// killed. True also 5 s after SIGKILL for one that does not die of it (it waits in the kernel for a server that is
  /// away): it is let go, with the status of a process that SIGKILL ended.
  bool poll();
  [[nodiscard]] int status() const;  // of waitpid(2)
  [[nodiscard]] const std::string& output() const;

 private:
  struct Private;
  explicit HostJobProcess(std::unique_ptr<Private> made);
  std::unique_ptr<Private> private_;
};

}  // namespace grit

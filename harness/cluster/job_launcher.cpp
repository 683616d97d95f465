#include "harness/cluster/job_launcher.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <span>
#include <string_view>

#include "harness/base/clock.hpp"
#include "harness/base/printable.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/cluster/host_list.hpp"
#include "harness/cluster/launch.hpp"
#include "harness/cluster/layout.hpp"
#include "harness/os/child_process.hpp"

namespace grit {
namespace {

using Words = std::vector<std::string>;

constexpr std::size_t kMostReason_bytes = 300;

void add(Words& words, const Words& more) { words.insert(words.end(), more.begin(), more.end()); }

bool enters_one_host(const HostJob& job) { return !job.uses_mpi && job.hosts.size() == 1 && job.ranks_per_node == 1; }

std::size_t ranks_of(const HostJob& job) { return job.hosts.size() * static_cast<std::size_t>(job.ranks_per_node); }

/// The command with its environment, as one word for the shell that ssh and enter-node start.
std::string command_for_shell(const HostJob& job) {
  Words words;
  if (!job.environment.empty()) words.push_back("env"), add(words, job.environment);
  add(words, job.command);
  return shell_command(words);
}

/// The site's arguments name this one: ours is left out, since Open MPI takes no parameter twice.
bool names(const Words& arguments, std::string_view parameter) {
  return std::any_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
    return argument == parameter || argument.starts_with(std::string(parameter) + "=");
  });
}

/// What a site says of MPI to srun is of jobs that use it.
Words without_mpi(const Words& arguments) {
  Words kept;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    if (arguments[i] == "--mpi")
      ++i;  // and its value
    else if (!arguments[i].starts_with("--mpi="))
      kept.push_back(arguments[i]);
  }
  return kept;
}

/// The first line of what was printed with one of these phrases; a phrase that stands further in front goes before.
std::string line_with(std::string_view printed, std::span<const std::string_view> phrases) {
  for (const auto phrase : phrases) {
    const auto at = printed.find(phrase);
    if (at == std::string_view::npos) continue;
    const auto line_end = std::min(printed.find('\n', at), printed.size());
    const auto line_start = at == 0 ? 0 : printed.rfind('\n', at - 1) + 1;  // npos + 1 is 0
    auto line = printable(std::string(printed.substr(line_start, line_end - line_start)));
    line.erase(0, line.find_first_not_of(' '));
    line.erase(line.find_last_not_of(' ') + 1);
    return line.substr(0, kMostReason_bytes);
  }
  return "";
}

// OpenSSH's, of a host that cannot be had.
constexpr std::string_view kSshPhrases[] = {"ssh: Could not resolve hostname",
                                            "ssh: connect to host",
                                            "Host key verification failed",
                                            "Permission denied (",
                                            "Connection closed by",
                                            "Connection timed out during banner exchange",
                                            "kex_exchange_identification"};
// Open MPI's (orte/tools/orterun/help-orterun.txt, orte/mca/plm/base/help-plm-base.txt), and of `grit enter-node`.
constexpr std::string_view kMpirunPhrases[] = {"is no node of a local cluster",
                                               "cannot enter the namespaces of",
                                               "not enough slots available",
                                               "unable to find the specified executable file",
                                               "could not access",

                                               "unable to launch the specified application",
                                               "unable to reliably start one or more daemons",
                                               "daemon has unexpectedly failed after launch",
                                               "detected an attempt to run as root",
                                               "the launcher cannot be run"};
// Slurm's (src/srun, src/api/step_launch.c, src/common/slurm_errno.c).
constexpr std::string_view kOfJob = "error: Slurm job", kExpired = "has expired";  // "Slurm job 5 has expired"
constexpr std::string_view kUnconfirmed = "error: Unable to confirm allocation",
                           kNoStep = "error: Unable to create step";
constexpr std::string_view kForgotten = "Invalid job id", kCompleted = "already completing or completed";
constexpr std::string_view kSrunPhrases[] = {kNoStep,
                                             kOfJob,
                                             kUnconfirmed,
                                             "error: Unable to allocate resources",
                                             "error: Task launch for",
                                             "error: Application launch failed",
                                             "error: Unable to resolve",
                                             "error: Step launch timed out",
                                             "error: Invalid job id",
                                             "error: Invalid node",
                                             "error: Unable to contact slurm controller",
                                             "error: Requested",
                                             "error: execve()",
                                             "MPI plugin",
                                             "error: No such",
                                             "unrecognized option",
                                             "the launcher cannot be run"};

// Of env and of a shell in front of the command, when their exit status says that there is no such program.
constexpr std::string_view kNoProgramPhrases[] = {"No such file or directory", "not found", "Permission denied"};

std::string why_no_program(int status, std::string_view printed) {
  const bool says_so = WIFEXITED(status) && (WEXITSTATUS(status) == kNotFound || WEXITSTATUS(status) == kCannotRun);
  return says_so ? line_with(printed, kNoProgramPhrases) : "";
}

/// Nobody is there to be asked for a password; a host that is gone is noticed after 10 s when it cannot be had, after
/// 15 s when it dies later.
Words ssh_options() {
  return {"-o", "BatchMode=yes",         "-o", "ConnectTimeout=10",
          "-o", "ServerAliveInterval=5", "-o", "ServerAliveCountMax=3"};
}

class MpirunLauncher : public JobLauncher {
 public:
  explicit MpirunLauncher(Words arguments) : arguments_(std::move(arguments)) {}

  [[nodiscard]] std::string name() const override { return "mpirun"; }

  [[nodiscard]] Words words(const HostJob& job) const override {
    if (enters_one_host(job)) {
      Words words{"ssh"};
      add(words, ssh_options());
      add(words, {job.hosts.front(), command_for_shell(job)});
      return words;
    }
    std::string hosts;
    for (const auto& host : job.hosts)
      hosts += fmt::format("{}{}:{}", hosts.empty() ? "" : ",", host, job.ranks_per_node);
    Words words{"mpirun", "--allow-run-as-root", "-np", std::to_string(ranks_of(job)), "-H", hosts};
    const std::pair<std::string_view, Words> ours[] = {
        {"--map-by", {fmt::format("ppr:{}:node", job.ranks_per_node)}},
        {"--bind-to", {"none"}},
        {"plm", {"rsh"}},
        {"ras", {"^slurm,tm,lsf,gridengine"}},
        {"plm_rsh_args", {fmt::format("{}", fmt::join(ssh_options(), " "))}}};
    for (const auto& [parameter, value] : ours) {
      if (names(arguments_, parameter)) continue;
      if (!parameter.starts_with("--")) words.push_back("--mca");
      words.emplace_back(parameter);
      add(words, value);
    }
    add(words, arguments_);
    if (!job.environment.empty()) words.push_back("env"), add(words, job.environment);
    add(words, job.command);
    return words;
  }

  [[nodiscard]] Words environment(const HostJob&) const override {
    auto environment = own_environment();
    forget_other_job(environment, true);
    return environment;
  }

  [[nodiscard]] std::string why_not_started(int status, std::string_view printed) const override {
    if (status == 0) return "";
    if (auto line = line_with(printed, kSshPhrases); !line.empty()) return line;
    if (auto line = line_with(printed, kMpirunPhrases); !line.empty()) return line;
    return why_no_program(status, printed);
  }

 private:
  Words arguments_;
};

class SrunLauncher : public JobLauncher {
 public:
  explicit SrunLauncher(Words arguments) : arguments_(std::move(arguments)) {}

  [[nodiscard]] std::string name() const override { return "srun"; }

  [[nodiscard]] Words words(const HostJob& job) const override {
    Words words{"srun", "--nodelist=" + compressed_host_list(job.hosts), fmt::format("--nodes={}", job.hosts.size()),
                fmt::format("--ntasks={}", ranks_of(job)), fmt::format("--ntasks-per-node={}", job.ranks_per_node)};
    // Beside whatever else runs in the allocation, at once or not at all, and as the rest of this process's environment
    // says, whatever the batch job's own --export was.
    Words ours{"--overlap",
               job.uses_mpi ? "--mpi=pmix" : "--mpi=none",
               "--kill-on-bad-exit=1",
               "--immediate=30",
               "--unbuffered",
               "--export=ALL",
               "--cpu-bind=none",
               "--job-name=grit"};
    const Words sites = job.uses_mpi ? arguments_ : without_mpi(arguments_);
    if (job.limit_ns > 0)
      ours.push_back(fmt::format("--time={}", (job.limit_ns + 60 * kNsPerS - 1) / (60 * kNsPerS) + 1));  // minutes
    for (const auto& word : ours)
      if (!names(sites, word.substr(0, word.find('=')))) words.push_back(word);
    add(words, sites);
    add(words, job.command);
    return words;
  }

  // SLURM_* stays: it names the allocation. What the step around this process said of its ranks does not.
  [[nodiscard]] Words environment(const HostJob& job) const override {
    auto environment = own_environment();
    std::erase_if(environment, [](const std::string& variable) {
      return std::any_of(std::begin(kOfAStep), std::end(kOfAStep),
                         [&](std::string_view prefix) { return variable.starts_with(prefix); });
    });
    for (const auto& variable : job.environment) set_variable(environment, variable);
    return environment;
  }

  [[nodiscard]] std::string why_not_started(int status, std::string_view printed) const override {
    return status == 0 ? "" : line_with(printed, kSrunPhrases);
  }

  [[nodiscard]] int signal_of_orphan() const override { return SIGTERM; }

 private:
  static constexpr std::string_view kOfAStep[] = {"PMIX_", "PMI_", "OMPI_COMM_", "SLURM_STEP", "SLURM_CPU_BIND"};
  Words arguments_;
};

class LocalLauncher : public JobLauncher {
 public:
  [[nodiscard]] std::string name() const override { return "local cluster"; }

  [[nodiscard]] Words words(const HostJob& job) const override {
    if (enters_one_host(job))
      return {layout::kProgram, "enter-node", job.hosts.front(), command_for_shell({.command = job.command})};
    return mpirun_arguments(job.hosts, job.ranks_per_node, job.command);
  }

  [[nodiscard]] Words environment(const HostJob& job) const override {
    return job_environment(own_environment(), job.environment);
  }

  [[nodiscard]] std::string why_not_started(int status, std::string_view printed) const override {
    if (status == 0) return "";
    if (auto line = line_with(printed, kMpirunPhrases); !line.empty()) return line;
    return why_no_program(status, printed);
  }
};

}  // namespace

std::unique_ptr<JobLauncher> make_mpirun_launcher(std::vector<std::string> arguments) {
  return std::make_unique<MpirunLauncher>(std::move(arguments));
}

Result<std::unique_ptr<JobLauncher>> make_srun_launcher(std::vector<std::string> arguments) {
  if (std::getenv("SLURM_JOB_ID") == nullptr)
    return unavailable_error(
        "srun starts a step of an allocation, and there is none around this process (SLURM_JOB_ID is not set). Call it "
        "within salloc or sbatch, or choose mpirun");
  return std::make_unique<SrunLauncher>(std::move(arguments));
}

std::unique_ptr<JobLauncher> make_local_launcher() { return std::make_unique<LocalLauncher>(); }

bool says_allocation_is_over(std::string_view words) {
  const auto has = [&](std::string_view phrase) { return words.find(phrase) != std::string_view::npos; };
  if (has(kOfJob) && has(kExpired)) return true;
  return (has(kUnconfirmed) || has(kNoStep)) && (has(kForgotten) || has(kCompleted));
}

Result<std::unique_ptr<JobLauncher>> make_job_launcher(const std::string& name, std::vector<std::string> arguments) {
  const bool in_allocation = std::getenv("SLURM_JOB_ID") != nullptr && program_in_path("srun");
  if (name == "srun" || (name == "auto" && in_allocation)) return make_srun_launcher(std::move(arguments));
  if (name == "mpirun" || name == "auto") return make_mpirun_launcher(std::move(arguments));
  return usage_error(
      fmt::format("no such launcher: \"{}\". There are: auto (srun inside an allocation, else mpirun), "
                  "mpirun, srun",
                  name));
}

}  // namespace grit

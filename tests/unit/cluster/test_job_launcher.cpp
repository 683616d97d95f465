// The words of the launchers, and what they say of a job that they could not start.
#include <signal.h>

#include <algorithm>
#include <cstdlib>

#include "harness/base/clock.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/cluster/job_launcher.hpp"
#include "tests/catch.hpp"
#include "tests/environment_variable.hpp"

using grit::HostJob;
using grit::JobLauncher;
using Variable = grit::test::EnvironmentVariable;

namespace {

std::string words_of(const JobLauncher& launcher, const HostJob& job) {
  return grit::shell_command(launcher.words(job));
}

HostJob job_on(std::vector<std::string> hosts) {
  HostJob job;
  job.hosts = std::move(hosts);
  job.command = {"/opt/grit", "measure", "--set=a b"};
  job.environment = {"A=b c"};
  return job;
}

bool has(const std::vector<std::string>& environment, const std::string& variable) {
  return std::find(environment.begin(), environment.end(), variable) != environment.end();
}

}  // namespace

TEST_CASE("mpirun starts a job on its hosts over ssh") {
  const auto launcher = grit::make_mpirun_launcher({"--mca", "btl", "tcp,self"});
  auto job = job_on({"n1", "n2"});
  job.ranks_per_node = 2;
  CHECK(words_of(*launcher, job) ==
        "mpirun --allow-run-as-root -np 4 -H n1:2,n2:2 --map-by ppr:2:node --bind-to none --mca plm rsh "
        "--mca ras '^slurm,tm,lsf,gridengine' --mca plm_rsh_args '-o BatchMode=yes -o ConnectTimeout=10 -o "
        "ServerAliveInterval=5 -o ServerAliveCountMax=3' --mca btl tcp,self env 'A=b c' /opt/grit measure "
        "'--set=a b'");
}

TEST_CASE("a site's own arguments take the place of the launcher's") {
  const auto mpirun = grit::make_mpirun_launcher({"--bind-to", "core", "--mca", "plm_rsh_args", "-p 2222"});
  const auto words = words_of(*mpirun, job_on({"n1"}));
  CHECK_THAT(words, Catch::Contains("--bind-to core") && !Catch::Contains("--bind-to none"));
  CHECK_THAT(words, Catch::Contains("plm_rsh_args '-p 2222'") && !Catch::Contains("BatchMode"));
}

TEST_CASE("one host without MPI is entered by ssh alone") {
  const auto launcher = grit::make_mpirun_launcher({});
  auto job = job_on({"n1"});
  job.uses_mpi = false;
  const auto words = launcher->words(job);
  CHECK(words.front() == "ssh");
  CHECK(words.at(words.size() - 2) == "n1");
  CHECK(words.back() == "env 'A=b c' /opt/grit measure '--set=a b'");
  job.hosts = {"n1", "n2"};
  CHECK(launcher->words(job).front() == "mpirun");
}

TEST_CASE("mpirun's environment keeps a site's settings and nothing of another job") {
  const Variable setting("OMPI_MCA_btl", "tcp,self"), rank("OMPI_COMM_WORLD_RANK", "3"), pmix("PMIX_RANK", "3"),
      slurm("SLURM_JOB_ID", "5");
  const auto environment = grit::make_mpirun_launcher({})->environment(job_on({"n1"}));
  CHECK(has(environment, "OMPI_MCA_btl=tcp,self"));
  CHECK_FALSE(has(environment, "OMPI_COMM_WORLD_RANK=3"));
  CHECK_FALSE(has(environment, "PMIX_RANK=3"));
  CHECK_FALSE(has(environment, "SLURM_JOB_ID=5"));
}

TEST_CASE("srun starts a step of the allocation on the hosts") {
  const Variable allocation("SLURM_JOB_ID", "5"), step("SLURM_STEP_ID", "0"), pmix("PMIX_RANK", "3");
  const auto launcher = grit::make_srun_launcher({"--mpi=pmix_v4"});
  REQUIRE(launcher.has_value());
  auto job = job_on({"n02", "n01", "n07"});
  job.ranks_per_node = 2;
  job.limit_ns = 61 * grit::kNsPerS;
  CHECK(words_of(**launcher, job) ==
        "srun '--nodelist=n[01-02,07]' --nodes=3 --ntasks=6 --ntasks-per-node=2 --overlap --kill-on-bad-exit=1 "
        "--immediate=30 --unbuffered --export=ALL --cpu-bind=none --job-name=grit --time=3 --mpi=pmix_v4 /opt/grit "
        "measure '--set=a b'");
  const auto environment = (*launcher)->environment(job);
  CHECK(has(environment, "SLURM_JOB_ID=5"));
  CHECK(has(environment, "A=b c"));
  CHECK_FALSE(has(environment, "SLURM_STEP_ID=0"));
  CHECK_FALSE(has(environment, "PMIX_RANK=3"));
}

TEST_CASE("srun starts a job without MPI without it, whatever the site says of MPI") {
  const Variable allocation("SLURM_JOB_ID", "5");
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{}, std::vector<std::string>{"--mpi=pmix_v4"},
        std::vector<std::string>{"--mpi", "pmix_v4"}}) {
    const auto launcher = grit::make_srun_launcher(arguments);
    REQUIRE(launcher.has_value());
    auto job = job_on({"n1"});
    const auto of_mpi = [&] {
      std::string found;
      for (const std::string& word : (*launcher)->words(job))
        if (word.starts_with("--mpi") || word.starts_with("pmix")) found += word + " ";
      return found;
    };
    const std::string given = arguments.empty()       ? "--mpi=pmix "
                              : arguments.size() == 1 ? "--mpi=pmix_v4 "
                                                      : "--mpi pmix_v4 ";
    CHECK(of_mpi() == given);
    job.uses_mpi = false;
    CHECK(of_mpi() == "--mpi=none ");
    CHECK((*launcher)->words(job).back() == "--set=a b");
  }
}

TEST_CASE("the local cluster's launcher is mpirun by its own way into the nodes") {
  const auto launcher = grit::make_local_launcher();
  auto job = job_on({"10.77.0.1", "10.77.0.3"});
  const auto words = words_of(*launcher, job);
  CHECK_THAT(words, Catch::StartsWith("mpirun ") && Catch::Contains("-np 2 -H 10.77.0.1,10.77.0.3 ") &&
                        Catch::Contains("plm_rsh_agent '/dev/shm/grit enter-node'"));
  CHECK_THAT(words, Catch::EndsWith(" /opt/grit measure '--set=a b'"));
  CHECK(has(launcher->environment(job), "GRIT_LOCAL_CLUSTER=1"));
  CHECK(has(launcher->environment(job), "A=b c"));
  job.hosts = {"10.77.0.3"};
  job.uses_mpi = false;
  CHECK(launcher->words(job) ==
        std::vector<std::string>{"/dev/shm/grit", "enter-node", "10.77.0.3", "/opt/grit measure '--set=a b'"});
}

TEST_CASE("a launcher is chosen by its name, or by what is around grit") {
  const auto name_of = [](const std::string& name) {
    const auto launcher = grit::make_job_launcher(name, {});
    return launcher ? (*launcher)->name() : launcher.error().message;
  };
  {
    const Variable allocation("SLURM_JOB_ID", nullptr);
    CHECK(name_of("auto") == "mpirun");
    CHECK(name_of("mpirun") == "mpirun");
    CHECK_THAT(name_of("srun"), Catch::Contains("SLURM_JOB_ID"));
  }
  const Variable allocation("SLURM_JOB_ID", "5");
  CHECK(name_of("srun") == "srun");
  CHECK_THAT(name_of("qsub"), Catch::Contains("qsub") && Catch::Contains("mpirun, srun"));
}

TEST_CASE("why a job was not started is told in the launcher's own words") {
  const auto exited = [](int code) { return code << 8; };  // as waitpid(2) has it
  const auto mpirun = grit::make_mpirun_launcher({});
  CHECK(mpirun->why_not_started(exited(255),
                                "[head:01120] plm:rsh: Warning: setpgid(1125,1125) failed in parent with errno=13\n"
                                "ssh: Could not resolve hostname n9: Temporary failure in name resolution\r\n"
                                "----\nORTE was unable to reliably start one or more daemons.\n") ==
        "ssh: Could not resolve hostname n9: Temporary failure in name resolution");
  CHECK(
      mpirun->why_not_started(exited(255),
                              "Connection timed out during banner exchange\r\nConnection to n2 port 22 timed out\n") ==
      "Connection timed out during banner exchange");  // it is up, but its sshd says nothing
  CHECK(mpirun->why_not_started(exited(255), "Timeout, server n2 not responding.\n").empty());  // it has begun
  CHECK(mpirun->why_not_started(exited(127), "env: '/srv/no/such': No such file or directory\n----\nPrimary job") ==
        "env: '/srv/no/such': No such file or directory");
  CHECK(mpirun->why_not_started(exited(3), "cat: x: No such file or directory\nExit code:    3\n").empty());

  const Variable allocation("SLURM_JOB_ID", "5");
  const auto srun = grit::make_srun_launcher({}).value();
  for (const std::string line :
       {"srun: error: Unable to create step for job 1: Requested node configuration is not available",
        "srun: error: Slurm job 5 has expired",
        "slurmstepd-n0: error: execve(): /srv/no/such: No such file or directory",
        "srun: error: Task launch for StepId=1.6 failed on node n3: Communication connection failure"})
    CHECK(srun->why_not_started(exited(1), "on n2 A=\n" + line + "\nsrun: Job step aborted\n") == line);
  CHECK(srun->why_not_started(exited(3), "srun: error: n1: task 1: Exited with exit code 3\n").empty());

  const auto local = grit::make_local_launcher();
  CHECK(local->why_not_started(exited(64), "grit enter-node: 10.77.0.9 is no node of a local cluster around it\n") ==
        "grit enter-node: 10.77.0.9 is no node of a local cluster around it");
  CHECK(local->why_not_started(SIGKILL, "").empty());
}

TEST_CASE("a job that ended well was started, whatever was printed") {
  const Variable allocation("SLURM_JOB_ID", "5");
  const std::string printed = "ssh: connect to host n2 port 22: No route to host\nsrun: error: Task launch for";
  CHECK(grit::make_mpirun_launcher({})->why_not_started(0, printed).empty());
  CHECK(grit::make_srun_launcher({}).value()->why_not_started(0, printed).empty());
  CHECK(grit::make_local_launcher()->why_not_started(0, printed).empty());
}

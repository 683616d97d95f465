#include <map>

#include "harness/cluster/launcher.hpp"
#include "tests/catch.hpp"

namespace {

grit::Launcher with(const std::map<std::string, std::string>& variables) {
  return grit::find_launcher([&](const char* name) -> const char* {
    const auto found = variables.find(name);
    return found == variables.end() ? nullptr : found->second.c_str();
  });
}

}  // namespace

TEST_CASE("a process on its own has no launcher") {
  const auto launcher = with({{"HOME", "/root"}});
  CHECK(launcher.name.empty());
  CHECK_FALSE(launcher.reaches_mpi);
  CHECK(grit::check_tasks_meet(launcher, 1).has_value());
}

TEST_CASE("a shell in an allocation, a batch script and a single task may each run a local cluster") {
  const auto allocation = with({{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "64"}, {"SLURM_NNODES", "64"}});
  CHECK_FALSE(allocation.reaches_mpi);
  CHECK(grit::check_tasks_meet(allocation, 1).has_value());
  // sbatch gives its script a SLURM_PROCID; the interactive step of salloc also has a step of one task.
  const auto script = with({{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "64"}, {"SLURM_PROCID", "0"}});
  CHECK(grit::check_tasks_meet(script, 1).has_value());
  const auto one =
      with({{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "64"}, {"SLURM_STEP_NUM_TASKS", "1"}, {"SLURM_PROCID", "0"}});
  CHECK_FALSE(one.reaches_mpi);
  CHECK(grit::check_tasks_meet(one, 1).has_value());
}

TEST_CASE("tasks that do not see each other are one error, which the first one says") {
  struct Case {
    std::map<std::string, std::string> variables;
    std::string says;
  };
  for (const Case& one : {
           Case{{{"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "0"}}, "srun --mpi=pmix"},
           Case{{{"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "0"}, {"PMI_RANK", "0"}, {"PMI_SIZE", "4"}},
                "MpiDefault=pmix"},
           Case{{{"PMI_SIZE", "4"}, {"PMI_RANK", "0"}}, "mpiexec started 4 tasks"},
           Case{{{"OMPI_COMM_WORLD_SIZE", "4"}, {"OMPI_COMM_WORLD_RANK", "0"}}, "mpirun started 4 tasks"},
       }) {
    const auto met = grit::check_tasks_meet(with(one.variables), 1);
    REQUIRE_FALSE(met.has_value());
    CHECK(met.error().kind == grit::ErrorKind::unavailable);
    CHECK(met.error().message.find(one.says) != std::string::npos);
    auto other = one.variables;
    for (const char* rank : {"SLURM_PROCID", "PMI_RANK", "OMPI_COMM_WORLD_RANK"})
      if (other.contains(rank)) other[rank] = "3";
    const auto silent = grit::check_tasks_meet(with(other), 1);
    REQUIRE_FALSE(silent.has_value());
    CHECK(silent.error().message.empty());
  }
}

TEST_CASE("mpirun and srun with PMIx reach MPI, the innermost counts") {
  const auto srun = with({{"PMIX_RANK", "2"}, {"SLURM_STEP_NUM_TASKS", "4"}, {"SLURM_PROCID", "2"}});
  CHECK(srun.reaches_mpi);
  CHECK(srun.name == "srun");
  CHECK(grit::check_tasks_meet(srun, 4).has_value());
  CHECK_FALSE(grit::check_tasks_meet(srun, 1).has_value());
  const auto mpirun = with({{"OMPI_COMM_WORLD_SIZE", "8"},
                            {"OMPI_COMM_WORLD_RANK", "5"},
                            {"PMIX_RANK", "5"},
                            {"SLURM_STEP_NUM_TASKS", "4"},
                            {"SLURM_PROCID", "1"}});
  CHECK(mpirun.name == "mpirun");
  CHECK(mpirun.tasks == 8);
  CHECK(mpirun.task == 5);
}

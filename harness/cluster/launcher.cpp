#include "harness/cluster/launcher.hpp"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

#include "harness/base/clock.hpp"
#include "harness/base/units.hpp"

namespace grit {
namespace {

int number_or(const char* text, int otherwise) {
  int value = otherwise;
  if (text != nullptr) std::from_chars(text, text + std::strlen(text), value);
  return value;
}

std::string what_to_do(const Launcher& launcher) {
  if (launcher.name == "srun")
    return "Slurm must offer Open MPI a PMIx that it understands: `srun --mpi=pmix ...`, or MpiDefault=pmix in "
           "slurm.conf; `srun --mpi=list` says what this Slurm has. Or start it with Open MPI's mpirun inside of "
           "salloc or sbatch. For a local cluster on one machine ask for one task: `srun -n1`";
  return "The launcher belongs to another MPI, or another version, than the one this grit is linked with: start it "
         "with "
         "that Open MPI's mpirun";
}

}  // namespace

Launcher find_launcher(const std::function<const char*(const char*)>& variable) {
  // The innermost first: mpirun starts its daemons by srun, and its ranks inherit what srun said of those.
  if (const char* size = variable("OMPI_COMM_WORLD_SIZE"); size != nullptr)
    return {"mpirun", true, number_or(size, 1), number_or(variable("OMPI_COMM_WORLD_RANK"), 0)};
  const bool pmix = variable("PMIX_RANK") != nullptr;
  // Of the step, not of the job: SLURM_NTASKS is also set in a shell or script that is a single process.
  if (const char* size = variable("SLURM_STEP_NUM_TASKS"); size != nullptr)
    return {"srun", pmix, number_or(size, 1), number_or(variable("SLURM_PROCID"), 0)};
  if (const char* size = variable("PMI_SIZE"); size != nullptr)
    return {"mpiexec", pmix, number_or(size, 1), number_or(variable("PMI_RANK"), 0)};
  if (pmix) return {"a PMIx launcher", true, 1, number_or(variable("PMIX_RANK"), 0)};
  return {};
}

Status check_tasks_meet(const Launcher& launcher, int ranks_seen) {
  if (launcher.tasks <= 1 || ranks_seen != 1) return {};
  if (launcher.task != 0) return unavailable_error("");
  return unavailable_error(
      fmt::format("{} started {} tasks that do not see each other: each would run an experiment of its "
                  "own. {}",
                  launcher.name, launcher.tasks, what_to_do(launcher)));
}

Result<std::int64_t> launch_timeout_ns() {
  const char* text = std::getenv("GRIT_LAUNCH_TIMEOUT");
  if (text == nullptr) return 120 * kNsPerS;
  const auto limit = parse_quantity(text, Unit::time_ns);
  if (!limit) return with_context(limit.error(), "GRIT_LAUNCH_TIMEOUT");
  return limit->get<std::int64_t>();
}

}  // namespace grit

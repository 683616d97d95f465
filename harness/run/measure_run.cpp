// An ordinary run as a cell of a burn-in.
#include <fmt/format.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "harness/base/caught.hpp"
#include "harness/base/clock.hpp"
#include "harness/run/execution.hpp"
#include "harness/run/measure_kinds.hpp"
#include "harness/run/run_figures.hpp"
#include "harness/run/session.hpp"
#include "harness/scenario/load.hpp"
#include "harness/scenario/planner.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

Result<Execution> execution_of(const MeasureRequest& request, const Topology& topology, const fs::path& directory) {
  GRIT_TRY(const Scenario scenario, load_scenario(request.scenario, request.sets));
  GRIT_TRY(Plan plan, make_plan(scenario, topology, {.seed = request.seed}));
  return Execution{.plan = std::move(plan),
                   .scenario_source = scenario.source,
                   .scenario_file = scenario.file,
                   .run_directory = directory,
                   .command_line = {"grit", "measure", "--scenario", request.scenario}};
}

/// The run's directory, which goes away with this object where nobody has asked for it, however the run ends.
class CellDirectory {
 public:
  /// Nobody else's, in a directory that all nodes may share: named by this process.
  CellDirectory(const MeasureRequest& request, const MeasureHere& here)
      : path_(here.directory / fmt::format("grit-burnin-{}-{}-{}", utc_stamp(realtime_ns()), here.host, ::getpid())),
        is_kept_(!request.directory.empty()) {}
  CellDirectory(const CellDirectory&) = delete;
  CellDirectory& operator=(const CellDirectory&) = delete;
  ~CellDirectory() {
    std::error_code stays;
    if (!is_kept_) fs::remove_all(path_, stays);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  bool is_kept_;
};

/// The run knows nodes by the names that they have for themselves, the burn-in by those of its list.
Status say_figures(const Job& job, const fs::path& directory, const Topology& topology,
                   const std::vector<std::string>& hosts) {
  if (job.rank() != 0) return {};
  GRIT_TRY(std::vector<BurninLine> lines, figures_of_run(directory));
  for (BurninLine& line : lines)
    for (std::size_t node = 0; node < topology.nodes.size(); ++node)
      if (topology.nodes[node].name == line.host) {
        line.host = hosts.at(node);
        break;
      }
  for (const BurninLine& line : lines) GRIT_CHECK(say_burnin_line(line));
  return {};
}

}  // namespace

Result<int> measure_by_run(const Job& job, const MeasureRequest& request, const MeasureHere& here,
                           const std::vector<std::string>& hosts) {
  std::optional<CellDirectory> own;
  if (job.rank() == 0) own.emplace(request, here);
  const fs::path directory = own ? own->path() : here.directory;  // rank 0's counts
  GRIT_TRY(const Topology topology, discover_topology(job, directory));
  Execution mine;
  GRIT_CHECK(job.first([&]() -> Status {
    GRIT_TRY(mine, execution_of(request, topology, directory));
    return {};
  }));
  GRIT_TRY(const fs::path finished, run_under_mpi(job, mine));
  GRIT_CHECK(job.first([&] { return say_figures(job, finished, topology, hosts); }));
  return 0;
}

}  // namespace grit

// An ordinary run as a cell of a burn-in.
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <csignal>
#include <optional>
#include <string_view>
#include <utility>

#include "harness/base/caught.hpp"
#include "harness/base/clock.hpp"
#include "harness/os/process.hpp"
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

/// What cannot be looked at (another user's, where /proc hides those) is taken to be alive: only the kernel's word that
/// there is no such process counts. A zombie is not alive: nobody may have reaped it yet.
bool is_alive(pid_t pid) {
  if (::kill(pid, 0) != 0 && errno == ESRCH) return false;
  const auto process = identify_process(pid);
  if (!process) return true;
  const auto state = process_state(*process);
  return !state || (*state && (*state)->state != 'Z');
}

constexpr std::string_view kPrefix = "grit-burnin-";

/// Directories of this user's processes on this node that were killed, by a launcher whose patience was over:
/// "grit-burnin-STAMP-HOST-PID". A pid is of one pid namespace: containers that have pid namespaces of their own and
/// share a TMPDIR must be different hosts of the burn-in, as containers that are nodes are, or one would take the
/// directory of another one's running process for one left behind.
void remove_left_behind(const fs::path& in, const std::string& host) {
  std::error_code error;
  for (fs::directory_iterator it(in, error), end; !error && it != end; it.increment(error)) {
    const std::string name = it->path().filename().string();
    const auto stamp_end = name.find('-', kPrefix.size()), dash = name.rfind('-');  // a stamp has none
    if (!name.starts_with(kPrefix) || stamp_end >= dash || name.substr(stamp_end + 1, dash - stamp_end - 1) != host)
      continue;
    pid_t pid = 0;
    const auto read = std::from_chars(name.data() + dash + 1, name.data() + name.size(), pid);
    struct stat status {};
    if (read.ec != std::errc() || pid <= 0 || is_alive(pid)) continue;
    if (::lstat(it->path().c_str(), &status) != 0 || status.st_uid != ::geteuid() || !S_ISDIR(status.st_mode)) continue;
    std::error_code stays;
    fs::remove_all(it->path(), stays);
  }
}

/// The run's directory, which goes away with this object where nobody has asked for it, however the run ends.
class CellDirectory {
 public:
  /// Nobody else's, in a directory that all nodes may share: named by node and process.
  CellDirectory(const MeasureRequest& request, const MeasureHere& here)
      : path_(here.directory / fmt::format("{}{}-{}-{}", kPrefix, utc_stamp(realtime_ns()), here.host, ::getpid())),
        is_kept_(!request.directory.empty()) {
    if (is_kept_) return;
    remove_left_behind(here.directory, here.host);
    std::error_code unknown;  // then it may be there
    is_kept_ = fs::symlink_status(path_, unknown).type() != fs::file_type::not_found;
  }
  CellDirectory(const CellDirectory&) = delete;
  CellDirectory& operator=(const CellDirectory&) = delete;
  ~CellDirectory() {
    std::error_code stays;
    if (!is_kept_) fs::remove_all(path_, stays);
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
  bool is_kept_;  // asked for, or there before this run made it: then the run refuses it, and it is somebody else's
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

Result<bool> measure_by_run(const Job& job, const MeasureRequest& request, const MeasureHere& here,
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
  return job.broadcast(job.rank() == 0 && leaves_carriers_alone(mine.plan) ? "alone" : "") == "alone";
}

}  // namespace grit

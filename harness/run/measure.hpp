// `grit measure`: what a burn-in's cell runs on its nodes. Not for people.
//
// Its kinds are kBurninKinds: those of one node are measured without MPI; link by a job's first two ranks; collective
// and training by all of them. With `scenario` an ordinary run under MPI, with its run directory, whose figures per
// node come from its records (harness/run/run_figures.hpp).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/scenario.hpp"
#include "harness/model/series.hpp"

namespace grit {

struct MeasureRequest {
  std::vector<std::string> kinds{};
  std::vector<std::string> hosts{};  // the cell's, by name: this node finds out which it is
  std::vector<std::string>
      boots{};                 // of each of them how its boot id begins, as earlier cells had it; empty: not known
  std::string burnin{};        // which one it is of; empty: of none, and then it waits for nobody
  std::int64_t length_ns = 0;  // of each kind
  std::filesystem::path
      directory{};         // for storage's file without a name and for a run's directory; empty: TMPDIR, /var/tmp
  std::string scenario{};  // as `grit run` takes it
  Overrides sets{};
  std::int64_t limit_ns = 0;    // it kills itself then: a launcher that died may have left it behind
  std::string checks_source{};  // Lua text as for `grit check --config`; empty: all that need no parameters
  std::uint64_t seed = 1;
};

/// Prints lines as harness/model/burnin_observation.hpp has them, each as soon as it is known. Returns 0 whenever it
/// could measure, whatever it found; a wrong result is a figure and no error. What the node lacks is "skipped". Error:
/// it is none of the hosts, or the job failed.
Result<int> measure(const MeasureRequest& request);

/// What `grit` is given to do that, "measure" first: one `--` option a member.
std::vector<std::string> measure_words(const MeasureRequest& request);

/// Which of `hosts` this machine is: by its boot id, when `boots` has one of each of them and no two are alike (the
/// launcher's own names are then known, such as aliases of ssh's, whatever the machine calls itself); else by
/// SLURMD_NODENAME, its host name (whole or up to the first dot), or an address of an own interface; the only one when
/// there is one. Error (usage): none, or several.
Result<std::string> which_host(const std::vector<std::string>& hosts, const std::vector<std::string>& boots = {});

}  // namespace grit

// burnin.jsonl: everything that a burn-in knows, appended and flushed to the
// disk before anything follows from it.
//
// First line: {"format", "type": "burnin", setup ...}. Then {"type": "session",
// pid, host, t_ns}, {"type": "cell_started", cell, command}, {"type":
// "cell_done", result}, {"type": "state", host, from, to, why},
// {"type": "given_up", why}, {"type": "forgotten", results}, {"type": "end", why}.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "harness/base/fd.hpp"
#include "harness/burnin/scheduler.hpp"

namespace grit {

/// What must be as it was when a burn-in goes on.
struct BurninHead {
  BurninSetup setup{};
  std::string config_file{};
  std::string launcher{};   // "mpirun", "srun" (which "auto" came to is known); "local"
  std::string slurm_job{};  // the allocation of srun's steps, as SLURM_JOB_ID has it; else empty
  std::vector<std::string> launcher_arguments{};
  int local_nodes = 0;   // of the local cluster; 0: real hosts
  std::string before{};  // the command run in the local cluster's switch, first of all
  std::string console{};
  std::string save_reference{};                    // the file that a later burn-in's --reference names; empty: none
  std::int64_t started_ns = 0, time_limit_ns = 0;  // CLOCK_REALTIME; 0: none
};

struct OpenedBurninLog;

class BurninLog {
 public:
  /// Error (usage): there is one already, which names `grit resume`.
  static Result<BurninLog> create(const std::filesystem::path& directory, const BurninHead& head);
  /// A torn last line is cut off. Error (usage): none, newer format, or another
  /// grit is at it (flock(2)).
  static Result<OpenedBurninLog> open(const std::filesystem::path& directory);
  /// The head alone, also of one that another grit is at. Error (usage): none, or newer format.
  static Result<BurninHead> read_head(const std::filesystem::path& directory);

  Status started(const BurninCell& cell, const std::vector<std::string>& command);
  Status done(const BurninCellResult& result);  // fdatasync(2)
  Status changed(const std::vector<BurninChange>& changes);
  /// The last so many results do not count: their cells are to be run again. fdatasync(2)
  Status forgotten(std::size_t results);
  /// No cell begins any more, for this reason; results of those that run may follow. fdatasync(2)
  Status given_up(const std::string& why);
  Status ended(const std::string& why);

 private:
  BurninLog() = default;
  Fd fd_{};
  Status append(const Json& line, bool flush);
};

struct OpenedBurninLog {
  BurninLog log;
  BurninHead head{};
  std::vector<BurninCellResult> results{};  // in the order in which they came, without forgotten ones
  /// Of the sessions before this one together, each from its begin to its last line: without the pauses between them.
  std::int64_t earlier_ns = 0;
  int session = 0;  // which one this is: greater than that of every earlier front end
  /// Behind how many of the results it was given up, and why.
  struct GivenUp {
    std::size_t results = 0;
    std::string why{};
  };
  std::optional<GivenUp> given_up{};
  bool ended = false;
};

}  // namespace grit

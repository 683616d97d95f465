// The cells of a burn-in that are under way, each a job of the launcher's.
#pragma once

#include <poll.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "harness/burnin/console.hpp"
#include "harness/burnin/log.hpp"
#include "harness/cluster/job_launcher.hpp"

namespace grit {

class RunningCells {
 public:
  /// `program`: grit on the nodes. Both references must outlive this.
  RunningCells(const BurninHead& head, const JobLauncher& launcher, std::filesystem::path directory,
               std::string program);

  /// What earlier cells said of which machine is behind a name: later ones tell nodes apart by it.
  void note(const BurninCellResult& result);
  /// What the launcher is called with.
  [[nodiscard]] std::vector<std::string> command(const BurninCell& cell) const;
  /// It may come to nothing, which ended() then says.
  void start(const BurninCell& cell);
  /// Reads, ends what is beyond its limit, and returns the cells that have ended since the last call. Their words are
  /// in cells/ID.log, of those that did not complete.
  std::vector<BurninCellResult> ended();
  /// What there is to wait for.
  void add_to(std::vector<pollfd>& waited) const;
  /// All of them, by SIGTERM, and SIGKILL when the patience is over.
  void end_all(std::int64_t patience_ns);
  [[nodiscard]] bool empty() const { return running_.empty() && stillborn_.empty(); }

 private:
  struct Running {
    BurninCell cell{};
    HostJobProcess process;
    std::int64_t started_ns = 0;                        // CLOCK_REALTIME
    std::int64_t started_mono_ns = 0, deadline_ns = 0;  // CLOCK_MONOTONIC
    bool timed_out = false;
  };

  [[nodiscard]] const BurninRound& round_of(const BurninCell& cell) const;
  [[nodiscard]] HostJob job_of(const BurninCell& cell) const;
  [[nodiscard]] BurninCellResult result_of(const Running& running) const;
  void keep_words(const BurninCellResult& result, const std::string& output) const;

  const BurninHead& head_;
  const JobLauncher& launcher_;
  std::filesystem::path directory_;
  std::string program_;
  NodeConsoles consoles_;
  std::map<std::string, std::string> addresses_{};  // by name
  std::map<std::string, std::string> boots_{};      // likewise, how its boot id begins
  std::vector<Running> running_{};
  std::vector<BurninCellResult> stillborn_{};
};

}  // namespace grit

#include "harness/burnin/running_cells.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/burnin/cell_words.hpp"
#include "harness/model/burnin_observation.hpp"
#include "harness/run/measure.hpp"

namespace grit {
namespace {

constexpr std::size_t kWords_bytes = 2000, kLog_bytes = 64 * 1024;
/// So much of a boot id tells thousands of nodes apart, and their list still fits a word of a command line (128 KiB).
constexpr std::size_t kBoot_bytes = 8;
constexpr std::int64_t kPatience_ns = 5 * kNsPerS;
/// For the launcher to get the job going, over the cell's own limit.
constexpr std::int64_t kLaunch_ns = 5 * kNsPerS;

bool needs_mpi(const BurninCell& cell) {
  return cell.kinds.empty() || std::ranges::any_of(cell.kinds, [](const std::string& kind) {
           const BurninKind* known = find_burnin_kind(kind);
           return known != nullptr && known->shape != BurninShape::node;
         });
}

std::string file_name(const BurninCell& cell) {
  std::string name = cell.id;
  std::ranges::replace(name, '/', '_');
  return name;
}

/// Without what the cell's nodes said of themselves, which is in the result. The last of it, and what tells most.
std::string other_words(const std::string& output) {
  std::string words;
  for (std::size_t start = 0; start < output.size();) {
    const auto end = std::min(output.find('\n', start), output.size() - 1);
    const std::string line = output.substr(start, end + 1 - start);
    if (line.find("\"grit_measure\"") == std::string::npos) words += line;
    start = end + 1;
  }
  if (words.size() <= kWords_bytes) return words;
  const std::string line = telling_line(words), last = words.substr(words.size() - kWords_bytes);
  return last.find(line) != std::string::npos ? last : line.substr(0, kWords_bytes) + "\n" + last;
}

}  // namespace

RunningCells::RunningCells(const BurninHead& head, const JobLauncher& launcher, std::filesystem::path directory,
                           std::string program)
    : head_(head),
      launcher_(launcher),
      directory_(std::move(directory)),
      program_(std::move(program)),
      consoles_(head.console) {
  for (const BurninHost& host : head.setup.hosts) {
    addresses_[host.name] = host.address.empty() ? host.name : host.address;
    consoles_.note_well(host.name);
  }
}

const BurninRound& RunningCells::round_of(const BurninCell& cell) const {
  const auto& rounds = head_.setup.config.rounds;
  const auto found = std::ranges::find(rounds, cell.round, &BurninRound::name);
  GRIT_ASSERT(found != rounds.end());
  return *found;
}

HostJob RunningCells::job_of(const BurninCell& cell) const {
  const BurninRound& round = round_of(cell);
  const bool is_local = head_.local_nodes > 0;
  MeasureRequest request{.kinds = cell.kinds,
                         .hosts = cell.hosts,
                         .burnin = std::to_string(head_.started_ns),
                         .length_ns = cell.length_ns,
                         .limit_ns = round.limit_ns,
                         .checks_source = head_.setup.config.checks_source,
                         .seed = head_.setup.seed};
  if (!is_local && cell.hosts.size() > 1 &&
      std::ranges::all_of(cell.hosts, [&](const std::string& host) { return boots_.contains(host); }))
    for (const std::string& host : cell.hosts) request.boots.push_back(boots_.at(host));
  if (cell.kinds.empty()) {
    request.scenario = round.scenario;
    for (const auto& [name, value] : round.options) request.sets.emplace_back(name, value);
    if (is_local) request.directory = directory_ / "cells" / file_name(cell);
  } else if (is_local) {
    request.directory = directory_;
  }
  HostJob job{.ranks_per_node = needs_mpi(cell) ? round.ranks_per_node : 1,
              .uses_mpi = needs_mpi(cell),
              .command = {program_},
              .limit_ns = round.limit_ns};
  for (const std::string& host : cell.hosts) job.hosts.push_back(addresses_.at(host));
  for (std::string& word : measure_words(request)) job.command.push_back(std::move(word));
  if (is_local) job.environment = {"OPENBLAS_NUM_THREADS=1"};
  return job;
}

void RunningCells::note(const BurninCellResult& result) {
  for (const auto& [host, id] : result.boot_ids) boots_[host] = id.substr(0, kBoot_bytes);
}

std::vector<std::string> RunningCells::command(const BurninCell& cell) const { return launcher_.words(job_of(cell)); }

void RunningCells::start(const BurninCell& cell) {
  const std::int64_t started_ns = realtime_ns(), now_ns = monotonic_ns();
  auto process = HostJobProcess::start(launcher_, job_of(cell));
  if (!process) {
    stillborn_.push_back({.cell = cell,
                          .end = BurninCellEnd::not_started,
                          .words = process.error().message,
                          .command = command(cell),
                          .started_ns = started_ns});
    return;
  }
  running_.push_back({.cell = cell,
                      .process = std::move(*process),
                      .started_ns = started_ns,
                      .started_mono_ns = now_ns,
                      .deadline_ns = now_ns + round_of(cell).limit_ns + kLaunch_ns});
}

BurninCellResult RunningCells::result_of(const Running& running) const {
  const int status = running.process.status();
  BurninCellResult result{.cell = running.cell,
                          .status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
                          .command = command(running.cell),
                          .started_ns = running.started_ns,
                          .took_ns = monotonic_ns() - running.started_mono_ns};
  read_burnin_lines(running.process.output(), result);
  const std::string reason =
      result.status == 0 ? std::string() : launcher_.why_not_started(status, running.process.output());
  if (running.timed_out)
    result.end = BurninCellEnd::timed_out;
  else if (result.status != 0)
    result.end = reason.empty() ? BurninCellEnd::failed : BurninCellEnd::not_started;
  if (result.end == BurninCellEnd::completed) return result;
  result.words = reason.empty() ? other_words(running.process.output()) : reason;
  for (const std::string& host : running.cell.hosts)
    if (auto lines = consoles_.last_lines(host); !lines.empty()) result.kernel_lines[host] = std::move(lines);
  keep_words(result, running.process.output());
  return result;
}

void RunningCells::keep_words(const BurninCellResult& result, const std::string& output) const {
  const std::string last = output.size() <= kLog_bytes ? output : output.substr(output.size() - kLog_bytes);
  const auto path = directory_ / "cells" / (file_name(result.cell) + ".log");
  const std::string text =
      fmt::format("{}\n{}: {}\n{}", shell_command(result.command), to_string(result.end), result.status, last);
  if (auto written = write_file_durably(path, text); !written)  // the log has the end of it
    fmt::print(stderr, "grit: {}\n", written.error().message);
}

std::vector<BurninCellResult> RunningCells::ended() {
  std::vector<BurninCellResult> results = std::exchange(stillborn_, {});
  for (Running& running : running_) {
    running.process.read_output();
    if (running.timed_out || monotonic_ns() < running.deadline_ns) continue;
    running.timed_out = true;
    running.process.end(kPatience_ns);
  }
  for (auto running = running_.begin(); running != running_.end();) {
    if (!running->process.poll()) {
      ++running;
      continue;
    }
    results.push_back(result_of(*running));
    note(results.back());
    if (results.back().end == BurninCellEnd::completed)
      for (const std::string& host : running->cell.hosts) consoles_.note_well(host);
    running = running_.erase(running);
  }
  return results;
}

void RunningCells::add_to(std::vector<pollfd>& waited) const {
  for (const Running& running : running_) {
    waited.push_back({running.process.pid_descriptor(), POLLIN, 0});
    waited.push_back({running.process.output_descriptor(), POLLIN, 0});
  }
}

void RunningCells::end_all(std::int64_t patience_ns) {
  for (Running& running : running_) running.process.end(patience_ns);
}

}  // namespace grit

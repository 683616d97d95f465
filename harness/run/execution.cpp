#include "harness/run/execution.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>

#include "analysis/report/finish.hpp"
#include "analysis/report/text/comparison_text.hpp"
#include "analysis/report/text/terminal.hpp"
#include "analysis/verdict/verdict.hpp"
#include "grit_version.hpp"
#include "harness/agent/node_lock.hpp"
#include "harness/base/commit.hpp"
#include "harness/base/files.hpp"
#include "harness/base/printable.hpp"
#include "harness/cluster/local.hpp"
#include "harness/model/attempt.hpp"
#include "harness/model/event.hpp"
#include "harness/model/plan_warnings.hpp"
#include "harness/record/latest_run.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/attempts.hpp"
#include "harness/run/baseline.hpp"
#include "harness/run/cluster_keeper.hpp"
#include "harness/run/host_attempts.hpp"
#include "harness/run/session.hpp"
#include "injectors/traits.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

fs::path choose_directory(const Execution& execution) {
  if (!execution.run_directory.empty()) return fs::absolute(execution.run_directory).lexically_normal();
  const Plan& plan = execution.plan;
  return fs::absolute(fs::path("runs") / plan.scenario_name /
                      fmt::format("{}-{}", utc_stamp(realtime_ns()), plan.seed));
}

/// What `latest` shall be to once this has begun; empty: nothing, whoever chose the directory knows it.
fs::path latest_of(const Execution& execution, const fs::path& directory) {
  return execution.run_directory.empty() ? directory : execution.series;
}

std::string progress_style(bool json) {
  if (json) return "off";
  return ::isatty(STDERR_FILENO) != 0 ? "terminal" : "plain";
}

/// An exit status with which ranks say why they did not start; 0 when the job said nothing of the kind.
int refusal(int job_status) {
  if (!WIFEXITED(job_status)) return 0;
  const int code = WEXITSTATUS(job_status);
  return code == 64 || code == 69 || code == 70 ? code : 0;
}

std::string how_it_ended(int status) {
  return WIFEXITED(status) ? fmt::format("exit code {}", WEXITSTATUS(status))
                           : fmt::format("signal {}", WTERMSIG(status));
}

/// The recorder makes steps.npy before another node's agent may find that a fault cannot work there.
bool any_step(const fs::path& directory) {
  const auto steps = StepsFile::open(directory / "steps.npy");
  return steps && !steps->records().empty();
}

Status note_interruption(const fs::path& directory) {
  GRIT_TRY(auto events, EventsWriter::open(directory / "events.jsonl"));
  Json event = make_event("run", 0);
  event["state"] = "interrupted";
  return events.append(event);
}

/// What faults changed of the whole machine, which did not go with the cluster.
Status note_machine(const fs::path& directory, bool is_mended) {
  GRIT_TRY(auto events, EventsWriter::open(directory / "events.jsonl"));
  Json event = make_event("machine_mended", 0);
  event["ok"] = is_mended;
  return events.append(event);
}

Result<std::string> own_program() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return internal_error("cannot find grit's own program: " + error.message());
  return program.string();
}

Error not_mended(const fs::path& journals) {
  return {ErrorKind::internal,
          fmt::format("NOT REVERTED: what faults changed of the whole machine could not be taken off: run `grit revert "
                      "--journal FILE` for each file in {}",
                      journals.string())};
}

/// The plan on a local cluster of its own, in a directory that is prepared. Error: nothing was recorded; where nothing
/// ran at all, the directory is gone.
Result<AttemptRun> run_on_new_cluster(const Execution& execution, const fs::path& directory) {
  GRIT_TRY(const std::string program, own_program());
  const auto& nodes = execution.plan.topology.nodes;
  LocalClusterOptions options;
  options.nodes = static_cast<int>(nodes.size());
  options.ranks_per_node = static_cast<int>(nodes.front().ranks.size());
  options.command = {program, "rank", directory.string(), std::to_string(execution.port)};
  options.run_directory = directory;
  options.environment = {"GRIT_JOURNAL_DIR=" + (directory / "journal").string(),
                         "GRIT_PROGRESS=" + progress_style(execution.json), "OPENBLAS_NUM_THREADS=1"};
  GRIT_TRY(ClusterKeeper keeper,
           ClusterKeeper::start(directory / "journal", checkpoint_directory(directory, execution.plan.attempt)));
  const auto ended = run_local_cluster(options);
  const bool machine_is_mended = keeper.end();
  if (!ended) {
    std::error_code ignored;  // nothing ran: no directory that looks like a run
    const bool nothing_ran =
        ended.error().kind != ErrorKind::internal && !fs::exists(directory / "events.jsonl", ignored);
    if (nothing_ran) fs::remove_all(directory, ignored);
    return tl::make_unexpected(ended.error());
  }
  const LocalClusterEnd& end = *ended;
  if (end.interrupted) GRIT_CHECK(note_interruption(directory));
  if (const int code = refusal(end.job_status); code != 0 && !end.interrupted && !any_step(directory)) {
    if (!machine_is_mended) return Failure(not_mended(directory / "journal"));
    // The ranks have said why, on standard error.
    return Failure(Error{static_cast<ErrorKind>(code), "the run did not start; more in " + end.mpirun_log});
  }
  if (end.job_status != 0 && !end.interrupted && !fs::exists(directory / "events.jsonl"))
    return internal_error(fmt::format("the ranks ended before anything was recorded ({}). {}",
                                      how_it_ended(end.job_status), words_of_mpirun(end.mpirun_log)));
  if (auto noted = note_machine(directory, machine_is_mended); !noted)
    fmt::print(stderr, "grit: {}\n", noted.error().message);  // the verdict is then that it is not known
  return AttemptRun{end.interrupted, machine_is_mended ? fs::path() : directory / "journal"};
}

void print_warnings(const Plan& plan) {
  for (const std::string& warning : plan_warnings(plan)) fmt::print(stderr, "grit: warning: {}\n", printable(warning));
}

}  // namespace

Status prepare_directory(const Execution& execution, const fs::path& directory) {
  if (!exact_json_text(directory.string()))  // ranks and agents are told it as JSON
    return usage_error(
        fmt::format("the run directory {} is not UTF-8 text: choose another with --out", directory.string()));
  GRIT_CHECK(create_run_directory(directory));
  const Json run{{"format", formats::kRun.number},
                 {"scenario", execution.plan.scenario_name},
                 {"file", execution.scenario_file},
                 {"directory", directory.string()},
                 {"command_line", execution.command_line},
                 {"seed", execution.plan.seed},
                 {"version", kVersion},
                 {"commit", commit()},
                 {"started_utc", utc_stamp(realtime_ns())},
                 {"started_monotonic_ns", monotonic_ns()},
                 {"local_cluster", execution.plan.topology.local_cluster},
                 {"verdict", nullptr}};
  GRIT_CHECK(write_file_durably(directory / "run.json", json_text(run, 1) + "\n"));
  GRIT_CHECK(write_file_durably(directory / "scenario.lua", execution.scenario_source));
  GRIT_CHECK(write_file_durably(directory / "plan.json", json_text(to_json(execution.plan), 1) + "\n"));
  return {};
}

Status check_guards(const Plan& plan) { return check_guards(guard_rails(plan)); }

Result<int> print_verdict(const fs::path& directory, bool json, const std::optional<Comparison>& comparison) {
  GRIT_TRY(Json document, read_json(directory / "verdict.json"));
  GRIT_TRY(const Verdict verdict, verdict_from_json(document));
  if (comparison) document["comparison"] = to_json(*comparison);
  if (json)
    fmt::print("{}\n", json_text(document, 1));
  else
    fmt::print("{}", terminal_summary(verdict, directory));
  if (comparison && !json) fmt::print("{}", comparison_text(*comparison, directory / "compare.html"));
  std::fflush(stdout);
  return left_something_behind(verdict) ? static_cast<int>(ErrorKind::internal) : exit_code(verdict.kind);
}

Result<fs::path> run_on_local_cluster(const Execution& execution) {
  GRIT_CHECK(check_guards(execution.plan));
  const fs::path directory = choose_directory(execution);
  GRIT_CHECK(prepare_directory(execution, directory));
  LatestLink latest(latest_of(execution, directory));
  if (!execution.json)
    fmt::print(stderr, "grit: {}\n",
               execution.heading.empty()
                   ? fmt::format("{} on a local cluster of {} nodes", execution.plan.scenario_name,
                                 execution.plan.topology.nodes.size())
                   : printable(execution.heading));
  const auto ran = execution.plan.design.restarts > 0
                       ? run_attempts(execution, directory, run_on_new_cluster, run_on_new_cluster)
                       : run_on_new_cluster(execution, directory);
  if (!ran) {
    if (any_step(directory)) latest.keep();
    return tl::make_unexpected(ran.error());
  }
  latest.keep();
  if (auto finished = finish_run(directory); !finished) return with_context(finished.error(), "cannot finish the run");
  if (!ran->to_revert.empty()) return Failure(not_mended(ran->to_revert));
  return directory;
}

std::string why_refused(const fs::path& directory) {
  std::string words = read_file(directory / kRefusedFile).value_or(std::string());
  while (!words.empty() && words.back() == '\n') words.pop_back();
  return words;
}

Result<int> execute_on_local_cluster(const Execution& execution) {
  GRIT_CHECK(check_guards(execution.plan));
  print_warnings(execution.plan);
  GRIT_CHECK(check_baselines(execution.plan, execution.baselines));
  GRIT_TRY(const NodeLock lock, NodeLock::acquire());
  GRIT_TRY(const fs::path directory, run_on_local_cluster(execution));
  return print_verdict(directory, execution.json, compare_with_baselines(directory, execution.baselines));
}

Result<fs::path> run_under_mpi(const Job& job, const Execution& execution) {
  Json handed_out;
  fs::path latest;  // only rank 0's is not empty
  const auto prepare = [&]() -> Status {
    GRIT_CHECK(check_guards(execution.plan));
    GRIT_CHECK(check_baselines(execution.plan, execution.baselines));
    if (execution.plan.design.restarts > 0 && ::getenv(kRestartsVariable) == nullptr)
      return usage_error(
          "design.restarts: nobody outside of this job would start it again: let grit start it (grit run --hosts "
          "n[01-16]), run it on a local cluster, or leave restarts out");
    const fs::path directory = choose_directory(execution);
    GRIT_CHECK(prepare_directory(execution, directory));
    latest = latest_of(execution, directory);
    handed_out = Json{{"plan", to_json(execution.plan)}, {"directory", directory.string()}, {"port", execution.port}};
    return {};
  };
  GRIT_CHECK(job.first(prepare));
  GRIT_TRY(const Json received, parse_json(job.broadcast(json_text(handed_out))));
  GRIT_TRY(const Plan plan, plan_from_json(received.at("plan")));
  const fs::path directory = received.at("directory").get<std::string>();
  const auto begun = [&] {
    if (!latest.empty()) point_latest_at(latest);
  };
  GRIT_CHECK(run_session(job, plan, directory, received.at("port").get<int>(), begun));
  if (plan.design.restarts > 0) return directory;  // judged by whoever starts the job again
  GRIT_CHECK(job.each([&]() -> Status {
    if (job.rank() != 0) return {};
    const auto finished = finish_run(directory);
    return finished ? Status() : Status(with_context(finished.error(), "cannot finish the run"));
  }));
  return directory;
}

Result<int> execute_under_mpi(const Job& job, const Execution& execution) {
  if (job.rank() == 0) print_warnings(execution.plan);  // the others have none
  GRIT_TRY(const fs::path directory, run_under_mpi(job, execution));
  int code = 0;
  const auto print = [&]() -> Status {
    if (execution.plan.design.restarts > 0) return {};
    GRIT_TRY(code, print_verdict(directory, execution.json, compare_with_baselines(directory, execution.baselines)));
    return {};
  };
  GRIT_CHECK(job.first(print));
  GRIT_TRY(const Json shared, parse_json(job.broadcast(json_text(code))));
  return shared.get<int>();
}

namespace {

/// Devices and addresses in the plan are those of the nodes on which the attempts before ran.
Status check_node(const Job& job, const Plan& plan) {
  return job.each([&]() -> Status {
    std::array<char, HOST_NAME_MAX + 1> name{};
    if (::gethostname(name.data(), name.size() - 1) != 0) return errno_error("cannot read this node's name");
    const std::string& planned = plan.topology.nodes[static_cast<std::size_t>(job.node())].name;
    if (planned == name.data()) return {};
    return unavailable_error(fmt::format(
        "the launcher has put the ranks of {} here: a job that starts again needs its nodes in the same order",
        planned));
  });
}

}  // namespace

Result<int> execute_rank(const fs::path& directory, int port) {
  return run_in_job([&](const Job& job) -> Result<int> {
    Json document;
    const auto read = [&]() -> Status {
      GRIT_TRY(document, read_json(directory / "plan.json"));
      return {};
    };
    GRIT_CHECK(job.first(read));
    GRIT_TRY(const Json received, parse_json(job.broadcast(json_text(document))));
    GRIT_TRY(const Plan plan, plan_from_json(received));
    if (plan.topology.nodes.size() != static_cast<std::size_t>(job.node_count()))
      return internal_error(
          fmt::format("the plan is for {} nodes, the job has {}", plan.topology.nodes.size(), job.node_count()));
    if (plan.attempt > 1 && !plan.topology.local_cluster) GRIT_CHECK(check_node(job, plan));
    GRIT_CHECK(run_session(job, plan, directory, port, [] {}));
    return 0;
  });
}

}  // namespace grit

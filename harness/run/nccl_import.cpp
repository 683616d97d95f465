#include "harness/run/nccl_import.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "analysis/report/finish.hpp"
#include "grit_version.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/commit.hpp"
#include "harness/base/files.hpp"
#include "harness/base/units.hpp"
#include "harness/model/event.hpp"
#include "harness/model/imported_job.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/nccl_arrivals.hpp"
#include "harness/run/nccl_spans.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostBlocks = 10, kWarmupShare = 10;
constexpr std::size_t kMostArrivals = 5;  // kinds of collectives that are told of

/// All that is known of the job.
struct Read {
  NcclJob job{};
  NcclSteps steps{};
  NcclTimeline line{};
  Mesh mesh{};
  std::vector<StepRecord> records{};
  NcclSpans spans{};
};

Result<Read> read_all(const NcclImport& wanted) {
  Read read;
  GRIT_TRY(read.job, read_nccl_job(wanted.parts));
  GRIT_TRY(read.mesh, Mesh::over(wanted.mesh, static_cast<int>(read.job.ranks.size())));
  GRIT_TRY(read.steps, find_nccl_steps(read.job, wanted.operations));
  read.line = align_nccl_times(read.job);
  read.records = nccl_step_records(read.job, read.steps, read.line);
  read.spans = nccl_spans(read.job, read.steps, read.line, read.mesh);
  return read;
}

struct Blocks {
  std::size_t warmup = 0, count = 0, steps = 0;  // steps of the warm-up; blocks after it, and steps of each
};

Blocks blocks_of(std::size_t steps) {
  Blocks blocks;
  blocks.warmup = std::max<std::size_t>(1, steps / kWarmupShare);
  blocks.count = std::min(kMostBlocks, (steps - blocks.warmup) / 2);
  blocks.steps = (steps - blocks.warmup) / blocks.count;
  blocks.warmup = steps - blocks.count * blocks.steps;
  return blocks;
}

Plan plan_of(const Read& read, const NcclImport& wanted, const Blocks& blocks) {
  Plan plan;
  plan.scenario_name = kImportedJob;
  plan.summary = "a job that ran with grit's NCCL profiler, and without grit";
  std::int64_t bytes = 0;  // of rank 0, in its first step
  for (const CollectiveRecord& span : read.spans.spans)
    if (span.rank == 0 && span.step == 0) bytes = std::min(bytes + span.bytes, kMostSpanBytes);
  plan.workload = {kImportedJob, Json{{"operations", read.steps.operations}, {"bytes", bytes}}};
  for (std::size_t node = 0; node < read.job.hosts.size(); ++node) {
    Node& made = plan.topology.nodes.emplace_back();
    made.index = static_cast<int>(node);
    made.name = read.job.hosts[node];
  }
  for (std::size_t rank = 0; rank < read.job.ranks.size(); ++rank)
    plan.topology.nodes[static_cast<std::size_t>(read.job.ranks[rank].node)].ranks.push_back(static_cast<int>(rank));
  if (!wanted.mesh.empty()) plan.mesh = read.mesh;
  plan.design.block_steps = static_cast<std::int64_t>(blocks.steps);
  plan.design.warmup_steps = static_cast<std::int64_t>(blocks.warmup);
  plan.design.settle_steps = 0;
  plan.blocks.push_back({.index = 0, .kind = BlockKind::warmup});
  for (std::size_t i = 0; i < blocks.count; ++i)
    plan.blocks.push_back({.index = static_cast<int>(i) + 1, .kind = BlockKind::baseline});
  return plan;
}

void put_into_blocks(std::vector<StepRecord>& records, const Blocks& blocks) {
  for (StepRecord& record : records) {
    const bool is_warmup = record.step < blocks.warmup;
    const std::size_t after = is_warmup ? 0 : record.step - blocks.warmup;
    record.block = is_warmup ? 0 : static_cast<std::uint32_t>(1 + after / blocks.steps);
    record.step_in_block = is_warmup ? record.step : static_cast<std::uint32_t>(after % blocks.steps);
  }
}

/// By node: the largest error of a rank in steps. Empty: one's clock is not known.
std::vector<std::optional<std::int64_t>> errors_of_nodes(const Read& read) {
  std::vector<std::optional<std::int64_t>> errors(read.job.hosts.size(), 0);
  for (std::size_t rank = 0; rank < read.job.ranks.size(); ++rank) {
    auto& error = errors[static_cast<std::size_t>(read.job.ranks[rank].node)];
    if (!read.line.errors_ns[rank]) error.reset();
    const auto& begins = read.steps.begins[rank];
    const bool has_steps = begins.front() < begins.back();
    if (error && !has_steps) error = std::max(*error, *read.line.errors_ns[rank]);
    for (std::size_t i = begins.front(); error && i < std::min(begins.back(), read.line.ranks[rank].size()); ++i)
      error = std::max(*error, read.line.ranks[rank][i].error_ns);
  }
  return errors;
}

Json clock_of(const Read& read, std::int64_t at_ns) {
  Json offsets = Json::array();
  const auto errors = errors_of_nodes(read);
  for (std::size_t node = 0; node < errors.size(); ++node)
    if (errors[node])
      offsets.push_back({{"node", node}, {"offset_ns", 0}, {"bound_ns", *errors[node]}, {"at_ns", at_ns}});
  return Json{{"format", formats::kClock.number}, {"before", offsets}, {"after", offsets}};
}

std::string clocks_text(const Read& read) {
  std::int64_t largest = 0;
  std::size_t unknown = 0;
  for (const auto& error : errors_of_nodes(read)) error ? largest = std::max(largest, *error) : std::int64_t(++unknown);
  std::string text = fmt::format("times are the devices', on one clock to ±{} against rank 0's, ",
                                 format_duration(static_cast<double>(largest)));
  text += read.line.host_error_ns ? fmt::format("which is its host's to ±{}",
                                                format_duration(static_cast<double>(*read.line.host_error_ns)))
                                  : "which is its host's by the time of day only";
  if (unknown > 0)
    text += fmt::format("; nothing bounds the clocks of {}: who was last there is not said", plural(unknown, "node"));
  return text;
}

std::vector<std::string> texts_of(const Read& read) {
  std::vector<std::string> texts{
      fmt::format("read from an NCCL job of {} on {}: {}, each of {} of rank 0, beginning with {}; {} of rank 0 are in "
                  "none of them",
                  plural(read.job.ranks.size(), "rank"), plural(read.job.hosts.size(), "host"),
                  plural(read.steps.steps, "step"), plural(read.steps.operations, "operation"), read.steps.begins_with,
                  plural(read.steps.left_out, "operation")),
      "\"forward\" is all the time in which none of NCCL's kernels ran on a rank, \"exposed_comm\" that in which one "
      "did, hidden behind the rank's own work or not",
      clocks_text(read)};
  const auto arrivals = nccl_arrivals(read.job, read.steps, read.line);
  for (std::size_t i = 0; i < std::min(kMostArrivals, arrivals.size()); ++i)
    texts.push_back(arrivals_text(read.job, arrivals[i]));
  const auto say = [&](std::uint64_t count, const char* what) {
    if (count > 0) texts.push_back(fmt::format("{} {}", plural(count, "operation"), what));
  };
  say(read.job.lost,
      "were lost: the profiler's ring was full (GRIT_PROFILE_RING), or a process made over 1024 "
      "communicators");
  say(read.job.overwritten, "have no end: NCCL told them that of a later one");
  say(read.spans.without_times, "have no span: NCCL told no times of the device");
  say(read.spans.without_group, "have no span: their communicator is no group of the mesh (--tp, --pp, --ep)");
  say(read.spans.without_kind, "have no span: broadcasts and the like, or sends and receives of which some were lost");
  return texts;
}

class ImportedDirectory {
 public:
  ImportedDirectory(const Read& read, const NcclImport& wanted, fs::path directory, fs::path named)
      : read_(read), wanted_(wanted), directory_(std::move(directory)), named_(std::move(named)) {}

  Status write(const std::vector<std::string>& texts) {
    const Blocks blocks = blocks_of(read_.steps.steps);
    const Plan plan = plan_of(read_, wanted_, blocks);
    std::vector<StepRecord> records = read_.records;
    put_into_blocks(records, blocks);
    GRIT_TRY(StepsWriter steps, StepsWriter::open(directory_ / "steps.npy"));
    GRIT_CHECK(steps.append(records));
    GRIT_TRY(CollectivesWriter spans, CollectivesWriter::open(directory_ / "collectives.npy"));
    GRIT_CHECK(spans.append(read_.spans.spans));
    GRIT_CHECK(write_json("plan.json", to_json(plan)));
    GRIT_CHECK(write_events(plan, records, texts));
    GRIT_CHECK(write_json("clock.json", clock_of(read_, records.empty() ? 0 : records.front().start_ns)));
    GRIT_CHECK(write_run());
    auto judged = finish_run(directory_);
    return judged ? Status() : tl::make_unexpected(judged.error());
  }

 private:
  [[nodiscard]] Status write_json(const char* name, const Json& json) const {
    return write_file_durably(directory_ / name, json_text(json, 1) + "\n");
  }

  [[nodiscard]] Status write_events(const Plan& plan, const std::vector<StepRecord>& records,
                                    const std::vector<std::string>& texts) const {
    GRIT_TRY(EventsWriter events, EventsWriter::open(directory_ / "events.jsonl"));
    const auto say = [&](const char* type, int node, std::int64_t t_ns, const Json& more) {
      Json event = make_event(type, node, t_ns);
      event.update(more);
      return events.append(event);
    };
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::pair<std::int64_t, std::int64_t>> edges;  // by block, node
    for (const StepRecord& record : records) {
      auto& [begin_ns, end_ns] =
          edges.try_emplace({record.block, record.node}, record.start_ns, record.end_ns).first->second;
      begin_ns = std::min(begin_ns, record.start_ns);
      end_ns = std::max(end_ns, record.end_ns);
    }
    const std::int64_t begin_ns = edges.empty() ? 0 : edges.begin()->second.first;
    const std::int64_t end_ns = edges.empty() ? 0 : edges.rbegin()->second.second;
    GRIT_CHECK(say("run", 0, begin_ns, {{"state", "started"}}));
    GRIT_CHECK(say("imported", 0, begin_ns, {{"texts", texts}}));
    if (read_.job.is_fake) GRIT_CHECK(say("workload", 0, begin_ns, {{"description", {{"gpu", {{"fake", true}}}}}}));
    for (const auto& [of, times] : edges)
      for (const char* edge : {"begin", "end"})
        GRIT_CHECK(say("block", static_cast<int>(of.second), *edge == 'b' ? times.first : times.second,
                       {{"block", of.first}, {"kind", to_string(plan.blocks[of.first].kind)}, {"edge", edge}}));
    return say("run", 0, end_ns, {{"state", "finished"}});
  }

  [[nodiscard]] Status write_run() const {
    const NcclRankRecords& first = read_.job.ranks.front();
    return write_json("run.json", Json{{"format", formats::kRun.number},
                                       {"scenario", kImportedJob},
                                       {"file", ""},
                                       {"directory", named_.string()},
                                       {"command_line", wanted_.command_line},
                                       {"seed", 1},
                                       {"version", kVersion},
                                       {"commit", commit()},
                                       {"started_utc", utc_stamp(first.realtime_ns)},
                                       {"started_monotonic_ns", first.monotonic_ns},
                                       {"local_cluster", false},
                                       {"verdict", nullptr}});
  }

  const Read& read_;
  const NcclImport& wanted_;
  fs::path directory_, named_;
};

fs::path choose_directory(const NcclImport& wanted, const NcclJob& job) {
  const fs::path chosen =
      wanted.out.empty() ? fs::path("runs") / kImportedJob / utc_stamp(job.ranks.front().realtime_ns) : wanted.out;
  const fs::path directory = fs::absolute(chosen).lexically_normal();
  return directory.has_filename() ? directory : directory.parent_path();  // "job/"
}

}  // namespace

Result<NcclImported> import_nccl(const NcclImport& wanted) {
  GRIT_TRY(const Read read, read_all(wanted));
  const fs::path directory = choose_directory(wanted, read.job), unfinished = directory.string() + ".unfinished";
  std::error_code failed;
  for (const fs::path& one : {directory, unfinished})
    if (fs::exists(fs::symlink_status(one, failed)))
      return usage_error(fmt::format("{} exists already; choose another --out, or remove it", one.string()));
  GRIT_CHECK(create_run_directory(unfinished));
  NcclImported imported{directory, texts_of(read)};
  Status written = ImportedDirectory(read, wanted, unfinished, directory).write(imported.texts);
  if (written) {
    fs::rename(unfinished, directory, failed);
    if (failed)
      written = unavailable_error(
          fmt::format("cannot rename {} to {}: {}", unfinished.string(), directory.string(), failed.message()));
  }
  if (written) return imported;
  fs::remove_all(unfinished, failed);
  return tl::make_unexpected(written.error());
}

}  // namespace grit

#include "harness/run/simulate.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "analysis/report/finish.hpp"
#include "analysis/report/run_files.hpp"
#include "analysis/simulate/words.hpp"
#include "grit_version.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/commit.hpp"
#include "harness/base/files.hpp"
#include "harness/base/shell_words.hpp"
#include "harness/model/event.hpp"
#include "harness/model/verdict.hpp"
#include "harness/record/run_dir.hpp"
#include "harness/run/simulated_events.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

constexpr double kBegin_ns = 1e12;                // of the first block, on the clock that all simulated nodes share
constexpr double kPlayed = 0.3;                   // the part of the time that is not for the interval
constexpr std::size_t kAtOnce = 1U << 16U;        // records
constexpr std::uint64_t kMostSpans = 4'000'000;   // 224 MB
constexpr std::uint64_t kMostSteps = 20'000'000;  // 2 GB

/// Everything that is read of the measured run.
struct Measured {
  StepsFile steps_file{};
  CollectivesFile spans_file{};
  ReportInput input{};
};

Status check_finished(const fs::path& run) {
  const auto document = read_document(run / "verdict.json", formats::kVerdict);
  if (!document)
    return usage_error(
        fmt::format("{} is no finished run: it has no verdict.json. grit report {} judges what there is "
                    "of it",
                    run.string(), shell_word(run.string())));
  GRIT_TRY(const Verdict verdict, verdict_from_json(*document));
  if (verdict.outcome != "completed")
    return usage_error(fmt::format("{} ended as \"{}\": only a run that came to its end can be simulated", run.string(),
                                   verdict.outcome));
  return {};
}

Status check_axes(const Plan& plan, const AxisValues& sizes) {
  const Mesh mesh = mesh_of(plan);
  for (const auto& [axis, size] : sizes)
    if (axis != Axis::dp && size != mesh.size(axis))
      return usage_error(
          fmt::format("--{} {}: the run was measured with {} = {}, and only dp can grow: the work of a "
                      "rank is another one with another {}",
                      to_string(axis), size, to_string(axis), mesh.size(axis), to_string(axis)));
  return {};
}

Status read_measured(const fs::path& run, Measured& measured) {
  std::error_code unreadable;
  if (!fs::exists(run / "plan.json", unreadable))
    return usage_error(fmt::format("there is no run in {}: it has no plan.json", run.string()));
  GRIT_CHECK(check_finished(run));
  GRIT_TRY(measured.input, read_run(run, measured.steps_file, measured.spans_file));
  if (is_simulated(measured.input.plan))
    return usage_error(run.string() + " was simulated itself; simulate from the run that was measured");
  if (!fs::exists(run / "collectives.npy", unreadable))
    return usage_error(run.string() +
                       " has no spans (collectives.npy): it was measured by an older grit; measure it again");
  return {};
}

/// Writes records, many at a time; an error waits for finish().
template <class Record>
class RecordSink {
 public:
  explicit RecordSink(NpyWriter<Record>& writer) : writer_(writer) {}
  void take(const Record& record) {
    waiting_.push_back(record);
    if (waiting_.size() >= kAtOnce) flush();
  }
  Status finish() {
    flush();
    return failed_;
  }

 private:
  void flush() {
    if (failed_) failed_ = writer_.append(waiting_);
    waiting_.clear();
  }

  NpyWriter<Record>& writer_;
  std::vector<Record> waiting_{};
  Status failed_{};
};

StepRecord record_of(const SimulatedStep& step, std::uint32_t node, std::uint32_t block, std::uint32_t step_in_block) {
  const StepRecord& from = *step.program->record;
  const auto scaled = [&](std::int64_t ns) { return static_cast<std::int64_t>(static_cast<double>(ns) * step.factor); };
  StepRecord record;
  record.rank = static_cast<std::uint32_t>(step.rank), record.node = node;
  record.block = block, record.step = step.step, record.step_in_block = step_in_block;
  record.start_ns = static_cast<std::int64_t>(step.start_ns), record.end_ns = static_cast<std::int64_t>(step.end_ns);
  record.input_ns = scaled(from.input_ns), record.forward_ns = scaled(from.forward_ns);
  record.backward_ns = scaled(from.backward_ns), record.optimizer_ns = scaled(from.optimizer_ns);
  record.checkpoint_ns = scaled(from.checkpoint_ns);
  const std::int64_t own =
      record.input_ns + record.forward_ns + record.backward_ns + record.optimizer_ns + record.checkpoint_ns;
  const std::int64_t other = scaled(from.end_ns - from.start_ns - from.exposed_comm_ns - from.input_ns -
                                    from.forward_ns - from.backward_ns - from.optimizer_ns - from.checkpoint_ns);
  record.exposed_comm_ns = std::max<std::int64_t>(0, record.end_ns - record.start_ns - own - other);
  record.collective_entry_ns = static_cast<std::int64_t>(step.first_entry_ns);
  record.collective_exit_ns = static_cast<std::int64_t>(step.last_exit_ns);
  return record;
}

/// What all nodes know of each other's clocks: they are one.
Json one_clock(const Plan& plan) {
  Json offsets = Json::array();
  for (const Node& node : plan.topology.nodes)
    offsets.push_back(
        {{"node", node.index}, {"offset_ns", 0}, {"bound_ns", 0}, {"at_ns", static_cast<std::int64_t>(kBegin_ns)}});
  return Json{{"format", formats::kClock.number}, {"before", offsets}, {"after", offsets}};
}

class DirectoryWriter {
 public:
  /// `named`: what the directory will be called.
  DirectoryWriter(const Simulation& simulation, const Measured& measured, fs::path directory, fs::path named,
                  std::uint64_t seed)
      : simulation_(simulation),
        measured_(measured),
        directory_(std::move(directory)),
        named_(std::move(named)),
        seed_(seed) {}

  Result<Prediction> write(Upward& upward) {
    const Plan& plan = measured_.input.plan;
    Plan larger = upward.mesh().plan(plan);
    larger.seed = seed_;
    GRIT_TRY(auto played, play(upward, larger));
    GRIT_TRY(Prediction prediction,
             upward.predict([this](double share) { simulation_.progress(kPlayed + (1 - kPlayed) * share); }));
    larger.emulated = {emulated_by_simulation(prediction)};
    GRIT_CHECK(write_events(upward, played, prediction));
    GRIT_CHECK(write_json("plan.json", to_json(larger)));
    GRIT_CHECK(write_json("clock.json", one_clock(larger)));
    Json document = to_json(prediction);
    document["format"] = formats::kPrediction.number;
    document["run"] = simulation_.run.string();
    GRIT_CHECK(write_json("prediction.json", document));
    GRIT_CHECK(write_rest());
    if (auto judged = finish_run(directory_); !judged) return tl::make_unexpected(judged.error());
    return prediction;
  }

 private:
  [[nodiscard]] Status write_json(const char* name, const Json& json) const {
    return write_file_durably(directory_ / name, json_text(json, 1) + "\n");
  }

  Result<std::vector<Upward::PlayedBlock>> play(Upward& upward, const Plan& larger) {
    GRIT_TRY(StepsWriter steps, StepsWriter::open(directory_ / "steps.npy"));
    RecordSink<StepRecord> step_sink(steps);
    std::map<std::uint32_t, std::uint32_t> first_of;  // block by its first step
    for (const Block& block : measured_.input.plan.blocks)
      if (const auto& range = upward.run().steps_of(block.index); range.count > 0)
        first_of[range.first] = static_cast<std::uint32_t>(block.index);
    const auto per_node = static_cast<std::uint32_t>(larger.topology.nodes.front().ranks.size());
    Upward::Takes takes;
    takes.step = [&](const SimulatedStep& step) {
      const auto& [first, block] = *std::prev(first_of.upper_bound(step.step));
      const StepRecord record =
          record_of(step, static_cast<std::uint32_t>(step.rank) / per_node, block, step.step - first);
      std::int64_t& end_ns = ends_[{record.node, record.block}];
      end_ns = std::max(end_ns, record.end_ns);
      step_sink.take(record);
    };
    std::optional<CollectivesWriter> spans;
    std::optional<RecordSink<CollectiveRecord>> span_sink;
    if (upward.spans() <= kMostSpans) {
      GRIT_TRY(spans, CollectivesWriter::open(directory_ / "collectives.npy"));
      span_sink.emplace(*spans);
      takes.span = [&](const CollectiveRecord& span) { span_sink->take(span); };
    }
    const auto progress = [this](double share) { simulation_.progress(kPlayed * share); };
    GRIT_TRY(auto played, upward.play(kBegin_ns, takes, progress));
    GRIT_CHECK(step_sink.finish());
    if (span_sink) GRIT_CHECK(span_sink->finish());
    return played;
  }

  Status write_events(const Upward& upward, const std::vector<Upward::PlayedBlock>& played,
                      const Prediction& prediction) {
    GRIT_TRY(EventsWriter events, EventsWriter::open(directory_ / "events.jsonl"));
    const auto say = [&](const char* type, double t_ns, const char* key, const Json& value) {
      Json event = make_event(type, 0, static_cast<std::int64_t>(t_ns));
      event[key] = value;
      return events.append(event);
    };
    GRIT_CHECK(say("run", kBegin_ns, "state", "started"));
    GRIT_CHECK(say("simulated", kBegin_ns, "texts", prediction_sentences(prediction)));
    const ReportInput& input = measured_.input;
    GRIT_CHECK(SimulatedEvents(input.plan, upward.mesh(), input.steps, input.events).write(played, ends_, events));
    return say("run", played.empty() ? kBegin_ns : played.back().end_ns, "state", "finished");
  }

  /// What else a run directory has: how it was made, its scenario, and what is known of the measured nodes.
  Status write_rest() {
    const Json& run = measured_.input.run;
    const std::string file = run.is_object() ? run.value("file", std::string()) : std::string();
    GRIT_CHECK(write_json("run.json", Json{{"format", formats::kRun.number},
                                           {"scenario", measured_.input.plan.scenario_name},
                                           {"file", file},
                                           {"directory", named_.string()},
                                           {"command_line", simulation_.command_line},
                                           {"seed", seed_},
                                           {"version", kVersion},
                                           {"commit", commit()},
                                           {"started_utc", utc_stamp(realtime_ns())},
                                           {"started_monotonic_ns", static_cast<std::int64_t>(kBegin_ns)},
                                           {"local_cluster", false},
                                           {"verdict", nullptr}}));
    if (const auto source = read_file(simulation_.run / "scenario.lua"))
      GRIT_CHECK(write_file_durably(directory_ / "scenario.lua", *source));
    std::error_code unreadable;
    for (fs::directory_iterator entry(simulation_.run / "env", unreadable), end; !unreadable && entry != end;
         entry.increment(unreadable))
      if (const auto text = read_file(entry->path()))
        GRIT_CHECK(write_file_durably(directory_ / "env" / entry->path().filename(), *text));
    return {};
  }

  const Simulation& simulation_;
  const Measured& measured_;
  fs::path directory_, named_;
  std::uint64_t seed_;
  SimulatedEvents::Ends ends_{};
};

fs::path choose_directory(const Simulation& simulation, const std::string& scenario, int dp, std::uint64_t seed) {
  const fs::path chosen = simulation.out.empty() ? fs::path("runs") / scenario /
                                                       fmt::format("{}-{}-dp{}", utc_stamp(realtime_ns()), seed, dp)
                                                 : simulation.out;
  const fs::path directory = fs::absolute(chosen).lexically_normal();
  return directory.has_filename() ? directory : directory.parent_path();  // "larger/"
}

Status check_free(const fs::path& directory, const fs::path& unfinished) {
  std::error_code none;
  if (fs::exists(fs::symlink_status(directory, none)))
    return usage_error(fmt::format("{} exists already; choose another --out", directory.string()));
  if (fs::exists(fs::symlink_status(unfinished, none)))
    return usage_error(
        fmt::format("{} is of a grit simulate that is still at work, or was killed. Was it killed? Then nobody needs "
                    "that: rm -r {}",
                    unfinished.string(), shell_word(unfinished.string())));
  return {};
}

Status give_name(const fs::path& unfinished, const fs::path& directory) {
  std::error_code failed;
  fs::rename(unfinished, directory, failed);
  if (failed)
    return unavailable_error(
        fmt::format("cannot rename {} to {}: {}", unfinished.string(), directory.string(), failed.message()));
  return {};
}

}  // namespace

Result<Simulated> simulate(const Simulation& simulation) {
  GRIT_ASSERT(simulation.sizes.contains(Axis::dp) && simulation.progress);
  Measured measured;
  GRIT_CHECK(read_measured(simulation.run, measured));
  const Plan& plan = measured.input.plan;
  GRIT_CHECK(check_axes(plan, simulation.sizes));
  const int dp = simulation.sizes.at(Axis::dp);
  const std::uint64_t seed = simulation.seed.value_or(plan.seed);
  const MeasuredFiles files{plan, measured.input.steps, measured.spans_file.records(), measured.input.events,
                            measured.input.clock};
  auto upward = Upward::fit(files, dp, seed);
  if (!upward) return with_context(upward.error(), "cannot simulate from " + simulation.run.string());
  if (upward->steps() > kMostSteps)
    return usage_error(
        fmt::format("--dp {}: steps.npy would have {} records, and at most {} are written; simulate fewer "
                    "ranks, or from a run of fewer steps",
                    dp, upward->steps(), kMostSteps));
  const fs::path directory = choose_directory(simulation, plan.scenario_name, dp, seed);
  const fs::path unfinished = directory.string() + ".unfinished";
  GRIT_CHECK(check_free(directory, unfinished));
  GRIT_CHECK(create_run_directory(unfinished));
  const auto write = [&]() -> Result<Prediction> {
    GRIT_TRY(Prediction prediction, DirectoryWriter(simulation, measured, unfinished, directory, seed).write(*upward));
    GRIT_CHECK(give_name(unfinished, directory));
    return prediction;
  };
  auto prediction = write();
  if (!prediction) {
    std::error_code ignored;
    fs::remove_all(unfinished, ignored);
    return tl::make_unexpected(prediction.error());
  }
  return Simulated{directory, std::move(*prediction)};
}

}  // namespace grit

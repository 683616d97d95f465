#include "harness/run/take_up.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "harness/base/files.hpp"
#include "harness/base/json_fields.hpp"
#include "harness/model/attempt.hpp"
#include "harness/model/event.hpp"
#include "harness/record/run_dir.hpp"
#include "workloads/kept_checkpoint.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostTold = 8;  // of parts that were passed over

Json json_of(const std::vector<SavedPart>& parts) {
  Json list = Json::array();
  for (const SavedPart& part : parts) list.push_back({{"step", part.step}, {"problem", part.problem}});
  return list;
}

/// Of what all ranks have said (by rank), the newest step before `end` of which everybody has a whole part, as the
/// member `checkpoint`; -1: there is none. What is newer, or cannot be told the step of, is passed over, in words.
Json choose(const std::vector<std::string>& said, std::int64_t end) {
  std::map<std::int64_t, std::size_t> whole;  // by step: on how many ranks
  std::multimap<std::int64_t, std::string> problems;
  for (std::size_t rank = 0; rank < said.size(); ++rank) {
    const auto parts = parse_json(said[rank]);
    for (const Json& part : parts ? *parts : Json::array()) {
      const std::int64_t step = integer_at(part, "step");
      const std::string problem = text_at(part, "problem");
      if (problem.empty() && step < end)
        ++whole[step];
      else
        problems.emplace(step < 0 ? end : step,
                         fmt::format("rank {}: {}", rank, problem.empty() ? "its step is not of this job" : problem));
    }
  }
  std::int64_t newest = -1;
  for (const auto& [step, ranks] : whole)
    if (ranks == said.size()) newest = std::max(newest, step);
  std::vector<std::string> passed_over;
  for (const auto& [step, ranks] : whole)
    if (step > newest && !problems.contains(step))
      passed_over.push_back(fmt::format("step {}: {} of {} ranks have a part of it", step, ranks, said.size()));
  for (const auto& [step, text] : problems)
    if (step > newest) passed_over.push_back(step < end ? fmt::format("step {}: {}", step, text) : text);
  if (passed_over.size() > kMostTold) passed_over.resize(kMostTold);
  Json event = make_event("resumed", 0);
  event["checkpoint"] = newest;
  event["passed_over"] = passed_over;
  return event;
}

Status write_down(const Plan& plan, const Json& event, const fs::path& run_directory) {
  GRIT_CHECK(write_file_durably(run_directory / "plan.json", json_text(to_json(plan), 1) + "\n"));
  GRIT_TRY(auto events, EventsWriter::open(run_directory / "events.jsonl"));
  return events.append(event);
}

}  // namespace

Status prepare_checkpoints(const Job& job, const fs::path& run_directory, bool sees_it, int attempt) {
  const fs::path directory = checkpoint_directory(run_directory, attempt);
  GRIT_CHECK(job.first([&]() -> Status {
    std::error_code failed;
    fs::create_directory(directory, failed);
    if (failed) return unavailable_error(fmt::format("cannot make {}: {}", directory.string(), failed.message()));
    return {};
  }));
  return job.each([&]() -> Status {
    if (sees_it) return {};
    return usage_error(
        "design.restarts: this node does not see the run directory, in which checkpoints are kept until the job starts "
        "again: put it on a file system that all nodes share, with --out");
  });
}

Result<Plan> take_up(const Job& job, const Plan& plan, const fs::path& run_directory) {
  std::string mine;
  GRIT_CHECK(job.each([&]() -> Status {
    mine = json_text(json_of(saved_parts({checkpoint_directory(run_directory, plan.attempt), job.rank(), job.size()})));
    return {};
  }));
  const std::vector<std::string> said = job.gather(mine);
  Json event;
  std::string text;
  GRIT_CHECK(job.first([&]() -> Status {
    event = choose(said, plan.design.warmup_steps);
    event["attempt"] = plan.attempt;
    text = json_text(event);
    return {};
  }));
  GRIT_TRY(const Json chosen, parse_json(job.broadcast(text)));
  Plan resumed = beginning_at(plan, integer_at(chosen, "checkpoint", -1) + 1);
  GRIT_CHECK(job.first([&] { return write_down(resumed, event, run_directory); }));
  return resumed;
}

}  // namespace grit

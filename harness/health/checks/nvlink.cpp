// nvlink: the links between GPUs are up, and count no errors.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/gpus.hpp"

namespace grit {
namespace {

namespace field = nvml::field;
using nvml::Functions;

constexpr unsigned kMostLinks = 36;

/// A counter of a link's errors, and what one more means.
struct ErrorCounter {
  std::uint32_t id;
  const char* what;
  const char* limit;  // the parameter; empty: one is critical
};
// GPUs up to Hopper have the first three, later ones the others.
constexpr std::array<ErrorCounter, 6> kCounters{{{field::nvlink_replays, "replays", ""},
                                                 {field::nvlink_recoveries, "recoveries", ""},
                                                 {field::nvlink_crc_errors, "CRC errors", "crc"},
                                                 {field::nvlink_failed_recoveries, "failed recoveries", ""},
                                                 {field::nvlink_recovered, "recoveries", "crc"},
                                                 {field::nvlink_effective_errors, "errors beyond correction", "crc"}}};

/// Errors of one link since the last reading.
Outcome errors_of(GpuQuestions& gpu, const std::string& name, unsigned link, const CheckInput& input) {
  std::array<std::uint32_t, kCounters.size()> ids{};
  std::transform(kCounters.begin(), kCounters.end(), ids.begin(), [](const ErrorCounter& one) { return one.id; });
  const std::vector<nvml::FieldValue> values = gpu.fields(ids, link);
  Outcome outcome{.severity = Severity::ok, .subject = name};
  std::vector<std::string> words;
  const double seconds =
      static_cast<double>(std::max(input.memory.elapsed_ns().value_or(0), kNsPerS)) / static_cast<double>(kNsPerS);
  for (std::size_t i = 0; i < kCounters.size(); ++i) {
    const auto count = count_of(values[i]);
    const std::int64_t more = count ? input.memory.growth(fmt::format("{} {}", name, ids[i]), *count).value_or(0) : 0;
    if (more <= 0) continue;
    words.push_back(fmt::format("{} {} more", more, kCounters[i].what));
    const bool at_once = *kCounters[i].limit == '\0';
    const double rate = static_cast<double>(more) / seconds;
    const bool is_critical = at_once || is_alarm(judge_at_least(rate, input.params.number("crc"), 0));
    outcome.severity = std::max(outcome.severity, is_critical ? Severity::critical : Severity::warning);
  }
  outcome.detail = fmt::format("{}", fmt::join(words, ", "));
  return outcome;
}

/// Is the link up? Empty: the driver does not say, or there is no such link.
std::optional<bool> is_up(GpuQuestions& gpu, unsigned link) {
  const auto state = gpu.ask<int>(&Functions::nvlink_state, link);
  if (!state) return std::nullopt;
  return *state != 0;
}

struct Links {
  std::vector<Outcome> alarms{};
  unsigned up = 0, unwired = 0;
};

/// A link that was never up may have no cable. One that was up is expected to stay so.
Links look_at_links(GpuQuestions& gpu, const std::string& name, const CheckInput& input) {
  Links links;
  const std::array<std::uint32_t, 1> id{field::nvlink_count};
  const auto told = count_of(gpu.fields(id).front());
  const auto count = static_cast<unsigned>(std::clamp<std::int64_t>(told.value_or(kMostLinks), 0, kMostLinks));
  for (unsigned i = 0; i < count && !gpu.broken(); ++i) {
    const auto up = is_up(gpu, i);
    if (!up) continue;
    const std::string link = fmt::format("{}/link{}", name, i), was_up = link + " was up";
    if (!*up && !input.memory.find(was_up)) {
      ++links.unwired;
    } else if (!*up) {
      links.alarms.push_back({.severity = Severity::critical, .subject = link, .detail = "has gone down"});
    } else {
      ++links.up;
      input.memory.keep(was_up, 1);
      if (Outcome errors = errors_of(gpu, link, i, input); errors.severity != Severity::ok)
        links.alarms.push_back(std::move(errors));
    }
  }
  for (Outcome& alarm : links.alarms) alarm.hint = "nvidia-smi nvlink -e; nvidia-smi nvlink -s";
  return links;
}

/// With many links only those that are not well are named.
std::vector<Outcome> judge(GpuQuestions& questions, const Gpu& gpu, const CheckInput& input, unsigned& most_up) {
  Links links = look_at_links(questions, gpu.name, input);
  const auto down = static_cast<unsigned>(std::count_if(
      links.alarms.begin(), links.alarms.end(), [](const Outcome& one) { return one.detail == "has gone down"; }));
  const auto expected = input.params.integer("links");
  most_up = std::max(most_up, links.up + down);
  Outcome all{.severity = Severity::ok,
              .subject = gpu.name,
              .value = links.up,
              .unit = "count",
              .detail = fmt::format("{} links are up, {} have never been", links.up, links.unwired)};
  if (links.up + links.unwired + down == 0) {
    all = not_here("no NVLink");
    all.subject = gpu.name;
  } else if (expected > 0 && links.up < expected) {
    all.severity = Severity::critical;
    all.detail += fmt::format("; {} should be", expected);
    all.hint = "nvidia-smi nvlink -s; systemctl status nvidia-fabricmanager";
  }
  constexpr std::size_t kMostNamed = 6;  // of one GPU, so that 8 of them fit a reading
  if (links.alarms.size() > kMostNamed) links.alarms.resize(kMostNamed);
  links.alarms.push_back(std::move(all));
  return links.alarms;
}

/// GPUs of a node have as many links up as each other.
void compare(std::vector<Outcome>& outcomes, unsigned most_up) {
  for (Outcome& outcome : outcomes) {
    const bool is_gpu = outcome.unit == "count" && outcome.severity == Severity::ok;
    if (!is_gpu || *outcome.value >= most_up) continue;
    outcome.severity = Severity::warning;
    outcome.detail += fmt::format("; other GPUs of the node have {}", most_up);
    outcome.hint = "nvidia-smi nvlink -s";
  }
}

std::vector<Outcome> read(GpuReader& gpus, const CheckInput& input) {
  unsigned most_up = 0;
  auto outcomes =
      gpus.read(input, [&](GpuQuestions& questions, const Gpu& gpu) { return judge(questions, gpu, input, most_up); });
  compare(outcomes, most_up);
  const bool none = std::all_of(outcomes.begin(), outcomes.end(), [](const Outcome& one) { return one.not_here; });
  if (none && outcomes.size() > 1) return {not_here("no NVLink")};
  return outcomes;
}

std::vector<ParamSpec> params() {
  return {{"links",
           Unit::count,
           0,
           "critical when a GPU has fewer links up; 0: as many as were up at the first reading, and as other GPUs have "
           "(NVIDIA's Health Validation tolerates none that is down)",
           {},
           0.0,
           static_cast<double>(kMostLinks)},
          {"crc",
           Unit::number,
           100.0,
           "critical when a link counts so many CRC errors a second, a warning from the first on; 0: never critical "
           "(DCGM)",
           {},
           0.0,
           {}}};
}

}  // namespace

const Check& nvlink() {
  static const Check check{.info = {.name = "nvlink",
                                    .summary = "NVLinks between GPUs are up and count no errors",
                                    .params = params(),
                                    .counts = true,
                                    .of_machine = true,
                                    .place = CheckPlace::own,
                                    .period_ns = 10 * kNsPerS,
                                    .needs = "libnvidia-ml.so.1",
                                    .untripped = "no fault here reaches an NVLink",
                                    .unproven = "a stand-in for the library"},
                           .make = keeping<GpuReader>(read)};
  return check;
}

}  // namespace grit

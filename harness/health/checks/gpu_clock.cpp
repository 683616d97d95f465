// gpu_clock: GPUs at work run at their clock, and are not slowed down by heat or by what their power supply says.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <map>

#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/gpus.hpp"

namespace grit {
namespace {

namespace reason = nvml::reason;
using nvml::Functions;

constexpr unsigned kBusyPercent = 90;

/// A way in which a GPU is slowed down.
struct Slowdown {
  const char* what;
  std::uint64_t bit;
  const char* limit;  // the parameter
};
// In the order of nvml::field::slowdowns_*.
constexpr std::array<Slowdown, 3> kSlowdowns{{{"by software, because of heat", reason::sw_thermal, "software"},
                                              {"by hardware, because of heat", reason::hw_thermal, "hardware"},
                                              {"by the power brake", reason::hw_power_brake, "hardware"}}};

using Counters = std::array<std::optional<std::int64_t>, 3>;

std::optional<std::int64_t> time_of(const nvml::FieldValue& value) {
  return value.type == nvml::of_u64 ? count_of(value) : std::nullopt;
}

/// For how long in all each slowdown was in force. Which numbers these figures have depends on the driver's release,
/// and in the other release the same numbers are something else. The first of them is also told under an old number
/// that never changed: the numbers that agree with it are the right ones. Where that is 0 nobody can tell: none.
Counters slowdown_times(GpuQuestions& gpu) {
  constexpr std::int64_t kSame_ns = 200 * kNsPerMs;  // the driver counts in steps of some 100 ms
  std::vector<std::uint32_t> ids{nvml::field::throttle_thermal_ns};
  ids.insert(ids.end(), nvml::field::slowdowns_575.begin(), nvml::field::slowdowns_575.end());
  ids.insert(ids.end(), nvml::field::slowdowns_580.begin(), nvml::field::slowdowns_580.end());
  const std::vector<nvml::FieldValue> values = gpu.fields(ids);
  const auto thermal_ns = time_of(values[0]);
  std::vector<Counters> fitting;
  for (const std::size_t first : {std::size_t{1}, std::size_t{4}}) {
    const Counters one{time_of(values[first]), time_of(values[first + 1]), time_of(values[first + 2])};
    const bool complete = one[0] && one[1] && one[2] && thermal_ns;
    if (complete && *thermal_ns > 0 && std::abs(*one[0] - *thermal_ns) < kSame_ns) fitting.push_back(one);
  }
  return fitting.size() == 1 ? fitting.front() : Counters{};
}

/// Which share of the time since the last reading a slowdown was in force: by the driver's counter, else by the two
/// looks at its bit, at the last reading and now. Empty: it is the first reading and the bit is not set.
std::optional<double> share_of(std::size_t which, const Counters& times, std::uint64_t now, std::uint64_t before,
                               const std::string& gpu, CheckMemory& memory) {
  const std::uint64_t bit = kSlowdowns[which].bit;
  if (times[which]) {
    const std::string counter = fmt::format("{} slowdown {}", gpu, which), counted = counter + " counted at";
    const auto grown = memory.growth(counter, *times[which]);
    const auto since_ns = memory.find(counted);  // not always the last reading: in that it may not have been told
    memory.keep(counted, memory.now_ns());
    if (grown && since_ns)
      return std::min(
          1.0, static_cast<double>(*grown) / static_cast<double>(std::max(memory.now_ns() - *since_ns, kNsPerS)));
  }
  return (static_cast<double>((now & bit) != 0) + static_cast<double>((before & bit) != 0)) / 2;
}

/// The worst of what slows the GPU down.
struct Finding {
  Severity severity = Severity::ok;
  double share = 0;
  std::vector<std::string> words{};
};

Finding find_slowdowns(GpuQuestions& gpu, const std::string& name, std::uint64_t reasons, const CheckInput& input) {
  const std::string memory_name = name + " reasons";
  const auto before = static_cast<std::uint64_t>(input.memory.find(memory_name).value_or(0));
  input.memory.keep(memory_name, static_cast<std::int64_t>(reasons));
  const Counters times = slowdown_times(gpu);
  Finding finding;
  const auto add = [&](double share, const char* limit, const char* what) {
    finding.share = std::max(finding.share, share);
    if (!is_alarm(judge_at_least(share, input.params.number(limit), 0))) return;
    finding.severity = Severity::warning;
    finding.words.push_back(fmt::format("slowed down {} for {:.1f} % of the time", what, 100 * share));
  };
  for (std::size_t i = 0; i < kSlowdowns.size(); ++i)
    if (const auto share = share_of(i, times, reasons, before, name, input.memory))
      add(*share, kSlowdowns[i].limit, kSlowdowns[i].what);
  // The driver also sets it for a moment when clocks change: it counts when it is there twice, and nothing says why.
  const std::uint64_t known = reason::hw_thermal | reason::hw_power_brake;
  if ((reasons & before & reason::hw_slowdown) != 0 && ((reasons | before) & known) == 0)
    add(1, "hardware", "by hardware");
  return finding;
}

/// What the GPU does, and with which clock and power.
struct Work {
  bool busy = false;
  std::optional<unsigned> sm_mhz{}, max_mhz{}, power_mw{};
  std::optional<unsigned> limit_mw{}, default_limit_mw{};
};

Work work_of(GpuQuestions& gpu) {
  Work work;
  const auto used = gpu.ask<nvml::Utilization>(&Functions::utilization);
  work.busy = used && used->gpu_percent >= kBusyPercent;
  work.sm_mhz = gpu.ask<unsigned>(&Functions::clock, nvml::sm_clock);
  work.max_mhz = gpu.ask<unsigned>(&Functions::max_clock, nvml::sm_clock);
  work.power_mw = gpu.ask<unsigned>(&Functions::power_mw);
  work.limit_mw = gpu.ask<unsigned>(&Functions::power_limit_mw);
  work.default_limit_mw = gpu.ask<unsigned>(&Functions::default_power_limit_mw);
  return work;
}

void judge_clock(const Work& work, std::uint64_t reasons, const Params& params, Finding& finding) {
  if (!work.busy || !work.sm_mhz) return;
  const double clock = *work.sm_mhz;
  if (const auto expected = static_cast<double>(params.integer("expected")); expected > 0) {
    const double low = expected - clock;
    const Severity severity = judge_at_least(low, static_cast<double>(params.integer("clock_warning")),
                                             static_cast<double>(params.integer("clock_critical")));
    if (is_alarm(severity)) finding.words.push_back(fmt::format("{:.0f} MHz below the expected {:.0f}", low, expected));
    finding.severity = std::max(finding.severity, severity);
    return;
  }
  const std::uint64_t own = reason::application_clocks | reason::display_clocks | reason::idle;
  const bool has_reason = (reasons & ~own) != 0;
  if (has_reason || !work.max_mhz || *work.max_mhz == 0) return;
  const double ratio = clock / *work.max_mhz;
  if (!is_alarm(judge_at_most(ratio, params.number("clock_share"), 0))) return;
  finding.severity = std::max(finding.severity, Severity::warning);
  finding.words.push_back(
      fmt::format("at {:.0f} % of its highest clock, and no reason is given: a locked clock?", 100 * ratio));
}

void judge_power_limit(const Work& work, std::uint64_t reasons, Finding& finding) {
  if ((reasons & reason::power_cap) == 0 || !work.limit_mw || !work.default_limit_mw) return;
  if (*work.limit_mw >= *work.default_limit_mw) return;  // at the limit it was made for: as it should be
  finding.severity = std::max(finding.severity, Severity::warning);
  finding.words.push_back(fmt::format("held at a power limit of {} W, below its default of {} W", *work.limit_mw / 1000,
                                      *work.default_limit_mw / 1000));
}

std::string describe_work(const Work& work, std::uint64_t reasons) {
  std::string text = work.sm_mhz ? fmt::format("{} MHz", *work.sm_mhz) : "clock not told";
  if (work.max_mhz) text += fmt::format(" of {}", *work.max_mhz);
  if (work.power_mw) text += fmt::format(", {} W", *work.power_mw / 1000);
  return text + fmt::format(", {}, reasons {:#x}", work.busy ? "busy" : "not busy", reasons);
}

/// GPUs of the node that work, by name.
using Workers = std::map<std::string, Work>;

std::vector<Outcome> judge(GpuQuestions& questions, const Gpu& gpu, const CheckInput& input, Workers& workers) {
  auto reasons = questions.ask<std::uint64_t>(&Functions::clock_reasons);
  if (!reasons) return {outcome_of(questions.last_failure(), gpu.name)};
  if (const auto supported = questions.ask<std::uint64_t>(&Functions::supported_reasons)) *reasons &= *supported;
  Finding finding = find_slowdowns(questions, gpu.name, *reasons, input);
  const Work work = work_of(questions);
  judge_clock(work, *reasons, input.params, finding);
  judge_power_limit(work, *reasons, finding);
  if (work.busy && work.power_mw && work.sm_mhz && !questions.broken()) workers[gpu.name] = work;
  finding.words.push_back(describe_work(work, *reasons));
  return {{.severity = finding.severity,
           .subject = gpu.name,
           .value = finding.share,
           .unit = "share",
           .detail = fmt::format("{}", fmt::join(finding.words, "; ")),
           .hint = is_alarm(finding.severity) ? fmt::format("nvidia-smi -q -d CLOCK,POWER,PERFORMANCE -i {}", gpu.index)
                                              : ""}};
}

double median_of(const Workers& workers, std::optional<unsigned> Work::*figure) {
  std::vector<unsigned> figures;
  for (const auto& [name, work] : workers) figures.push_back((work.*figure).value_or(0));
  const auto middle = figures.begin() + static_cast<std::ptrdiff_t>(figures.size() / 2);
  std::nth_element(figures.begin(), middle, figures.end());
  return *middle;
}

/// GPUs that have the same work and the same clock draw the same power. One that draws less does less, for a reason
/// that it does not tell.
void compare_power(const Workers& workers, const CheckInput& input, std::vector<Outcome>& outcomes) {
  constexpr std::size_t kFewest = 3;     // of two nobody knows which is the sick one
  constexpr double kSameClock = 0.02;    // share
  constexpr std::int64_t kReadings = 5;  // in a row: they need not do the same at the same moment
  const bool can_tell = workers.size() >= kFewest;
  const double power_mw = can_tell ? median_of(workers, &Work::power_mw) : 0;
  const double clock_mhz = can_tell ? median_of(workers, &Work::sm_mhz) : 0;
  for (Outcome& outcome : outcomes) {
    const auto work = workers.find(outcome.subject);
    const bool low = can_tell && work != workers.end() && *work->second.sm_mhz >= clock_mhz * (1 - kSameClock) &&
                     *work->second.power_mw < power_mw * input.params.number("power_share");
    const std::string readings = outcome.subject + " readings with low power";
    const std::int64_t count = low ? input.memory.find(readings).value_or(0) + 1 : 0;
    input.memory.keep(readings, count);
    if (count < kReadings) continue;
    outcome.severity = std::max(outcome.severity, Severity::warning);
    outcome.detail += fmt::format("; the node's other busy GPUs draw {:.0f} W with the same clock", power_mw / 1000);
    outcome.hint = "compare its step time with the others'; nvidia-smi -q -d POWER";
  }
}

Result<std::vector<Outcome>> read(GpuReader& gpus, const CheckInput& input) {
  Workers workers;
  auto outcomes =
      gpus.read(input, [&](GpuQuestions& questions, const Gpu& gpu) { return judge(questions, gpu, input, workers); });
  compare_power(workers, input, outcomes);
  return outcomes;
}

std::vector<ParamSpec> params() {
  return {
      {"hardware",
       Unit::fraction,
       0.001,
       "alarms when hardware slowed a GPU down for this share of the time; 0: off (DCGM warns of any)",
       {},
       0.0,
       1.0},
      {"software",
       Unit::fraction,
       0.01,
       "alarms when the driver slowed it down because of heat for this share of the time; 0: off (DCGM warns of any)",
       {},
       0.0,
       1.0},
      {"clock_share",
       Unit::fraction,
       0.9,
       "alarms when a busy GPU runs at most at this share of its highest clock, and gives no reason; 0: off (grit's "
       "own choice)",
       {},
       0.0,
       1.0},
      {"power_share",
       Unit::fraction,
       0.85,
       "alarms when a busy GPU draws less than this share of what the node's other busy ones do, with the same clock, "
       "in five readings in a row; 0: off (grit's own choice)",
       {},
       0.0,
       1.0},
      {"expected", Unit::count, 0, "instead: which clock a busy GPU should have, in MHz; 0: not known", {}, 0.0, {}},
      {"clock_warning",
       Unit::count,
       30,
       "alarms when it is so many MHz below that; 0: off (Meta's gcm, clock_policy)",
       {},
       0.0,
       {}},
      {"clock_critical", Unit::count, 75, "critical then; 0: off (Meta's gcm, clock_policy)", {}, 0.0, {}}};
}

}  // namespace

const Check& gpu_clock() {
  static const Check check{.info = {.name = "gpu_clock",
                                    .summary = "Busy NVIDIA GPUs run at their clock, and nothing slows them down",
                                    .params = params(),
                                    .counts = true,
                                    .of_machine = true,
                                    .place = CheckPlace::own,
                                    .needs = "libnvidia-ml.so.1",
                                    .untripped = "gpu_throttle by locked clocks should, which no GPU has shown yet",
                                    .unproven = "a stand-in for the library"},
                           .make = keeping<GpuReader>(read)};
  return check;
}

}  // namespace grit

// gpu_memory: the memory of the GPUs has no new errors that could not be corrected, and rows to replace bad ones with.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/gpus.hpp"
#include "harness/health/checks/per_minute.hpp"

namespace grit {
namespace {

using nvml::Functions;

struct Findings {
  Severity severity = Severity::ok;
  std::vector<std::string> words{};
  std::string hint{};

  void add(Severity found, std::string what, std::string_view then) {
    words.push_back(std::move(what));
    if (found > severity) severity = found, hint = then;
  }
};

constexpr const char* kReset = "nvidia-smi --gpu-reset once no job uses it";
constexpr const char* kReplace = "nvidia-smi -q -d ROW_REMAPPER,ECC; the board needs to be replaced";

/// Empty: it does not tell, or says what no counter can say.
std::optional<std::int64_t> errors_of(GpuQuestions& gpu, nvml::EccType type) {
  const auto count =
      gpu.ask<std::uint64_t>(&Functions::ecc_errors, static_cast<int>(type), static_cast<int>(nvml::since_load));
  if (!count || *count > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return static_cast<std::int64_t>(*count);
}

/// False: the GPU has no error correction, or does not tell.
bool judge_errors(GpuQuestions& gpu, const std::string& name, const CheckInput& input, Findings& findings) {
  const auto uncorrected = errors_of(gpu, nvml::uncorrected), corrected = errors_of(gpu, nvml::corrected);
  const std::int64_t more = uncorrected ? input.memory.growth(name + " uncorrected", *uncorrected).value_or(0) : 0;
  if (more > 0) findings.add(Severity::critical, fmt::format("{} uncorrectable errors more", more), kReset);
  const double rate = corrected ? count_per_minute(input.memory, name + " corrected", *corrected) : 0;
  if (is_alarm(judge_at_least(rate, input.params.number("corrected"), 0)))
    findings.add(Severity::warning, fmt::format("{:.0f} corrected errors within a minute", rate),
                 "nvidia-smi -q -d ECC");
  return uncorrected || corrected;
}

/// Rows of memory that others stand in for; Ampere and later. False: the GPU does not tell.
bool judge_rows(GpuQuestions& gpu, const Params& params, Findings& findings) {
  unsigned corrected = 0, uncorrected = 0, pending = 0, failed = 0;
  if (!gpu.tell(&Functions::remapped_rows, &corrected, &uncorrected, &pending, &failed)) return false;
  if (failed != 0) findings.add(Severity::critical, "a bad row could not be replaced", kReplace);
  if (pending != 0) findings.add(Severity::critical, "a bad row waits to be replaced at a reset", kReset);
  if (is_alarm(judge_at_least(uncorrected, 0, static_cast<double>(params.integer("replaced")))))
    findings.add(Severity::critical, fmt::format("{} rows were replaced after uncorrectable errors", uncorrected),
                 kReplace);
  const auto spare = gpu.ask<nvml::RowRemapperHistogram>(&Functions::remapper_histogram);
  if (spare && spare->none > 0)
    findings.add(Severity::warning, fmt::format("{} banks have no spare row left", spare->none), kReplace);
  return true;
}

/// GPUs before Ampere take whole pages out of use instead. False: the GPU does not tell.
bool judge_pages(GpuQuestions& gpu, Findings& findings) {
  const auto pending = gpu.ask<int>(&Functions::retired_pages_pending);
  if (pending.value_or(0) != 0) findings.add(Severity::critical, "a bad page waits to be retired at a reset", kReset);
  return pending.has_value();
}

/// What the driver wants done about the GPU.
bool judge_recovery(GpuQuestions& gpu, Findings& findings) {
  // Those that mean the same in every release of the driver; 5 does not.
  constexpr std::array<const char*, 5> kActions{"none", "a reset of the GPU", "a reboot of the node",
                                                "a drain of what talks to its peers", "a drain and a reset"};
  const std::array<std::uint32_t, 1> id{nvml::field::recovery_action};
  const auto action = count_of(gpu.fields(id).front());
  if (action.value_or(0) > 0) {
    const auto index = static_cast<std::size_t>(*action);
    const std::string what = index < kActions.size() ? kActions[index] : fmt::format("action {}", *action);
    findings.add(Severity::critical, "the driver asks for: " + what, kReset);
  }
  return action.has_value();
}

std::vector<Outcome> judge(GpuQuestions& questions, const Gpu& gpu, const CheckInput& input) {
  Findings findings;
  std::vector<std::string> untold;
  if (!judge_errors(questions, gpu.name, input, findings)) untold.emplace_back("ECC errors");
  if (!judge_rows(questions, input.params, findings) && !judge_pages(questions, findings))
    untold.emplace_back("replaced rows");
  if (!judge_recovery(questions, findings)) untold.emplace_back("recovery action");
  if (untold.size() == 3) return {outcome_of(questions.last_failure(), gpu.name)};
  if (findings.words.empty()) findings.words.emplace_back("no new errors");
  if (!untold.empty()) findings.words.push_back(fmt::format("not told: {}", fmt::join(untold, ", ")));
  return {{.severity = findings.severity,
           .subject = gpu.name,
           .detail = fmt::format("{}", fmt::join(findings.words, "; ")),
           .hint = findings.hint}};
}

std::vector<Outcome> read(GpuReader& gpus, const CheckInput& input) {
  return gpus.read(input, [&](GpuQuestions& questions, const Gpu& gpu) { return judge(questions, gpu, input); });
}

std::vector<ParamSpec> params() {
  return {{"corrected",
           Unit::number,
           10.0,
           "alarms when so many errors a minute were corrected; 0: off (DCGM_LIMIT_MAX_SBE_RATE, which DCGM itself "
           "calls a stand-in for a value to be found; Azure's health checks tolerate 20 million in all)",
           {},
           0.0,
           {}},
          {"replaced",
           Unit::count,
           512,
           "critical when so many rows were replaced after uncorrectable errors; 0: off (DCGM)",
           {},
           0.0,
           {}}};
}

}  // namespace

const Check& gpu_memory() {
  static const Check check{.info = {.name = "gpu_memory",
                                    .summary = "NVIDIA GPUs have no new errors of memory, and spare rows for bad ones",
                                    .params = params(),
                                    .counts = true,
                                    .of_machine = true,
                                    .place = CheckPlace::own,
                                    .period_ns = 10 * kNsPerS,
                                    .needs = "libnvidia-ml.so.1",
                                    .untripped = "no fault here breaks a GPU's memory",
                                    .unproven = "a stand-in for the library"},
                           .make = keeping<GpuReader>(read)};
  return check;
}

}  // namespace grit

// cpu_clock: the CPUs run at the clock they can: no heat and no setting slows them down.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <set>

#include "harness/base/files.hpp"
#include "harness/base/printable.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/counter_window.hpp"
#include "harness/health/checks/numbered_entries.hpp"
#include "harness/os/cpus.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxFile_bytes = 4096;
/// Asking a CPU for its clock can interrupt it: so many are asked, spread over all.
constexpr std::size_t kMostAsked = 16;
/// A clock is measured, and the base clock told, to about a percent: only what is below this share of it is below.
constexpr double kMeasured = 0.98;

std::optional<std::int64_t> number_in(const std::filesystem::path& file) {
  const auto text = read_file(file, kMaxFile_bytes);
  std::int64_t number = 0;
  if (!text || std::from_chars(text->data(), text->data() + text->size(), number).ec != std::errc{} || number < 0)
    return std::nullopt;
  return number;
}

std::string word_in(const std::filesystem::path& file) {
  constexpr std::size_t kMostWord_bytes = 32;
  const auto text = read_file(file, kMaxFile_bytes);
  return text ? printable(text->substr(0, std::min(text->find('\n'), kMostWord_bytes))) : std::string();
}

/// CPUs that share a clock (Documentation/admin-guide/pm/cpufreq.rst). kHz; 0: the driver does not say.
struct Policy {
  std::filesystem::path directory{};
  int cpu = 0;  // the first of them
  std::string driver{}, governor{};
  std::int64_t allowed_khz = 0, hardware_khz = 0, base_khz = 0;
};

/// Its base clock. acpi-cpufreq tells none, and of a processor with a high boost clock a share of the highest is above
/// it: the firmware tells it, in MHz (Documentation/admin-guide/acpi/cppc_sysfs.rst).
std::int64_t base_khz_of(const std::filesystem::path& policy, const std::filesystem::path& cpu) {
  constexpr std::int64_t kMost_mhz = 1'000'000;
  if (const auto khz = number_in(policy / "base_frequency")) return *khz;
  const auto mhz = number_in(cpu / "acpi_cppc/nominal_freq");
  return mhz && *mhz <= kMost_mhz ? *mhz * 1000 : 0;
}

/// What stays as it is: with hundreds of CPUs it is read once, not at every reading.
Policy policy_of(const std::filesystem::path& cpu_directory, int cpu) {
  const auto directory = cpu_directory / "cpufreq" / fmt::format("policy{}", cpu);
  return {.directory = directory,
          .cpu = cpu,
          .hardware_khz = number_in(directory / "cpuinfo_max_freq").value_or(0),
          .base_khz = base_khz_of(directory, cpu_directory / fmt::format("cpu{}", cpu))};
}

/// intel_pstate and amd-pstate in active mode have a governor of that name which follows the load all the same.
bool holds_down(const Policy& policy) {
  return (policy.governor == "powersave" || policy.governor == "conservative") &&
         (policy.driver == "acpi-cpufreq" || policy.driver == "cppc_cpufreq");
}

std::string list_of(const std::set<int>& cpus) {
  constexpr std::size_t kMost_bytes = 120;
  return fmt::format("CPU {}", to_list(Cpus(cpus.begin(), cpus.end())).substr(0, kMost_bytes));
}

Outcome warning(std::string subject, std::string detail, std::string hint) {
  return {.severity = Severity::warning,
          .subject = std::move(subject),
          .detail = std::move(detail),
          .hint = std::move(hint)};
}

class CpuClock {
 public:
  Result<std::vector<Outcome>> read(const CheckInput& input) {
    const auto directory = input.sys / "devices/system/cpu";
    const std::vector<Policy> policies = policies_now(directory);
    std::vector<Outcome> outcomes;
    if (!policies.empty()) outcomes = {of_settings(policies), of_clock(input, policies)};
    if (auto heat = of_heat(input, directory)) outcomes.push_back(std::move(*heat));
    if (outcomes.empty())
      return std::vector{not_here("the CPUs do not say their clock (cpufreq), as in a virtual machine")};
    return outcomes;
  }

 private:
  std::vector<Policy> policies_now(const std::filesystem::path& directory) {
    std::vector<Policy> policies;
    std::string driver;  // there is one at a time, and it can be changed
    for (const int cpu : numbered_entries(directory / "cpufreq", "policy")) {
      const auto first = first_.find(cpu);
      Policy now = first == first_.end() ? policy_of(directory, cpu) : first->second;
      if (policies.empty()) driver = word_in(now.directory / "scaling_driver");
      now.driver = driver;
      now.governor = word_in(now.directory / "scaling_governor");
      now.allowed_khz = number_in(now.directory / "scaling_max_freq").value_or(0);
      policies.push_back(std::move(now));
    }
    return policies;
  }

  Outcome of_settings(const std::vector<Policy>& policies) {
    std::set<int> slow, lowered, changed;
    for (const Policy& one : policies) {
      const Policy& first = first_.try_emplace(one.cpu, one).first->second;
      if (holds_down(one)) slow.insert(one.cpu);
      if (one.governor != first.governor && !one.governor.empty() && !first.governor.empty()) changed.insert(one.cpu);
      const bool below_base = one.base_khz > 0 && one.allowed_khz > 0 &&
                              static_cast<double>(one.allowed_khz) < kMeasured * static_cast<double>(one.base_khz);
      if (below_base || (one.allowed_khz > 0 && one.allowed_khz < first.allowed_khz)) lowered.insert(one.cpu);
    }
    const auto of = [&](const std::set<int>& cpus) -> const Policy& {
      return *std::find_if(policies.begin(), policies.end(),
                           [&](const Policy& one) { return one.cpu == *cpus.begin(); });
    };
    if (!lowered.empty())
      return warning("settings",
                     fmt::format("{}: not allowed more than {:.2f} GHz, of {:.2f} GHz", list_of(lowered),
                                 static_cast<double>(of(lowered).allowed_khz) / 1e6,
                                 static_cast<double>(of(lowered).hardware_khz) / 1e6),
                     "scaling_max_freq; cpupower frequency-set -u");
    if (!slow.empty() || !changed.empty()) {
      const std::set<int>& cpus = slow.empty() ? changed : slow;
      return warning("settings",
                     fmt::format("{}: governor {} ({}){}", list_of(cpus), of(cpus).governor, of(cpus).driver,
                                 slow.empty() ? ", was another at first" : ""),
                     "cpupower frequency-set -g performance");
    }
    return {
        .severity = Severity::ok, .subject = "settings", .detail = fmt::format("{} clocks are free", policies.size())};
  }

  /// The clocks of CPUs that had work for half of the window: an idle one says nothing.
  Outcome of_clock(const CheckInput& input, const std::vector<Policy>& policies) {
    Outcome outcome{.severity = Severity::ok, .subject = "clock", .detail = "no CPU is busy"};
    const auto by_cpu = read_times_by_cpu(input.proc);
    if (!by_cpu) return {.subject = "clock", .detail = by_cpu.error().message};
    std::vector<double> shares;
    const std::size_t stride = (policies.size() + kMostAsked - 1) / kMostAsked;
    for (std::size_t i = 0; i < policies.size(); i += stride) {
      const Policy& one = policies[i];
      const std::int64_t least_khz =
          one.base_khz > 0 ? one.base_khz
                           : std::llround(static_cast<double>(one.hardware_khz) * input.params.number("of_highest"));
      const auto times = by_cpu->find(one.cpu);
      if (least_khz <= 0 || times == by_cpu->end()) continue;
      const auto window = counter_window(input.memory, fmt::format("cpu{}", one.cpu),
                                         {times->second.busy_ns, times->second.busy_ns + times->second.idle_ns},
                                         input.params.integer("window"));
      const auto now_khz = number_in(one.directory / "scaling_cur_freq");
      if (!window || !now_khz || 2 * window->grown[0] < window->grown[1] || window->grown[1] == 0) continue;
      shares.push_back(static_cast<double>(*now_khz) / static_cast<double>(least_khz));
    }
    if (shares.empty()) return outcome;
    std::nth_element(shares.begin(), shares.begin() + static_cast<std::ptrdiff_t>(shares.size() / 2), shares.end());
    const double median = shares[shares.size() / 2];
    const bool slow = input.params.number("of_highest") > 0 && median < kMeasured;
    const bool again = held_ns(input.memory, "slow", slow) > 0;
    outcome.severity = slow && again ? Severity::warning : Severity::ok;
    outcome.value = median, outcome.unit = "share";
    outcome.detail =
        fmt::format("busy CPUs run at {:.0f} % of the least that is expected ({} asked)", 100 * median, shares.size());
    if (slow) outcome.hint = "heat, a power limit, or AVX-512: turbostat";
    return outcome;
  }

  /// What the CPUs themselves count (Intel's thermal_throttle). Empty: they count nothing.
  static std::optional<Outcome> of_heat(const CheckInput& input, const std::filesystem::path& directory) {
    std::set<int> hot;
    std::int64_t most_ms = 0;
    bool counts = false;
    for (const int cpu : numbered_entries(directory, "cpu")) {
      const auto own = directory / fmt::format("cpu{}", cpu) / "thermal_throttle";
      const auto core = number_in(own / "core_throttle_count");
      if (!core) continue;
      counts = true;
      // Most CPUs never were: of these nothing is remembered, and nothing more is read.
      const std::int64_t count = *core + number_in(own / "package_throttle_count").value_or(0);
      if (count == 0) {
        input.memory.forget(fmt::format("heat{}", cpu));
        input.memory.forget(fmt::format("heat{} ms", cpu));
        continue;
      }
      const std::int64_t ms = number_in(own / "core_throttle_total_time_ms").value_or(0) +
                              number_in(own / "package_throttle_total_time_ms").value_or(0);
      if (!grew(input.memory, fmt::format("heat{}", cpu), count)) {
        input.memory.keep(fmt::format("heat{} ms", cpu), ms);
        continue;
      }
      hot.insert(cpu);
      most_ms = std::max(most_ms, ms - input.memory.find(fmt::format("heat{} ms", cpu)).value_or(0));
      input.memory.keep(fmt::format("heat{} ms", cpu), ms);
    }
    if (!counts) return std::nullopt;
    input.memory.keep("heat", 1);
    if (hot.empty()) return Outcome{.severity = Severity::ok, .subject = "heat", .detail = "no CPU was too hot"};
    const double elapsed_s = static_cast<double>(input.memory.elapsed_ns().value_or(0)) / kNsPerS;
    Outcome outcome = warning(
        "heat",
        fmt::format("{}: throttled because too hot, for up to {} ms in {:.1f} s", list_of(hot), most_ms, elapsed_s),
        "cooling: fans, dust, inlet temperature (ipmitool sdr)");
    outcome.value = static_cast<double>(hot.size()), outcome.unit = "count";
    return outcome;
  }

  /// Since the last reading. One that nothing is remembered of was 0 then, if there was one.
  static bool grew(CheckMemory& memory, const std::string& name, std::int64_t count) {
    const auto before = memory.find(name);
    memory.keep(name, count);
    return before ? count > *before : memory.find("heat").has_value();
  }

  std::map<int, Policy> first_{};  // of the run, by the first CPU
};

std::vector<ParamSpec> params() {
  return {
      {"of_highest",
       Unit::fraction,
       0.7,
       "of the highest clock, or all of the base clock where the driver tells it: busy CPUs below it are a warning; "
       "0: off (the share that NVIDIA's resiliency extension calls slow)",
       {},
       0.0,
       1.0},
      window_param(5 * kNsPerS)};
}

}  // namespace

const Check& cpu_clock() {
  static const Check check{.info = {.name = "cpu_clock",
                                    .summary = "No heat, governor or limit lowers the clock of the CPUs",
                                    .params = params(),
                                    .counts = true,
                                    .of_machine = true,
                                    .period_ns = 5 * kNsPerS,
                                    .untripped = "no fault here changes the clock of a CPU",
                                    .unproven = "trees of files"},
                           .make = keeping<CpuClock>(&CpuClock::read)};
  return check;
}

}  // namespace grit

// nvme_smart: the NVMe drives say of themselves that they are well.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "harness/base/printable.hpp"
#include "harness/base/shortened.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/os/kernel_text.hpp"
#include "harness/os/nvme.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

struct Findings {
  Severity severity = Severity::ok;
  std::vector<std::string> words{};

  void add(Severity found, std::string what) {
    severity = std::max(severity, found);
    words.push_back(std::move(what));
  }
};

/// The drive's own name, which is padded with blanks.
std::string model_of(const fs::path& drive) {
  std::string model = first_line(drive / "model");
  model.erase(model.find_last_not_of(' ') + 1);
  return shortened(printable(model));
}

bool is_controller(const std::string& name) {
  return name.starts_with("nvme") && whole_number(std::string_view(name).substr(4));
}

/// What the driver does with it (Documentation/ABI/testing/sysfs-nvme).
void judge_state(const std::string& name, const fs::path& drive, CheckMemory& memory, Findings& findings) {
  const std::string state = first_line(drive / "state");
  const std::string was_away = name + " was not live";
  const bool twice = memory.find(was_away).has_value();
  if (state == "live" || state.empty()) {
    memory.forget(was_away);
    return;
  }
  memory.keep(was_away, 1);
  if (state == "dead") return findings.add(Severity::critical, "the driver has given it up");
  if (twice) findings.add(Severity::warning, "is " + shortened(printable(state)));
}

/// What the kernel reads without root: the drive's own alarm of its temperature.
void judge_temperature(const fs::path& drive, Findings& findings) {
  for (const fs::path& directory : {drive, drive / "device/hwmon", drive / "hwmon"})
    for (const std::string& name : entries_of(directory)) {
      const auto millidegrees = number_in(directory / name / "temp1_input");
      if (!name.starts_with("hwmon") || !millidegrees) continue;
      const bool is_hot = number_in(directory / name / "temp1_alarm").value_or(0) != 0;
      return findings.add(
          is_hot ? Severity::warning : Severity::ok,
          fmt::format("{}{:.0f} degC", is_hot ? "too hot: " : "", static_cast<double>(*millidegrees) / 1000));
    }
}

void judge_bits(const NvmeHealth& health, Findings& findings) {
  if ((health.warning_bits & nvme_warning::temperature) != 0 && findings.severity == Severity::ok)
    findings.add(Severity::warning, "too hot");
  if ((health.warning_bits & nvme_warning::spare) != 0) findings.add(Severity::critical, "its spare blocks run out");
  if ((health.warning_bits & nvme_warning::reliability) != 0) findings.add(Severity::critical, "it is not reliable");
  if ((health.warning_bits & nvme_warning::read_only) != 0) findings.add(Severity::critical, "it is read-only");
  if ((health.warning_bits & nvme_warning::backup) != 0)
    findings.add(Severity::critical, "its memory is not kept when power fails");
}

/// Drives of clouds have the log and write nothing into it.
bool says_nothing(const NvmeHealth& health) {
  return health.warning_bits == 0 && health.spare_percent == 0 && health.spare_limit_percent == 0 &&
         health.used_percent == 0 && !health.temperature_c;
}

void judge_log(const std::string& name, const NvmeHealth& health, const CheckInput& input, Findings& findings) {
  if (says_nothing(health)) return findings.words.push_back("it gives no figures of its health");
  judge_bits(health, findings);
  const Severity worn = judge_at_least(health.used_percent, static_cast<double>(input.params.integer("used_warning")),
                                       static_cast<double>(input.params.integer("used_critical")));
  findings.add(worn, fmt::format("{} % of its life are used", health.used_percent));
  if (health.spare_percent < health.spare_limit_percent)  // NVM Express, "Available Spare Threshold"
    findings.add(Severity::critical,
                 fmt::format("{} % spare blocks, {} at least", health.spare_percent, health.spare_limit_percent));
  if (const auto more = input.memory.growth(name + " media errors", health.media_errors).value_or(0); more > 0)
    findings.add(Severity::warning, fmt::format("{} blocks more could not be read", more));
  if (const auto more = input.memory.growth(name + " hot minutes", health.hot_minutes).value_or(0); more > 0)
    findings.add(Severity::warning, fmt::format("{} minutes more above its critical temperature", more));
}

Outcome outcome_of(const std::string& name, const CheckInput& input) {
  const fs::path drive = input.sys / "class/nvme" / name;
  Findings findings;
  bool has_log = false;
  judge_state(name, drive, input.memory, findings);
  // Of a drive across a network the other end knows, and one that is being reset would keep us waiting.
  const bool may_ask = first_line(drive / "transport") == "pcie" && first_line(drive / "state") == "live";
  if (may_ask) {
    judge_temperature(drive, findings);
    const auto health = read_nvme_health(name);
    has_log = health.has_value();
    if (health)
      judge_log(name, *health, input, findings);
    else
      findings.add(health.error().kind == ErrorKind::internal ? Severity::critical : Severity::ok,
                   health.error().message);
  }
  if (findings.words.empty()) findings.words.emplace_back(may_ask ? "no figures" : "only its state is known");
  return {.severity = findings.severity == Severity::ok && may_ask && !has_log ? Severity::unknown : findings.severity,
          .subject = name,
          .detail = fmt::format("{}: {}", model_of(drive), fmt::join(findings.words, ", ")),
          .hint = is_alarm(findings.severity) ? fmt::format("smartctl -a /dev/{}; dmesg | grep {}", name, name) : ""};
}

/// A volume across a network, or of a cloud, comes and goes as somebody attaches it.
bool is_built_in(const fs::path& drive) {
  return first_line(drive / "transport") == "pcie" && !model_of(drive).starts_with("Amazon Elastic Block Store");
}

Result<std::vector<Outcome>> read(const CheckInput& input) {
  std::vector<Outcome> outcomes;
  constexpr std::size_t kMost = 60;
  std::int64_t count = 0;
  for (const std::string& name : entries_of(input.sys / "class/nvme")) {
    if (!is_controller(name)) continue;
    if (is_built_in(input.sys / "class/nvme" / name)) ++count;
    if (outcomes.size() < kMost) outcomes.push_back(outcome_of(name, input));
  }
  const std::int64_t before = input.memory.find("drives").value_or(0);
  input.memory.keep("drives", count);
  if (count < before)  // somebody may have given it to a virtual machine
    outcomes.push_back(
        {.severity = Severity::warning,
         .subject = "drives",
         .detail = fmt::format("{} of {} NVMe drives are gone since the last reading", before - count, before),
         .hint = "dmesg | grep nvme; lspci | grep -i nvme"});
  if (outcomes.empty()) return std::vector{not_here("no NVMe drive")};
  return outcomes;
}

std::vector<ParamSpec> params() {
  return {{"used_warning",
           Unit::count,
           80,
           "alarms when so many percent of its life are used; 0: off (Meta's gcm, check-blockdev)",
           {},
           0.0,
           {}},
          {"used_critical", Unit::count, 100, "critical then; 0: off (Meta's gcm, check-blockdev)", {}, 0.0, {}}};
}

}  // namespace

const Check& nvme_smart() {
  static const Check check{.info = {.name = "nvme_smart",
                                    .summary = "NVMe drives say that they are well (health log, temperature, state)",
                                    .params = params(),
                                    .counts = true,
                                    .of_machine = true,
                                    .place = CheckPlace::own,
                                    .period_ns = 60 * kNsPerS,
                                    .limit_ns = 5 * kNsPerS,
                                    .needs = "root, for the health log",
                                    .untripped = "no fault here makes a drive ill",
                                    .proven = "an emulated drive that says it is ill, in a virtual machine"},
                           .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit

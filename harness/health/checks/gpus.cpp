#include "harness/health/checks/gpus.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "harness/os/kernel_text.hpp"

namespace grit {
namespace {

constexpr std::int64_t kNvidia = 0x10de;
constexpr std::int64_t kDisplayClass = 0x03;

/// On the PCI bus, whether a driver serves them or not.
std::size_t gpus_on_bus(const std::filesystem::path& sys) {
  const auto devices = sys / "bus/pci/devices";
  const auto names = entries_of(devices);
  return static_cast<std::size_t>(std::count_if(names.begin(), names.end(), [&](const std::string& name) {
    const auto kind = hex_number(first_line(devices / name / "class"));
    return hex_number(first_line(devices / name / "vendor")) == kNvidia && kind && *kind >> 16U == kDisplayClass;
  }));
}

Outcome none_outcome(std::size_t on_bus) {
  if (on_bus == 0) return not_here("no GPU");
  return {.detail = fmt::format("the driver shows none of {} NVIDIA GPUs on the PCI bus", on_bus),
          .hint = "nvidia-smi; dmesg | grep NVRM"};
}

}  // namespace

bool GpuQuestions::is_success(nvml::Code code) {
  if (code == nvml::success) return true;
  last_failure_ = code;
  if (code == nvml::gpu_is_lost || code == nvml::reset_required) broken_ = code;
  return false;
}

std::vector<nvml::FieldValue> GpuQuestions::fields(std::span<const std::uint32_t> ids, std::uint32_t scope) {
  constexpr std::size_t kMost = 32;
  std::vector<nvml::FieldValue> values(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i)
    values[i].id = ids[i], values[i].scope = scope, values[i].code = nvml::function_not_found;
  for (std::size_t from = 0; from < values.size(); from += kMost) {
    const std::size_t count = std::min(kMost, values.size() - from);
    if (tell(&nvml::Functions::field_values, static_cast<int>(count), values.data() + from)) continue;
    for (std::size_t i = from; i < from + count; ++i) values[i].code = last_failure_;
  }
  for (const nvml::FieldValue& value : values) is_success(static_cast<nvml::Code>(value.code));
  return values;
}

Outcome outcome_of(nvml::Code code, const std::string& subject) {
  Outcome outcome{.subject = subject, .detail = describe(code)};
  switch (code) {
    case nvml::gpu_is_lost:
      outcome.severity = Severity::critical, outcome.hint = "dmesg | grep NVRM; the node needs a reboot";
      break;
    case nvml::reset_required:
      outcome.severity = Severity::critical, outcome.hint = "nvidia-smi --gpu-reset once no job uses it";
      break;
    case nvml::version_mismatch:
      outcome.severity = Severity::warning, outcome.hint = "the driver was updated: load it anew, or reboot";
      break;
    default:
      outcome.hint = "nvidia-smi";
  }
  return outcome;
}

/// What is to be said instead of asking it.
std::optional<Outcome> GpuReader::open() {
  if (nvml_) return std::nullopt;
  auto loaded = Nvml::load();
  if (!loaded && loaded.error().kind == ErrorKind::usage) return Outcome{.detail = loaded.error().message};
  if (!loaded) return not_here(loaded.error().message);
  if (const nvml::Code code = loaded->start(); code != nvml::success) return outcome_of(code, "");
  nvml_ = std::move(*loaded);
  return std::nullopt;
}

std::vector<Gpu> GpuReader::find(const CheckInput& input, std::vector<Outcome>& outcomes) {
  if (auto instead = open()) {
    const bool no_driver = instead->detail == describe(nvml::driver_not_loaded);
    outcomes.push_back(no_driver && gpus_on_bus(input.sys) == 0 ? not_here("no GPU") : std::move(*instead));
    return {};
  }
  unsigned count = 0;
  if (const nvml::Code code = nvml_->call(&nvml::Functions::device_count, &count); code != nvml::success) {
    nvml_.reset();  // the driver was loaded anew, perhaps: the next reading starts over
    outcomes.push_back(outcome_of(code, ""));
    return {};
  }
  const std::int64_t before = input.memory.find("gpus").value_or(0);
  if (before > count)  // somebody may have given it to a virtual machine; of one that is lost the driver says so
    outcomes.push_back({.severity = Severity::warning,
                        .subject = "gpus",
                        .detail = fmt::format("{} of {} GPUs are gone since the last reading", before - count, before),
                        .hint = "dmesg | grep NVRM"});
  input.memory.keep("gpus", count);
  if (count == 0 && before == 0) outcomes.push_back(none_outcome(gpus_on_bus(input.sys)));
  std::vector<Gpu> gpus;
  for (unsigned i = 0; i < count; ++i) {
    Gpu gpu{.index = i, .name = fmt::format("gpu{}", i)};
    if (const nvml::Code code = nvml_->call(&nvml::Functions::device_by_index, i, &gpu.device); code != nvml::success) {
      outcomes.push_back(outcome_of(code, gpu.name));
      continue;
    }
    nvml::PciInfo info;
    if (nvml_->call(&nvml::Functions::pci_info, gpu.device, &info) == nvml::success) gpu.pci = pci_address_of(info);
    gpus.push_back(std::move(gpu));
  }
  return gpus;
}

std::vector<Outcome> GpuReader::read(const CheckInput& input, const Judge& judge) {
  std::vector<Outcome> outcomes;
  for (const Gpu& gpu : find(input, outcomes)) {
    GpuQuestions questions(*nvml_, gpu.device);
    std::vector<Outcome> found = judge(questions, gpu);
    if (const auto code = questions.broken()) found = {outcome_of(*code, gpu.name)};
    for (Outcome& outcome : found) outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

}  // namespace grit

// facts and checks.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/mman.h>

#include <algorithm>
#include <map>
#include <utility>

#include "harness/agent/journal.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"
#include "harness/base/json_fields.hpp"
#include "harness/cluster/discovery.hpp"
#include "harness/cluster/local.hpp"
#include "harness/health/read_checks.hpp"
#include "harness/run/measure_kinds.hpp"
#include "harness/scenario/load_checks.hpp"

namespace grit {
namespace {

constexpr std::size_t kAlarmsOfLine = 6;  // of 300 bytes of detail at most (kMostText_bytes)
constexpr std::size_t kNamesOfLine = 40;

/// Text of a member of a member: text_in(environment, "firmware", "bios_version").
std::string text_in(const Json& object, const char* member, const char* name) {
  const auto found = object.find(member);
  return found != object.end() && found->is_object() ? text_at(*found, name) : std::string();
}

/// The data NICs' values by rail, so that differing names of interfaces are no difference; empty: none is known.
std::string by_rail(const std::vector<const Nic*>& nics, const std::function<std::string(const Nic&)>& value) {
  std::vector<std::string> values;
  for (const Nic* nic : nics) values.push_back(value(*nic));
  if (std::all_of(values.begin(), values.end(), [](const std::string& one) { return one.empty() || one == "0"; }))
    return "";
  return fmt::format("{}", fmt::join(values, ","));
}

/// The environment's entry of an interface; an empty object: it has none.
Json entry_of(const Json& environment, const std::string& name) {
  for (const Json& nic : environment.value("nics", Json::array()))
    if (text_at(nic, "name") == name) return nic;
  return Json::object();
}

void add_nics(const Node& node, const Json& environment, std::map<std::string, std::string>& facts) {
  const std::vector<const Nic*> nics = rails(node);
  facts["nics"] = fmt::format("{}", nics.size());
  facts["nic_speed"] = by_rail(nics, [](const Nic& nic) { return fmt::format("{}", nic.speed_bits_per_s); });
  facts["nic_mtu"] = by_rail(nics, [](const Nic& nic) { return fmt::format("{}", nic.mtu_bytes); });
  facts["nic_driver"] = by_rail(nics, [](const Nic& nic) { return nic.driver; });
  facts["nic_firmware"] = by_rail(nics, [](const Nic& nic) { return nic.firmware; });
  const auto of_link = [&](const char* what) {
    return by_rail(nics, [&](const Nic& nic) { return text_in(entry_of(environment, nic.name), "pci_link", what); });
  };
  facts["pcie_width"] = of_link("width");
  facts["pcie_speed"] = of_link("speed");
}

/// GPUs by vendor and device: "8 of 0x10de:0x2330". `counts`: with how many; else which kinds there are.
std::string gpus_of(const Json& environment, bool counts) {
  std::map<std::string, int> kinds;
  for (const Json& gpu : environment.value("gpus", Json::array()))
    ++kinds[fmt::format("{}:{}", text_at(gpu, "vendor"), text_at(gpu, "device"))];
  std::vector<std::string> words;
  for (const auto& [kind, count] : kinds) words.push_back(counts ? fmt::format("{} of {}", count, kind) : kind);
  return fmt::format("{}", fmt::join(words, ", "));
}

/// Without a number of its own that NVIDIA's module has in its line: "NVRM version: NVIDIA UNIX x86_64 ... 535.104".
std::string gpu_driver_of(const Json& environment) {
  const std::string nvidia = text_at(environment, "nvidia_driver");
  return nvidia.empty() ? text_in(environment, "modules", "amdgpu") : nvidia;
}

/// The checks' text as a file of no name, since load_checks() reads a file.
Result<std::vector<ScenarioPlugin>> checks_of(const std::string& source) {
  if (source.empty()) return checks_without_params();
  const Fd file(::memfd_create("checks", MFD_CLOEXEC));
  if (!file) return errno_error("cannot make a file in memory");
  GRIT_CHECK(write_all(file.get(), source));
  return load_checks(fmt::format("/proc/self/fd/{}", file.get()));
}

/// Which checks are ok, which alarm, and why some could not look. One that nothing is known of is neither.
struct CheckWords {
  std::vector<BurninAlarm> alarms{};
  std::vector<std::string> alarm_free{}, skipped{};
};

void add_reading(const CheckedOnce& check, bool of_machine, const std::string& host, CheckWords& words) {
  const Severity worst = worst_of(check.reading.outcomes);
  if (worst == Severity::ok) words.alarm_free.push_back(check.label);
  for (const Outcome& outcome : check.reading.outcomes) {
    if (is_alarm(outcome.severity))
      words.alarms.push_back({.host = host,
                              .check = check.label,
                              .subject = outcome.subject,
                              .severity = std::string(to_string(outcome.severity)),
                              .detail = outcome.detail,
                              .of_machine = of_machine});
    else if (outcome.severity == Severity::unknown && !outcome.not_here)
      words.skipped.push_back(fmt::format("check {}: {}{}", check.label, outcome.detail,
                                          outcome.subject.empty() ? "" : " (" + outcome.subject + ")"));
  }
}

/// As many lines as it takes.
std::vector<BurninLine> lines_of(const CheckWords& words, const std::string& host) {
  std::vector<BurninLine> lines;
  const auto in_parts = [&](const auto& all, std::size_t part, auto member) {
    for (std::size_t first = 0; first < all.size(); first += part) {
      const auto begin = all.begin() + static_cast<std::ptrdiff_t>(first);
      const auto count = static_cast<std::ptrdiff_t>(std::min(part, all.size() - first));
      BurninLine line{.host = host};
      (line.*member).assign(begin, begin + count);
      lines.push_back(std::move(line));
    }
  };
  in_parts(words.alarms, kAlarmsOfLine, &BurninLine::alarms);
  in_parts(words.alarm_free, kNamesOfLine, &BurninLine::alarm_free);
  in_parts(words.skipped, kAlarmsOfLine, &BurninLine::skipped);
  return lines;
}

Result<CheckWords> read_here(const MeasureHere& here) {
  GRIT_TRY(std::vector<ScenarioPlugin> planned, checks_of(here.checks_source));
  const std::int64_t began_ns = monotonic_ns();
  GRIT_TRY(Node node, discover_node({"", default_journal_directory()}));
  std::vector<CheckedOnce> read;
  std::vector<bool> of_machine;
  for (const ScenarioPlugin& check : planned) {
    const Check* plugin = find_check(check.name);
    read.push_back({.label = check_label(check)});
    of_machine.push_back(plugin != nullptr && plugin->info.of_machine && in_local_cluster());
  }
  const std::vector<CheckMemory> memories(planned.size());
  GRIT_TRY(CheckRunner runner,
           CheckRunner::start({.node = std::move(node), .checks = std::move(planned), .wants_memory = true}));
  read_checks(runner, read, memories, began_ns);
  CheckWords words;
  for (std::size_t i = 0; i < read.size(); ++i) add_reading(read[i], of_machine[i], here.host, words);
  return words;
}

}  // namespace

BurninLine measure_facts(const MeasureHere& here) {
  BurninLine line{.host = here.host};
  const auto node = discover_node({"", default_journal_directory()});
  const Node machine = node ? *node : describe_machine();
  const Json environment = describe_environment();
  auto& facts = line.facts;
  facts = {{"cpu_model", machine.cpu_model},
           {"gpu_model", gpus_of(environment, false)},
           {"gpus", gpus_of(environment, true)},
           {"gpu_driver", gpu_driver_of(environment)},
           {"cores", fmt::format("{}", machine.cores)},
           {"numa_nodes", fmt::format("{}", machine.numa_nodes)},
           {"memory_bytes", fmt::format("{}", machine.memory_bytes)},
           {"kernel", machine.kernel},
           {"microcode", machine.microcode},
           {"governor", text_in(environment, "cpu", "governor")},
           {"smt", text_in(environment, "cpu", "smt")},
           {"os", text_in(environment, "versions", "distribution")}};
  const std::string bios = text_in(environment, "firmware", "bios_version");
  if (!bios.empty())
    facts["bios"] = fmt::format("{} {} of {}", text_in(environment, "firmware", "bios_vendor"), bios,
                                text_in(environment, "firmware", "bios_date"));
  if (node)
    add_nics(*node, environment, facts);
  else
    line.skipped.push_back("facts of NICs: " + node.error().message);
  std::erase_if(facts, [](const auto& fact) { return fact.second.empty(); });
  return line;
}

std::vector<BurninLine> measure_checks(const MeasureHere& here) {
  const auto words = read_here(here);
  if (!words) return {{.host = here.host, .error = "checks: " + words.error().message}};
  return lines_of(*words, here.host);
}

}  // namespace grit

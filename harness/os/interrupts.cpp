#include "harness/os/interrupts.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <sstream>

#include "harness/base/fd.hpp"
#include "harness/base/files.hpp"
#include "harness/os/closed_object.hpp"
#include "harness/os/ethtool.hpp"
#include "harness/os/kernel_text.hpp"
#include "harness/os/rdma.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

constexpr int kMaxInterrupt = 1'000'000;

fs::path affinity_file(int number) { return fmt::format("/proc/irq/{}/smp_affinity_list", number); }

/// Of a PCI function.
std::vector<int> numbers_below(const fs::path& device) {
  std::vector<int> numbers;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(device / "msi_irqs", error))
    numbers.push_back(std::stoi(entry.path().filename()));
  if (!numbers.empty()) return numbers;
  const std::string line = first_line(device / "irq");
  if (!line.empty() && line != "0") numbers.push_back(std::stoi(line));
  return numbers;
}

}  // namespace

Result<std::vector<Interrupt>> interrupts_of_nic(const std::string& interface) {
  if (::if_nametoindex(interface.c_str()) == 0)
    return usage_error(fmt::format("there is no network interface {}", interface));
  GRIT_TRY(const Ethtool ethtool, Ethtool::open());
  const auto driver = ethtool.driver(interface);
  const std::string pci = driver ? pci_address(driver->bus) : std::string();
  if (pci.empty()) return std::vector<Interrupt>{};
  std::vector<int> numbers = numbers_below(fs::path("/sys/bus/pci/devices") / pci);
  std::sort(numbers.begin(), numbers.end());
  std::vector<Interrupt> interrupts;
  for (const int number : numbers) {
    Interrupt one{.number = number, .action = first_line(fmt::format("/sys/kernel/irq/{}/actions", number))};
    if (one.action.empty()) continue;
    GRIT_TRY(const std::string list, read_file(affinity_file(number)));
    GRIT_TRY(one.cpus, cpus_from_list(list));
    interrupts.push_back(std::move(one));
  }
  return interrupts;
}

Result<std::optional<Interrupt>> find_same_interrupt(const Interrupt& interrupt) {
  const fs::path all = "/sys/kernel/irq", own = all / std::to_string(interrupt.number);
  const auto actions = read_file(own / "actions");
  std::error_code unknown;
  if (!actions && (fs::exists(own, unknown) || !fs::exists(all, unknown)))
    return with_context(actions.error(), fmt::format("who handles interrupt {}", interrupt.number));
  if (!actions || actions->substr(0, actions->find('\n')) != interrupt.action) return std::nullopt;
  Interrupt now{.number = interrupt.number, .action = interrupt.action};
  GRIT_TRY(const std::string list, read_file(affinity_file(now.number)));
  GRIT_TRY(now.cpus, cpus_from_list(list));
  return now;
}

Cpus serving_cpus(int number) {
  const auto cpus = cpus_from_list(first_line(fmt::format("/proc/irq/{}/effective_affinity_list", number)));
  return cpus ? *cpus : Cpus{};
}

Status set_interrupt_cpus(int number, const Cpus& cpus) {
  const std::string list = to_list(cpus);
  const Fd file(::open(affinity_file(number).c_str(), O_WRONLY | O_CLOEXEC));
  if (file && ::write(file.get(), list.data(), list.size()) >= 0) return {};
  if (errno == EACCES || errno == EPERM || errno == EROFS)
    return unavailable_error(fmt::format("interrupt {} may not be moved: run as root, with /proc writable", number));
  if (file && errno == EIO)
    return unavailable_error(fmt::format("interrupt {} is placed by the kernel itself and cannot be moved", number));
  return errno_error(fmt::format("cannot move interrupt {} to CPU {}", number, list));
}

Result<InterruptCounts> interrupt_counts() {
  GRIT_TRY(const std::string text, read_file("/proc/interrupts"));
  std::istringstream lines(text);
  std::string line, word;
  std::getline(lines, line);
  std::vector<int> cpus;  // the head: "CPU0 CPU1 ..."; those online
  for (std::istringstream head(line); head >> word;)
    if (word.starts_with("CPU")) cpus.push_back(std::stoi(word.substr(3)));
  InterruptCounts counts;
  while (std::getline(lines, line)) {
    std::istringstream words(line);
    int number = 0;
    char colon = 0;
    if (!(words >> number >> colon) || colon != ':') continue;
    std::int64_t count = 0;
    for (std::size_t i = 0; i < cpus.size() && words >> count; ++i) counts[number][cpus[i]] = count;
  }
  return counts;
}

bool irqbalance_runs() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (name[0] < '0' || name[0] > '9') continue;
    if (auto comm = read_file("/proc/" + name + "/comm"); comm && *comm == "irqbalance\n") return true;
  }
  return false;
}

Json to_json(const Interrupt& interrupt) {
  return Json{{"number", interrupt.number}, {"action", interrupt.action}, {"cpus", to_list(interrupt.cpus)}};
}

Result<Interrupt> interrupt_from_json(const Json& json) {
  ClosedObject object(json, "interrupt");
  Interrupt interrupt;
  interrupt.number = static_cast<int>(object.integer("number", 1, kMaxInterrupt));
  interrupt.action = object.text("action", 4096);
  const std::string list = object.text("cpus", 16'384);
  GRIT_CHECK(object.done());
  if (interrupt.action.empty()) return usage_error("interrupt: action is empty");
  GRIT_TRY(interrupt.cpus, cpus_from_list(list));
  return interrupt;
}

}  // namespace grit

// pcie_link: NICs and GPUs have the PCI Express link that they and their slot can have, and errors on it are rare.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <system_error>

#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/gpus.hpp"
#include "harness/health/checks/per_minute.hpp"
#include "harness/os/pci_link.hpp"
#include "harness/os/rdma.hpp"
#include "harness/os/virtual_machine.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

/// A link is named after its lower end: the device, or a switch above it.
struct Link {
  std::string address{};
  fs::path lower{}, upper{};  // in /sys/devices; no upper: what it ends at is not a PCI device
  std::string users{};        // "eth0", "gpu3", "above eth0"
  bool is_at_work = true;     // a GPU that has nothing to do lowers its link's speed, and some their width
};
using Links = std::map<std::string, Link>;

/// All links from a device up to the processor.
void add_links(const fs::path& device, const std::string& user, bool is_at_work, bool is_guest, Links& links) {
  std::error_code failed;
  fs::path lower = fs::canonical(device, failed);
  std::string name = user;
  bool judged = is_at_work;
  while (!failed && is_pci_address(lower.filename())) {
    const fs::path above = lower.parent_path();
    // The port above a device of a virtual machine is the hypervisor's own and says of itself what that likes.
    const bool has_upper = !is_guest && is_pci_address(above.filename());
    Link& link = links[lower.filename()];
    link.users += link.users.empty() ? name : ", " + name;
    link.is_at_work = judged && (link.lower.empty() || link.is_at_work);
    link.address = lower.filename(), link.lower = lower, link.upper = has_upper ? above : fs::path();
    if (!has_upper) return;
    lower = above.parent_path();  // of a switch: from its lower port to its upper one
    name = "above " + user, judged = true;
  }
}

/// The most that both ends can do.
PciLink capable(const PciLink& lower, const PciLink& upper) {
  PciLink link = lower;
  link.width = std::min(lower.max_width, upper.max_width);
  link.speed_gt_per_s = std::min(lower.max_speed_gt_per_s, upper.max_speed_gt_per_s);
  return link;
}

std::string words_of_link(const PciLink& link) {
  return fmt::format("x{} at {} GT/s", link.width, link.speed_gt_per_s);
}

/// Less than the ends can have is a warning: few boards say how many lanes of a slot are wired. Less than it was since
/// the first reading is a fault.
Severity severity_of_less(const Link& link, const PciLink& now, CheckMemory& memory) {
  const std::string name = link.address + " best";
  const auto bandwidth = static_cast<std::int64_t>(now.bandwidth());
  return memory.find(name).value_or(0) > bandwidth ? Severity::critical : Severity::warning;
}

Outcome link_outcome(const Link& link, const PciLink& now, CheckMemory& memory) {
  // Of an upper end that is not known nothing is asked.
  const PciLink upper = link.upper.empty() ? now : pci_link(link.upper).value_or(now);
  const PciLink most = capable(now, upper);
  const bool narrow = now.width < most.width, slow = now.speed_gt_per_s < most.speed_gt_per_s;
  Outcome outcome{.severity = Severity::ok,
                  .subject = link.address,
                  .value = std::min(1.0, now.bandwidth() / most.bandwidth()),
                  .unit = "share",
                  .detail = fmt::format("{}: {}", link.users, words_of_link(now))};
  const std::string readings = link.address + " readings slow";
  const std::int64_t before = memory.find(readings).value_or(0);
  memory.keep(readings, slow && link.is_at_work ? before + 1 : 0);
  const std::string best = link.address + " best";
  memory.keep(best, std::max(memory.find(best).value_or(0), static_cast<std::int64_t>(now.bandwidth())));
  if (narrow || slow) outcome.detail += fmt::format(", could be {}", words_of_link(most));
  if (upper.max_width < now.max_width || upper.max_speed_gt_per_s < now.max_speed_gt_per_s)
    outcome.detail += fmt::format("; its slot ({}) allows no more", link.upper.filename().string());
  if (!link.is_at_work) {
    outcome.detail += "; idle: not judged";
  } else if (narrow || (slow && before > 0)) {  // speeds also change for a moment
    outcome.severity = severity_of_less(link, now, memory);
    outcome.hint = fmt::format("lspci -vv -s {}; dmesg | grep {}; reseat the card", link.address, link.address);
  }
  return outcome;
}

void judge_errors(const Link& link, const CheckInput& input, Outcome& outcome) {
  const auto errors = pci_errors(link.lower);
  if (!errors) return;
  const auto growth = [&](const char* name, std::int64_t now) {
    return input.memory.growth(link.address + " " + name, now).value_or(0);
  };
  const std::int64_t severe = growth("nonfatal", errors->nonfatal) + growth("fatal", errors->fatal);
  const double replays = count_per_minute(input.memory, link.address + " replays", errors->replays);
  const auto limit = static_cast<double>(input.params.integer("replays"));
  const bool many = limit > 0 && replays > limit;
  if (severe == 0 && !many) return;
  outcome.severity = std::max(outcome.severity, severe > 0 ? Severity::critical : Severity::warning);
  outcome.detail += severe > 0 ? fmt::format("; {} uncorrectable errors more", severe)
                               : fmt::format("; {:.0f} packets were sent again within a minute", replays);
  outcome.hint = fmt::format("lspci -vv -s {}; dmesg | grep AER", link.address);
}

/// Empty: there is nothing to say of it, as it has no link of its own.
std::optional<Outcome> outcome_of(const Link& link, const CheckInput& input) {
  if (pci_is_asleep(link.lower))
    return Outcome{.severity = Severity::ok, .subject = link.address, .detail = link.users + ": asleep, not judged"};
  if (pci_is_gone(link.lower))
    return Outcome{.severity = Severity::critical,
                   .subject = link.address,
                   .detail = link.users + ": does not answer on the bus any more",
                   .hint = "dmesg | tail; the node needs a reboot"};
  if (!pci_has_link(link.lower)) return std::nullopt;
  const auto now = pci_link(link.lower);
  if (!now)
    return Outcome{.subject = link.address,
                   .detail = link.users + ": the kernel does not know its link's width or speed"};
  Outcome outcome = link_outcome(link, *now, input.memory);
  judge_errors(link, input, outcome);
  return outcome;
}

/// A virtual function has no link of its own.
std::string with_link(const std::string& pci, const fs::path& sys) {
  const std::string physical = pci_function(pci, sys).physical;
  return physical.empty() ? pci : physical;
}

void add_nics(const CheckInput& input, bool is_guest, Links& links, std::vector<Outcome>& outcomes) {
  const fs::path devices = input.sys / "bus/pci/devices";
  std::error_code ignored;
  if (!fs::exists(devices, ignored)) return;
  for (const Nic& nic : input.node.nics) {
    if (nic.pci.empty()) continue;
    const std::string pci = with_link(nic.pci, input.sys);
    if (fs::exists(devices / pci, ignored))
      add_links(devices / pci, nic.name, true, is_guest, links);
    else
      outcomes.push_back(
          {.severity = Severity::critical, .subject = nic.pci, .detail = nic.name + ": is gone from the PCI bus"});
  }
}

/// Idle GPUs save power.
bool is_at_work(const Nvml& nvml, const Gpu& gpu) {
  constexpr unsigned kBusyPercent = 50;
  constexpr int kFastState = 2;  // P0 is the fastest
  GpuQuestions questions(nvml, gpu.device);
  const auto used = questions.ask<nvml::Utilization>(&nvml::Functions::utilization);
  const auto state = questions.ask<int>(&nvml::Functions::performance_state);
  return used && used->gpu_percent >= kBusyPercent && state && *state <= kFastState;
}

/// What is wrong with a GPU itself other checks say.
void add_gpus(GpuReader& reader, const CheckInput& input, bool is_guest, Links& links) {
  std::vector<Outcome> of_others;
  for (const Gpu& gpu : reader.find(input, of_others))
    if (!gpu.pci.empty())
      add_links(input.sys / "bus/pci/devices" / gpu.pci, gpu.name, is_at_work(reader.nvml(), gpu), is_guest, links);
}

Result<std::vector<Outcome>> read(GpuReader& gpus, const CheckInput& input) {
  const bool is_guest = in_virtual_machine(input.proc, input.sys);
  Links links;
  std::vector<Outcome> outcomes;
  add_nics(input, is_guest, links, outcomes);
  add_gpus(gpus, input, is_guest, links);
  constexpr std::size_t kMost = 60;
  for (const auto& [address, link] : links)
    if (auto outcome = outcome_of(link, input); outcome && outcomes.size() < kMost)
      outcomes.push_back(std::move(*outcome));
  if (outcomes.empty()) outcomes.push_back(not_here("no NIC or GPU with a PCI Express link of its own"));
  return outcomes;
}

}  // namespace

const Check& pcie_link() {
  static const Check check{.info = {.name = "pcie_link",
                                    .summary = "NICs and GPUs have the PCI Express width and speed that they can have",
                                    .params = {{"replays",
                                                Unit::count,
                                                8,
                                                "alarms when more packets a minute had to be sent again; 0: off "
                                                "(DCGM_LIMIT_MAX_PCIREPLAY_RATE)",
                                                {},
                                                0.0,
                                                {}}},
                                    .counts = true,
                                    .of_machine = true,
                                    .place = CheckPlace::own,
                                    .period_ns = 10 * kNsPerS,
                                    .untripped = "no fault here lowers a link",
                                    .proven = "bad packets, injected into the kernel, in a virtual machine"},
                           .make = keeping<GpuReader>(read)};
  return check;
}

}  // namespace grit

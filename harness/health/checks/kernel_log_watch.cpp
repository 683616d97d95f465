#include "harness/health/checks/kernel_log_watch.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "harness/base/printable.hpp"

namespace grit {
namespace {

constexpr std::string_view kInjected = "grit-injected: ";
constexpr std::size_t kMostSeen = 56, kMostLearned = 4096;
constexpr std::size_t kMostLine_bytes = 200;

/// The NIC with this PCI address, as the log writes it: "PCI:0000:3b:00", "0000:3b:00.0", "+pci:0000:3b:00.0".
std::string name_of_device(const Node& node, const std::string& device) {
  for (const Nic& nic : node.nics)
    if (!nic.pci.empty() && device.find(nic.pci) != std::string::npos) return nic.name;
  return device;
}

bool has_nic(const Node& node, const std::string& name) {
  return std::any_of(node.nics.begin(), node.nics.end(), [&](const Nic& one) { return one.name == name; });
}

}  // namespace

void KernelLogWatch::learn(const KernelLine& line) {
  if (limits_.unseen && learned_.size() < kMostLearned) learned_.insert(kind_of_kernel_line(line.text));
}

bool KernelLogWatch::is_new(const KernelLine& line) {
  if (!limits_.unseen || !line.of_kernel || line.level > limits_.level || learned_.size() >= kMostLearned ||
      is_part_of_a_dump(line.text))
    return false;
  return learned_.insert(kind_of_kernel_line(line.text)).second && !rules_.is_ignored(line.text);
}

void KernelLogWatch::take(const KernelLine& line, const Node& node, const std::vector<int>& rank_pids,
                          std::int64_t now_ns) {
  const bool injected = !line.of_kernel && line.text.starts_with(kInjected);
  if (!line.of_kernel && !(injected && limits_.injected)) return;
  auto finding = rules_.judge(injected ? line.text.substr(kInjected.size()) : line.text);
  const bool unseen = is_new(line);
  if (!finding && unseen)
    finding = {.kind = "new", .subject = kind_of_kernel_line(line.text).substr(0, 60), .severity = Severity::warning};
  if (!finding) return;
  if (finding->of_nic && !has_nic(node, finding->subject)) return;  // of a container, or a USB device's
  if (finding->pid != 0 && std::find(rank_pids.begin(), rank_pids.end(), finding->pid) != rank_pids.end())
    finding->severity = Severity::critical;
  if (finding->subject.empty()) finding->subject = line.device;
  finding->subject = name_of_device(node, finding->subject);
  add(*finding, line.text, now_ns);
}

void KernelLogWatch::add(const KernelFinding& finding, const std::string& line, std::int64_t now_ns) {
  const auto key = std::pair(finding.kind, finding.subject);
  if (seen_.size() >= kMostSeen && !seen_.contains(key)) {
    ++unnamed_;
    return;
  }
  Seen& seen = seen_[key];
  if (seen.count == 0) seen.line = printable(line.substr(0, kMostLine_bytes));
  seen.severity = std::max(seen.severity, finding.severity);
  seen.last_ns = now_ns;
  ++seen.count;
}

std::vector<Outcome> KernelLogWatch::outcomes(std::int64_t now_ns) {
  std::erase_if(seen_, [&](const auto& one) { return now_ns - one.second.last_ns > limits_.hold_ns; });
  if (seen_.empty()) unnamed_ = 0;
  std::vector<Outcome> outcomes;
  for (const auto& [key, seen] : seen_) {
    const auto& [kind, subject] = key;
    outcomes.push_back(
        {.severity = seen.severity,
         .subject = subject.empty() ? kind : fmt::format("{}: {}", kind, printable(subject)),
         .value = static_cast<double>(seen.count),
         .unit = "count",
         .detail = seen.count == 1 ? seen.line : fmt::format("{} times, first: {}", seen.count, seen.line),
         .hint = "journalctl -k, or dmesg"});
  }
  if (unnamed_ > 0)
    outcomes.push_back({.severity = Severity::warning,
                        .subject = "more",
                        .value = static_cast<double>(unnamed_),
                        .unit = "count",
                        .detail = fmt::format("{} more lines of trouble, of other kinds or devices", unnamed_),
                        .hint = "journalctl -k, or dmesg"});
  return outcomes;
}

void KernelLogWatch::forget_findings() {
  seen_.clear();
  unnamed_ = 0;
}

}  // namespace grit

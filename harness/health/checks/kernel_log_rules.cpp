#include "harness/health/checks/kernel_log_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>

#include "harness/base/shortened.hpp"

namespace grit {
namespace {

constexpr auto kCritical = Severity::critical, kWarning = Severity::warning, kHarmless = Severity::ok;

struct Row {
  const char* kind;
  const char* literal;
  const char* pattern;
  Severity severity;
  std::size_t subject = 0, pid = 0, xid = 0;
  bool of_nic = false;
};

#define GRIT_PCI "([0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F.]+)"

/// The first that matches counts. A subject that a line may lack has a row of its own: POSIX leaves an optional group
/// in front of ".*" empty. The texts are those of Linux 4.18 to 6.18 and of the vendors' drivers; what each means is
/// NVSentinel's and node-problem-detector's reading of them, where these have one.
constexpr Row kRows[] = {
    // GPUs: NVIDIA's Xid catalogue; by default all are errors, as in Azure's health agent.
    {"Xid", "NVRM: Xid", "NVRM: Xid \\((PCI:[0-9a-fA-F:.]+)\\): ([0-9]+)", kCritical, 1, 0, 2},
    {"SXid", "SXid", "SXid \\((PCI:[^)]*)\\): [0-9]+, Fatal", kCritical, 1},
    {"SXid", "SXid", "SXid \\((PCI:[^)]*)\\): [0-9]+", kWarning, 1},
    {"GPU lost", "fallen off the bus", "(PCI:[0-9a-fA-F:.]+|" GRIT_PCI ").*fallen off the bus", kCritical, 1},
    {"GPU not usable", "RmInitAdapter failed", "(GPU [0-9a-fA-F:.]*[0-9a-fA-F]).*RmInitAdapter failed", kCritical, 1},
    {"GPU not usable", "RmInitAdapter failed", "", kCritical},
    {"GPU reset", "amdgpu", "amdgpu " GRIT_PCI ": .*(GPU reset begin|ring .* timeout|uncorrectable hardware error)",
     kCritical, 1},
    // Machine checks: bit 61 of a bank's status says uncorrected (Intel SDM volume 3, machine-check architecture).
    {"machine check", "Machine Check", "CPU ([0-9]+): Machine Check Exception", kCritical, 1},
    {"machine check", "Machine Check", "CPU ([0-9]+): Machine Check: [0-9a-f]+ Bank [0-9]+: [2367abef][0-9a-f]{15}",
     kCritical, 1},
    {"machine check", "Machine Check", "CPU ([0-9]+): Machine Check", kWarning, 1},
    {"machine check", "Machine check events logged", "", kWarning},
    {"firmware error", "event severity: ", "event severity: (fatal|recoverable)", kCritical},
    {"firmware error", "event severity: ", "event severity: corrected", kWarning},
    {"memory error", "EDAC ", "EDAC ([^ :]+): [0-9]+ UE ", kCritical, 1},
    {"memory error", "EDAC ", "EDAC ([^ :]+): [0-9]+ CE ", kWarning, 1},
    {"memory error", "Memory failure: ", "Memory failure: 0x[0-9a-f]+:", kCritical},
    // PCI Express: Advanced Error Reporting, both spellings.
    {"PCIe error", "PCIe Bus Error: severity=", GRIT_PCI ": (AER: )?PCIe Bus Error: severity=Uncorrect", kCritical, 1},
    {"PCIe error", "PCIe Bus Error: severity=", GRIT_PCI ": (AER: )?PCIe Bus Error: severity=Correct", kWarning, 1},
    {"PCIe error", "AER: ", GRIT_PCI ": AER: .*Uncorrect(ed|able)", kCritical, 1},
    {"PCIe error", "DPC: containment event", GRIT_PCI ".*DPC: containment event", kCritical, 1},
    {"PCIe error", "DPC: containment event", "", kCritical},
    {"PCIe link", "Slot(", "(Slot\\([^)]*\\)): (Link Down|Card not present)", kWarning, 1},  // a dock, unplugged
    {"DMA fault", "IO_PAGE_FAULT", "IO_PAGE_FAULT.*device=([0-9a-fA-F:.]+)", kWarning, 1},
    {"DMA fault", "DMAR: ", "DMAR: \\[.*[Ff]ault|DMAR: DRHD: handling fault", kWarning},
    // NICs and the network.
    {"transmit timeout", "NETDEV WATCHDOG", "NETDEV WATCHDOG: ([^ ]+) \\([^)]*\\): transmit queue", kWarning, 1},
    {"transmit timeout", "NETDEV WATCHDOG", "([^ ]+): NETDEV WATCHDOG: .*transmit queue", kWarning, 1},
    {"NIC failed", "mlx5_core",
     "mlx5_core " GRIT_PCI
     ".*(Will cause a leak of a command resource|health compromised - reached miss count|unrecoverable hardware error)",
     kCritical, 1},
    {"NIC trouble", "mlx5_core",
     "mlx5_core " GRIT_PCI
     ".*(High Temperature|Cable error|insufficient power on the PCIe slot|ACCESS_REG.*failed|No done completion)",
     kWarning, 1},
    // A link that was down: drivers also say so when they open an interface. The checks of links judge how it is now.
    {"link down", "ink is ", "([^ :]+):? (NIC )?[Ll]ink is [Dd]own", kWarning, 1, 0, 0, true},
    {"link down", ": Link down", "([^ :]+): Link down", kWarning, 1, 0, 0, true},
    {"link down", "definitely down", "\\(slave ([^)]+)\\): link status definitely down", kWarning, 1, 0, 0, true},
    {"link down", "definitely down", "definitely down for interface ([^ ,]+)", kWarning, 1, 0, 0, true},
    {"table full", "table overflow", "(arp_cache|ndisc_cache): neighbou?r table overflow", kCritical, 1},
    {"table full", "table full", "nf_conntrack: .*table full, dropping packet", kCritical},
    {"TCP memory", "TCP: out of memory", "", kWarning},
    {"device stuck", "unregister_netdevice: waiting for", "waiting for ([^ ]+) to become free", kWarning, 1},
    // Disks and file systems. Drives without a disk in them answer with errors.
    {"drive without a disk", "I/O error", "I/O error.*dev(ice)? (fd|sr)[0-9]", kHarmless},
    {"I/O error", "I/O error, dev ", "I/O error, dev ([^, ]+)", kCritical, 1},
    {"I/O error", "critical ", "critical (medium|target|space allocation) error, dev ([^, ]+)", kCritical, 2},
    {"I/O error", "Buffer I/O error on dev", "Buffer I/O error on dev(ice)? ([^, ]+)", kCritical, 2},
    {"I/O error", "Medium Error", "\\[([^]]+)\\].*Sense Key ?: Medium Error", kCritical, 1},
    {"disk offline", "rejecting I/O to", "rejecting I/O to", kWarning},
    {"NVMe timeout", "completion polled", "nvme ([^ :]+): .*timeout, completion polled", kWarning, 1},
    {"NVMe failed", "nvme ",
     "nvme ([^ :]+): (I/O .*timeout|controller is down; will reset|Removing after probe failure|Device not ready)",
     kCritical, 1},
    {"file system", "EXT4-fs error", "EXT4-fs error \\(device ([^)]+)\\)", kCritical, 1},
    {"file system", "EXT4-fs warning", "EXT4-fs warning \\(device ([^)]+)\\)", kWarning, 1},
    {"file system", "XFS (", "XFS \\(([^)]+)\\): .*([Ss]hut(ting)? ?down|[Cc]orruption)", kCritical, 1},
    {"file system", "BTRFS ", "BTRFS (error|critical) \\(device ([^):]+)", kCritical, 2},
    {"file system", "Remounting filesystem read-only", "\\(?([^ ()]*)\\)?: Remounting filesystem read-only", kCritical,
     1},
    {"file system", "forced readonly", "device ([^):]+).*forced readonly", kCritical, 1},
    {"file server", "not responding", "nfs: server ([^ ]+) not responding, timed out", kCritical, 1},
    {"file server", "not responding", "nfs: server ([^ ]+) not responding", kWarning, 1},
    {"file server", "evicted", "Lustre.*This client was evicted by ([^;, ]+)", kCritical, 1},
    // Memory, tasks, the kernel itself.
    {"OOM kill", "emory cgroup out of memory", "emory cgroup out of memory: Kill(ed)? process ([0-9]+) \\(([^)]*)\\)",
     kWarning, 3, 2},
    {"OOM kill", "Out of memory: Kill", "Out of memory: Kill(ed)? process ([0-9]+) \\(([^)]*)\\)", kCritical, 3, 2},
    {"hung task", "blocked for more than", "task (.+):[0-9]+ (<[^>]*> )?blocked (in I/O wait )?for more than",
     kCritical, 1},
    {"hard lockup", "ard LOCKUP", "hard LOCKUP on cpu ?([0-9]*)", kCritical, 1},
    {"soft lockup", "soft lockup", "soft lockup - CPU#([0-9]+)", kWarning, 1},  // a host that paused it does the same
    {"RCU stall", "detected", "rcu.*(self-)?detected (expedited )?stall", kWarning},
    {"kernel oops", "BUG: ", "BUG: (unable to handle|kernel NULL|Bad page|scheduling while atomic)", kCritical},
    {"kernel oops", "kernel BUG at", "", kCritical},
    {"kernel oops", "[#", "(Oops|general protection fault|divide error|invalid opcode|stack segment).*\\[#[0-9]+\\]",
     kCritical},
    {"kernel panic", "Kernel panic - not syncing", "", kCritical},
    {"kernel warning", "WARNING: ", "WARNING: (CPU: [0-9]+ |[^ ]+:[0-9]+ at )", kWarning},
    {"no memory", "page allocation failure", "([^ :]+): page allocation failure", kWarning, 1},
    {"too hot", "temperature", "CPU([0-9]+): (Core|Package) temperature (is )?above threshold", kWarning, 1},
    {"too hot", "power limit notification", "CPU([0-9]+): .*power limit notification", kWarning, 1},
    {"clock", "clocksource", "Marking clocksource '([^']+)' as unstable", kWarning, 1},
    {"interrupt", "nobody cared", "irq ([0-9]+): nobody cared", kWarning, 1},
};

#undef GRIT_PCI

constexpr std::size_t kMostGroups = 6;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.size(), text.find('\n', begin));
    if (end > begin) lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return lines;
}

Result<std::set<int>> numbers_of(const std::string& list) {
  std::set<int> numbers;
  const char* const end = list.data() + list.size();
  for (const char* at = list.data(); at < end; ++at) {
    int number = 0;
    const auto parsed = std::from_chars(at, end, number);
    if (parsed.ec != std::errc{} || (parsed.ptr != end && *parsed.ptr != ','))
      return usage_error(fmt::format("\"{}\" is no list of numbers, such as \"13,31\"", shortened(list)));
    numbers.insert(number);
    at = parsed.ptr;
  }
  return numbers;
}

int number_in(const std::string& text) {
  int number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

Result<LinePattern> LinePattern::make(const std::string& expression) {
  LinePattern pattern;
  auto compiled = std::make_unique<regex_t>();
  if (const int error = ::regcomp(compiled.get(), expression.c_str(), REG_EXTENDED); error != 0) {
    std::array<char, 128> why{};
    ::regerror(error, compiled.get(), why.data(), why.size());
    return usage_error(fmt::format("\"{}\" is no regular expression: {}", shortened(expression), why.data()));
  }
  pattern.compiled_.reset(compiled.release());
  return pattern;
}

std::vector<std::string> LinePattern::match(const std::string& text) const {
  std::array<regmatch_t, kMostGroups> found{};
  if (::regexec(compiled_.get(), text.c_str(), found.size(), found.data(), 0) != 0) return {};
  std::vector<std::string> groups;
  for (const regmatch_t& one : found)
    groups.push_back(one.rm_so < 0 ? ""
                                   : text.substr(static_cast<std::size_t>(one.rm_so),
                                                 static_cast<std::size_t>(one.rm_eo - one.rm_so)));
  return groups;
}

Result<KernelLogRules> KernelLogRules::make(const std::string& more, const std::string& ignored,
                                            const std::string& mild_xids) {
  KernelLogRules rules;
  const auto of = [](std::string_view parameter, const auto& failed) {
    return usage_error(fmt::format("parameter \"{}\": {}", parameter, failed.error().message));
  };
  const auto numbers = numbers_of(mild_xids);
  if (!numbers) return of("mild_xids", numbers);
  rules.mild_xids_ = *numbers;
  for (const std::string& line : lines_of(ignored)) {
    auto made = LinePattern::make(line);
    if (!made) return of("ignore", made);
    LinePattern pattern = std::move(*made);
    rules.ignored_.push_back(std::move(pattern));
  }
  for (const std::string& line : lines_of(more)) {
    const std::size_t colon = line.find(':');
    const auto severity = severity_from(line.substr(0, colon));
    if (colon == std::string::npos || !severity || !is_alarm(*severity))
      return usage_error(
          fmt::format("parameter \"deny\": \"{}\" does not begin with \"critical:\" or \"warning:\"", shortened(line)));
    auto made = LinePattern::make(line.substr(colon + 1));
    if (!made) return of("deny", made);
    rules.rules_.push_back({.kind = "of your own", .pattern = std::move(*made), .severity = *severity, .subject = 1});
  }
  for (const Row& row : kRows) {
    GRIT_TRY(LinePattern pattern, LinePattern::make(row.pattern));
    rules.rules_.push_back({.kind = row.kind,
                            .literal = row.literal,
                            .pattern = std::move(pattern),
                            .severity = row.severity,
                            .subject = row.subject,
                            .pid = row.pid,
                            .xid = row.xid,
                            .of_nic = row.of_nic});
  }
  return rules;
}

bool KernelLogRules::is_ignored(const std::string& text) const {
  return std::any_of(ignored_.begin(), ignored_.end(),
                     [&](const LinePattern& one) { return !one.match(text).empty(); });
}

KernelFinding KernelLogRules::finding(const Rule& rule, const std::vector<std::string>& groups) const {
  KernelFinding found{.kind = rule.kind, .severity = rule.severity, .of_nic = rule.of_nic};
  if (rule.subject > 0) found.subject = groups[rule.subject];
  if (rule.pid > 0) found.pid = number_in(groups[rule.pid]);
  if (rule.xid == 0) return found;
  found.kind = fmt::format("{} {}", rule.kind, groups[rule.xid]);
  if (mild_xids_.contains(number_in(groups[rule.xid]))) found.severity = Severity::warning;
  return found;
}

std::optional<KernelFinding> KernelLogRules::judge(const std::string& text) const {
  for (const Rule& rule : rules_) {
    if (text.find(rule.literal) == std::string::npos) continue;
    const auto groups = rule.pattern.match(text);
    if (groups.empty()) continue;
    if (rule.severity == Severity::ok || is_ignored(text)) return std::nullopt;
    return finding(rule, groups);
  }
  return std::nullopt;
}

bool is_part_of_a_dump(std::string_view text) {
  constexpr std::string_view kStarts[] = {
      " ", "<", "Code: ", "Call Trace:", "CPU: ", "Modules ", "Hardware name", "Workqueue: ", "---[ end", "Mem-Info:"};
  if (std::any_of(std::begin(kStarts), std::end(kStarts), [&](std::string_view one) { return text.starts_with(one); }))
    return true;
  const std::string_view name = text.substr(0, text.find(": "));  // of a register
  return name.size() < text.size() && (name.size() == 2 || name.size() == 3) &&
         std::all_of(name.begin(), name.end(), [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
}

std::string kind_of_kernel_line(std::string_view text) {
  constexpr std::size_t kMost_bytes = 160;
  const auto is_word = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_'; };
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  std::string kind;
  const auto add_variable = [&] {  // "#:#.#" is one address
    const std::size_t size = kind.size();
    if (size > 1 && kind[size - 2] == '#' && std::string_view(":.,-/").find(kind.back()) != std::string_view::npos)
      kind.pop_back();
    if (kind.empty() || kind.back() != '#') kind += '#';
  };
  for (std::size_t i = 0; i < text.size() && kind.size() < kMost_bytes;) {
    const char c = text[i];
    const std::size_t quote_end = c == '\'' || c == '"' ? text.find(c, i + 1) : std::string_view::npos;
    if (quote_end != std::string_view::npos) {
      add_variable();
      i = quote_end + 1;
      continue;
    }
    std::size_t end = i;
    const bool is_path = c == '/' && (i == 0 || text[i - 1] == ' ');
    while (end < text.size() && (is_path ? text[end] != ' ' : is_word(text[end]))) ++end;
    const std::string_view word = text.substr(i, end - i);
    if (word.empty())
      kind += c, end = i + 1;
    else if (is_path || std::any_of(word.begin(), word.end(), is_digit))
      add_variable();
    else
      kind += word;
    i = end;
  }
  return kind.substr(0, kMost_bytes);
}

}  // namespace grit

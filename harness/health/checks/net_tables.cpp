// net_tables: the kernel's tables of neighbours, tracked connections, ports, sockets, open files and tasks have room.
//
// A full one loses packets or refuses connections, on a node that is well otherwise. Those of the network are the
// network namespace's own where the kernel shows them there; the neighbours' is one for the whole machine, and shown
// in its first network namespace only. Open files and tasks are the machine's too: nodes of one run that have network
// namespaces of their own may be one machine, as those of a local cluster are, and leave them out, so that none of them
// is named for what all have between them.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string_view>

#include "harness/base/files.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/os/snmp.hpp"

namespace grit {
namespace {

namespace fs = std::filesystem;

/// More than any of these files has, on 4,096 CPUs too.
constexpr std::size_t kMostBytes = std::size_t{4} << 20;

std::vector<std::string_view> words_of(std::string_view text, std::string_view between = " \t\n") {
  std::vector<std::string_view> words;
  for (std::size_t end = 0;;) {
    const std::size_t start = text.find_first_not_of(between, end);
    if (start == std::string_view::npos) return words;
    end = std::min(text.find_first_of(between, start), text.size());
    words.push_back(text.substr(start, end - start));
  }
}

/// fs.file-max may be the largest there is, 2^63 - 1: systemd sets it.
std::optional<std::int64_t> number(std::string_view word, int base = 10) {
  std::int64_t value = 0;
  const auto parsed = std::from_chars(word.data(), word.data() + word.size(), value, base);
  if (parsed.ec != std::errc{} || parsed.ptr != word.data() + word.size() || value < 0) return std::nullopt;
  return value;
}

/// The numbers of a file with nothing else in it; empty when it is not there, or is not that.
std::vector<std::int64_t> numbers_in(const fs::path& file) {
  const std::string text = read_file(file, kMostBytes).value_or("");
  std::vector<std::int64_t> numbers;
  for (const std::string_view word : words_of(text)) {
    const auto one = number(word);
    if (!one) return {};
    numbers.push_back(*one);
  }
  return numbers;
}

std::optional<std::int64_t> number_in(const fs::path& file) {
  const auto numbers = numbers_in(file);
  return numbers.size() == 1 ? std::optional(numbers[0]) : std::nullopt;
}

/// Of /proc/net/stat: names in the first line, and in each further one the same figures of one CPU, in hexadecimal.
class PerCpuTable {
 public:
  explicit PerCpuTable(const fs::path& file) {
    const std::string text = read_file(file, kMostBytes).value_or("");
    const auto lines = words_of(text, "\n");
    if (lines.empty()) return;
    const auto names = words_of(lines[0]);
    for (std::size_t i = 1; i < lines.size(); ++i) {
      const auto values = words_of(lines[i]);
      for (std::size_t j = 0; j < std::min(names.size(), values.size()); ++j)
        if (const auto value = number(values[j], 16)) columns_[std::string(names[j])].push_back(*value);
    }
  }
  /// Each line has the same total.
  [[nodiscard]] std::optional<std::int64_t> total(const std::string& column) const {
    const auto found = columns_.find(column);
    return found == columns_.end() ? std::nullopt : std::optional(found->second.front());
  }
  /// Each line has its CPU's own.
  [[nodiscard]] std::optional<std::int64_t> sum(const std::string& column) const {
    const auto found = columns_.find(column);
    if (found == columns_.end()) return std::nullopt;
    std::int64_t sum = 0;
    for (const std::int64_t one : found->second) sum += one & 0xffffffff;  // they are 32 bits wide
    return sum;
  }

 private:
  std::map<std::string, std::vector<std::int64_t>> columns_{};
};

/// One table, as far as the kernel says something of it.
struct Table {
  std::string name{};
  std::optional<std::int64_t> used{}, size{};
  std::string why_not{};  // when one of these is not known
  std::string counter{};  // what it has lost, since boot: its name and value
  std::optional<std::int64_t> lost{};
  Severity when_full = Severity::critical;  // what a loss is when it is full
  double full_from = 0;                     // the share in use from which a loss tells that it is; 0: any does
  std::string other_loss{};                 // what a loss is when it is not full, which is a warning
  double warning = 0, critical = 0;         // shares
  std::string hint{};
};

Table neighbours(const fs::path& proc, const std::string& stat, const std::string& family, const Params& params) {
  Table table{.name = stat,
              .used = PerCpuTable(proc / "thread-self/net/stat" / stat).total("entries"),
              .size = number_in(proc / "sys/net" / family / "neigh/default/gc_thresh3"),
              .why_not = "shown only in the machine's first network namespace",
              .counter = "table_fulls",
              .lost = PerCpuTable(proc / "thread-self/net/stat" / stat).sum("table_fulls"),
              .warning = params.number("warning")};
  table.hint = fmt::format("net.{}.neigh.default.gc_thresh3", family);
  return table;
}

/// A table that was full a moment ago has lost some entries since (grit's own choice).
constexpr double kNearlyFull = 0.95;

Table tracked_connections(const fs::path& proc, const Params& params) {
  return {.name = "conntrack",
          .used = number_in(proc / "sys/net/netfilter/nf_conntrack_count"),
          .size = number_in(proc / "sys/net/netfilter/nf_conntrack_max"),
          .why_not = "this kernel tracks no connections",
          .counter = "drop",
          .lost = PerCpuTable(proc / "thread-self/net/stat/nf_conntrack").sum("drop"),
          // Two packets that open the same connection at once, as UDP's questions for a name do, are counted there too.
          .full_from = kNearlyFull,
          .other_loss = "packets that are tracked were dropped",
          .warning = params.number("warning"),
          .hint = "net.netfilter.nf_conntrack_max"};
}

/// Sums of a few fit, whatever the file says.
constexpr std::int64_t kMostSummed = std::int64_t{1} << 60;

/// "TCP: inuse 1 orphan 0 tw 0 alloc 29 mem 27"
std::map<std::string, std::int64_t> sockets_of(const std::string& text, std::string_view group) {
  std::map<std::string, std::int64_t> figures;
  for (const std::string_view line : words_of(text, "\n")) {
    const auto words = words_of(line);
    if (words.empty() || words[0] != group) continue;
    for (std::size_t i = 1; i + 1 < words.size(); i += 2)
      if (const auto value = number(words[i + 1])) figures[std::string(words[i])] = std::min(*value, kMostSummed);
  }
  return figures;
}

std::int64_t at_or_0(const std::map<std::string, std::int64_t>& figures, const std::string& name) {
  const auto found = figures.find(name);
  return found == figures.end() ? 0 : found->second;
}

/// How many of the ports from `first` to `last` a list such as "8080,40000-40099" has.
std::int64_t ports_in(std::string_view list, std::int64_t first, std::int64_t last) {
  std::int64_t ports = 0;
  for (const std::string_view range : words_of(list, ", \n")) {
    const std::size_t dash = std::min(range.find('-'), range.size());
    const auto from = number(range.substr(0, dash));
    const auto to = dash == range.size() ? from : number(range.substr(dash + 1));
    if (from && to) ports += std::max<std::int64_t>(0, std::min(*to, last) - std::max(*from, first) + 1);
  }
  return ports;
}

std::optional<std::int64_t> ports_to_choose_from(const fs::path& proc) {
  const auto range = numbers_in(proc / "sys/net/ipv4/ip_local_port_range");
  if (range.size() != 2 || range[1] < range[0] || range[1] > 65'535) return std::nullopt;
  const std::string reserved = read_file(proc / "sys/net/ipv4/ip_local_reserved_ports", kMostBytes).value_or("");
  return range[1] - range[0] + 1 - ports_in(reserved, range[0], range[1]);
}

/// Sockets of TCP, those that listen or have a port of the program's choice too: no fewer than the ports in use, and
/// more where one port serves connections to several others.
void add_tcp(const fs::path& proc, const Params& params, const std::map<std::string, std::int64_t>& counters,
             std::vector<Table>& tables) {
  const auto four = read_file(proc / "thread-self/net/sockstat", kMostBytes);
  const auto six = read_file(proc / "thread-self/net/sockstat6", kMostBytes);
  const auto sockets = sockets_of(four.value_or(""), "TCP:");
  const std::int64_t in_use = at_or_0(sockets, "inuse") + at_or_0(sockets_of(six.value_or(""), "TCP6:"), "inuse");
  const std::int64_t waiting = at_or_0(sockets, "tw");
  const auto known = [&](std::int64_t value) { return four ? std::optional(value) : std::nullopt; };
  tables.push_back({.name = "tcp ports",
                    .used = known(in_use + waiting),
                    .size = ports_to_choose_from(proc),
                    .why_not = "/proc/net/sockstat or ip_local_port_range cannot be read",
                    .warning = params.number("warning"),
                    .hint = fmt::format("{} of them wait to be used again; net.ipv4.ip_local_port_range", waiting)});
  const auto overflow = counters.find("TcpExt.TCPTimeWaitOverflow");
  tables.push_back(
      {.name = "tcp time-wait",
       .used = known(waiting),
       .size = number_in(proc / "sys/net/ipv4/tcp_max_tw_buckets"),
       .why_not = "tcp_max_tw_buckets cannot be read",
       .counter = "TCPTimeWaitOverflow",
       .lost = overflow == counters.end() || overflow->second < 0 ? std::nullopt : std::optional(overflow->second),
       .when_full = Severity::warning,  // a connection that had ended does not wait: nothing is lost by that
       .warning = params.number("warning"),
       .hint = "net.ipv4.tcp_max_tw_buckets"});
  // The second of its three limits is where the kernel begins to save, the third where it refuses (tcp(7)).
  const auto limits = numbers_in(proc / "sys/net/ipv4/tcp_mem");
  const bool has_limits = limits.size() == 3 && limits[2] > 0;
  tables.push_back({.name = "tcp memory",
                    .used = known(at_or_0(sockets, "mem")),
                    .size = has_limits ? std::optional(limits[2]) : std::nullopt,
                    .why_not = "shown only in the machine's first network namespace",
                    .warning = has_limits ? static_cast<double>(limits[1]) / static_cast<double>(limits[2]) : 0,
                    .critical = 1,
                    .hint = "net.ipv4.tcp_mem"});
}

Table open_files(const fs::path& proc, const Params& params) {
  const auto figures = numbers_in(proc / "sys/fs/file-nr");
  Table table{.name = "open files", .why_not = "/proc/sys/fs/file-nr cannot be read", .hint = "fs.file-max"};
  if (figures.size() == 3) table.used = figures[0], table.size = figures[2];
  table.warning = params.number("files_warning"), table.critical = params.number("files_critical");
  return table;
}

/// Processes and threads: "0.32 0.29 0.31 1/156 4711", and the lower of two limits.
Table tasks(const fs::path& proc, const Params& params) {
  Table table{.name = "tasks", .why_not = "/proc/loadavg or pid_max cannot be read"};
  const std::string text = read_file(proc / "loadavg", 4096).value_or("");
  if (const auto words = words_of(text); words.size() == 5)
    if (const auto slash = words[3].find('/'); slash != std::string_view::npos)
      table.used = number(words[3].substr(slash + 1));
  const auto pids = number_in(proc / "sys/kernel/pid_max"), threads = number_in(proc / "sys/kernel/threads-max");
  if (pids && threads) table.size = std::min(*pids, *threads);
  table.warning = params.number("warning"), table.hint = "kernel.pid_max, kernel.threads-max";
  return table;
}

/// Empty: it is not known.
std::optional<double> share_in_use(const Table& table) {
  if (!table.used || !table.size || *table.size <= 0) return std::nullopt;
  return static_cast<double>(*table.used) / static_cast<double>(*table.size);
}

Outcome outcome_of(const Table& table, CheckMemory& memory) {
  const std::int64_t lost = table.lost ? memory.growth(table.name, *table.lost).value_or(0) : 0;
  const auto share = share_in_use(table);
  Outcome outcome{.severity = Severity::ok, .subject = table.name};
  if (lost > 0) {
    const bool is_full = share.value_or(0) >= table.full_from;
    outcome.severity = is_full ? table.when_full : Severity::warning;
    outcome.detail = fmt::format("{} +{}: {}", table.counter, lost, is_full ? "it is full" : table.other_loss);
    outcome.hint = table.hint;
  }
  if (!share) {
    if (lost > 0) return outcome;
    outcome = not_here(table.why_not);
    outcome.subject = table.name;
    return outcome;
  }
  outcome.value = *share, outcome.unit = "share";
  outcome.severity = std::max(outcome.severity, judge_at_least(*share, table.warning, table.critical));
  outcome.detail += fmt::format("{}{} of {}", outcome.detail.empty() ? "" : "; ", *table.used, *table.size);
  if (is_alarm(outcome.severity)) outcome.hint = table.hint;
  return outcome;
}

/// The kernel shows the table of neighbours in the machine's first network namespace only.
bool may_share_machine(const CheckInput& input) {
  std::error_code ignored;
  return input.peers.size() > 1 && !fs::exists(input.proc / "thread-self/net/stat/arp_cache", ignored);
}

Result<std::vector<Outcome>> read(const CheckInput& input) {
  const Params& params = input.params;
  GRIT_TRY(const auto counters, read_network_counters(input.proc));
  std::vector<Table> tables{neighbours(input.proc, "arp_cache", "ipv4", params),
                            neighbours(input.proc, "ndisc_cache", "ipv6", params),
                            tracked_connections(input.proc, params)};
  add_tcp(input.proc, params, counters, tables);
  if (!may_share_machine(input)) {
    tables.push_back(open_files(input.proc, params));
    tables.push_back(tasks(input.proc, params));
  }
  std::vector<Outcome> outcomes;
  for (const Table& table : tables) outcomes.push_back(outcome_of(table, input.memory));
  return outcomes;
}

std::vector<ParamSpec> params() {
  return {{"warning", Unit::fraction, 0.75,
           "share of a table in use (node exporter's mixin, NodeHighNumberConntrackEntriesUsed; the same for the other "
           "tables is grit's own choice); one that lost something by being full is critical, tcp time-wait a warning"},
          {"files_warning", Unit::fraction, 0.7,
           "share of the machine's open files (node exporter's mixin, NodeFileDescriptorLimit); not looked at in a run "
           "by nodes in network namespaces of their own, which may be one machine"},
          {"files_critical", Unit::fraction, 0.9, "as much is critical (the same)"}};
}

}  // namespace

const Check& net_tables() {
  static const Check check{
      .info = {.name = "net_tables",
               .summary = "Tables of neighbours, tracked connections, ports, sockets, files and tasks have room",
               .params = params(),
               .counts = true,
               .period_ns = 5 * kNsPerS,
               .untripped = "no fault here fills a table",
               .proven = "connections in a network namespace of 32 ports"},
      .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit

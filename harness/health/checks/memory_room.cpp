// memory_room: there is memory to be had, also in blocks that are large enough for huge pages.
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "harness/base/files.hpp"
#include "harness/base/printable.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/os/kernel_text.hpp"
#include "harness/os/memory.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxFileBytes = 4 << 20;
constexpr double kMiB = 1 << 20;
constexpr const char* kFragmentationHint =
    "cat /proc/buddyinfo; echo 1 >/proc/sys/vm/compact_memory moves pages together once";

Outcome available_outcome(const Memory& memory, const Params& params) {
  const double share = static_cast<double>(memory.available_bytes) / static_cast<double>(memory.total_bytes);
  const double bytes = static_cast<double>(memory.available_bytes);
  const auto least_bytes = static_cast<double>(params.integer("available_critical"));
  Severity severity = judge_at_most(share, params.number("available_warning"), 0);
  // In a container that may have little, little is left when all is well.
  if (is_alarm(severity)) severity = std::max(severity, judge_at_most(bytes, 0, least_bytes));
  return {.severity = severity,
          .value = share,
          .unit = "share",
          .detail = fmt::format("{:.1f} % of {:.0f} MiB of memory are available", 100 * share,
                                static_cast<double>(memory.total_bytes) / kMiB),
          .hint = is_alarm(severity) ? "ps aux --sort=-rss | head" : ""};
}

/// Lines "NAME VALUE".
using Counts = std::map<std::string_view, std::int64_t>;

Counts counts_of(std::string_view vmstat) {
  Counts counts;
  for (const std::string_view line : lines_of(vmstat)) {
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos) continue;
    if (const auto value = whole_number(line.substr(blank))) counts[line.substr(0, blank)] = *value;
  }
  return counts;
}

/// By how much each of these counters grew; nothing of those that the kernel does not have.
std::int64_t growth(const Counts& counts, std::initializer_list<std::string_view> names, CheckMemory& memory) {
  std::int64_t sum = 0;
  for (const std::string_view name : names)
    if (const auto found = counts.find(name); found != counts.end())
      sum += memory.growth(std::string(name), found->second).value_or(0);
  return sum;
}

/// A warning: which process it was, and whether it ran into the machine's limit or its own container's, is not told.
Outcome oom_outcome(const Counts& counts, CheckMemory& memory) {
  if (!counts.contains("oom_kill"))
    return {.subject = "oom_kill", .detail = "/proc/vmstat does not count killed processes (Linux before 4.13)"};
  const std::int64_t killed = growth(counts, {"oom_kill"}, memory);
  return {.severity = killed > 0 ? Severity::warning : Severity::ok,
          .subject = "oom_kill",
          .value = static_cast<double>(killed),
          .unit = "count",
          .detail = fmt::format("the kernel killed {} processes for want of memory", killed),
          .hint = killed > 0 ? "dmesg | grep -i 'killed process'" : ""};
}

/// Of processes that had to move pages together themselves before they got a block of memory.
Outcome compaction_outcome(const Counts& counts, const CheckInput& input) {
  if (!counts.contains("compact_stall"))
    return {.subject = "compaction", .detail = "this kernel counts no compactions (CONFIG_COMPACTION)"};
  const std::int64_t stalls = growth(counts, {"compact_stall"}, input.memory);
  if (input.memory.is_first()) return {.severity = Severity::ok, .subject = "compaction", .detail = "first reading"};
  // Of a window shorter than a second the rate says nothing.
  const double seconds =
      std::max(1.0, static_cast<double>(input.memory.elapsed_ns().value_or(0)) / static_cast<double>(kNsPerS));
  const double rate = static_cast<double>(stalls) / seconds;
  const bool over = is_alarm(judge_at_least(rate, input.params.number("stalls"), 0));
  const std::int64_t before = input.memory.find("readings over stalls").value_or(0);
  input.memory.keep("readings over stalls", over ? before + 1 : 0);
  const bool alarms = over && before > 0;
  return {.severity = alarms ? Severity::warning : Severity::ok,
          .subject = "compaction",
          .value = rate,
          .unit = "1/s",
          .detail = fmt::format("{:.1f} times a second a process had to compact memory itself", rate),
          .hint = alarms ? kFragmentationHint : ""};
}

/// A memory zone of a NUMA node.
struct Zone {
  std::string name{};            // "node0/Normal"
  std::int64_t free_bytes = 0;   // in blocks of any size
  std::int64_t huge_blocks = 0;  // as many huge pages as its larger blocks have room for
};

struct PageSizes {
  std::int64_t base_bytes = 4096;
  std::size_t huge_order = 9;  // a huge page is 2^order pages
};

PageSizes page_sizes(const std::filesystem::path& sys) {
  PageSizes sizes{.base_bytes = std::max(::sysconf(_SC_PAGESIZE), 1L)};
  constexpr std::int64_t kMost_bytes = std::int64_t{1} << 40U;  // of no machine a huge page is so large
  const auto huge_bytes = number_in(sys / "kernel/mm/transparent_hugepage/hpage_pmd_size");
  if (!huge_bytes || *huge_bytes < sizes.base_bytes || *huge_bytes > kMost_bytes) return sizes;
  for (sizes.huge_order = 0; (sizes.base_bytes << sizes.huge_order) < *huge_bytes; ++sizes.huge_order) {
  }
  return sizes;
}

/// A line of /proc/buddyinfo (proc(5)): "Node 0, zone   Normal   6692   7905 ...", one column an order. Empty: it is
/// none, or has no column of huge pages.
std::optional<Zone> zone_of(std::string_view line, const PageSizes& pages) {
  const auto words = words_of(line);
  constexpr std::size_t kHead = 4;
  if (words.size() <= kHead + pages.huge_order || words[0] != "Node" || words[2] != "zone") return std::nullopt;
  const auto node = whole_number(words[1].substr(0, words[1].find(',')));
  if (!node) return std::nullopt;
  Zone zone{.name = printable(fmt::format("node{}/{:.32}", *node, words[3]))};
  constexpr std::size_t kMaxOrders = 32;
  constexpr std::int64_t kMost_bytes = std::int64_t{1} << 57U;  // of an order: the sum of all fits
  for (std::size_t order = 0; kHead + order < words.size() && order < kMaxOrders; ++order) {
    const auto blocks = whole_number(words[kHead + order]);
    if (!blocks || *blocks < 0 || *blocks > (kMost_bytes / pages.base_bytes) >> order) return std::nullopt;
    zone.free_bytes += (*blocks << order) * pages.base_bytes;
    if (order >= pages.huge_order) zone.huge_blocks += *blocks << (order - pages.huge_order);
  }
  return zone;
}

Outcome zone_outcome(const Zone& zone, std::int64_t failed, const PageSizes& pages, const Params& params) {
  const std::int64_t huge_bytes = pages.base_bytes << pages.huge_order;
  const double huge_free = static_cast<double>(zone.huge_blocks * huge_bytes);
  const double unusable =
      zone.free_bytes > 0 ? 1 - std::min(1.0, huge_free / static_cast<double>(zone.free_bytes)) : 0.0;
  // The page cache of a machine that runs for long fills all but odd bits, and makes room when it is asked: few large
  // blocks are a fault only where somebody did not get one.
  const bool fragmented = zone.huge_blocks < params.integer("huge_blocks") && unusable > params.number("unusable") &&
                          failed > 0 && params.integer("huge_blocks") > 0;
  return {.severity = fragmented ? Severity::warning : Severity::ok,
          .subject = zone.name,
          .value = huge_free,
          .unit = "bytes",
          .detail = fmt::format("{:.0f} of {:.0f} MiB free memory are in blocks of {:.0f} MiB{}", huge_free / kMiB,
                                static_cast<double>(zone.free_bytes) / kMiB, static_cast<double>(huge_bytes) / kMiB,
                                failed > 0 ? fmt::format("; {} times there was none for who asked", failed) : ""),
          .hint = fragmented ? kFragmentationHint : ""};
}

/// Those that memory is taken from first. What is for old devices is small and kept free for them, unless a machine has
/// nothing else.
std::vector<Zone> zones_of(std::string_view buddyinfo, const PageSizes& pages) {
  std::vector<Zone> zones, of_devices;
  for (const std::string_view line : lines_of(buddyinfo)) {
    auto zone = zone_of(line, pages);
    if (!zone || zone->free_bytes == 0) continue;
    const bool is_of_devices = zone->name.ends_with("/DMA") || zone->name.ends_with("/DMA32");
    (is_of_devices ? of_devices : zones).push_back(std::move(*zone));
  }
  return zones.empty() ? of_devices : zones;
}

std::vector<Outcome> zone_outcomes(const CheckInput& input, std::int64_t failed) {
  const auto text = read_file(input.proc / "buddyinfo", kMaxFileBytes);
  if (!text) return {{.subject = "fragmentation", .detail = text.error().message}};
  const PageSizes pages = page_sizes(input.sys);
  constexpr std::size_t kMaxZones = 48;
  std::vector<Outcome> outcomes;
  for (const Zone& zone : zones_of(*text, pages))
    if (outcomes.size() < kMaxZones) outcomes.push_back(zone_outcome(zone, failed, pages, input.params));
  if (outcomes.empty())
    outcomes.push_back({.subject = "fragmentation",
                        .detail = fmt::format("/proc/buddyinfo says nothing of blocks of {} KiB",
                                              (pages.base_bytes << pages.huge_order) / 1024)});
  return outcomes;
}

Result<std::vector<Outcome>> read(const CheckInput& input) {
  GRIT_TRY(const Memory memory, read_memory(input.proc));
  if (memory.total_bytes <= 0) return unavailable_error("/proc/meminfo says that there is no memory");
  std::vector<Outcome> outcomes{available_outcome(memory, input.params)};
  const auto vmstat = read_file(input.proc / "vmstat", kMaxFileBytes);
  const Counts counts = counts_of(vmstat ? *vmstat : std::string_view());
  outcomes.push_back(oom_outcome(counts, input.memory));
  outcomes.push_back(compaction_outcome(counts, input));
  const std::int64_t failed = growth(counts, {"compact_fail", "thp_fault_fallback"}, input.memory);
  for (Outcome& outcome : zone_outcomes(input, failed)) outcomes.push_back(std::move(outcome));
  return outcomes;
}

std::vector<ParamSpec> params() {
  return {{"available_warning",
           Unit::fraction,
           0.10,
           "alarms when at most this share of the memory is available; 0: off (node exporter's mixin: 90 % used)",
           {},
           0.0,
           1.0},
          {"available_critical",
           Unit::bytes,
           std::int64_t{100} << 20,
           "and critical when it is also at most so much; 0: off (kubelet's eviction-hard memory.available)",
           {},
           0.0,
           {}},
          {"stalls",
           Unit::number,
           10.0,
           "alarms when so many times a second, in two readings in a row, a process had to compact memory itself; 0: "
           "off (grit's own choice)",
           {},
           0.0,
           {}},
          {"huge_blocks",
           Unit::count,
           64,
           "alarms when a zone has fewer free blocks of the size of a huge page, and somebody got none; 0: off (grit's "
           "own choice)",
           {},
           0.0,
           {}},
          {"unusable",
           Unit::fraction,
           0.95,
           "and more than this share of its free memory is in smaller blocks (grit's own choice)",
           {},
           0.0,
           1.0}};
}

}  // namespace

const Check& memory_room() {
  static const Check check{
      .info = {.name = "memory_room",
               .summary = "Memory is available, in large blocks too, and nobody was killed for it",
               .params = params(),
               .counts = true,
               .of_machine = true,
               .period_ns = 5 * kNsPerS,
               .trips = "memory_pressure",
               .proven = "a process that the kernel kills for want of memory, in a virtual machine"},
      .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit

#include "harness/os/memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/base/shortened.hpp"
#include "harness/os/cgroup_files.hpp"

namespace grit {
namespace {

std::optional<std::int64_t> leading_number(const std::string& text, std::size_t from = 0) {
  from = text.find_first_not_of(" \t", from);
  if (from == std::string::npos) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + from, text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;  // memory.max says "max" when there is no limit
  return value;
}

std::optional<std::int64_t> number_of(const std::filesystem::path& path) {
  const auto text = read_file(path);
  return text ? leading_number(*text) : std::nullopt;
}

Result<std::int64_t> meminfo(const std::string& text, const std::string& key) {
  const std::size_t at = text.find(key + ":");
  const auto value = at == std::string::npos ? std::nullopt : leading_number(text, at + key.size() + 1);
  if (!value) return internal_error("/proc/meminfo has no " + key);
  return *value * 1024;
}

struct LimitFiles {
  CgroupVersion version;
  const char* limit;
  const char* usage;
  const char *inactive, *active;  // page cache, in memory.stat, of the group and all below it
};
constexpr LimitFiles kLimitFiles[] = {
    {CgroupVersion::v2, "memory.max", "memory.current", "inactive_file", "active_file"},
    {CgroupVersion::v1, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file", "total_active_file"},
};

/// One control group's limit. Page cache that nobody used lately does not count as used, and of the other half: the
/// kernel gives it up when it needs it, as MemAvailable has it of the whole machine.
void apply_limit(Memory& memory, const std::filesystem::path& group, const LimitFiles& files) {
  const auto limit = number_of(group / files.limit);
  const auto usage = number_of(group / files.usage);
  if (!limit || !usage) return;  // the top has none, nor a version 2 group whose controllers are in version 1
  const auto stat = read_file(group / "memory.stat");
  const std::int64_t reclaimable =
      stat ? cgroup_files::value_of(*stat, files.inactive) + cgroup_files::value_of(*stat, files.active) / 2 : 0;
  memory.total_bytes = std::min(memory.total_bytes, *limit);
  memory.available_bytes = std::min(
      memory.available_bytes, std::max<std::int64_t>(0, *limit - std::max<std::int64_t>(0, *usage - reclaimable)));
}

constexpr std::size_t kMaxStall_bytes = 4096;

/// After "KEY=" in a line.
template <class Number>
std::optional<Number> value_in(std::string_view line, std::string_view key) {
  const std::size_t at = line.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  line.remove_prefix(at + key.size());
  Number value{};
  if (std::from_chars(line.data(), line.data() + line.size(), value).ec != std::errc()) return std::nullopt;
  return value;
}

/// "some avg10=0.08 avg60=0.07 avg300=0.03 total=368652569", the total in µs.
std::optional<Stall> stall_in(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (!line.starts_with(name)) continue;
    const auto avg10 = value_in<double>(line, " avg10=");
    const auto total_us = value_in<std::int64_t>(line, " total=");
    constexpr std::int64_t kMost_us = std::numeric_limits<std::int64_t>::max() / kNsPerUs;
    if (!avg10 || !total_us || *total_us < 0 || *total_us > kMost_us) return std::nullopt;
    return Stall{*avg10, *total_us * kNsPerUs};
  }
  return std::nullopt;
}

}  // namespace

Result<Memory> read_memory(const std::filesystem::path& proc) {
  GRIT_TRY(const std::string info, read_file(proc / "meminfo"));
  Memory memory;
  GRIT_TRY(memory.total_bytes, meminfo(info, "MemTotal"));
  GRIT_TRY(memory.available_bytes, meminfo(info, "MemAvailable"));
  const auto cgroup = read_file(proc / "self/cgroup"), mountinfo = read_file(proc / "self/mountinfo");
  if (!cgroup || !mountinfo) return memory;  // a kernel without control groups
  for (const LimitFiles& files : kLimitFiles)
    for (const auto& group : cgroup_files::own_and_above(files.version, "memory", *cgroup, *mountinfo))
      apply_limit(memory, group, files);
  return memory;
}

Result<std::int64_t> read_page_faults() {
  GRIT_TRY(const std::string text, read_file("/proc/vmstat"));
  const std::size_t line = text.find("\npgfault ");
  const auto count = line == std::string::npos ? std::nullopt : leading_number(text, line + sizeof "\npgfault" - 1);
  if (!count) return unavailable_error("/proc/vmstat does not count page faults");
  return *count;
}

Result<Stalls> read_stalls(std::string_view resource, const std::filesystem::path& proc) {
  const std::filesystem::path file = proc / "pressure" / resource;
  const auto text = read_file(file, kMaxStall_bytes);
  if (!text)
    return unavailable_error(
        fmt::format("this kernel has no pressure stall information ({}): boot it with psi=1", file.string()));
  Stalls stalls;
  const auto some = stall_in(*text, "some");
  if (!some) return internal_error(file.string() + " is not understood: " + shortened(*text));
  stalls.some = *some;
  stalls.full = stall_in(*text, "full");
  return stalls;
}

Result<Stall> read_stall(std::string_view resource) {
  GRIT_TRY(const Stalls stalls, read_stalls(resource));
  return stalls.some;
}

}  // namespace grit

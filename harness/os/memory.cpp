#include "harness/os/memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <optional>
#include <sstream>
#include <string>

#include "harness/base/files.hpp"

namespace grit {
namespace {

std::optional<std::int64_t> number_in(const std::string& text, std::size_t from = 0) {
  from = text.find_first_not_of(" \t", from);
  if (from == std::string::npos) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data() + from, text.data() + text.size(), value);
  if (error != std::errc()) return std::nullopt;  // memory.max says "max" when there is no limit
  return value;
}

std::optional<std::int64_t> number_of(const std::string& path) {
  const auto text = read_file(path);
  return text ? number_in(*text) : std::nullopt;
}

Result<std::int64_t> meminfo(const std::string& text, const std::string& key) {
  const std::size_t at = text.find(key + ":");
  const auto value = at == std::string::npos ? std::nullopt : number_in(text, at + key.size() + 1);
  if (!value) return internal_error("/proc/meminfo has no " + key);
  return *value * 1024;
}

/// One cgroup's limit. Its page cache counts as used here, though the kernel could reclaim it: too careful, never too
/// bold.
void apply_limit(Memory& memory, const std::string& limit_file, const std::string& usage_file) {
  const auto limit = number_of(limit_file);
  const auto usage = number_of(usage_file);
  if (!limit || !usage) return;
  memory.total_bytes = std::min(memory.total_bytes, *limit);
  memory.available_bytes = std::min(memory.available_bytes, std::max<std::int64_t>(0, *limit - *usage));
}

}  // namespace

Result<Memory> read_memory() {
  GRIT_TRY(const std::string info, read_file("/proc/meminfo"));
  Memory memory;
  GRIT_TRY(memory.total_bytes, meminfo(info, "MemTotal"));
  GRIT_TRY(memory.available_bytes, meminfo(info, "MemAvailable"));
  const auto groups = read_file("/proc/self/cgroup");
  if (!groups) return memory;  // a kernel without cgroups
  std::istringstream lines(*groups);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t controllers = line.find(':');
    const std::size_t path = line.find(':', controllers + 1);
    if (controllers == std::string::npos || path == std::string::npos) continue;
    const std::string names = line.substr(controllers + 1, path - controllers - 1);
    // In a container the path is often the host's, and the container's own group is mounted at the root: try both.
    for (const std::string& group : {line.substr(path + 1), std::string()}) {
      if (names.empty())
        apply_limit(memory, "/sys/fs/cgroup" + group + "/memory.max", "/sys/fs/cgroup" + group + "/memory.current");
      if (names == "memory")
        apply_limit(memory, "/sys/fs/cgroup/memory" + group + "/memory.limit_in_bytes",
                    "/sys/fs/cgroup/memory" + group + "/memory.usage_in_bytes");
    }
  }
  return memory;
}

Result<std::int64_t> read_page_faults() {
  GRIT_TRY(const std::string text, read_file("/proc/vmstat"));
  const std::size_t line = text.find("\npgfault ");
  const auto count = line == std::string::npos ? std::nullopt : number_in(text, line + sizeof "\npgfault" - 1);
  if (!count) return unavailable_error("/proc/vmstat does not count page faults");
  return *count;
}

Result<Stall> read_stall(std::string_view resource) {
  const std::string file = fmt::format("/proc/pressure/{}", resource);
  const auto text = read_file(file);
  if (!text)
    return unavailable_error("this kernel has no pressure stall information (" + file + "): boot it with psi=1");
  Stall stall;
  double total_us = 0;
  if (std::sscanf(text->c_str(), "some avg10=%lf avg60=%*f avg300=%*f total=%lf", &stall.avg10_percent, &total_us) != 2)
    return internal_error(file + " is not understood: " + *text);
  stall.total_ns = static_cast<std::int64_t>(total_us * 1000);
  return stall;
}

}  // namespace grit

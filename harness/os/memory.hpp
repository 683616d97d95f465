// How much memory this process could still have: the machine's, or what its control groups leave. And whether anybody
// waits for memory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

#include "harness/base/result.hpp"

namespace grit {

struct Memory {
  std::int64_t total_bytes = 0;      // MemTotal, or the tightest limit of a control group around it
  std::int64_t available_bytes = 0;  // MemAvailable (proc_meminfo(5)), or what the tightest of those limits leaves
};

/// Of this process, which its own control group and every one above it may limit (Slurm limits the job and the step,
/// systemd slices), in both versions. `proc` is where procfs is mounted. Error (internal): /proc/meminfo is not as
/// known.
Result<Memory> read_memory(const std::filesystem::path& proc = "/proc");

/// Page faults of the whole machine since it booted (/proc/vmstat, pgfault). Error (unavailable): the kernel does not
/// say.
Result<std::int64_t> read_page_faults();

/// How long tasks had to wait for a resource (pressure stall information, Documentation/accounting/psi.rst): one line
/// of its file.
struct Stall {
  double avg10_percent = 0;  // share of the last 10 s in which tasks waited
  std::int64_t total_ns = 0;
};
struct Stalls {
  Stall some{};                 // some task waited
  std::optional<Stall> full{};  // all that were not idle waited; not said of every resource
};

/// Of the whole machine: "memory", "io", "cpu" or "irq". `proc` is where procfs is mounted. Error (unavailable): this
/// kernel does not say.
Result<Stalls> read_stalls(std::string_view resource, const std::filesystem::path& proc = "/proc");
/// The line "some" of it.
Result<Stall> read_stall(std::string_view resource);

}  // namespace grit

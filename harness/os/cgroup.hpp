// Control groups that limit CPU time (cgroups(7)): made below the group a process is in, and taken away again.
//
// Version 1: the hierarchy that has the cpu controller, cpu.cfs_quota_us. Version 2: a threaded child (cgroup-v2.rst,
// "Threads"), cpu.max: the process stays in its group for memory, I/O and everything else, and its group may keep
// processes of its own.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "harness/base/json.hpp"
#include "harness/base/result.hpp"

namespace grit {

enum class CgroupVersion { v1 = 1, v2 = 2 };

/// A group of ours. Its name is drawn at random, so that no other group is ever mistaken for it.
struct CpuGroup {
  CgroupVersion version = CgroupVersion::v1;
  std::string parent{};       // as proc_pid_cgroup(5) writes it: "/", "/job_7/task_0"
  std::string name{};         // "grit-" and 16 hexadecimal digits
  bool controller_on = true;  // version 2: the parent's children had the cpu controller before
};

struct CpuGroupState {
  std::int64_t quota_ns = 0;  // of CPU time in a period; below 0: no limit
  std::int64_t period_ns = 0;
  std::int64_t throttled_ns = 0;
};

/// A group for this process, not made yet. Error (unavailable): why it cannot be made here and what would help.
Result<CpuGroup> plan_cpu_group(CgroupVersion version, pid_t pid);
Status make_cpu_group(const CpuGroup& group, std::int64_t quota_ns, std::int64_t period_ns);
/// All threads of the process. False: it has ended.
Result<bool> enter_cpu_group(const CpuGroup& group, pid_t pid);
Result<bool> is_in_cpu_group(const CpuGroup& group, pid_t pid);
/// Nothing: there is no such group.
Result<std::optional<CpuGroupState>> read_cpu_group(const CpuGroup& group);
/// No limit any more; who waits runs. Success when it is not there.
Status lift_cpu_limit(const CpuGroup& group);
/// Moves who is in it to its parent, then removes it. Idempotent; success when it is not there.
Status remove_cpu_group(const CpuGroup& group);

Json to_json(const CpuGroup& group);
/// Closed set of keys; error (usage): what is wrong.
Result<CpuGroup> cpu_group_from_json(const Json& json);

}  // namespace grit

// cgroup_leak: control groups are taken away again: the kernel has room for new ones.
#include <fmt/format.h>

#include <algorithm>
#include <sstream>

#include "harness/base/files.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/os/cgroup_files.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxFile_bytes = std::size_t{1} << 20;

/// "memory 4 118 1": controller, hierarchy, groups, enabled. Empty: the kernel does not say.
std::optional<std::int64_t> groups_of_memory(const std::string& cgroups) {
  std::istringstream lines(cgroups);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    std::int64_t hierarchy = 0, groups = 0;
    if (words >> name >> hierarchy >> groups && name == "memory" && groups >= 0) return groups;
  }
  return std::nullopt;
}

/// Of the highest group of version 2 that is mounted here. Empty: not mounted.
std::optional<std::string> stat_of_top(const CheckInput& input) {
  const auto cgroup = read_file(input.proc / "self/cgroup", kMaxFile_bytes);
  const auto mountinfo = read_file(input.proc / "self/mountinfo", kMaxFile_bytes);
  if (!cgroup || !mountinfo) return std::nullopt;
  const auto groups = cgroup_files::own_and_above(CgroupVersion::v2, "", *cgroup, *mountinfo);
  if (groups.empty()) return std::nullopt;
  const auto text = read_file(groups.back() / "cgroup.stat", kMaxFile_bytes);
  return text ? std::optional(*text) : std::nullopt;
}

Outcome outcome_of(const char* subject, std::int64_t count, double warning, double critical, std::string detail) {
  const Severity severity = judge_at_least(static_cast<double>(count), warning, critical);
  return {.severity = severity,
          .subject = subject,
          .value = static_cast<double>(count),
          .unit = "count",
          .detail = std::move(detail),
          .hint = is_alarm(severity)
                      ? "who makes them and does not remove them: systemd-cgls; find /sys/fs/cgroup -type d"
                      : ""};
}

Result<std::vector<Outcome>> read(const CheckInput& input) {
  const auto cgroups = read_file(input.proc / "cgroups", kMaxFile_bytes);
  const auto stat = stat_of_top(input);
  const auto of_memory = cgroups ? groups_of_memory(*cgroups) : std::nullopt;
  if (!of_memory && !stat)
    return unavailable_error(
        fmt::format("neither {} nor a mounted group says how many there are", (input.proc / "cgroups").string()));
  const std::int64_t living = stat ? cgroup_files::value_of(*stat, "nr_descendants") : 0;
  const std::int64_t dying = stat ? cgroup_files::value_of(*stat, "nr_dying_descendants") : 0;
  const auto limit = [&](const char* name) { return static_cast<double>(input.params.integer(name)); };
  // A kernel that has the controller in version 2 only may not count it in the older file.
  const std::int64_t all =
      std::max(of_memory.value_or(0), std::max<std::int64_t>(0, living) + std::max<std::int64_t>(0, dying));
  std::vector<Outcome> outcomes{outcome_of("groups", all, limit("warning"), limit("critical"),
                                           fmt::format("{} control groups, of 65535 that can have memory", all))};
  if (stat)
    outcomes.push_back(
        outcome_of("removed groups", dying, limit("dying"), 0, fmt::format("{} were removed but keep memory", dying)));
  return outcomes;
}

std::vector<ParamSpec> params() {
  return {{"warning", Unit::count, 32'768, "groups: warning (half of what the kernel can have)", {}, 0.0, 1e9},
          {"critical",
           Unit::count,
           58'982,
           "groups: critical (nine tenths of MEM_CGROUP_ID_MAX, include/linux/memcontrol.h, beyond which no group with "
           "memory can be made)",
           {},
           0.0,
           1e9},
          {"dying",
           Unit::count,
           5'000,
           "groups that were removed but keep memory: warning (grit's own choice)",
           {},
           0.0,
           1e9}};
}

}  // namespace

const Check& cgroup_leak() {
  static const Check check{
      .info = {.name = "cgroup_leak",
               .summary = "Control groups that nobody uses are removed, so that new ones can be made",
               .params = params(),
               .of_machine = true,
               .period_ns = 10 * kNsPerS,
               .untripped = "no fault here makes so many groups",
               .proven = "this machine's groups, with a limit of one"},
      .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit

// cpu_throttled: the quota of CPU time of the control groups around the ranks (outside of a run, around grit itself)
// does not make them wait.
#include <fmt/format.h>
#include <unistd.h>

#include <map>

#include "harness/base/files.hpp"
#include "harness/health/checks/checks.hpp"
#include "harness/health/checks/counter_window.hpp"
#include "harness/health/checks/ranks_here.hpp"
#include "harness/os/cgroup_files.hpp"
#include "harness/os/kernel_text.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxFile_bytes = 65536;
constexpr std::size_t kMostRanks = 60;  // are named

/// What a group's quota did in a window. Its own processes and those of the groups below it share the quota.
struct Throttling {
  std::int64_t periods = 0, throttled = 0, throttled_ns = 0, elapsed_ns = 0;
  [[nodiscard]] double share() const {
    return periods > 0 ? static_cast<double>(throttled) / static_cast<double>(periods) : 0;
  }
};

struct Group {
  std::filesystem::path directory{};
  std::optional<Throttling> throttling{};  // none: first reading
};

/// Nothing: the group has no counters of a quota, as a top one, or one whose controllers are in the other version.
std::optional<Group> read_group(const CheckInput& input, const std::filesystem::path& directory) {
  const auto text = read_file(directory / "cpu.stat", kMaxFile_bytes);
  if (!text || text->find("nr_throttled") == std::string::npos) return std::nullopt;
  const auto value = [&](std::string_view key) { return cgroup_files::value_of(*text, key); };
  const std::int64_t throttled_ns = std::max(value("throttled_time"), value("throttled_usec") * kNsPerUs);
  Group group{.directory = directory};
  if (const auto window =
          counter_window(input.memory, directory.string(), {value("nr_periods"), value("nr_throttled"), throttled_ns},
                         input.params.integer("window")))
    group.throttling = Throttling{window->grown[0], window->grown[1], window->grown[2], window->elapsed_ns};
  return group;
}

/// The few lines of mountinfo that are about control groups: they are looked at for each rank, and a node with many
/// containers has thousands of others.
std::string cgroup_mounts_of(std::string_view mountinfo) {
  std::string mounts;
  for (const std::string_view line : lines_of(mountinfo))
    if (line.find(" - cgroup") != std::string_view::npos) mounts.append(line).append("\n");
  return mounts;
}

/// The groups around processes, each read once in a reading.
class Groups {
 public:
  Groups(const CheckInput& input, std::string_view mountinfo) : input_(input), mounts_(cgroup_mounts_of(mountinfo)) {}

  /// The one of the groups around a process that waited most. Error (unavailable): they cannot be seen.
  Result<std::optional<Group>> worst_around(const std::string& process) {
    GRIT_TRY(const std::string cgroup, read_file(input_.proc / process / "cgroup", kMaxFile_bytes));
    std::optional<Group> worst;
    bool mounted = false;
    for (const CgroupVersion version : {CgroupVersion::v1, CgroupVersion::v2})
      for (const auto& directory : cgroup_files::own_and_above(version, "cpu", cgroup, mounts_)) {
        mounted = true;
        const auto& group = find(directory);
        if (group && (!worst || share_of(*group) > share_of(*worst))) worst = group;
      }
    if (!mounted) return unavailable_error("no control group is mounted here: mount /sys/fs/cgroup into the container");
    return worst;
  }

 private:
  static double share_of(const Group& group) { return group.throttling ? group.throttling->share() : -1; }

  const std::optional<Group>& find(const std::filesystem::path& directory) {
    const auto known = known_.find(directory);
    if (known != known_.end()) return known->second;
    return known_.emplace(directory, read_group(input_, directory)).first->second;
  }

  const CheckInput& input_;
  std::string mounts_;
  std::map<std::filesystem::path, std::optional<Group>> known_{};
};

Outcome outcome_of(const CheckInput& input, const std::string& subject, const std::optional<Group>& worst) {
  if (!worst) return {.severity = Severity::ok, .subject = subject, .detail = "no quota of CPU time around it"};
  if (!worst->throttling) return {.severity = Severity::ok, .subject = subject, .detail = "first reading"};
  const Throttling& one = *worst->throttling;
  const bool can_tell = one.periods >= input.params.integer("periods");
  const Severity severity = can_tell ? judge_at_least(one.share(), input.params.number("warning"), 0) : Severity::ok;
  return {.severity = severity,
          .subject = subject,
          .value = one.share(),
          .unit = "share",
          .detail = fmt::format("{} had to wait in {} of {} periods, {:.2f} s over its CPUs in {:.1f} s",
                                worst->directory.string(), one.throttled, one.periods,
                                static_cast<double>(one.throttled_ns) / kNsPerS,
                                static_cast<double>(one.elapsed_ns) / kNsPerS),
          .hint = is_alarm(severity)
                      ? fmt::format("raise or lift its quota: cpu.max (version 1: cpu.cfs_quota_us) in {}",
                                    worst->directory.string())
                      : ""};
}

Result<std::vector<Outcome>> read(const CheckInput& input) {
  if (!std::filesystem::exists(input.proc / "self/cgroup"))
    return std::vector{not_here("a kernel without control groups")};
  GRIT_TRY(const std::string mountinfo, read_file(input.proc / "self/mountinfo"));
  Groups groups(input, mountinfo);
  std::vector<RankHere> processes = ranks_here(input);
  if (processes.empty()) {
    GRIT_TRY(const auto worst, groups.worst_around("self"));
    return std::vector{outcome_of(input, "", worst)};
  }
  if (processes.size() > kMostRanks) processes.resize(kMostRanks);
  std::vector<Outcome> outcomes;
  for (const RankHere& rank : processes) {
    const auto worst = groups.worst_around(std::to_string(rank.pid));
    outcomes.push_back(worst ? outcome_of(input, rank.name, *worst)
                             : Outcome{.subject = rank.name, .detail = worst.error().message});
  }
  return outcomes;
}

std::vector<ParamSpec> params() {
  return {{"warning",
           Unit::fraction,
           0.25,
           "of the periods of a quota in which its group had to wait: warning (kubernetes-mixin, CPUThrottlingHigh)",
           {},
           0.0,
           1.0},
          {"periods", Unit::count, 5, "so many are enough to say a share (grit's own choice)", {}, 1.0, 1e6},
          window_param(2 * kNsPerS)};
}

}  // namespace

const Check& cpu_throttled() {
  static const Check check{.info = {.name = "cpu_throttled",
                                    .summary = "No quota of CPU time makes the ranks wait",
                                    .params = params(),
                                    .counts = true,
                                    .trips = "cpu_throttle",
                                    .proven = "a busy process with a quota"},
                           .make = [] { return ReadCheck(read); }};
  return check;
}

}  // namespace grit

#include "harness/agent/rank_usage.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <string_view>
#include <utility>

#include "harness/os/cpus.hpp"
#include "harness/os/identity.hpp"
#include "harness/os/memory.hpp"

namespace grit {
namespace {

/// The state's letter, which follows the name; that may hold parentheses itself (proc_pid_stat(5)). '?': it has ended.
char state_in(const Fd& stat) {
  std::array<char, 512> bytes{};
  const ssize_t got = ::pread(stat.get(), bytes.data(), bytes.size(), 0);
  const std::string_view text(bytes.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  const std::size_t name_end = text.rfind(')');
  return name_end == std::string_view::npos || name_end + 2 >= text.size() ? '?' : text[name_end + 2];
}

Fd open_stat(pid_t process, pid_t thread) {
  return Fd(::open(fmt::format("/proc/{}/task/{}/stat", process, thread).c_str(), O_RDONLY | O_CLOEXEC));
}

/// Nothing of it where the process has ended.
void add_counted(const ProcessIdentity& process, Json& sums) {
  const auto add = [&sums](const char* key, std::int64_t value) {
    sums[key] = sums.value(key, std::int64_t{0}) + value;
  };
  const auto state = process_state(process);
  if (!state || !*state) return;
  add("minor_faults", (*state)->minor_faults);
  add("major_faults", (*state)->major_faults);
  const auto times = scheduler_times(process);
  if (!times || !*times) return;
  add("cpu_ns", (*times)->on_cpu_ns);
  add("run_wait_ns", (*times)->run_delay_ns);
}

}  // namespace

RankUsage::RankUsage(const std::vector<RankProcess>& ranks) {
  for (const RankProcess& process : ranks)
    if (auto identity = identify_process(process.pid))
      ranks_.push_back(
          {.rank = process.rank, .identity = std::move(*identity), .stat = open_stat(process.pid, process.pid)});
}

void RankUsage::look(std::int64_t now_ns) {
  const std::int64_t since_ns = looked_at_ns_ == 0 ? 0 : now_ns - looked_at_ns_;
  looked_at_ns_ = now_ns;
  for (Watched& watched : ranks_) {
    const char state = state_in(watched.stat);
    if (state == 'T') watched.stopped_ns += since_ns;
    if (state == 'D') watched.blocked_ns += since_ns;
    for (const Fd& stat : watched.beside)
      if (state_in(stat) == 'D') watched.blocked_ns += since_ns;
  }
}

void RankUsage::find_beside() {
  std::vector<ProcessIdentity> processes;
  for (const Watched& watched : ranks_) processes.push_back(watched.identity);
  auto helpers = helpers_of(processes);
  for (std::size_t i = 0; i < ranks_.size(); ++i) {
    Watched& watched = ranks_[i];
    if (helpers) watched.helpers = std::move((*helpers)[i]);
    watched.beside.clear();
    const pid_t process = watched.identity.pid;
    if (const auto threads = threads_of(watched.identity))
      for (const pid_t thread : *threads)
        if (thread != process) watched.beside.push_back(open_stat(process, thread));
    for (const ProcessIdentity& helper : watched.helpers) watched.beside.push_back(open_stat(helper.pid, helper.pid));
  }
}

Json RankUsage::read() {
  find_beside();
  Json ranks = Json::array();
  for (const Watched& watched : ranks_) {
    const auto state = process_state(watched.identity);
    if (!state || !*state) continue;
    Json one{{"rank", watched.rank}, {"stopped_ns", watched.stopped_ns}, {"blocked_ns", watched.blocked_ns}};
    add_counted(watched.identity, one);
    for (const ProcessIdentity& helper : watched.helpers) add_counted(helper, one);
    ranks.push_back(std::move(one));
  }
  Json stalls = Json::object();
  for (const char* resource : {"cpu", "memory", "io"})
    if (const auto stall = read_stall(resource)) stalls[resource] = stall->total_ns;
  Json usage{{"ranks", std::move(ranks)}, {"stalls_ns", std::move(stalls)}};
  if (const auto faults = read_page_faults()) usage["page_faults"] = *faults;
  if (const auto times = read_cpu_times()) {
    usage["cpu_busy_ns"] = times->busy_ns;
    usage["cpu_steal_ns"] = times->steal_ns;
  }
  if (const auto clock_hz = read_cpu_clock_hz()) usage["cpu_clock_hz"] = *clock_hz;
  if (const auto boot = boot_id()) usage["machine"] = *boot;
  return usage;
}

}  // namespace grit

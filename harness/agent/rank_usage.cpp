#include "harness/agent/rank_usage.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <string_view>

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

}  // namespace

RankUsage::RankUsage(const std::vector<RankProcess>& ranks) {
  for (const RankProcess& process : ranks)
    if (auto identity = identify_process(process.pid))
      ranks_.push_back(
          {.rank = process.rank,
           .identity = std::move(*identity),
           .stat = Fd(::open(fmt::format("/proc/{0}/task/{0}/stat", process.pid).c_str(), O_RDONLY | O_CLOEXEC))});
}

void RankUsage::look(std::int64_t now_ns) {
  const std::int64_t since_ns = looked_at_ns_ == 0 ? 0 : now_ns - looked_at_ns_;
  looked_at_ns_ = now_ns;
  for (Watched& watched : ranks_) {
    const char state = state_in(watched.stat);
    if (state == 'T') watched.stopped_ns += since_ns;
    if (state == 'D') watched.blocked_ns += since_ns;
  }
}

Json RankUsage::read() const {
  Json ranks = Json::array();
  for (const Watched& watched : ranks_) {
    const auto state = process_state(watched.identity);
    if (!state || !*state) continue;
    Json one{{"rank", watched.rank},
             {"minor_faults", (*state)->minor_faults},
             {"major_faults", (*state)->major_faults},
             {"stopped_ns", watched.stopped_ns},
             {"blocked_ns", watched.blocked_ns}};
    if (const auto times = scheduler_times(watched.identity); times && *times) {
      one["cpu_ns"] = (*times)->on_cpu_ns;
      one["run_wait_ns"] = (*times)->run_delay_ns;
    }
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

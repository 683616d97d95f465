#include "harness/health/checks/stuck_scan.hpp"

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/base/printable.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxFile_bytes = 65536;
constexpr std::size_t kTasksBetweenLooks = 16;

std::int64_t cpu_now_ns() {
  timespec now{};
  ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return now.tv_sec * kNsPerS + now.tv_nsec;
}

/// How often the task was taken off a CPU. Empty: it has ended.
std::optional<std::int64_t> switches_of(const TaskPlace& place) {
  const auto text = read_file(place.directory / "status", kMaxFile_bytes);
  if (!text) return std::nullopt;
  std::int64_t sum = 0;
  for (const char* key : {"\nvoluntary_ctxt_switches:", "\nnonvoluntary_ctxt_switches:"}) {
    const std::size_t found = text->find(key);
    if (found == std::string::npos) return std::nullopt;
    const std::size_t at = std::min(text->size(), text->find_first_not_of(" \t", found + std::strlen(key)));
    std::int64_t count = 0;
    if (std::from_chars(text->data() + at, text->data() + text->size(), count).ec != std::errc{}) return std::nullopt;
    sum += count;
  }
  return sum;
}

/// For how long a task in state D has not run.
std::int64_t stuck_ns(CheckMemory& memory, const std::string& key, const TaskPlace& place) {
  const auto switches = switches_of(place);
  const auto before = memory.find(key + " switches");
  const auto since_ns = memory.find(key + " since");
  if (switches && before == switches && since_ns) return memory.now_ns() - *since_ns;
  memory.keep(key + " switches", switches.value_or(-1));
  memory.keep(key + " since", memory.now_ns());
  return 0;
}

}  // namespace

void StuckScan::look_at(CheckMemory& memory, const TaskPlace& place, std::vector<StuckTask>& stuck) {
  const auto stat = read_task_stat(place.directory);
  if (stat) ++looked_at_;
  const std::string key = fmt::format("{} {}", place.directory.string(), stat ? stat->start_ticks : 0);
  if (!stat || stat->state != 'D') {
    memory.forget(key + " switches");
    memory.forget(key + " since");
    return;
  }
  waiting_.push_back(place);
  if (const std::int64_t long_ns = stuck_ns(memory, key, place); long_ns > 0) stuck.push_back({place, *stat, long_ns});
}

std::vector<StuckTask> StuckScan::look(CheckMemory& memory, const std::function<std::vector<TaskPlace>()>& list,
                                       std::int64_t cpu_ns) {
  const std::int64_t end_ns = cpu_now_ns() + cpu_ns;
  std::vector<StuckTask> stuck;
  looked_at_ = 0;
  const std::vector<TaskPlace> waiting = std::exchange(waiting_, {});
  const auto waited = [&](const TaskPlace& place) {
    return std::any_of(waiting.begin(), waiting.end(),
                       [&](const TaskPlace& one) { return one.directory == place.directory; });
  };
  for (const TaskPlace& place : waiting) look_at(memory, place, stuck);
  if (left_.empty()) {
    left_ = list();
    tasks_ = left_.size();
    std::reverse(left_.begin(), left_.end());
  }
  for (std::size_t i = 1; !left_.empty(); ++i) {
    const TaskPlace place = std::move(left_.back());
    left_.pop_back();
    if (!waited(place)) look_at(memory, place, stuck);
    if (i % kTasksBetweenLooks == 0 && cpu_now_ns() > end_ns) break;
  }
  return stuck;
}

std::string waits_in(const TaskPlace& place) {
  constexpr std::size_t kMostName_bytes = 64;
  const auto text = read_file(place.directory / "wchan", kMaxFile_bytes);
  if (!text || text->empty() || *text == "0") return "";
  return printable(text->substr(0, kMostName_bytes));
}

}  // namespace grit

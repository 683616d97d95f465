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
#include "harness/os/kernel_text.hpp"

namespace grit {
namespace {

constexpr std::size_t kMaxFile_bytes = 65536;
constexpr std::size_t kTasksBetweenLooks = 16;
/// What is kept of a task in state D, behind its directory and its start.
constexpr const char *kSwitches = " switches", *kSince = " since";

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
  const auto before = memory.find(key + kSwitches);
  const auto since_ns = memory.find(key + kSince);
  if (switches && before == switches && since_ns) return memory.now_ns() - *since_ns;
  memory.keep(key + kSwitches, switches.value_or(-1));
  memory.keep(key + kSince, memory.now_ns());
  return 0;
}

void forget(CheckMemory& memory, const std::string& key) {
  memory.forget(key + kSwitches);
  memory.forget(key + kSince);
}

/// What is kept of tasks that have ended: no list names them any more.
void forget_ended(CheckMemory& memory) {
  const Json kept = memory.to_json();
  for (const auto& [name, figure] : kept.at("figures").items()) {
    if (!name.ends_with(kSince)) continue;
    const std::string key = name.substr(0, name.size() - std::strlen(kSince));
    const std::size_t blank = key.rfind(' ');
    if (blank == std::string::npos) continue;
    const auto stat = read_task_stat(key.substr(0, blank));
    if (!stat || whole_number(key.substr(blank + 1)) != stat->start_ticks) forget(memory, key);
  }
}

/// By the freezer of control groups version 1, or for a suspend: it waits for who froze it, and is in state D as well.
bool is_frozen(const TaskPlace& place) { return waits_in(place) == "__refrigerator"; }

}  // namespace

void StuckScan::look_at(CheckMemory& memory, const TaskPlace& place, std::vector<StuckTask>& stuck) {
  const auto stat = read_task_stat(place.directory);
  if (!stat) return;
  ++looked_at_;
  const std::string key = fmt::format("{} {}", place.directory.string(), stat->start_ticks);
  if (stat->state != 'D') return forget(memory, key);
  waiting_.push_back(place);
  const std::int64_t long_ns = stuck_ns(memory, key, place);
  if (long_ns > 0 && !is_frozen(place)) stuck.push_back({place, *stat, long_ns});
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
    forget_ended(memory);
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

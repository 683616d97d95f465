#include "harness/os/cpus.hpp"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/base/shortened.hpp"

namespace grit {
namespace {

constexpr int kMaxCpus = 8192;  // CONFIG_NR_CPUS of the largest kernels

/// cpu_set_t holds 1024 only; CPU_SET_S(3) works on any multiple of it.
struct CpuMask {
  std::array<cpu_set_t, kMaxCpus / CPU_SETSIZE> sets{};
  static constexpr std::size_t kBytes = sizeof(sets);
  cpu_set_t* get() { return sets.data(); }
};

bool take_number(std::string_view& text, int& number) {
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ec != std::errc{} || number < 0 || number >= kMaxCpus) return false;
  text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
  return true;
}

bool take_range(std::string_view text, Cpus& cpus) {
  int first = 0;
  if (!take_number(text, first)) return false;
  int last = first;
  if (!text.empty() && text.front() == '-') {
    text.remove_prefix(1);
    if (!take_number(text, last) || last < first) return false;
  }
  for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
  return text.empty();
}

constexpr std::size_t kMaxStat_bytes = std::size_t{16} << 20;
constexpr std::int64_t kMaxTicks = 100'000'000'000'000;  // 8 of them, in ns, still fit

/// The first word, without the blanks after it.
std::string_view take_name(std::string_view& line) {
  const std::string_view name = line.substr(0, line.find(' '));
  line.remove_prefix(name.size());
  return name;
}

/// "  user nice system idle iowait irq softirq steal guest ...": the time of guests is in the first two.
std::optional<CpuTimes> times_in(std::string_view numbers) {
  std::array<std::int64_t, 8> ticks{};
  const std::int64_t tick_ns = kNsPerS / ::sysconf(_SC_CLK_TCK);
  for (std::int64_t& one : ticks) {
    numbers.remove_prefix(std::min(numbers.size(), numbers.find_first_not_of(' ')));
    const auto parsed = std::from_chars(numbers.data(), numbers.data() + numbers.size(), one);
    if (parsed.ec != std::errc{} || one < 0 || one > kMaxTicks) return std::nullopt;
    numbers.remove_prefix(static_cast<std::size_t>(parsed.ptr - numbers.data()));
  }
  const auto [user, nice, system, idle, iowait, irq, softirq, steal] = ticks;
  return CpuTimes{(user + nice + system + irq + softirq + steal) * tick_ns, steal * tick_ns, (idle + iowait) * tick_ns};
}

}  // namespace

Result<Cpus> cpus_from_list(std::string_view list) {
  const auto wrong = [&] {
    return usage_error(fmt::format("\"{}\" is no list of CPUs, such as \"0-3,8\"", shortened(list)));
  };
  std::string_view rest = list;
  while (!rest.empty() && (rest.back() == '\n' || rest.back() == ' ')) rest.remove_suffix(1);
  Cpus cpus;
  for (bool more = true; more;) {
    const auto comma = rest.find(',');
    if (!take_range(rest.substr(0, comma), cpus)) return wrong();
    more = comma != std::string_view::npos;
    if (more) rest.remove_prefix(comma + 1);
  }
  std::sort(cpus.begin(), cpus.end());
  cpus.erase(std::unique(cpus.begin(), cpus.end()), cpus.end());
  return cpus;
}

std::string to_list(const Cpus& cpus) {
  std::string list;
  for (std::size_t i = 0; i < cpus.size();) {
    std::size_t last = i;
    while (last + 1 < cpus.size() && cpus[last + 1] == cpus[last] + 1) ++last;
    if (!list.empty()) list += ',';
    list += last == i ? fmt::format("{}", cpus[i]) : fmt::format("{}-{}", cpus[i], cpus[last]);
    i = last + 1;
  }
  return list;
}

Result<Cpus> online_cpus() {
  GRIT_TRY(const std::string list, read_file("/sys/devices/system/cpu/online"));
  return cpus_from_list(list);
}

Result<Cpus> affinity_of_thread(pid_t tid) {
  CpuMask mask;
  if (::sched_getaffinity(tid, CpuMask::kBytes, mask.get()) != 0) {
    if (errno == ESRCH) return usage_error(fmt::format("there is no thread {}", tid));
    return errno_error(fmt::format("cannot read the CPU affinity of thread {}", tid));
  }
  Cpus cpus;
  for (int cpu = 0; cpu < kMaxCpus; ++cpu)
    if (CPU_ISSET_S(static_cast<std::size_t>(cpu), CpuMask::kBytes, mask.get())) cpus.push_back(cpu);
  return cpus;
}

Status set_affinity_of_thread(pid_t tid, const Cpus& cpus) {
  CpuMask mask;
  for (const int cpu : cpus) CPU_SET_S(static_cast<std::size_t>(cpu), CpuMask::kBytes, mask.get());
  if (::sched_setaffinity(tid, CpuMask::kBytes, mask.get()) == 0) return {};
  if (errno == ESRCH) return usage_error(fmt::format("there is no thread {}", tid));
  if (errno == EINVAL)
    return usage_error(fmt::format("thread {} may not run on CPU {} here: there is no such CPU, or a cpuset forbids it",
                                   tid, to_list(cpus)));
  if (errno == EPERM) return unavailable_error(fmt::format("thread {} belongs to another user: run as root", tid));
  return errno_error(fmt::format("cannot set the CPU affinity of thread {}", tid));
}

Result<Cpus> allowed_cpus() {
  GRIT_TRY(const Cpus bound, affinity_of_thread(0));
  GRIT_TRY(const Cpus online, online_cpus());
  if (!set_affinity_of_thread(0, online)) return bound;  // not permitted to widen it
  auto allowed = affinity_of_thread(0);                  // the kernel leaves out what the cpuset forbids
  GRIT_CHECK(set_affinity_of_thread(0, bound));
  return allowed;
}

Cpus cpus_beside(const Cpus& allowed, const std::vector<Cpus>& taken) {
  Cpus left = allowed;
  for (const Cpus& cpus : taken)
    std::erase_if(left, [&](int cpu) { return std::find(cpus.begin(), cpus.end(), cpu) != cpus.end(); });
  return left.empty() ? allowed : left;
}

Result<CpuTimes> read_cpu_times(const std::filesystem::path& proc) {
  GRIT_TRY(const std::string text, read_file(proc / "stat", kMaxStat_bytes));
  std::string_view rest = text;
  if (take_name(rest) == "cpu")
    if (const auto times = times_in(rest)) return *times;
  return internal_error((proc / "stat").string() + " is not understood");
}

Result<std::map<int, CpuTimes>> read_times_by_cpu(const std::filesystem::path& proc) {
  GRIT_TRY(const std::string text, read_file(proc / "stat", kMaxStat_bytes));
  std::map<int, CpuTimes> by_cpu;
  for (std::string_view rest = text; rest.starts_with("cpu");) {
    std::string_view line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    std::string_view name = take_name(line);
    int cpu = 0;
    if (name.remove_prefix(3); !take_number(name, cpu) || !name.empty()) continue;  // "cpu": all of them
    if (const auto times = times_in(line)) by_cpu[cpu] = *times;
  }
  if (by_cpu.empty()) return internal_error((proc / "stat").string() + " names no CPU");
  return by_cpu;
}

Result<std::int64_t> read_cpu_clock_hz() {
  GRIT_TRY(const Cpus cpus, online_cpus());
  constexpr std::size_t kMost = 16;
  const std::size_t stride = (cpus.size() + kMost - 1) / kMost;
  std::int64_t sum_khz = 0, count = 0;
  for (std::size_t i = 0; i < cpus.size(); i += stride) {
    const auto text = read_file(fmt::format("/sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq", cpus[i]));
    std::int64_t khz = 0;
    if (!text || std::from_chars(text->data(), text->data() + text->size(), khz).ec != std::errc{})
      return unavailable_error("this machine does not say the clock of its CPUs");
    sum_khz += khz, ++count;
  }
  if (count == 0) return unavailable_error("no CPU is online");
  return sum_khz * 1000 / count;
}

}  // namespace grit

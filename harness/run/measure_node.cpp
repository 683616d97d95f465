// compute and memory.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <cstring>
#include <filesystem>
#include <new>
#include <numeric>
#include <optional>
#include <thread>

#include "analysis/stats/median.hpp"
#include "harness/base/clock.hpp"
#include "harness/base/files.hpp"
#include "harness/base/units.hpp"
#include "harness/os/cpus.hpp"
#include "harness/os/memory.hpp"
#include "harness/run/measure_kinds.hpp"
#include "workloads/compute/gemm_tile.hpp"

namespace grit {
namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;
/// Where the kernel does not tell the size of the last-level cache; more than most have for each core.
constexpr std::int64_t kAssumedCache_bytes = 64 * kMiB;
/// On shared cores: nodes are of one machine, whose memory is not tested again for each of them.
constexpr std::int64_t kSharedCopy_bytes = 64 * kMiB, kSharedPattern_bytes = 64 * kMiB;
constexpr std::int64_t kMostPattern_bytes = 1024 * kMiB;
constexpr std::uint64_t kOddConstant = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio: every bit of a word changes with i

/// The CPUs of the threads that measure at once; of one that stays where the scheduler puts it: none.
std::vector<std::optional<int>> places_of_threads(bool shares_cores) {
  if (shares_cores) return {std::nullopt};
  std::vector<std::optional<int>> places;
  for (const int cpu : cores_here()) places.emplace_back(cpu);
  if (places.empty()) places.emplace_back();
  return places;
}

/// Calls work(0), work(1) ... in threads of their own, each on its CPU.
void run_on(const std::vector<std::optional<int>>& places, const std::function<void(std::size_t)>& work) {
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < places.size(); ++i)
    threads.emplace_back([&, i] {
      if (places[i]) static_cast<void>(set_affinity_of_thread(0, {*places[i]}));  // measures elsewhere then
      work(i);
    });
}

struct ProductCount {
  std::int64_t products = 0, wrong = 0, took_ns = 0;
};

ProductCount multiply_for(GemmTile& tile, std::int64_t length_ns,
                          const std::function<void(std::span<float>)>& disturb) {
  tile.multiply();  // what the first product alone costs: code that is loaded, pages that are made
  ProductCount count;
  const std::int64_t began_ns = monotonic_ns();
  do {
    tile.multiply();
    if (disturb) disturb(tile.product());
    if (!tile.check()) ++count.wrong;
    ++count.products;
    count.took_ns = monotonic_ns() - began_ns;
  } while (count.took_ns < length_ns);
  return count;
}

std::int64_t last_level_cache_bytes() {
  const long level3 = ::sysconf(_SC_LEVEL3_CACHE_SIZE);  // of one socket; 0 or -1: not known
  return level3 > 0 ? level3 : kAssumedCache_bytes;
}

struct CopyRate {
  double bytes_per_s = 0;
  bool lacks_memory = false;
};

/// Copies within a buffer of the thread's own, which it has touched first, so that it lies beside its core.
CopyRate copy_for(std::int64_t bytes, std::int64_t length_ns, std::barrier<>& all_ready) {
  CopyRate rate;
  std::vector<std::uint64_t> from, to;
  try {
    from.assign(static_cast<std::size_t>(bytes) / sizeof(std::uint64_t), 1);
    to.assign(from.size(), 2);
  } catch (const std::bad_alloc&) {
    rate.lacks_memory = true;
  }
  all_ready.arrive_and_wait();
  if (rate.lacks_memory) return rate;
  std::int64_t copied_bytes = 0, took_ns = 0;
  const std::int64_t began_ns = monotonic_ns();
  do {
    std::memcpy(to.data(), from.data(), from.size() * sizeof(std::uint64_t));
    std::atomic_signal_fence(std::memory_order_seq_cst);  // the compiler must not leave a copy out
    copied_bytes += static_cast<std::int64_t>(from.size() * sizeof(std::uint64_t));
    took_ns = monotonic_ns() - began_ns;
  } while (took_ns < length_ns);
  rate.bytes_per_s =
      2.0 * static_cast<double>(copied_bytes) * static_cast<double>(kNsPerS) / static_cast<double>(took_ns);
  return rate;
}

/// Bytes of all buffers of all threads together: four caches and more than any core's own, a fifth of what is available
/// at most.
std::int64_t copy_bytes(bool shares_cores, std::size_t threads, const Memory& memory) {
  const std::int64_t caches_bytes =
      shares_cores
          ? kSharedCopy_bytes
          : std::max<std::int64_t>(4 * last_level_cache_bytes(), static_cast<std::int64_t>(threads) * 8 * kMiB);
  return std::min(caches_bytes, memory.available_bytes / 5);
}

void add_copy_rate(const MeasureHere& here, const Memory& memory, BurninLine& line) {
  const auto places = places_of_threads(here.shares_cores);
  const auto threads = static_cast<std::int64_t>(places.size());
  const std::int64_t bytes = copy_bytes(here.shares_cores, places.size(), memory) / threads / 2;  // two buffers each
  if (bytes < kMiB) {
    line.skipped.push_back("memory: too little of it is available");
    return;
  }
  std::barrier<> all_ready(threads);
  std::vector<CopyRate> rates(places.size());
  run_on(places, [&](std::size_t i) { rates[i] = copy_for(bytes, here.length_ns / 2, all_ready); });
  double bytes_per_s = 0;
  for (const CopyRate& rate : rates) bytes_per_s += rate.bytes_per_s;
  if (std::any_of(rates.begin(), rates.end(), [](const CopyRate& rate) { return rate.lacks_memory; }))
    line.error = "memory that the kernel called available could not be had";
  else
    line.observations.push_back({.measure = "memory", .value = bytes_per_s});
}

struct PatternCount {
  std::int64_t words = 0, wrong = 0;
};

/// Reads `words`, each of which should be as word_at() has it for this pass, and leaves the inverse there.
void read_pattern(std::span<std::uint64_t> words, std::uint64_t seed, bool inverse, PatternCount& count) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::uint64_t plain = (i + seed) * kOddConstant, expected = inverse ? ~plain : plain;
    if (words[i] != expected) ++count.wrong;
    words[i] = ~expected;
  }
  count.words += static_cast<std::int64_t>(words.size());
}

/// A pattern is written, read, its inverse written and read: so every bit is a 0 and a 1 once. At least once.
PatternCount test_pattern(std::span<std::uint64_t> words, std::int64_t length_ns,
                          const std::function<void(std::span<std::uint64_t>)>& disturb) {
  PatternCount count;
  const auto written = [&] {
    std::atomic_signal_fence(std::memory_order_seq_cst);  // what is read comes from memory and not from the compiler
    if (disturb) disturb(words);
  };
  const std::int64_t began_ns = monotonic_ns();
  for (std::uint64_t pass = 0; pass == 0 || monotonic_ns() - began_ns < length_ns; ++pass) {
    for (std::size_t i = 0; i < words.size(); ++i) words[i] = (i + pass) * kOddConstant;
    written();
    read_pattern(words, pass, false, count);
    written();
    read_pattern(words, pass, true, count);
  }
  return count;
}

void add_pattern(const MeasureHere& here, const Memory& memory,
                 const std::function<void(std::span<std::uint64_t>)>& disturb, BurninLine& line) {
  const std::int64_t bytes =
      std::min(here.shares_cores ? kSharedPattern_bytes : kMostPattern_bytes, memory.available_bytes / 10);
  std::vector<std::uint64_t> words;
  try {
    words.resize(static_cast<std::size_t>(bytes) / sizeof(std::uint64_t));
  } catch (const std::bad_alloc&) {
    line.error = fmt::format("{} of memory that the kernel called available could not be had",
                             format_quantity(bytes, Unit::bytes));
    return;
  }
  if (words.empty()) return;
  const PatternCount count = test_pattern(words, here.length_ns / 2, disturb);
  line.observations.push_back({.measure = "memory_errors",
                               .value = static_cast<double>(count.wrong),
                               .exposure = static_cast<double>(count.words)});
}

}  // namespace

Cpus cores_here() {
  Cpus cores;
  for (const int cpu : allowed_cpus().value_or(Cpus())) {
    const auto list = read_file(fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu));
    Cpus siblings;
    if (list) siblings = cpus_from_list(list->substr(0, list->find('\n'))).value_or(Cpus());
    const auto is_counted = [&](int other) { return std::find(cores.begin(), cores.end(), other) != cores.end(); };
    if (std::none_of(siblings.begin(), siblings.end(), is_counted)) cores.push_back(cpu);
  }
  return cores;
}

BurninLine measure_compute(const MeasureHere& here, const std::function<void(std::span<float>)>& disturb) {
  const auto places = places_of_threads(here.shares_cores);
  std::vector<GemmTile> tiles(places.size());
  std::vector<ProductCount> counts(places.size());
  run_on(places, [&](std::size_t i) { counts[i] = multiply_for(tiles[i], here.length_ns, disturb); });
  BurninLine line{.host = here.host};
  std::vector<double> flops_per_s;
  std::int64_t products = 0, wrong = 0;
  for (const ProductCount& count : counts) {
    flops_per_s.push_back(static_cast<double>(count.products) * GemmTile::kFlops * static_cast<double>(kNsPerS) /
                          static_cast<double>(count.took_ns));
    products += count.products;
    wrong += count.wrong;
  }
  line.observations = {
      {.measure = "compute", .value = std::accumulate(flops_per_s.begin(), flops_per_s.end(), 0.0)},
      {.measure = "wrong_results", .value = static_cast<double>(wrong), .exposure = static_cast<double>(products)}};
  if (flops_per_s.size() > 1) {
    const double slowest = *std::min_element(flops_per_s.begin(), flops_per_s.end());
    line.observations.push_back({.measure = "slowest_core", .value = slowest / median(std::move(flops_per_s))});
  }
  return line;
}

BurninLine measure_memory(const MeasureHere& here, const std::function<void(std::span<std::uint64_t>)>& disturb) {
  BurninLine line{.host = here.host};
  const auto memory = read_memory();
  if (!memory) {
    line.skipped.push_back("memory: " + memory.error().message);
    return line;
  }
  add_copy_rate(here, *memory, line);
  add_pattern(here, *memory, disturb, line);
  return line;
}

}  // namespace grit

// What it costs a step to leave its record: Ring::push() beside a plain copy of as many bytes.
// Run it with: bench_step_record --benchmark_repetitions=5 --benchmark_report_aggregates_only=true
#include <benchmark/benchmark.h>

#include <array>
#include <chrono>
#include <cstring>
#include <vector>

#include "harness/record/segment.hpp"

namespace {

using grit::kRingCapacity;
using grit::StepRecord;

constexpr std::uint32_t kBurst =
    kRingCapacity / 2;  // records between two visits of the agent, whose time is not counted

double ns_per_call(std::chrono::steady_clock::duration time, std::int64_t calls) {
  return std::chrono::duration<double, std::nano>(time).count() / static_cast<double>(calls);
}

/// Each iteration is a burst of copies, then one of pushes, so that both see the same machine; the counters are per
/// record.
void bench_push_record(benchmark::State& state) {
  auto segment = grit::Segment::create(1);
  if (!segment) return state.SkipWithError(segment.error().message.c_str());
  grit::RankSlot& slot = segment->slots()[0];
  std::vector<StepRecord> copies(kRingCapacity), out(kRingCapacity);
  StepRecord record;
  std::chrono::steady_clock::duration copying{}, pushing{};
  std::uint64_t at = 0;
  for ([[maybe_unused]] auto _ : state) {
    const auto start = std::chrono::steady_clock::now();
    for (std::uint32_t i = 0; i < kBurst; ++i) {
      record.step = i;
      benchmark::DoNotOptimize(record);
      std::memcpy(&copies[at++ % kRingCapacity], &record, sizeof record);
      benchmark::ClobberMemory();
    }
    const auto middle = std::chrono::steady_clock::now();
    for (std::uint32_t i = 0; i < kBurst; ++i) {
      record.step = i;
      benchmark::DoNotOptimize(record);
      slot.steps.push(record);
      benchmark::ClobberMemory();
    }
    const auto end = std::chrono::steady_clock::now();
    copying += middle - start;
    pushing += end - middle;
    state.SetIterationTime(std::chrono::duration<double>(end - middle).count());
    slot.steps.pop(out);
  }
  if (slot.steps.lost.load() != 0)
    return state.SkipWithError("the ring ran full: the figures would be of dropping records");
  const auto calls = state.iterations() * kBurst;
  state.SetItemsProcessed(calls);
  state.counters["push_ns"] = ns_per_call(pushing, calls);
  state.counters["memcpy_ns"] = ns_per_call(copying, calls);
  state.counters["ratio"] = ns_per_call(pushing, calls) / ns_per_call(copying, calls);
}
BENCHMARK(bench_push_record)->UseManualTime();

}  // namespace

BENCHMARK_MAIN();

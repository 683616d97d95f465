// Copies to the GPU, its clock, and what NVIDIA's management library takes to tell of the GPUs.
#include <algorithm>

#include "harness/base/clock.hpp"
#include "harness/cluster/node_gpus.hpp"
#include "tests/gpu/bench/bench.hpp"
#include "tests/gpu/bench/check_cuda.hpp"

namespace grit::bench {

Json count_gpus(const Options&) {
  const auto module = need(AcceleratorModule::load());
  return Json::array({Json{{"gpus", need(module->devices()).size()}}});
}

Json measure_copies(const Options& options) {
  const auto device = open_device(options.rank);
  const BareStream stream;
  Json rows = Json::array();
  for (std::int64_t bytes = std::max<std::int64_t>(options.bytes / 256, 4096); bytes <= options.bytes; bytes *= 16) {
    const auto size = static_cast<std::size_t>(bytes);
    const DeviceBuffer to = device->allocate(size), from = device->allocate_for_host(size);
    std::vector<std::byte> pageable(size);
    // At least 64 MiB a side of a round, or as much as the largest copy has.
    const int times = std::max(1, static_cast<int>(std::min<std::int64_t>(64 << 20, options.bytes) / bytes));
    const auto repeat = [times](const auto& once) {
      return [&once, times] {
        const std::int64_t began_ns = monotonic_ns();
        for (int i = 0; i < times; ++i) once();
        return static_cast<double>(monotonic_ns() - began_ns);
      };
    };
    const auto ours = [&] {
      device->load(to.data(), from.data(), size);
      need(device->status());
    };
    const auto bare = [&] {
      check_cuda(cudaMemcpyAsync(to.data(), from.data(), size, cudaMemcpyHostToDevice, stream.get()),
                 "cudaMemcpyAsync");
      stream.wait();
    };
    const auto of_pageable = [&] {
      check_cuda(cudaMemcpy(to.data(), pageable.data(), size, cudaMemcpyHostToDevice), "cudaMemcpy");
    };
    ours(), bare(), of_pageable();
    Json row{{"bytes", bytes}, {"from", "pinned memory of the host"}};
    const double amount = static_cast<double>(bytes) * times;  // bytes a nanosecond are GB/s
    row.update(summary(measure_pairs(options.rounds, repeat(ours), repeat(bare)), "gb_per_s", amount));
    row["bare_gb_per_s_of_pageable_memory"] =
        amount / quantile(measure_pairs(3, repeat(of_pageable), repeat(of_pageable)).ours_ns, 0.5);
    rows.push_back(row);
  }
  return rows;
}

Json measure_clock(const Options& options) {
  const auto device = open_device(options.rank);
  DeviceEvents& events = device->events();
  std::vector<double> errors_ns;
  int outside = 0;
  const std::int64_t end_ns = monotonic_ns() + static_cast<std::int64_t>(options.seconds * 1e9);
  for (std::int64_t before_ns = monotonic_ns(); before_ns < end_ns; before_ns = monotonic_ns()) {
    const DeviceClock known = events.clock();  // which this event has not bounded yet
    const DeviceEvents::Mark mark = need(events.mark(device->stream()));
    while (!need(events.is_reached(mark))) {
    }
    const std::int64_t after_ns = monotonic_ns(), device_ns = events.device_time_ns(mark);
    events.let_go(mark);
    errors_ns.push_back(static_cast<double>(events.error_ns()));
    if (!known.is_set()) continue;
    const std::int64_t at_ns = known.to_host(device_ns), error_ns = known.error_ns(device_ns);
    if (at_ns < before_ns - error_ns || at_ns > after_ns + error_ns) ++outside;
  }
  return Json::array({Json{{"events", errors_ns.size()},
                           {"error_ns", spread(errors_ns)},
                           {"error_ns_at_first", errors_ns.front()},
                           {"error_ns_at_last", errors_ns.back()},
                           {"outside_of_the_hosts_bounds", outside},
                           {"contradictions", events.clock().contradictions()}}});
}

Json measure_discovery(const Options& options) {
  std::vector<double> took_ms;
  FoundGpus found;
  for (int i = 0; i < std::max(3, options.rounds / 3); ++i) {
    const std::int64_t began_ns = monotonic_ns();
    found = need(find_gpus());
    took_ms.push_back(static_cast<double>(monotonic_ns() - began_ns) / 1e6);
  }
  Json row{{"ms", spread(took_ms)},
           {"first_ms", took_ms.front()},
           {"driver", found.driver},
           {"gpus", found.all.size()},
           {"problem", found.problem}};
  if (found.driver.empty()) row["unavailable"] = "no NVIDIA driver is loaded here";
  return Json::array({row});
}

}  // namespace grit::bench

// grit's communicators over NCCL beside a bare loop of NCCL's own calls; the cost of what grit does at each operation;
// and traffic that is watched while somebody interrupts it.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "harness/base/clock.hpp"
#include "harness/model/bus_bandwidth.hpp"
#include "harness/record/segment.hpp"
#include "tests/gpu/bench/bare_nccl.hpp"
#include "tests/gpu/bench/bench.hpp"
#include "workloads/fabric/nccl.hpp"

namespace grit::bench {
namespace {

/// A rank of the job, with both communicators.
class Rank {
 public:
  explicit Rank(const Options& options)
      : bootstrap(options.directory, options.rank, options.ranks),
        device(open_device(options.rank)),
        ours(need(make_nccl_communicator(bootstrap, *device, {.spans = &spans_, .patience_ns = 60 * kNsPerS}))) {}

  /// From when all ranks are there until the slowest has done it.
  double time_of_ns(const std::function<void()>& work) {
    bootstrap.meet();
    const std::int64_t began_ns = monotonic_ns();
    work();
    const double took_ns = bootstrap.largest(static_cast<double>(monotonic_ns() - began_ns));
    while (spans_.take(taken_) > 0) {
    }
    return took_ns;
  }

  OperationHandle begin(CollectiveOperation operation, const float* from, float* to, std::size_t count) {
    switch (operation) {
      case CollectiveOperation::reduce_scatter:
        return need(ours->reduce_scatter(from, to, count, DataType::fp32));
      case CollectiveOperation::all_gather:
        return need(ours->all_gather(from, to, count, DataType::fp32));
      default:
        return need(ours->all_reduce(from, to, count, DataType::fp32));
    }
  }

 private:
  std::vector<CollectiveRecord> ring_ = std::vector<CollectiveRecord>(16384);
  std::vector<CollectiveRecord> taken_ = ring_;
  SpanSink spans_{ring_};

 public:
  FileBootstrap bootstrap;
  std::unique_ptr<CudaDevice> device;
  std::unique_ptr<Communicator> ours;
};

constexpr int kMostOperations = 500;  // of one side of a round

Json compare_operation(Rank& rank, BareNccl& bare, CollectiveOperation operation, std::size_t bytes,
                       const Options& options) {
  const auto ranks = static_cast<std::size_t>(options.ranks);
  const std::size_t whole = std::max<std::size_t>(bytes / sizeof(float) / ranks, 1) * ranks;
  const std::size_t count = operation == CollectiveOperation::all_reduce ? whole : whole / ranks;
  // Two buffers, so that nothing is in place; zeros, so that sums stay.
  const DeviceBuffer from = rank.device->allocate(whole * sizeof(float));
  const DeviceBuffer to = rank.device->allocate(whole * sizeof(float));
  int times = 3;
  const auto ours = [&] {
    return rank.time_of_ns([&] {
      for (int i = 0; i < times; ++i) rank.begin(operation, from.as_floats(), to.as_floats(), count);
      need(rank.ours->wait_all());
    });
  };
  const auto by_nccl = [&] {
    return rank.time_of_ns([&] {
      for (int i = 0; i < times; ++i) bare.begin(operation, from.as_floats(), to.as_floats(), count);
      bare.wait();
    });
  };
  static_cast<void>(ours());
  static_cast<void>(by_nccl());
  const double once_ns = by_nccl() / times;  // all ranks have the same
  times = std::clamp(static_cast<int>(options.round_ms * 1e6 / once_ns), 1, kMostOperations);
  const Pairs pairs = measure_pairs(options.rounds, ours, by_nccl);
  Json row{{"operation", to_string(operation)},
           {"bytes", whole * sizeof(float)},
           {"ranks", options.ranks},
           {"operations_a_round", times}};
  const double factor = bus_bandwidth_factor(operation, options.ranks);
  row.update(summary(pairs, "bus_gb_per_s", factor * static_cast<double>(whole * sizeof(float)) * times));
  row["ours_us"] = quantile(pairs.ours_ns, 0.5) / 1e3 / times;
  row["bare_us"] = quantile(pairs.bare_ns, 0.5) / 1e3 / times;
  return row;
}

}  // namespace

Json measure_operations(const Options& options) {
  Rank rank(options);
  BareNccl bare(rank.bootstrap);
  Json rows = Json::array();
  const auto largest = static_cast<std::size_t>(options.bytes);
  for (std::size_t bytes = largest; bytes >= 4096; bytes /= 16)
    rows.push_back(compare_operation(rank, bare, CollectiveOperation::all_reduce, bytes, options));
  for (const auto operation : {CollectiveOperation::reduce_scatter, CollectiveOperation::all_gather})
    rows.push_back(compare_operation(rank, bare, operation, largest, options));
  rank.bootstrap.meet();
  return rows;
}

Json measure_hooks(const Options& options) {
  Rank rank(options);
  BareNccl bare(rank.bootstrap);
  const DeviceBuffer from = rank.device->allocate(sizeof(float)), to = rank.device->allocate(sizeof(float));
  constexpr auto kOperation = CollectiveOperation::all_reduce;
  const int times = std::clamp(static_cast<int>(options.round_ms * 20), 20, 2000);
  double begin_ns = 0;
  const auto ours = [&] {
    return rank.time_of_ns([&] {
      for (int i = 0; i < times; ++i) {
        const std::int64_t began_ns = monotonic_ns();
        const OperationHandle handle = rank.begin(kOperation, from.as_floats(), to.as_floats(), 1);
        begin_ns += static_cast<double>(monotonic_ns() - began_ns);
        need(rank.ours->wait(handle));
      }
    });
  };
  const auto by_nccl = [&] {
    return rank.time_of_ns([&] {
      for (int i = 0; i < times; ++i) {
        bare.begin(kOperation, from.as_floats(), to.as_floats(), 1);
        bare.wait();
      }
    });
  };
  static_cast<void>(ours());
  static_cast<void>(by_nccl());
  begin_ns = 0;
  const Pairs pairs = measure_pairs(options.rounds, ours, by_nccl);
  std::vector<double> costs_us;
  for (std::size_t i = 0; i < pairs.ours_ns.size(); ++i)
    costs_us.push_back((pairs.ours_ns[i] - pairs.bare_ns[i]) / 1e3 / times);
  rank.bootstrap.meet();
  return Json::array({Json{{"operation", "all_reduce of 4 bytes, each waited for"},
                           {"ranks", options.ranks},
                           {"ours_us", quantile(pairs.ours_ns, 0.5) / 1e3 / times},
                           {"bare_us", quantile(pairs.bare_ns, 0.5) / 1e3 / times},
                           {"cost_us", spread(costs_us)},
                           {"of_which_begin_us", begin_ns / 1e3 / times / options.rounds}}});
}

Json measure_steps(const Options& options) {
  Rank rank(options);
  const auto count = static_cast<std::size_t>(options.bytes) / sizeof(float);
  const DeviceBuffer from = rank.device->allocate(count * sizeof(float));
  const DeviceBuffer to = rank.device->allocate(count * sizeof(float));
  const auto compute = need(make_cuda_compute(*rank.device, DataType::bf16, false, options.size));
  // In four parts, as buckets of gradients are.
  constexpr std::size_t kParts = 4;
  std::vector<WorkTime> times;
  const double flops = 63 * 2.0 * std::pow(options.size, 3);
  const auto step = [&] {
    return rank.time_of_ns([&] {
      for (std::size_t part = 0; part < kParts; ++part) {
        need(compute->run(flops / kParts, *rank.ours));
        rank.begin(CollectiveOperation::all_reduce, from.as_floats() + part * (count / kParts),
                   to.as_floats() + part * (count / kParts), count / kParts);
      }
      need(compute->finish(*rank.ours, times));
      need(rank.ours->wait_all());
    });
  };
  static_cast<void>(step());
  std::vector<double> steps_ms;
  for (int i = 0; i < options.rounds * 2; ++i) steps_ms.push_back(step() / 1e6);
  rank.bootstrap.meet();
  return Json::array({Json{
      {"bytes", options.bytes}, {"ranks", options.ranks}, {"step_ms", spread(steps_ms)}, {"steps", steps_ms.size()}}});
}

Json measure_traffic(const Options& options) {
  Rank rank(options);
  const auto count = static_cast<std::size_t>(options.bytes) / sizeof(float);
  const DeviceBuffer from = rank.device->allocate(count * sizeof(float));
  const DeviceBuffer to = rank.device->allocate(count * sizeof(float));
  const auto once = [&] {
    need(rank.ours->wait(rank.begin(CollectiveOperation::all_reduce, from.as_floats(), to.as_floats(), count)));
  };
  once();
  rank.bootstrap.meet();
  if (options.rank == 0) fmt::print(stderr, "traffic begins\n");
  // Ends of operations, counted in tenths of a second from here. All ranks do as many: they end together when the first
  // says so.
  const std::int64_t began_ns = monotonic_ns();
  std::vector<int> tenths;
  std::int64_t longest_ns = 0, longest_at_ns = 0, last_ns = began_ns;
  for (double rank0_s = 0; rank0_s < options.seconds;) {
    for (int i = 0; i < 10; ++i) {
      once();
      const std::int64_t now_ns = monotonic_ns();
      if (now_ns - last_ns > longest_ns) longest_ns = now_ns - last_ns, longest_at_ns = last_ns - began_ns;
      last_ns = now_ns;
      const auto tenth = static_cast<std::size_t>((now_ns - began_ns) / (100 * kNsPerMs));
      if (tenth >= tenths.size()) tenths.resize(tenth + 1);
      ++tenths[tenth];
    }
    rank0_s = rank.bootstrap.largest(options.rank == 0 ? static_cast<double>(monotonic_ns() - began_ns) / 1e9 : 0);
  }
  return Json::array({Json{{"bytes", options.bytes},
                           {"ranks", options.ranks},
                           {"operations_a_tenth_of_a_second", tenths},
                           {"longest_s", static_cast<double>(longest_ns) / 1e9},
                           {"longest_began_at_s", static_cast<double>(longest_at_ns) / 1e9}}});
}

}  // namespace grit::bench

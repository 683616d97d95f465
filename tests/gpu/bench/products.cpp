// Matrix products: grit's, every 63rd of them checked, beside cuBLASLt's alone; and what a check costs.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "harness/base/clock.hpp"
#include "tests/gpu/bench/bare_products.hpp"
#include "tests/gpu/bench/bench.hpp"
#include "workloads/compute/compute.hpp"

namespace grit::bench {
namespace {

class NoProgress final : public Progress {
 public:
  void poke() override {}
};

struct ProductType {
  std::string_view name;
  DataType type;
  bool is_fp8;
  std::int32_t of_module;
};
constexpr ProductType kProductTypes[] = {{"bf16", DataType::bf16, false, GRIT_BF16},
                                         {"fp16", DataType::fp16, false, GRIT_FP16},
                                         {"fp32", DataType::fp32, false, GRIT_FP32},
                                         {"fp8", DataType::bf16, true, GRIT_FP8_E4M3}};

constexpr int kChecked = 63;  // every such product is (workloads/compute/cuda.cpp)

double time_of_ns(const std::function<void()>& work) {
  const std::int64_t began_ns = monotonic_ns();
  work();
  return static_cast<double>(monotonic_ns() - began_ns);
}

/// Of one side of a round: whole cycles of checked ones.
int products_a_round(BareProducts& bare, double round_ms) {
  bare.run(kChecked);
  const double cycle_ns = time_of_ns([&] { bare.run(kChecked); });
  return kChecked * std::max(1, static_cast<int>(std::lround(round_ms * 1e6 / cycle_ns)));
}

Json compare_products(CudaDevice& device, const ProductType& type, const Options& options) {
  Json row{{"type", type.name}, {"size", options.size}};
  auto compute = make_cuda_compute(device, type.type, type.is_fp8, options.size);
  auto bare = BareProducts::make(type.name, options.size, Numbers::of_operands);
  auto random = BareProducts::make(type.name, options.size, Numbers::random);
  for (const Error* error :
       {compute ? nullptr : &compute.error(), bare ? nullptr : &bare.error(), random ? nullptr : &random.error()}) {
    if (error == nullptr) continue;
    row["unavailable"] = error->message;
    return row;
  }
  const int products = products_a_round(**bare, options.round_ms);
  const double flops = 2.0 * std::pow(options.size, 3) * products;
  NoProgress progress;
  std::vector<WorkTime> times;
  const auto ours = [&] {
    return time_of_ns([&] {
      need((*compute)->run(flops, progress));
      need((*compute)->finish(progress, times));
    });
  };
  static_cast<void>(ours());
  const Pairs pairs = measure_pairs(options.rounds, ours, [&] { return time_of_ns([&] { (*bare)->run(products); }); });
  row.update(summary(pairs, "tflops", flops / 1e3));
  row["products_a_round"] = products;
  // Few rounds: it is only to tell how far the clock is from training's.
  const Pairs random_pairs = measure_pairs(std::max(1, options.rounds / 3), ours,
                                           [&] { return time_of_ns([&] { (*random)->run(products); }); });
  row["bare_tflops_of_random_numbers"] = flops / 1e3 / quantile(random_pairs.bare_ns, 0.5);
  return row;
}

/// Of a stream, what the device itself takes from one event to another.
class Stopwatch {
 public:
  Stopwatch(const std::shared_ptr<const Accelerator>& device, const AcceleratorStream& stream)
      : table_(device->table()), stream_(stream), from_(need(make_event(device))), to_(need(make_event(device))) {}

  double time_of_ns(const std::function<void()>& give) {
    grit_why why{};
    need(check_module(table_.event_record(from_.get(), stream_.get(), &why), why, "an event"));
    give();
    need(check_module(table_.event_record(to_.get(), stream_.get(), &why), why, "an event"));
    for (;;) {
      const std::int32_t state = table_.event_state(to_.get(), &why);
      need(check_module(state, why, "an event"));
      if (state == GRIT_OK) break;
    }
    std::int64_t elapsed_ns = 0;
    need(check_module(table_.event_elapsed(from_.get(), to_.get(), &elapsed_ns, &why), why, "an event's time"));
    return static_cast<double>(elapsed_ns);
  }

 private:
  const grit_module_table& table_;
  const AcceleratorStream& stream_;
  AcceleratorEvent from_, to_;
};

}  // namespace

Json measure_products(const Options& options) {
  const auto device = open_device(options.rank);
  Json rows = Json::array();
  for (const ProductType& type : kProductTypes) rows.push_back(compare_products(*device, type, options));
  return rows;
}

Json measure_check(const Options& options) {
  const auto device = open_device(options.rank);
  const auto& accelerator = device->accelerator();
  const grit_module_table& table = accelerator->table();
  const AcceleratorMemory found = need(AcceleratorMemory::allocate(accelerator, GRIT_ON_HOST, sizeof(grit_found)));
  Stopwatch watch(accelerator, device->stream());
  Json rows = Json::array();
  for (const ProductType& type : kProductTypes) {
    auto gemm = make_gemm(accelerator, type.of_module, options.size);
    Json row{{"type", type.name}, {"size", options.size}};
    if (!gemm) {
      row["unavailable"] = gemm.error().message;
      rows.push_back(row);
      continue;
    }
    grit_why why{};
    const auto products = [&] {
      need(check_module(table.gemm_run(gemm->get(), device->stream().get(), kChecked, &why), why, "products"));
    };
    constexpr int kChecks = 16;
    const auto checks = [&] {
      void* const memory = found.data();
      for (int i = 0; i < kChecks; ++i)
        need(check_module(table.gemm_check(gemm->get(), device->stream().get(), static_cast<grit_found*>(memory), &why),
                          why, "a check"));
    };
    static_cast<void>(watch.time_of_ns(products));
    static_cast<void>(watch.time_of_ns(checks));
    std::vector<double> shares, check_us, product_us;
    for (int round = 0; round < options.rounds; ++round) {
      product_us.push_back(watch.time_of_ns(products) / 1e3 / kChecked);
      check_us.push_back(watch.time_of_ns(checks) / 1e3 / kChecks);
      shares.push_back(check_us.back() / (kChecked * product_us.back()));
    }
    row["check_us"] = spread(check_us);
    row["product_us"] = spread(product_us);
    row["cost_share"] = spread(shares);
    rows.push_back(row);
  }
  return rows;
}

}  // namespace grit::bench

// What grit does with a GPU beside what the vendor's libraries do when they are called directly: in pairs, one after
// the other in the same process, as ratios.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "harness/base/json.hpp"
#include "workloads/compute/cuda_device.hpp"

namespace grit::bench {

/// What is not given is what suits a GPU; stand-ins on a CPU want less of everything.
struct Options {
  int rounds = 15;
  double round_ms = 100;                         // how long one side of a round is to last
  int size = 4096;                               // of matrix products
  std::int64_t bytes = std::int64_t{256} << 20;  // of the largest copy or operation
  double seconds = 2;                            // of what is watched
  // Of ranks: who meets through files in `directory`.
  int rank = 0, ranks = 1;
  std::string directory = ".";
};

/// The values of an option's name; ends the program where one has no meaning.
Options read_options(int argc, char** argv);

[[noreturn]] void give_up(const std::string& why);
inline void need(const Status& done) {
  if (!done) give_up(done.error().message);
}
template <class T>
T need(Result<T> result) {
  if (!result) give_up(result.error().message);
  return std::move(*result);
}

/// The GPU of a rank: those of a machine in turn, so that ranks share where there are fewer.
std::unique_ptr<CudaDevice> open_device(int rank);

/// Times of both sides of each round, ns.
struct Pairs {
  std::vector<double> ours_ns{}, bare_ns{};
};
/// Runs one after the other, who is first alternating.
Pairs measure_pairs(int rounds, const std::function<double()>& ours_ns, const std::function<double()>& bare_ns);

/// The value below which such a share of them lies.
double quantile(std::vector<double> values, double share);

/// {"ours_NAME", "bare_NAME": medians of amount / time, "share": {"median", "p10", "p90"} of the rates of a round,
/// "rounds"}. `amount`: of one side of a round, in the unit of NAME times nanoseconds.
Json summary(const Pairs& pairs, std::string_view name, double amount);

/// Median and 10 % and 90 % quantiles.
Json spread(const std::vector<double>& values);

/// How many GPUs there are.
Json count_gpus(const Options& options);
/// What each measurement gives: a list of rows. Of a job's ranks the first one's is what counts.
Json measure_products(const Options& options);
Json measure_check(const Options& options);
Json measure_copies(const Options& options);
Json measure_clock(const Options& options);
Json measure_discovery(const Options& options);
Json measure_operations(const Options& options);
Json measure_hooks(const Options& options);
Json measure_traffic(const Options& options);
/// Steps as training has them, products and an all-reduce of as much as `bytes` at the same time: for what costs
/// something at every step.
Json measure_steps(const Options& options);
Json measure_contention(const Options& options);
Json measure_hog(const Options& options);
/// Copies within the GPU's memory, by CUDA alone.
Json measure_memory_copies(const Options& options);

}  // namespace grit::bench

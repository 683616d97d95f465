// Where forward and backward work is done.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "harness/base/result.hpp"
#include "harness/model/data_type.hpp"

namespace grit {

class CudaDevice;

/// The clock of the emulated accelerator as parts per million of nominal; in the node's shared memory, so that a fault
/// can throttle it.
using AcceleratorClock = std::atomic<std::uint32_t>;
constexpr std::uint32_t kNominalClockPpm = 1'000'000;

/// Called now and then while the compute works, so that collectives in flight make progress.
class Progress {
 public:
  Progress() = default;
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  virtual ~Progress() = default;
  virtual void poke() = 0;
};

/// When a device did some work, on CLOCK_MONOTONIC.
struct WorkTime {
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
};

/// Work is done when run() returns; or, of a device that works by itself (is_late()), some time after, in the order in
/// which it was given and before anything that its Device is given afterwards.
class Compute {
 public:
  Compute() = default;
  Compute(const Compute&) = delete;
  Compute& operator=(const Compute&) = delete;
  virtual ~Compute() = default;
  /// Does `flops` floating-point operations. Error (internal): a checked result was wrong.
  virtual Status run(double flops, Progress& progress) = 0;
  [[nodiscard]] virtual bool is_late() const { return false; }
  /// Returns when all that run() was given is done, and tells when each of it was, since the last time: in `times`, in
  /// the order of the calls. Nothing of what is not late. Error (internal): as run().
  virtual Status finish(Progress&, std::vector<WorkTime>&) { return {}; }
  /// For how long poke() has held up the work, over the life of this object, ns: host time that belongs to the
  /// collectives.
  [[nodiscard]] virtual std::int64_t held_up_ns() const { return 0; }
};

/// Real single-precision GEMMs by OpenBLAS, one thread, each result checked (Freivalds 1977).
std::unique_ptr<Compute> make_cpu_compute();
/// A timer-driven accelerator: a kernel lasts flops / (peak × clock); the CPU stays free.
/// What kernels took beyond the nominal clock is added to `throttled_ns`, where there is one.
std::unique_ptr<Compute> make_emulated_compute(double peak_flops_per_s, const AcceleratorClock& clock,
                                               std::atomic<std::int64_t>* throttled_ns = nullptr);

/// The size of the products of which a step is made on a GPU: 4096, 137 GFLOP, which keeps all of one busy, or the
/// largest of 2048 ... 128 of which a step has 32 at least, as steps differ by up to one product.
int cuda_product_size(double step_flops);
/// Of the GPU's memory, for operands of up to 4 bytes an element and the result.
double cuda_product_bytes(int size);
/// Matrix products on a GPU, operands of `type`, or fp8 (E4M3) instead, and sums in fp32, size x size; every 63rd is
/// checked, element by element. They are late (Compute::is_late()): only finish() waits for them, by polling. `device`
/// outlives it. Error (unavailable): the device has no such products or no memory for them.
Result<std::unique_ptr<Compute>> make_cuda_compute(CudaDevice& device, DataType type, bool is_fp8, int size);

}  // namespace grit

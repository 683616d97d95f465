// Real work on a GPU: matrix products by cuBLAS, whose results are known beforehand and looked at by the device itself.
#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <thread>
#include <utility>

#include "harness/base/clock.hpp"
#include "workloads/compute/compute.hpp"
#include "workloads/compute/cuda_device.hpp"

namespace grit {
namespace {

// Every such product is looked at, element by element, which costs the device's memory a read of it: at a size of 4096
// some 0.2 % of the time that 63 products take an H100, by its data sheet.
// Odd, since alpha alternates: a product that is not written any more is then seen.
constexpr int kChecked = 63;
// So many times kChecked products wait on the stream: enough that it never runs dry, few enough to end soon.
constexpr std::size_t kWaiting = 2;

constexpr int kLargestProduct = 4096;
constexpr int kSmallestProduct = 128;
constexpr double kFewestProducts = 32;  // of a step

double flops_of_product(int size) { return 2.0 * size * size * size; }

std::int32_t module_type(DataType type) {
  GRIT_ASSERT(type != DataType::bytes);
  return static_cast<std::int32_t>(type);
}

class CudaCompute final : public Compute {
 public:
  CudaCompute(CudaDevice& device, int size)
      : device_(device.accelerator()), flops_(flops_of_product(size)), size_(size), events_(device.events()) {}

  Status set_up(std::int32_t type) {
    GRIT_TRY(stream_, make_stream(device_));
    GRIT_TRY(gemm_, make_gemm(device_, type, size_));
    GRIT_TRY(found_, AcceleratorMemory::allocate(device_, GRIT_ON_HOST, (kWaiting + 1) * sizeof(grit_found)));
    return {};
  }

  Status run(double flops, Progress& progress) override {
    // What does not fill a product is carried over, so that many small layers cost as much as one large one.
    owed_flops_ += flops;
    auto products = static_cast<std::int64_t>(owed_flops_ / flops_);
    owed_flops_ -= static_cast<double>(products) * flops_;
    while (products > 0) {
      const auto some = static_cast<int>(std::min<std::int64_t>(products, kChecked - since_check_));
      GRIT_CHECK(launch(some));
      products -= some;
      if (under_way_.size() > kWaiting) GRIT_CHECK(await_first(progress));
    }
    while (!under_way_.empty()) GRIT_CHECK(await_first(progress));
    return {};
  }

  [[nodiscard]] std::int64_t held_up_ns() const override { return held_up_ns_; }

 private:
  struct Batch {
    DeviceEvents::Mark end{};
    grit_found* found = nullptr;  // not null: its last product was looked at
  };

  Status launch(int products) {
    grit_why why{};
    GRIT_CHECK(check_module(device_->table().gemm_run(gemm_.get(), stream_.get(), products, &why), why, "a product"));
    Batch batch;
    since_check_ += products;
    if (since_check_ == kChecked) {
      since_check_ = 0;
      batch.found = next_found();
      GRIT_CHECK(check_module(device_->table().gemm_check(gemm_.get(), stream_.get(), batch.found, &why), why,
                              "the check of a product"));
    }
    GRIT_TRY(batch.end, events_.mark(stream_));
    under_way_.push_back(batch);
    return {};
  }

  /// One that no batch under way has: there is one more than batches.
  grit_found* next_found() {
    void* const places = found_.data();
    return static_cast<grit_found*>(places) + std::exchange(next_found_, (next_found_ + 1) % (kWaiting + 1));
  }

  Status await_first(Progress& progress) {
    const Batch batch = under_way_.front();
    std::int64_t poked_ns = 0;
    for (;;) {
      GRIT_TRY(const bool reached, events_.is_reached(batch.end));
      if (reached) break;
      const std::int64_t start_ns = monotonic_ns();
      progress.poke();
      std::this_thread::yield();
      poked_ns = monotonic_ns() - start_ns;
    }
    under_way_.pop_front();
    // The device had ended by then; what the last poke took beyond it is the collectives'.
    const std::int64_t idle_ns = monotonic_ns() - events_.time_ns(batch.end);
    held_up_ns_ += std::clamp<std::int64_t>(idle_ns, 0, poked_ns);
    events_.let_go(batch.end);
    return batch.found != nullptr ? judge(*batch.found) : Status();
  }

  [[nodiscard]] Status judge(const grit_found& found) const {
    if (found.wrong == 0) return {};
    return internal_error(fmt::format(
        "a matrix product is wrong in {} of {} elements, first in element {}: {} ({}) or its memory computes "
        "wrongly: take the node out of service and test it",
        found.wrong, std::int64_t{size_} * size_, found.first >> 32, device_->facts().name,
        device_->facts().pci_address));
  }

  std::shared_ptr<const Accelerator> device_;
  double flops_;
  int size_;
  AcceleratorStream stream_;
  AcceleratorGemm gemm_;
  AcceleratorMemory found_;
  DeviceEvents& events_;
  std::deque<Batch> under_way_;
  std::size_t next_found_ = 0;
  int since_check_ = 0;  // products
  double owed_flops_ = 0;
  std::int64_t held_up_ns_ = 0;
};

}  // namespace

int cuda_product_size(double step_flops) {
  int size = kLargestProduct;
  while (size > kSmallestProduct && step_flops < kFewestProducts * flops_of_product(size)) size /= 2;
  return size;
}

Result<std::unique_ptr<Compute>> make_cuda_compute(CudaDevice& device, DataType type, int size) {
  auto compute = std::make_unique<CudaCompute>(device, size);
  GRIT_CHECK(compute->set_up(module_type(type)));
  return compute;
}

}  // namespace grit

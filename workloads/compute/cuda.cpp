// Real work on a GPU: matrix products by cuBLAS, whose results are known beforehand and looked at by the device itself.
#include <fmt/format.h>

#include <algorithm>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "harness/base/clock.hpp"
#include "workloads/compute/compute.hpp"
#include "workloads/compute/cuda_device.hpp"

namespace grit {
namespace {

// Every such product is looked at, element by element, which costs the device's memory a read of it: at a size of 4096
// some 0.2 % of the time that 63 products take an H100, by its data sheet.
// Odd, since alpha alternates: a product that is not written any more is then seen.
constexpr int kChecked = 63;
// Checks that were given and not looked at yet; the host waits for them where there would be more.
constexpr std::size_t kMostChecks = 256;

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
      : device_(device), events_(device.events()), flops_(flops_of_product(size)), size_(size) {}

  Status set_up(std::int32_t type) {
    GRIT_TRY(gemm_, make_gemm(device_.accelerator(), type, size_));
    GRIT_TRY(found_,
             AcceleratorMemory::allocate(device_.accelerator(), GRIT_ON_HOST, kMostChecks * sizeof(grit_found)));
    return {};
  }

  Status run(double flops, Progress& progress) override {
    // What does not fill a product is carried over, so that many small layers cost as much as one large one.
    owed_flops_ += flops;
    auto products = static_cast<std::int64_t>(owed_flops_ / flops_);
    owed_flops_ -= static_cast<double>(products) * flops_;
    Work& work = given_.emplace_back();
    if (products == 0) return {};
    work.is_any = true;
    GRIT_TRY(work.begin, events_.mark(device_.stream()));
    while (products > 0) {
      const auto some = static_cast<int>(std::min<std::int64_t>(products, kChecked - since_check_));
      GRIT_CHECK(launch(some, progress));
      products -= some;
    }
    GRIT_TRY(work.end, events_.mark(device_.stream()));
    return {};
  }

  [[nodiscard]] bool is_late() const override { return true; }

  Status finish(Progress& progress, std::vector<WorkTime>& times) override {
    times.clear();
    for (const Work& work : given_) {
      WorkTime& time = times.emplace_back();
      if (!work.is_any) continue;
      GRIT_TRY(time.begin_ns, take_time(work.begin, progress));
      GRIT_TRY(time.end_ns, take_time(work.end, progress));
    }
    given_.clear();
    return judge_all();  // each was given before the end of some work
  }

 private:
  struct Work {
    bool is_any = false;  // else there were too few FLOPs for a product
    DeviceEvents::Mark begin{}, end{};
  };

  Status launch(int products, Progress& progress) {
    const grit_module_table& table = device_.accelerator()->table();
    grit_why why{};
    GRIT_CHECK(check_module(table.gemm_run(gemm_.get(), device_.stream().get(), products, &why), why, "a product"));
    since_check_ += products;
    if (since_check_ < kChecked) return {};
    since_check_ = 0;
    if (checks_ == kMostChecks) {
      GRIT_TRY(const DeviceEvents::Mark now, events_.mark(device_.stream()));
      GRIT_TRY(const std::int64_t reached_ns, take_time(now, progress));
      static_cast<void>(reached_ns);
      GRIT_CHECK(judge_all());
    }
    return check_module(table.gemm_check(gemm_.get(), device_.stream().get(), found() + checks_++, &why), why,
                        "the check of a product");
  }

  [[nodiscard]] grit_found* found() const {
    void* const memory = found_.data();
    return static_cast<grit_found*>(memory);
  }

  Status judge_all() {
    for (const grit_found& one : std::span(found(), std::exchange(checks_, 0))) GRIT_CHECK(judge(one));
    return {};
  }

  Status await(DeviceEvents::Mark mark, Progress& progress) {
    for (;;) {
      GRIT_TRY(const bool reached, events_.is_reached(mark));
      if (reached) return {};
      progress.poke();
      std::this_thread::yield();
    }
  }

  Result<std::int64_t> take_time(DeviceEvents::Mark mark, Progress& progress) {
    GRIT_CHECK(await(mark, progress));
    const std::int64_t time_ns = events_.time_ns(mark);
    events_.let_go(mark);
    return time_ns;
  }

  [[nodiscard]] Status judge(const grit_found& found) const {
    if (found.wrong == 0) return {};
    const AcceleratorFacts& facts = device_.accelerator()->facts();
    return internal_error(fmt::format(
        "a matrix product is wrong in {} of {} elements, first in element {}: {} ({}) or its memory computes "
        "wrongly: take the node out of service and test it",
        found.wrong, std::int64_t{size_} * size_, found.first >> 32, facts.name, facts.pci_address));
  }

  CudaDevice& device_;
  DeviceEvents& events_;
  double flops_;
  int size_;
  AcceleratorGemm gemm_;
  AcceleratorMemory found_;
  std::vector<Work> given_;
  std::size_t checks_ = 0;  // given and not looked at
  int since_check_ = 0;     // products
  double owed_flops_ = 0;
};

}  // namespace

int cuda_product_size(double step_flops) {
  int size = kLargestProduct;
  while (size > kSmallestProduct && step_flops < kFewestProducts * flops_of_product(size)) size /= 2;
  return size;
}

double cuda_product_bytes(int size) { return 3.0 * size * size * 4; }

Result<std::unique_ptr<Compute>> make_cuda_compute(CudaDevice& device, DataType type, bool is_fp8, int size) {
  auto compute = std::make_unique<CudaCompute>(device, size);
  GRIT_CHECK(compute->set_up(is_fp8 ? GRIT_FP8_E4M3 : module_type(type)));
  return compute;
}

}  // namespace grit
